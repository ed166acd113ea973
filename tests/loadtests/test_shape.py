import json
import subprocess
import sys
from typing import Any

import pytest


@pytest.fixture(scope="module")
def played() -> Any:
    """With 200 users."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.loadtests.shape_playing", "200"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return json.loads(done.stdout) | {"said": done.stderr}


def test_each_second_locust_is_told_the_present_number_and_to_make_up_the_difference_at_once(
    played: Any,
) -> None:
    assert played["asked"] == [
        [25, 25], [75, 50], [125, 50], [175, 50], [400, 225], [400, 225], [0, 400], [0, 400], None
    ]  # fmt: skip


def test_locust_goes_through_all_stages_and_ends_the_run_by_itself(played: Any) -> None:
    assert (played["stages"], played["state"]) == (["Up", "More"], "stopped")
    assert (played["counts"][0], max(played["counts"]), played["counts"][-1]) == (0, 400, 0)


def test_it_is_one_run_with_one_conductor_of_locust_s_too(played: Any) -> None:
    assert (played["starts"], played["conductors"]) == (1, 1)


def test_locust_does_not_wonder_about_steps_that_the_scenario_wants(played: Any) -> None:
    assert "spawn rate" not in played["said"]
