from math import inf
from typing import Any

import pytest

from probe.model.endpoint import Account
from probe.model.intents import AskBalance, AskOrders, CancelPending, PlacePending, Watch
from probe.model.meanings import (
    Balance,
    Direction,
    Goodbye,
    Meaning,
    Order,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    PendingCancelled,
    PendingFailed,
    PendingList,
    PendingPlaced,
    PendingRejected,
    Quotes,
)
from probe.session.broker import Broker, OrderProblem
from probe.simulator.world import World
from tests.simulator.desks import NOON, OTC, Visit, a_world, account_of, login_of, only, order, utc

CALL, PUT = Direction.CALL, Direction.PUT


def price(world: World, broker_time: float, symbol: str = OTC) -> float:
    return world.floor.listing(symbol).price_at(broker_time - world.floor.zone)


def pending(broker: Broker, *, opens_in: float | None = None, **fields: Any) -> PlacePending:
    settings: dict[str, Any] = {"symbol": OTC, "direction": CALL, "amount": 10.0, "duration": 60}
    if opens_in is not None:
        settings["open_at"] = NOON + opens_in + broker.zone_seconds
    return PlacePending(**settings | fields)


def words(broker: Broker, problem: OrderProblem) -> str:
    return broker.house.order_errors.get(problem, problem.value)


def said(visit: Visit, *kinds: type[Meaning]) -> list[tuple[float, Meaning]]:
    return [(at, meaning) for at, meaning in visit.said if isinstance(meaning, kinds)]


def side_by_side(until: float, *visits: Visit) -> None:
    """As in one process: whoever is due first comes first."""
    while (
        soonest := min(visits, key=lambda visit: visit.desk.next_due() or inf).desk.next_due() or inf
    ) <= until:
        for visit in visits:
            visit.run(soonest)
    for visit in visits:
        visit.run(until)


# -- orders -------------------------------------------------------------------------------------------------------------


def test_an_order_is_opened_at_the_price_of_now_and_its_stake_leaves_the_balance(broker: Broker) -> None:
    world = a_world(broker=broker)
    visit = Visit(world).run(12.345)
    opened, balance = visit.ask(order(direction=PUT, amount=25.5, duration=60, request_id="mine"))
    now = NOON + 12.345 + broker.zone_seconds
    assert isinstance(opened, OrderOpened)
    assert opened.order == Order(
        id=opened.order.id,
        symbol=OTC,
        direction=PUT,
        amount=25.5,
        opened_at=now,
        closes_at=NOON + 12 + broker.zone_seconds + 60,
        open_price=price(world, now),
        payout_percent=world.floor.listing(OTC).instrument.payout_percent,
        is_demo=True,
        request_id="mine",
        user=account_of(world, Account.DEMO).user,
    )
    assert balance == Balance(amount=49_974.5, is_demo=True)
    assert only(OrderList, visit.ask(AskOrders())).orders == (opened.order,)


def test_an_order_is_settled_at_its_close_by_the_price_of_that_moment(broker: Broker) -> None:
    world = a_world(broker=broker)
    visit = Visit(world).run(12.345)
    opened = only(OrderOpened, visit.ask(order())).order
    visit.forget()
    visit.run(100)
    assert [(at, type(meaning)) for at, meaning in visit.said] == [
        (72.0, OrdersClosed),
        (72.0, Balance),
        (72.0, OrderList),
    ]
    (closed,) = only(OrdersClosed, visit.of(OrdersClosed)).orders
    assert (closed.id, closed.close_price) == (opened.id, price(world, opened.closes_at))
    assert closed.request_id is None
    assert visit.of(OrderList) == [OrderList(orders=(closed,), closed=True)]
    assert only(OrderList, visit.ask(AskOrders())).orders == ()


@pytest.mark.parametrize(
    ("direction", "sign", "profit"),
    [(CALL, 1, 9.2), (CALL, -1, -10.0), (PUT, -1, 9.2), (PUT, 1, -10.0), (CALL, 0, 0.0), (PUT, 0, 0.0)],
)
def test_what_an_order_gains_and_what_comes_back(
    broker: Broker, direction: Direction, sign: int, profit: float
) -> None:
    world = a_world(broker=broker)
    noon = NOON + broker.zone_seconds
    start = next(
        second
        for second in range(1, 1_000)
        if (move := price(world, noon + second + 5) - price(world, noon + second)) * sign > 0
        or (sign == 0 and move == 0)
    )
    visit = Visit(world).run(start)
    visit.ask(order(direction=direction, duration=5))
    visit.run(start + 10)
    (closed,) = only(OrdersClosed, visit.of(OrdersClosed)).orders
    assert world.floor.listing(OTC).instrument.payout_percent == 92
    assert closed.profit == profit
    assert [balance.amount for balance in visit.of(Balance)] == [50_000.0, 49_990.0, 50_000.0 + profit]


