"""Random faults for many pretended hours: one end, no timer left, each request answered or expired, counters equal."""

import pytest

from tests.virtual.storm import Told, one_session, storm


@pytest.mark.parametrize("hours", [20, pytest.param(50, marks=pytest.mark.long)])
def test_every_invariant_holds_through_a_storm(hours: int) -> None:
    told = storm(hours, seed=hours)  # always the same here; `make simulate HOURS=1000` looks for new ones
    assert sum(each.seconds for each in told) >= hours * 3600
    assert len({each.end for each in told}) > 3


def test_a_session_of_a_storm_replays_from_its_seed() -> None:
    first: Told = one_session("7/3", 600.0)
    assert one_session("7/3", 600.0) == first
