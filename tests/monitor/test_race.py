"""The first at the greeting wins; nobody shows a credential, and everybody leaves in order."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from probe.measure.records import Trigger
from probe.model.errors import ConfigError
from probe.model.events import Phase
from probe.monitor.race import Race, Raced
from tests.monitor.linked import Place, owned, place, regions, until
from tests.pretending import Known
from tests.virtual.travelling import run


async def race(at: Place) -> Raced:
    raced = await Race(at.dialler(), at.endpoints, trigger=Trigger.START).run()
    assert at.logins == 0
    return raced


def test_the_nearest_wins_and_nobody_failed(known: Known) -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c"), broker=known.broker) as at:
            at.endpoints = tuple(reversed(at.endpoints))
            raced = await race(at)
            assert raced.winner is at.endpoints[-1]
            assert [(each.endpoint, each.failure) for each in raced.attempts] == [
                (name, None) for name in "cba"
            ]
            assert {each.purpose for each in raced.attempts} == {"race"}
            won = raced.attempts[-1]
            assert won.phases[-1].phase is Phase.OPENING
            assert won.tcp_rtt_seconds is not None
            for record in at.records:  # none knew who asks, and whoever was greeted said goodbye
                heard = [line.text for line in record.frames() if line.direction == "<"]
                assert heard in ([], ["41"], ["1"])

    run(go())


def test_no_more_than_four_run() -> None:
    async def go() -> None:
        async with place(at=regions(*"abcdef")) as at:
            assert len((await race(at)).attempts) == 4
            assert set(at.served()) <= set("abcd")

    run(go())


def test_who_fails_is_told_and_the_next_wins() -> None:
    async def go() -> None:
        async with place(at=regions(*"abc")) as at:
            await at.spoil("a", "refuse")
            await at.spoil("b", "http-status:code=503")
            raced = await race(at)
            assert raced.winner is at.endpoints[2]
            kinds = [each.failure.kind if each.failure else None for each in raced.attempts]
            assert kinds == ["tcp.refused", "http.bad-gateway", None]
            assert raced.attempts[1].http_status == 503

    run(go())


def test_a_race_without_an_arrival_has_no_winner_and_ends() -> None:
    async def go() -> None:
        async with place("silent-upgrade", at=regions(*"ab")) as at:
            raced = await race(at)
            assert raced.winner is None
            assert [each.failure.kind for each in raced.attempts if each.failure] == ["http.open-timeout"] * 2
            assert asyncio.get_running_loop().time() < 12

    run(go())


def test_a_loser_that_hangs_is_not_waited_for() -> None:
    async def go() -> None:
        async with place(at=regions(*"ab")) as at:
            await at.spoil("a", "no-open")
            began_at = asyncio.get_running_loop().time()
            at.simulator._listeners[0].stream_faults = ()
            raced = await race(at)
            assert raced.winner is at.endpoints[1]
            assert asyncio.get_running_loop().time() - began_at < 2

    run(go())


@pytest.mark.parametrize("fault", ["silent-upgrade", "no-open"])
def test_a_cancelled_race_leaves_nothing(fault: str) -> None:
    async def go() -> None:
        async with place(fault, at=regions(*"ab")) as at:
            before = asyncio.all_tasks()
            task = asyncio.get_running_loop().create_task(race(at))
            await until(lambda: at.simulator.counters.sessions_open == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert owned(before) == set()

    run(go())


def test_settings_that_cannot_be_used_are_told_as_such_and_not_once_for_each_runner(tmp_path: Path) -> None:
    async def go() -> None:
        async with place(at=regions("a", "b"), tls=True) as at:
            at.over_tls()
            at.tls = replace(at.tls, ca_file=tmp_path / "gone.pem")
            with pytest.raises(ConfigError):
                await Race(at.dialler(), at.endpoints).run()

    run(go())
