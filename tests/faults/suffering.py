"""A client, a broker with faults, and what the client does during a minute: for tests in pretend time."""

from collections.abc import Sequence

from probe.faults.catalogue import compose, read_fault
from probe.model.errors import UnsafeTarget
from probe.model.events import Event, Phase, QuoteArrived, RequestAnswered, RequestExpired, Told
from probe.model.intents import AskBalance, AskHistory, Intent, Login, PlaceOrder, Watch
from probe.model.meanings import (
    Balance,
    Direction,
    Joined,
    Meaning,
    Order,
    OrderList,
    OrderOpened,
    OrdersClosed,
    Quote,
    Quotes,
    Welcome,
)
from probe.session.behaviour import Misbehaviour
from tests.pretending import POCKETOPTION, Known, Pair, ScriptedDesk, client_session

SYMBOLS = ("EURUSD_otc", "#AAPL_otc")
FIRST, SECOND = SYMBOLS
ZONE = 7200.0


class LivelyDesk(ScriptedDesk):
    """Its prices move, and its orders settle after their duration."""

    def __init__(self) -> None:
        super().__init__()
        self._running: list[Order] = []

    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        return [*super().admit(login, now), OrderList(orders=(), closed=True)]

    def _answer(self, intent: Intent, now: float) -> list[Meaning]:
        answer = super()._answer(intent, now + ZONE if isinstance(intent, Watch) else now)
        for meaning in answer:
            if isinstance(meaning, OrderOpened):
                self._running.append(meaning.order)
                return [meaning, self.balance]
        return answer

    def next_due(self) -> float | None:
        dues = [order.closes_at for order in self._running]
        tick = super().next_due()
        return min([*dues, *([] if tick is None else [tick])], default=None)

    def due(self, now: float) -> Sequence[Meaning]:
        told: list[Meaning] = []
        for meaning in super().due(now):
            assert isinstance(meaning, Quotes)
            told.append(
                Quotes(tuple(Quote(row.symbol, row.broker_time, price_at(now)) for row in meaning.rows))
            )
        settled = tuple(order for order in self._running if order.closes_at <= now)
        if settled:
            self._running = [order for order in self._running if order.closes_at > now]
            told += [OrdersClosed(orders=settled), self.balance, OrderList(orders=settled, closed=True)]
        return told


def price_at(now: float) -> float:
    return round(1.2 + now / 1000, 5)


class Sufferer(Pair):
    """A session that watches two symbols."""

    def __init__(self, misbehaviour: Misbehaviour, known: Known = POCKETOPTION, *, seed: int = 1) -> None:
        super().__init__(
            known,
            client=client_session(known, watch=SYMBOLS, seed=seed),
            desk=LivelyDesk(),
            misbehaviour=misbehaviour,
            seed=seed,
        )
        self.refused: list[UnsafeTarget] = []

    def ask(self, wish: Intent) -> None:
        self.wire.act(lambda now: self._ask(wish, now))

    def _ask(self, wish: Intent, now: float) -> None:
        try:
            self.client.ask(wish, now)
        except UnsafeTarget as refused:
            self.refused.append(refused)


def suffer(*faults: str, until: float = 60.0, known: Known = POCKETOPTION) -> Sufferer:
    """A session that asks and orders a little, while all that goes wrong."""
    pair = Sufferer(compose([read_fault(fault) for fault in faults]), known)
    wishes: list[tuple[float, Intent]] = [
        (10.5, AskBalance()),
        (12.0, AskHistory(symbol=FIRST, period=60, until=7200.0, span=600.0, index=7)),
        (13.0, an_order(1)),
        (14.0, an_order(2)),
    ]
    for at, wish in wishes:
        pair.run(min(at, until))
        if pair.client.phase is Phase.LIVE and at <= until:
            pair.ask(wish)
    pair.run(until)
    return pair


def an_order(number: int) -> PlaceOrder:
    return PlaceOrder(symbol=FIRST, direction=Direction.CALL, amount=1.0, duration=5, request_id=number)


def quotes(pair: Pair, symbol: str = FIRST) -> list[QuoteArrived]:
    return [quote for quote in pair.of(QuoteArrived) if quote.symbol == symbol]


def ages(pair: Pair) -> set[float]:
    """How old ticks are by the broker's clock."""
    return {round(quote.at + ZONE - quote.broker_time, 3) for quote in quotes(pair)}


def meanings(pair: Pair) -> list[Meaning]:
    """All that was told, asked for or not, except ticks."""
    heard = (event for event in pair.told if isinstance(event, Told | RequestAnswered))
    return [event.meaning if isinstance(event, Told) else event.answer for event in heard]


def balances(pair: Pair) -> list[float]:
    return [meaning.amount for meaning in meanings(pair) if isinstance(meaning, Balance)]


def expired(pair: Pair) -> list[type[Intent]]:
    return [type(event.intent) for event in pair.of(RequestExpired)]


def lasting(pair: Pair) -> list[Event]:
    """All that happened, without what chance decides: session ids."""
    by_chance = [event for event in pair.of(Told) if isinstance(event.meaning, Welcome | Joined)]
    return [event for event in pair.told if event not in by_chance]
