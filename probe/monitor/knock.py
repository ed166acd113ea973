"""One fresh connection, as far as the credential allows, with everything it shows; then a polite goodbye."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from probe.diagnose.facts import Facts
from probe.diagnose.verdict import LOOKED_LONG_ENOUGH, Asked, Verdict, judge
from probe.drivers.dial import Resolver, system_resolver
from probe.drivers.exchange import CallSettings
from probe.drivers.proxies import ChosenProxy
from probe.drivers.tls import TlsProfile
from probe.measure.calendar import is_open
from probe.measure.clocks import ClockOffset
from probe.measure.vitals import FROZEN_SECONDS, FROZEN_TICKS
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.events import Ended, Event, Phase, QuoteArrived
from probe.model.failures import Failure
from probe.model.findings import Withheld
from probe.model.intents import AskHistory, Watch
from probe.monitor.endpoints import About, Connected, Dialler, Session, give_up
from probe.monitor.sign_in import Entered, SignIn
from probe.safety import withheld_from
from probe.session.broker import Broker
from probe.session.client import ClientSession
from probe.session.talking import Talking
from probe.session.transcript import Line

DATA_WITHIN = 10.0  # quotes come twice a second in an open market
LOOKS = 3  # where prices are asked for: so often the same one says that it stands still
HISTORY_SECONDS = 300
LEAST_SECONDS = 5.0  # are left for the connection, however long signing in took
CALL_WITHIN = 15.0
PINGS = 3  # while a session is looked at for longer
KERNEL_EVERY = 1.0  # seconds; of a connection that is gone the kernel says nothing
SOON, PING_SOON = (
    3.5,
    1.0,
)  # seconds after the login: what is well by then may be left, and the ping that must have its answer
LIST_WITHIN = 2.0  # seconds after the login; the broker's list of what is tradable comes with it
LATE = 2.0  # times the usual pause between two prices: so late a price makes nobody leave
FRESH = 2.0  # seconds; a price that is older, or a ping without its answer, is worth waiting for
GOODBYE_WITHIN = 1.0  # the verdict is known; a server that does not answer a goodbye is not worth more


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What one connection showed."""

    broker: Broker
    endpoint: Endpoint
    proxy: ChosenProxy | None
    entered: Entered | None  # how a password became a session, if one was given
    began_at: float  # UTC seconds
    facts: Facts
    asked: Asked
    clock: ClockOffset | None
    verdict: Verdict
    last_messages: tuple[Line, ...]
    control_symbol: str = ""  # watched beside the one asked for


async def knock(
    broker: Broker,
    endpoint: Endpoint,
    key: Credentials | SignIn | None,
    *,
    tls: TlsProfile,
    proxy: ChosenProxy | None = None,
    timeout: float,
    about: About | None = None,
    symbol: str | None = None,
    stays: float = 0.0,
    is_well: Callable[[Knock], bool] | None = None,
    resolve: Resolver = system_resolver,
    utc: Callable[[], float] = time.time,
) -> Knock:
    """Connect, log in if there is a key and the endpoint may have it, look for prices and answers, leave.

    Args:
        symbol: Whose prices; None: the broker's usual one.
        stays: For so many seconds after the login it looks on, though all has been seen, and at a second symbol too;
            longer, if in the end it is not clear whether prices and answers still come. Where prices are asked for it only
            looks on, and asks no more than a monitor.
        is_well: Whether what was seen until then is all well: then it stays no longer than that takes to be known.
        resolve: By whom the host's addresses are told.

    A token that came from signing in and is refused is never used again; if it was an old one, a new one gets a try.

    Raises:
        ConfigError: sessions cannot be kept where they should be.
    """
    look = _Look(
        broker,
        endpoint,
        tls,
        proxy,
        about or About(),
        symbol or broker.default_symbol,
        stays,
        is_well,
        resolve,
        utc,
    )
    withheld = withheld_from(endpoint) if key else None
    if withheld is not None:
        return await look.run(None, timeout, withheld=withheld)
    if not isinstance(key, SignIn):
        return await look.run(key, timeout)
    while True:
        entered = await key.enter(endpoint, look.call_settings(timeout))
        if isinstance(entered.outcome, Failure):
            return look.without_entry(entered)
        timeout = max(timeout - sum(call.seconds for call in entered.calls), LEAST_SECONDS)
        credentials = key.web.credentials(entered.outcome, key.login.account)
        result = await look.run(credentials, timeout, entered=entered)
        failure = result.facts.ended.failure if result.facts.ended else None
        if failure is None or failure.kind != "auth.refused":
            return result
        await key.reject(entered.outcome)
        if entered.calls:
            return result


