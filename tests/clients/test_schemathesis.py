"""schemathesis finds what the gateway and the simulated crypto backend answer to be what their own descriptions promise.

It sends what fits the description and what does not, and logs in anew whenever it was logged out.
"""

from collections.abc import Callable
from typing import Any

import pytest

RunOnce = Callable[..., tuple[str, Any]]
QUICK = ("1", "8", "fuzzing")


def judge(run_once: RunOnce, application: str, *how: str, most_seconds: float = 90) -> Any:
    said, reports = run_once("schemathesis_inside", *how, most_seconds=most_seconds)
    report = reports[application]
    assert (report["failures"], report["errors"], report["exit_code"]) == ([], [], 0), said
    assert report["operations"]["tested"] == report["operations"]["total"]
    return report


def accepted(report: Any) -> set[str]:
    """The operations that did what they were asked, at least once."""
    rates = report["valid_rates"].items()
    return {name for name, phases in rates if any(each["accepted"] for each in phases.values())}


@pytest.mark.parametrize(
    ("application", "operations", "reached"),
    [
        ("gateway", 13, 10),
        ("crypto", 26, 13),
    ],  # the others want what no description tells: a password, a code from a mail
)
def test_an_application_keeps_what_its_description_promises(
    run_once: RunOnce, application: str, operations: int, reached: int
) -> None:
    report = judge(run_once, application, *QUICK)
    assert report["operations"]["total"] == operations
    assert len(accepted(report)) >= reached


@pytest.mark.long
@pytest.mark.parametrize("application", ["gateway", "crypto"])
@pytest.mark.parametrize("seed", ["2", "3"])
def test_it_does_so_for_long(run_once: RunOnce, application: str, seed: str) -> None:
    judge(run_once, application, seed, "60", "coverage,fuzzing", most_seconds=900)
