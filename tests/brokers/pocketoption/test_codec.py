"""Both halves of the codec against each other for every value, and alone against payloads that drifted."""

import json
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers import pocketoption
from probe.brokers.pocketoption.codec import KEEP_ALIVE, MURMURS, NOTICES, PocketOptionCodec
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.intents import Beat, Intent, Login, Murmur, PlaceOrder, UnknownIntent, Watch
from probe.model.meanings import (
    Admitted,
    Assets,
    Balance,
    BrokerClock,
    Goodbye,
    History,
    Meaning,
    Notice,
    Order,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    PendingFailed,
    PendingRejected,
    Quote,
    Quotes,
    Refused,
    Sentiment,
    Signal,
    Signals,
    Unrecognised,
)
from probe.session.codec import Message
from tests.brokers.conforming import misfits
from tests.brokers.delivery import Delivery, connected, deliveries, through
from tests.brokers.drift import drifted
from tests.brokers.recorded import captured
from tests.brokers.strategies import (
    ENGINE_INTENTS,
    ENGINE_MEANINGS,
    INSTANT_ORDERS,
    INTENTS,
    MEANINGS,
    POLLED_MEANINGS,
    PRICES,
    RARE_INTENTS,
    RARE_MEANINGS,
    SYMBOLS,
    TEXTS,
    TIMES,
    USERS,
    Strategies,
)

LEVELS = st.tuples(st.integers(1, 60).map(lambda minutes: 60 * minutes), st.sampled_from("01234"))
SIGNALS = st.builds(Signal, SYMBOLS, st.lists(LEVELS, max_size=3).map(tuple), PRICES)


def a_login(token: str, account: Account, user: str | None, *, fast: bool) -> Login:
    fields: dict[str, object] = {"session": token, "isDemo": int(account is Account.DEMO)}
    fields |= {"uid": int(user)} if user else {}
    fields |= {"isFastHistory": True} if fast else {}
    frame = "42" + json.dumps(["auth", fields], separators=(",", ":"))
    return Login(
        frame=Secret(frame), token=Secret(token), account=account, user=user, wants_fast_history=fast
    )


NOT_EMPTY = TEXTS.filter(bool)
TOLD: Strategies = (
    MEANINGS
    | ENGINE_MEANINGS
    | {
        Admitted: st.builds(Admitted, server=NOT_EMPTY)
        | st.builds(Admitted, user=st.none() | NOT_EMPTY)
        | st.just(Admitted(rights="chart")),
        Refused: st.builds(
            Refused, reason=st.just("NotAuthorized") | NOT_EMPTY.map("NotAuthorized: {}".format)
        ),
        Signals: st.builds(Signals, at=st.none() | TIMES, rows=st.lists(SIGNALS, max_size=3).map(tuple)),
        Notice: st.builds(Notice, name=st.sampled_from(sorted(NOTICES))),
    }
)
ASKED: Strategies = (
    INTENTS
    | ENGINE_INTENTS
    | {
        Login: st.builds(
            a_login, TEXTS, st.sampled_from([Account.DEMO, Account.LIVE]), st.none() | USERS, fast=st.booleans()
        ),
        Beat: st.builds(Beat, name=st.sampled_from([KEEP_ALIVE, "engine"])),
        Murmur: st.builds(Murmur, name=st.sampled_from(sorted(MURMURS)), payload=st.none() | TEXTS),
    }
)  # fmt: skip
ALL_TOLD, ALL_ASKED = (st.lists(st.one_of(*kinds.values()), max_size=8) for kinds in (TOLD, ASKED))


def as_heard(told: Iterable[Any]) -> list[object]:
    """What arrives: a refusal comes with the server's goodbye, and a failed opening looks like a refused request."""
    heard: list[object] = []
    for meaning in told:
        match meaning:
            case Refused():
                heard += [meaning, Goodbye(reason="41")]
            case PendingFailed(error=error):
                heard.append(PendingRejected(error=error))
            case _:
                heard.append(meaning)
    return heard


def hear(messages: Iterable[Message], codec: PocketOptionCodec | None = None) -> list[Meaning]:
    codec = codec or PocketOptionCodec()
    return [meaning for message in messages for meaning in codec.decode_meaning(message)]


def serve(messages: Iterable[Message]) -> list[Intent]:
    codec = PocketOptionCodec()
    return [intent for message in messages for intent in codec.decode_intent(message)]


