"""Whichever way a load test comes, it goes nowhere it may not: counted at an interface through which it would leave."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients import isolated
from tests.loadtests.guard_doors_inside import MISSING

ROOT = Path(__file__).resolve().parents[2]
# The packages are this interpreter's, and in a namespace of mounts the resolver is ours.
INSIDE = ("unshare", "--mount", sys.executable, "-m", "tests.loadtests.guard_doors_inside")


def tried(home: Path, *doors: str, most_seconds: float) -> dict[str, Any]:
    outcome = isolated.run([*INSIDE, *doors], home=home, cwd=ROOT, most_seconds=most_seconds)
    if MISSING in outcome.output:
        pytest.skip(outcome.output.strip())
    assert (outcome.cut_short, outcome.status) == ("", 0), outcome.output[-3000:]
    told: dict[str, Any] = json.loads(outcome.output.splitlines()[-1])
    return told


def check(told: dict[str, Any], *doors: str) -> None:
    results = [each for each in told["results"] if each["door"] != "unguarded"]
    assert {each["door"] for each in results} == set(doors)
    assert len(results) == 16 * len(doors)
    assert [(each["door"], each["what"], each["sent"]) for each in results if each["sent"]] == []
    # All others are refused by their names, so nobody is asked where they are.
    assert {name for each in results for name in each["asked"]} == {"staging.example", "changing.example"}
    for each in results:
        assert each["why"] in " ".join(each["said"].split()), each
        if not each["why"]:  # it was dialled, and came no further than here
            assert "Traceback" not in each["said"], each
    assert told["proxied"] == 0


def test_nobody_who_uses_the_driver_alone_sends_a_packet_anywhere_else(tmp_path: Path) -> None:
    told = tried(tmp_path, "unguarded", "guard", "direct", "calls", most_seconds=60.0)
    assert told["results"][0]["sent"] == [1, 1]
    check(told, "guard", "direct", "calls")
    assert told["redirected"] >= 4  # those that may be dialled were


@pytest.mark.long
@pytest.mark.timeout(500)
@pytest.mark.parametrize("door", ["command", "locust", "web page", "worker"])
def test_through_no_door_a_packet_goes_anywhere_else(door: str, tmp_path: Path) -> None:
    told = tried(tmp_path, "unguarded", door, most_seconds=400.0)
    assert told["results"][0]["sent"] == [1, 1]
    check(told, door)
