"""Both halves of the codec against each other for every value, and alone against payloads that drifted."""

import json
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers import quotex
from probe.brokers.quotex.codec import MURMURS, NOTICES, REJECT, QuotexCodec
from probe.brokers.quotex.dialect import TICK
from probe.brokers.quotex.orders import REMEMBERED
from probe.model import intents, meanings
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.intents import (
    Beat,
    ChooseAccount,
    Intent,
    Login,
    Murmur,
    PlaceOrder,
    UnknownIntent,
    Unwatch,
    UnwatchSentiment,
    Watch,
    WatchSentiment,
)
from probe.model.meanings import (
    Admitted,
    Assets,
    Balance,
    BrokerClock,
    Direction,
    Goodbye,
    History,
    Joined,
    Meaning,
    Notice,
    OptionKind,
    Order,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    PendingFailed,
    Purses,
    Quote,
    Quotes,
    Refused,
    Sentiment,
    Signal,
    Signals,
    Unrecognised,
)
from probe.session.codec import Message
from probe.session.requests import answered_key
from tests.brokers.conforming import misfits
from tests.brokers.delivery import Delivery, connected, deliveries, through
from tests.brokers.drift import drifted
from tests.brokers.recorded import captured
from tests.brokers.strategies import (
    ASSETS,
    CLOSED_ORDERS,
    ENGINE_INTENTS,
    ENGINE_MEANINGS,
    INSTANT_ORDERS,
    INTENTS,
    MEANINGS,
    OPEN_ORDERS,
    POLLED_MEANINGS,
    RARE_INTENTS,
    RARE_MEANINGS,
    SYMBOLS,
    TEXTS,
    TIMES,
    USERS,
    Strategies,
)


def a_login(token: str, account: Account, tournament: int, *, fast: bool) -> Login:
    fields: dict[str, object] = {"session": token, "isDemo": int(account is Account.DEMO)}
    fields |= {"tournamentId": tournament} | ({"isFastHistory": True} if fast else {})
    frame = "42" + json.dumps(["authorization", fields], separators=(",", ":"))
    return Login(
        frame=Secret(frame),
        token=Secret(token),
        account=account,
        tournament=tournament,
        wants_fast_history=fast,
    )


# What this broker's messages do not carry: schedules, the smallest pay-out, and times without a time.
PLAIN_ASSETS = ASSETS.map(
    lambda asset: asset._replace(
        is_otc=asset.is_otc or asset.symbol.endswith("_otc"),
        label=asset.label.replace("\n", ""),
        opens_or_closes_at=None,
    )
)
OPTIONS = st.sampled_from(OptionKind)
OPENED = st.builds(replace, OPEN_ORDERS, option=OPTIONS)
CLOSED = st.builds(replace, CLOSED_ORDERS, option=OPTIONS, request_id=st.none())
PENDING = MEANINGS[meanings.PendingPlaced].map(lambda placed: replace(placed.order, min_payout_percent=0))  # type: ignore[attr-defined]
ADVICE = st.tuples(st.sampled_from([60, 300]), st.sampled_from(["call", "put"]))
SIGNALS = st.builds(Signal, SYMBOLS, st.lists(ADVICE, max_size=3).map(tuple), st.none())
WORDS = st.text("abcdefghij", min_size=1, max_size=12)

TOLD: Strategies = (
    {kind: strategy for kind, strategy in MEANINGS.items() if kind is not BrokerClock}
    | ENGINE_MEANINGS
    | RARE_MEANINGS
    | {
        Admitted: st.builds(Admitted, user=st.none() | USERS),
        Refused: st.just(Refused(reason=REJECT)) | WORDS.map(lambda why: Refused(reason=f"{REJECT}: {why}")),
        Assets: st.builds(Assets, rows=st.lists(PLAIN_ASSETS, max_size=3).map(tuple)),
        OrderOpened: st.builds(OrderOpened, order=OPENED),
        OrdersClosed: st.builds(OrdersClosed, orders=st.lists(CLOSED, max_size=3).map(tuple)),
        OrderList: st.builds(
            OrderList, orders=st.lists(OPENED | CLOSED, max_size=3).map(tuple), closed=st.booleans()
        ),
        meanings.PendingPlaced: st.builds(meanings.PendingPlaced, order=PENDING),
        meanings.PendingList: st.builds(
            meanings.PendingList, orders=st.lists(PENDING, max_size=3).map(tuple)
        ),
        Signals: st.builds(Signals, at=TIMES, rows=st.lists(SIGNALS, max_size=3).map(tuple)),
        Notice: st.builds(Notice, name=st.sampled_from(sorted(NOTICES))),
    }
)
ASKED: Strategies = (
    INTENTS
    | ENGINE_INTENTS
    | RARE_INTENTS
    | {
        Login: st.builds(
            a_login,
            TEXTS,
            st.sampled_from([Account.DEMO, Account.LIVE]),
            st.integers(0, 9),
            fast=st.booleans(),
        ),
        Beat: st.builds(Beat, name=st.just(TICK)) | st.builds(Beat, name=st.just("engine"), payload=TEXTS),
        PlaceOrder: INTENTS[PlaceOrder] | INSTANT_ORDERS,
        intents.PlacePending: INTENTS[intents.PlacePending].map(
            lambda asked: replace(asked, min_payout_percent=0)  # type: ignore[type-var]
        ),
        Murmur: st.builds(Murmur, name=st.sampled_from(sorted(MURMURS)), payload=st.none() | TEXTS),
    }
)
ALL_TOLD, ALL_ASKED = (st.lists(st.one_of(*kinds.values()), max_size=8) for kinds in (TOLD, ASKED))


def as_heard(told: Iterable[Any]) -> list[object]:
    """What arrives: a verdict names nobody, Socket.IO 2 has no session id, and a refusal comes with a goodbye."""
    heard: list[object] = []
    for meaning in told:
        match meaning:
            case Admitted():
                heard.append(Admitted())
            case Joined():
                heard.append(Joined())
            case Refused():
                heard += [meaning, Goodbye(reason="41")]
            case _:
                heard.append(meaning)
    return heard


