"""Messages in and out: gzip within bounds, both heartbeats, acknowledgements, and what no server should say."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.brokers.bingx import BROKER
from probe.brokers.bingx.codec import MOST_TOPICS, BingxCodec, Dialect
from probe.brokers.bingx.frames import LARGEST, pack, unpack
from probe.brokers.bingx.house import ANSWERS, REQUEST
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.intents import AnswerBeat, AskBalance, Login, Murmur, Unwatch, Watch
from probe.model.meanings import (
    Admitted,
    Balance,
    BeatAsked,
    BrokerClock,
    Effect,
    History,
    Meaning,
    Notice,
    Purses,
    Quote,
    Quotes,
    Refused,
    Troubles,
    Unrecognised,
)
from probe.session.codec import Message
from tests.brokers.conforming import misfits

SYMBOL = "BTC-USDT"
SPOT = Dialect(heartbeat="spot", ack="old")
QUOTES = st.builds(
    Quotes,
    st.lists(
        st.builds(
            Quote,
            st.sampled_from(["BTC-USDT", "ETH-USDT"]),
            st.integers(10**11, 4_102_444_800_000).map(lambda at: at / 1000),
            st.floats(0, 1e9) | st.integers(0, 10**9).map(float),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


def heard(said: object, codec: BingxCodec | None = None) -> list[Meaning]:
    return (codec or BingxCodec()).decode_meaning(pack(said if isinstance(said, str) else json.dumps(said)))


def asked(codec: BingxCodec, symbol: str = SYMBOL) -> str:
    """The number of a request to watch it."""
    (said,) = codec.encode_intent(Watch(symbol=symbol))
    return str(json.loads(said)["id"])


# -- frames -------------------------------------------------------------------------------------------------------------


def test_any_gzip_is_unpacked_and_text_is_taken_as_it_is() -> None:
    assert unpack(gzip.compress("größe".encode())) == "größe"
    assert unpack(pack("größe")) == "größe"
    assert unpack("plain") == "plain"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x1f\x8b",
        b"no gzip",
        pack("Ping")[:-1],
        pack("Ping") + b"more",
        gzip.compress(b"\xff\xfe", mtime=0),
    ],
)
def test_what_is_no_gzip_of_text_is_a_surprise_and_no_crash(frame: bytes) -> None:
    (surprise,) = BingxCodec().decode_meaning(frame)
    assert isinstance(surprise, Unrecognised)


def test_a_gzip_bomb_ends_as_a_surprise_and_is_never_unpacked_whole() -> None:
    bomb = gzip.compress(b"[" + b"0," * LARGEST + b"0]")
    (surprise,) = BingxCodec().decode_meaning(bomb)
    assert isinstance(surprise, Unrecognised)
    assert f"more than {LARGEST} bytes" in surprise.problem
    assert len(surprise.preview) < 1000


def test_a_message_cut_anywhere_is_a_surprise() -> None:
    whole = pack(json.dumps({"code": 0, "dataType": "A-B@lastPrice", "data": {"E": 1, "c": "1"}}))
    for length in range(len(whole)):
        (surprise,) = BingxCodec().decode_meaning(whole[:length])
        assert isinstance(surprise, Unrecognised)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["code", "id", "msg", "ping", "time", "e", "data", "dataType", "E", "c", "T", "p", "a", "b"])
        | st.text(max_size=3),
        inner,
        max_size=5,
    )
)))  # fmt: skip
def test_whatever_json_comes_is_understood_or_a_surprise(said: object) -> None:
    for meaning in heard(said):
        assert misfits(meaning) == []


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_whatever_a_client_sends_is_a_wish_or_unknown(message: Message) -> None:
    for intent in BingxCodec().decode_intent(message):
        assert misfits(intent) == []


def test_numbers_that_are_none_are_surprises() -> None:
    prices: tuple[object, ...] = ("NaN", "1e999", "-1e999", "9" * 5000, None, True, [], "x")
    for price in prices:
        (surprise,) = heard({"dataType": "A-B@ticker", "data": {"E": 1714650656745, "c": price}})
        assert isinstance(surprise, Unrecognised), price


# -- heartbeats ---------------------------------------------------------------------------------------------------------


def test_the_word_is_answered_with_the_word() -> None:
    codec = BingxCodec()
    assert heard("Ping", codec) == [BeatAsked()]
    assert codec.encode_intent(AnswerBeat()) == ["Pong"]
    assert codec.decode_intent("Pong") == [AnswerBeat()]


def test_json_is_answered_with_its_own_name_and_time() -> None:
    codec = BingxCodec()
    ping = {"ping": "2177c6", "time": "2022-06-07T16:27:36.323+0800"}
    (beat,) = heard(ping, codec)
    assert isinstance(beat, BeatAsked)
    (answer,) = codec.encode_intent(AnswerBeat(payload=beat.payload))
    assert json.loads(answer) == {"pong": ping["ping"], "time": ping["time"]}
    assert codec.decode_intent(answer) == [AnswerBeat(payload=beat.payload)]


def test_a_simulated_spot_server_pings_with_new_names_and_the_time_it_last_told() -> None:
    codec = BingxCodec(SPOT)
    codec.encode_meaning(Quotes((Quote(SYMBOL, 1654590456.323, 1.0),)))
    pings = [json.loads(unpack(said)) for _ in range(2) for said in codec.encode_meaning(BeatAsked())]
    assert len({ping["ping"] for ping in pings}) == 2
    assert {(len(ping["ping"]), ping["time"]) for ping in pings} == {(32, "2022-06-07T16:27:36.323+0800")}


# -- subscriptions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", [{"code": 0, "msg": ""}, {"code": 0, "msg": "SUCCESS", "timestamp": 1759225965363}]
)
def test_an_acknowledgement_of_either_form_answers_the_request(form: dict[str, object]) -> None:
    codec = BingxCodec()
    codec.encode_intent(Watch(symbol="ETH-USDT"))
    number = asked(codec)
    answer, state = heard({**form, "id": number}, codec)
    assert answer == History(symbol=SYMBOL, period=60, index=None)
    assert state == Troubles(about=f"subscription {SYMBOL}")


def test_a_subscription_that_is_there_already_is_no_trouble() -> None:
    codec = BingxCodec()
    answer, _ = heard({"code": 100205, "msg": "repeat", "id": asked(codec)}, codec)
    assert isinstance(answer, History)


def test_a_refusal_names_the_symbol_and_is_no_answer() -> None:
    codec = BingxCodec()
    (state,) = heard({"code": 100204, "msg": "no content", "id": asked(codec)}, codec)
    assert isinstance(state, Troubles)
    [trouble] = state.rows
    assert (state.about, trouble.code, trouble.effect) == (
        f"subscription {SYMBOL}",
        "crypto.bingx-symbol-offline",
        Effect.STALLS,
    )
    assert "no content" in trouble.sentence


def test_an_error_in_the_place_of_a_price_is_told_as_one() -> None:
    (state,) = heard({"code": 100500, "msg": "busy", "dataType": f"{SYMBOL}@ticker", "data": {}})
    assert isinstance(state, Troubles)
    assert [trouble.code for trouble in state.rows] == ["crypto.bingx-busy"]


def test_acknowledgements_of_what_was_not_asked_are_noted() -> None:
    assert heard({"code": 0, "id": "nobody's", "msg": ""}) == [Notice(name="acknowledgement")]


def test_a_served_end_acknowledges_with_the_clients_number() -> None:
    for dialect, expected in (
        (Dialect(), {"code": 0, "id": "7", "msg": "SUCCESS", "timestamp": 1_700_000_000_000}),
        (SPOT, {"id": "7", "code": 0, "msg": ""}),
    ):
        codec = BingxCodec(dialect)
        wish = {
            "id": "7",
            "dataType": f"{SYMBOL}@ticker",
        }  # spot clients leave out what kind of request it is
        assert codec.decode_intent(json.dumps(wish)) == [Watch(symbol=SYMBOL)]
        recent = History(symbol=SYMBOL, period=60, index=None, ticks=((1_700_000_000.0, 1.0),))
        assert [json.loads(unpack(said)) for said in codec.encode_meaning(recent)] == [expected]
        assert codec.encode_meaning(recent) == []


def test_prices_come_in_the_channels_that_were_asked_for() -> None:
    server, client = BingxCodec(), BingxCodec()
    for number, channel in enumerate(("trade", "bookTicker", "lastPrice", "trade")):
        server.decode_intent(
            json.dumps({"id": str(number), "reqType": "sub", "dataType": f"{SYMBOL}@{channel}"})
        )
    quotes = Quotes((Quote(SYMBOL, 1_700_000_000.5, 68_000.25),))
    said = server.encode_meaning(quotes)
    assert [json.loads(unpack(each))["dataType"].partition("@")[2] for each in said] == [
        "trade",
        "bookTicker",
        "lastPrice",
    ]
    assert [client.decode_meaning(each) for each in said] == [[quotes]] * 3


def test_the_last_channel_of_a_symbol_ends_its_prices() -> None:
    codec = BingxCodec()
    wishes = [
        codec.decode_intent(json.dumps({"id": "1", "reqType": kind, "dataType": f"{SYMBOL}@ticker"}))
        for kind in ("sub", "unsub")
    ]
    assert wishes == [[Watch(symbol=SYMBOL)], [Unwatch(symbol=SYMBOL), Murmur(name=REQUEST)]]
    assert codec.encode_meaning(Quotes((Quote(SYMBOL, 1.0, 1.0),))) == []


def wish(topic: str, kind: str = "sub", number: str = "1") -> str:
    return json.dumps({"id": number, "reqType": kind, "dataType": topic})


def answered(codec: BingxCodec, *wishes: str) -> list[object]:
    """What a server says to the last of these that is no price."""
    *_, intents = map(codec.decode_intent, wishes)
    assert intents[-1] == Murmur(name=REQUEST)
    said = [json.loads(unpack(each)) for each in codec.encode_meaning(Notice(name=ANSWERS))]
    return said[-1:]


@pytest.mark.parametrize(
    ("topic", "code"),
    [(f"{SYMBOL}@nonsense", 100400), (SYMBOL, 100400), ("@", 100400), ("NONE-USDT@ticker", 100204)],
)
@pytest.mark.parametrize("dialect", [Dialect(), SPOT], ids=["swap", "spot"])
def test_what_cannot_be_subscribed_is_refused_under_its_number(
    dialect: Dialect, topic: str, code: int
) -> None:
    codec = BingxCodec(dialect)
    [said] = answered(codec, wish(topic))
    assert isinstance(said, dict)
    assert (said["id"], said["code"]) == ("1", code)
    assert codec.encode_meaning(Notice(name=ANSWERS)) == []


def test_the_end_of_a_subscription_is_acknowledged() -> None:
    codec = BingxCodec()
    topic = f"{SYMBOL}@ticker"
    [said] = answered(codec, wish(topic), wish(topic, "unsub", "2"))
    assert said == {"code": 0, "id": "2", "msg": "SUCCESS", "timestamp": 0}


@pytest.mark.parametrize(("dialect", "code"), [(Dialect(), 80403), (SPOT, 100416)], ids=["swap", "spot"])
def test_a_topic_above_the_limit_is_refused_until_another_ends_and_the_client_is_told_why(
    dialect: Dialect, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_TOPICS == 200
    monkeypatch.setattr("probe.brokers.bingx.codec.MOST_TOPICS", 2)
    server, client = BingxCodec(dialect), BingxCodec(dialect)
    for channel in ("ticker", "trade", "ticker"):  # one of them twice
        assert server.decode_intent(wish(f"{SYMBOL}@{channel}")) == [Watch(symbol=SYMBOL)]
    [said] = answered(server, wish("ETH-USDT@ticker", number=asked(client, "ETH-USDT")))
    (state,) = heard(said, client)
    assert isinstance(state, Troubles)
    assert (state.about, [each.code for each in state.rows]) == (
        "subscription ETH-USDT",
        ["session.subscription-cap"],
    )
    assert f"code {code}: the number of topics" in state.rows[0].sentence
    server.decode_intent(wish(f"{SYMBOL}@trade", "unsub"))
    assert server.decode_intent(wish("ETH-USDT@ticker")) == [Watch(symbol="ETH-USDT")]


# -- an account ---------------------------------------------------------------------------------------------------------

CANARY = "c0ffee" * 10 + "0123"
LOGIN = Login(frame=Secret(CANARY), token=Secret(CANARY), account=Account.NONE)
HELD = {
    "e": "ACCOUNT_UPDATE",
    "E": 1,
    "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "49.8", "cw": "49.8"}], "P": []},
}


def entering(dialect: Dialect | None = None) -> BingxCodec:
    codec = BingxCodec(dialect)
    assert codec.encode_intent(LOGIN) == []  # it went with the request
    return codec


def test_the_first_word_about_an_account_is_the_proof_of_its_key() -> None:
    codec = entering()
    assert heard("Ping", codec) == [BeatAsked()]
    assert heard(HELD, codec) == [Admitted(), Balance(amount=49.8, is_demo=None)]
    assert heard(HELD, codec) == [Balance(amount=49.8, is_demo=None)]
    assert heard({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "ac": {}}) == [Notice(name="ACCOUNT_CONFIG_UPDATE")]


def test_on_spot_a_key_that_was_not_refused_by_the_first_heartbeat_is_taken() -> None:
    codec = entering(SPOT)
    first, beat = heard({"ping": "a", "time": "b"}, codec)
    assert (first, beat) == (Admitted(), BeatAsked(payload="a b"))
    assert heard({"ping": "a", "time": "b"}, codec) == [beat]


def test_an_error_about_a_key_refuses_it_and_does_not_repeat_it() -> None:
    (refused,) = heard({"code": 100401, "msg": f"no such key {CANARY}", "timestamp": 1}, entering())
    assert refused == Refused(reason="the listen key is refused (code 100401: no such key ***)")
    assert isinstance(heard({"code": 100401, "msg": ""})[0], Troubles)  # nobody brought one
    assert isinstance(heard({"code": 100500, "msg": ""}, entering())[0], Troubles)


@pytest.mark.parametrize("codec", [BingxCodec(), entering()], ids=["later", "at once"])
def test_a_key_that_expired_ends_the_session_and_says_what_to_do(codec: BingxCodec) -> None:
    state, refused = heard({"e": "listenKeyExpired", "E": 1, "listenKey": CANARY}, codec)
    assert isinstance(state, Troubles)
    assert [(each.code, each.effect) for each in state.rows] == [
        ("crypto.bingx-listen-key", Effect.SHUTS_OUT)
    ]
    assert isinstance(refused, Refused)
    assert CANARY not in repr((state, refused))


def test_an_account_survives_the_way_and_virtual_money_is_a_demo() -> None:
    server = BingxCodec()
    server.encode_meaning(BrokerClock(seconds=1_700_000_000.0))
    for held in (Balance(amount=1.5, is_demo=True), Balance(amount=1.5, is_demo=None)):
        update, config = server.encode_meaning(held)
        assert BingxCodec().decode_meaning(update) == [held]
        assert json.loads(unpack(config))["E"] == 1_700_000_000_000
    assert BingxCodec(SPOT).encode_meaning(Balance(amount=1.5, is_demo=True)) == []


@pytest.mark.parametrize("row", [{}, {"a": "USDT"}, {"a": "USDT", "wb": "x"}, {"a": 1, "wb": "1"}])
def test_an_account_in_another_shape_is_a_surprise_and_no_proof(row: object) -> None:
    codec = entering()
    (surprise,) = heard({"e": "ACCOUNT_UPDATE", "a": {"B": [row]}}, codec)
    assert isinstance(surprise, Unrecognised)
    assert heard(HELD, codec)[0] == Admitted()


# -- both halves --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [Dialect(), SPOT], ids=["swap", "spot"])
@given(quotes=QUOTES)
def test_prices_survive_the_way(dialect: Dialect, quotes: Quotes) -> None:
    client = BingxCodec()
    said = BingxCodec(dialect).encode_meaning(quotes)
    assert [meaning for each in said for meaning in client.decode_meaning(each)] == [
        Quotes((row,)) for row in quotes.rows
    ]


@pytest.mark.parametrize("intent", [Watch(symbol=SYMBOL), AnswerBeat(), AnswerBeat(payload="a b")])
def test_wishes_survive_the_way(intent: Watch | AnswerBeat) -> None:
    (said,) = BingxCodec().encode_intent(intent)
    assert BingxCodec().decode_intent(said) == [intent]


def test_one_odd_trade_does_not_cost_the_others() -> None:
    rows = [{"T": 1714650253104, "p": "1"}, {"T": 1714650253105}]
    quotes, surprise = heard({"dataType": "A-B@trade", "data": rows})
    assert quotes == Quotes((Quote("A-B", 1714650253.104, 1.0),))
    assert isinstance(surprise, Unrecognised)


def test_what_it_has_no_words_for_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        BingxCodec().encode_intent(AskBalance())
    with pytest.raises(LocalProtocolError):
        BingxCodec().encode_meaning(Purses(demo=1.0, live=None))


def test_each_choice_of_dialect_changes_what_is_written() -> None:
    beat = [
        unpack(said) for said in BROKER.speaking({"heartbeat": "spot"}).codec().encode_meaning(BeatAsked())
    ]
    assert beat[0].startswith('{"ping":')
    assert [unpack(said) for said in BROKER.codec().encode_meaning(BeatAsked())] == ["Ping"]
