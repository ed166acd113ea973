"""Several targets in one loop: reloaded without being dropped, and honest about the time in which nobody looked."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from probe.drivers.tls import TlsProfile
from probe.measure.records import Incident, Metric, Notice, Period, Record, Sample, SessionState
from probe.measure.watch import Watch
from probe.model.errors import ConfigError
from probe.model.failures import Blame
from probe.monitor.monitor import Common, Monitor
from probe.monitor.understanding import told_twice
from probe.monitor.winners import Winners
from tests.monitor.linked import Place, place, regions
from tests.virtual.travelling import TravellingLoop, run


class Told(list[Record]):
    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self if isinstance(each, kind)]

    def codes(self) -> list[str]:
        return [notice.code for notice in self.of(Notice)]


@asynccontextmanager
async def monitored(
    at: Place, *names: str, common: Common | None = None, utc: Callable[[], float] | None = None
) -> AsyncIterator[tuple[Monitor, Told]]:
    told = Told()
    wanted = [at.wanted(name=name, knock_every=None) for name in names]
    monitor = Monitor(wanted, common=common, sinks=[told.append], rng=random.Random(1), utc=utc or at.utc)
    task = asyncio.create_task(monitor.run())
    try:
        await asyncio.sleep(30)
        yield monitor, told
    finally:
        monitor.stop()
        await task


def states(monitor: Monitor) -> dict[str, SessionState]:
    return {name: each.state for name, each in monitor.conditions().items()}


STREAMING = SessionState.STREAMING


def test_what_did_not_change_is_not_dropped_by_a_reload() -> None:
    async def reload() -> None:
        async with place() as at, monitored(at, "same", "changed", "gone") as (monitor, _):
            same, changed, _ = monitor.wanted
            before = monitor.link("same").session
            changes = await monitor.apply(
                [replace(same), replace(changed, symbols=("GBPUSD_otc",)), replace(same, name="new")]
            )
            await asyncio.sleep(30)
            assert changes == {"added": ["new"], "changed": ["changed"], "removed": ["gone"]}
            assert states(monitor) == dict.fromkeys(("same", "changed", "new"), STREAMING)
            assert monitor.link("same").session is before
            assert len(at.records) == 5
            assert await monitor.apply(monitor.wanted) == {"added": [], "changed": [], "removed": []}

    run(reload())


def test_a_reload_that_cannot_be_changes_nothing() -> None:
    async def reload() -> None:
        async with place() as at, monitored(at, "one") as (monitor, _):
            (one,) = monitor.wanted
            before = monitor.link("one").session
            with pytest.raises(ConfigError):
                await monitor.apply(
                    [replace(one, symbols=("GBPUSD_otc",)), replace(one, name="two", endpoints=())]
                )
            assert monitor.wanted == (one,)
            await asyncio.sleep(5)
            assert monitor.link("one").session is before
            assert states(monitor) == {"one": STREAMING}

    run(reload())


def test_reloads_at_once_and_one_after_the_end_leave_nothing_behind() -> None:
    async def reload() -> None:
        async with place() as at:
            async with monitored(at, "one") as (monitor, _):
                (one,) = monitor.wanted
                other = replace(one, name="other")
                await asyncio.gather(
                    monitor.apply([other]), monitor.apply([one]), monitor.apply([one, other])
                )
                assert [each.name for each in monitor.wanted] == ["one", "other"]
            assert await monitor.apply([one]) == {}
            assert monitor.wanted == ()

    run(reload())


def test_a_target_that_nobody_may_hold_stops_the_start() -> None:
    async def start() -> None:
        async with place() as at:
            monitor = Monitor([at.wanted(name="one"), at.wanted(name="two", endpoints=())])
            with pytest.raises(ConfigError):
                await monitor.run()

    run(start())


def test_a_reload_does_not_try_a_rejected_credential_again_neither_there_nor_elsewhere() -> None:
    async def reload() -> None:
        async with (
            place("auth-refused", at=regions("near", "far")) as at,
            monitored(at, "one") as (monitor, _),
        ):
            (one,) = monitor.wanted
            assert states(monitor) == {"one": SessionState.AUTH_REJECTED}
            for endpoints in (at.endpoints[1:], at.endpoints[:1]):
                await monitor.apply([replace(one, name="two", endpoints=endpoints), one])
                await asyncio.sleep(30)
                assert set(states(monitor).values()) == {SessionState.AUTH_REJECTED}
            assert at.logins == 1

    run(reload())


def test_reloads_again_and_again_do_not_dial_again_and_again() -> None:
    async def reload() -> None:
        async with place() as at, monitored(at, "one") as (monitor, _):
            (one,) = monitor.wanted
            for number in range(60):
                await monitor.apply([replace(one, symbols=(("GBPUSD_otc", "EURUSD_otc")[number % 2],))])
                await asyncio.sleep(1)
            assert len(at.records) == 10
            await asyncio.sleep(300)
            assert len(at.records) == 11

    run(reload())


def test_a_target_that_cannot_go_on_does_not_end_the_others_and_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with place() as at, monitored(at, "one") as (monitor, told):
            (one,) = monitor.wanted
            before = monitor.link("one").session
            lost = replace(
                one,
                name="lost",
                endpoints=(replace(one.endpoints[0], url="wss://127.0.0.1:9/"),),
                tls=TlsProfile(ca_file=tmp_path / "gone.pem"),
            )
            await monitor.apply([one, lost])
            await asyncio.sleep(10)
            assert monitor.link("one").session is before
            assert told.codes() == ["target.stopped"]
            assert "gone.pem" in told.of(Notice)[0].sentence
            alone = Monitor([lost], rng=random.Random(1), utc=at.utc)
            with pytest.raises(ExceptionGroup):
                await alone.run()

    run(go())


def test_what_a_knock_cannot_use_ends_the_knocks_and_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise ConfigError("the proxy cannot be used")

    async def go() -> None:
        monkeypatch.setattr("probe.monitor.monitor.keep_knocking", refuse)
        async with place() as at:
            told = Told()
            wanted = at.wanted(knock_every=10.0)
            monitor = Monitor([wanted], sinks=[told.append], rng=random.Random(1), utc=at.utc)
            task = asyncio.create_task(monitor.run())
            await asyncio.sleep(30)
            assert (states(monitor), told.codes()) == ({"one": STREAMING}, ["target.not-knocked"])
            monitor.stop()
            await task

    run(go())


def test_a_knock_keeps_to_the_deadline_of_the_phases_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        heard = []

        async def note(*_: object, phase_deadline: float | None, **__: object) -> None:
            heard.append(phase_deadline)

        monkeypatch.setattr("probe.monitor.monitor.keep_knocking", note)
        async with place() as at:
            monitor = Monitor(
                [at.wanted()], common=Common(phase_deadline=2.0), rng=random.Random(1), utc=at.utc
            )
            task = asyncio.create_task(monitor.run())
            await asyncio.sleep(1)
            monitor.stop()
            await task
        assert heard == [2.0]

    run(go())


def test_what_is_simulated_is_not_remembered_beside_what_is_real(tmp_path: Path) -> None:
    async def go() -> None:
        file = tmp_path / "endpoints.json"
        async with place() as at:
            for simulated in (True, False):
                monitor = Monitor(
                    [at.wanted(simulated=simulated, knock_every=None)],
                    winners=Winners(file, warn=print),
                    rng=random.Random(1),
                    utc=at.utc,
                )
                task = asyncio.create_task(monitor.run())
                await asyncio.sleep(10)
                monitor.stop()
                await task
                assert file.exists() is not simulated

    run(go())


def test_targets_that_one_credential_opens_are_named() -> None:
    async def look() -> None:
        async with place() as at:
            one, two = at.wanted(), at.wanted(name="two", symbols=())
            assert told_twice([one, two, at.wanted(name="three", key=None)]).count("one, two") == 1
            assert told_twice([one, replace(two, simulated=True), at.wanted(name="three", key=None)]) == ""

    run(look())


# -- nobody looked -------------------------------------------------------------------------------------------------------


def stand_still(seconds: float) -> None:
    """As a process does that is stopped."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TravellingLoop)
    loop._clock.now += seconds


