"""One fresh connection, as far as one module goes and no longer than one timeout; what it showed."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from exporters.probing.asked import Module
from probe.catalogue import Reason, entries
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked, Verdict, judge
from probe.measure.calendar import is_open
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.events import Ended, Event, Phase, PhaseFinished, QuoteArrived, Upgraded
from probe.model.findings import Finding, State
from probe.monitor.endpoints import GOODBYE_WITHIN, Connected, Dialler, Session, give_up, leave
from probe.monitor.wanted import Wanted
from probe.session.polled import PolledSession

_GOALS = {Module.OPEN: Phase.OPENING, Module.LOGIN: Phase.AUTHENTICATING, Module.DATA: Phase.LIVE}
_RANDOM = random.SystemRandom()


@dataclass(slots=True, kw_only=True, repr=False)
class Look:
    """What one connection showed. Shown by nothing but the pages: a server's words are in it, and they may hold a secret.

    `seconds`: until its goal was reached, or until it was clear that it is not.
    """

    wanted: Wanted
    endpoint: Endpoint
    module: Module
    credentials: Credentials | None
    symbol: str | None  # whose price is waited for
    timeout: float
    began_utc: float
    session: Session
    facts: Facts = field(default_factory=Facts)
    began_at: float = 0.0
    seconds: float = 0.0
    success: bool = False
    timed_out: bool = False
    _verdict: Verdict | None = None

    @property
    def verdict(self) -> Verdict:
        if self._verdict is None:
            facts, symbol = self.facts, self.symbol
            asked = Asked(
                login=self.module is not Module.OPEN,
                symbol=symbol,
                account=self.credentials.account if self.credentials else None,
                market_open=is_open(symbol, None, self.began_utc) if symbol else None,
            )
            self._verdict = judge(facts, asked, None)
        return self._verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the gravest first."""
        return tuple(each for each in self.verdict.findings if each.state is not State.HEALTHY)

    @property
    def reason(self) -> Reason | None:
        """Why it failed, in the catalogue's few words; None: it did not."""
        if self.success:
            return None
        ended = self.facts.ended
        failure = ended.failure if ended else None
        if self.module is Module.DATA and self.facts.went_live and (failure is None or self.timed_out):
            return Reason.FIRST_DATA_MISSING
        if self.timed_out:
            return Reason.DNS_TIMEOUT if ended and ended.phase is Phase.RESOLVING else Reason.TIMEOUT
        entry = entries().get(failure.code) if failure else None
        return entry.reason if entry else Reason.OTHER


async def look(
    wanted: Wanted,
    endpoint: Endpoint,
    module: Module,
    *,
    credentials: Credentials | None,
    timeout: float,
    utc: Callable[[], float],
) -> Look:
    """Always over when `timeout` is; cancelled, it drops the connection.

    Raises:
        ConfigError: the proxy or the file of authorities cannot be used.
    """
    symbol = next(iter(wanted.symbols), wanted.broker.default_symbol) if module is Module.DATA else None
    dialler = Dialler(
        target=wanted.name,
        broker=wanted.broker,
        rng=_RANDOM,
        tls=wanted.tls,
        proxy=wanted.proxy,
        utc=utc,
        about=wanted.about,
    )
    session = dialler.session(
        endpoint, credentials, goal=_GOALS[module], watch=(symbol,) if symbol is not None else ()
    )
    found = Look(
        wanted=wanted,
        endpoint=endpoint,
        module=module,
        credentials=credentials,
        symbol=symbol,
        timeout=timeout,
        began_utc=utc(),
        session=session,
    )
    await _Looking(found).run(dialler)
    if module is not Module.OPEN:  # the broker's list of all symbols is not worth keeping
        found.verdict  # noqa: B018 - it is made of that
        found.facts.assets = None
        found.facts.quotes.clear()
    return found


class _Looking:
    """Ends a look at its goal, at its failure or at its timeout, whichever is first."""

    def __init__(self, found: Look) -> None:
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._decided = asyncio.Event()
        self._is_polled = isinstance(found.session, PolledSession)

    async def run(self, dialler: Dialler) -> None:
        found = self._found
        found.began_at = self._loop.time()
        until = found.began_at + found.timeout
        connection: Connected | None = None
        try:
            async with asyncio.timeout_at(until) as bound:
                connection = await dialler.dialled(found.session, found.endpoint, self._note)
                await self._decided.wait()
                connection.act(leave)
                bound.reschedule(min(until, self._loop.time() + GOODBYE_WITHIN))
                await connection.ended()
        except TimeoutError:
            found.timed_out = connection is None or not self._decided.is_set()
            if connection is not None:
                connection.act(give_up)
        finally:
            if connection is not None:
                connection.abort()
                await connection.ended()
        self._decide()

    def _note(self, event: Event) -> None:
        found = self._found
        found.facts.add(event)
        match event:
            case PhaseFinished():
                is_there = event.phase is found.session.goal
            case QuoteArrived():
                is_there = event.symbol == found.symbol
            case Upgraded():  # of what is asked one by one, the first answer is enough
                is_there = found.module is Module.OPEN and self._is_polled and event.status < 400
            case _:
                is_there = False
        if is_there and not self._decided.is_set():
            found.success = True
            self._decide()
        elif type(event) is Ended:
            self._decide()

    def _decide(self) -> None:
        if not self._decided.is_set():
            self._found.seconds = self._loop.time() - self._found.began_at
            self._decided.set()