def as_served(asked: Iterable[Any]) -> list[object]:
    """What arrives: a subscription is three requests, its end is two."""
    served: list[object] = []
    for intent in asked:
        served.append(intent)
        if isinstance(intent, Watch):
            asks_chart = {"asset": intent.symbol, "version": "1.0.0"}
            served += [
                Murmur(name="chart_notification/get", payload=asks_chart),
                WatchSentiment(symbol=intent.symbol),
            ]
        elif isinstance(intent, Unwatch):
            served.append(UnwatchSentiment(symbol=intent.symbol))
    return served


def hear(messages: Iterable[Message], codec: QuotexCodec | None = None) -> list[Meaning]:
    codec = codec or QuotexCodec()
    return [meaning for message in messages for meaning in codec.decode_meaning(message)]


def serve(messages: Iterable[Message]) -> list[Intent]:
    codec = QuotexCodec()
    return [intent for message in messages for intent in codec.decode_intent(message)]


def attached(name: str, payload: object) -> list[Message]:
    return [f'451-["{name}",{{"_placeholder":true,"num":0}}]', b"\x04" + json.dumps(payload).encode()]


def event(name: str, *payload: object) -> str:
    return "42" + json.dumps([name, *payload])


CAPTURED = captured(quotex)


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_a_meaning_comes_back_as_it_was(kind: type) -> None:
    @given(TOLD[kind])
    @settings(max_examples=50)
    def check(meaning: Any) -> None:
        assert misfits(meaning) == []
        assert hear(QuotexCodec().encode_meaning(meaning)) == as_heard([meaning])

    check()


@pytest.mark.parametrize("kind", ASKED, ids=lambda kind: kind.__name__)
def test_an_intent_comes_back_as_it_was(kind: type) -> None:
    @given(ASKED[kind])
    @settings(max_examples=50)
    def check(intent: Any) -> None:
        assert serve(QuotexCodec().encode_intent(intent)) == as_served([intent])

    check()


def test_every_kind_has_a_strategy_or_cannot_be_said() -> None:
    missing = {*Meaning.__args__, *Intent.__args__} - TOLD.keys() - ASKED.keys()
    assert missing == {Unrecognised, UnknownIntent, BrokerClock, *POLLED_MEANINGS}
    for meaning in (Unrecognised(problem="", preview=""), BrokerClock(seconds=0)):
        with pytest.raises(LocalProtocolError):
            QuotexCodec().encode_meaning(meaning)
    with pytest.raises(LocalProtocolError):
        QuotexCodec().encode_intent(UnknownIntent(problem="", preview=""))


@deliveries
@given(told=ALL_TOLD, asked=ALL_ASKED, seed=st.integers(0, 9))
@settings(max_examples=40)
def test_sequences_of_messages_mean_the_same_through_a_websocket(
    told: list[Meaning], asked: list[Intent], seed: int, deliver: Delivery
) -> None:
    rng = Random(seed)
    client, server = connected(rng)
    say, ask = QuotexCodec(), QuotexCodec()
    down = [message for meaning in told for message in say.encode_meaning(meaning)]
    up = [message for intent in asked for message in ask.encode_intent(intent)]
    heard = hear(through(server, client, down, deliver, rng))
    assert [without_requests(meaning) for meaning in heard] == [
        without_requests(meaning) for meaning in as_heard(told)
    ]
    assert serve(through(client, server, up, deliver, rng)) == as_served(asked)


def without_requests(meaning: object) -> object:
    """A client remembers who asked for an order it sees again; a sequence made at random has such orders by chance."""
    if isinstance(meaning, OrdersClosed | OrderList):
        orders = tuple(replace(o, request_id=None, option=OptionKind.TIMER) for o in meaning.orders)
        return replace(meaning, orders=orders)
    return meaning


@pytest.mark.parametrize("trailing", ["x", "451-[", "42[", b"", b"\xff", '42["unheardOf",1]'])
def test_what_follows_a_message_does_not_change_it(trailing: Message) -> None:
    first = Quotes((Quote("EURUSD_otc", 1790265979.214, 1.08452),))
    told = hear([*QuotexCodec().encode_meaning(first), trailing])
    assert (told[0], [type(meaning) for meaning in told[1:]]) == (first, [Unrecognised])


# -- the login ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        ['42["s_authorization"]'],
        ['42["s_authorization",null]'],
        attached("s_authorization", None),
        attached("s_authorization", []),
    ],
    ids=str,
)
def test_a_bare_verdict_admits_in_every_form(frames: list[Message]) -> None:
    assert hear(frames) == [Admitted()]


@pytest.mark.parametrize("inline", [True, False])
def test_a_verdict_that_says_whose_session_it_is_says_the_balance_too(inline: bool) -> None:
    verdict = {"uid": 12345678, "balance": "10000.5", "currency": "USD", "isDemo": 1}
    frames = [event("s_authorization", verdict)] if inline else attached("s_authorization", verdict)
    assert hear(frames) == [Admitted(user="12345678"), Balance(amount=10000.5, is_demo=True)]


def test_who_is_let_in_is_in_even_if_the_balance_beside_it_drifted() -> None:
    admitted, strange = hear([event("s_authorization", {"uid": "u1", "balance": {"usd": 1}})])
    assert admitted == Admitted(user="u1")
    assert isinstance(strange, Unrecognised)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('42["authorization/reject"]', "authorization/reject"),
        ('42["authorization/reject",{"error":"expired"}]', "authorization/reject: expired"),
        ('42["authorization/reject",{"reason":"expired"}]', "authorization/reject: expired"),
        ('42["authorization/reject","expired"]', "authorization/reject: expired"),
        ('42["NotAuthorized"]', "NotAuthorized"),
    ],
)
def test_every_known_refusal_is_one(frame: str, reason: str) -> None:
    assert hear([frame]) == [Refused(reason=reason)]


