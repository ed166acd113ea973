"""Stretches of time, and how two sides are cut into pieces of one length that can be held against each other."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

from probe.measure.periods import MINUTE, merged
from probe.measure.records import Period

Stretch = tuple[float, float]  # since, until
Piece = tuple[int, Period]  # the hours of the day it is of, and what was there

HOUR, DAY = 3600.0, 86400.0
WHOLE_DAYS = (
    *(days * DAY for days in (28, 14, 7, 2, 1)),
    *(hours * HOUR for hours in (12, 8, 6, 4, 3, 2, 1)),
)
WANTED = 16  # pieces of the shorter side
MOST_TIMES = 24  # as long as the other a side may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    seconds: float
    is_by_the_clock: bool
    """At the same hours of each day; else every so many seconds that belong to the side."""


def length(stretches: Iterable[Stretch]) -> float:
    return sum(until - since for since, until in stretches)


def cut_for(before: float, after: float) -> Cut:
    """Of sides of these lengths. Days have a shape, so sides that are longer than one are cut into whole days, or at the same hours."""
    shorter = min(before, after)
    if shorter >= DAY:
        return Cut(
            seconds=next(each for each in WHOLE_DAYS if shorter >= WANTED * each), is_by_the_clock=True
        )
    return Cut(seconds=max(shorter // WANTED // MINUTE, 1) * MINUTE, is_by_the_clock=False)


def pieces(periods: Iterable[Period], stretches: Sequence[Stretch], cut: Cut) -> Iterator[Piece]:
    """Of periods, oldest first, that lie in these stretches. What nobody watched is none."""
    since = [begins for begins, _ in stretches]
    passed = [0.0, *accumulate(until - begins for begins, until in stretches)]

    def place(period: Period) -> int:
        if cut.is_by_the_clock:
            return int(period.began_utc // cut.seconds)
        at = bisect_right(since, period.began_utc) - 1
        return int((passed[at] + period.began_utc - since[at]) // cut.seconds)

    a_day = max(int(DAY // cut.seconds), 1)
    for number, group in groupby(periods, key=place):
        whole = merged(list(group))
        if whole.observed_seconds:
            yield number % a_day if cut.is_by_the_clock else 0, whole


def shared(one: Sequence[Stretch], other: Sequence[Stretch]) -> Stretch | None:
    """The first time that both have."""
    for (_, until), (also_since, also_until) in pairwise(sorted([*one, *other])):
        if also_since < until:
            return also_since, min(until, also_until)
    return None
