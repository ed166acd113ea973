"""A session as a program uses it: opened from whatever names it, asked, listened to, and closed when its block ends."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from random import SystemRandom
from typing import TypeVar, Unpack, cast

from probe.api.answers import Answer
from probe.api.errors import OrderRejected, SaleRejected, Unanswered
from probe.api.holding import Holding, sentiment_of
from probe.api.opening import Options, settings_of, wanted_of
from probe.api.orders import OrderHandle
from probe.api.statistics import Statistics
from probe.api.streams import QUEUE_SIZE, Queue, Quote, QuoteStream
from probe.measure.clocks import ClockOffset, clock_offset
from probe.measure.records import Metric
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.model.events import RequestAnswered
from probe.model.intents import (
    AskAssets,
    AskBalance,
    AskHistory,
    AskOrders,
    PlaceOrder,
    SellOrder,
    WatchSentiment,
    WatchSignals,
)
from probe.model.meanings import (
    Asset,
    Assets,
    Balance,
    Candle,
    Direction,
    History,
    Meaning,
    Order,
    OrderList,
    OrderOpened,
    Purses,
    Sentiment,
    Signals,
    Troubles,
)
from probe.model.meanings import OrderRejected as Rejected
from probe.model.meanings import SaleRejected as NotSold

T = TypeVar("T")

TIMEOUT = 30.0
TOLD_WITHIN = 3.0  # after the login: what the broker tells by itself
MOST_CANDLES = 50_000
HOLD_INDEX, INDEXES = 17, 100  # of the questions that a link asks by itself; of all


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerClock:
    broker_time: float  # what the broker's clock shows now, zone included
    utc: float  # the same, zone taken off
    offset: ClockOffset
    age_seconds: float  # of the newest tick that says so


class Session:
    """Made by `open_session`. Every question raises `Unanswered`, `NotConnected`, `SessionLost` or `SessionClosed` if there is
    no answer; none is made up."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._wanted = holding.wanted
        self._indexes: set[int] = set()
        self._placing = 0
        self._rng = SystemRandom()

    def __repr__(self) -> str:
        state = "live" if self.is_live else "closed" if self._holding.is_over else "being restored"
        return f"<probe.Session {self.name}, {state}>"

    @property
    def name(self) -> str:
        """Safe to show."""
        return self._wanted.name

    @property
    def account(self) -> Account:
        """As the credential claims it; `balance()` has the broker's word."""
        return self._wanted.account

    @property
    def region(self) -> str | None:
        endpoint = self._holding.endpoint
        return endpoint.region if endpoint else None

    @property
    def tls(self) -> str | None:
        """What was agreed on: version and cipher. None: it is not encrypted."""
        return self._holding.tls

    @property
    def is_live(self) -> bool:
        return self._holding.is_live

    @property
    def connections(self) -> int:
        """How many were live so far: what was known before the last one may be outdated."""
        return self._holding.counters.successes

    async def ready(self, timeout: float = TIMEOUT) -> None:
        """Wait until it is live (again).

        Raises:
            TimeoutError: it is not.
            SessionLost, SessionClosed: it will not be.
        """
        await self._holding.until(lambda: self._holding.is_live, timeout)

    async def close(self) -> None:
        await self._holding.close()

    # -- asking --------------------------------------------------------------------------------------------------------

    async def balance(self, *, fresh: bool = False) -> Answer[Balance]:
        """What the broker told last, for it tells every change; `fresh`: asks it, which not every broker answers."""
        known = None if fresh else await self._told(Balance)
        if known is not None:
            return known
        event = await self._holding.ask(AskBalance())
        answer = event.answer
        if isinstance(answer, Purses):  # not which is in use; but this one is the account's
            is_demo = self.account is Account.DEMO
            amount = answer.demo if is_demo else answer.live
            if amount is None:
                raise Unanswered(self.name, "AskBalance for this account", event.rtt_seconds)
            return self._answer(Balance(amount=amount, is_demo=is_demo), event.at, event.rtt_seconds)
        return self._answer(self._read(event, Balance), event.at, event.rtt_seconds)

    async def assets(self, *, fresh: bool = False) -> Answer[tuple[Asset, ...]]:
        """What can be traded, with payouts and hours, as told last; `fresh`: asks."""
        known = None if fresh else await self._told(Assets)
        if known is not None:
            return Answer(
                value=known.value.rows, at=known.at, at_utc=known.at_utc, rtt_seconds=known.rtt_seconds
            )
        event = await self._holding.ask(AskAssets())
        return self._answer(self._read(event, Assets).rows, event.at, event.rtt_seconds)

    async def orders(self, *, fresh: bool = False) -> Answer[tuple[Order, ...]]:
        """The open ones, as told last; `fresh`: asks."""
        known = None if fresh else await self._told(OrderList)
        if known is not None:
            return Answer(
                value=known.value.orders, at=known.at, at_utc=known.at_utc, rtt_seconds=known.rtt_seconds
            )
        event = await self._holding.ask(AskOrders())
        return self._answer(self._read(event, OrderList).orders, event.at, event.rtt_seconds)

    async def candles(
        self,
        symbol: str,
        period: int = 60,
        *,
        count: int | None = None,
        span: float | None = None,
        until: float | None = None,
    ) -> Answer[tuple[Candle, ...]]:
        """Oldest first, of the `count` periods (or the `span` of seconds) before `until`; fewer where the market was closed.
        All times are the broker's. The newest candle may still be running. Always asked; long spans in several pages."""
        if period < 2:
            raise ConfigError(
                f"a period of {period} s has no candles", where="candles", next_step="Take 5 or more."
            )
        span = span if span is not None else float((count or 100) * period)
        if not 0 < span <= MOST_CANDLES * period:
            raise ConfigError(
                f"{span:g} s are not between one candle and {MOST_CANDLES} of them",
                where="candles",
                next_step="Ask for a part at a time.",
            )
        last = float(ceil(until if until is not None else self._broker_now()))  # pages end on whole seconds
        first, before = last - span, last
        found: dict[float, Candle] = {}
        rtts = []
        while before > first:
            page = min(before - first, float(self._wanted.broker.house.page_rows * period))
            history, rtt = await self._page(symbol, period, before, page)
            rtts.append(rtt)
            found |= {candle.start: candle for candle in history.candles if first <= candle.start < last}
            before -= page
        rows = tuple(found[start] for start in sorted(found))
        if count is not None:
            rows = rows[-count:]
        return self._answer(rows, asyncio.get_running_loop().time(), sum(rtts))

    async def sentiment(self, symbol: str, *, within: float = TOLD_WITHIN) -> Answer[int]:
        """How many of a hundred buy, as told last; the first time it is asked for, and told from then on.

        Raises:
            Unanswered: it is not told. Besides what every question raises, ConfigError: this broker has none.
        """
        told = await self._followed(sentiment_of(symbol), WatchSentiment(symbol=symbol), within)
        rows = dict(told.value.rows) if isinstance(told.value, Sentiment) else {}
        return Answer(value=rows[symbol], at=told.at, at_utc=told.at_utc, rtt_seconds=told.rtt_seconds)

    async def signals(self, *, within: float = TOLD_WITHIN) -> Answer[Signals]:
        """What the broker advises, as told last; otherwise like `sentiment`."""
        told = await self._followed(Signals.__name__, WatchSignals(), within)
        return cast("Answer[Signals]", told)

    async def _followed(
        self, kept: str, intent: WatchSentiment | WatchSignals, within: float
    ) -> Answer[Meaning]:
        told = self._holding.told
        if kept not in told:
            self._holding.want(intent)
            try:
                await self._holding.until(lambda: kept in told, within)
            except TimeoutError:
                raise Unanswered(self.name, type(intent).__name__, within) from None
        return told[kept]

    async def round_trip(self) -> float:
        """Seconds of a real question and its answer.

        Raises:
            ConfigError: the session asks by itself, and `statistics()` has the times.
        """
        if self._holding.is_polled:
            raise ConfigError(
                "this session asks by itself every few seconds, and no further question is put for its time",
                where="round_trip",
                next_step="Take the round trips of statistics(), or time balance(fresh=True).",
            )
        symbol = self._wanted.symbols[0] if self._wanted.symbols else self._wanted.broker.default_symbol
        return (await self._page(symbol, 60, self._broker_now(), 60.0))[1]

    def batch(self, *questions: Awaitable[T]) -> "asyncio.Future[list[T]]":
        """Asks them all in one write, and waits for all answers, in order; as in
        `await session.batch(session.balance(fresh=True), session.round_trip())`. The first that fails is raised."""
        return asyncio.gather(*questions)

    async def _page(self, symbol: str, period: int, until: float, span: float) -> tuple[History, float]:
        until = float(int(until))
        taken = {HOLD_INDEX, *(index % INDEXES for index in self._indexes if index // INDEXES == int(until))}
        free = next((number for number in range(INDEXES) if number not in taken), None)
        if free is None:
            raise ConfigError("too many questions about one second are on their way", where="candles")
        index = int(until) * INDEXES + free
        self._indexes.add(index)
        try:
            event = await self._holding.ask(
                AskHistory(symbol=symbol, period=period, until=until, span=span, index=index)
            )
        finally:
            self._indexes.discard(index)
        return self._read(event, History), event.rtt_seconds

    def _read(self, event: RequestAnswered, kind: type[T]) -> T:
        """
        Raises:
            Unanswered: an answer came, and showed something else, such as what is wrong.
        """
        answer = event.answer
        if isinstance(answer, kind):
            return answer
        wrong = "; ".join(each.sentence for each in answer.rows) if isinstance(answer, Troubles) else ""
        question = type(event.intent).__name__
        raise Unanswered(self.name, question, event.rtt_seconds, instead=wrong or type(answer).__name__)

    async def _told(self, kind: type[T]) -> Answer[T] | None:
        told = self._holding.told
        if self.is_live and kind.__name__ not in told:
            # A login is followed by the broker's own telling.
            left = TOLD_WITHIN - (self.statistics().current_uptime_seconds or 0.0)
            if left > 0:
                with contextlib.suppress(TimeoutError):
                    await self._holding.until(lambda: kind.__name__ in told, left)
        return cast("Answer[T] | None", told.get(kind.__name__))

    def _answer(self, value: T, at: float, rtt_seconds: float) -> Answer[T]:
        return Answer(value=value, at=at, at_utc=self._holding.utc(), rtt_seconds=rtt_seconds)

    # -- trading on demo accounts --------------------------------------------------------------------------------------

    async def place_demo_order(
        self, symbol: str, direction: Direction | str, amount: float, duration: int
    ) -> OrderHandle:
        """An option that ends `duration` seconds after it is opened.

        Raises:
            UnsafeTarget: the broker has not said in this session that it is a demo account.
            OrderRejected: the broker said no.
            ConfigError: no broker could mean this.
        """
        if direction not in (*Direction, *(each.value for each in Direction)):
            raise ConfigError(
                f"{direction!r} is no direction", where="place_demo_order", next_step="Say call or put."
            )
        if not (isfinite(amount) and amount > 0 and duration > 0):
            raise ConfigError(
                f"an order of {amount:g} for {duration:g} s is none",
                where="place_demo_order",
                next_step="Give an amount and seconds above 0.",
            )
        asked = PlaceOrder(
            symbol=symbol,
            direction=Direction(direction),
            amount=amount,
            duration=duration,
            request_id=self._rng.randrange(10**9, 2**31),  # other sessions of this account count, too
            account=Account.DEMO,
        )
        if self.account is Account.DEMO:
            await self._told(Balance)  # the word that counts comes with it
        handle = OrderHandle(asked)
        self._holding.follow(handle)
        self._placing += 1
        try:
            event = await self._holding.ask(asked)
        except Unanswered:
            return handle  # it may stand
        except BaseException:
            self._holding.forget(handle)
            raise
        finally:
            self._placing -= 1
        match event.answer:
            case OrderOpened(order=order):
                handle.note(order, closed=False)
            case Rejected(request_id=None) if self._placing:
                pass  # of which one it speaks nobody knows
            case Rejected(error=words):
                self._holding.forget(handle)
                raise OrderRejected(words)
            case _:
                pass
        return handle

    async def sell_demo_order(self, order: OrderHandle) -> None:
        """Ends one before its time. What it was sold for shows in the balance: the broker says no more.

        Raises:
            SaleRejected: the broker said no, and the order goes on.
            UnsafeTarget: as when it was placed.
            ConfigError: the broker has not confirmed the order, or has no such request.
        """
        if why := self._wanted.broker.lacks.get(SellOrder):
            raise ConfigError(
                f"an order of {self._wanted.broker.title} stays until its end: {why}", where="sell_demo_order"
            )
        if order.order is None:
            raise ConfigError(
                "the broker has not confirmed this order, so it has no number to be sold by",
                where="sell_demo_order",
                next_step="Look at session.orders(fresh=True).",
            )
        event = await self._holding.ask(SellOrder(ticket=order.order.id))
        if isinstance(event.answer, NotSold):
            raise SaleRejected(event.answer.error)
        order.sold()

    # -- listening -----------------------------------------------------------------------------------------------------

    def subscribe(self, symbol: str, callback: Callable[[Quote], object]) -> Callable[[], None]:
        """Calls back with every quote, at once and in the event loop: it must not block. Returns how to end it.

        A callback that raises is not called again; the error goes to the event loop's exception handler.
        """

        def sink(quote: Quote) -> None:
            try:
                callback(quote)
            except Exception as bug:  # noqa: BLE001 - the program's own; the session goes on
                leave()
                words = f"the callback for {symbol} failed and is not called again"
                loop.call_exception_handler({"message": words, "exception": bug})

        loop = asyncio.get_running_loop()
        leave = self._holding.listen(symbol, sink, lambda _: None)
        return leave

    def quotes(self, symbol: str, *, size: int = QUEUE_SIZE) -> QuoteStream:
        """For `async for`. Who is slower than the quotes loses the oldest, and `lost_before` says how many. Ends with
        `SessionLost` if the session does so, or quietly when it is closed."""
        queue: Queue[Quote] = Queue(size)
        return QuoteStream(queue, self._holding.listen(symbol, queue.put, queue.end))

    # -- how it is -----------------------------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        return self._holding.statistics()

    @property
    def silent_seconds(self) -> float | None:
        """Since the last answer that only a working session gives; None: there was none on this connection."""
        at = self._holding.last_answer_at
        return None if at is None else asyncio.get_running_loop().time() - at

    def clock(self) -> ServerClock | None:
        """From the ticks of this connection; None: none has come."""
        holding = self._holding
        at, rtt = holding.last_tick_at, holding.counters.round_trips[Metric.WS_RTT]
        offset = clock_offset(list(holding.differences), rtt.smallest if rtt.count else 0.0)
        if offset is None or at is None:
            return None
        utc = holding.utc() + offset.skew_seconds
        age = asyncio.get_running_loop().time() - at
        return ServerClock(broker_time=utc + offset.zone_seconds, utc=utc, offset=offset, age_seconds=age)

    def _broker_now(self) -> float:
        clock = self.clock()
        return clock.broker_time if clock else self._holding.utc() + self._wanted.broker.zone_seconds


@asynccontextmanager
async def open_session(
    target: str,
    *,
    timeout: float | None = None,
    reconnect: bool = False,
    config: Path | str | None = None,
    **options: Unpack[Options],
) -> AsyncIterator[Session]:
    """A live session for as long as the block runs.

    Args:
        target: As on the command line: an SSID, `env:NAME`, `file:PATH`, `keyring:NAME`, a target of probe.toml, a URL, or
            `sim:BROKER`.
        timeout: Until it is live; without it TRADEPROBE_TIMEOUT or 30 s.
        reconnect: Restore it by itself when it is lost, with all that was subscribed to.
        config: Instead of probe.toml.

    Raises:
        ConnectionFailed: there is none. It has the cause and what to do.
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: what was given cannot be used.
    """
    async with AsyncExitStack() as stack:
        settings = settings_of(config)
        wanted = await wanted_of([target], options, settings, stack)
        if len(wanted) > 1:
            raise ConfigError(
                f"{target!r} is {len(wanted)} brokers, and a session is of one",
                next_step=f"Say sim:{wanted[0].broker.name}.",
            )
        holding = Holding(
            wanted[0],
            reconnect=reconnect,
            max_retries=settings.max_retries,
            phase_deadline=settings.timeout,
            utc=time.time,
        )
        await holding.open(timeout or settings.timeout or TIMEOUT)
        try:
            yield Session(holding)
        finally:
            await holding.close()