def test_whatever_word_a_refusal_has_inside_it_is_written_as_this_broker_does() -> None:
    assert QuotexCodec().encode_meaning(Refused(reason="NotAuthorized")) == [
        '42["authorization/reject"]',
        "41",
    ]


def test_a_login_without_a_session_is_named() -> None:
    for payload in ({}, {"session": 1}, "token", None):
        (asked,) = serve([event("authorization", payload)])
        assert asked == UnknownIntent(problem="an authorization event without a session", preview="")


# -- money -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "payload", "told"),
    [
        ("s_balance/list", {"liveBalance": 0, "demoBalance": 0}, Purses(demo=0, live=0)),
        ("s_balance/list", {"liveBalance": "12.5", "demoBalance": 10000}, Purses(demo=10000, live=12.5)),
        ("s_balance/list", {"demoBalance": 10000}, Purses(demo=10000, live=None)),
        ("s_balance/list", {"liveBalance": 7}, Purses(demo=None, live=7)),
        (
            "s_balance/list",
            [{"isDemo": 1, "balance": 10000}, {"isDemo": 0, "balance": 3}],
            Purses(demo=10000, live=3),
        ),
        (
            "balance",
            {"liveBalance": 1, "demoBalance": 2, "currencyCode": "USD"},
            Purses(demo=2, live=1),
        ),
        ("s_balance", {"uid": 1, "balance": 0, "isDemo": 1}, Balance(amount=0, is_demo=True)),
        ("s_balance", {"uid": 1, "balance": "5", "isDemo": False}, Balance(amount=5, is_demo=False)),
        ("s_balance", {"uid": 1, "balance": 5, "isDemo": "1"}, Balance(amount=5, is_demo=True)),
        ("s_balance", {"uid": 1, "balance": 5, "isDemo": "0"}, Balance(amount=5, is_demo=False)),
        ("s_balance", {"uid": 1, "balance": 5, "isDemo": 2}, Balance(amount=5, is_demo=None)),
        ("s_balance", {"uid": 1, "balance": 5, "isDemo": "true"}, Balance(amount=5, is_demo=None)),
        ("s_balance", {"balance": 5}, Balance(amount=5, is_demo=None)),
    ],
)
def test_balances_are_read_in_all_their_forms_and_nothing_is_a_balance_too(
    name: str, payload: object, told: Meaning
) -> None:
    assert hear(attached(name, payload)) == [told]
    assert hear([event(name, payload)]) == [told]


@pytest.mark.parametrize("payload", [{"balance": 10000, "isDemo": 1}, {"demoBalance": 10000}, None], ids=repr)
def test_a_refilled_demo_purse_does_not_say_which_purse_this_session_uses(payload: object) -> None:
    assert hear(attached("s_demo/refill", payload)) == [Notice(name="s_demo/refill")]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        {"uid": 1},
        {"demoBalance": None, "liveBalance": None},
        [{"isDemo": 1, "balance": 10000}, {"isDemo": None, "balance": 3}],
        None,
        7,
    ],
    ids=repr,
)
def test_a_balance_without_a_number_is_not_recognised(payload: object) -> None:
    (told,) = hear(attached("s_balance/list", payload))
    assert isinstance(told, Unrecognised)


def test_a_balance_says_the_user_once_the_login_was_accepted() -> None:
    server = QuotexCodec()
    server.encode_meaning(Admitted(user="12345678"))
    _, attachment = server.encode_meaning(Balance(amount=5, is_demo=True))
    assert attachment == b'\x04{"uid":12345678,"balance":5,"isDemo":1}'


# -- prices ------------------------------------------------------------------------------------------------------------

TICK_NOW = Quotes((Quote("EURUSD", 1790265979.5, 1.25),))


@pytest.mark.parametrize(
    "payload",
    [
        [["EURUSD", 1790265979.5, 1.25, 1]],
        [["EURUSD", 1790265979.5, 1.25]],
        [["EURUSD", 1790265979500, 1.25, 0]],
        [["EURUSD", "1790265979.5", "1.25", 1]],
        ["EURUSD", 1790265979.5, 1.25, 1],
    ],
)
def test_a_tick_is_read_in_all_its_forms(payload: object) -> None:
    assert hear(attached("quotes/stream", payload)) == [TICK_NOW]
    assert hear([event("quotes/stream", payload)]) == [TICK_NOW]


def test_ticks_of_several_symbols_in_one_message_are_all_read() -> None:
    rows = [
        ["EURUSD", 1790265979.5, 1.25, 1],
        ["EURCHF", 1790265979.6, 0.94, 0],
        ["AUDCAD_otc", 1790265979.7, 0.87],
    ]
    (told,) = hear(attached("quotes/stream", rows))
    assert isinstance(told, Quotes)
    assert [quote.symbol for quote in told.rows] == ["EURUSD", "EURCHF", "AUDCAD_otc"]


def test_more_fields_than_expected_are_noted_and_the_rest_is_read() -> None:
    told, strange = hear(attached("quotes/stream", [["EURUSD", 1790265979.5, 1.25, 1, "new"]]))
    assert told == TICK_NOW
    assert isinstance(strange, Unrecognised)
    assert strange.problem == "'quotes/stream' rows have 5 elements instead of 3 or 4"


def test_the_flag_of_a_tick_says_whether_the_price_fell() -> None:
    server = QuotexCodec()
    flags = []
    for price in (1.25, 1.26, 1.26, 1.24):
        _, attachment = server.encode_meaning(Quotes((Quote("E", 1.0, price),)))
        flags.append(json.loads(attachment[1:])[0][3])
    assert flags == [1, 1, 1, 0]


def test_milliseconds_are_seconds() -> None:
    at = 1790265979500
    burst = {"asset": "E", "period": 60, "history": [[at, 1.25, 1]], "candles": [[at, 1, 2, 3, 0, 9]]}
    (told,) = hear(attached("history/list/v2", burst))
    assert isinstance(told, History)
    assert (told.ticks[0][0], told.candles[0].start) == (at / 1000, at / 1000)
    page = {"asset": "E", "index": 1, "period": 1, "data": [{"time": at, "price": 1.25}]}
    (told,) = hear(attached("history/load", page))
    assert isinstance(told, History)
    assert told.ticks == ((at / 1000, 1.25),)


