"""Runs after each other in one process: users' mistakes and the server's faults spoil no count, and nothing is left to the next run."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

WITHIN = 240.0
GENTLE = ("mistakes", "again", "blocked", "after them", "flood", "binary-garbage")
ROUGH = ("auth-refused", "drop:at=300ms", "tcp-reset:at=300ms")


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.loadtests.runs_inside"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


def failures(figures: list[Any]) -> int:
    failed: Mapping[str, int] = figures[3]
    return sum(failed.values())


@pytest.mark.parametrize("name", GENTLE + ROUGH)
def test_all_that_was_due_was_answered_or_failed_and_locust_counted_the_same(runs: Any, name: str) -> None:
    run = runs[name]
    assert run["came"], run
    theirs = run["locust"]
    theirs.pop("theirs", None)
    ours = {}
    for operation, figures in run["operations"].items():
        due, sent, answered, _ = figures
        assert due == answered + failures(figures) >= sent >= answered
        ours[operation] = [due, failures(figures)]
    opened, failed = run["connects"]
    assert theirs == ours | {"connect": [opened + sum(failed.values()), sum(failed.values())]}


def test_each_run_is_looked_at(runs: Any) -> None:
    assert runs.keys() - {"refusal"} == {*GENTLE, *ROUGH}


@pytest.mark.parametrize("name", GENTLE + ROUGH)
def test_nothing_is_left_open_when_a_run_is_over(runs: Any, name: str) -> None:
    assert (runs[name]["open"], runs[name]["sessions"][1]) == ([0, 0], 0)


@pytest.mark.parametrize("name", GENTLE)
def test_each_message_reached_the_simulator(runs: Any, name: str) -> None:
    ours, theirs = runs[name]["messages_to_it"]
    assert ours == theirs > 0


def test_mistakes_of_users_are_locusts_to_tell_and_the_other_users_go_on(runs: Any) -> None:
    run = runs["mistakes"]
    assert "a mistake in a task" in run["mistakes"]
    assert any("has no attribute 'nonsense'" in each for each in run["mistakes"])
    assert run["connects"] == [6, {}]
    assert run["sessions"] == [6, 0, 6, {}]  # one of them by a user that does not close it
    assert run["operations"]["both"] == [2, 2, 2, {}]
    assert run["operations"]["on stop"] == [1, 1, 1, {}]


def test_a_run_begins_with_nothing_of_the_one_before(runs: Any) -> None:
    run = runs["again"]
    assert (run["connects"], run["sessions"]) == ([2, {}], [2, 0, 2, {}])
    assert set(run["operations"]) == {"money"}
    assert run["refused"] == [{}]


def test_a_task_that_holds_up_the_loop_makes_the_run_invalid(runs: Any) -> None:
    assert "loop-lag" in runs["blocked"]["codes"]


def test_what_the_server_does_is_counted_as_its(runs: Any) -> None:
    assert runs["auth-refused"]["connects"] == [0, {"auth.refused": 1}]
    assert set(runs["auth-refused"]["operations"]["money"][3]) == {"not-live"}
    assert set(runs["drop:at=300ms"]["sessions"][3]) == {"session.closed-1006"}
    assert set(runs["tcp-reset:at=300ms"]["sessions"][3]) == {"session.tcp-reset"}


def test_users_of_another_broker_than_the_targets_are_refused_in_words(runs: Any) -> None:
    assert "Asking: it speaks bingx, and the run's target pocketoption" in runs["refusal"]
