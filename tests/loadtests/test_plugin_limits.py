"""What a run may do is divided among its processes, and ends in time."""

import json
import subprocess
import sys
from typing import Any

import pytest


@pytest.fixture(scope="module")
def seen() -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.loadtests.plugin_limits"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return json.loads(done.stdout)


def test_workers_have_the_whole_together_and_who_comes_late_makes_the_others_shares_smaller(
    seen: Any,
) -> None:
    assert seen["divided"]["before a run"] == {}
    assert seen["divided"]["at its beginning"] == {"a": [5, 50.0, 2, True], "b": [5, 50.0, 2, True]}
    assert seen["divided"]["one more"] == {
        "a": [4, 33.333, 3, False], "b": [3, 33.333, 3, False], "c": [3, 33.333, 3, False]
    }  # fmt: skip


def test_who_is_missing_may_go_on_with_his_share_so_nobody_gets_it(seen: Any) -> None:
    """A worker that has lost its master goes on for a minute."""
    assert seen["divided"]["one missing and one more"] == {
        "b": [3, 25.0, 4, False], "c": [2, 25.0, 4, False], "d": [2, 25.0, 4, False]
    }  # fmt: skip


def test_no_master_can_give_a_worker_more_than_its_own_settings_do(seen: Any) -> None:
    assert seen["obeyed"]["huge"] == [10, 100.0]
    assert seen["obeyed"]["seconds"] == pytest.approx(60, abs=10)


def test_no_master_can_make_a_run_that_is_on_begin_anew(seen: Any) -> None:
    assert seen["obeyed"]["as long as before"]
    assert seen["obeyed"]["of the next run"] == pytest.approx(30, abs=10)


def test_a_run_that_has_taken_its_time_is_ended_once_in_every_kind_of_process(seen: Any) -> None:
    assert seen["ended"] == {
        "alone": ["|", "quit"], "with a page": ["|", "stop"], "master": ["|", "quit"], "worker": ["|", "stop"]
    }  # fmt: skip