def test_an_index_of_64_bits_stays_exact() -> None:
    (told,) = hear(attached("history/load", {"asset": "E", "index": 2**63 - 1, "period": 60, "data": []}))
    assert isinstance(told, History)
    assert told.index == 2**63 - 1


def test_a_quote_charged_to_the_sentiment_is_no_sentiment() -> None:
    assert hear(attached("depth/change", [["E", 63]])) == [Sentiment(rows=(("E", 63),))]
    (told,) = hear(attached("depth/change", [["E", 1790265979.5, 1.25]]))
    assert isinstance(told, Unrecognised)


# -- instruments -------------------------------------------------------------------------------------------------------


def a_row(**changes: object) -> list[object]:
    (assets,) = [payload for _, name, payload in CAPTURED if name == "instruments/list"]
    row: list[object] = list(assets[1])
    for column, value in changes.items():
        row[int(column.removeprefix("c"))] = value
    return row


@pytest.mark.parametrize(
    ("changes", "is_otc", "is_open"),
    [
        ({"c11": 0}, True, True),
        ({"c1": "EURUSD"}, True, True),
        ({"c1": "EURUSD", "c11": 0}, False, True),
        ({"c1": "EURUSD", "c11": None}, False, True),
        ({"c14": 1}, True, True),
        ({"c14": "1"}, True, True),
        ({"c14": 0}, True, False),
        ({"c14": None}, True, False),
    ],
)
def test_over_the_counter_is_known_by_the_column_or_the_name(
    changes: dict[str, object], is_otc: bool, is_open: bool
) -> None:
    (told,) = hear(attached("instruments/list", [a_row(**changes)]))
    assert isinstance(told, Assets)
    assert (told.rows[0].is_otc, told.rows[0].is_open) == (is_otc, is_open)


def test_labels_lose_their_line_ends() -> None:
    (told,) = hear(attached("instruments/list", [a_row(c2="Gold\n(OTC)")]))
    assert isinstance(told, Assets)
    assert told.rows[0].label == "Gold(OTC)"


def test_a_row_of_27_columns_is_read_and_one_without_the_open_flag_is_not() -> None:
    (told,) = hear(attached("instruments/list", [a_row()[:27]]))
    assert isinstance(told, Assets)
    (told,) = hear(attached("instruments/list", [a_row()[:14]]))
    assert isinstance(told, Unrecognised)


@given(PLAIN_ASSETS)
def test_the_list_satisfies_what_public_clients_demand_of_it(asset: meanings.Asset) -> None:
    header, attachment = QuotexCodec().encode_meaning(Assets(rows=(asset,)))
    assert header == '451-["instruments/list",{"_placeholder":true,"num":0}]'
    (row,) = json.loads(attachment[1:])
    assert len(row) >= 28
    assert type(row[14]) is bool
    assert [type(row[column]) for column in (0, 5, 18, -10, -9, -8)] == [int] * 6
    assert b'"call"' in attachment


# -- orders ------------------------------------------------------------------------------------------------------------

DEAL: dict[str, Any] = {
    "id": "d-1",
    "openTimestamp": 1790265960,
    "closeTimestamp": 1790266020,
    "openMs": 174,
    "uid": 12345678,
    "isDemo": 1,
    "amount": 5,
    "profit": 4.3,
    "percentProfit": 86,
    "openPrice": 1.08452,
    "closePrice": 0,
    "command": 0,
    "asset": "EURUSD_otc",
    "requestId": 1735760000,
    "optionType": 100,
}


def opened(**changes: object) -> Order:
    (told,) = hear(attached("s_orders/open", DEAL | changes))
    assert isinstance(told, OrderOpened)
    return told.order


def test_numbers_written_as_strings_are_numbers() -> None:
    as_text = {
        name: str(value)
        for name, value in DEAL.items()
        if isinstance(value, int | float) and name != "requestId"
    }
    assert opened(**as_text) == opened()


def test_milliseconds_in_an_order_are_seconds() -> None:
    assert opened(openTimestamp=1790265960000, closeTimestamp=1790266020000) == opened()


@pytest.mark.parametrize(
    ("code", "option"),
    [
        (100, OptionKind.TIMER),
        (1, OptionKind.CLOCK),
        (3, OptionKind.TURBO),
        ("3", OptionKind.TURBO),
        (None, OptionKind.TIMER),
        (7, OptionKind.TIMER),  # an order is opened, whatever kind a later version calls it
    ],
    ids=repr,
)
def test_each_kind_of_option_is_read(code: object, option: OptionKind) -> None:
    assert opened(optionType=code).option == option


@pytest.mark.parametrize(
    ("said", "direction"), [(0, "call"), (1, "put"), ("1", "put"), ("put", "put"), ("call", "call")], ids=repr
)
def test_the_direction_is_a_number_or_a_word(said: object, direction: str) -> None:
    assert opened(command=said).direction == Direction(direction)


@pytest.mark.parametrize("said", [2, -1, "up", None, True])
def test_no_direction_is_guessed(said: object) -> None:
    (told,) = hear(attached("s_orders/open", DEAL | {"command": said}))
    assert isinstance(told, Unrecognised)


@pytest.mark.parametrize("request_id", [7, 2**63, "buy", "", None])
def test_a_request_id_is_echoed_as_it_came(request_id: object) -> None:
    assert opened(requestId=request_id).request_id == request_id
    told = hear(attached("f_orders/open", {"error": "not_money", "requestId": request_id}))
    assert told == [OrderRejected(error="not_money", request_id=request_id)]


