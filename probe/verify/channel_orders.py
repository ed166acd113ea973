"""Channels of orders: bought, settled, and sold before their end; on a simulator, or a demo account with leave."""

import asyncio

from probe.api.errors import SaleRejected
from probe.api.orders import OrderHandle, OrderResult, Outcome
from probe.api.session import Session
from probe.model.intents import SellOrder
from probe.model.meanings import Direction
from probe.verify.bench import Bench
from probe.verify.content import MONEY, books, right_balance
from probe.verify.model import Evidence, Failed, Skip, expect

AMOUNT = 10.0
DURATION = 60
CENTS = 0.02  # a pay-out is rounded
TOLD_WITHIN = 10.0
HELD = 5.0  # seconds until it is sold


async def buy(bench: Bench) -> Evidence:
    """Both directions at once: what is won and lost, and what the account holds, must fit prices and pay-outs."""
    async with bench.session() as session:
        before = (await right_balance(bench, session)).amount
        orders = [
            await session.place_demo_order(bench.symbol, direction, AMOUNT, DURATION)
            for direction in Direction
        ]
        for order in orders:
            expect(order.is_confirmed, f"the broker did not confirm a {order.asked.direction.value}")
        expect(len({_number(order) for order in orders}) == len(orders), "two orders have one number")
        await _holds(bench, session, before - AMOUNT * len(orders))
        results = await asyncio.gather(*(order.result() for order in orders))
        for order, result in zip(orders, results, strict=True):
            _judge(order, result)
        gained = sum(result.profit or 0.0 for result in results)
        await _holds(bench, session, before + gained)
        still = [each.id for each in (await session.orders()).value if each.id in map(_number, orders)]
        expect(not still, f"{len(still)} orders that were settled are still open")
    said = " and ".join(
        f"{order.asked.direction.value} {result.outcome.value} {result.profit or 0.0:+.2f}"
        for order, result in zip(orders, results, strict=True)
    )
    words = f"two orders of {AMOUNT:g} on {bench.symbol} for {DURATION} s: {said}, as the prices and the balance say"
    return Evidence(
        words=words, figures={"orders": len(orders), "gained": gained, "balance": before + gained}
    )


def _number(order: OrderHandle) -> str:
    return order.order.id if order.order else ""


def _judge(order: OrderHandle, result: OrderResult) -> None:
    told = result.order
    if told is None or told.close_price is None or result.profit is None:
        raise Failed(
            f"the broker did not say how a {order.asked.direction.value} ended: {result.outcome.value}"
        )
    moved = told.close_price - told.open_price
    moved = moved if order.asked.direction is Direction.CALL else -moved
    due = Outcome.DRAW if moved == 0 else Outcome.WON if moved > 0 else Outcome.LOST
    expect(
        result.outcome is due,
        f"a {order.asked.direction.value} is {result.outcome.value}, and the price says {due.value}",
    )
    gain = {Outcome.DRAW: 0.0, Outcome.LOST: -told.amount}.get(due, told.amount * told.payout_percent / 100)
    expect(
        abs(result.profit - gain) <= CENTS,
        f"it brought {result.profit:+.2f}, and {told.payout_percent:g} % of {told.amount:g} are {gain:+.2f}",
        profit=result.profit,
        due=gain,
    )


async def _holds(bench: Bench, session: Session, amount: float) -> None:
    """The account is told to hold that much, soon."""
    told = (await session.balance()).value.amount
    until = bench.now + TOLD_WITHIN
    while abs(told - amount) > MONEY and bench.now < until:
        await bench.wait(0.5)
        told = (await session.balance()).value.amount
    known = books(bench)
    expect(
        abs(told - amount) <= MONEY,
        f"the balance is {told:.2f}, not {amount:.2f}",
        told=told,
        due=amount,
        in_the_books=known,
    )


async def sell(bench: Bench) -> Evidence:
    if why := bench.broker.lacks.get(SellOrder):
        raise Skip(f"an order of {bench.broker.title} stays until its end: {why}")
    async with bench.session() as session:
        before = (await right_balance(bench, session)).amount
        order = await session.place_demo_order(bench.symbol, Direction.CALL, AMOUNT, DURATION)
        expect(order.is_confirmed, "the broker did not confirm the order")
        await bench.wait(HELD)
        await session.sell_demo_order(order)
        result = await order.result(timeout=TOLD_WITHIN)
        expect(result.outcome is Outcome.SOLD, f"an order that was sold is {result.outcome.value}")
        left = [each.id for each in (await session.orders()).value]
        expect(_number(order) not in left, "an order that was sold is still open")
        after = (await right_balance(bench, session)).amount
        payout = order.order.payout_percent / 100 if order.order else 0.0
        brought = after - before
        expect(-AMOUNT <= brought <= AMOUNT * payout, f"selling it brought {brought:+.2f}", brought=brought)
        try:
            await session.sell_demo_order(order)
        except SaleRejected as rejected:
            again = rejected.words
        else:
            raise Failed("the same order can be sold twice")
    words = f"sold after {HELD:g} s for {brought:+.2f}; a second time it was rejected as {again}"
    return Evidence(words=words, figures={"brought": brought, "held_seconds": HELD})
