"""The literal frames in transcripts/ are the judge of both halves of the codec."""

import json
from pathlib import Path
from typing import Any

import pytest

from probe.brokers import bingx
from probe.brokers.bingx.codec import BingxCodec, Dialect
from probe.brokers.bingx.frames import pack, unpack
from probe.model.intents import Murmur, Unwatch, Watch
from probe.model.meanings import Balance, BeatAsked, BrokerClock, Meaning, Notice, Quote, Quotes, Unrecognised
from tests.brokers.recorded import frames, transcripts

TRANSCRIPTS = transcripts(bingx)
FOLDER = TRANSCRIPTS[0].parent
DIALECTS = {
    "swap": Dialect(),
    "spot": Dialect(heartbeat="spot", ack="old"),
    "errors": Dialect(),
    "account": Dialect(),
}


def told(path: Path) -> list[Meaning]:
    codec = BingxCodec()
    for asked in frames(path, "C"):  # so that it knows what is acknowledged
        for intent in BingxCodec().decode_intent(asked):
            if isinstance(intent, Watch | Unwatch):
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
        intents = [each for each in server.decode_intent(frame) if not isinstance(each, Murmur)]
        said = [said for each in intents for said in client.encode_intent(each)]
        refused = "NONE" in str(frame)  # there is no such pair, so it is no wish
        assert [as_data(str(each)) for each in said] == ([] if refused else [as_data(str(frame))])


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


def test_what_the_simulator_would_say_of_an_account_has_the_captured_shape() -> None:
    server = BingxCodec()
    server.encode_meaning(BrokerClock(seconds=1696244249.32))
    captured = [json.loads(str(each)) for each in frames(FOLDER / "account.txt", "S")]
    update, setting, _, expired = captured
    made = [
        *server.encode_meaning(Balance(amount=49.81083984, is_demo=None)),
        *server.encode_meaning(Notice(name="listenKeyExpired", payload=expired["listenKey"])),
    ]
    for said, example in zip(map(json.loads, map(unpack, made)), (update, setting, expired), strict=True):
        assert shape(said) == shape(example)


def shape(said: Any) -> Any:
    """Names and types, without the values."""
    if isinstance(said, dict):
        return {name: shape(value) for name, value in said.items()}
    return [shape(each) for each in said] if isinstance(said, list) else type(said)