def attached(name: str, payload: object) -> list[Message]:
    return [f'451-["{name}",{{"_placeholder":true,"num":0}}]', json.dumps(payload).encode()]


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_a_meaning_comes_back_as_it_was(kind: type) -> None:
    @given(TOLD[kind])
    @settings(max_examples=50)
    def check(meaning: Any) -> None:
        assert misfits(meaning) == []
        assert hear(PocketOptionCodec().encode_meaning(meaning)) == as_heard([meaning])

    check()


@pytest.mark.parametrize("kind", ASKED, ids=lambda kind: kind.__name__)
def test_an_intent_comes_back_as_it_was(kind: type) -> None:
    @given(ASKED[kind])
    @settings(max_examples=50)
    def check(intent: Any) -> None:
        assert serve(PocketOptionCodec().encode_intent(intent)) == [intent]

    check()


def test_every_kind_has_a_strategy_or_cannot_be_said() -> None:
    missing = {*Meaning.__args__, *Intent.__args__} - TOLD.keys() - ASKED.keys()
    assert missing == {Unrecognised, UnknownIntent, *RARE_MEANINGS, *RARE_INTENTS, *POLLED_MEANINGS}
    with pytest.raises(LocalProtocolError):
        PocketOptionCodec().encode_meaning(Unrecognised(problem="", preview=""))
    with pytest.raises(LocalProtocolError):
        PocketOptionCodec().encode_intent(UnknownIntent(problem="", preview=""))


@given(st.one_of(*RARE_MEANINGS.values()), st.one_of(*RARE_INTENTS.values(), INSTANT_ORDERS))
def test_what_this_broker_has_no_message_for_cannot_be_said(meaning: Any, intent: Any) -> None:
    with pytest.raises(LocalProtocolError):
        PocketOptionCodec().encode_meaning(meaning)
    with pytest.raises(LocalProtocolError):
        PocketOptionCodec().encode_intent(intent)


@deliveries
@given(told=ALL_TOLD, asked=ALL_ASKED, seed=st.integers(0, 9))
@settings(max_examples=40)
def test_sequences_of_messages_mean_the_same_through_a_websocket(
    told: list[Meaning], asked: list[Intent], seed: int, deliver: Delivery
) -> None:
    rng = Random(seed)
    client, server = connected(rng)
    say, ask = PocketOptionCodec(), PocketOptionCodec()
    down = [message for meaning in told for message in say.encode_meaning(meaning)]
    up = [message for intent in asked for message in ask.encode_intent(intent)]
    assert hear(through(server, client, down, deliver, rng)) == as_heard(told)
    assert serve(through(client, server, up, deliver, rng)) == asked


@pytest.mark.parametrize("trailing", ["x", "451-[", "42[", b"", b"\xff", '42["unheardOf",1]'])
def test_what_follows_a_message_does_not_change_it(trailing: Message) -> None:
    first = Quotes((Quote("EURUSD_otc", 1789230980.123, 1.14362),))
    told = hear([*PocketOptionCodec().encode_meaning(first), trailing])
    assert (told[0], [type(meaning) for meaning in told[1:]]) == (first, [Unrecognised])


# -- variants seen or claimed ------------------------------------------------------------------------------------------


DEAL: dict[str, Any] = {
    "id": "d-1",
    "openTimestamp": 1751932410,
    "closeTimestamp": 1751932470,
    "uid": 12345678,
    "isDemo": 1,
    "amount": 5,
    "profit": 4.6,
    "percentProfit": 92,
    "openPrice": 69.317,
    "closePrice": 0,
    "command": 0,
    "asset": "#CSCO_otc",
    "requestId": 18396039,
    "openMs": 174,
}


def opened(**changes: object) -> Order:
    (told,) = hear(attached("successopenOrder", DEAL | changes))
    assert isinstance(told, OrderOpened)
    return told.order


def test_numbers_written_as_strings_are_numbers() -> None:
    as_text = {
        name: str(value)
        for name, value in DEAL.items()
        if isinstance(value, int | float) and name != "requestId"
    }
    assert opened(**as_text) == opened()
    assert hear(attached("updateStream", [["EURUSD", "1789230980.5", "1.25"]])) == [
        Quotes((Quote("EURUSD", 1789230980.5, 1.25),))
    ]
    assert hear(attached("successupdateBalance", {"isDemo": 1, "balance": "50000"})) == [
        Balance(amount=50000, is_demo=True)
    ]


