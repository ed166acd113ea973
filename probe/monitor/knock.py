"""One fresh connection, as far as the credential allows, with everything it shows; then a polite goodbye."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from probe.diagnose.facts import Facts
from probe.diagnose.verdict import LOOKED_LONG_ENOUGH, Asked, Verdict, judge
from probe.drivers.exchange import CallSettings
from probe.drivers.proxies import ChosenProxy
from probe.drivers.tls import TlsProfile
from probe.measure.calendar import is_open
from probe.measure.clocks import ClockOffset
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.events import Event, Phase
from probe.model.failures import Failure
from probe.model.findings import Withheld
from probe.model.intents import AskHistory
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
) -> Knock:
    """Connect, log in if there is a key and the endpoint may have it, look for prices and answers, leave.

    Args:
        symbol: Whose prices; None: the broker's usual one.

    A token that came from signing in and is refused is never used again; if it was an old one, a new one gets a try.

    Raises:
        ConfigError: sessions cannot be kept where they should be.
    """
    look = _Look(broker, endpoint, tls, proxy, about or About(), symbol or broker.default_symbol)
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
    ) -> None:
        self._broker, self._endpoint, self._tls, self._proxy = broker, endpoint, tls, proxy
        self._about, self._symbol = about, symbol
        self._began_at = time.time()

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
            about=self._about,
        )
        session = dialler.session(self._endpoint, credentials, watch=(symbol,) if symbol else ())
        gaze = _Gaze(session, symbol, self._broker, time.time() - asyncio.get_running_loop().time())
        if entered is not None:
            gaze.facts.add(entered.event)
        plan = replace(dialler.plan(self._endpoint), proxy=self._proxy.proxy if self._proxy else None)
        await gaze.run(dialler.dialled(session, self._endpoint, gaze.note, plan), timeout)
        asked = Asked(
            login=goes_in,
            symbol=symbol,
            withheld=withheld,
            account=credentials.account if credentials else None,
            signed_in=entered is not None,
            market_open=is_open(symbol, None, self._began_at) if symbol else None,
            price_within=max(LOOKED_LONG_ENOUGH, LOOKS * _data_every(session)),
        )
        clock = gaze.facts.clock(gaze.utc_at_zero)
        return self._judged(gaze.facts, asked, clock, entered, session.transcript())

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
        utc_at_zero: float,
    ) -> None:
        self.facts = Facts()
        self.utc_at_zero = utc_at_zero
        self._session, self._symbol, self._broker = session, symbol, broker
        self._asks = isinstance(session, ClientSession) and broker.rules.asks_history
        self._so: asyncio.Future[None] | None = None  # whether what is waited for is so
        self._wanted: Callable[[], bool] = lambda: False

    async def run(self, dialling: Awaitable[Connected], timeout: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        try:
            async with asyncio.timeout_at(until):
                connection = await dialling
        except TimeoutError:
            return  # the session was told so, and has said its `Ended`
        try:
            if await self._wait(lambda: self._is_live, until):
                if self._asks:
                    connection.act(self._ask_history)
                data_within = max(DATA_WITHIN, (LOOKS + 1) * _data_every(self._session))
                await self._wait(self._has_seen_enough, min(until, loop.time() + data_within))
            self.facts.kernel = connection.tcp_facts()
            connection.act(give_up)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_WITHIN):
                    await connection.ended()
        finally:
            connection.abort()

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
