from random import Random

import pytest

from probe.measure.periods import MINUTE
from probe.measure.pieces import DAY, HOUR, Cut, Stretch, cut_for, length, pieces, shared
from tests.measure.histories import MIDNIGHT, changed, history


@pytest.mark.parametrize(
    ("before", "after", "seconds", "is_by_the_clock"),
    [
        (8 * MINUTE, HOUR, MINUTE, False),
        (31 * MINUTE, HOUR, MINUTE, False),
        (5 * HOUR, 5 * HOUR, 18 * MINUTE, False),
        (DAY, DAY, HOUR, True),
        (9 * DAY, 2 * DAY, 3 * HOUR, True),
        (16 * DAY, 20 * DAY, DAY, True),
        (120 * DAY, 120 * DAY, 7 * DAY, True),
    ],
)
def test_the_shorter_side_says_how_long_a_piece_is(
    before: float, after: float, seconds: float, is_by_the_clock: bool
) -> None:
    assert cut_for(before, after) == Cut(seconds=seconds, is_by_the_clock=is_by_the_clock)


def test_pieces_of_a_short_side_are_equally_long_and_go_on_behind_a_gap() -> None:
    whole = history(Random(1), count=30)
    stretches: list[Stretch] = [
        (MIDNIGHT, MIDNIGHT + 5 * MINUTE),
        (MIDNIGHT + 20 * MINUTE, MIDNIGHT + 30 * MINUTE),
    ]
    found = list(pieces([*whole[:5], *whole[20:]], stretches, Cut(seconds=3 * MINUTE, is_by_the_clock=False)))
    assert [period.observed_seconds for _, period in found] == [180.0] * 5
    assert {hours for hours, _ in found} == {0}
    assert length(stretches) == 15 * MINUTE


def test_pieces_of_days_know_their_hours() -> None:
    whole = history(Random(1), count=48, step=HOUR)
    side = [(MIDNIGHT, MIDNIGHT + 2 * DAY)]
    found = list(pieces(whole, side, Cut(seconds=6 * HOUR, is_by_the_clock=True)))
    first = int(MIDNIGHT // (6 * HOUR)) % 4
    assert [hours for hours, _ in found] == [(first + place) % 4 for place in range(8)]
    days = list(pieces(whole, side, Cut(seconds=DAY, is_by_the_clock=True)))
    assert {hours for hours, _ in days} == {0}


def test_what_nobody_watched_is_no_piece() -> None:
    whole = [
        changed(each, observed_seconds=0.0) if place < 5 else each
        for place, each in enumerate(history(Random(1), count=10))
    ]
    side = [(MIDNIGHT, MIDNIGHT + 10 * MINUTE)]
    assert len(list(pieces(whole, side, Cut(seconds=MINUTE, is_by_the_clock=False)))) == 5


def test_time_that_both_have_is_found() -> None:
    assert shared([(0, 5), (10, 20)], [(5, 10), (19, 30)]) == (19, 20)
    assert shared([(0, 5)], [(5, 10)]) is None
