"""The open model: what is due when, with a pretend clock, and what is sent of it."""

import random
import time
from itertools import pairwise
from typing import Any

import gevent
import pytest

from loadtests.fleet import Fleet
from loadtests.operations import Operation
from loadtests.pacer import Pacer, Schedule
from probe.load.figures import Figures
from probe.load.recorder import Recorder
from tests.loadtests.commons import eventually


def due_until(schedule: Schedule, now: float) -> list[float]:
    found = []
    while (due := schedule.take(now)) is not None:
        found.append(due)
    return found


def test_message_k_is_due_k_intervals_after_the_beginning() -> None:
    assert due_until(Schedule(100.0, 4.0), 101.0) == [100.0, 100.25, 100.5, 100.75, 101.0]


def test_who_comes_late_is_told_all_that_was_due_each_with_its_own_time() -> None:
    schedule = Schedule(0.0, 10.0)
    assert len(due_until(schedule, 0.05)) == 1
    assert due_until(schedule, 2.0) == pytest.approx([each / 10 for each in range(1, 21)])


def test_a_change_of_the_rate_does_not_break_the_line() -> None:
    schedule = Schedule(0.0, 2.0)
    schedule.change(4.0, 0.75)  # half an interval after the message at 0.5: half of the new one is left
    assert due_until(schedule, 1.4) == pytest.approx([0.0, 0.5, 0.875, 1.125, 1.375])


def test_what_was_due_before_the_rate_changed_keeps_its_time_when_it_is_sent_after() -> None:
    schedule = Schedule(0.0, 2.0)
    schedule.change(0.0, 1.2)
    assert (schedule.next_due(), due_until(schedule, 9.0), schedule.next_due()) == (
        0.0,
        [0.0, 0.5, 1.0],
        None,
    )


def test_a_ramp_of_small_changes_sends_as_much_as_its_line_says() -> None:
    schedule = Schedule(0.0, 0.0)
    for step in range(100):
        schedule.change(step + 0.5, step / 10)
    assert len(due_until(schedule, 10.0)) == pytest.approx(500, abs=1)


def test_no_message_is_due_at_the_rate_zero() -> None:
    assert Schedule(0.0, 0.0).next_due() is None


class Live:
    """A session that only notes what it is given."""

    def __init__(self) -> None:
        self.put_at: list[tuple[str, float]] = []

    def put(self, intent: Any, name: str, due: float) -> None:
        self.put_at.append((name, due))


def test_each_message_goes_to_the_next_live_session_so_that_they_are_spread_evenly() -> None:
    _, pacer, sessions = _fleet(3)
    pacer.pace(300.0)
    eventually(lambda: sum(len(each.put_at) for each in sessions) >= 30)
    pacer.stop()
    first, second, third = ([due for _, due in each.put_at][:9] for each in sessions)
    begin = first[0]
    assert [each - begin for each in first] == pytest.approx([number / 100 for number in range(9)])
    assert [each - begin for each in second] == pytest.approx([(number + 1 / 3) / 100 for number in range(9)])
    assert [each - begin for each in third] == pytest.approx([(number + 2 / 3) / 100 for number in range(9)])


def test_a_hub_that_stood_still_makes_messages_late_and_leaves_none_out() -> None:
    _, pacer, (session,) = _fleet(1)
    pacer.pace(1000.0)
    gevent.sleep(0)
    time.sleep(0.3)  # nobody else has a turn meanwhile
    stood_until = time.monotonic()
    eventually(lambda: session.put_at and session.put_at[-1][1] > stood_until)
    pacer.stop()
    dues = [due for _, due in session.put_at]
    steps = [after - before for before, after in pairwise(dues)]
    assert len(dues) > 300
    assert steps == pytest.approx([0.001] * len(steps))


def test_what_is_due_while_nobody_is_live_is_counted_as_unsent() -> None:
    fleet, pacer, (session,) = _fleet(1)
    fleet.left(session)  # type: ignore[arg-type]
    began = time.monotonic()
    pacer.pace(100.0)
    eventually(lambda: time.monotonic() - began > 0.1)
    pacer.stop()
    figures = _figures(fleet)
    asked = figures.requests["ping"]
    assert asked.due > 5
    assert (asked.sent, asked.failed) == (0, {"not-live": asked.due})
    assert figures.generators["test"].unsent == asked.due


def test_a_fault_ends_it_and_is_told() -> None:
    """It is a refusal of the guard, for example: its orders go to what is no simulator any more."""
    bugs: list[Exception] = []
    _, pacer, (session,) = _fleet(1, bugs.append)
    refusal = RuntimeError("refused")

    def refuse(*_: object) -> None:
        session.put_at.append(("", 0.0))
        raise refusal

    session.put = refuse  # type: ignore[method-assign,assignment]
    pacer.pace(100.0)
    eventually(lambda: bugs)
    gevent.sleep(0.05)
    assert (bugs, len(session.put_at)) == ([refusal], 1)


def test_nothing_is_due_before_somebody_was_live_for_the_first_time() -> None:
    fleet, pacer, _ = _fleet(0)
    pacer.pace(1000.0)
    gevent.sleep(0.05)
    before, session = _figures(fleet).all_requests().due, Live()
    fleet.joined(session)  # type: ignore[arg-type]
    eventually(lambda: len(session.put_at) > 10)
    pacer.stop()
    assert before == 0


def _fleet(count: int, on_bug: Any = None) -> tuple[Fleet, Pacer, list[Live]]:
    """With so many live sessions, and its pacer."""
    fleet = Fleet(Recorder(time.monotonic(), "test"), random.Random(1))
    pacer = Pacer(
        fleet,
        [(Operation("ping", lambda: None), 1.0)],
        random.Random(1),
        on_bug or (lambda bug: pytest.fail(str(bug))),
    )
    sessions = [Live() for _ in range(count)]
    for each in sessions:
        fleet.joined(each)  # type: ignore[arg-type]
    return fleet, pacer, sessions


def _figures(fleet: Fleet) -> Figures:
    figures = Figures()
    for each in fleet.recorder.cut(time.monotonic(), at_the_end=True):
        figures.add(each.figures, later=True)
    return figures
