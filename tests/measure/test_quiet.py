"""Hours of the week that are silent by habit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.measure.quiet import Quiet

HOUR, WEEK = 3600.0, 168 * 3600.0
NOON = 1_789_000_000 // WEEK * WEEK + 36 * HOUR


def watch_hour(quiet: Quiet, began: float, *, ticked: int = 0, minutes: int = 60) -> None:
    for minute in range(minutes):
        quiet.watched(began + minute * 60, ticked=minute < ticked)


def weeks(*ticked: int, minutes: int = 60) -> Quiet:
    """Noon of so many weeks, each with so many minutes of prices, and the busy hour after it."""
    quiet = Quiet()
    for week, each in enumerate(ticked):
        watch_hour(quiet, NOON + week * WEEK, ticked=each, minutes=minutes)
        watch_hour(quiet, NOON + week * WEEK + HOUR, ticked=60)
    return quiet


def test_an_hour_silent_in_two_weeks_is_quiet_in_the_third_and_no_other_hour_is() -> None:
    quiet = weeks(0, 0)
    in_a_week = [hour for hour in range(168) if quiet.is_quiet(NOON + 2 * WEEK + hour * HOUR)]
    assert in_a_week == [0]


@pytest.mark.parametrize(
    ("ticked", "is_quiet"),
    [((0,), False), ((0, 0), True), ((6, 6), True), ((7, 0), False), ((0, 30), False), ((0, 0, 60), False)],
)
def test_only_weeks_silent_for_nine_tenths_in_a_row_make_a_habit(
    ticked: tuple[int, ...], is_quiet: bool
) -> None:
    assert weeks(*ticked).is_quiet(NOON) is is_quiet


def test_a_habit_that_ended_can_be_learnt_again() -> None:
    assert weeks(0, 0, 60, 0, 0).is_quiet(NOON)


def test_an_hour_watched_for_less_than_half_counts_for_nothing() -> None:
    assert not weeks(0, 0, 0, minutes=29).is_quiet(NOON)
    assert weeks(0, 0, minutes=30).is_quiet(NOON)


@given(st.lists(st.booleans(), max_size=200), st.integers(0, 10_000))
def test_what_was_learnt_survives_a_restart_in_the_middle_of_an_hour(minutes: list[bool], began: int) -> None:
    before = weeks(0)
    for minute, ticked in enumerate(minutes):
        before.watched(NOON + WEEK + (began + minute) * 60, ticked=ticked)
    after = Quiet.from_bytes(before.to_bytes())
    for quiet in (before, after):
        watch_hour(quiet, NOON + 400 * HOUR)
        quiet.watched(NOON + 402 * HOUR, ticked=True)
    assert after.to_bytes() == before.to_bytes()


@pytest.mark.parametrize("damaged", [b"", b"\x01", Quiet().to_bytes()[:-1], b"\x02" + Quiet().to_bytes()[1:]])
def test_damaged_bytes_are_refused_in_words(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="no learnt hours of version 1"):
        Quiet.from_bytes(damaged)


def test_a_symbols_habits_take_less_than_a_quarter_of_a_kibibyte() -> None:
    assert len(weeks(0, 0).to_bytes()) < 256
