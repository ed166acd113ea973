"""The steps in their order: this machine, the credential, names, ways, TLS, then one session. What an earlier step made
meaningless is not tried, and not called well."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from probe.diagnose.answers import told_as
from probe.diagnose.case import (
    USUAL,
    Case,
    Look,
    Looks,
    Pasted,
)
from probe.diagnose.diagnose import Diagnosis, diagnose, rules_for
from probe.diagnose.rules.config import is_refused
from probe.diagnose.rules.flow import PUSHED
from probe.doctor.controls import ask_controls
from probe.doctor.handshakes import shake_hands
from probe.doctor.names import look_up
from probe.doctor.past import read_past
from probe.doctor.ways import try_ways
from probe.drivers.dial import Resolver, literal_address, system_resolver
from probe.drivers.proxies import ChosenProxy
from probe.drivers.tls import TlsProfile
from probe.host.clock import ClockWatch, clock_of_session
from probe.host.connections import count_connections
from probe.host.lag import Lag, LagWatch
from probe.host.look import look_at_host
from probe.host.packages import look_at_packages
from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint
from probe.model.failures import Failure, Retry
from probe.model.findings import Certainty, State
from probe.monitor.endpoints import About
from probe.monitor.knock import Knock, knock
from probe.monitor.sign_in import SignIn
from probe.session.broker import Broker
from probe.session.overheard import OtherClient

T = TypeVar("T")

BUDGET, DEEP_BUDGET = 60.0, 180.0
STAYS, STAYS_DEEP, STAYS_FRESH = (
    10.0,
    45.0,
    3.0,
)  # seconds in which prices are watched after the login, if anything is in doubt
STRANGERS_DOOR = "it would test somebody else's door"
NOT_TWICE = "such an answer is not asked for twice"
PAST_THE_PROXY = "it would go past the proxy to somebody else's server"
STEP_WITHIN, HANDSHAKE_WITHIN = 15.0, 3.0
PARTING = 2.0  # of the budget: what a session showed is not lost with it
BEAT = 0.1  # between two looks at how late the loop is
REFUSES_POLLING = ("http.wrong-path", "http.no-upgrade", "http.403-origin", "http.200-not-101")
PAUSE = 5.0  # before the same is tried a second time


class Outcome(Enum):
    FINE = "ok"
    BROKEN = "broken"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step, as it went."""

    name: str
    outcome: Outcome
    seconds: float | None = None
    note: str = ""  # what was found, or why it was not tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is examined, understood."""

    name: str  # safe to show
    broker: Broker | None
    endpoint: Endpoint | None  # None: the credential cannot be read, so nobody knows where it leads
    key: Credentials | SignIn | None = None
    tls: TlsProfile = field(default_factory=TlsProfile)
    proxy: ChosenProxy | None = None
    about: About = field(default_factory=About)
    symbol: str | None = None
    pasted: Pasted | None = None
    is_ours: bool = False  # a simulator, or declared to be the user's own: may be asked more than once
    others: tuple[tuple[Endpoint, Credentials | None], ...] = ()  # its other regions, and what opens each
    known_as: str | None = None  # under which name a store has kept what happened to it
    beside: tuple[str, ...] = ()  # names in the store of other targets of the same broker
    client: OtherClient | None = None  # what the log of another client shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """With what, and how far."""

    controls: tuple[str, ...] = ()  # HOST:PORT
    resolvers: tuple[str, ...] = ()  # addresses
    store: Path | None = None
    offline: bool = False
    deep: bool = False
    leaves_early: bool = True  # a target that is well, as soon as that is known; never when deep
    budget: float = BUDGET


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    patient: Patient
    means: Means
    began_utc: float
    seconds: float
    case: Case
    diagnosis: Diagnosis
    rungs: tuple[Rung, ...]
    knock: Knock | None  # the session, as `probe check` shows one
    made_with: str = ""  # by which version, on what system; empty: this one, here