class _Look:
    """What all looks of one knock have in common."""

    def __init__(
        self,
        broker: Broker,
        endpoint: Endpoint,
        tls: TlsProfile,
        proxy: ChosenProxy | None,
        about: About,
        symbol: str,
        stays: float,
        is_well: Callable[[Knock], bool] | None,
        resolve: Resolver,
        utc: Callable[[], float],
    ) -> None:
        self._broker, self._endpoint, self._tls, self._proxy = broker, endpoint, tls, proxy
        self._about, self._symbol, self._stays, self._utc = about, symbol, stays, utc
        self._is_well, self._resolve = is_well, resolve
        self._began_at = utc()

    def call_settings(self, timeout: float) -> CallSettings:
        through = self._proxy.proxy if self._proxy else None
        return CallSettings(tls=self._tls, proxy=through, timeout=min(timeout, CALL_WITHIN), deadline=timeout)

    def without_entry(self, entered: Entered) -> Knock:
        facts = Facts()
        facts.add(entered.event)
        return self._judged(facts, Asked(login=True, symbol=None), None, entered, ())

    async def run(
        self,
        credentials: Credentials | None,
        timeout: float,
        *,
        withheld: Withheld | None = None,
        entered: Entered | None = None,
    ) -> Knock:
        goes_in = credentials is not None or self._broker.is_public(self._endpoint)
        symbol = self._symbol if goes_in else None
        dialler = Dialler(
            target=self._endpoint.region,
            broker=self._broker,
            rng=random.SystemRandom(),
            tls=self._tls,
            proxy="none",
            phase_deadline=timeout,
            utc=self._utc,
            about=self._about,
        )
        session = dialler.session(self._endpoint, credentials, watch=(symbol,) if symbol else ())
        utc_at_zero = self._utc() - asyncio.get_running_loop().time()

        def judged(facts: Facts) -> Knock:
            asked = Asked(
                login=goes_in,
                symbol=symbol,
                withheld=withheld,
                account=credentials.account if credentials else None,
                signed_in=entered is not None,
                market_open=is_open(symbol, None, self._began_at) if symbol else None,
                price_within=max(LOOKED_LONG_ENOUGH, LOOKS * _data_every(session)),
            )
            result = self._judged(facts, asked, facts.clock(utc_at_zero), entered, session.transcript())
            return replace(result, control_symbol=gaze.control_symbol)

        def is_well(facts: Facts) -> bool:
            return self._is_well is not None and self._is_well(judged(facts))

        leaves_early = is_well if self._is_well is not None else None
        gaze = _Gaze(session, symbol, self._broker, self._stays, leaves_early, utc_at_zero)
        if entered is not None:
            gaze.facts.add(entered.event)
        through = self._proxy.proxy if self._proxy else None
        plan = replace(dialler.plan(self._endpoint), proxy=through, resolve=self._resolve)
        await gaze.run(dialler.dialled(session, self._endpoint, gaze.note, plan), timeout)
        return judged(gaze.facts)

    def _judged(
        self,
        facts: Facts,
        asked: Asked,
        clock: ClockOffset | None,
        entered: Entered | None,
        last_messages: Sequence[Line],
    ) -> Knock:
        return Knock(
            broker=self._broker,
            endpoint=self._endpoint,
            proxy=self._proxy,
            entered=entered,
            began_at=self._began_at,
            facts=facts,
            asked=asked,
            clock=clock,
            verdict=judge(facts, asked, clock),
            last_messages=tuple(last_messages),
        )


