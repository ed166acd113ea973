"""Runs suites against targets: each test on a bench of its own, in pretended time where a simulator allows it."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cache

from probe.api.errors import ConnectionFailed, SessionLost, Unanswered
from probe.drivers.tls import TlsProfile
from probe.faults.catalogue import read_fault
from probe.logs import redact
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError, ProbeError, near_miss
from probe.model.findings import Finding, State
from probe.monitor.sign_in import SignIn
from probe.monitor.understanding import Chosen, Key
from probe.simulator.run import Simulator
from probe.simulator.switchboard import is_of_tls
from probe.targets import Target, pick_region
from probe.verify.bench import Bench
from probe.verify.model import NO_REPLY, Evidence, Failed, Need, Outcome, Result, Skip, Suite, Trial
from probe.verify.naming import joined, looked, named
from probe.verify.suites import SUITES, find_suite
from probe.verify.travelling import TravellingLoop

BEGINS = 1_767_787_200.0  # 2026-01-07 12:00 UTC, a Wednesday: pretended time begins when every market is open
SYMBOLS = 5
CURRENCY = "currency"
PAUSE = 3.0  # between two tests of what is not ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A target, and how it was asked for."""

    target: Target
    chosen: Chosen
    key: Key | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    suites: tuple[str, ...] = tuple(SUITES)
    only: str | None = None  # tests with this in their name
    demo_orders: bool = False
    real_time: bool = False
    faults: tuple[str, ...] = ()  # of a simulated target, in every test
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Verified:
    """All that came of one target."""

    target: str
    broker: str
    plan: Plan
    simulated: bool
    at_utc: float
    planned: int  # tests
    results: list[Result] = field(default_factory=list)

    @property
    def not_run(self) -> int:
        """Tests that nobody waited for."""
        return self.planned - len(self.results)

    def of(self, *outcomes: Outcome) -> list[Result]:
        return [each for each in self.results if each.outcome in outcomes]

    @property
    def state(self) -> State:
        if self.of(Outcome.FAILED):
            return State.FAILED
        if self.of(Outcome.ERROR) or self.not_run or not self.of(Outcome.PASSED):
            return State.UNKNOWN
        return State.HEALTHY


def chosen_trials(plan: Plan, broker: str = "") -> list[tuple[Suite, Trial]]:
    """
    Args:
        broker: Those that are about it, and about all; empty: those about any.

    Raises:
        ConfigError: there is no such suite, or no such test.
    """
    all_ = [
        (suite, trial)
        for suite in map(find_suite, plan.suites)
        for trial in suite.trials
        if not broker or trial.broker in ("", broker)
    ]
    if plan.only is None:
        return all_
    wanted = plan.only.casefold()
    found = [each for each in all_ if wanted in each[1].name.casefold()]
    if not found and not broker:
        names = [trial.name for _, trial in all_]
        raise ConfigError(
            f"no test of {', '.join(plan.suites)} has {plan.only!r} in its name",
            where="--only",
            suggestion=near_miss(plan.only, names) or "",
            next_step=f"There are: {', '.join(names)}.",
        )
    return found


def verify(subject: Subject, plan: Plan, say: Callable[[Suite, Trial, Result | None], object]) -> Verified:
    """Not in an event loop: each test gets one of its own.

    Args:
        say: Told each test before it begins, and again with its result.

    An interruption ends it; what there is then is returned.

    Raises:
        ConfigError: the plan asks for what there is not.
    """
    target = subject.target
    trials = chosen_trials(plan, target.broker.name)
    verified = Verified(
        target=_alias(subject),
        broker=target.broker.name,
        plan=plan,
        simulated=target.simulated,
        at_utc=time.time(),
        planned=len(trials),
    )
    with suppress(KeyboardInterrupt):
        _go_through(subject, plan, trials, verified, say)
    return verified


def _go_through(
    subject: Subject,
    plan: Plan,
    trials: Sequence[tuple[Suite, Trial]],
    verified: Verified,
    say: Callable[[Suite, Trial, Result | None], object],
) -> None:
    look = cache(lambda: looked_at(subject, plan))
    for suite, trial in trials:
        say(suite, trial, None)
        if not verified.simulated and verified.of(Outcome.PASSED, Outcome.FAILED):
            time.sleep(PAUSE)
        result = run_trial(subject, suite, trial, plan)
        if result.outcome is Outcome.FAILED:
            result = replace(result, causes=joined(look(), result.causes))
        verified.results.append(result)
        say(suite, trial, result)


def looked_at(subject: Subject, plan: Plan) -> tuple[Finding, ...]:
    """What is wrong with the target, whatever test it makes fail."""

    async def look() -> tuple[Finding, ...]:
        async with AsyncExitStack() as stack:
            return await looked(await _bench(subject, plan, stack, about="looking", pretended=pretended))

    pretended = subject.target.simulated and not plan.real_time
    with asyncio.Runner(loop_factory=TravellingLoop if pretended else None) as runner:
        return runner.run(look())


def _alias(subject: Subject) -> str:
    return subject.chosen.wanted(subject.target, subject.target.endpoints, subject.key, taken=()).name