def contacts(patient: Patient, means: Means) -> list[str]:
    """Whom the examination will ask, in order, in words."""
    if means.offline or patient.endpoint is None:
        return []
    people = [f"the control {each}" for each in means.controls]
    if patient.endpoint.scheme == "terminal":
        return [*people, "the terminal on this machine"]
    address = patient.endpoint.address
    is_name = literal_address(address.host, address.port) is None
    ways = f"a TCP connection{' to each address' * is_name}, {'TLS handshakes, ' * address.secure}"
    if patient.proxy is not None:
        people.append(f"the proxy {patient.proxy}")
        ways = ""
    elif is_name:
        people.append("this machine's resolver")
        people += [f"the resolver {each}, if that one's answer is odd" for each in means.resolvers]
    session = f"one session {'without a' if patient.key is None else 'with the'} credential"
    if _may_return(patient):
        session += ", and more if that leaves doubts"
    if _wants_polling(patient.endpoint):
        session += ", and one more as a WebSocket, without a credential, if polling is refused"
    people.append(f"{address.host_header} ({ways}{session})")
    if patient.is_ours and patient.others:
        people.append(f"{patient.others[0][0].address.host_header} (another region, if that leaves doubts)")
    if isinstance(patient.key, SignIn):
        people.append("the broker's web pages, to sign in")
    return people


def _wants_polling(endpoint: Endpoint) -> bool:
    return parse_qs(urlsplit(endpoint.url).query).get("transport", [""])[0] == "polling"


def _may_return(patient: Patient) -> bool:
    """A second session asks nobody to let us in again."""
    return patient.is_ours or patient.key is None


def as_websocket(url: str) -> str:
    """The same URL, asking for a WebSocket."""
    return url.replace("transport=polling", "transport=websocket")


def _only(address: str) -> Resolver:
    """Tells this address, whoever is asked for."""
    return lambda _, port: literal_address(address, port) or []


def _look_of(seen: Knock) -> Look:
    return Look(
        endpoint=seen.endpoint,
        facts=seen.facts,
        asked=seen.asked,
        clock=seen.clock,
        proxy=str(seen.proxy) if seen.proxy else "",
        control_symbol=seen.control_symbol,
        began_utc=seen.began_at,
    )


async def examine(
    patient: Patient,
    means: Means,
    say: Callable[[Rung], object] | None = None,
    *,
    utc: Callable[[], float] = time.time,
) -> Examination:
    """
    Args:
        say: Told each step when it is over.

    Raises:
        ConfigError: a file of authorities or a proxy's setting cannot be used.
    """
    examiner = _Examiner(patient, means, say or (lambda _: None), utc)
    began_utc, began = utc(), asyncio.get_running_loop().time()
    await examiner.run()
    case = examiner.case
    return Examination(
        patient=patient,
        means=means,
        began_utc=began_utc,
        seconds=asyncio.get_running_loop().time() - began,
        case=case,
        diagnosis=diagnose(case, rules_for(patient.broker)),
        rungs=tuple(examiner.rungs),
        knock=examiner.knock,
    )


