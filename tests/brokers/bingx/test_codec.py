"""Messages in and out: gzip within bounds, both heartbeats, acknowledgements, and what no server should say."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.brokers.bingx import BROKER
from probe.brokers.bingx.codec import BingxCodec, Dialect
from probe.brokers.bingx.frames import LARGEST, pack, unpack
from probe.model.errors import LocalProtocolError
from probe.model.intents import AnswerBeat, AskBalance, UnknownIntent, Unwatch, Watch
from probe.model.meanings import (
    Balance,
    BeatAsked,
    Effect,
    History,
    Meaning,
    Notice,
    Quote,
    Quotes,
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
    assert wishes == [[Watch(symbol=SYMBOL)], [Unwatch(symbol=SYMBOL)]]
    assert codec.encode_meaning(Quotes((Quote(SYMBOL, 1.0, 1.0),))) == []


@pytest.mark.parametrize("topic", [f"{SYMBOL}@nonsense", SYMBOL, "@"])
def test_channels_the_simulator_has_not_are_unknown(topic: str) -> None:
    (intent,) = BingxCodec().decode_intent(json.dumps({"id": "1", "reqType": "sub", "dataType": topic}))
    assert isinstance(intent, UnknownIntent)


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
        BingxCodec().encode_meaning(Balance(amount=1.0, is_demo=None))


def test_each_choice_of_dialect_changes_what_is_written() -> None:
    beat = [
        unpack(said) for said in BROKER.speaking({"heartbeat": "spot"}).codec().encode_meaning(BeatAsked())
    ]
    assert beat[0].startswith('{"ping":')
    assert [unpack(said) for said in BROKER.codec().encode_meaning(BeatAsked())] == ["Ping"]
