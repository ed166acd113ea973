"""One session to one target, held for as long as anybody wants: made, kept, lost and made again."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Protocol, TypeVar

from probe.drivers.exchange import CallSettings
from probe.drivers.proxies import choose_proxy
from probe.measure.records import Attempt, Trigger
from probe.model.credentials import Credentials, PasswordLogin
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError
from probe.model.events import Event, Phase, TcpFacts
from probe.model.failures import Blame, Failure, Layer, Retry
from probe.monitor.endpoints import Dialler, Trial, unless_quit
from probe.monitor.hold import Hold, WayIn
from probe.monitor.race import RUNNERS, Race
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import ConnectMode, Wanted
from probe.monitor.winners import Winners
from probe.safety import withheld_from
from probe.session.buckets import Limited
from probe.session.reconnect import Decision, DialRate, another_may_help, decide, is_final, is_regional
from probe.session.talking import Talking
from probe.session.transcript import Line

VISIT_EVERY = 300.0  # where there is nothing to log in with, so that no session can be held
CALL_WITHIN, SIGN_IN_WITHIN = 15.0, 60.0

T = TypeVar("T")


class Listener(Protocol):
    """Who judges a link. All times are the event loop's monotonic clock."""

    def dialling(self, at: float, endpoint: Endpoint, trigger: Trigger) -> None: ...

    def event(self, event: Event) -> None:
        """Every event of the held session, of its dialling and signing in too. The hot one."""

    def kernel(self, at: float, facts: TcpFacts) -> None:
        """With every answered ping."""

    def waiting(self, at: float, until: float, failure: Failure | None) -> None: ...

    def stopped(self, at: float, failure: Failure | None) -> None:
        """For good: as asked for (None), or because trying again cannot help."""

    def attempted(self, attempt: Attempt) -> None:
        """Every attempt: of the held session when it goes live or ends before, of races and knocks when they are over."""


