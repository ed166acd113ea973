"""Recordings: what is kept of a file, what is left out, and what is said about files that are none."""

import base64
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

import probe.brokers
from probe.brokers import find_broker
from probe.load import replay
from probe.load.replay import Move, Recording, moved, offset_of, read_recording
from probe.measure.plain import plain
from probe.model.errors import ConfigError
from probe.model.intents import AskBalance, AskHistory, CancelPending, PlaceOrder, PlacePending, Watch
from probe.model.meanings import Direction, History
from probe.session.broker import Broker
from probe.session.transcript import Line
from tests.pretending import POCKETOPTION, QUOTEX, SSID, TOKEN

BROKER = POCKETOPTION.broker
UTC = 1_795_168_800.0
HISTORY = AskHistory(symbol="EURUSD_otc", period=60, until=UTC + 7200, span=9000.0, index=179516880017)
WATCH = Watch(symbol="EURUSD_otc")
TICK = b'[["EURUSD_otc",1795168800.1,1.2]]'


def sent(at: float, message: str) -> dict[str, Any]:
    return {"type": "send", "time": UTC + at, "opcode": 1, "data": message}


def received(at: float, message: str | bytes) -> dict[str, Any]:
    is_binary = isinstance(message, bytes)
    data = base64.b64encode(message).decode() if isinstance(message, bytes) else message
    return {"type": "receive", "time": UTC + at, "opcode": 2 if is_binary else 1, "data": data}


def har(*connections: Iterable[dict[str, Any]]) -> bytes:
    """As mitmproxy and DevTools write it: the page itself is an entry, too."""
    request = {"method": "GET", "url": f"wss://sim.test/socket.io/?token={TOKEN}", "headers": []}
    page = {"startedDateTime": "2026-11-22T07:00:00Z", "request": request, "_resourceType": "document"}
    sockets = [
        {**page, "_resourceType": "websocket", "_webSocketMessages": list(messages)}
        for messages in connections
    ]
    return json.dumps({"log": {"version": "1.2", "entries": [page, *sockets]}}, indent=1).encode()


def written(intent: Any, broker: Broker = BROKER) -> str:
    (message,) = broker.codec().encode_intent(intent)
    assert isinstance(message, str)
    return message


def reading(data: bytes, broker: Broker = BROKER, where: str = "a.har") -> Recording:
    return read_recording(data, where=where, broker=broker)


SESSION = (
    received(0.0, '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'),
    sent(0.1, "40"),
    received(0.2, '40{"sid":"b"}'),
    sent(0.3, SSID),
    received(0.4, '451-["successauth",{"_placeholder":true,"num":0}]'),
    received(0.4, b'{"id":"1"}'),
    sent(1.0, written(WATCH)),
    received(1.5, '451-["updateStream",{"_placeholder":true,"num":0}]'),
    received(1.5, TICK),
    received(2.0, "2"),
    sent(2.0, "3"),
    sent(2.5, '42["ps"]'),
    sent(2.6, '42["price-alert/load"]'),
    sent(2.7, '42["nobody-knows-this",{"session":"planted0secret0token000001"}]'),
    sent(3.0, written(HISTORY)),
    received(9.0, '451-["updateStream",{"_placeholder":true,"num":0}]'),
    received(9.0, TICK),
)


