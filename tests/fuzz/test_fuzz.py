"""A hunt long enough to find something; `test_run.py` has the short one."""

from pathlib import Path

import pytest

from tests.fuzz import run

TARGETS = sorted(path.name.removesuffix("_target.py") for path in Path(__file__).parent.glob("*_target.py"))


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_a_long_hunt_finds_nothing(name: str) -> None:
    found = run.hunt(run.load_target(name), inputs=15_000, seed=2)
    assert found is None, f"{found}"
