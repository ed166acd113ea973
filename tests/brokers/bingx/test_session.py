"""Whole sessions in memory: nobody logs in, pings are answered in their own form, and prices are those of the symbols asked for."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from probe.brokers.bingx import BROKER
from probe.faults.catalogue import compose, read_fault
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account
from probe.model.events import (
    Ended,
    Event,
    HeartbeatAnswered,
    PeerBeat,
    Phase,
    QuoteArrived,
    RequestAnswered,
    Surprise,
    Told,
)
from probe.model.intents import Unwatch, Watch
from probe.model.meanings import Admitted, Troubles
from probe.session.broker import Broker
from probe.session.client import ClientSession, Plan
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World

EPOCH = 1_795_000_000.0
SYMBOLS = ("BTC-USDT", "ETH-USDT")
SPOT = BROKER.speaking({"heartbeat": "spot", "ack": "old"})


class Stream:
    """A client of the simulated exchange, and what it was told."""

    def __init__(self, *faults: str, broker: Broker = BROKER, goal: Phase = Phase.LIVE) -> None:
        plan = Plan(
            host="exchange.test",
            path="/swap-market",
            account=Account.NONE,
            watch=tuple(Watch(symbol=symbol) for symbol in SYMBOLS),
            goal=goal,
        )
        self.client = ClientSession(
            codec=broker.codec(), credentials=None, plan=plan, rng=random.Random(1), redact=redactor_for(None)
        )
        world = World(broker=broker, seed=1, epoch=EPOCH)
        self.server = ServedSession(
            codec=broker.codec(),
            desk=WorldDesk(world, account_kind=Account.NONE, rng=random.Random(2)),
            misbehaviour=compose([read_fault(fault) for fault in faults]),
            rng=random.Random(3),
        )
        self.told: list[Event] = []
        self.wire = PretendWire(self.client, self.server, on_client=self.told.append, latency=0.01)

    def run(self, until: float) -> "Stream":
        self.wire.run(until)
        return self

    def quotes(self, symbol: str = SYMBOLS[0]) -> list[QuoteArrived]:
        return [event for event in self.told if isinstance(event, QuoteArrived) and event.symbol == symbol]

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def ending(self) -> str | None:
        (ended,) = (event for event in self.told if isinstance(event, Ended))
        return ended.failure.kind if ended.failure else None


@pytest.mark.parametrize("broker", [BROKER, SPOT], ids=["swap", "spot"])
def test_a_session_lives_for_a_while_without_a_login(broker: Broker) -> None:
    stream = Stream(broker=broker).run(900.0)
    assert stream.client.phase is Phase.LIVE
    assert stream.of(Surprise) == []
    assert len(stream.of(PeerBeat)) == 179
    assert next(each.meaning for each in stream.told if isinstance(each, Told)) == Admitted()
    answered = [each.intent for each in stream.told if isinstance(each, RequestAnswered)]
    assert answered == [Watch(symbol=symbol) for symbol in SYMBOLS]
    assert {each.symbol for each in stream.told if isinstance(each, QuoteArrived)} == set(SYMBOLS)
    assert len(stream.of(HeartbeatAnswered)) > 40  # control pings, which measure the way


def test_acknowledgements_tell_that_all_is_well() -> None:
    states = [each.meaning for each in Stream().run(1.0).told if isinstance(each, Told)]
    assert [each for each in states if isinstance(each, Troubles)] == [
        Troubles(about=f"subscription {symbol}") for symbol in SYMBOLS
    ]


def test_what_is_watched_no_more_is_silent() -> None:
    stream = Stream().run(10.0)
    stream.wire.act(lambda now: stream.client.ask(Unwatch(symbol=SYMBOLS[0]), now))
    stream.run(60.0)
    assert max(quote.at for quote in stream.quotes()) < 10.1
    assert max(quote.at for quote in stream.quotes(SYMBOLS[1])) > 58.0


def test_a_session_meant_to_go_no_further_leaves_before_it_asks() -> None:
    stream = Stream(goal=BROKER.rules.nearest(Phase.AUTHENTICATING)).run(10.0)
    assert (stream.ending, stream.quotes()) == (None, [])


def test_pings_that_stop_end_the_session_after_fifteen_seconds() -> None:
    stream = Stream("stop-pings").run(60.0)
    (ended,) = (event for event in stream.told if isinstance(event, Ended))
    assert (stream.ending, round(ended.at)) == ("eio.ping-timeout", 15)


def test_a_client_that_answers_no_ping_is_closed() -> None:
    stream = Stream()
    encode = stream.client._codec.encode_intent
    deaf = type(
        "Deaf",
        (),
        {
            "rules": BROKER.rules,
            "encode_intent": lambda _, intent: [] if "Beat" in type(intent).__name__ else encode(intent),
            "decode_meaning": lambda _, message: BROKER.codec().decode_meaning(message),
        },
    )
    stream.client._codec = deaf()
    stream.run(30.0)
    (ended,) = (event for event in stream.told if isinstance(event, Ended))
    assert round(ended.at) == 15


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("half-open:at=17s", "session.half-open"),
        ("drop:at=10s", "session.closed-1006"),
        ("tcp-reset:at=10s", "session.tcp-reset"),
        ("close:at=10s:code=1008", "session.policy-1008"),
        ("http-status:code=429", "http.429"),
        ("silent-upgrade", "http.open-timeout"),
        ("big-message", "session.message-too-big"),
    ],
)
def test_general_faults_end_it_as_any_other_session(fault: str, expected: str) -> None:
    assert Stream(fault).run(120.0).ending == expected


@pytest.mark.parametrize(
    ("fault", "silent"),
    [("silent-stall:at=10s", SYMBOLS), ("one-symbol-stall:at=10s:symbol=ETH-USDT", SYMBOLS[1:])],
)
def test_a_stall_silences_prices_while_pings_go_on(fault: str, silent: tuple[str, ...]) -> None:
    stream = Stream(fault).run(60.0)
    for symbol in SYMBOLS:
        newest = max(quote.at for quote in stream.quotes(symbol))
        assert (newest < 11.0) is (symbol in silent), symbol
    assert len(stream.of(PeerBeat)) == 11


def test_frozen_prices_skewed_clocks_and_duplicates_reach_the_client() -> None:
    stream = Stream("frozen-price", "clock-skew:seconds=10", "duplicate-ticks").run(20.0)
    quotes = stream.quotes()
    assert len({quote.price for quote in quotes}) == 1
    assert {round(quote.broker_time - EPOCH - quote.at) for quote in quotes} == {10}
    assert len(quotes) == 2 * len({quote.broker_time for quote in quotes})


@pytest.mark.parametrize("fault", ["garbage", "binary-garbage", "truncate-json"])
def test_nonsense_in_between_is_noted_and_survived(fault: str) -> None:
    stream = Stream(fault).run(60.0)
    assert stream.client.phase is Phase.LIVE
    assert stream.of(Surprise)
    assert stream.quotes()[-1].at > 50.0


def test_rules_say_what_the_session_needs() -> None:
    rules = BROKER.rules
    assert (rules.needs_login, rules.greets, rules.asks_history) == (False, False, False)
    assert replace(rules.terms, sid="") == rules.terms
    assert rules.ping_interval + rules.ping_timeout == 15.0


def test_a_symbol_above_the_limit_of_a_connection_is_refused_and_the_others_go_on() -> None:
    stream = Stream("subscription-cap").run(30.0)
    said = [each.meaning for each in stream.told if isinstance(each, Told)]
    troubles = {each.about: each.rows for each in said if isinstance(each, Troubles)}
    [refused] = troubles["subscription ETH-USDT"]
    assert (troubles["subscription BTC-USDT"], refused.code) == ((), "session.subscription-cap")
    assert "code 80403" in refused.sentence
    assert (len(stream.quotes(SYMBOLS[0])) > 20, stream.quotes(SYMBOLS[1])) == (True, [])


def test_prices_come_once_a_second() -> None:
    at = [quote.at for quote in Stream().run(60.5).quotes()]
    assert {round(later - earlier, 3) for earlier, later in pairwise(at)} == {1.0}
    assert len(at) == 60