def test_an_order_for_an_instant_needs_one() -> None:
    order = PlaceOrder(
        symbol="E",
        direction=Direction.CALL,
        amount=1,
        duration=60,
        request_id=1,
        option=OptionKind.CLOCK,
    )
    with pytest.raises(LocalProtocolError, match="closes_at"):
        QuotexCodec().encode_intent(order)
    (said,) = QuotexCodec().encode_intent(replace(order, closes_at=1790266020.0))
    assert json.loads(str(said)[2:])[1]["time"] == 1790266020


@pytest.mark.parametrize(
    ("is_demo", "account"),
    [(1, Account.DEMO), (True, Account.DEMO), ("1", Account.DEMO), (0, Account.LIVE), (False, Account.LIVE)],
    ids=repr,
)
def test_a_clients_way_to_say_demo_is_understood(is_demo: object, account: Account) -> None:
    order = {"asset": "E", "amount": "10", "time": "60", "action": "put", "isDemo": is_demo, "requestId": "b"}
    (asked,) = serve([event("orders/open", order)])
    assert isinstance(asked, PlaceOrder)
    assert (asked.amount, asked.duration, asked.account) == (10, 60, account)


def test_a_kind_of_option_that_nobody_knows_is_no_order() -> None:
    order = {
        "asset": "E",
        "amount": 1,
        "time": 60,
        "action": "put",
        "isDemo": 1,
        "requestId": 1,
        "optionType": 2,
    }
    (asked,) = serve([event("orders/open", order)])
    assert isinstance(asked, UnknownIntent)


def test_orders_name_the_tournament_of_their_session() -> None:
    client = QuotexCodec()
    order = PlaceOrder(symbol="E", direction=Direction.CALL, amount=1, duration=60, request_id=1)

    def tournament() -> object:
        return json.loads(str(client.encode_intent(order)[0])[2:])[1]["tournamentId"]

    assert tournament() == 0
    client.encode_intent(a_login("t" * 40, Account.DEMO, 7, fast=False))
    assert tournament() == 7


def test_a_tournament_counts_once_the_broker_agreed_to_it() -> None:
    client = QuotexCodec()
    order = PlaceOrder(symbol="E", direction=Direction.CALL, amount=1, duration=60, request_id=1)

    def after(name: str, payload: object = None) -> object:
        hear(attached(name, payload), client)
        return json.loads(str(client.encode_intent(order)[0])[2:])[1]["tournamentId"]

    client.encode_intent(ChooseAccount(account=Account.DEMO, tournament=9))
    assert after("quotes/stream", [["E", 1, 1]]) == 0
    assert after("s_account/change") == 9
    client.encode_intent(ChooseAccount(account=Account.LIVE, tournament=0))
    assert after("f_account/change", {"error": "no"}) == 9
    assert after("s_account/change") == 9  # not asked for here
    client.encode_intent(a_login("t" * 40, Account.DEMO, 7, fast=False))
    assert after("s_account/change") == 7


# -- settlements -------------------------------------------------------------------------------------------------------


def settled(*deals: dict[str, Any]) -> list[Message]:
    final = {"closePrice": 1.08461, "profit": 4.3}
    return attached(
        "s_orders/close",
        {
            "profit": 0,
            "deals": [
                {name: value for name, value in (final | deal).items() if name != "requestId"}
                for deal in deals
            ],
        },
    )


def final(deal: dict[str, Any]) -> dict[str, Any]:
    return deal | {"closePrice": 1.08461}


def the_closed(told: list[Meaning]) -> tuple[Order, ...]:
    (closed,) = [meaning for meaning in told if isinstance(meaning, OrdersClosed)]
    return closed.orders


def test_a_settlement_is_matched_to_its_request_by_the_orders_id() -> None:
    told = hear([*attached("s_orders/open", DEAL), *settled(final(DEAL))])
    assert [order.request_id for order in the_closed(told)] == [1735760000]


def test_an_order_whose_id_changed_is_matched_by_symbol_and_second() -> None:
    told = hear(
        [*attached("s_orders/open", DEAL | {"optionType": 3}), *settled(final(DEAL | {"id": "other"}))]
    )
    (order,) = the_closed(told)
    assert (order.id, order.request_id, order.option) == ("other", 1735760000, OptionKind.TURBO)


def test_two_orders_of_one_second_are_not_mistaken_for_each_other() -> None:
    other = DEAL | {"id": "d-2", "requestId": 2}
    opened_both = [*attached("s_orders/open", DEAL), *attached("s_orders/open", other)]
    told = hear([*opened_both, *settled(final(other), final(DEAL))])
    assert [order.request_id for order in the_closed(told)] == [2, 1735760000]
    listed = attached("orders/opened/list", [DEAL, other])
    told = hear([*opened_both, *listed, *settled(final(DEAL | {"id": "changed"}))])
    assert [order.request_id for order in the_closed(told)] == [None]


A, B, A2, A3 = "our order", "a stranger's", "ours, renamed", "ours, renamed again"
LISTED, SETTLED, PAST = "orders/opened/list", "s_orders/close", "orders/closed/list"