def test_an_amount_written_as_a_string_is_a_number_to_the_simulator() -> None:
    order = {
        "asset": "EURUSD_otc",
        "amount": "10",
        "action": "put",
        "requestId": "buy",
        "time": "60",
    }
    for is_demo, account in (("1", Account.DEMO), ("0", Account.LIVE)):
        (asked,) = serve(["42" + json.dumps(["openOrder", order | {"isDemo": is_demo}])])
        assert isinstance(asked, PlaceOrder)
        assert (asked.amount, asked.duration, asked.account) == (10, 60, account)


def test_milliseconds_are_seconds() -> None:
    at = 1789230980123
    assert opened(openTimestamp=1751932410000, closeTimestamp=1751932470000) == opened()
    assert hear(attached("updateTime", at)) == [BrokerClock(seconds=at / 1000)]
    assert hear(attached("updateStream", [["EURUSD", at, 1.25]])) == [
        Quotes((Quote("EURUSD", at / 1000, 1.25),))
    ]
    burst = {"asset": "E", "period": 60, "history": [[at, 1.25]], "candles": [[at, 1, 2, 3, 0]]}
    (told,) = hear(attached("updateHistoryNew", burst))
    assert isinstance(told, History)
    assert (told.ticks[0][0], told.candles[0].start) == (at / 1000, at / 1000)


@pytest.mark.parametrize(("uid", "user"), [(12, "12"), ("345", "345"), (None, None), (0, None), ("", None)])
def test_a_user_id_is_a_text_or_nobody(uid: object, user: str | None) -> None:
    assert opened(uid=uid).user == user


@pytest.mark.parametrize("request_id", [7, 2**63, "buy", "", "8924b0f1-83a0-4050-937c-e8483af4f3f7", None])
def test_a_request_id_is_echoed_as_it_came(request_id: object) -> None:
    assert opened(requestId=request_id).request_id == request_id


@pytest.mark.parametrize(
    ("said", "flag"),
    [(1, True), (True, True), (0, False), (False, False), ("1", True), ("0", False)],
    ids=repr,
)
def test_flags_are_read_in_all_their_spellings(said: object, flag: bool) -> None:
    row = [5, "#AAPL", "Apple", "stock", 2, 50, 60, 30, 3, said, 170, 0, [], 0, said, [], -1, 60, -1]
    (assets,) = hear(attached("updateAssets", [row]))
    assert isinstance(assets, Assets)
    assert (opened(isDemo=said).is_demo, assets.rows[0].is_otc, assets.rows[0].is_open) == (flag,) * 3


@pytest.mark.parametrize("said", ["1", 2, None, [], "true", 0.5])
def test_only_a_clear_word_proves_a_demo_account(said: object) -> None:
    assert hear(attached("successupdateBalance", {"isDemo": said, "balance": 1})) == [
        Balance(amount=1, is_demo=None)
    ]


def test_the_login_decides_what_history_is_called() -> None:
    history = History(symbol="E", period=60, index=None)
    for fast, name in ((True, "updateHistoryNewFast"), (False, "updateHistoryNew")):
        codec = PocketOptionCodec()
        codec.decode_intent(a_login("abcdefghij", Account.DEMO, "1", fast=fast).frame.reveal())
        assert json.loads(str(codec.encode_meaning(history)[0])[4:])[0] == name


def test_an_index_of_64_bits_stays_exact() -> None:
    page = {"asset": "E", "index": 2**63 - 1, "period": 60, "data": []}
    (told,) = hear(attached("loadHistoryPeriod", page))
    assert isinstance(told, History)
    assert told.index == 2**63 - 1


@pytest.mark.parametrize("request_id", [7, "buy", None, [1]])
def test_a_rejection_carries_an_id_or_nothing(request_id: object) -> None:
    (told,) = hear(attached("failopenOrder", {"error": "MaxDemoTrades", "requestId": request_id}))
    assert misfits(told) == []
    assert isinstance(told, OrderRejected)


def test_a_flat_tick_and_inline_data_are_understood() -> None:
    tick = Quotes((Quote("EURUSD", 1789230980.5, 1.25),))
    assert hear(attached("updateStream", ["EURUSD", 1789230980.5, 1.25])) == [tick]
    assert hear(['42["updateStream",[["EURUSD",1789230980.5,1.25]]]']) == [tick]


def test_more_elements_than_expected_are_noted_and_the_rest_is_read() -> None:
    told = hear(attached("updateStream", [["EURUSD", 1789230980.5, 1.25, "new"]]))
    assert told[0] == Quotes((Quote("EURUSD", 1789230980.5, 1.25),))
    assert isinstance(told[1], Unrecognised)
    assert told[1].problem == "'updateStream' rows have 4 elements instead of 3"


