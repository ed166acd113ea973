"""Every fault of the catalogue, held during a monitored session: its state, its cause, its incident, its alert, and its end."""

import asyncio
import random
from zlib import crc32

import pytest

from probe.faults.catalogue import FAULTS, read_fault
from probe.measure.records import Attempt, Cause, Disconnected, SessionState
from probe.monitor.monitor import Monitor
from tests.monitor.matrix import BROKERS, NOT_MET, ROWS, Row, course, label, suffer
from tests.virtual.travelling import run


def by_turns(row: Row, turn: int) -> str:
    """One of its brokers; the next turn is another's."""
    return row.brokers[(crc32(label(row).encode()) + turn) % len(row.brokers)]


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_a_fault_gives_its_state_its_cause_and_its_incident_and_they_end_with_it(row: Row) -> None:
    run(suffer(row, by_turns(row, 0), None))


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=label)
def test_a_fault_that_is_held_gives_its_alert_and_everything_closes_when_it_ends(row: Row) -> None:
    run(suffer(row, by_turns(row, 1), row.long))


def test_a_region_that_is_down_is_left_for_another_one() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.is_over)
            near = next(each for each in one.simulator._listeners if each.region.name == "near")
            await near.set_faults([read_fault("refuse")])
            number = await one.simulator.board.switch_on("drop:at=0s")
            near_is_down = [read_fault("refuse")]
            await near.set_faults(near_is_down)
            await asyncio.sleep(0.2)
            await one.simulator.board.switch_off(number)
            await near.set_faults(near_is_down)
            assert await one.until(lambda: one.snapshot().endpoint == "far" and one.is_over, 60.0)
            assert [each.cause for each in one.incidents] == [Cause.DISCONNECTED]

    run(watch())


def test_a_second_login_that_ends_ours_is_seen_as_the_server_ending_it() -> None:
    async def watch() -> None:
        async with course("pocketoption", "session-cap") as one:
            assert await one.until(lambda: one.is_over)
            other = Monitor(one.monitor.wanted, utc=lambda: one.began_utc + one.now, rng=random.Random(2))
            running = asyncio.create_task(other.run())
            assert await one.until(lambda: one.of(Disconnected), 60.0)
            other.stop()
            await running
            assert [each.initiator for each in one.of(Disconnected)][:1] == ["remote"]
            assert one.incidents[0].cause is Cause.DISCONNECTED
            assert await one.until(lambda: one.is_over)

    run(watch())


def test_a_knock_that_is_refused_for_a_cap_says_nothing_about_the_session() -> None:
    async def watch() -> None:
        async with course("pocketoption", "connection-cap:cap=1") as one:
            await asyncio.sleep(60.0)
            knocks = [each.failure for each in one.of(Attempt) if each.purpose == "knock"]
            assert any(knocks)
            assert (one.incidents, one.alerts, one.is_over) == ([], set(), True)

    run(watch())


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("tls-certificate", "tls.server-cert-expired"),
        ("tls-certificate:kind=self-signed", "tls.unknown-ca"),
        ("tls-certificate:kind=wrong-host", "tls.hostname"),
    ],
)
def test_a_server_that_tls_does_not_vouch_for_is_not_tried_again(fault: str, code: str) -> None:
    async def watch() -> None:
        async with course("pocketoption", fault, tls=True) as one:
            assert await one.until(lambda: one.snapshot().condition.state is SessionState.STOPPED, 30.0)
            await asyncio.sleep(120.0)
            assert [(each.cause, each.code) for each in one.incidents] == [(Cause.DISCONNECTED, code)]
            assert len([each for each in one.of(Attempt) if each.purpose == "hold"]) == 1
            assert "connection_lost" in one.alerts

    run(watch())


@pytest.mark.parametrize("only", ["1.2", "1.3"])
def test_a_server_of_one_version_of_tls_is_nothing_to_whoever_speaks_both(only: str) -> None:
    async def watch() -> None:
        async with course("pocketoption", f"tls-version:only={only}", tls=True) as one:
            await asyncio.sleep(30.0)
            assert (one.incidents, one.alerts, one.is_over) == ([], set(), True)

    run(watch())


def test_no_fault_of_the_catalogue_is_missing() -> None:
    tls = {"tls-certificate", "tls-version"}  # below
    theirs = {name for name, spec in FAULTS.items() if not spec.brokers or {*spec.brokers} & {*BROKERS}}
    assert {row.name for row in ROWS} | NOT_MET.keys() | tls == theirs
