"""The two runs in which a public monitor was seen to be blind: an 88 s stall, and a session that never came to be.

What it said then stands in `BASELINE`; it was measured on the same kind of server. docs/monitor-states.md shows it beside
what is said here.
"""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from probe.measure.health import Grade
from probe.measure.records import Alert, Cause, Incident, SessionState, StateChanged
from probe.model.endpoint import Account, Endpoint
from probe.model.failures import Blame
from tests.monitor.matrix import BASELINE, BROKERS, Course, course
from tests.virtual.travelling import run

STALL_SECONDS = 88.0
NOTICED_WITHIN = 5.5
WORST = (Grade.POOR, Grade.UNKNOWN)


async def grades(one: Course, seconds: float) -> Sequence[tuple[float | None, Grade]]:
    """Of every half second."""
    found = []
    for _ in range(int(seconds / 0.5)):
        await asyncio.sleep(0.5)
        score = one.snapshot().score
        found.append((score.value, score.grade))
    return found


@pytest.mark.parametrize("begins", ["0s", "4s"])
@pytest.mark.parametrize("broker", BROKERS)
def test_a_silent_stall_is_seen_within_seconds_and_never_reads_above_poor(broker: str, begins: str) -> None:
    async def watch() -> None:
        async with course(broker) as one:
            assert await one.until(lambda: one.now >= 90.0)  # long enough for a verdict
            assert one.snapshot().score.grade is Grade.EXCELLENT
            number = await one.simulator.board.switch_on(f"silent-stall:at={begins}")
            assert await one.until(lambda: SessionState.STALLED in one.states, NOTICED_WITHIN)
            incident = one.of(Incident)[0]
            told = next(each for each in one.of(StateChanged) if each.condition.state is SessionState.STALLED)
            assert told.at_utc - incident.began_utc <= NOTICED_WITHIN
            assert (incident.cause, incident.code) == (Cause.STALLED, "session.silent-stall")
            assert await one.until(lambda: one.incidents[0].blame is Blame.BROKER, 1.0)  # it was asked
            scores = await grades(one, STALL_SECONDS - NOTICED_WITHIN)
            assert {grade for _, grade in scores} == {Grade.POOR}
            assert max(value for value, _ in scores if value is not None) <= 50 < BASELINE["stall"][0]
            assert "stream_stalled" in one.alerts
            await one.simulator.board.switch_off(number)
            assert await one.until(lambda: one.is_over, 60.0)
            await asyncio.sleep(150.0)
            assert "connection_lost" not in one.alerts
            resolved = [each for each in one.of(Alert) if each.name == "stream_stalled" and each.resolved_utc]
            assert len(resolved) == 1
            assert one.snapshot().bad_seconds[Cause.STALLED] >= STALL_SECONDS - 20.0

    run(watch())


@pytest.mark.parametrize("broker", BROKERS)
def test_a_closed_port_never_reads_above_poor(broker: str) -> None:
    async def watch() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        nobody = Endpoint(
            broker=broker,
            region="nowhere",
            url=f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket",
            account=Account.DEMO,
            named_by_user=True,
        )
        async with course(broker, endpoints=(nobody,)) as one:
            scores = await grades(one, STALL_SECONDS)
            assert {grade for _, grade in scores} <= {*WORST}
            assert scores[-1] == (0.0, Grade.POOR)
            assert one.alerts == {"all_endpoints_failing"}  # it explains connection_lost
            assert [each.code for each in one.incidents] == ["tcp.refused"]
            assert one.snapshot().availability == 0.0
            assert scores[-1][0] != BASELINE["never connected"][0]

    run(watch())


@pytest.mark.parametrize("broker", BROKERS)
def test_a_rejected_login_never_reads_above_poor(broker: str) -> None:
    async def watch() -> None:
        async with course(broker, "auth-refused") as one:
            scores = await grades(one, STALL_SECONDS)
            assert {grade for _, grade in scores} <= {*WORST}
            assert scores[-1] == (0.0, Grade.POOR)
            assert one.alerts == {"auth_rejected"}
            assert one.snapshot().condition.state is SessionState.AUTH_REJECTED
            assert len(one.simulator.sessions.records()) == 1

    run(watch())