# -- found by trying to break it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "1e300"])
def test_a_number_beyond_64_bits_is_no_price_time_or_amount(number: str) -> None:
    for message in (
        f'42["updateStream",[["E",{number},1]]]',
        f'42["updateStream",[["E",1,{number}]]]',
        f'42["successupdateBalance",{{"isDemo":1,"balance":{number}}}]',
        f'42["updateHistoryNew",{{"asset":"E","period":1,"history":[[1,{number}]]}}]',
        f'42["updateTime",{number}]',
    ):
        assert [type(meaning) for meaning in hear([message])] == [Unrecognised]


@pytest.mark.parametrize("name", ["signals/load", "signals/update"])
def test_signals_have_minutes_and_a_level_of_which_no_source_says_what_it_means(name: str) -> None:
    payload = {"signals": [["#AAPL_otc", [[1, 4], [2, 2]], 183.045]], "times": {"1": 1741364425}}
    row = Signal("#AAPL_otc", ((60, "4"), (120, "2")), 183.045)
    assert hear(attached(name, payload)) == [Signals(at=1741364425, rows=(row,))]
    (odd,) = hear(attached(name, payload | {"signals": [["#AAPL_otc", [[1, 5]], 183.045]]}))
    assert isinstance(odd, Unrecognised)


@pytest.mark.parametrize("time", [-1e12, 1733699878720000, "1733699878720000"], ids=repr)
def test_microseconds_are_no_time(time: object) -> None:
    (told,) = hear(attached("updateTime", time))
    assert isinstance(told, Unrecognised)
    page = {"asset": "E", "index": 1, "time": time, "offset": 9000, "period": 60}
    (asked,) = serve(["42" + json.dumps(["loadHistoryPeriod", page])])
    assert isinstance(asked, UnknownIntent)


def test_a_quote_charged_to_the_sentiment_is_no_sentiment() -> None:
    assert hear(attached("chafor", [["EURUSD_otc", 63]])) == [Sentiment(rows=(("EURUSD_otc", 63),))]
    (told,) = hear(attached("chafor", [["EURUSD_otc", 1789230980.123, 1.14]]))
    assert isinstance(told, Unrecognised)


@pytest.mark.parametrize("client_says", ["changeSymbol", "subscribeSymbol", "unSubscribeSymbol", "subfor"])
def test_half_a_surrogate_pair_from_a_client_can_be_answered(client_says: str) -> None:
    payload = r'{"asset":"\ud800"}' if client_says == "changeSymbol" else r'"\ud800"'
    (asked,) = serve([f'42["{client_says}",{payload}]'])
    assert misfits(asked) == []
    if isinstance(asked, Watch):
        history = History(symbol=asked.symbol, period=60, index=None)
        assert hear(PocketOptionCodec().encode_meaning(history)) == [history]


def test_an_order_opened_a_hair_before_the_second_does_not_lose_it() -> None:
    order = opened()
    (told,) = hear(
        PocketOptionCodec().encode_meaning(
            OrderOpened(
                order=Order(**{n: getattr(order, n) for n in order.__slots__} | {"opened_at": 10.9999})
            )
        )
    )
    assert isinstance(told, OrderOpened)
    assert told.order.opened_at == 11.0


def test_a_pending_order_of_the_year_1_can_be_written() -> None:
    request = {"asset": "E", "amount": 1, "openTime": "0001-01-01 00:00:00", "timeframe": 60, "command": 0}
    (asked,) = serve(["42" + json.dumps(["openPendingOrder", request])])
    assert serve(PocketOptionCodec().encode_intent(asked)) == [asked]


def test_what_a_reader_complains_about_is_quoted_whole_or_not_at_all() -> None:
    secret = "planted0secret0token000001"
    for filler in range(90):
        payload = {"isDemo": 1, "balance": "x" * filler + secret}
        (told,) = hear(attached("successupdateBalance", payload))
        assert isinstance(told, Unrecognised)
        assert secret[:12] not in told.problem or secret in told.problem


@pytest.mark.parametrize(
    "message",
    [
        '42["auth",{"session":"planted0secret0token000001","isDemo":1',
        '42["login",{"session":"planted0secret0token000001"}]',
        '42["planted0secret0token000001"]',
        '42["openOrder","planted0secret0token000001"]',
        '42["openOrder",{"asset":"","action":"planted0secret0token000001","amount":1,"time":1}]',
        '44"planted0secret0token000001"',
        b"planted0secret0token000001",
        '42["login",{"x":"' + "-" * 125 + '":"planted0secret0token000001"}]',
    ],
)
def test_the_served_end_does_not_repeat_what_looks_like_a_session(message: Message) -> None:
    (asked,) = serve([message])
    assert isinstance(asked, UnknownIntent)
    assert "planted0secret" not in asked.problem + asked.preview