def run_trial(subject: Subject, suite: Suite, trial: Trial, plan: Plan) -> Result:
    """Of what failed the causes are those that the test itself met."""
    pretended = subject.target.simulated and not plan.real_time and Need.REAL_TIME not in trial.needs
    began, at_utc = time.monotonic(), time.time()
    with asyncio.Runner(loop_factory=TravellingLoop if pretended else None) as runner:
        told = runner.run(_tried(subject, trial, plan, pretended=pretended))
    hide = redactor_for(subject.key.login if isinstance(subject.key, SignIn) else subject.key)
    return Result(
        suite=suite.name,
        trial=trial,
        target=_alias(subject),
        broker=subject.target.broker.name,
        outcome=told.outcome,
        evidence=replace(told.evidence, words=redact(hide(told.evidence.words))),
        at_utc=at_utc,
        seconds=told.seconds,
        taken_seconds=time.monotonic() - began,
        pretended=pretended,
        causes=told.causes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    outcome: Outcome
    evidence: Evidence
    seconds: float = 0.0
    causes: tuple[Finding, ...] = ()
    code: str = ""  # what the test itself takes it for


async def _tried(subject: Subject, trial: Trial, plan: Plan, *, pretended: bool) -> _Told:
    async with AsyncExitStack() as stack:
        try:
            bench = await _bench(
                subject, plan, stack, about=trial.name, pretended=pretended, pages=Need.PAGES in trial.needs
            )
        except Skip as skip:
            return _Told(outcome=Outcome.SKIPPED, evidence=Evidence(words=str(skip)))
        unmet = next((need for need in trial.needs if not bench.meets(need)), None)
        if unmet is not None:
            return _Told(outcome=Outcome.SKIPPED, evidence=Evidence(words=f"it needs {unmet.value}"))
        began = bench.now
        told = await _outcome(bench, trial)
        told = replace(told, seconds=bench.now - began)
        if told.outcome is not Outcome.FAILED:
            return told
        return replace(told, causes=named(bench.ended, told.code))


async def _outcome(bench: Bench, trial: Trial) -> _Told:
    limit = asyncio.timeout(trial.within)
    try:
        async with limit:
            evidence = await trial.run(bench)
    except Skip as skip:
        return _Told(outcome=Outcome.SKIPPED, evidence=Evidence(words=str(skip)))
    except Failed as failed:
        return _Told(outcome=Outcome.FAILED, evidence=failed.evidence, code=failed.code)
    except ProbeError as problem:
        # The test asked for what cannot be; all else is the target's.
        outcome = Outcome.ERROR if isinstance(problem, ConfigError) else Outcome.FAILED
        return _Told(
            outcome=outcome, evidence=Evidence(words=_unstopped(str(problem))), code=_code_of(problem)
        )
    except TimeoutError:
        what = f"it was not over after {trial.within:g} s" if limit.expired() else "it waited in vain"
        return _Told(outcome=Outcome.FAILED, evidence=Evidence(words=what))
    except Exception as bug:  # noqa: BLE001 - one broken test keeps no other from being run
        words = f"the test itself broke, a bug of ours: {type(bug).__name__}: {bug}"
        return _Told(outcome=Outcome.ERROR, evidence=Evidence(words=words))
    return _Told(outcome=Outcome.PASSED, evidence=evidence)


def _code_of(problem: ProbeError) -> str:
    match problem:
        case ConnectionFailed() | SessionLost():
            return problem.failure.code
        case Unanswered():
            return NO_REPLY
        case _:
            return ""


def _unstopped(sentence: str) -> str:
    return sentence.removesuffix(".")


async def _bench(
    subject: Subject, plan: Plan, stack: AsyncExitStack, *, about: str, pretended: bool, pages: bool = False
) -> Bench:
    target, utc = subject.target, time.time
    rng = random.Random(f"{plan.seed}/{about}")
    if not target.simulated:
        wanted = subject.chosen.wanted(target, target.endpoints, subject.key, taken=())
        return Bench(
            wanted=wanted,
            symbols=wanted.symbols or (target.usual_symbol,),
            utc=utc,
            rng=rng,
            simulator=None,
            orders_allowed=plan.demo_orders and wanted.account is Account.DEMO,
            pretends=False,
        )
    if pretended:
        passes = asyncio.get_running_loop().time
        began = passes()
        utc = lambda: BEGINS + passes() - began  # noqa: E731 - it has a name already
    is_encrypted = any(is_of_tls(read_fault(fault)) for fault in plan.faults)
    simulator = await stack.enter_async_context(
        Simulator(
            [target.broker],
            seed=plan.seed,
            faults=plan.faults,
            pages=pages,
            tls=is_encrypted,
            utc=BEGINS if pretended else None,
        )
    )
    served = simulator.encrypted_endpoints() if is_encrypted else simulator.plain_endpoints()
    endpoints = _alike(pick_region(tuple(served), subject.chosen.region_of(target)))
    wanted = subject.chosen.wanted(target, endpoints, simulator.key(endpoints[0]), taken=())
    return Bench(
        wanted=replace(wanted, tls=TlsProfile(ca_file=simulator.ca_file)) if is_encrypted else wanted,
        symbols=_symbols(simulator, target),
        utc=utc,
        rng=rng,
        simulator=simulator,
        orders_allowed=True,
        pretends=pretended,
    )


def _alike(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Those that are another way to the first."""
    first = endpoints[0]
    return tuple(each for each in endpoints if (each.account, each.scheme) == (first.account, first.scheme))


def _symbols(simulator: Simulator, target: Target) -> tuple[str, ...]:
    """The usual one, and others whose market is open: currencies, else what is of its own sort."""
    world = simulator.worlds[target.broker.name]
    at = world.floor.at(asyncio.get_running_loop().time())
    rows = {row.symbol: row for row in world.floor.assets(at)[0].rows}
    usual = rows[target.usual_symbol]
    alike = [row for row in rows.values() if row.is_open and row.is_otc is usual.is_otc]
    currencies = [row for row in alike if row.kind == CURRENCY]
    others = currencies or [row for row in alike if row.kind == usual.kind]
    return tuple(dict.fromkeys((usual.symbol, *(row.symbol for row in others))))[:SYMBOLS]
