"""How a test is run: on what, by which clock, and what its ending is called."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from probe.api.errors import Unanswered
from probe.model.credentials import Credentials
from probe.model.endpoint import Account
from probe.model.errors import ConfigError, UnsafeTarget
from probe.model.findings import Certainty, State
from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve
from probe.verify.bench import Bench
from probe.verify.model import Evidence, Failed, Group, Need, Outcome, Result, Skip, Suite, Trial
from probe.verify.run import BEGINS, Plan, Subject, Verified, _bench, chosen_trials, run_trial
from tests.pretending import SSID, TOKEN
from tests.verify.subjects import named, simulated

USUAL = Plan()
FINE = Evidence(words="it was so")


def ran(
    run: Callable[[Bench], Awaitable[Evidence]],
    *needs: Need,
    plan: Plan = USUAL,
    within: float = 30.0,
    broker: str = "pocketoption",
) -> Result:
    trial = Trial(
        name="one",
        promise="It is so.",
        run=run,
        group=Group.RELIABILITY,
        needs=frozenset(needs),
        within=within,
    )
    return run_trial(simulated(broker), Suite(name="some", trials=(trial,)), trial, plan)


def raising(problem: BaseException) -> Result:
    async def run(_: Bench) -> Evidence:
        raise problem

    return ran(run)


@pytest.mark.parametrize(
    ("problem", "outcome", "words"),
    [
        (Failed("it was not so", seconds=1.0), Outcome.FAILED, "it was not so"),
        (Skip("nobody has it"), Outcome.SKIPPED, "nobody has it"),
        (Unanswered("one", "AskBalance", 10.0), Outcome.FAILED, "one did not answer AskBalance"),
        (UnsafeTarget("the order was", "nobody said demo", "Wait."), Outcome.FAILED, "nobody said demo"),
        (TimeoutError(), Outcome.FAILED, "it waited in vain"),
        (ConfigError("nothing is asked like that"), Outcome.ERROR, "nothing is asked like that"),
        (ZeroDivisionError("by zero"), Outcome.ERROR, "a bug of ours: ZeroDivisionError: by zero"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
def test_each_ending_has_its_name(problem: Exception, outcome: Outcome, words: str) -> None:
    result = raising(problem)
    assert result.outcome is outcome
    assert words in result.evidence.words


def test_what_a_test_takes_its_failure_for_is_a_possible_cause() -> None:
    async def run(_: Bench) -> Evidence:
        raise Failed("every page is the same").taken_for("data.stale-history")

    (cause,) = ran(run).causes
    assert (cause.code, cause.certainty) == ("data.stale-history", Certainty.POSSIBLE)


def test_what_ended_a_session_of_the_tests_own_is_a_cause() -> None:
    async def run(bench: Bench) -> Evidence:
        async with bench.session(), bench.fault("close:code=1008"):
            await bench.wait(30.0)
        raise Failed("it is gone")

    assert "session.policy-1008" in {cause.code for cause in ran(run).causes}


def test_figures_of_what_failed_are_kept() -> None:
    assert raising(Failed("it was not so", seconds=1.5)).evidence.figures == {"seconds": 1.5}


def test_a_test_that_is_never_over_fails_after_its_time() -> None:
    async def run(bench: Bench) -> Evidence:
        await bench.wait(3600.0)
        return FINE

    result = ran(run, within=60.0)
    assert (result.outcome, result.evidence.words) == (Outcome.FAILED, "it was not over after 60 s")


def test_pretended_time_begins_on_a_wednesday_noon_and_takes_none() -> None:
    seen = []

    async def run(bench: Bench) -> Evidence:
        seen.append(bench.utc())
        await bench.wait(6 * 3600.0)
        seen.append(bench.utc())
        return FINE

    result = ran(run, within=7 * 3600.0)
    assert seen == pytest.approx([BEGINS, BEGINS + 6 * 3600.0], abs=0.5)
    assert result.pretended
    assert result.seconds == pytest.approx(6 * 3600.0)


@pytest.mark.parametrize(
    ("needs", "plan"), [((), Plan(real_time=True)), ((Need.REAL_TIME,), Plan())], ids=["asked", "needed"]
)
def test_time_passes_where_it_is_wanted_or_measured(needs: tuple[Need, ...], plan: Plan) -> None:
    async def run(bench: Bench) -> Evidence:
        assert not bench.pretends
        return FINE

    result = ran(run, *needs, plan=plan)
    assert (result.outcome, result.pretended) == (Outcome.PASSED, False)


def test_a_fault_that_was_asked_for_is_on_in_a_simulator_of_the_tests_own() -> None:
    async def run(bench: Bench) -> Evidence:
        return Evidence(words=", ".join(order.spec.name for order in bench.there.board.orders.values()))

    assert ran(run, plan=Plan(faults=("silent-stall@1h",))).evidence.words == "silent-stall"
    assert ran(run).evidence.words == ""


def test_what_a_broker_cannot_do_is_skipped_with_the_reason() -> None:
    async def run(_: Bench) -> Evidence:
        return FINE

    result = ran(run, Need.HISTORY, broker="crypto")
    assert (result.outcome, result.evidence.words) == (Outcome.SKIPPED, f"it needs {Need.HISTORY.value}")


def elsewhere(credential: str) -> Subject:
    """Somebody's server, as far as the command knows."""
    options = TargetOptions(ssid=credential, broker="pocketoption")
    (target,) = resolve("ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket", options)
    return Subject(target=target, chosen=Chosen(proxy="none"), key=target.credentials)