# -- payload drift -----------------------------------------------------------------------------------------------------

CAPTURED = captured(pocketoption)


def decode(side: str, name: str, payload: object) -> list[Any]:
    if side == "S":
        return [*hear(attached(name, payload)), *hear(["42" + json.dumps([name, payload])])]
    return list(serve(["42" + json.dumps([name, payload])]))


@pytest.mark.parametrize(
    ("side", "name", "payload"), CAPTURED, ids=[f"{at}-{side}-{name}" for at, (side, name, _) in enumerate(CAPTURED)]
)  # fmt: skip
def test_a_captured_payload_that_drifted_gives_a_sound_value_or_is_not_recognised(
    side: str, name: str, payload: Any
) -> None:
    for strange in drifted(payload):
        for decoded in decode(side, name, strange):
            assert misfits(decoded) == [], strange


@pytest.mark.parametrize(("side", "name"), sorted({(side, name) for side, name, _ in CAPTURED}), ids=str)
def test_a_renamed_event_is_unknown_by_its_new_name(side: str, name: str) -> None:
    for decoded in decode(side, f"{name}V2", {}):
        assert isinstance(decoded, Unrecognised | UnknownIntent)
        assert decoded.problem == f"unknown event '{name}V2'"


@pytest.mark.parametrize("name", sorted({name for side, name, _ in CAPTURED if side == "S"}))
def test_an_event_that_lost_its_payload_is_never_an_exception(name: str) -> None:
    for decoded in hear([f'42["{name}"]', f'450-["{name}"]']):
        assert misfits(decoded) == []


def test_a_waiting_order_that_could_not_open_is_told_as_before_without_its_ticket() -> None:
    header, attachment = PocketOptionCodec().encode_meaning(PendingFailed(error="OPEN_TIME", ticket="t-1"))
    assert header == '451-["failopenPendingOrder",{"_placeholder":true,"num":0}]'
    assert attachment == b'{"error":"OPEN_TIME"}'


ASSET = [5, "#AAPL", "Apple", "stock", 2, 50, 60, 30, 3, 1, 170, 0, [], 0, True, [], -1, 60, -1]


@pytest.mark.parametrize(
    ("event", "payload", "counted"),
    [
        ("successcloseOrder", {"deals": [DEAL | {"closePrice": 1, "profit": 1}, {"id": "odd"}]}, "1 of 2"),
        ("updateAssets", [ASSET, ASSET[:14], ASSET], "1 of 3"),
        ("updateStream", [["E", 1, None], ["E", 2, 1.5], None], "2 of 3"),
        ("loadHistoryPeriod", {"asset": "E", "period": 60, "data": [{"time": 1, "price": 2}, {}]}, "1 of 2"),
        ("updateHistoryNew", {"asset": "E", "period": 60, "history": [[1, 2], [2]]}, "1 of 2"),
        ("updateHistoryNew", {"asset": "E", "period": 60, "candles": [[60, 1, 2, 3, 0], 7]}, "1 of 2"),
    ],
)
def test_an_odd_row_does_not_cost_the_others(event: str, payload: object, counted: str) -> None:
    told, strange = hear(attached(event, payload))
    assert isinstance(told, Quotes | Assets | OrdersClosed | History)
    assert isinstance(strange, Unrecognised)
    assert strange.problem.startswith(f"{counted} rows of '{event}' do not look as expected (the first: ")


@pytest.mark.parametrize(
    ("event", "payload", "lost"),
    [
        ("updateStream", [["E", 1]], "updateStream"),
        ("updateAssets", [[5, "#AAPL", "Apple"]], "updateAssets"),
        ("successopenOrder", {"id": "d-1"}, "successopenOrder"),
        (
            "updateHistoryNewFast",
            {"asset": "E", "period": 60, "candles": [[1, 2, 3]]},
            "updateHistoryNewFast",
        ),
    ],
)
def test_a_missing_element_is_named_with_its_event(event: str, payload: object, lost: str) -> None:
    (told,) = hear(attached(event, payload))
    assert isinstance(told, Unrecognised)
    assert told.problem.startswith(f"'{lost}' does not look as expected (")
    assert told.preview == json.dumps(payload)
