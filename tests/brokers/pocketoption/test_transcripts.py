"""The literal frames in transcripts/ are the judge of both halves of the codec."""

import json
from pathlib import Path

import pytest

from probe.brokers import pocketoption
from probe.brokers.pocketoption.codec import PocketOptionCodec
from probe.model.intents import Login, UnknownIntent
from probe.model.meanings import Assets, History, Joined, OrdersClosed, PendingPlaced, Refused, Unrecognised
from probe.session.codec import Message
from tests.brokers.recorded import as_data, frames, transcripts

TRANSCRIPTS = transcripts(pocketoption)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_client_understands_every_captured_server_frame(path: Path) -> None:
    codec = PocketOptionCodec()
    told = [meaning for frame in frames(path, "S") for meaning in codec.decode_meaning(frame)]
    assert [meaning for meaning in told if isinstance(meaning, Unrecognised)] == []
    assert told


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_simulator_understands_every_captured_client_frame(path: Path) -> None:
    codec = PocketOptionCodec()
    asked = [intent for frame in frames(path, "C") for intent in codec.decode_intent(frame)]
    assert [intent for intent in asked if isinstance(intent, UnknownIntent)] == []
    assert len(asked) == len(frames(path, "C"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_what_the_client_would_say_is_what_was_captured(path: Path) -> None:
    server, client = PocketOptionCodec(), PocketOptionCodec()
    for frame in frames(path, "C"):
        for intent in server.decode_intent(frame):
            if not isinstance(intent, Login):  # the client sends the user's own frame, byte for byte
                assert [as_data(said) for said in client.encode_intent(intent)] == [as_data(frame)]


# Fields that no meaning carries, because nobody needs them: (transcript, event) -> names or positions.
UNREAD: dict[str, set[object]] = {
    "updateAssets": {6, 7, 8, 10, 11, 12, 13, 15, 16, 17},
    "loadHistoryPeriod": {"symbol_id", "asset"},
    "successopenPendingOrder": {"dateCreated", "id"},
    "successcloseOrder": {"profit", "closeMs", "refundTime", "refundTimestamp"},
}


def without_unread(name: str, value: object) -> object:
    unread: set[object] = UNREAD.get(name, set())
    if isinstance(value, dict):
        return {key: without_unread(name, item) for key, item in value.items() if key not in unread}
    if isinstance(value, list):
        row = len(value) == 19
        return [without_unread(name, item) for at, item in enumerate(value) if not (row and at in unread)]
    return value


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_what_the_simulator_would_say_is_what_was_captured(path: Path) -> None:
    client, server = PocketOptionCodec(), PocketOptionCodec()
    waiting: Message = ""
    for frame in frames(path, "S"):
        told = client.decode_meaning(frame)
        if not told:
            waiting = frame
            continue
        (meaning,) = told
        said = server.encode_meaning(meaning)
        if isinstance(meaning, Refused):
            assert as_data(said[0]) == as_data(frame)
        elif isinstance(frame, bytes):
            name = json.loads(str(waiting)[4:])[0]
            assert json.loads(str(said[0])[4:])[0].removesuffix("Fast") == name.removesuffix("Fast")
            assert without_unread(name, as_data(said[1])) == without_unread(name, as_data(frame))
        else:
            assert as_data(said[0]) == as_data(frame)


def test_the_namespace_reply_begins_exactly_as_strict_clients_demand() -> None:
    assert PocketOptionCodec().encode_meaning(Joined(sid="abc")) == ['40{"sid":"abc"}']


def test_headers_are_written_byte_for_byte_as_clients_search_for_them() -> None:
    header, _ = PocketOptionCodec().encode_meaning(Assets(rows=()))
    assert header == '451-["updateAssets",{"_placeholder":true,"num":0}]'


def test_captured_values_arrive_where_they_belong() -> None:
    codec = PocketOptionCodec()
    folder = TRANSCRIPTS[0].parent
    told = [m for frame in frames(folder / "orders.txt", "S") for m in codec.decode_meaning(frame)]
    (closed,) = [m for m in told if isinstance(m, OrdersClosed)]
    assert (closed.orders[0].profit, closed.orders[0].close_price) == (-5, 69.311)
    (pending,) = [m for m in told if isinstance(m, PendingPlaced)]
    assert pending.order.open_at == 1785079687.0
    told = [m for frame in frames(folder / "stream.txt", "S") for m in codec.decode_meaning(frame)]
    (burst,) = [m for m in told if isinstance(m, History)]
    assert [(c.open, c.high, c.low, c.close) for c in burst.candles] == [
        (1.14355, 1.14361, 1.1435, 1.1436),
        (1.1436, 1.14365, 1.14358, 1.14362),
    ]
