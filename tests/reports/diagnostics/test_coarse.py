"""Fewer slots say the same."""

from dataclasses import replace

import pytest

from reports.diagnostics.coarse import coarser
from tests.reports.diagnostics.pretend import bad_day, nothing

SLOTS = bad_day().timeline


def test_few_slots_stay_as_they_are() -> None:
    assert coarser(SLOTS, 288) == list(SLOTS)
    assert coarser((), 48) == []


@pytest.mark.parametrize("most", [1, 7, 96, 287])
def test_sums_stay_exact_and_no_second_is_lost(most: int) -> None:
    few = coarser(SLOTS, most)
    assert len(few) <= most
    for take in (
        lambda slot: slot.seconds,
        lambda slot: slot.observed,
        lambda slot: slot.blind,
        lambda slot: slot.disconnects,
        lambda slot: sum(slot.bad.values()),
    ):
        assert sum(map(take, few)) == pytest.approx(sum(map(take, SLOTS)))
    assert [each.began_utc for each in few] == [slot.began_utc for slot in SLOTS[:: -(-len(SLOTS) // most)]]


def test_the_worst_percentiles_and_the_last_score_stand_for_all() -> None:
    first, second = (
        replace(each, ping=ping, score=score)
        for each, ping, score in zip(SLOTS, ((0.1, 0.2), (0.05, 0.9)), (80.0, None), strict=False)
    )
    (one,) = coarser((first, second), 1)
    assert (one.ping, one.score) == ((0.1, 0.9), 80.0)
    (none,) = coarser(nothing().timeline * 2, 1)
    assert (none.ping, none.answer, none.score) == (None, None, None)