def test_orders_that_end_together_are_told_together(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker)).run(3.2)
    ids = [
        only(OrderOpened, visit.ask(order(duration=30, request_id=number))).order.id for number in range(3)
    ]
    visit.run(5.1)
    visit.ask(order(duration=40))
    visit.run(60)
    assert [closed.id for closed in visit.of(OrdersClosed)[0].orders] == ids
    assert visit.times_of(OrdersClosed) == [33.0, 45.0]


def test_the_tick_that_decides_is_told_before_the_settlement(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(Watch(symbol=OTC))
    visit.ask(order(duration=5))
    told = visit.desk.due(7.0)
    settled = next(place for place, meaning in enumerate(told) if isinstance(meaning, OrdersClosed))
    times = [
        meaning.rows[0].broker_time - NOON - broker.zone_seconds if isinstance(meaning, Quotes) else 5.0
        for meaning in told
    ]
    assert times == sorted(times)
    (closed,) = told[settled].orders  # type: ignore[union-attr]
    assert closed.close_price == told[settled - 1].rows[0].price  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"symbol": "#NOBODY"}, OrderProblem.ASSET),
        ({"symbol": "#AAPL"}, OrderProblem.CLOSED),
        ({"amount": 0.5}, OrderProblem.AMOUNT),
        ({"amount": 50_001.0}, OrderProblem.AMOUNT),
        ({"amount": -1.0}, OrderProblem.AMOUNT),
        ({"duration": 4}, OrderProblem.DURATION),
        ({"duration": 43_201}, OrderProblem.DURATION),
    ],
)
def test_an_order_outside_the_rules_is_rejected_with_a_reason(
    broker: Broker, changes: dict[str, Any], problem: OrderProblem
) -> None:
    visit = Visit(a_world(broker=broker))
    asked = order(request_id="mine", **changes)
    error = words(broker, problem)
    expected = OrderRejected(error=error, request_id="mine", symbol=asked.symbol, amount=asked.amount)
    assert visit.ask(asked) == [expected]
    assert only(Balance, visit.ask(AskBalance())) == Balance(amount=50_000.0, is_demo=True)


