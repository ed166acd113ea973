"""Whole sessions in memory: this broker's opening, its keep-alive, its purses, and orders from request to settlement."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from probe.brokers.quotex import BROKER
from probe.brokers.quotex.codec import QuotexCodec
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account
from probe.model.errors import UnsafeTarget
from probe.model.events import (
    Ended,
    Event,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    Phase,
    RequestAnswered,
    RequestExpired,
    Surprise,
    Told,
)
from probe.model.intents import ChooseAccount, Intent, Login, PlaceOrder, PlacePending
from probe.model.meanings import (
    AccountChosen,
    Admitted,
    Balance,
    Direction,
    Meaning,
    OptionKind,
    OrderOpened,
    OrdersClosed,
    PendingFailed,
    PendingOrder,
    PendingPlaced,
    Purses,
)
from probe.session.behaviour import Misbehaviour
from probe.session.client import ClientSession, Plan
from probe.session.codec import DialectRules
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import QUOTEX, Known, Pair, ScriptedDesk, client_session

EPOCH = 1_795_000_000.0
SYMBOL = "EURUSD_otc"
PENDING = PlacePending(symbol=SYMBOL, direction=Direction.PUT, amount=5, duration=60, open_at=EPOCH + 60)
WAITING = PendingOrder(
    ticket="t-2", symbol=SYMBOL, direction=Direction.PUT, amount=5, duration=60, open_at=EPOCH + 60
)


class PurseDesk(ScriptedDesk):
    """Tells what it is given after the login."""

    def __init__(self, *money: Meaning) -> None:
        super().__init__(zone=0)
        self.money = money

    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        return [Admitted(user="12345"), *self.money]

    def handle(self, intent: Intent, now: float) -> Sequence[Meaning]:
        return [AccountChosen()] if isinstance(intent, ChooseAccount) else super().handle(intent, now)


def in_a_world() -> Pair:
    world = World(broker=BROKER, seed=1, epoch=EPOCH)
    account = next(account for account in world.accounts if account.account is Account.DEMO)
    known = Known(BROKER, BROKER.write_credential(account), account.token)
    desk = WorldDesk(world, account_kind=Account.DEMO, rng=random.Random(2))
    return Pair(known, client=client_session(known, watch=()), desk=desk).run(3)


def an_order(request_id: int, **changes: object) -> PlaceOrder:
    order = PlaceOrder(symbol=SYMBOL, direction=Direction.CALL, amount=5, duration=30, request_id=request_id)
    return replace(order, **changes)  # type: ignore[arg-type]


def ask(pair: Pair, *asked: Intent) -> None:
    for intent in asked:
        pair.wire.act(lambda now, intent=intent: pair.client.ask(intent, now))  # type: ignore[misc]


def with_rules(client: DialectRules, server: DialectRules) -> list[Event]:
    """What a client is told in a minute."""
    credentials = BROKER.read_credentials(QUOTEX.ssid)
    codecs = QuotexCodec(), QuotexCodec()
    for codec, rules in zip(codecs, (client, server), strict=True):
        codec.rules = rules
    told: list[Event] = []
    PretendWire(
        ClientSession(
            codec=codecs[0],
            credentials=credentials,
            plan=Plan(host="sim.test", path=QUOTEX.path, account=Account.DEMO),
            rng=random.Random(1),
            redact=redactor_for(credentials),
        ),
        ServedSession(
            codec=codecs[1],
            desk=ScriptedDesk(zone=0),
            misbehaviour=Misbehaviour(),
            rng=random.Random(2),
        ),
        on_client=told.append,
    ).run(60)
    return told


# -- opening and keep-alive --------------------------------------------------------------------------------------------


def test_a_session_opens_is_kept_alive_and_surprises_nobody() -> None:
    pair = Pair(QUOTEX).run(300)
    assert pair.client.phase is Phase.LIVE
    assert [event for event in (*pair.told, *pair.heard) if isinstance(event, Surprise)] == []
    sent = [event.name for event in pair.of(HeartbeatSent)]
    answered = [event.name for event in pair.of(HeartbeatAnswered)]
    assert (sent.count("engine"), sent.count("tick")) == (15, 15)
    assert (answered.count("engine"), answered.count("tick")) == (15, 0)
    assert pair.of(HeartbeatMissed) == []


def test_who_sends_nothing_is_closed_when_the_greetings_terms_are_over() -> None:
    told = with_rules(replace(BROKER.rules, beats=()), BROKER.rules)
    (ended,) = [event for event in told if isinstance(event, Ended)]
    assert 30 < ended.at < 30.1  # the client's WebSocket pings are none of Engine.IO's packets


def test_the_client_pings_as_often_as_the_greeting_asks() -> None:
    told = with_rules(BROKER.rules, replace(BROKER.rules, ping_interval=5.0))
    sent = [event.name for event in told if isinstance(event, HeartbeatSent)]
    assert (sent.count("engine"), sent.count("tick")) == (12, 3)


@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_a_rejected_token_is_a_refused_login(latency: float) -> None:
    pair = Pair(QUOTEX, desk=ScriptedDesk(refuses=True), latency=latency).run(30)
    assert pair.kind == "auth.refused"
    assert pair.ended.failure is not None
    assert pair.ended.failure.detail == "authorization/reject"


def test_no_secret_is_in_what_a_session_tells() -> None:
    pair = Pair(QUOTEX).run(30)
    shown = repr([*pair.told, *pair.heard, *pair.client.transcript(), *pair.server.transcript()])
    assert QUOTEX.token not in shown


# -- purses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "allowed"),
    [
        ((), False),
        ((Purses(demo=10_000, live=0),), False),  # which of them is in use was not said
        ((Purses(demo=10_000, live=0), Balance(amount=10_000, is_demo=True)), True),
        ((Balance(amount=10_000, is_demo=True), Balance(amount=0, is_demo=False)), False),
        ((Balance(amount=0, is_demo=None),), False),
    ],
    ids=repr,
)
def test_orders_go_out_only_after_the_newest_balance_was_said_to_be_demo(
    money: tuple[Meaning, ...], allowed: bool
) -> None:
    pair = Pair(QUOTEX, desk=PurseDesk(*money)).run(2)
    try:
        ask(pair, an_order(1))
    except UnsafeTarget:
        assert not allowed
    else:
        assert allowed


def test_after_a_change_of_purse_the_next_balance_must_say_demo_again() -> None:
    pair = Pair(QUOTEX, desk=PurseDesk(Balance(amount=10_000, is_demo=True))).run(2)
    ask(pair, an_order(1), ChooseAccount(account=Account.DEMO))
    pair.run(4)
    with pytest.raises(UnsafeTarget):
        ask(pair, an_order(2))
    pair = in_a_world()
    ask(pair, ChooseAccount(account=Account.DEMO))
    pair.run(5)
    ask(pair, an_order(3))
    pair.run(6)
    assert any(isinstance(event.answer, OrderOpened) for event in pair.of(RequestAnswered))


# -- orders ------------------------------------------------------------------------------------------------------------


def closed(pair: Pair) -> dict[str | int | None, OptionKind]:
    settled = [event.meaning for event in pair.of(Told) if isinstance(event.meaning, OrdersClosed)]
    return {order.request_id: order.option for meaning in settled for order in meaning.orders}


def a_step_of_the_grid(pair: Pair, steps: int) -> float:
    grid = BROKER.house.expiry_grid
    return ((EPOCH + pair.wire.now) // grid + steps) * grid


def test_orders_of_every_kind_are_settled_by_the_id_of_their_request() -> None:
    pair = in_a_world()
    ask(pair, an_order(1), an_order(2, duration=5))
    ask(
        pair,
        *(
            an_order(number, option=option, duration=0, closes_at=a_step_of_the_grid(pair, steps))
            for number, option, steps in ((3, OptionKind.CLOCK, 2), (4, OptionKind.TURBO, 5))
        ),
    )
    pair.run(700)
    answered = [event.answer for event in pair.of(RequestAnswered)]
    assert [o.order.request_id for o in answered if isinstance(o, OrderOpened)] == [1, 2, 3, 4]
    assert closed(pair) == {
        1: OptionKind.TIMER,
        2: OptionKind.TIMER,
        3: OptionKind.CLOCK,
        4: OptionKind.TURBO,
    }


def test_an_expiry_beside_the_grid_is_met_with_silence() -> None:
    pair = in_a_world()
    beside = a_step_of_the_grid(pair, 2) + 7
    ask(pair, an_order(1, option=OptionKind.CLOCK, duration=0, closes_at=beside))
    pair.run(60)
    (expired,) = pair.of(RequestExpired)
    assert expired.intent == an_order(1, option=OptionKind.CLOCK, duration=0, closes_at=beside)


def test_a_pending_order_is_placed_and_opened_later_without_a_request() -> None:
    pair = in_a_world()
    ask(pair, PENDING)
    pair.run(200)
    assert [type(event.answer) for event in pair.of(RequestAnswered)] == [PendingPlaced]
    opened = [event.meaning for event in pair.of(Told) if isinstance(event.meaning, OrderOpened)]
    assert [(each.order.request_id, each.order.opened_at) for each in opened] == [(None, EPOCH + 60)]
    assert closed(pair) == {None: OptionKind.TIMER}


class LateDesk(ScriptedDesk):
    """Says that another order could not open before it answers who asks for a new one."""

    def handle(self, intent: Intent, now: float) -> Sequence[Meaning]:
        if not isinstance(intent, PlacePending):
            return super().handle(intent, now)
        return [PendingFailed(error="not_money", ticket="t-1"), PendingPlaced(order=WAITING)]


def test_an_order_that_could_not_open_does_not_answer_who_asks_for_a_new_one() -> None:
    pair = Pair(QUOTEX, desk=LateDesk(zone=0)).run(2)
    ask(pair, PENDING)
    pair.run(4)
    assert [e.answer for e in pair.of(RequestAnswered) if e.intent == PENDING] == [
        PendingPlaced(order=WAITING)
    ]
    told = [event.meaning for event in pair.of(Told) if isinstance(event.meaning, PendingFailed)]
    assert told == [PendingFailed(error="not_money", ticket="t-1")]