@pytest.mark.parametrize(
    ("came", "requests"),
    [
        # the id stays
        ([(SETTLED, [A])], [[7]]),
        ([(LISTED, [A]), (SETTLED, [A])], [[7], [7]]),
        ([(SETTLED, [A, B])], [[7, None]]),
        ([(SETTLED, [B, A])], [[None, 7]]),
        ([(SETTLED, [A]), (SETTLED, [B])], [[7], [None]]),
        ([(SETTLED, [A]), (PAST, [A, B])], [[7], [7, None]]),
        ([(SETTLED, [A]), (SETTLED, [A])], [[7], [7]]),  # told twice
        ([(PAST, [B]), (SETTLED, [A])], [[None], [7]]),
        ([(LISTED, [A, B]), (SETTLED, [A, B])], [[7, None], [7, None]]),
        # it changed once
        ([(SETTLED, [A2])], [[7]]),
        ([(SETTLED, [A2]), (SETTLED, [A2])], [[7], [7]]),
        ([(SETTLED, [A2]), (PAST, [A2, B])], [[7], [7, None]]),
        ([(SETTLED, [A2]), (SETTLED, [B])], [[7], [None]]),
        ([(SETTLED, [A2, B])], [[None, None]]),  # nobody can tell
        ([(LISTED, [A2]), (SETTLED, [A2])], [[7], [7]]),
        ([(LISTED, [A2]), (SETTLED, [A2, B])], [[7], [7, None]]),
        ([(LISTED, [A2]), (SETTLED, [A])], [[7], [7]]),  # and back
        # and again
        ([(LISTED, [A2]), (SETTLED, [A3])], [[7], [7]]),
        ([(LISTED, [A2]), (SETTLED, [A3, B])], [[7], [None, None]]),
        ([(LISTED, [A2]), (LISTED, [A2]), (SETTLED, [A3])], [[7], [7], [7]]),
        ([(LISTED, [A2]), (SETTLED, [A3]), (PAST, [A3, A2, B])], [[7], [7], [7, 7, None]]),
        # another opening of that second
        ([(LISTED, [A, B]), (SETTLED, [A3])], [[7, None], [None]]),
        ([(LISTED, [A, B]), (SETTLED, [B]), (SETTLED, [A3])], [[7, None], [None], [7]]),
    ],
)  # fmt: skip
def test_a_request_goes_to_its_own_order_whatever_became_of_the_id(
    came: list[tuple[str, list[str]]], requests: list[list[int | None]]
) -> None:
    codec = QuotexCodec()
    hear(attached("s_orders/open", DEAL | {"id": A, "requestId": 7}), codec)
    told = []
    for name, ids in came:
        unnamed = {field: value for field, value in DEAL.items() if field != "requestId"}
        deals = [(unnamed if name == LISTED else final(unnamed)) | {"id": id_} for id_ in ids]
        (meaning,) = hear(attached(name, {"profit": 0, "deals": deals} if name == SETTLED else deals), codec)
        assert isinstance(meaning, OrderList | OrdersClosed)
        told.append([order.request_id for order in meaning.orders])
    assert told == requests


def test_an_opening_told_again_under_another_id_is_the_same_opening() -> None:
    again = [*attached("s_orders/open", DEAL), *attached("orders/opened/list", [DEAL | {"id": "other"}])]
    told = hear([*again, *settled(final(DEAL | {"id": "third"}))])
    assert [order.request_id for order in the_closed(told)] == [1735760000]


def test_a_waiting_order_that_opened_in_the_same_second_makes_it_doubtful_whose_a_new_id_is() -> None:
    waited = {name: value for name, value in DEAL.items() if name != "requestId"} | {"id": "waited"}
    both = [*attached("s_orders/open", DEAL), *attached("s_pending/opened", waited)]
    told = hear([*both, *settled(final(DEAL | {"id": "other"}))])
    assert [order.request_id for order in the_closed(told)] == [None]


def test_a_deal_that_is_not_final_uses_up_nothing() -> None:
    codec = QuotexCodec()
    hear([*attached("s_orders/open", DEAL), *settled(DEAL | {"id": "other", "closePrice": 0})], codec)
    told = hear(settled(final(DEAL | {"id": "third"})), codec)
    assert [order.request_id for order in the_closed(told)] == [1735760000]


def test_beside_a_deal_that_cannot_be_read_nothing_is_matched_by_its_second() -> None:
    both = settled(final(DEAL | {"amount": None}), final(DEAL | {"id": "other"}))
    told = hear([*attached("s_orders/open", DEAL), *both])
    assert [order.request_id for order in the_closed(told)] == [None]


def test_openings_of_one_second_are_not_remembered_without_end() -> None:
    codec = QuotexCodec()
    for number in range(3 * REMEMBERED):
        hear(attached("s_orders/open", DEAL | {"id": f"d-{number}", "requestId": number}), codec)
    by_id, unsettled = (getattr(codec._opened, name) for name in codec._opened.__slots__)
    assert (len(by_id), [len(alike) for alike in unsettled.values()]) == (REMEMBERED, [REMEMBERED])


def test_an_order_nobody_here_opened_has_no_request() -> None:
    told = hear(settled(final(DEAL)))
    assert [order.request_id for order in the_closed(told)] == [None]


def test_open_orders_told_after_a_login_are_remembered_as_well() -> None:
    told = hear([*attached("orders/opened/list", [DEAL]), *settled(final(DEAL))])
    assert [order.request_id for order in the_closed(told)] == [1735760000]


def test_only_so_many_orders_are_remembered() -> None:
    codec = QuotexCodec()
    for number in range(REMEMBERED + 1):
        deal = DEAL | {"id": f"d-{number}", "requestId": number, "openTimestamp": 1790265960 + number}
        hear(attached("s_orders/open", deal), codec)
    told = hear(settled(final(DEAL | {"id": "d-0"}), final(DEAL | {"id": "d-1"})), codec)
    assert [order.request_id for order in the_closed(told)] == [None, 1]


def test_a_deal_without_a_closing_price_is_not_final() -> None:
    unfinished = DEAL | {"id": "d-2", "closePrice": 0}
    assert hear(settled(unfinished)) == [Notice(name="s_orders/close")]
    told = hear(settled(final(DEAL), unfinished))
    assert [order.id for order in the_closed(told)] == ["d-1"]
    assert told[-1] == Notice(name="s_orders/close")


@pytest.mark.parametrize("profit", [4.3, -5, 0])
def test_a_draw_is_neither_won_nor_lost(profit: float) -> None:
    (order,) = the_closed(hear(settled(final(DEAL) | {"profit": profit})))
    assert order.profit == profit


# -- pending orders ----------------------------------------------------------------------------------------------------


def test_an_order_that_waited_is_opened_without_a_request() -> None:
    order = replace(opened(), request_id=None)
    header, _ = QuotexCodec().encode_meaning(OrderOpened(order=order))
    assert str(header).startswith('451-["s_pending/opened"')
    assert hear(QuotexCodec().encode_meaning(OrderOpened(order=order))) == [OrderOpened(order=order)]