class _Gaze:
    """Decides, event by event, whether everything that can be seen has been seen."""

    def __init__(
        self,
        session: Session,
        symbol: str | None,
        broker: Broker,
        stays: float,
        is_well: Callable[[Facts], bool] | None,
        utc_at_zero: float,
    ) -> None:
        self.facts = Facts()
        self.utc_at_zero = utc_at_zero
        self.control_symbol = ""
        self._session, self._symbol, self._broker = session, symbol, broker
        self._asks = isinstance(session, ClientSession) and broker.rules.asks_history
        self._is_pushed = isinstance(session, ClientSession)
        self._stays, self._is_well = stays if symbol is not None else 0.0, is_well
        self._so: asyncio.Future[None] | None = None  # whether what is waited for is so
        self._wanted: Callable[[], bool] = lambda: False
        # Of the symbol asked for; a flood of prices must not be gone through for each of them.
        self._priced_at, self._price = float("-inf"), 0.0
        self._prices, self._has_two_prices = 0, False

    async def run(self, dialling: Awaitable[Connected], timeout: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        try:
            async with asyncio.timeout_at(until):
                connection = await dialling
        except TimeoutError:
            return  # the session was told so, and has said its `Ended`
        is_watched = self._is_pushed and self._stays > 0.0
        watching = loop.create_task(self._watch_kernel(connection)) if is_watched else None
        try:
            if await self._wait(lambda: self._is_live, until):
                soon, stays_until = loop.time() + SOON, min(until, loop.time() + self._stays)
                if self._asks:
                    connection.act(self._ask_history)
                if is_watched:
                    await self._watch_control(connection, until)
                data_within = max(DATA_WITHIN, (LOOKS + 1) * _data_every(self._session))
                await self._wait(self._has_seen_enough, min(until, loop.time() + data_within))
                if self._stays and not await self._is_well_soon(
                    connection, min(soon, stays_until), stays_until
                ):
                    if is_watched:
                        await self._stay(connection, stays_until, until)
                    else:
                        await self._wait(lambda: False, stays_until)
            self.facts.kernel = connection.tcp_facts() or self.facts.kernel
            connection.act(give_up)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_WITHIN):
                    await connection.ended()
        finally:
            if watching is not None:
                watching.cancel()
            connection.abort()

    async def _watch_kernel(self, connection: Connected) -> None:
        while True:
            self.facts.kernel = connection.tcp_facts() or self.facts.kernel
            await asyncio.sleep(KERNEL_EVERY)

    async def _watch_control(self, connection: Connected, until: float) -> None:
        """Another symbol shows whether a market that is quiet is so for everybody."""
        within = min(until, asyncio.get_running_loop().time() + LIST_WITHIN)
        cap = self._broker.house.stream_cap
        if (cap is not None and cap < 2) or not await self._wait(
            lambda: self.facts.assets is not None, within
        ):
            return
        rows = self.facts.assets.rows if self.facts.assets else ()
        tradable = [each.symbol for each in rows if each.is_open and each.symbol != self._symbol]
        usual = self._broker.default_symbol
        self.control_symbol = usual if usual in tradable else next(iter(tradable), "")
        if self.control_symbol and self._is_live:
            connection.act(lambda session, now: session.ask(Watch(symbol=self.control_symbol), now))

    async def _is_well_soon(self, connection: Connected, soon: float, stays_until: float) -> bool:
        if self._is_well is None:
            return False
        asked_again = _data_every(self._session) < self._stays  # else no second price comes while it stays
        if self._is_pushed:
            await self._wait(lambda: False, soon - SOON + PING_SOON)
            if self._is_live:
                connection.act(ClientSession.ping)
        await self._wait(lambda: False, soon)
        if not self._is_pushed and asked_again:
            await self._wait(lambda: self._has_seen_enough() and self._has_moved(), stays_until)
        now = asyncio.get_running_loop().time()
        ended = Ended(at=now, phase=Phase.LIVE, failure=None, traffic=self._session.traffic)
        return (
            self._is_live
            and self._has_seen_enough()
            and (self._has_moved() or not asked_again)
            and self._is_flowing(now)
            and self.facts.unanswered_ping is None
            and self._is_well(replace(self.facts, ended=ended))
        )

    def _is_flowing(self, now: float) -> bool:
        """No price is later than they have been; where prices are asked for, that is the session's business."""
        times = [each.at for each in self.facts.quotes if each.symbol == self._symbol]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return not self._is_pushed or bool(gaps and now - times[-1] <= LATE * median(gaps))

    async def _stay(self, connection: Connected, stays_until: float, until: float) -> None:
        loop = asyncio.get_running_loop()
        for left in reversed(range(PINGS)):
            await self._wait(lambda: False, stays_until - left * self._stays / (PINGS + 1))
            if not self._is_live:
                return
            connection.act(ClientSession.ping)
        within = min(until, loop.time() + DATA_WITHIN + 2 * FRESH)
        if not await self._wait(self._is_clear, min(until, loop.time() + FRESH)) and self._is_live:
            if self._asks:
                connection.act(self._ask_history)  # is anything answered now?
            await self._wait(self._is_clear, within)
        if self._flows() and self._is_live:
            await self._wait(self._has_moved, min(until, loop.time() + FROZEN_SECONDS / 2))

    def _has_moved(self) -> bool:
        """The price is not always the same one, or has been so for long enough."""
        return not self._prices or self._has_two_prices or self._prices >= FROZEN_TICKS

    def _is_clear(self) -> bool:
        """Nothing is awaited whose staying away would mean something."""
        return self.facts.unanswered_ping is None and self._flows()

    def _flows(self) -> bool:
        """Prices come, or need not."""
        facts, now = self.facts, asyncio.get_running_loop().time()
        return facts.is_open(self._symbol or "") is False or now - self._priced_at < FRESH

    async def _wait(self, wanted: Callable[[], bool], until: float) -> bool:
        """Until it is so, the session ended, or the time is over."""
        self._wanted, self._so = wanted, asyncio.get_running_loop().create_future()
        self._look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._so
        return self.facts.ended is None and wanted()

    def note(self, event: Event) -> None:
        self.facts.add(event)
        if isinstance(event, QuoteArrived) and event.symbol == self._symbol:
            self._has_two_prices |= self._prices > 0 and event.price != self._price
            self._priced_at, self._price = event.at, event.price
            self._prices += 1
        self._look()

    def _look(self) -> None:
        if self._so is not None and not self._so.done() and (self.facts.ended is not None or self._wanted()):
            self._so.set_result(None)

    @property
    def _is_live(self) -> bool:
        return self._session.phase is Phase.LIVE

    def _ask_history(self, session: Talking, now: float) -> None:
        broker_time = self.utc_at_zero + now + self._broker.zone_seconds
        index = (
            int(broker_time) * 100 + 17
        )  # as the browser does: ten digits of broker time and two of its own
        session.ask(
            AskHistory(
                symbol=self._symbol or self._broker.default_symbol,
                period=60,
                until=float(int(broker_time)),
                span=HISTORY_SECONDS,
                index=index,
            ),
            now,
        )

    def _has_seen_enough(self) -> bool:
        facts = self.facts
        done = facts.answered + facts.expired
        answered = any(isinstance(each.intent, AskHistory) for each in done) if self._asks else bool(done)
        prices = facts.first_data is not None or facts.is_open(self._symbol or "") is False
        money = not self._asks or facts.balance is not None or facts.purses is not None
        beats = not self._asks or facts.heartbeats
        return bool(answered and prices and money and beats and self._session.has_asked_all)


def _data_every(session: Session) -> float:
    return session.rules.data_every if session.rules else 0.0
