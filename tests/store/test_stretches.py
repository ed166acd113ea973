"""Which region was in use when, and what was kept of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from probe.measure.periods import MINUTE
from probe.measure.pieces import DAY, HOUR, Stretch
from probe.store.pages import StorePages
from probe.store.stretches import periods, regions
from tests.store.making import ATTEMPT, NOON, STATE, SUCCESS, Kept, minute


@contextmanager
def reading(kept: Kept) -> Iterator[StorePages]:
    pages = StorePages(kept.path)
    try:
        yield pages
    finally:
        pages.close()


def test_a_region_is_in_use_from_one_change_to_the_next(kept: Kept) -> None:
    held = replace(SUCCESS, purpose="hold")
    kept.keep(
        replace(STATE, at_utc=NOON - DAY, endpoint="eu"),
        replace(STATE, at_utc=NOON + 10, endpoint="us"),
        replace(STATE, at_utc=NOON + 20, endpoint="us"),
        replace(held, at_utc=NOON + 30, endpoint="eu"),
        replace(held, at_utc=NOON + 35, endpoint="asia", purpose="knock"),
        replace(ATTEMPT, at_utc=NOON + 36, endpoint="asia"),
        replace(STATE, at_utc=NOON + 40, endpoint=None),
    )
    with reading(kept) as store:
        assert regions(store, "demo", NOON, NOON + 60) == {
            "eu": [(NOON, NOON + 10), (NOON + 30, NOON + 40)],
            "us": [(NOON + 10, NOON + 30)],
        }
        assert regions(store, "demo", NOON + 41, NOON + 60) == {}
        assert regions(store, "other", NOON, NOON + 60) == {}


def test_hours_and_the_minutes_around_them_are_the_same_as_minutes(kept: Kept) -> None:
    kept.keep(*(minute(NOON + place * MINUTE) for place in range(200)))
    stretches: list[Stretch] = [(NOON + 600, NOON + 9000), (NOON + 9060, NOON + 9600)]
    with reading(kept) as store:
        mixed, minutes = (list(periods(store, "demo", stretches, by_hours=each)) for each in (True, False))
    assert [each.seconds for each in mixed].count(HOUR) == 1
    assert len(minutes) == 149
    assert sum(each.ticks for each in mixed) == sum(each.ticks for each in minutes) == 149 * 4
    assert [each.began_utc for each in mixed] == sorted(each.began_utc for each in mixed)


def test_a_minute_that_reaches_over_the_end_is_left_out(kept: Kept) -> None:
    kept.keep(minute(NOON), minute(NOON + MINUTE))
    with reading(kept) as store:
        found = list(periods(store, "demo", [(NOON, NOON + 90)], by_hours=False))
    assert [each.began_utc for each in found] == [NOON]


@pytest.mark.parametrize("first", [NOON, NOON + 600])
def test_what_was_kept_begins_with_its_first_minute(kept: Kept, first: float) -> None:
    kept.keep(minute(first), minute(NOON + 3 * HOUR))
    with reading(kept) as store:
        assert store.kept("demo") == (first, NOON + 3 * HOUR + MINUTE)
        assert store.kept("other") is None
