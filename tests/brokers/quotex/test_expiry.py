"""Options that end at an instant: the instant is on the grid, ahead, and about as far away as was asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.brokers.quotex.expiry import next_expiry

NOON = 1_790_251_200  # 2026-09-24 12:00:00 UTC
TIMES = st.floats(0, 4e9)
DURATIONS = st.sampled_from([5, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 86_400])


@given(TIMES, DURATIONS)
def test_an_expiry_is_a_multiple_of_its_duration_since_midnight_in_utc(now: float, duration: int) -> None:
    assert next_expiry(now, duration) % 86_400 % max(duration, 60) == 0


@given(TIMES, DURATIONS)
def test_an_expiry_is_between_half_and_one_and_a_half_durations_away(now: float, duration: int) -> None:
    grid = max(duration, 60)
    assert grid / 2 <= next_expiry(now, duration) - now <= grid * 1.5


@given(TIMES, st.floats(0, 1e5), DURATIONS)
def test_who_asks_later_does_not_end_earlier(now: float, later: float, duration: int) -> None:
    assert next_expiry(now, duration) <= next_expiry(now + later, duration)


@pytest.mark.parametrize(
    ("after_noon", "duration", "expiry_after_noon"),
    [
        (0, 60, 60),
        (29.9, 60, 60),
        (30, 60, 120),  # from the half minute on, the next one
        (59.9, 30, 120),
        (150, 300, 300),  # just half of a longer one has not elapsed
        (150.1, 300, 600),
        (0, 300, 300),
        (3599, 3600, 7200),
    ],
)
def test_a_step_that_is_half_gone_is_skipped(
    after_noon: float, duration: int, expiry_after_noon: float
) -> None:
    assert next_expiry(NOON + after_noon, duration) == NOON + expiry_after_noon


@pytest.mark.parametrize("duration", [0, -60, 61, 7_000, 100_000])
def test_a_duration_without_a_grid_is_refused(duration: int) -> None:
    with pytest.raises(ValueError, match="do not divide a day"):
        next_expiry(NOON, duration)
