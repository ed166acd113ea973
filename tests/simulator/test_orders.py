from dataclasses import replace
from math import inf, nan

import pytest

from probe.model.intents import AskBalance, PlacePending, SellOrder
from probe.model.meanings import (
    Balance,
    Direction,
    OptionKind,
    Order,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    OrderSold,
    PendingList,
    SaleRejected,
)
from probe.session.broker import OrderProblem
from probe.simulator.orders import sold
from tests.simulator.desks import NOON, OTC, ZONE, Visit, a_world, only, order

CLOCK, TURBO = OptionKind.CLOCK, OptionKind.TURBO
START = NOON + ZONE


# -- options that end at an instant -------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [CLOCK, TURBO])
def test_an_option_that_names_its_end_ends_there(option: OptionKind) -> None:
    visit = Visit(a_world()).run(12.3)
    opened = only(OrderOpened, visit.ask(order(option=option, closes_at=START + 120, duration=0))).order
    assert (opened.opened_at, opened.closes_at, opened.option) == (START + 12.3, START + 120, option)
    visit.run(200)
    assert visit.times_of(OrdersClosed) == [120.0]
    assert [closed.option for closed in visit.of(OrdersClosed)[0].orders] == [option]


def test_options_with_the_same_end_are_settled_in_one_batch() -> None:
    visit = Visit(a_world())
    for second in (1.0, 2.5, 17.0):
        visit.run(second)
        visit.ask(order(option=CLOCK, closes_at=START + 60))
    visit.run(45)
    visit.ask(order(duration=15))
    visit.run(70)
    assert [len(closed.orders) for closed in visit.of(OrdersClosed)] == [4]


@pytest.mark.parametrize(
    ("option", "ahead", "taken"),
    [
        (CLOCK, 60, True),
        (CLOCK, 30, True),
        (CLOCK, 27, False),
        (CLOCK, 43_200, True),
        (CLOCK, 43_201, False),
        (CLOCK, -30, False),
        (TURBO, 5, True),
        (TURBO, 4, False),
        (TURBO, 43_201, False),
    ],
)
def test_an_option_ends_neither_too_soon_nor_too_late(option: OptionKind, ahead: int, taken: bool) -> None:
    visit = Visit(a_world(epoch=NOON + 86_400 - ahead))
    (answer, *_) = visit.ask(order(option=option, closes_at=START + 86_400))
    assert isinstance(answer, OrderOpened) is taken
    if not taken:
        assert answer == OrderRejected(error=OrderProblem.EXPIRY.value, request_id=1, symbol=OTC, amount=10.0)


@pytest.mark.parametrize("closes_at", [START + 61, START + 90.5, None, nan, inf, -inf])
def test_an_end_off_the_grid_is_refused(closes_at: float | None) -> None:
    visit = Visit(a_world())
    assert (
        only(OrderRejected, visit.ask(order(option=CLOCK, closes_at=closes_at))).error
        == "EXPIRY_OFF_THE_GRID"
    )


def test_the_grid_is_the_houses() -> None:
    visit = Visit(a_world(house={"expiry_grid": 300}))
    only(OrderRejected, visit.ask(order(option=CLOCK, closes_at=START + 240)))
    only(OrderOpened, visit.ask(order(option=CLOCK, closes_at=START + 600)))


# -- what is not answered -----------------------------------------------------------------------------------------------


def test_some_problems_are_met_with_silence() -> None:
    visit = Visit(a_world(house={"silent_about": frozenset((OrderProblem.CLOSED, OrderProblem.ORDER))}))
    assert visit.ask(order(symbol="#AAPL")) == []
    assert visit.ask(SellOrder(ticket="t-1")) == []
    assert only(OrderRejected, visit.ask(order(amount=0.1))).error == "AMOUNT_LIMIT"
    assert visit.ask(AskBalance()) == [Balance(amount=50_000.0, is_demo=True)]


def test_a_pending_order_that_cannot_open_may_be_dropped_without_a_word() -> None:
    visit = Visit(a_world(house={"silent_about": frozenset((OrderProblem.CLOSED,))}))
    visit.ask(
        PlacePending(symbol="#AAPL", direction=Direction.CALL, amount=1.0, duration=60, open_at=START + 40)
    )
    visit.forget()
    visit.run(50)
    assert visit.said == [(40.0, PendingList(orders=()))]


# -- the early sale -----------------------------------------------------------------------------------------------------


def an_order(**changes: object) -> Order:
    bought = Order(
        id="t-1",
        symbol=OTC,
        direction=Direction.CALL,
        amount=10.0,
        opened_at=START,
        closes_at=START + 60,
        open_price=1.5,
        payout_percent=92,
        is_demo=True,
    )
    return replace(bought, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("direction", "price", "profit"),
    [
        (Direction.CALL, 1.6, 4.6),
        (Direction.CALL, 1.4, -5.0),
        (Direction.PUT, 1.4, 4.6),
        (Direction.PUT, 1.6, -5.0),
        (Direction.PUT, 1.5, 0.0),
    ],
)
def test_half_of_what_it_would_bring_now(direction: Direction, price: float, profit: float) -> None:
    ended = sold(an_order(direction=direction), price, START + 20)
    assert (ended.profit, ended.close_price, ended.closes_at) == (profit, price, START + 20)


def test_a_sold_order_ends_now_and_its_worth_is_in_the_balance() -> None:
    world = a_world()
    one, two = Visit(world), Visit(world, seed=2)
    opened = only(OrderOpened, one.ask(order(duration=60))).order
    one.run(20.25)
    (told, balance) = one.ask(SellOrder(ticket=opened.id))
    price = world.floor.listing(OTC).price_at(NOON + 20.25)
    ended = sold(opened, price, START + 20.25)
    assert ended.profit in (4.6, -5.0, 0.0)
    assert told == OrderSold(ticket=opened.id)
    assert balance == Balance(amount=50_000.0 + (ended.profit or 0.0), is_demo=True)
    two.run(21)
    assert two.of(OrderSold) == [OrderSold(ticket=opened.id)]
    assert two.of(Balance)[-1] == balance
    later = Visit(world, now=30.0, seed=3)
    assert later.of(OrderList) == [
        OrderList(orders=(), closed=False),
        OrderList(orders=(ended,), closed=True),
    ]


def test_a_sold_order_is_not_settled_again_and_others_are() -> None:
    visit = Visit(a_world())
    sell, keep = (only(OrderOpened, visit.ask(order(duration=60))).order.id for _ in range(2))
    visit.run(20)
    visit.ask(SellOrder(ticket=sell))
    visit.run(100)
    assert [[closed.id for closed in batch.orders] for batch in visit.of(OrdersClosed)] == [[keep]]


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_not_open_cannot_be_sold(times: int) -> None:
    visit = Visit(a_world(house={"order_errors": {OrderProblem.ORDER: "no_such_order"}}))
    tickets = {1: "t-1", 2: only(OrderOpened, visit.ask(order())).order.id}
    for _ in range(times - 1):
        visit.ask(SellOrder(ticket=tickets[2]))
    expected = SaleRejected(error="no_such_order", ticket=tickets[times])
    assert visit.ask(SellOrder(ticket=tickets[times])) == [expected]