class TestHar:
    def test_what_a_client_wanted_is_kept_with_its_gaps(self) -> None:
        (connection,) = reading(har(SESSION)).connections
        assert [move.intent for move in connection.moves] == [WATCH, HISTORY]
        assert [round(move.at, 6) for move in connection.moves] == [1.0, 3.0]
        assert (connection.seconds, connection.began_at_utc) == (9.0, UTC)
        assert (connection.received, connection.ticks) == (9, 2)

    def test_what_sessions_do_by_themselves_and_what_is_not_understood_is_counted(self) -> None:
        assert reading(har(SESSION)).left_out == {
            "that sessions send by themselves": 4,
            "of the web page's own": 1,
            "not understood": 1,
        }

    def test_an_answer_is_found_again(self) -> None:
        page = History(symbol="EURUSD_otc", period=60, index=HISTORY.index)
        answer = BROKER.codec().encode_meaning(page)
        said = [sent(0.0, written(HISTORY)), *(received(0.25, each) for each in answer)]
        recording = reading(har(said))
        assert [round(move.answered_after or 0.0, 6) for move in recording.connections[0].moves] == [0.25]
        assert "1 of them answered there (half of them within 250 ms)" in recording.describe()

    def test_no_secret_of_it_is_kept_or_told(self) -> None:
        recording = reading(har(SESSION))
        assert TOKEN not in repr(recording)
        assert TOKEN not in recording.describe()

    def test_it_is_described_in_a_sentence(self) -> None:
        assert reading(har(SESSION)).describe() == (
            "1 recorded connection of at most 9 s, 2 messages to play; left out: 4 that sessions send by themselves, "
            "1 of the web page's own, 1 not understood"
        )

    def test_sockets_of_others_on_the_page_are_left_out(self) -> None:
        chat = [sent(0.0, '{"hello":"support"}'), sent(1.0, '{"typing":true}')]
        recording = reading(har(chat, SESSION))
        assert len(recording.connections) == 1
        assert recording.left_out["of other connections"] == 2

    def test_each_connection_is_played_by_itself_and_users_take_them_in_turn(self) -> None:
        other = [sent(0.0, written(AskHistory(symbol="#AAPL", period=60, until=UTC, span=60.0, index=1)))]
        recording = reading(har(SESSION, other))
        first, second = recording.connections
        assert [recording.of_user(number) for number in range(3)] == [first, second, first]

    def test_a_clock_that_was_set_back_makes_no_gap(self) -> None:
        said = [sent(10.0, written(WATCH)), sent(2.0, written(HISTORY)), sent(3.5, written(WATCH))]
        (connection,) = reading(har(said)).connections
        assert [move.at for move in connection.moves] == [0.0, 0.0, 1.5]

    @pytest.mark.parametrize(
        "odd",
        [
            {"type": "error", "time": UTC, "opcode": -1, "data": "net::ERR"},  # as DevTools notes an end
            {"type": "send", "time": UTC, "opcode": 8, "data": ""},
            "text",
            None,
        ],
    )
    def test_what_is_no_message_is_none(self, odd: object) -> None:
        (connection,) = reading(har([odd, *SESSION])).connections  # type: ignore[list-item]
        assert len(connection.moves) == 2

    @pytest.mark.parametrize(
        "odd",
        [
            {"type": "send", "time": UTC, "opcode": 2, "data": "no base64!"},
            {"type": "send", "time": UTC, "opcode": 1},
            {"type": "send", "time": "noon", "opcode": 1, "data": 7},
        ],
    )
    def test_a_message_that_cannot_be_read_is_counted(self, odd: dict[str, Any]) -> None:
        assert reading(har([*SESSION, odd])).left_out["not understood"] == 2

    def test_orders_are_read_and_those_of_live_accounts_are_not(self) -> None:
        order = json.loads(written(_order())[2:])
        real = json.dumps([order[0], order[1] | {"isDemo": 0}])
        recording = reading(har([sent(0.0, written(_order())), sent(1.0, "42" + real)]))
        assert [type(move.intent) for move in recording.connections[0].moves] == [PlaceOrder]
        assert recording.left_out == {"about a live account": 1}


class TestTranscripts:
    def test_the_evidence_of_our_own_records_is_played(self) -> None:
        lines = [
            Line(UTC, ">", written(WATCH), binary=False),
            Line(UTC + 0.5, "<", '451-["updateStream",{"_placeholder":true,"num":0}]', binary=False),
            Line(UTC + 0.5, "<", TICK.decode(), binary=True),
            Line(UTC + 2.0, ">", written(HISTORY), binary=False),
        ]
        record = {"schema_version": 1, "kind": "incident", "evidence": plain(tuple(lines))}
        data = "\n".join([json.dumps({"kind": "event"}), json.dumps(record)]).encode()
        (connection,) = reading(data, where="a.jsonl").connections
        assert [(move.at, move.intent) for move in connection.moves] == [(0.0, WATCH), (2.0, HISTORY)]
        assert connection.ticks == 1

    def test_the_last_messages_of_a_check_have_no_times_and_come_one_after_the_other(self) -> None:
        data = json.dumps(
            {"last_messages": [f"> {written(WATCH)}", "< 2", "> 3", f"> {written(HISTORY)}"]}, indent=1
        )
        (connection,) = reading(data.encode(), where="a.json").connections
        assert [move.at for move in connection.moves] == [0.0, 3.0]
        assert connection.began_at_utc is None

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("pocketoption/transcripts/orders.txt", [PlaceOrder, PlacePending, CancelPending]),
            ("bingx/transcripts/spot.txt", [Watch]),
        ],
    )
    def test_frames_written_as_text_are_played(self, name: str, wanted: list[type]) -> None:
        data = (Path(str(probe.brokers.__file__)).parent / name).read_bytes()
        (connection,) = reading(data, find_broker(name.partition("/")[0]), name).connections
        assert [type(move.intent) for move in connection.moves] == wanted

    def test_binary_frames_of_engine_io_3_are_joined_again(self) -> None:
        data = (Path(str(probe.brokers.__file__)).parent / "quotex/transcripts/stream.txt").read_bytes()
        (connection,) = reading(data, QUOTEX.broker, "stream.txt").connections
        assert connection.ticks == 2


