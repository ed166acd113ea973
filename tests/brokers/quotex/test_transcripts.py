"""The literal frames in transcripts/ are the judge of both halves of the codec."""

import json
from pathlib import Path

import pytest

from probe.brokers import quotex
from probe.brokers.quotex.codec import QuotexCodec
from probe.brokers.quotex.dialect import Dialect
from probe.model.intents import ChooseAccount, Intent, Login, PlaceOrder, UnknownIntent, Unwatch, Watch
from probe.model.meanings import (
    Assets,
    Balance,
    Candle,
    History,
    Meaning,
    OptionKind,
    OrdersClosed,
    PendingPlaced,
    Purses,
    Quote,
    Quotes,
    Refused,
    Sentiment,
    Unrecognised,
)
from probe.session.codec import Message
from tests.brokers.recorded import as_data, frames, transcripts

TRANSCRIPTS = transcripts(quotex)
FOLDER = TRANSCRIPTS[0].parent
each_transcript = pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)


def told_in(name: str) -> list[Meaning]:
    codec = QuotexCodec()
    return [meaning for frame in frames(FOLDER / name, "S") for meaning in codec.decode_meaning(frame)]


def asked_in(name: str) -> list[Intent]:
    codec = QuotexCodec()
    return [intent for frame in frames(FOLDER / name, "C") for intent in codec.decode_intent(frame)]


@each_transcript
def test_the_client_understands_every_recorded_server_frame(path: Path) -> None:
    told = told_in(path.name)
    assert [meaning for meaning in told if isinstance(meaning, Unrecognised)] == []
    assert told


@each_transcript
def test_the_simulator_understands_every_recorded_client_frame(path: Path) -> None:
    asked = asked_in(path.name)
    assert [intent for intent in asked if isinstance(intent, UnknownIntent)] == []
    assert len(asked) == len(frames(path, "C"))


@each_transcript
def test_what_the_client_would_say_is_what_was_recorded(path: Path) -> None:
    server, client = QuotexCodec(), QuotexCodec()
    for frame in frames(path, "C"):
        for intent in server.decode_intent(frame):
            said = client.encode_intent(intent)
            if isinstance(intent, Unwatch):  # in one of its two spellings
                said = [QuotexCodec(Dialect(unwatch="subfor")).encode_intent(intent)[0], *said]
                assert as_data(frame) in [as_data(each) for each in said]
            else:
                # a subscription has two more frames, which the transcript has beside it
                assert as_data(said[0]) == as_data(frame)
                assert isinstance(intent, Watch) or len(said) == 1


# Fields that no meaning carries, because nobody needs them: event -> names or positions.
UNREAD: dict[str, set[object]] = {
    "instruments/list": {*range(6, 11), 12, 13, *range(15, 30)},
    "s_balance": {"uid"},
    "s_orders/open": {"accountBalance"},
    "f_orders/open": {"time"},
    "s_orders/close": {"closeMs", "requestId", "optionType"},
    "s_pending/create": {"uid", "isDemo", "currency"},
    "history/load": {"ticks"},
    "history/list/v2": {5},
    "quotes/stream": {3},
}


def without_unread(name: str, value: object) -> object:
    unread: set[object] = UNREAD.get(name, set())
    if isinstance(value, dict):
        return {key: without_unread(name, item) for key, item in value.items() if key not in unread}
    if isinstance(value, list):
        row = bool(value) and not isinstance(value[0], list | dict)
        return [without_unread(name, item) for at, item in enumerate(value) if not (row and at in unread)]
    return value


@each_transcript
def test_what_the_simulator_would_say_is_what_was_recorded(path: Path) -> None:
    client, server = QuotexCodec(), QuotexCodec()
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
            assert said[0] == waiting
            assert without_unread(name, as_data(said[1])) == without_unread(name, as_data(frame))
        else:
            assert as_data(said[0]) == as_data(frame)


def test_every_recorded_attachment_begins_with_the_byte_of_engine_io_3_and_so_do_ours() -> None:
    attachments = [frame for path in TRANSCRIPTS for frame in frames(path, "S") if isinstance(frame, bytes)]
    assert {attachment[:2] for attachment in attachments} <= {b"\x04[", b"\x04{"}
    header, attachment = QuotexCodec().encode_meaning(Quotes((Quote("EURCHF", 1790265979.214, 0.94222),)))
    assert header == '451-["quotes/stream",{"_placeholder":true,"num":0}]'
    assert attachment == b'\x04[["EURCHF",1790265979.214,0.94222,1]]'


def test_recorded_values_arrive_where_they_belong() -> None:
    told = told_in("login-demo.txt")
    assert Purses(demo=10000, live=0) in told
    assert Balance(amount=10000, is_demo=True) in told
    (assets,) = [each for each in told if isinstance(each, Assets)]
    assert [(a.id, a.symbol, a.payout_percent, a.is_otc, a.is_open) for a in assets.rows] == [
        (1, "EURUSD", 70, False, False),
        (66, "EURUSD_otc", 86, True, True),
    ]
    told = told_in("stream.txt")
    assert Sentiment(rows=(("EURUSD_otc", 55),)) in told
    assert Quotes((Quote("EURCHF", 1790265979.214, 0.94222),)) in told
    assert Quotes((Quote("AUDCAD_otc", 1625299325.048, 0.87461),)) in told
    (burst,) = [each for each in told if isinstance(each, History)]
    assert burst.ticks == ((1790265920.123, 1.08451), (1790265920.623, 1.0845))
    assert burst.candles[0] == Candle(start=1790265780, open=1.0845, close=1.08453, high=1.08461, low=1.0844)
    pages = [each for each in told_in("history.txt") if isinstance(each, History)]
    assert [(page.index, len(page.candles), len(page.ticks)) for page in pages] == [
        (179026596000, 1, 0),
        (179026596001, 0, 1),
    ]
    (placed,) = [each for each in told_in("pending.txt") if isinstance(each, PendingPlaced)]
    assert (placed.order.open_price, placed.order.duration) == (1.06401, 120)


def test_a_recorded_settlement_belongs_to_the_request_that_opened_the_order() -> None:
    (closed,) = [each for each in told_in("orders.txt") if isinstance(each, OrdersClosed)]
    assert (closed.orders[0].request_id, closed.orders[0].profit) == (1735760000, 4.3)


def test_the_recorded_kinds_of_option_are_told_apart() -> None:
    orders = [each for each in asked_in("orders.txt") if isinstance(each, PlaceOrder)]
    assert [(order.option, order.duration, order.closes_at) for order in orders] == [
        (OptionKind.TIMER, 60, None),
        (OptionKind.CLOCK, 0, 1790266020),
        (OptionKind.TURBO, 0, 1790266020),
    ]


def test_the_recorded_login_and_change_of_purse_say_demo() -> None:
    (login,) = [each for each in asked_in("login-demo.txt") if isinstance(each, Login)]
    (chosen,) = [each for each in asked_in("account.txt") if isinstance(each, ChooseAccount)]
    assert (login.account, login.tournament) == (chosen.account, chosen.tournament)
    assert login.token.reveal() == "abcdefghijklmnopqrstuvwxyz0123456789ABCD"