def test_an_order_above_the_balance_is_rejected(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(order(amount=30_000.0))
    rejected = only(OrderRejected, visit.ask(order(amount=20_000.01)))
    assert rejected.error == words(broker, OrderProblem.BALANCE)
    only(OrderOpened, visit.ask(order(amount=20_000.0)))


def test_too_many_orders_at_once_are_rejected_in_the_brokers_own_words(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    answers = [visit.ask(order(duration=30))[0] for _ in range(11)]
    assert [type(answer) for answer in answers[:10]] == [OrderOpened] * 10
    assert only(OrderRejected, answers).error == words(broker, OrderProblem.TOO_MANY)
    visit.run(31)
    only(OrderOpened, visit.ask(order()))


def test_an_order_over_the_close_of_its_market_ends_at_the_last_price(broker: Broker) -> None:
    world = a_world(broker=broker, epoch=utc("Fri 21:59"))
    visit = Visit(world).run(30)
    visit.ask(order(symbol="EURUSD", duration=60))
    visit.run(100)
    (closed,) = only(OrdersClosed, visit.of(OrdersClosed)).orders
    close = utc("Fri 22:00")
    assert closed.close_price == world.floor.listing("EURUSD").ticks(close - 5, close)[-1].price


def test_orders_are_told_on_every_connection_of_their_account_and_on_no_other(broker: Broker) -> None:
    world = a_world(broker=broker)
    one, two = Visit(world), Visit(world, seed=2)
    stranger = Visit(world, login=login_of(world.issue(Account.DEMO), broker))
    side_by_side(5.5, one, two, stranger)
    one.ask(order(duration=10))
    one.ask(order(amount=0.1))
    side_by_side(30.0, one, two, stranger)
    assert said(one, OrderOpened)[0][0] == 5.5
    assert 5.5 <= said(two, OrderOpened)[0][0] <= 6.5
    for kind in (OrderOpened, OrdersClosed):
        assert one.of(kind) == two.of(kind)
        assert (len(one.of(kind)), stranger.of(kind)) == (1, [])
    assert one.times_of(OrdersClosed) == two.times_of(OrdersClosed) == [15.0]
    assert (len(one.of(OrderRejected)), two.of(OrderRejected)) == (1, [])


def test_an_order_ends_while_nobody_is_connected_and_is_found_in_the_closed_list(broker: Broker) -> None:
    world = a_world(broker=broker)
    first = Visit(world).run(2.5)
    opened = only(OrderOpened, first.ask(order(duration=20))).order
    first.desk.leave(3.0)
    second = Visit(world, now=5_000.0)
    second.run(5_010)
    opened_list, closed_list = second.of(OrderList)
    (closed,) = closed_list.orders
    assert opened_list.orders == ()
    assert (closed.id, closed.close_price) == (opened.id, price(world, opened.closes_at))
    assert second.of(OrdersClosed) == []
    assert second.of(Balance)[0].amount == round(50_000.0 + (closed.profit or 0), 2)


def test_an_order_that_is_still_open_after_a_reconnect_is_listed_and_told_when_it_ends(
    broker: Broker,
) -> None:
    world = a_world(broker=broker)
    first = Visit(world)
    opened = only(OrderOpened, first.ask(order(duration=60))).order
    first.desk.leave(1.0)
    second = Visit(world, now=30.0)
    assert second.of(OrderList)[0].orders == (opened,)
    second.run(100)
    assert second.times_of(OrdersClosed) == [60.0]


def test_the_closed_list_keeps_the_newest_orders(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, house={"closed_orders_kept": 3}))
    ids = []
    for start in range(5):
        ids.append(only(OrderOpened, visit.ask(order(duration=5))).order.id)
        visit.run(10.0 * (start + 1))
    assert [closed.id for closed in visit.of(OrderList)[-1].orders] == ids[:1:-1]


def test_order_ids_differ_though_connections_are_seeded_alike(broker: Broker) -> None:
    world = a_world(broker=broker)
    ids = [only(OrderOpened, Visit(world, seed=1).ask(order())).order.id for _ in range(5)]
    assert len(set(ids)) == 5


def test_above_the_sessions_an_account_may_have_the_oldest_is_sent_away(broker: Broker) -> None:
    world = a_world(broker=broker, sessions_per_account=1)
    old = Visit(world).run(10.5)
    new = Visit(world, now=10.5, seed=2)
    new.ask(order())
    old.run(20)
    new.run(20)
    ((at, _),) = said(old, Goodbye)
    assert 10.5 <= at <= 11.5
    assert (old.of(OrderOpened), len(new.of(OrderOpened)), new.of(Goodbye)) == ([], 1, [])


def test_a_session_that_has_left_does_not_count(broker: Broker) -> None:
    world = a_world(broker=broker, sessions_per_account=2)
    oldest = Visit(world)
    Visit(world, now=1.0, seed=2).desk.leave(1.5)
    Visit(world, now=2.0, seed=3)
    assert oldest.run(5).of(Goodbye) == []


def test_any_number_of_sessions_is_fine_unless_the_world_says_otherwise(broker: Broker) -> None:
    world = a_world(broker=broker)
    visits = [Visit(world, seed=seed) for seed in range(10)]
    assert [visit.run(5).of(Goodbye) for visit in visits] == [[]] * 10


# -- pending orders -----------------------------------------------------------------------------------------------------


def test_a_pending_order_opens_at_its_time(broker: Broker) -> None:
    world = a_world(broker=broker)
    visit = Visit(world)
    placed, listed = visit.ask(pending(broker, opens_in=40, direction=PUT, amount=12.0, duration=30))
    assert isinstance(placed, PendingPlaced)
    assert listed == PendingList(orders=(placed.order,))
    assert only(Balance, visit.ask(AskBalance())) == Balance(amount=50_000.0, is_demo=True)
    visit.forget()
    visit.run(80)
    assert [(at, type(meaning)) for at, meaning in visit.said[:3]] == [
        (40.0, OrderOpened),
        (40.0, Balance),
        (40.0, PendingList),
    ]
    opened = visit.of(OrderOpened)[0].order
    assert (opened.direction, opened.amount, opened.request_id) == (PUT, 12.0, None)
    assert opened.open_price == price(world, NOON + 40 + broker.zone_seconds)
    assert visit.of(PendingList) == [PendingList(orders=())]
    assert visit.times_of(OrdersClosed) == [70.0]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("seconds", [100, 4_000])
def test_a_pending_order_opens_with_the_first_tick_that_reaches_its_price(
    broker: Broker, side: int, seconds: int
) -> None:
    world = a_world(broker=broker)
    first = price(world, NOON + broker.zone_seconds)
    ticks = world.floor.listing(OTC).ticks(NOON, NOON + seconds)
    target = max(tick.price for tick in ticks) if side > 0 else min(tick.price for tick in ticks)
    assert (target - first) * side > 0
    reached = next(tick for tick in ticks if tick.price == target)
    visit = Visit(world)
    visit.ask(pending(broker, open_price=target))
    visit.run(seconds + 1)
    opened = only(OrderOpened, visit.of(OrderOpened)).order
    assert (opened.opened_at, opened.open_price) == (reached.at + broker.zone_seconds, target)
    assert visit.times_of(OrderOpened) == [reached.at - NOON]


def test_the_tick_that_opens_a_pending_order_is_told_before_it(broker: Broker) -> None:
    world = a_world(broker=broker)
    target = max(tick.price for tick in world.floor.listing(OTC).ticks(NOON, NOON + 100))
    visit = Visit(world)
    visit.ask(Watch(symbol=OTC))
    visit.ask(pending(broker, open_price=target))
    visit.run(101)
    opened = next(place for place, (_, told) in enumerate(visit.said) if isinstance(told, OrderOpened))
    (at, before) = visit.said[opened - 1]
    assert isinstance(before, Quotes)
    assert (at, before.rows[0].price) == (visit.said[opened][0], target)


def test_a_pending_order_runs_its_course_while_nobody_is_connected(broker: Broker) -> None:
    world = a_world(broker=broker)
    ticks = world.floor.listing(OTC).ticks(NOON, NOON + 4_000)
    target = max(tick.price for tick in ticks)
    away, watched = Visit(world), Visit(a_world(broker=broker))
    for visit in (away, watched):
        visit.ask(pending(broker, open_price=target))
    away.desk.leave(1.0)
    watched.run(9_000)
    back = Visit(world, now=9_000.0)
    assert [order.opened_at for order in back.of(OrderList)[1].orders] == [
        next(tick.at for tick in ticks if tick.price == target) + broker.zone_seconds
    ]
    assert back.of(OrderList)[1] == watched.of(OrderList)[-1]
    assert back.of(Balance)[-1] == watched.of(Balance)[-1]


def test_a_price_that_is_never_reached_opens_nothing(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(pending(broker, open_price=1_000.0))
    visit.ask(pending(broker, open_price=0.00001))
    visit.run(20_000)
    assert visit.of(OrderOpened) == []


def test_a_pending_order_can_be_cancelled_and_then_never_opens(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    tickets = [
        only(PendingPlaced, visit.ask(asked)).order.ticket
        for asked in (
            pending(broker, opens_in=40),
            pending(broker, open_price=2.0),
            pending(broker, opens_in=50),
        )
    ]
    for ticket in tickets[:2]:
        assert visit.ask(CancelPending(ticket=ticket))[0] == PendingCancelled(ticket=ticket)
    assert [waiting.ticket for waiting in visit.of(PendingList)[-1].orders] == tickets[2:]
    visit.run(120)
    assert visit.times_of(OrderOpened) == [50.0]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"opens_in": 0}, OrderProblem.OPEN_TIME),
        ({"opens_in": -60}, OrderProblem.OPEN_TIME),
        ({}, OrderProblem.OPEN_PRICE),
        ({"open_price": 0.0}, OrderProblem.OPEN_PRICE),
        ({"opens_in": 60, "symbol": "#NOBODY"}, OrderProblem.ASSET),
        ({"opens_in": 60, "amount": 0.1}, OrderProblem.AMOUNT),
        ({"opens_in": 60, "duration": 1}, OrderProblem.DURATION),
    ],
)
def test_a_pending_order_outside_the_rules_is_rejected_with_a_reason(
    broker: Broker, fields: dict[str, Any], problem: OrderProblem
) -> None:
    visit = Visit(a_world(broker=broker))
    assert visit.ask(pending(broker, **fields)) == [PendingRejected(error=words(broker, problem))]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"opens_in": 40, "symbol": "#AAPL"}, OrderProblem.CLOSED),
        ({"opens_in": 40, "min_payout_percent": 93}, OrderProblem.PAYOUT),
        ({"opens_in": 40, "amount": 45_000.0}, OrderProblem.BALANCE),
    ],
)
def test_a_pending_order_that_cannot_open_is_dropped_with_a_reason(
    broker: Broker, fields: dict[str, Any], problem: OrderProblem
) -> None:
    visit = Visit(a_world(broker=broker))
    placed = only(PendingPlaced, visit.ask(pending(broker, **fields)))
    visit.ask(order(amount=10_000.0))
    visit.forget()
    visit.run(50)
    failed = PendingFailed(error=words(broker, problem), ticket=placed.order.ticket)
    assert visit.said == [(40.0, failed), (40.0, PendingList(orders=()))]


def test_a_pending_order_for_a_market_that_has_opened_by_then_is_fine(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, epoch=utc("Tue 13:00")))
    visit.ask(pending(broker, open_at=utc("Tue 13:31") + broker.zone_seconds, symbol="#AAPL"))
    visit.run(1_900)
    assert visit.times_of(OrderOpened) == [31 * 60.0]


def test_too_many_pending_orders_are_rejected(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    answers = [visit.ask(pending(broker, opens_in=1_000))[0] for _ in range(11)]
    assert answers[10] == PendingRejected(error=words(broker, OrderProblem.TOO_MANY))


def test_an_unknown_ticket_cannot_be_cancelled(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    expected = PendingRejected(error=words(broker, OrderProblem.TICKET), ticket="t-1")
    assert visit.ask(CancelPending(ticket="t-1")) == [expected]
