import pytest

from probe.diagnose.case import Clock
from probe.diagnose.facts import Facts
from probe.host.clock import ClockWatch, clock_of, clock_of_session
from probe.model.events import Ended, Phase, PhaseFinished, Traffic, Upgraded
from probe.model.failures import Answer, Failure, Seen

NOON, NOON_UTC = "Wed, 07 Jan 2026 12:00:00 GMT", 1767787200.0
CONNECTED = PhaseFinished(at=10.0, phase=Phase.CONNECTING, began_at=9.0)


class Hands:
    """Clocks that are set."""

    utc, monotonic = 1000.0, 10.0
    slept: float | None = 5.0

    def watch(self) -> ClockWatch:
        return ClockWatch(lambda: self.utc, lambda: self.monotonic, lambda: self.slept)


def test_clocks_that_run_alike_have_not_jumped() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.utc, hands.monotonic = 1060.0, 70.0
    assert (watch.jump_seconds, watch.slept_seconds) == (0.0, 0.0)


def test_a_wall_clock_that_is_set_has_jumped_and_the_machine_has_not_slept() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.utc -= 90.0
    assert (watch.jump_seconds, watch.slept_seconds) == (-90.0, 0.0)


def test_sleep_is_told_by_the_boot_clock_where_there_is_one() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.utc, hands.slept = 1090.0, 95.0
    assert (watch.jump_seconds, watch.slept_seconds) == (90.0, 90.0)
    hands.slept = None
    assert watch.slept_seconds is None


def test_a_date_is_cut_to_seconds_and_as_old_as_its_answer_may_be() -> None:
    found = clock_of("one", NOON, NOON_UTC + 4.5, 2.0)
    assert found == Clock(source="one", offset_seconds=3.0, uncertainty_seconds=1.5)
    assert clock_of("one", "noon", NOON_UTC) is None


@pytest.mark.parametrize("is_granted", [True, False])
def test_the_answer_to_the_upgrade_tells_the_time_whether_granted_or_not(is_granted: bool) -> None:
    headers = (("date", NOON),)
    facts = Facts(phases=[CONNECTED])
    if is_granted:
        facts.upgraded = Upgraded(at=11.0, status=101, headers=headers)
    else:
        seen = Seen(answer=Answer(status=403, headers=headers))
        failure = Failure(kind="http.403", seen=seen)
        facts.ended = Ended(at=11.0, phase=Phase.UPGRADING, failure=failure, traffic=Traffic())
    found = clock_of_session(facts, "one", NOON_UTC - 11.0)
    assert found == Clock(source="one", offset_seconds=-1.0, uncertainty_seconds=1.0)


def test_without_an_answer_no_time_is_told() -> None:
    assert clock_of_session(Facts(phases=[CONNECTED]), "one", NOON_UTC) is None
