import resource

import pytest

from tests.soak.load import COMPLETE, RAMP_RATE, Held, Plan, hold


@pytest.mark.long
@pytest.mark.alone
def test_five_thousand_sessions_of_a_load_test_are_held_for_a_minute_without_one_lost() -> None:
    held = keep(Plan(sessions=5_000, seconds=60.0, ramp=5_000 / RAMP_RATE))
    assert held.record.verdict.reasons == ()
    assert held.completeness >= COMPLETE
    assert held.record.total.sessions.beats_missed == 0


def test_fifty_sessions_of_a_load_test_are_held_without_one_lost() -> None:
    keep(Plan(sessions=50, seconds=2.0, ramp=1.0, tick_every=0.5))


def keep(plan: Plan) -> Held:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < plan.sessions + 100:
        pytest.skip(f"a process may open {hard} files here, and {plan.sessions} sessions need more")
    held = hold(plan)
    print("\n".join(("", *held.lines())))
    total = held.record.total
    assert (total.connects.opened, total.sessions.lost, total.connects.failed) == (plan.sessions, {}, {})
    assert total.frames.messages_received - total.frames.cut_received == (
        held.counted.traffic.messages_sent - held.counted.cut.messages_sent
    )
    return held
