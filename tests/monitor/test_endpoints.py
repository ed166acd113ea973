"""One connection, no further than wanted."""

import asyncio

from probe.model.events import Phase
from probe.monitor.endpoints import Dialler, Visit, measure
from tests.monitor.linked import Place, place, regions, until
from tests.pretending import Known
from tests.virtual.travelling import run


def visit(at: Place, goal: Phase, *, login: bool = False) -> Visit:
    dialler = at.dialler()
    trial = dialler.trial(at.endpoints[0], "measure")
    return Visit(dialler, trial, goal=goal, credentials=at.key if login else None)


def test_it_goes_as_far_as_wanted_and_leaves_in_order(known: Known) -> None:
    async def go() -> None:
        async with place(broker=known.broker) as at:
            for goal, login in ((Phase.OPENING, False), (Phase.JOINING, False), (Phase.AUTHENTICATING, True)):
                attempt = await visit(at, goal, login=login).run()
                assert (attempt.failure, attempt.phases[-1].phase) == (None, goal)
                assert attempt.http_status == 101
                assert attempt.address == "127.0.0.1"
            assert at.logins == 1
            first = [line.text for line in at.records[0].frames() if line.direction == "<"]
            assert first == ["41"]

    run(go())


def test_without_credentials_it_never_goes_beyond_the_login(known: Known) -> None:
    async def go() -> None:
        async with place(broker=known.broker) as at:
            attempt = await visit(at, Phase.AUTHENTICATING).run()
            assert attempt.phases[-1].phase is Phase.JOINING
            assert at.logins == 0

    run(go())


def test_its_time_is_bounded_and_the_step_that_took_it_is_named() -> None:
    async def go() -> None:
        async with place("silent-upgrade") as at:
            attempt = await visit(at, Phase.OPENING).run(2.0)
            assert attempt.failure is not None
            assert attempt.failure.kind == "http.open-timeout"
            assert attempt.phases[-1].phase is Phase.CONNECTING
            assert asyncio.get_running_loop().time() < 3.5

    run(go())


def test_a_deadline_of_a_phase_is_only_ever_shortened() -> None:
    async def go() -> None:
        async with place() as at:
            plain, dialler = at.dialler(), at.dialler()
            short = Dialler(
                target="one", broker=at.broker, rng=dialler.rng, proxy="none", phase_deadline=7.0
            ).plan(at.endpoints[0])
            usual = plain.plan(at.endpoints[0])
            assert short.deadlines == {phase: min(s, 7.0) for phase, s in usual.deadlines.items()}

    run(go())


def test_who_left_on_purpose_did_not_fail() -> None:
    async def go() -> None:
        async with place("silent-upgrade") as at:
            one = visit(at, Phase.OPENING)
            task = asyncio.get_running_loop().create_task(one.run())
            await until(lambda: at.simulator.counters.sessions_open)
            one.leave()
            assert (await task).failure is None

    run(go())


def test_all_are_measured_one_after_another() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c", latency=0.02)) as at:
            await at.spoil("b", "refuse")
            seen = []
            async for trial, attempt in measure(at.dialler(), at.endpoints, timeout=5.0):
                assert at.simulator.counters.sessions_open == 0
                kind = attempt.failure.kind if attempt.failure else None
                seconds = trial.seconds_to_greeting
                seen.append((attempt.endpoint, kind, seconds is not None))
            assert seen == [("a", None, True), ("b", "tcp.refused", False), ("c", None, True)]
            assert at.logins == 0

    run(go())