def bench_of(subject: Subject, plan: Plan) -> Bench:
    async def made() -> Bench:
        from contextlib import AsyncExitStack

        async with AsyncExitStack() as stack:
            return await _bench(subject, plan, stack, about="one", pretended=False)

    return asyncio.run(made())


LIVE = SSID.replace('"isDemo":1', '"isDemo":0')


def test_orders_go_to_a_real_demo_account_only_when_that_was_said_and_to_a_live_one_never() -> None:
    told = {
        (name, said): bench_of(elsewhere(credential), Plan(demo_orders=said)).meets(Need.ORDERS)
        for name, credential in (("demo", SSID), ("live", LIVE))
        for said in (False, True)
    }
    assert told == {
        ("demo", False): False,
        ("demo", True): True,
        ("live", False): False,
        ("live", True): False,
    }
    live = elsewhere(LIVE).key
    assert isinstance(live, Credentials)
    assert live.account is Account.LIVE


def test_of_a_server_that_is_not_ours_nothing_is_made_to_go_wrong_and_no_secret_is_said() -> None:
    async def run(_: Bench) -> Evidence:
        raise Failed(f"the server said {TOKEN}")

    trial = Trial(name="one", promise="It is so.", run=run, group=Group.RELIABILITY)
    suite = Suite(name="some", trials=(trial,))
    result = run_trial(elsewhere(SSID), suite, trial, USUAL)
    assert result.outcome is Outcome.FAILED
    assert TOKEN not in result.evidence.words
    needing = named("Error Recovery")
    skipped = run_trial(elsewhere(SSID), suite, needing, USUAL)
    assert (skipped.outcome, skipped.evidence.words) == (Outcome.SKIPPED, f"it needs {Need.SIMULATOR.value}")


def test_an_endpoint_of_this_machine_that_is_named_without_encryption_breaks_no_promise() -> None:
    (suite, trial), *_ = chosen_trials(Plan(suites=("channels",), only="TLS policy"))
    result = run_trial(elsewhere(SSID), suite, trial, USUAL)
    assert result.outcome is Outcome.SKIPPED
    assert "without encryption" in result.evidence.words


def test_what_is_asked_for_and_does_not_exist_is_said_with_what_does() -> None:
    with pytest.raises(ConfigError, match=r"no suite 'advancd' \(did you mean 'advanced'\?\)"):
        chosen_trials(Plan(suites=("advancd",)))
    with pytest.raises(ConfigError, match="Basic Connectivity"):
        chosen_trials(Plan(suites=("integration",), only="nothing like that"))
    assert [trial.name for _, trial in chosen_trials(Plan(only="keep-alive"))] == ["Keep-Alive Functionality"]


@pytest.mark.parametrize(
    ("endings", "state"),
    [
        ((FINE,), State.HEALTHY),
        ((FINE, Failed("no")), State.FAILED),
        ((FINE, ZeroDivisionError()), State.UNKNOWN),
        ((Skip("no"),), State.UNKNOWN),
    ],
    ids=["all kept", "one not kept", "one broke", "nothing judged"],
)
def test_the_verdict_is_that_of_the_worst_and_nothing_judged_is_no_health(
    endings: tuple[object, ...], state: State
) -> None:
    def result(ending: object) -> Result:
        async def run(_: Bench) -> Evidence:
            if isinstance(ending, Exception):
                raise ending
            return FINE

        return ran(run)

    verified = Verified(
        target="one",
        broker="pocketoption",
        plan=Plan(),
        simulated=True,
        at_utc=0.0,
        planned=len(endings),
        results=list(map(result, endings)),
    )
    assert verified.state is state
    if state is State.HEALTHY:
        assert replace(verified, planned=2).state is State.UNKNOWN
