"""One account: its balance, its orders, and what becomes of them, whether or not anybody is watching.

Nothing happens by itself. Each order leaves an entry in the account's agenda, and `settle` works off what has
come due since, at the time it came due; prices of the past are as exact as those of now. So an account that nobody
looks at costs nothing, and looks as if it had been alive all the time.
"""

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TypeVar
from uuid import UUID

from probe.model.endpoint import Account
from probe.model.intents import PlaceOrder, PlacePending
from probe.model.meanings import (
    Balance,
    Goodbye,
    Meaning,
    OptionKind,
    Order,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    OrderSold,
    PendingCancelled,
    PendingFailed,
    PendingList,
    PendingOrder,
    PendingPlaced,
    PendingRejected,
    SaleRejected,
)
from probe.session.broker import HouseRules, OrderProblem, SimulatedAccount
from probe.simulator.floor import Floor
from probe.simulator.orders import end_of, problem_with, settled, sold

SEEK_SECONDS = 300  # how far a price that opens an order is looked for at a time
ORDERS_AT_ONCE = 10  # and as many pending ones

Mailbox = deque[
    tuple[float, Meaning]
]  # what one connection is yet to be told, each with the time it happened
R = TypeVar("R", OrderRejected, SaleRejected, PendingRejected)


class SimAccount:
    """Times are the floor's `at`, but for those in orders, which are broker time."""

    __slots__ = (
        "_agenda",
        "_balance",
        "_closed",
        "_entry",
        "_floor",
        "_house",
        "_mailboxes",
        "_opened",
        "_pending",
        "identity",
    )

    def __init__(
        self, *, identity: SimulatedAccount, balance: float, floor: Floor, house: HouseRules
    ) -> None:
        self.identity = identity
        self._balance = balance
        self._floor = floor
        self._house = house
        self._opened: dict[str, Order] = {}
        self._closed: deque[Order] = deque(maxlen=house.closed_orders_kept)  # newest first
        self._pending: dict[str, PendingOrder] = {}
        self._mailboxes: list[Mailbox] = []  # oldest connection first
        self._agenda: list[tuple[float, int, str, Callable[[str, float], None]]] = []
        self._entry = count()

    # -- connections -------------------------------------------------------------------------------------------------

    def attach(self, mailbox: Mailbox, at: float, limit: int | None) -> None:
        """Another connection; the oldest ones above `limit` are sent away."""
        self._mailboxes.append(mailbox)
        while limit is not None and len(self._mailboxes) > limit:
            self._mailboxes.pop(0).append((at, Goodbye(reason="41")))

    def detach(self, mailbox: Mailbox) -> None:
        self._mailboxes = [other for other in self._mailboxes if other is not mailbox]

    def _tell(self, at: float, *meanings: Meaning) -> None:
        for mailbox in self._mailboxes:
            mailbox.extend((at, meaning) for meaning in meanings)

    # -- what is known now -------------------------------------------------------------------------------------------

    def balance(self) -> Balance:
        return Balance(amount=self._balance, is_demo=self._is_demo)

    def open_orders(self) -> OrderList:
        return OrderList(orders=tuple(self._opened.values()), closed=False)

    def closed_orders(self) -> OrderList:
        return OrderList(orders=tuple(self._closed), closed=True)

    def pending_orders(self) -> PendingList:
        return PendingList(orders=tuple(self._pending.values()))

    @property
    def _is_demo(self) -> bool:
        return self.identity.account is Account.DEMO

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def next_at(self) -> float:
        return self._agenda[0][0] if self._agenda else inf

    def settle(self, at: float) -> None:
        while self._agenda and self._agenda[0][0] <= at:
            due_at, _, id_, act = heappop(self._agenda)
            act(id_, due_at)

    def _plan(self, at: float, id_: str, act: Callable[[str, float], None]) -> None:
        heappush(self._agenda, (at, next(self._entry), id_, act))

    # -- orders ------------------------------------------------------------------------------------------------------

    def place(self, asked: PlaceOrder, at: float, rng: random.Random) -> OrderRejected | None:
        problem = self._problem(asked, at) or self._not_now(asked, at)
        if problem is not None:
            rejected = OrderRejected(
                error=self._words(problem),
                request_id=asked.request_id,
                symbol=asked.symbol,
                amount=asked.amount,
            )
            return self._said(problem, rejected)
        self._open(asked, at, id_=self._new_id(rng), request_id=asked.request_id)
        return None

    def _problem(self, asked: PlaceOrder | PlacePending, at: float) -> OrderProblem | None:
        return problem_with(asked, floor=self._floor, house=self._house, at=at)

    def _not_now(self, asked: PlaceOrder | PendingOrder, at: float) -> OrderProblem | None:
        """What is in the way of opening it now."""
        if not self._floor.listing(asked.symbol).is_open(at):
            return OrderProblem.CLOSED
        if len(self._opened) >= ORDERS_AT_ONCE:
            return OrderProblem.TOO_MANY
        if asked.amount > self._balance:
            return OrderProblem.BALANCE
        return None

    def _words(self, problem: OrderProblem) -> str:
        return self._house.order_errors.get(problem, problem.value)

    def _said(self, problem: OrderProblem, rejected: R) -> R | None:
        return None if problem in self._house.silent_about else rejected

    def _open(
        self, asked: PlaceOrder | PendingOrder, at: float, *, id_: str, request_id: str | int | None = None
    ) -> None:
        listing = self._floor.listing(asked.symbol)
        opened_at = round(at + self._floor.zone, 3)
        closes_at = end_of(asked, opened_at)
        order = Order(
            id=id_,
            symbol=asked.symbol,
            direction=asked.direction,
            amount=asked.amount,
            opened_at=opened_at,
            closes_at=closes_at,
            open_price=listing.price_at(at),
            payout_percent=listing.instrument.payout_percent,
            is_demo=self._is_demo,
            request_id=request_id,
            user=self.identity.user,
            option=asked.option if isinstance(asked, PlaceOrder) else OptionKind.TIMER,
        )
        self._opened[id_] = order
        self._balance = round(self._balance - order.amount, 2)
        self._plan(closes_at - self._floor.zone, id_, self._close)
        self._tell(at, OrderOpened(order=order), self.balance())

    def _close(self, id_: str, at: float) -> None:
        """With all others that end at the same time, in one message."""
        if id_ not in self._opened:  # it went with such others, or was sold
            return
        closes_at = self._opened[id_].closes_at
        ended = [order for order in self._opened.values() if order.closes_at == closes_at]
        closed = tuple(settled(order, self._price(order, at)) for order in ended)
        for order in closed:
            self._book(order)
        self._tell(at, OrdersClosed(orders=closed), self.balance(), self.closed_orders())

    def sell(self, ticket: str, at: float) -> SaleRejected | None:
        order = self._opened.get(ticket)
        if order is None:
            rejected = SaleRejected(error=self._words(OrderProblem.ORDER), ticket=ticket)
            return self._said(OrderProblem.ORDER, rejected)
        self._book(sold(order, self._price(order, at), closes_at=round(at + self._floor.zone, 3)))
        self._tell(at, OrderSold(ticket=ticket), self.balance())
        return None

    def _price(self, order: Order, at: float) -> float:
        return self._floor.listing(order.symbol).price_at(at)

    def _book(self, ended: Order) -> None:
        del self._opened[ended.id]
        self._closed.appendleft(ended)
        self._balance = round(self._balance + ended.amount + (ended.profit or 0), 2)

    # -- pending orders ----------------------------------------------------------------------------------------------

    def place_pending(self, asked: PlacePending, at: float, rng: random.Random) -> PendingRejected | None:
        problem = self._problem(asked, at) or self._never(asked, at)
        if problem is not None:
            return self._said(problem, PendingRejected(error=self._words(problem)))
        waiting = PendingOrder(
            ticket=self._new_id(rng),
            symbol=asked.symbol,
            direction=asked.direction,
            amount=asked.amount,
            duration=asked.duration,
            open_at=asked.open_at,
            open_price=asked.open_price,
            min_payout_percent=asked.min_payout_percent,
        )
        self._pending[waiting.ticket] = waiting
        if waiting.open_at is not None:
            self._plan(waiting.open_at - self._floor.zone, waiting.ticket, self._open_pending)
        elif waiting.open_price is not None:
            came_from = self._floor.listing(waiting.symbol).price_at(at)
            self._seek(waiting.open_price, came_from, waiting.ticket, at)
        self._tell(at, PendingPlaced(order=waiting), self.pending_orders())
        return None

    def _never(self, asked: PlacePending, at: float) -> OrderProblem | None:
        if asked.open_at is not None and asked.open_at - self._floor.zone <= at:
            return OrderProblem.OPEN_TIME
        if asked.open_at is None and not (asked.open_price or 0) > 0:
            return OrderProblem.OPEN_PRICE
        if len(self._pending) >= ORDERS_AT_ONCE:
            return OrderProblem.TOO_MANY
        return None

    def cancel(self, ticket: str, at: float) -> PendingRejected | None:
        if self._pending.pop(ticket, None) is None:
            rejected = PendingRejected(error=self._words(OrderProblem.TICKET), ticket=ticket)
            return self._said(OrderProblem.TICKET, rejected)
        self._agenda = [entry for entry in self._agenda if entry[2] != ticket]
        heapify(self._agenda)
        self._tell(at, PendingCancelled(ticket=ticket), self.pending_orders())
        return None

    def _seek(self, price: float, came_from: float, ticket: str, at: float) -> None:
        """Plan the opening for the first tick that reaches the price, or to look further."""
        listing, zone = self._floor.listing(self._pending[ticket].symbol), self._floor.zone
        until = ((at + zone) // SEEK_SECONDS + 1) * SEEK_SECONDS - zone
        rising = came_from < price
        candle = next(listing.candles_back(SEEK_SECONDS, until + zone, until))
        if candle.high >= price if rising else candle.low <= price:  # else its ticks need not be looked at
            for tick in listing.ticks(at, until):
                if tick.price >= price if rising else tick.price <= price:
                    self._plan(tick.at, ticket, self._open_pending)
                    return
        self._plan(until, ticket, partial(self._seek, price, came_from))

    def _open_pending(self, ticket: str, at: float) -> None:
        waiting = self._pending.pop(ticket)
        problem = self._not_now(waiting, at)
        if self._floor.listing(waiting.symbol).instrument.payout_percent < waiting.min_payout_percent:
            problem = OrderProblem.PAYOUT
        if problem is None:
            self._open(waiting, at, id_=ticket)
        elif problem not in self._house.silent_about:
            self._tell(at, PendingFailed(error=self._words(problem), ticket=ticket))
        self._tell(at, self.pending_orders())

    def _new_id(self, rng: random.Random) -> str:
        """One that the account does not show yet, even if two connections were seeded alike."""
        known = {*self._opened, *self._pending, *(order.id for order in self._closed)}
        while (fresh := str(UUID(int=rng.getrandbits(128), version=4))) in known:
            pass
        return fresh