def test_a_process_that_stood_still_did_not_observe() -> None:
    async def stop() -> None:
        async with place() as at, monitored(at, "one") as (monitor, told):
            stand_still(20)
            await asyncio.sleep(30)
            (snapshot,) = monitor.snapshots()
            assert told.codes() == ["monitor.late"]
            assert snapshot.unobserved_seconds == pytest.approx(20, abs=1)
            assert snapshot.observed_seconds == pytest.approx(60, abs=1)
            assert told.of(Incident) == []
            assert snapshot.condition.state is STREAMING

    run(stop())


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_was_set_makes_nothing_bad(step: float) -> None:
    async def set_the_clock() -> None:
        stepped = 0.0
        async with place() as at, monitored(at, "one", utc=lambda: at.utc() + stepped) as (monitor, told):
            stepped = step
            await asyncio.sleep(60)
            (snapshot,) = monitor.snapshots()
            assert told.codes() == ["clock.stepped"]
            assert ("forward" if step > 0 else "back") in told.of(Notice)[0].sentence
            assert snapshot.unobserved_seconds == pytest.approx(max(step, 0.0), abs=1)
            assert snapshot.observed_seconds == pytest.approx(90, abs=1)
            assert told.of(Incident) == []
            assert snapshot.at_utc == pytest.approx(at.utc() + step, abs=1)

    run(set_the_clock())


# -- our own line ---------------------------------------------------------------------------------------------------------


def test_the_uplink_is_blamed_when_it_is_down_too_and_not_measured_without_an_address() -> None:
    async def lose_everything() -> None:
        control = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        common = Common(control=control.sockets[0].getsockname()[:2])
        async with place() as at, monitored(at, "one", common=common) as (monitor, told):
            assert monitor.snapshots()[0].uplink == "up"
            assert any(each.metric is Metric.UPLINK_RTT for each in told.of(Sample))
            control.close()
            await asyncio.sleep(30)
            assert monitor.snapshots()[0].uplink == "down"
            await at.spoil("near", "refuse")
            for record in at.records:
                record.drop()
            await asyncio.sleep(10)
            assert [each.blame for each in told.of(Incident)][:1] == [Blame.NETWORK]
        async with place() as at, monitored(at, "one") as (monitor, told):
            assert monitor.snapshots()[0].uplink == "not measured"

    run(lose_everything())


def test_many_targets_are_woken_in_turns_and_each_as_often_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.monitor.monitor.SLICE", 2)
    monkeypatch.setattr("probe.monitor.monitor.MINUTES_A_SLICE", 1)
    woken: dict[str, list[float]] = {}
    wake = Watch.wake

    def noted(watch: Watch, now: float, **how: Any) -> bool:
        woken.setdefault(watch.target, []).append(round(now, 2))
        return wake(watch, now, **how)

    monkeypatch.setattr(Watch, "wake", noted)

    async def look() -> None:
        async with place() as at, monitored(at, *"abcde") as (_, told):
            await asyncio.sleep(65)
            ends = [each.at_utc for each in told.of(Period)]
        assert {round(after - before, 2) for each in woken.values() for before, after in pairwise(each)} == {
            0.5
        }
        assert len({each[0] % 0.5 for each in woken.values()}) == 2
        assert len(ends) >= 5
        assert len(set(ends[:5])) == 5

    run(look())
