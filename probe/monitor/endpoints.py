"""One connection to one endpoint, no further than wanted, timed step by step; and all endpoints so, one after another."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar

from probe.drivers.aio import connect
from probe.drivers.dial import DEADLINES, DialPlan
from probe.drivers.polling import converse
from probe.drivers.proxies import choose_proxy
from probe.drivers.tls import TlsProfile
from probe.measure.records import Attempt, PhaseTime, Trigger
from probe.model.credentials import Credentials, redactor_for
from probe.model.endpoint import Endpoint
from probe.model.events import Dialled, Ended, Event, Phase, PhaseFinished, TcpFacts, Upgraded
from probe.model.intents import Watch
from probe.session.broker import AccessPoint, Broker, SurveyPlan
from probe.session.client import ClientSession, Plan
from probe.session.polled import PolledSession, PollPlan
from probe.session.talking import Talking
from probe.session.touching import TouchingSession

T = TypeVar("T")

Session = ClientSession | PolledSession | TouchingSession


class Connected(Protocol):
    """A session and what carries it."""

    def act(self, action: Callable[[Any, float], T]) -> T: ...

    def abort(self) -> None: ...

    async def ended(self) -> Ended: ...

    def tcp_facts(self) -> TcpFacts | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What else somebody configured about a target."""

    access_points: tuple[AccessPoint, ...] = ()
    journal: str | None = None
    simulated: bool = False


def leave(session: Talking, now: float) -> None:
    session.leave(now)


def give_up(session: Talking, now: float) -> None:
    session.give_up(now)


GOODBYE_WITHIN = 1.0  # a server that does not answer a goodbye is not waited for any longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialler:
    """How a target's endpoints are reached: the same for every purpose."""

    target: str
    broker: Broker
    rng: Random
    tls: TlsProfile = field(default_factory=TlsProfile)
    proxy: str | None = None  # as chosen by the user; None: as the environment says
    phase_deadline: float | None = None  # of each of the dialler's phases, where it is shorter than usual
    utc: Callable[[], float] = time.time
    about: About = field(default_factory=About)

    def session(
        self,
        endpoint: Endpoint,
        credentials: Credentials | None,
        *,
        goal: Phase = Phase.LIVE,
        watch: Sequence[str] = (),
    ) -> Session:
        """With the goal CONNECTING nothing at all is said there."""
        if endpoint.scheme == "tcp" or goal is Phase.CONNECTING:
            return TouchingSession()
        surveyor = self.broker.surveys.get(endpoint.scheme)
        if surveyor is not None:
            survey = surveyor(
                SurveyPlan(
                    base=endpoint.url.rstrip("/"),
                    symbols=tuple(watch),
                    utc_at_zero=self.utc() - asyncio.get_running_loop().time(),
                    credentials=credentials,
                    access_points=self.about.access_points,
                    journal=self.about.journal,
                    simulated=self.about.simulated,
                )
            )
            return PolledSession(
                survey=survey,
                credentials=credentials,
                plan=PollPlan(account=endpoint.account, goal=survey.rules.nearest(goal)),
                redact=redactor_for(credentials),
            )
        address = endpoint.address
        return ClientSession(
            codec=self.broker.codec(),
            credentials=credentials,
            plan=Plan(
                host=address.host_header,
                path=address.path,
                account=endpoint.account,
                headers=self.broker.request_headers(credentials, address),
                watch=tuple(Watch(symbol=symbol) for symbol in watch),
                goal=self.broker.rules.nearest(goal),
            ),
            rng=self.rng,
            redact=redactor_for(credentials),
        )

    def dialled(
        self,
        session: Session,
        endpoint: Endpoint,
        on_event: Callable[[Event], None],
        plan: DialPlan | None = None,
    ) -> Coroutine[Any, Any, Connected]:
        """
        Raises:
            ConfigError: the setting of a proxy is no URL of one.
        """
        plan = plan or self.plan(endpoint)
        if isinstance(session, PolledSession):
            return converse(session, plan, url=endpoint.url, on_event=on_event)
        return connect(session, plan, on_event=on_event)

    def plan(self, endpoint: Endpoint) -> DialPlan:
        """
        Raises:
            ConfigError: the setting of a proxy is no URL of one.
        """
        chosen = choose_proxy(endpoint.address, self.proxy)
        deadlines = DEADLINES
        if (most := self.phase_deadline) is not None:
            deadlines = {phase: min(seconds, most) for phase, seconds in DEADLINES.items()}
        return DialPlan(
            address=endpoint.address,
            proxy=chosen.proxy if chosen else None,
            tls=self.tls,
            deadlines=deadlines,
        )

    def trial(self, endpoint: Endpoint, purpose: str, trigger: Trigger | None = None) -> "Trial":
        return Trial(self.target, endpoint, purpose, trigger, self.utc())