class TestBadFiles:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "it is empty"),
            (b"\x1f\x8b\x00\xff\xfe", "it is no text"),
            (b"some log\n", "it is neither a HAR nor a transcript of ours"),
            (har(SESSION)[:-200], "it is no whole JSON"),
            (b'{"kind": "event"}\n{"kind": "inc', "a.har, line 2: it is no whole JSON"),
            (b"[" * 100_000, "it is nested too deeply"),
            (b'{"at": ' + b"9" * 5000 + b"}", "it is no whole JSON (a number is too long)"),
            (b'{"log": {"entries": {}}}', "it begins as a HAR does, and has no list of entries"),
            (har(), "there is no WebSocket message in it"),
            (b"[1, 2]", "there is no WebSocket message in it"),
            (har(SESSION[:1]), "there is nothing that a client said in it"),
            (har(SESSION[:5]), "nothing in it can be played (2 that sessions send by themselves)"),
            (
                har([sent(0.0, '{"op":"ping"}')]),
                "not one message in it is understood as said to PocketOption",
            ),
        ],
    )
    def test_each_is_refused_with_its_reason(self, data: bytes, words: str) -> None:
        with pytest.raises(ConfigError) as refused:
            reading(data)
        assert words in str(refused.value)
        assert str(refused.value).startswith("a.har")
        assert refused.value.next_step

    def test_a_recording_of_another_broker_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="not one message in it is understood as said to BingX"):
            reading(har([sent(0.0, '{"x":1}'), *SESSION]), find_broker("bingx"))

    def test_a_huge_file_is_not_read_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay, "MOST_BYTES", 1024 * 1024)
        with pytest.raises(ConfigError, match="it has 2 MiB, and 1 is the most"):
            reading(b" " * (2 * 1024 * 1024))

    def test_brokers_without_a_socket_have_nothing_to_play(self) -> None:
        with pytest.raises(ConfigError, match="questions over HTTP"):
            reading(har(SESSION), find_broker("mt5"))

    def test_no_secret_is_in_a_refusal(self) -> None:
        with pytest.raises(ConfigError) as refused:
            reading(har(SESSION)[:-300])
        assert TOKEN not in str(refused.value)


class TestPlaying:
    def test_offsets_lie_within_a_gap_and_are_the_same_for_the_same_seed(self) -> None:
        (connection,) = reading(har(SESSION)).connections
        offsets = [offset_of(connection, Random(seed)) for seed in range(50)]
        assert offsets == [offset_of(connection, Random(seed)) for seed in range(50)]
        assert max(offsets) <= 2.0  # the gap between its two messages
        assert len({round(each, 6) for each in offsets}) == 50

    def test_exact_has_no_offset(self) -> None:
        (connection,) = reading(har(SESSION)).connections
        assert offset_of(connection, Random(1), exact=True) == 0.0

    def test_wishes_about_an_instant_move_with_the_day_in_whole_minutes(self) -> None:
        order = _order(closes_at=UTC)
        pending = PlacePending(
            symbol="EURUSD_otc", direction=order.direction, amount=1.0, duration=60, open_at=UTC
        )
        later = 3605.0
        assert moved(HISTORY, later) == dataclasses.replace(HISTORY, until=HISTORY.until + 3600)
        assert moved(order, later) == dataclasses.replace(order, closes_at=UTC + 3600)
        assert moved(pending, later) == dataclasses.replace(pending, open_at=UTC + 3600)
        assert moved(AskBalance(), later) == AskBalance()
        assert moved(_order(), later) == _order()

    def test_a_move_says_nothing_it_does_not_know(self) -> None:
        assert Move(at=1.0, intent=WATCH).answered_after is None


def _order(**more: Any) -> PlaceOrder:
    return PlaceOrder(
        symbol="EURUSD_otc", direction=Direction.CALL, amount=1.0, duration=60, request_id=77, **more
    )