def test_the_notice_before_an_opening_is_no_failure() -> None:
    assert hear(attached("f_pending/opened", {"error": None, "ticket": "t"})) == [
        Notice(name="f_pending/opened")
    ]
    assert hear(attached("f_pending/opened", {"error": 9, "ticket": "t"})) == [
        PendingFailed(error="9", ticket="t")
    ]


def test_an_opening_that_failed_is_told_by_its_own_event_and_never_as_a_refused_request() -> None:
    header, attachment = QuotexCodec().encode_meaning(PendingFailed(error="not_money", ticket="t"))
    assert header == '451-["f_pending/opened",{"_placeholder":true,"num":0}]'
    assert attachment == b'\x04{"error":"not_money","ticket":"t"}'
    assert hear(attached("f_pending/opened", {"error": 9})) == [PendingFailed(error="9")]
    assert answered_key(PendingFailed(error="9")) is None


@pytest.mark.parametrize(
    "at", ["2025-04-01T20:09:00.000Z", "2025-04-01T20:09:00+00:00", "2025-04-01 20:09:00"]
)
def test_a_time_to_open_is_utc(at: str) -> None:
    asked = {"openType": 0, "asset": "E", "openTime": at, "timeframe": 60, "command": "put", "amount": 50}
    (pending,) = serve([event("pending/create", asked)])
    assert isinstance(pending, intents.PlacePending)
    assert (pending.open_at, pending.direction) == (1743538140.0, Direction.PUT)
    (said,) = QuotexCodec().encode_intent(pending)
    assert json.loads(str(said)[2:])[1]["openTime"] == "2025-04-01T20:09:00.000Z"


@pytest.mark.parametrize(
    "at",
    [
        1743538140,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "soon",
        None,
    ],
)
def test_what_is_no_time_to_open_is_no_order(at: object) -> None:
    asked = {"openType": 0, "asset": "E", "openTime": at, "timeframe": 60, "command": "put", "amount": 50}
    (pending,) = serve([event("pending/create", asked)])
    assert isinstance(pending, UnknownIntent)


# -- what only the web page reads --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("whatever", {"position": 12, "name": "somebody"}),
        ("whatever", {"profit": 12.5}),
        ("s_indicator/store", {"requestId": 1, "id": "8924b0f1"}),
        ("s_drawing/load", []),
        ("settings/list", [{"settings": "{}"}]),
        ("candle-generated", {"asset": "E", "period": 60, "open": 1}),
    ],
)
def test_what_nobody_here_reads_is_known_by_its_name_or_its_payload(name: str, payload: object) -> None:
    assert hear(attached(name, payload)) == [Notice(name=name)]


@pytest.mark.parametrize("said", [[[60, "call"]], [{"signal": "call", "timeFrame": 60}]])
def test_signals_are_known_by_their_payload_whatever_they_are_called(said: object) -> None:
    payload = {"time": 1790265960, "signals": [["EURUSD_otc", said, 1790265960]]}
    heard = Signals(at=1790265960, rows=(Signal("EURUSD_otc", ((60, "call"),)),))
    assert hear(attached("whatever", payload)) == [heard]


def test_a_settlement_by_another_name_is_not_taken_for_the_profit_of_a_day() -> None:
    (told,) = hear(attached("s_orders/closeV2", {"profit": 1, "deals": []}))
    assert isinstance(told, Unrecognised)


@pytest.mark.parametrize(
    ("frame", "asked"),
    [
        ('42["instruments/list"]', intents.AskAssets()),
        ('42["s_balance/list"]', intents.AskBalance()),
        ('42["subfor","E"]', Unwatch(symbol="E")),
        ('42["subfor", {"asset": "E"}]', Unwatch(symbol="E")),
        ('42["instruments/update", {"asset": "None", "period": 0}]', Watch(symbol="None", period=0)),
        ('42["instruments/update",{"asset":"E"}]', Watch(symbol="E", period=0)),
        ('42["orders/cancel",{"id":"d-1"}]', intents.SellOrder(ticket="d-1")),
        ('42["instruments/follow",{"asset":"E"}]', Murmur(name="instruments/follow", payload={"asset": "E"})),
    ],
)
def test_what_public_clients_say_instead_is_understood(frame: str, asked: Intent) -> None:
    assert serve([frame]) == [asked]


def test_a_header_whose_attachment_never_comes_does_not_deafen_the_served_end() -> None:
    lonely: list[Message] = ['451-["instruments/list",{"_placeholder":true,"num":0}]', '42["tick"]']
    asked = serve(lonely * 3)
    assert [intent for intent in asked if not isinstance(intent, UnknownIntent)] == [Beat(name=TICK)] * 3


# -- payload drift -----------------------------------------------------------------------------------------------------


def decode(side: str, name: str, payload: object) -> list[Any]:
    if side == "S":
        return [*hear(attached(name, payload)), *hear([event(name, payload)])]
    return list(serve([event(name, payload)]))


@pytest.mark.parametrize(
    ("side", "name", "payload"), CAPTURED, ids=[f"{at}-{side}-{name}" for at, (side, name, _) in enumerate(CAPTURED)]
)  # fmt: skip
def test_a_recorded_payload_that_drifted_gives_a_sound_value_or_is_not_recognised(
    side: str, name: str, payload: Any
) -> None:
    for strange in drifted(payload):
        for decoded in decode(side, name, strange):
            assert misfits(decoded) == [], strange


def test_what_the_served_end_makes_of_a_drifted_request_can_be_said_again() -> None:
    for side, name, payload in CAPTURED:
        for strange in drifted(payload) if side == "C" else ():
            for asked in serve([event(name, strange)]):
                if not isinstance(asked, UnknownIntent | Murmur):
                    assert serve(QuotexCodec().encode_intent(asked))[0] == asked