class Link:
    """
    Args:
        utc: UTC seconds.
        winners: None: nothing is remembered.
        max_retries: Stop after so many connections in a row that did not prove good.
        phase_deadline: Of each phase of dialling.
        rejected: What a broker refused, and how; shared by links, so that none tries what another one saw refused.
        rate: Of the link that this one follows.

    Raises:
        ConfigError: no endpoint may have the credential.
    """

    def __init__(
        self,
        wanted: Wanted,
        listener: Listener,
        *,
        rng: Random,
        winners: Winners | None,
        utc: Callable[[], float] = time.time,
        max_retries: int | None = None,
        phase_deadline: float | None = None,
        rejected: dict[Credentials | PasswordLogin, Failure] | None = None,
        rate: DialRate | None = None,
    ) -> None:
        self._wanted, self._listener, self._winners = wanted, listener, winners
        self._rejected = {} if rejected is None else rejected
        self._rng, self._utc, self._max_retries = rng, utc, max_retries
        self._dialler = Dialler(
            target=wanted.name,
            broker=wanted.broker,
            rng=rng,
            tls=wanted.tls,
            proxy=wanted.proxy,
            phase_deadline=phase_deadline,
            utc=utc,
            about=wanted.about,
        )
        self._candidates = _permitted(wanted)
        self._tried: set[Endpoint] = set()  # and found wanting, since a session last proved good
        self._rate = rate or DialRate()
        self._ends_in_a_row = 0
        self._way_in = WayIn(wanted.key)
        self._endpoint: Endpoint | None = None
        self._hold: Hold | None = None
        self._step: asyncio.Task[Any] | None = None  # what stop() need not be patient with
        self._savings: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._asked_for: Trigger | None = None

    # -- for whoever owns it -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled, `stop()`, or nothing more can be done. Nothing is left behind.

        Raises:
            ConfigError: a proxy, a file of authorities or the place of kept sessions cannot be used.
        """
        failure: Failure | None = None
        trigger = Trigger.START
        try:
            if self._earliest() > self._now():
                await self._pause(0.0, None)
            while not self._stopping.is_set():
                failure = await self._connect(trigger)
                if self._stopping.is_set():
                    break
                decision = self._decide(failure)
                renewed = await self._interruptible(self._way_in.renew(failure)) or False
                if self._stopping.is_set():
                    break
                if renewed:
                    decision = decide(None, 1, self._rng)
                if decision.delay_seconds is None:
                    break
                trigger = self._next_trigger(failure, decision, renewed=renewed)
                await self._pause(decision.delay_seconds, failure)
            self._listener.stopped(self._now(), None if self._stopping.is_set() else failure)
        finally:
            if self._winners is not None:
                self._save(self._winners)
                await asyncio.gather(*self._savings)

    def stop(self) -> None:
        """Leave in order; `run` returns within little more than a second."""
        self._stopping.set()
        if self._step is not None:
            self._step.cancel()
        if self._hold is not None:
            self._hold.leave()

    def reconnect(self, trigger: Trigger) -> None:
        """Drop the present session and make a new one. Where none is open, one is being made already."""
        if self._hold is not None and self._hold.is_open:
            self._asked_for = trigger
            self._hold.leave()

    def act(self, action: Callable[[Talking, float], T]) -> T | None:
        """Do something with the live session; None: there is none."""
        hold = self._hold
        if hold is None or hold.connection is None or hold.session.phase is not Phase.LIVE:
            return None
        return hold.connection.act(action)

    def last_messages(self) -> list[Line]:
        """Of the present session or the last one, with monotonic times."""
        return self._hold.session.transcript() if self._hold is not None else []

    @property
    def session(self) -> Talking | None:
        """The present one, or the last."""
        return self._hold.session if self._hold is not None else None

    @property
    def trial(self) -> Trial | None:
        """How that one was made."""
        return self._hold.trial if self._hold is not None else None

    def kernel(self) -> TcpFacts | None:
        """None: there is no connection, or this system does not tell."""
        return self._hold.kernel() if self._hold is not None else None

    @property
    def credentials(self) -> Credentials | None:
        """What that one was opened with."""
        return self._hold.credentials if self._hold is not None else None

    def has_seen_refused(self, credentials: Credentials | None) -> bool:
        """Whether the broker said of it that it is not to be tried again."""
        return credentials is not None and credentials in self._rejected

    @property
    def endpoint(self) -> Endpoint | None:
        """Where that one is, or was."""
        return self._hold.trial.endpoint if self._hold is not None else None

    @property
    def dials(self) -> Limited:
        """How often connecting had to wait for its limit."""
        return self._rate.figures

    @property
    def live_endpoint(self) -> Endpoint | None:
        """Where there is a live session now."""
        hold = self._hold
        return hold.trial.endpoint if hold is not None and hold.session.phase is Phase.LIVE else None

    # -- one connection ------------------------------------------------------------------------------------------------

    async def _connect(self, trigger: Trigger) -> Failure | None:
        """Choose an endpoint, and hold a session there until it ends."""
        key = self._wanted.key
        opens = key.login if isinstance(key, SignIn) else key
        if opens is not None and (refused := self._rejected.get(opens)) is not None:
            return refused
        if self._endpoint is None:
            failure = await self._choose(trigger)
            if self._endpoint is None:
                return failure
        endpoint = self._endpoint
        trial = self._dialler.trial(endpoint, "hold", trigger)
        self._rate.note(endpoint.url, self._now())
        self._listener.dialling(self._now(), endpoint, trigger)
        credentials = await self._interruptible(self._sign_in(endpoint, trial))
        if self._stopping.is_set():
            return None
        if isinstance(credentials, Failure):
            self._listener.attempted(trial.attempt())
            self._remember_rejection(opens, credentials)
            return credentials
        self._hold = hold = Hold(
            self._dialler,
            trial,
            credentials,
            self._wanted.symbols,
            self._listener,
            on_live=self._went_live,
            on_proof=self._proved,
        )
        attempt = await hold.run()
        if not hold.was_live:
            self._listener.attempted(attempt)
            self._remember_rejection(credentials, attempt.failure)
        elif hold.is_good:
            self._ends_in_a_row = 0
        return attempt.failure

    async def _sign_in(self, endpoint: Endpoint, trial: Trial) -> Credentials | Failure | None:
        def tell(event: Event) -> None:
            trial.note(event)
            self._listener.event(event)

        chosen = choose_proxy(endpoint.address, self._wanted.proxy)
        settings = CallSettings(
            tls=self._wanted.tls,
            proxy=chosen.proxy if chosen else None,
            timeout=CALL_WITHIN,
            deadline=SIGN_IN_WITHIN,
        )
        return await self._way_in.credentials(endpoint, settings, tell)

    async def _choose(self, trigger: Trigger) -> Failure | None:
        """Sets the endpoint; if none of those that race arrives, says why."""
        left = self._left()
        if self._wanted.connect is ConnectMode.FALLBACK or len(left) == 1:
            self._endpoint = left[0]
            return None
        runners = left[:RUNNERS]
        for endpoint in runners:
            self._rate.note(endpoint.url, self._now())
        raced = await self._interruptible(Race(self._dialler, runners, trigger=trigger).run())
        if raced is None:
            return None
        for endpoint, attempt in zip(runners, raced.attempts, strict=True):
            self._listener.attempted(attempt)
            if attempt.failure is not None:
                self._remember_failure(endpoint, attempt.failure)
                self._tried.add(endpoint)
        self._endpoint = raced.winner
        failures = [attempt.failure for attempt in raced.attempts if attempt.failure is not None]
        return min(failures, key=lambda each: each.facts.retry is Retry.STOP, default=None)

    def _left(self) -> list[Endpoint]:
        """What may be tried, the best first."""
        ordered = self._winners.ordered(self._candidates) if self._winners else self._candidates
        return [each for each in ordered if each not in self._tried]

    # -- what comes after ----------------------------------------------------------------------------------------------

    def _decide(self, failure: Failure | None) -> Decision:
        here = {self._endpoint} if self._endpoint is not None else set()
        if failure is None and not all(map(self._wanted.can_hold, here)):  # it came as far as it could
            self._ends_in_a_row = 0
            pause = self._wanted.knock_every or VISIT_EVERY
            return Decision(delay_seconds=pause, other_endpoint=False, why="there is nothing to log in with")
        self._ends_in_a_row += 1
        decision = decide(
            failure,
            self._ends_in_a_row,
            self._rng,
            endpoints_left=len(self._candidates) - len(self._tried | here),
            max_retries=self._max_retries,
        )
        if failure is not None:
            for endpoint in here:
                self._remember_failure(endpoint, failure)
            if another_may_help(failure, self._ends_in_a_row):
                self._tried |= here
                self._endpoint = None
        if len(self._tried) == len(self._candidates):  # from the beginning
            self._tried.clear()
        return decision

    def _next_trigger(self, failure: Failure | None, decision: Decision, *, renewed: bool) -> Trigger:
        asked, self._asked_for = self._asked_for, None
        if asked is not None:
            return asked
        if renewed:
            return Trigger.AUTH_REFRESH
        return Trigger.ENDPOINT_SWITCH if decision.other_endpoint else trigger_after(failure)

    async def _pause(self, seconds: float, failure: Failure | None) -> None:
        now = self._now()
        until = max(now + seconds, self._earliest())
        self._rate.held_back(until - now - seconds)
        self._listener.waiting(now, until, failure)
        await self._interruptible(asyncio.sleep(until - now))

    def _earliest(self) -> float:
        """When what is dialled next may be dialled again."""
        races = self._endpoint is None and self._wanted.connect is ConnectMode.RACE
        following = [self._endpoint] if self._endpoint else self._left()[: RUNNERS if races else 1]
        return max(self._rate.earliest(each.url) for each in following)

    def _remember_failure(self, endpoint: Endpoint, failure: Failure) -> None:
        if self._winners is not None and is_regional(failure):
            self._winners.failed(endpoint, self._utc())

    def _remember_rejection(self, opens: Credentials | PasswordLogin | None, failure: Failure | None) -> None:
        if opens is None or failure is None or not is_final(failure):
            return
        if failure.facts.blame is Blame.CREDENTIAL:
            self._rejected[opens] = failure

    # -- told by the session that is held ------------------------------------------------------------------------------

    def _went_live(self, hold: Hold) -> None:
        self._listener.attempted(hold.trial.attempt(hold.kernel()))
        if self._winners is not None:
            seconds = hold.trial.seconds_to_greeting
            self._winners.reached(hold.trial.endpoint, seconds, self._utc(), live=True)
            self._save(self._winners)

    def _proved(self) -> None:
        self._tried.clear()
        self._way_in.proved()

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _interruptible(self, step: Coroutine[Any, Any, T]) -> T | None:
        """None: `stop()` came first."""
        self._step = task = asyncio.get_running_loop().create_task(step)
        try:
            return await unless_quit(task, self._stopping.is_set)
        finally:
            self._step = None

    def _save(self, winners: Winners) -> None:
        saving = asyncio.get_running_loop().create_task(asyncio.to_thread(winners.save))
        self._savings.add(saving)
        saving.add_done_callback(self._savings.discard)


def trigger_after(failure: Failure | None) -> Trigger:
    """Why there is a new connection, for how the last one ended."""
    if failure is None:
        return Trigger.OPERATOR
    match failure.facts.layer:
        case Layer.HEARTBEAT:
            return Trigger.PING_TIMEOUT
        case Layer.DNS | Layer.TCP | Layer.PROXY | Layer.TLS | Layer.LOCAL:
            return Trigger.NETWORK_ERROR
        case Layer.CLOSING | Layer.DATA if failure.facts.blame is Blame.NETWORK:
            return Trigger.NETWORK_ERROR
        case _:
            return Trigger.REMOTE_CLOSE


def _permitted(wanted: Wanted) -> tuple[Endpoint, ...]:
    """Where a session of this target may be held.

    Raises:
        ConfigError: nowhere.
    """
    key = wanted.key
    if key is None:
        permitted = wanted.endpoints
    else:
        account = key.login.account if isinstance(key, SignIn) else key.account
        permitted = tuple(
            each
            for each in wanted.endpoints
            if each.account is account or Account.NONE in (each.account, account)
        )
        if not permitted:
            raise ConfigError(
                f"none of its endpoints is for {account.value} accounts, and the credential is",
                where=wanted.name,
                next_step="Give the endpoints of that kind, or none to take those that are known.",
            )
        permitted = tuple(each for each in permitted if withheld_from(each) is None)
    if not permitted:
        withheld = withheld_from(wanted.endpoints[0]) if wanted.endpoints else None
        raise ConfigError(
            f"no endpoint may receive the credential: {withheld.reason}"
            if withheld
            else "it has no endpoint",
            where=wanted.name,
            next_step=withheld.next_step if withheld else "Name one with --endpoint.",
        )
    return permitted
