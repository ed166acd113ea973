"""One link and everybody who waits for something from it: questions, listeners, orders, and the last word on each matter."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from random import SystemRandom

from probe.api.answers import Answer
from probe.api.errors import (
    ConnectionFailed,
    NotConnected,
    SessionClosed,
    SessionLost,
    TooManyRequests,
    Unanswered,
)
from probe.api.orders import OrderHandle
from probe.api.pace import Pace, pace_of
from probe.api.statistics import Counters, Happened, Statistics
from probe.api.streams import Quote
from probe.logs import get_logger
from probe.measure.clocks import STEP_SECONDS
from probe.measure.records import Attempt, Metric, Trigger
from probe.model.endpoint import Endpoint
from probe.model.errors import ConfigError, ProbeError
from probe.model.events import (
    PINGS,
    Ended,
    Event,
    HeartbeatAnswered,
    Phase,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    TcpFacts,
    Told,
    Traffic,
)
from probe.model.failures import Failure, Retry
from probe.model.intents import Intent, Unwatch, Watch, WatchSentiment, WatchSignals
from probe.model.meanings import (
    Assets,
    Balance,
    Meaning,
    Order,
    OrderList,
    OrderOpened,
    OrdersClosed,
    OrderSold,
    Sentiment,
    Signals,
)
from probe.monitor.link import Link
from probe.monitor.wanted import Wanted
from probe.session.polled import PolledSession
from probe.session.reconnect import another_may_help
from probe.session.talking import Talking

CLOSE_WITHIN = 2.5
CLOCK_TICKS = 100

Sink = Callable[[Quote], None]


class Holding:
    """
    Args:
        reconnect: Whether another connection takes the place of one that is lost.
        pace: How fast questions may leave; None: as fast as anybody likes to a simulator or to this machine, else politely.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        reconnect: bool,
        max_retries: int | None,
        phase_deadline: float | None,
        utc: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self.wanted, self.counters, self.utc = wanted, Counters(), utc
        self.told: dict[str, Answer[Meaning]] = {}  # the last word of the present connection, by its kind
        self.differences: deque[float] = deque(maxlen=CLOCK_TICKS)  # broker time minus ours
        self.last_tick_at: float | None = None
        self.last_answer_at: float | None = None  # a round trip that somebody waited for, or a ping's
        self.last_failure: Failure | None = None
        self.tls: str | None = None  # of the present connection, or the last
        self._pace = pace or pace_of(wanted)
        self._reconnect = reconnect
        self._loop = asyncio.get_running_loop()
        self._utc_at_zero = utc() - self._loop.time()
        self._log = get_logger()
        self._link = Link(
            wanted,
            self,
            rng=SystemRandom(),
            winners=None,
            utc=utc,
            max_retries=max_retries,
            phase_deadline=phase_deadline,
        )
        self._running: asyncio.Task[None] | None = None
        self._over: ProbeError | None = None
        self._is_closing = False
        self._changed = asyncio.Event()  # live, over, or told something
        self._outbox: list[tuple[Intent, asyncio.Future[RequestAnswered]]] = []
        self._asked: dict[int, list[asyncio.Future[RequestAnswered]]] = {}  # two may wait for one answer
        self._sinks: dict[str, list[Sink]] = {}
        self._ends: list[Callable[[Exception | None], None]] = []
        self._orders: list[OrderHandle] = []

    # -- its life ------------------------------------------------------------------------------------------------------

    async def open(self, timeout: float) -> None:
        """
        Raises:
            ConnectionFailed: there was no live session in time, or never will be.
            ConfigError: a proxy, a file of authorities or the place of kept sessions cannot be used.
        """
        self._running = self._loop.create_task(self._link.run())
        self._running.add_done_callback(self._ran)
        try:
            await self.until(lambda: self.is_live, timeout)
        except TimeoutError:
            failure = self.last_failure or Failure(
                kind="local.timeout", detail=f"not live after {timeout:g} s"
            )
            await self.close()
            raise ConnectionFailed(self.wanted.name, failure) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """In order. Nothing is left."""
        self._is_closing = True
        self._link.stop()
        if self._running is not None:
            try:
                await asyncio.wait({self._running}, timeout=CLOSE_WITHIN)
            finally:
                self._running.cancel()
            await asyncio.wait({self._running})  # what went wrong is told by `_ran`

    @property
    def is_live(self) -> bool:
        return self.counters.live_since is not None and self._over is None

    @property
    def is_over(self) -> bool:
        return self._over is not None

    @property
    def endpoint(self) -> Endpoint | None:
        return self._link.endpoint

    @property
    def is_polled(self) -> bool:
        return isinstance(self._link.session, PolledSession)

    def refuse_if_over(self) -> None:
        if self._over is not None:
            raise self._over.with_traceback(None)  # else it would grow each time

    async def until(self, condition: Callable[[], bool], timeout: float | None) -> None:
        """
        Raises:
            TimeoutError: it did not come true.
            ProbeError: it is over.
        """
        async with asyncio.timeout(timeout):
            while not condition():
                self.refuse_if_over()
                self._changed.clear()
                await self._changed.wait()

    def statistics(self) -> Statistics:
        session = self._link.session
        present = session.traffic if session is not None and self.is_live else Traffic()
        limits = {"reconnects": self._link.dials, **self._pace.figures}
        return self.counters.statistics(present, self._loop.time(), limits)

    def _ran(self, task: "asyncio.Task[None]") -> None:
        bug = None if task.cancelled() else task.exception()
        if isinstance(bug, ProbeError):
            self._end(bug)
        elif bug is not None:
            self._loop.call_exception_handler({"message": "a session broke", "exception": bug, "task": task})
        self._end(SessionClosed(self.wanted.name))

    def _end(self, why: ProbeError) -> None:
        if self._over is not None:
            return
        self._over = why
        for _, asked in self._outbox:
            _fail(asked, why)
        for asked in chain.from_iterable(self._asked.values()):
            _fail(asked, why)
        self._outbox, self._asked = [], {}
        for order in self._orders:
            order.give_up()
        for end in self._ends:
            end(None if isinstance(why, SessionClosed) else why)
        self._changed.set()

    # -- asking --------------------------------------------------------------------------------------------------------

    async def ask(self, intent: Intent) -> RequestAnswered:
        """What is asked in one turn of the event loop goes out in one write.

        Raises:
            Unanswered, NotConnected, SessionLost, SessionClosed, UnsafeTarget, TooManyRequests: nothing else came of it.
        """
        self.refuse_if_over()
        await self._wait_for_turn(intent)
        asked: asyncio.Future[RequestAnswered] = self._loop.create_future()
        if not self._outbox:
            self._loop.call_soon(self._send)
        self._outbox.append((intent, asked))
        return await asked

    async def _wait_for_turn(self, intent: Intent) -> None:
        wait = 0.0
        for bucket in self._pace.about(intent):
            more = bucket.take(self._loop.time())
            if more is None:
                raise TooManyRequests(self.wanted.name, type(intent).__name__, bucket.figures.says)
            wait = max(wait, more)
        if wait > 0:  # else everything of one turn of the loop still leaves together
            await asyncio.sleep(wait)
            self.refuse_if_over()

    def _send(self) -> None:
        outbox, self._outbox = self._outbox, []

        def put(session: Talking, now: float) -> bool:
            for intent, asked in outbox:
                if asked.done():
                    continue
                try:
                    number = session.ask(intent, now)
                except ProbeError as problem:
                    asked.set_exception(problem)
                    continue
                if number is not None:
                    self._asked.setdefault(number, []).append(asked)
            return True

        if self._link.act(put) is None:
            for _, asked in outbox:
                _fail(asked, self._over or NotConnected(self.wanted.name))

    # -- listening -----------------------------------------------------------------------------------------------------

    def listen(self, symbol: str, sink: Sink, end: Callable[[Exception | None], None]) -> Callable[[], None]:
        """Returns how to stop it.

        Args:
            end: Told once when there will be no more: the failure, or None.

        Raises:
            ConfigError: prices are asked for one by one there, and this session was opened for other symbols.
        """
        self.refuse_if_over()
        asks = any(each.scheme in self.wanted.broker.surveys for each in self.wanted.endpoints)
        if asks and symbol not in self.wanted.symbols:
            raise ConfigError(
                f"this session does not ask for prices of {symbol}",
                next_step=f"Name it when you open the session: symbols=[{symbol!r}].",
            )
        sinks = self._sinks.setdefault(symbol, [])
        if not sinks and symbol not in self.wanted.symbols:
            self._tell(Watch(symbol=symbol))
        sinks.append(sink)
        self._ends.append(end)

        def leave() -> None:
            if sink not in sinks:
                return
            sinks.remove(sink)
            self._ends.remove(end)
            if not sinks:
                del self._sinks[symbol]
                if symbol not in self.wanted.symbols:
                    self._tell(Unwatch(symbol=symbol))

        return leave

    def follow(self, order: OrderHandle) -> None:
        self._orders = [each for each in self._orders if not each.is_settled]
        self._orders.append(order)

    def forget(self, order: OrderHandle) -> None:
        with contextlib.suppress(ValueError):  # it was settled meanwhile
            self._orders.remove(order)

    def want(self, intent: WatchSentiment | WatchSignals) -> None:
        """
        Raises:
            NotConnected, SessionLost, SessionClosed: there is nobody to tell it.
            ConfigError: this broker has no such thing.
        """
        self.refuse_if_over()
        if why := self.wanted.broker.lacks.get(type(intent)):
            raise ConfigError(
                f"{self.wanted.broker.title} cannot be asked: {why}", where=type(intent).__name__
            )
        if self._link.act(lambda session, now: (session.ask(intent, now),)) is None:
            raise NotConnected(self.wanted.name)

    def _tell(self, intent: Watch | Unwatch) -> None:
        """If there is no live session: the next one begins with what is wanted then."""
        self._link.act(lambda session, now: session.ask(intent, now))

    # -- told by the link ----------------------------------------------------------------------------------------------

    def dialling(self, at: float, endpoint: Endpoint, trigger: Trigger) -> None:
        self.counters.attempts += 1
        self._note("dialling", trigger.value)

    def event(self, event: Event) -> None:
        if type(event) is QuoteArrived:
            self._quote(event)
            return
        match event:
            case RequestAnswered():
                if event.request in self._asked:
                    self.counters.answered += 1
                self.counters.round_trips[Metric.APP_RTT].add(event.rtt_seconds)
                self.last_answer_at = event.at
                self._hear(event.answer, event.at, event.rtt_seconds)
                for asked in self._asked.pop(event.request, ()):
                    if not asked.done():
                        asked.set_result(event)
            case Told(meaning=meaning):
                self._hear(meaning, event.at, None)
            case RequestExpired():
                self.counters.expired += 1
                for unanswered in self._asked.pop(event.request, ()):
                    question = type(event.intent).__name__
                    _fail(unanswered, Unanswered(self.wanted.name, question, event.at - event.sent_at))
            case HeartbeatAnswered(name=name) if name in PINGS:
                self.counters.round_trips[Metric.WS_RTT].add(event.rtt_seconds)
                self.last_answer_at = event.at
            case Ended():
                self._ended(event)
            case _:
                pass

    def kernel(self, at: float, facts: TcpFacts) -> None:
        pass

    def waiting(self, at: float, until: float, failure: Failure | None) -> None:
        if self._goes_on(failure):
            self._note("waiting", f"{until - at:.1f} s before the next attempt")
        else:
            self._loop.call_soon(self._link.stop)

    def stopped(self, at: float, failure: Failure | None) -> None:
        failure = failure or self.last_failure
        if self._is_closing or failure is None:
            self._end(SessionClosed(self.wanted.name))
            return
        self._note("stopped", str(failure))
        raised = SessionLost if self.counters.successes else ConnectionFailed
        self._end(raised(self.wanted.name, failure))

    def attempted(self, attempt: Attempt) -> None:
        session = self._link.session
        if attempt.purpose != "hold" or session is None or session.phase is not Phase.LIVE:
            if attempt.purpose != "hold" and attempt.failure is not None:
                self.last_failure = attempt.failure
            return
        self.counters.live(attempt, self._loop.time())
        self.tls = attempt.tls
        self.last_failure = None
        for symbol in self._sinks:
            if symbol not in self.wanted.symbols:
                self._tell(Watch(symbol=symbol))
        self._note("connected", f"in {attempt.seconds:.3f} s")
        self._changed.set()

    def _goes_on(self, failure: Failure | None) -> bool:
        if self._reconnect:
            return True
        if failure is None or self.counters.successes:
            return False
        # The link stops by itself where trying again cannot help; that it waits says that it has renewed a session.
        was_renewed = failure.kind == "auth.refused" and failure.facts.retry is Retry.STOP
        tried = self.counters.attempts
        return was_renewed or (another_may_help(failure, tried) and tried < len(self.wanted.endpoints))

    def _quote(self, event: QuoteArrived) -> None:
        self.counters.quotes += 1
        utc = self.utc()
        utc_at_zero = utc - self._loop.time()
        if abs(utc_at_zero - self._utc_at_zero) >= STEP_SECONDS:  # this machine's clock was set
            self._utc_at_zero = utc_at_zero
            self.differences.clear()
        self.last_tick_at = event.at
        self.differences.append(event.broker_time - utc)
        sinks = self._sinks.get(event.symbol)
        if sinks:
            quote = Quote(event.symbol, event.price, event.broker_time, utc)
            for sink in tuple(sinks):
                sink(quote)

    def _hear(self, meaning: Meaning, at: float, rtt_seconds: float | None) -> None:
        match meaning:
            case Balance() | Assets() | Signals():
                self._keep(type(meaning).__name__, meaning, at, rtt_seconds)
            case Sentiment(rows=rows):
                for symbol, _ in rows:
                    self._keep(sentiment_of(symbol), meaning, at, rtt_seconds)
            case OrderList(closed=False):
                self._keep("OrderList", meaning, at, rtt_seconds)
                self._settle(meaning.orders, closed=False)
            case OrderList(orders=orders) | OrdersClosed(orders=orders):
                self._settle(orders, closed=True)
                self._amend((), orders, at)
            case OrderSold(ticket=ticket):
                known = self.told.get("OrderList")
                listed = known.value.orders if known and isinstance(known.value, OrderList) else ()
                self._amend((), (row for row in listed if row.id == ticket), at)
            case OrderOpened(order=order):
                self._settle((order,), closed=False)
                self._amend((order,), (order,), at)
            case _:
                pass

    def _amend(self, opened: Iterable[Order], gone: Iterable[Order], at: float) -> None:
        """The list of open orders, if the broker has told one."""
        known, ids = self.told.get("OrderList"), {order.id for order in gone}
        if known is not None and isinstance(known.value, OrderList):
            left = (order for order in known.value.orders if order.id not in ids)
            self._keep("OrderList", OrderList(orders=(*left, *opened), closed=False), at, None)

    def _keep(self, kind: str, meaning: Meaning, at: float, rtt_seconds: float | None) -> None:
        self.told[kind] = Answer(value=meaning, at=at, at_utc=self.utc(), rtt_seconds=rtt_seconds)
        self._changed.set()

    def _settle(self, orders: Iterable[Order], *, closed: bool) -> None:
        for order in orders:
            for handle in self._orders:
                if handle.is_about(order):
                    handle.note(order, closed=closed)

    def _ended(self, event: Ended) -> None:
        was_live = self.counters.live_since is not None
        self.counters.ended(event.traffic, event.failure, event.at)
        self.last_failure = event.failure
        self.told.clear()
        self.differences.clear()
        self.last_tick_at = self.last_answer_at = None
        self._note("disconnected" if was_live else "failed", str(event.failure or "in order"))
        if was_live:
            self._log.info(
                "session_ended",
                target=self.wanted.name,
                failure=event.failure.kind if event.failure else None,
                messages_received=event.traffic.messages_received,
            )

    def _note(self, what: str, words: str) -> None:
        endpoint = self._link.endpoint
        where = endpoint.region if endpoint else None
        self.counters.events.append(Happened(at_utc=self.utc(), what=what, where=where, words=words))


def sentiment_of(symbol: str) -> str:
    """Under which the last word on it is kept."""
    return f"Sentiment of {symbol}"


def _fail(asked: "asyncio.Future[RequestAnswered]", why: ProbeError) -> None:
    if not asked.done():
        asked.set_exception(why)
