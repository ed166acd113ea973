"""Somebody else's server is logged in to once, whatever remains in doubt; one's own may be asked again."""

import asyncio

import pytest

from probe.brokers import find_broker
from probe.doctor.examine import Means, Outcome, Patient, examine
from probe.simulator.run import Simulator
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

BROKER = find_broker("pocketoption")


async def logins(fault: str, *, is_ours: bool) -> tuple[int, int, dict[str, str]]:
    """How often the credential came, how often an upgrade was asked for, and what was not checked and why."""
    clock = asyncio.get_running_loop().time
    async with Simulator([BROKER], faults=[fault]) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        patient = Patient(
            name="one", broker=BROKER, endpoint=endpoint, key=simulator.key(endpoint), is_ours=is_ours
        )
        examination = await examine(
            patient, Means(deep=True, budget=180.0), utc=lambda: WEDNESDAY_NOON + clock()
        )
        records = simulator.sessions.records()
        came = [any('"auth"' in line.text for line in record.frames()) for record in records]
        asked = [record.session.traffic.bytes_received > 0 for record in records]
    left_out = {each.name: each.note for each in examination.rungs if each.outcome is Outcome.NOT_CHECKED}
    return sum(came), sum(asked), left_out


@pytest.mark.parametrize("fault", ["silent-stall:at=2s", "auth-silent", "close:at=3s,code=1001"])
def test_a_strangers_server_sees_the_credential_once(fault: str) -> None:
    with simulated_at(WEDNESDAY_NOON):
        count, _, left_out = run(logins(fault, is_ours=False))
    assert count == 1
    assert {"another session", "the same again"} & left_out.keys()


def test_ones_own_server_is_asked_again_where_that_tells_more() -> None:
    with simulated_at(WEDNESDAY_NOON):
        count, _, _ = run(logins("silent-stall:at=2s", is_ours=True))
    assert count == 3


@pytest.mark.parametrize("fault", ["http-status:code=403", "http-status:code=429"])
def test_a_challenge_and_a_limit_are_met_once_and_end_it(fault: str) -> None:
    with simulated_at(WEDNESDAY_NOON):
        count, asked, left_out = run(logins(fault, is_ours=False))
    assert (count, asked) == (0, 1)
    assert left_out["another session"] == "such an answer is not asked for twice"