@pytest.mark.parametrize(("side", "name"), sorted({(side, name) for side, name, _ in CAPTURED}), ids=str)
def test_a_renamed_event_is_unknown_by_its_new_name(side: str, name: str) -> None:
    for decoded in decode(side, f"{name}V2", {}):
        assert isinstance(decoded, Unrecognised | UnknownIntent)
        assert decoded.problem == f"unknown event '{name}V2'"


@pytest.mark.parametrize("name", sorted({name for side, name, _ in CAPTURED if side == "S"}))
def test_an_event_that_lost_its_payload_is_never_an_exception(name: str) -> None:
    for decoded in hear([f'42["{name}"]', f'450-["{name}"]']):
        assert misfits(decoded) == []


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("quotes/stream", [["E", 1]]),
        ("quotes/stream", []),
        ("instruments/list", [[5, "EURUSD", "EUR/USD"]]),
        ("s_orders/open", {"id": "d-1"}),
        ("s_orders/close", {"profit": 1}),
        ("history/list/v2", {"asset": "E", "period": 60, "candles": [[1, 2, 3]]}),
        ("history/load", {"asset": "E", "period": 60, "index": 1, "data": [{"time": 1, "open": 1}]}),
    ],
)
def test_a_missing_element_is_named_with_its_event(name: str, payload: object) -> None:
    (told,) = hear(attached(name, payload))
    assert isinstance(told, Unrecognised)
    assert told.problem.startswith(f"'{name}' does not look as expected (")


ODD: dict[str, Any] = {"asset": "EURUSD", "time": 1, "id": "odd"}  # a row of everything, and of nothing


@pytest.mark.parametrize(
    ("name", "payload", "rows", "why"),
    [
        (SETTLED, {"profit": 1, "deals": [ODD, final(DEAL), ODD]}, 1, "KeyError: 'command'"),
        ("instruments/list", [a_row(), a_row()[:14]], 1, "IndexError: list index out of range"),
        ("instruments/list", [a_row(c4="many"), a_row()], 1, "ValueError: could not convert string to float: 'many'"),
        ("quotes/stream", [["E", 1, None], ["E", 2, 1.5], ["E", 3, 1.5, 0]], 2, "TypeError: expected a number, got NoneType"),
        ("quotes/stream", [None, ["E", 2, 1.5]], 1, "TypeError: 'NoneType' object is not subscriptable"),
        ("quotes/stream", [["E", 2, 1.5], "E12"], 1, "TypeError: expected a row"),
        ("quotes/stream", [["E", 2, 1.5, 1, 5], ["E"]], 1, "ValueError: not enough values to unpack (expected 3, got 1)"),
        ("history/load", {"asset": "E", "period": 60, "data": [{"time": 1, "price": 2}, ODD]}, 1, "KeyError: 'open'"),
        ("history/list/v2", {"asset": "E", "period": 60, "history": [[1, 2, 1], [2]]}, 1, "IndexError: list index out of range"),
        ("history/list/v2", {"asset": "E", "period": 60, "history": [[1, 2, 1], 5]}, 1, "TypeError: expected a row"),
        ("history/list/v2", {"asset": "E", "period": 60, "history": [[1, 2]], "candles": [5]}, 1, "TypeError: 'int' object is not subscriptable"),
        (
            "history/list/v2",
            {"asset": "E", "period": 60, "history": [[None, 2, 1]], "candles": [[60, 1, 2, 3, 0], [60, 1]]},
            1,
            "TypeError: expected a number, got NoneType",
        ),
    ],
)  # fmt: skip
def test_an_odd_row_does_not_cost_the_others(name: str, payload: Any, rows: int, why: str) -> None:
    told, strange = hear(attached(name, payload))
    match told:
        case Quotes(good) | Assets(rows=good) | OrdersClosed(orders=good):
            assert len(good) == rows
        case History(ticks=ticks, candles=candles):
            assert len(ticks) + len(candles) == rows
        case _:
            raise AssertionError(told)
    assert isinstance(strange, Unrecognised)
    listed = (
        payload["deals"]
        if name == SETTLED
        else payload
        if isinstance(payload, list)
        else [*payload.get("data", []), *payload.get("history", []), *payload.get("candles", [])]
    )
    odd = f"{len(listed) - rows} of {len(listed)} rows of '{name}' do not look as expected"
    assert strange.problem == f"{odd} (the first: {why})"


def test_a_complaint_about_rows_is_short_and_does_not_cut_what_may_be_secret() -> None:
    secret = "planted0secret0token000001"
    for filler in range(90):
        odd = ["E", "x" * filler + secret, 1.5]
        _, strange = hear(attached("quotes/stream", [["E", 2, 1.5], odd]))
        assert isinstance(strange, Unrecognised)
        assert len(strange.problem) < 200
        assert len(strange.preview) <= 160
        assert secret[:12] not in strange.problem or secret in strange.problem


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "1e300"])
def test_a_number_beyond_64_bits_is_no_price_time_or_amount(number: str) -> None:
    for message in (
        f'42["quotes/stream",[["E",{number},1,1]]]',
        f'42["quotes/stream",[["E",1,{number},1]]]',
        f'42["s_balance",{{"isDemo":1,"balance":{number}}}]',
        f'42["history/list/v2",{{"asset":"E","period":1,"history":[[1,{number},1]]}}]',
    ):
        assert [type(meaning) for meaning in hear([message])] == [Unrecognised]


@pytest.mark.parametrize(
    "message",
    [
        '42["authorization",{"session":"planted0secret0token000001","isDemo":1',
        '42["login",{"session":"planted0secret0token000001"}]',
        '42["planted0secret0token000001"]',
        '42["orders/open","planted0secret0token000001"]',
        '42["orders/open",{"asset":"","action":"planted0secret0token000001","amount":1,"time":1}]',
        b"planted0secret0token000001",
    ],
)
def test_the_served_end_does_not_repeat_what_looks_like_a_session(message: Message) -> None:
    (asked,) = serve([message])
    assert isinstance(asked, UnknownIntent)
    assert "planted0secret" not in asked.problem + asked.preview