class Trial:
    """Folds the events of one connection into the record of the attempt."""

    __slots__ = (
        "_at_utc",
        "_ended",
        "_purpose",
        "_target",
        "dialled",
        "endpoint",
        "greeted_by",
        "phases",
        "status",
        "trigger",
    )

    def __init__(
        self, target: str, endpoint: Endpoint, purpose: str, trigger: Trigger | None, at_utc: float
    ) -> None:
        self._target, self._purpose, self._at_utc = target, purpose, at_utc
        self.endpoint, self.trigger = endpoint, trigger
        self.greeted_by = Phase.OPENING
        self.phases: list[PhaseTime] = []
        self.dialled: Dialled | None = None
        self.status: int | None = None
        self._ended: Ended | None = None

    def note(self, event: Event) -> None:
        match event:
            case PhaseFinished():
                self.phases.append(PhaseTime(phase=event.phase, seconds=event.seconds))
            case Dialled():
                self.dialled = event
            case Upgraded():
                self.status = event.status
            case Ended():
                self._ended = event
            case _:
                pass

    def attempt(self, kernel: TcpFacts | None = None, *, left: bool = False) -> Attempt:
        """`left`: it was ended by us, before it came where it was going."""
        dialled, tls = self.dialled, self.dialled.tls if self.dialled else None
        failure = self._ended.failure if self._ended and not left else None
        refused = failure.http_status if failure else None
        return Attempt(
            at_utc=self._at_utc,
            target=self._target,
            endpoint=self.endpoint.region,
            purpose=self._purpose,
            trigger=self.trigger,
            phases=tuple(self.phases),
            failure=failure,
            address=dialled.address if dialled else None,
            http_status=refused or self.status,
            certificate_expires_utc=tls.not_after if tls else None,
            tls=f"{tls.version} {tls.cipher}" if tls else None,
            proxy=dialled.proxy if dialled else None,
            tcp_rtt_seconds=kernel.rtt_seconds if kernel else None,
        )

    @property
    def seconds_to_greeting(self) -> float | None:
        """From the first dial to the other end's first word, signing in apart; None: it did not come so far."""
        total = 0.0
        for each in self.phases:
            total += 0.0 if each.phase is Phase.SIGNING_IN else each.seconds
            if each.phase is self.greeted_by:
                return total
        return None


class Visit:
    """A connection that leaves in order when `goal` is behind it. Without credentials it never goes beyond the last phase
    before the login.

    Args:
        on_arrival: Told when the goal is reached, before leaving.
    """

    def __init__(
        self,
        dialler: Dialler,
        trial: Trial,
        *,
        goal: Phase,
        credentials: Credentials | None = None,
        watch: Sequence[str] = (),
        on_arrival: Callable[[], None] | None = None,
    ) -> None:
        self.trial, self.credentials = trial, credentials
        self.session = dialler.session(trial.endpoint, credentials, goal=goal, watch=watch)
        self.connection: Connected | None = None
        self._dialler, self._on_arrival = dialler, on_arrival
        trial.greeted_by = self.session.greeted_by
        self._dialling: asyncio.Task[Connected] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._kernel: TcpFacts | None = None
        self._quits: Callable[[Talking, float], None] | None = None

    async def run(self, timeout: float | None = None) -> Attempt:
        """Cancelled, it drops the connection.

        Raises:
            ConfigError: the proxy or the file of authorities cannot be used.
        """
        dialling = self._dialler.dialled(self.session, self.trial.endpoint, self._note)
        if timeout is not None:
            self._set_timer("timeout", timeout, lambda: self._quit(give_up))
        self._dialling = asyncio.get_running_loop().create_task(dialling)
        try:
            self.connection = await unless_quit(self._dialling, lambda: self._quits is not None)
            if self.connection is not None:
                if self._quits is not None:  # meanwhile
                    self._quit(self._quits)
                await self.connection.ended()
        finally:
            for timer in self._timers.values():
                timer.cancel()
            if self.connection is not None:
                self.connection.abort()
                await self.connection.ended()
        return self.trial.attempt(self._kernel, left=self._quits is leave)

    def leave(self) -> None:
        """In order; `run` returns soon."""
        self._quit(leave)

    def _quit(self, how: Callable[[Talking, float], None]) -> None:
        self._quits = how
        if self.connection is not None:
            self._say_goodbye()
            self.connection.act(how)
        elif self._dialling is not None:
            self._dialling.cancel()

    def _note(self, event: Event) -> None:
        self.trial.note(event)
        if isinstance(event, PhaseFinished) and event.phase is self.session.goal:
            if self.connection is not None:
                self._kernel = self.connection.tcp_facts()
                self._say_goodbye()
            if self._on_arrival is not None:
                self._on_arrival()

    def _say_goodbye(self) -> None:
        if self.connection is not None:
            self._set_timer("goodbye", GOODBYE_WITHIN, self.connection.abort)

    def _set_timer(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        if (old := self._timers.get(name)) is not None:
            old.cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, action)


async def unless_quit(task: asyncio.Task[T], was_quit: Callable[[], bool]) -> T | None:
    """What comes of the task; None: it alone was cancelled, on purpose."""
    try:
        return await task
    except asyncio.CancelledError:
        waiting = asyncio.current_task()
        if was_quit() and waiting is not None and not waiting.cancelling():
            return None
        raise


async def measure(
    dialler: Dialler,
    endpoints: Sequence[Endpoint],
    *,
    timeout: float,
    goal: Phase = Phase.OPENING,
    credentials: Credentials | None = None,
) -> AsyncIterator[tuple[Trial, Attempt]]:
    """One after another, so that none is slowed down by the others. `timeout` bounds each."""
    for endpoint in endpoints:
        trial = dialler.trial(endpoint, "measure")
        visit = Visit(dialler, trial, goal=goal, credentials=credentials)
        yield trial, await visit.run(timeout)