class _Examiner:
    def __init__(
        self,
        patient: Patient,
        means: Means,
        say: Callable[[Rung], object],
        utc: Callable[[], float],
    ) -> None:
        self._patient, self._means, self._say, self._utc = patient, means, say, utc
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + means.budget
        self._clocks = ClockWatch(utc, self._loop.time)
        self.case = Case(pasted=patient.pasted, client=patient.client, is_ours=patient.is_ours)
        self.rungs: list[Rung] = []
        self._told = 0
        self.knock: Knock | None = None
        self._why_not = ""  # what made the rest of the way meaningless

    async def run(self) -> None:
        await self._this_machine()
        self._credential()
        self._past()
        if self._means.offline:
            self._stop("not asked to go online (--offline)")
        elif self._patient.endpoint is None:
            self._stop("nobody knows where a credential leads that cannot be read")
        async with LagWatch(BEAT) as lag:
            await self._controls()
            await self._names()
            await self._ways()
            await self._handshakes()
            await self._session()
            await self._more_looks()
        self._this_machine_meanwhile(lag.worst)
        self._tell()

    # -- nothing leaves this machine -----------------------------------------------------------------------------------

    async def _this_machine(self) -> None:
        host = await self._timed("this machine", look_at_host())
        if host is not None:
            self._know(host=host)

    def _this_machine_meanwhile(self, lag: Lag) -> None:
        """Whether clocks and loop ran evenly, from the first step to the last."""
        host = self.case.host
        if host is None:
            return
        if lag.seconds > host.loop_lag_seconds:
            host = replace(host, loop_lag_seconds=lag.seconds, blocked_in=lag.blocked_in)
        jump, slept = self._clocks.jump_seconds, self._clocks.slept_seconds
        self._know(host=replace(host, clock_jump_seconds=jump, slept_seconds=slept))

    def _credential(self) -> None:
        pasted = self._patient.pasted
        with suppress(OSError):  # where no file can be opened, this machine has said so
            self._know(packages=look_at_packages(self._patient.broker))
        if pasted is None:
            given = "none was given" if self._patient.key is None else "the simulator brings its own"
            self._note("credential", Outcome.NOT_CHECKED, note=given)
        elif pasted.code:
            self._note("credential", Outcome.BROKEN, note=pasted.problem)
        else:
            self._note("credential", Outcome.FINE, note="; ".join(pasted.repairs))

    def _past(self) -> None:
        patient = self._patient
        if self._means.store is not None and patient.known_as is not None:
            self._know(past=read_past(self._means.store, patient.known_as, self._utc(), patient.beside))

    # -- the way -------------------------------------------------------------------------------------------------------

    async def _controls(self) -> None:
        if self._why_not or not self._means.controls:
            return
        found = await self._timed(
            "controls", ask_controls(self._means.controls, within=STEP_WITHIN, utc=self._utc)
        )
        if found is not None:
            controls, clocks = found
            self._know(controls=controls, clocks=clocks)

    async def _names(self) -> None:
        patient = self._patient
        if self._why_not or patient.endpoint is None or self._others_work:
            return self._skip("names", self._others_work)
        address = patient.endpoint.address
        names = await self._timed(
            "names", look_up(address.host, address.port, resolvers=self._means.resolvers, within=STEP_WITHIN)
        )
        if names is None:
            return None
        self._know(names=names)
        self._amend(", ".join(names.addresses), is_broken=not names.addresses)
        if not names.addresses:
            self._stop("the host has no address here")
        return None

    async def _ways(self) -> None:
        names, patient = self.case.names, self._patient
        if self._why_not or names is None or patient.endpoint is None:
            return self._skip("TCP", self._others_work)
        ways = await self._timed(
            "TCP", try_ways(names.addresses, patient.endpoint.address.port, within=STEP_WITHIN)
        )
        if ways is None:
            return None
        self._know(ways=ways)
        reached = [way for way in ways if way.failure is None]
        shown = reached[0] if reached else ways[0]
        self._amend(shown.address if reached else str(shown.failure), is_broken=not reached)
        if not reached:
            self._stop("no address of the host takes connections")
        return None

    async def _handshakes(self) -> None:
        patient = self._patient
        if self._why_not or patient.endpoint is None:
            return self._skip("TLS")
        if patient.endpoint.scheme != "terminal" and not patient.endpoint.address.secure:
            return self._skip("TLS", f"{patient.endpoint.scheme}:// has none")
        reached = self._reached
        if not reached:
            return self._skip("TLS", self._others_work)
        tries = await self._timed(
            "TLS", shake_hands(patient.endpoint.address, reached[0], patient.tls, within=STEP_WITHIN)
        )
        if tries is None:
            return None
        self._know(handshakes=tries)
        usual = self.case.handshake(USUAL)
        if usual is not None and usual.failure is not None:
            self._amend(str(usual.failure), is_broken=True)
            self._stop("TLS does not come about")
        return None

    # -- the session ---------------------------------------------------------------------------------------------------

    async def _session(self) -> None:
        patient, means = self._patient, self._means
        if self._why_not or patient.broker is None or patient.endpoint is None:
            return self._skip("session")
        stays = STAYS_DEEP if means.deep else STAYS
        if patient.proxy is None:
            port = patient.endpoint.address.port
            self._know(own_connections=count_connections(self._reached, port))
        first = await self._look("session", stays, patient.key, patient.proxy)
        if first is None:
            return None
        self._know(looks=Looks(first=first))
        address = first.endpoint.address
        theirs = clock_of_session(first.facts, address.host_header, self._utc() - self._loop.time())
        if theirs is not None:
            self._know(clocks=(*self.case.clocks, theirs))
        failure = self.case.failure
        if failure is not None:
            self._amend(str(failure), is_broken=True)
            await self._handshakes_after_all(failure)
        return None

    async def _handshakes_after_all(self, failure: Failure) -> None:
        """Whoever hangs up on plain HTTP without a word may be waiting for TLS."""
        address = self.case.looks.first.endpoint.address if self.case.looks else None
        reached = self._reached
        if address is None or address.secure or failure.kind != "http.closed" or not reached:
            return
        tries = await self._timed(
            "TLS after all",
            shake_hands(
                replace(address, secure=True), reached[0], self._patient.tls, within=HANDSHAKE_WITHIN
            ),
        )
        if tries is not None and any(each.tls is not None for each in tries):
            self._know(handshakes=tries)
            self._amend("the port speaks it", is_broken=False)
        elif tries is not None:
            self._amend("the port does not speak it either", is_broken=False)

    @property
    def _others_work(self) -> str:
        """Who finds the way in our place; empty: nobody."""
        patient = self._patient
        if self._why_not or patient.endpoint is None:
            return ""
        if patient.endpoint.scheme == "terminal":
            return "the terminal on this machine does that"
        return f"through the proxy {patient.proxy}, it is part of the session" if patient.proxy else ""

    @property
    def _reached(self) -> list[str]:
        return [way.address for way in self.case.ways if way.failure is None]

    @property
    def _resolve(self) -> Resolver:
        """Where one address is dead the session goes to the other, so that what comes behind is seen too."""
        reached = self._reached
        return _only(reached[0]) if reached and len(reached) < len(self.case.ways) else system_resolver

    async def _look(
        self,
        name: str,
        stays: float,
        key: Credentials | SignIn | None,
        proxy: ChosenProxy | None,
        at: Endpoint | None = None,
    ) -> Look | None:
        patient = self._patient
        if patient.broker is None or patient.endpoint is None:
            return None
        may_leave = self._means.leaves_early and not self._means.deep
        seeing = knock(
            patient.broker,
            at or patient.endpoint,
            key,
            tls=patient.tls,
            proxy=proxy,
            timeout=max(self._until - self._loop.time() - PARTING, 1.0),
            about=patient.about,
            symbol=patient.symbol,
            stays=stays,
            is_well=self._is_well if name == "session" and may_leave else None,
            resolve=self._resolve if at is None else system_resolver,
            utc=self._utc,
        )
        seen = await self._timed(name, seeing)
        if seen is None:
            return None
        self.knock = self.knock or seen
        return _look_of(seen)

    def _is_well(self, seen: Knock) -> bool:
        """Nothing that was seen until now is harmful, or in doubt."""
        case = replace(self.case, looks=Looks(first=_look_of(seen)))
        verdicts = diagnose(case, rules_for(self._patient.broker)).verdicts
        return all(each.state is State.HEALTHY for each in verdicts)

    async def _more_looks(self) -> None:
        """They tell apart what one look cannot. A second connection with the credential is made to what is the user's own,
        and to nobody else's."""
        looks, patient = self.case.looks, self._patient
        if looks is None:
            return None
        failure = self.case.failure
        if self._asks_for_polling(looks.first):
            spoken = replace(looks.first.endpoint, url=as_websocket(looks.first.endpoint.url))
            opened = await self._look("as a WebSocket", 0.0, None, patient.proxy, spoken)
            looks = replace(looks, as_websocket=opened)
            self._know(looks=looks)
        is_final = failure is not None and failure.facts.retry in (Retry.STOP, Retry.SERVER_SAYS)
        if is_final and not patient.is_ours:
            self._skip("another session", NOT_TWICE)
            if patient.proxy is not None:
                self._skip("without the proxy", NOT_TWICE)
            return self._skip("another region", NOT_TWICE) if self._means.deep and patient.others else None
        may_return = _may_return(patient)
        # Where prices are asked for, a second session shows nothing that the first does not, and costs requests.
        pushed = looks.first.endpoint.scheme in PUSHED
        if pushed and self._is_unsure and looks.first.facts.went_live:
            if may_return:
                fresh = await self._look("another session", STAYS_FRESH, patient.key, patient.proxy)
                looks = replace(looks, fresh=fresh)
            else:
                self._skip("another session", STRANGERS_DOOR)
        if self._is_unsure and patient.proxy is not None:
            if patient.is_ours:
                direct = await self._look("without the proxy", 0.0, None, None)
                looks = replace(looks, direct=direct)
            else:
                self._skip("without the proxy", PAST_THE_PROXY)
        other = self._other(looks.first)
        if other is not None and self._is_unsure:
            endpoint, key = other
            name = (
                "another region" if endpoint.account is looks.first.endpoint.account else "the live account"
            )
            if patient.is_ours:
                elsewhere = await self._look(name, STAYS_FRESH, key, patient.proxy, endpoint)
                looks = replace(looks, elsewhere=elsewhere)
                ended = elsewhere.facts.ended if elsewhere else None
                if ended is not None:
                    self._amend(f"{endpoint.region}: {ended.failure or 'it goes well'}", is_broken=False)
            elif self._means.deep:
                self._skip(name, STRANGERS_DOOR)
        if self._means.deep and may_return and pushed:
            await asyncio.sleep(PAUSE)
            again = await self._look("the same again", STAYS_FRESH, patient.key, patient.proxy)
            looks = replace(looks, again=again)
        elif self._means.deep and pushed:
            self._skip("the same again", STRANGERS_DOOR)
        self._know(looks=looks)
        return None

    def _asks_for_polling(self, look: Look) -> bool:
        """And that was refused, in a way that forbids nothing else."""
        return _wants_polling(look.endpoint) and told_as(self.case) in REFUSES_POLLING

    def _other(self, look: Look) -> tuple[Endpoint, Credentials | None] | None:
        """Of a demo account without prices the real one; of a login that was refused another region, of all else only when deep."""
        account, is_in = look.endpoint.account, look.facts.went_live
        if is_in and account is Account.DEMO:
            wanted = Account.LIVE
        elif is_refused(self.case) or self._means.deep:
            wanted = account
        else:
            return None
        return next((each for each in self._patient.others if each[0].account is wanted), None)

    @property
    def _is_unsure(self) -> bool:
        """Something is wrong, and it could be something else."""
        verdicts = diagnose(self.case, rules_for(self._patient.broker)).verdicts
        harmful = [each for each in verdicts if each.state is not State.HEALTHY]
        return bool(harmful) and harmful[0].certainty is not Certainty.CERTAIN

    # -- keeping track -------------------------------------------------------------------------------------------------

    def _know(self, **facts: object) -> None:
        self.case = replace(self.case, **facts)  # type: ignore[arg-type]

    def _stop(self, why: str) -> None:
        self._why_not = self._why_not or why

    async def _timed(self, name: str, step: Awaitable[T]) -> T | None:
        """None: the budget ran out before it was over."""
        self._tell()
        began = self._loop.time()
        try:
            async with asyncio.timeout_at(self._until):
                found = await step
        except TimeoutError:
            self._stop(f"the {self._means.budget:g} s for all of it ran out (--timeout)")
            self._note(name, Outcome.NOT_CHECKED, self._loop.time() - began, self._why_not)
            return None
        except OSError as problem:  # this machine has nothing left to make the step with
            self._note(
                name, Outcome.NOT_CHECKED, self._loop.time() - began, f"it could not be made here: {problem}"
            )
            return None
        self._note(name, Outcome.FINE, self._loop.time() - began)
        return found

    def _skip(self, name: str, why: str = "") -> None:
        self._note(name, Outcome.NOT_CHECKED, note=why or self._why_not or "nothing before it led there")

    def _note(self, name: str, outcome: Outcome, seconds: float | None = None, note: str = "") -> None:
        self._tell()
        self.rungs.append(Rung(name=name, outcome=outcome, seconds=seconds, note=note))

    def _tell(self) -> None:
        """What is over, and will not be amended any more."""
        for rung in self.rungs[self._told :]:
            self._say(rung)
        self._told = len(self.rungs)

    def _amend(self, note: str, *, is_broken: bool) -> None:
        """More about the last step."""
        outcome = Outcome.BROKEN if is_broken else Outcome.FINE
        self.rungs[-1] = replace(self.rungs[-1], outcome=outcome, note=note)
