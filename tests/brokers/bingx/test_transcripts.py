"""The literal frames in transcripts/ are the judge of both halves of the codec."""

import json
from pathlib import Path
from typing import Any

import pytest

from probe.brokers import bingx
from probe.brokers.bingx.codec import BingxCodec, Dialect
from probe.brokers.bingx.frames import pack, unpack
from probe.model.intents import UnknownIntent
from probe.model.meanings import BeatAsked, Meaning, Quote, Quotes, Unrecognised
from tests.brokers.recorded import frames, transcripts

TRANSCRIPTS = transcripts(bingx)
FOLDER = TRANSCRIPTS[0].parent
DIALECTS = {
    "swap": Dialect(),
    "spot": Dialect(heartbeat="spot", ack="old"),
    "errors": Dialect(),
}


def told(path: Path) -> list[Meaning]:
    codec = BingxCodec()
    for asked in frames(path, "C"):  # so that it knows what is acknowledged
        for intent in BingxCodec().decode_intent(asked):
            if not isinstance(intent, UnknownIntent) and "reqType" in str(asked):
                codec.encode_intent(intent)
    return [meaning for frame in frames(path, "S") for meaning in codec.decode_meaning(pack(str(frame)))]


def test_each_transcript_has_its_dialect() -> None:
    assert {path.stem for path in TRANSCRIPTS} == set(DIALECTS)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_client_understands_every_captured_server_frame(path: Path) -> None:
    assert [meaning for meaning in told(path) if isinstance(meaning, Unrecognised)] == []


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_what_the_client_would_say_is_what_was_captured(path: Path) -> None:
    server, client = BingxCodec(), BingxCodec()
    for frame in frames(path, "C"):
        (intent,) = server.decode_intent(frame)
        (said,) = client.encode_intent(intent)
        assert as_data(str(said)) == as_data(str(frame))


def as_data(said: str) -> Any:
    return said if said.startswith("P") else json.loads(said)


@pytest.mark.parametrize("name", ["swap", "spot"])
def test_what_the_simulator_would_say_has_the_captured_shape(name: str) -> None:
    """Values of a day's statistics are made up; names and types are not."""
    server = BingxCodec(DIALECTS[name])
    client = BingxCodec()
    for frame in frames(FOLDER / f"{name}.txt", "S"):
        for meaning in client.decode_meaning(pack(str(frame))):
            if isinstance(meaning, Quotes) and "@ticker" in str(frame):
                (said,) = server.encode_meaning(meaning)
                captured, made = (json.loads(each)["data"] for each in (str(frame), unpack(said)))
                assert {name: type(value) for name, value in made.items()} == {
                    name: type(value) for name, value in captured.items()
                }
            elif isinstance(meaning, BeatAsked):
                (said,) = server.encode_meaning(meaning)
                assert unpack(said) == frame


def test_captured_prices_arrive_where_they_belong() -> None:
    quotes = [meaning.rows for meaning in told(FOLDER / "swap.txt") if isinstance(meaning, Quotes)]
    assert quotes == [
        (Quote("ETH-USDT", 1714650656.745, 2986.23),),
        (Quote("ETH-USDT", 1714650253.104, 2983.48),),
        (Quote("ETH-USDT", 1714650946.618, 2993.63),),
        (Quote("ETH-USDT", 1714650774.894, 2988.90),),
    ]
