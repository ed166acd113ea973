"""An order on a demo account, followed to its end. What nobody confirmed is never called anything else."""

import asyncio
from dataclasses import dataclass
from enum import Enum
from math import isfinite

from probe.model.intents import PlaceOrder
from probe.model.meanings import Order

SETTLES_WITHIN = 15.0  # after its end


class Outcome(Enum):
    WON = "won"
    LOST = "lost"
    DRAW = "draw"
    SOLD = "sold"  # before its end, as asked; for how much, only the balance tells
    UNCONFIRMED = "unconfirmed"  # the broker did not say; it may stand, it may not


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    outcome: Outcome
    order: Order | None  # as the broker told it last; None: never
    profit: float | None = None  # None: not known


class OrderHandle:
    """Made by `place_demo_order`."""

    def __init__(self, asked: PlaceOrder) -> None:
        self.asked = asked
        self.order: Order | None = None  # as the broker told it last; None: it has not confirmed the order
        self._placed_at = asyncio.get_running_loop().time()
        self._settled: asyncio.Future[OrderResult] = asyncio.get_running_loop().create_future()

    @property
    def is_confirmed(self) -> bool:
        return self.order is not None

    async def result(self, timeout: float | None = None) -> OrderResult:
        """Waits until the broker says how it ended. Without a timeout: until it should have said so.

        Whatever the broker has not said by then, or when the session is lost, is `Outcome.UNCONFIRMED`; asking again later
        may tell more.
        """
        if timeout is None:
            due = self._placed_at + self.asked.duration + SETTLES_WITHIN
            timeout = max(due - asyncio.get_running_loop().time(), 0.0)
        await asyncio.wait({self._settled}, timeout=timeout)
        return self._settled.result() if self._settled.done() else self._unconfirmed()

    def is_about(self, order: Order) -> bool:
        if self.order is not None:
            return self.order.id == order.id
        return (  # another program of this user's may have taken the same number
            order.request_id is not None
            and str(order.request_id) == str(self.asked.request_id)
            and (order.symbol, order.direction) == (self.asked.symbol, self.asked.direction)
        )

    def note(self, order: Order, *, closed: bool) -> None:
        """The broker said something about it."""
        self.order = order
        if not closed or order.profit is None or not isfinite(order.profit) or self._settled.done():
            return
        outcome = Outcome.WON if order.profit > 0 else Outcome.LOST
        outcome = Outcome.DRAW if order.profit == 0 else outcome
        self._settled.set_result(OrderResult(outcome=outcome, order=order, profit=order.profit))

    def sold(self) -> None:
        if not self._settled.done():
            self._settled.set_result(OrderResult(outcome=Outcome.SOLD, order=self.order))

    def give_up(self) -> None:
        """Nobody is left who could tell."""
        if not self._settled.done():
            self._settled.set_result(self._unconfirmed())

    @property
    def is_settled(self) -> bool:
        return self._settled.done()

    def _unconfirmed(self) -> OrderResult:
        return OrderResult(outcome=Outcome.UNCONFIRMED, order=self.order)
