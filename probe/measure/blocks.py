"""Stretches of time that are drawn or dealt as a whole, because neighbouring moments are alike and single ones would pretend to know more."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, repeat

from probe.measure.histogram import Histogram

ALARM_LEVEL = 0.01  # of all comparisons of a thing with itself so many may give an alarm
FEWEST_BLOCKS = 8
BEYOND = 10  # so many values must lie beyond a percentile, or it is chance alone
MOST_ALIKE = 0.6  # neighbouring blocks; what is more alike cannot be told from a trend
COARSE = 1 / 64  # a histogram knows each of two values to half of this share of itself
WIDEST = math.log(1000)
RULE_OF_THREE = 3.0  # none in n may still be this many in n
Drawn = Mapping[int, int]  # blocks, and how often each was drawn


def percentile(
    blocks: Sequence[Histogram], quantile: float, *, scales: Sequence[float] | None = None
) -> Callable[[Drawn], float]:
    """The logarithm of the percentile of the blocks drawn.

    Args:
        scales: What the values of each block are taken times; 1 if left out.
    """
    counts = [
        {(begins + ends) / 2 * scale: count for begins, ends, count in each.buckets()}
        for each, scale in zip(blocks, scales or repeat(1.0), strict=False)
    ]
    values = sorted({value for each in counts for value in each})
    summed_up = [list(accumulate(each.get(value, 0) for value in values)) for each in counts]

    def value(drawn: Drawn) -> float:
        parts = [(summed_up[block], times) for block, times in drawn.items()]
        rank = quantile * sum(part[-1] * times for part, times in parts)
        place = bisect_left(
            range(len(values)), rank, key=lambda at: sum(part[at] * times for part, times in parts)
        )
        return math.log(values[place])

    return value


def share(blocks: Sequence[tuple[float, float]]) -> Callable[[Drawn], float]:
    """Of so many, so many in all, in the blocks drawn."""

    def value(drawn: Drawn) -> float:
        some, every = summed(
            (blocks[block][0] * times, blocks[block][1] * times) for block, times in drawn.items()
        )
        return some / every if every else 0.0

    return value


def summed(counts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    some, every = 0.0, 0.0
    for one, all_of_it in counts:
        some, every = some + one, every + all_of_it
    return some, every


def one_of(histograms: Iterable[Histogram]) -> Histogram:
    whole = Histogram()
    for each in histograms:
        whole.merge(each)
    return whole


def rare(deviations: Sequence[float]) -> float:
    """What only `ALARM_LEVEL` of them go beyond."""
    return sorted(deviations)[math.ceil((1 - ALARM_LEVEL) * len(deviations)) - 1] if deviations else 0.0


def unbiased(seen: float, blocks: float) -> float:
    """How much neighbours correlate: few blocks make it look smaller (Marriott and Pope, Biometrika 41, 1954)."""
    return (seen + 1 / blocks) / (1 - min(0.5, 4 / blocks))


def widened(correlation: float) -> float:
    """By how much noise that wanders slowly is wider than blocks that know nothing of each other make it look."""
    r = min(max(correlation, 0.0), MOST_ALIKE)
    return math.sqrt((1 + r) / (1 - r))
