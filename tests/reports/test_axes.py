"""What is written beside an axis of time."""

from datetime import UTC, datetime

import pytest

from reports.page.axes import MOST_TICKS, Elapsed, Utc

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
EVENING = datetime(2026, 11, 3, 22, 40, tzinfo=UTC).timestamp()


def written(since: float, seconds: float) -> list[str]:
    return [words for _, words in Utc(since, since + seconds).ticks()]


def test_a_time_of_day_has_its_day_before_it_also_across_midnight() -> None:
    assert written(EVENING, 3 * HOUR) == ["3 Nov 23:00", "23:30", "4 Nov", "00:30", "01:00", "01:30"]
    assert written(EVENING, 6 * MINUTE) == [
        "3 Nov 22:40",
        "22:41",
        "22:42",
        "22:43",
        "22:44",
        "22:45",
        "22:46",
    ]
    assert written(EVENING, 45.0)[:2] == ["3 Nov 22:40:00", "22:40:10"]


def test_days_weeks_from_monday_and_months_from_their_first() -> None:
    assert written(EVENING, 5 * DAY) == ["4 Nov", "5 Nov", "6 Nov", "7 Nov", "8 Nov"]
    assert written(EVENING, 30 * DAY) == ["9 Nov", "16 Nov", "23 Nov", "30 Nov"]
    assert written(EVENING, 365 * DAY) == [
        "Jan 2027",
        "Mar 2027",
        "May 2027",
        "Jul 2027",
        "Sep 2027",
        "Nov 2027",
    ]


@pytest.mark.parametrize(
    "seconds",
    [
        1.0,
        59.0,
        10 * MINUTE,
        HOUR,
        7 * HOUR,
        DAY,
        3 * DAY,
        8 * DAY,
        30 * DAY,
        100 * DAY,
        400 * DAY,
        4000 * DAY,
    ],
)
@pytest.mark.parametrize("offset", [0.0, 0.7, 1234.5, 13.5 * HOUR])
def test_few_ticks_in_the_period_and_in_order(seconds: float, offset: float) -> None:
    time = Utc(EVENING + offset, EVENING + offset + seconds)
    places = [time.share(second) for second, _ in time.ticks()]
    assert places == sorted(set(places))
    assert all(EVENING + offset <= second <= EVENING + offset + seconds for second, _ in time.ticks())
    assert len(places) <= MOST_TICKS + 1


def test_a_period_without_length_has_a_place_for_everything() -> None:
    assert Utc(EVENING, EVENING).share(EVENING + 5) == 1.0
    assert Utc(EVENING, EVENING).share(EVENING - 5) == 0.0


def test_a_run_counts_from_its_beginning() -> None:
    assert list(Elapsed(90.0).ticks())[:3] == [(0, "0:00"), (15, "0:15"), (30, "0:30")]
