"""Two stretches of what a monitor saw, held against each other: each figure of both, and an interval for their difference."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import Any, NamedTuple

from probe.measure.blocks import (
    BEYOND,
    COARSE,
    FEWEST_BLOCKS,
    RULE_OF_THREE,
    WIDEST,
    one_of,
    percentile,
    share,
    summed,
)
from probe.measure.dealt import Apart, Block, Dealable, apart
from probe.measure.histogram import Histogram
from probe.measure.periods import MINUTE
from probe.measure.pieces import DAY, Piece
from probe.measure.records import Metric, Period

PERCENTILES = (0.5, 0.95, 0.99)
TIMES = (
    Metric.WS_RTT,
    Metric.APP_RTT,
    Metric.POLL_RTT,
    Metric.BEAT_RTT,
    Metric.TCP_RTT,
    Metric.CONNECT,
    Metric.TICK_GAP,
)
WORTH_TIME, WORTH_SHARE = 0.05, 0.001  # of the value, and of all; less is no reason to act
NOISY = math.log(2)  # what hides that a time was doubled
MOST_ALIKE = 0.5  # neighbouring pieces; of what wanders more, the other side may be where it wandered to


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    name: str
    counts: Callable[[Period], tuple[float, float]]  # so many, of so many
    trials: Callable[[Period], float]  # that could each have gone wrong by itself
    is_good: bool = False
    worth: float = WORTH_SHARE
    most: float = 1.0


def _minutes(period: Period) -> float:
    return period.observed_seconds / MINUTE


RATIOS = (
    Ratio(
        name="good_seconds",
        counts=lambda it: (it.observed_seconds - sum(it.bad_seconds.values()), it.observed_seconds),
        trials=_minutes,
        is_good=True,
    ),
    Ratio(
        name="blind_seconds",
        counts=lambda it: (it.blind_seconds, it.open_seconds),
        trials=lambda it: it.open_seconds / MINUTE,
    ),
    Ratio(
        name="disconnects_per_day",
        counts=lambda it: (it.disconnects, it.observed_seconds / DAY),
        trials=lambda it: it.observed_seconds / DAY,
        worth=0.0,
        most=math.inf,
    ),
    Ratio(
        name="failed_connects",
        counts=lambda it: (it.connect_failures, it.connects + it.connect_failures),
        trials=lambda it: it.connects + it.connect_failures,
    ),
    Ratio(
        name="missed_beats",
        counts=lambda it: (it.beats_missed, it.beats_sent),
        trials=lambda it: it.beats_sent,
    ),
)


class Change(Enum):
    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    NOISY = "too noisy to tell"
    WANDERS = "wanders too slowly to tell"
    UNKNOWN = "not enough data"


class Interval(NamedTuple):
    """How large a difference is, and between what it may lie."""

    by: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    name: str  # a metric's, or a ratio's
    quantile: float | None  # None: it is a ratio
    before: float  # seconds, a share, or so many a day
    after: float
    samples: tuple[
        float, float
    ]  # how many values; of how many seconds, days, connects or beats it is a ratio
    change: Change
    absolute: Interval | None = None
    relative: Interval | None = None  # None: not known, or there was nothing before


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    differences: tuple[Difference, ...]

    def of(self, *changes: Change) -> list[Difference]:
        return [each for each in self.differences if each.change in changes]

    @property
    def is_judged(self) -> bool:
        """Of the times of which there is enough, at least half can be told from noise."""
        known = [each for each in self.differences if each.quantile and each.change is not Change.UNKNOWN]
        untold = [each for each in known if each.change in (Change.NOISY, Change.WANDERS)]
        return 0 < len(known) >= 2 * len(untold)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    name: str
    quantile: float | None
    is_good: bool
    worth: float
    samples: tuple[float, float]
    is_known: bool
    dealable: Dealable
    surety: Dealable | None = None
    """The share of values beyond the percentile of both sides: what it says of chance is right however few bursts made it."""
    most: float = math.inf


def compare(before: Sequence[Piece], after: Sequence[Piece], *, rng: Random) -> Comparison:
    """Of pieces of the same length, oldest first. Hours of the day that only one side has are left out."""
    both = {hours for hours, _ in before} & {hours for hours, _ in after}
    pieces = [
        (Block(is_after=is_after, at=period.began_utc, hours=hours), period)
        for is_after, side in ((False, before), (True, after))
        for hours, period in side
        if hours in both
    ]
    blocks, periods = [block for block, _ in pieces], [period for _, period in pieces]
    figures = [*_ratios(blocks, periods), *_times(blocks, periods)]
    known = [each for each in figures if each.is_known]
    found = _found(known, blocks, rng)
    everything = _places(blocks)
    return Comparison(
        differences=tuple(_difference(each, everything, found.get(id(each))) for each in figures)
    )


def _found(figures: Sequence[_Figure], blocks: Sequence[Block], rng: Random) -> dict[int, Apart]:
    """By the figure's id."""
    sure = [each for each in figures if each.surety is not None]
    dealables = [*(each.dealable for each in figures), *(each.surety for each in sure if each.surety)]
    told = apart(dealables, blocks, rng)
    found = dict(zip(map(id, figures), told, strict=False))
    for figure, surety in zip(sure, told[len(figures) :], strict=True):
        if abs(surety.by) <= surety.noise:
            own = found[id(figure)]
            found[id(figure)] = replace(own, noise=max(own.noise, abs(own.by)))
    return found


def _places(blocks: Sequence[Block]) -> list[dict[int, int]]:
    """All of one side, all of the other."""
    return [
        {place: 1 for place, each in enumerate(blocks) if each.is_after is which} for which in (False, True)
    ]


def _ratios(blocks: Sequence[Block], periods: Sequence[Period]) -> Iterator[_Figure]:
    for ratio in RATIOS:
        counts = list(map(ratio.counts, periods))
        sides = [[counts[place] for place in side] for side in _places(blocks)]
        before, after = (summed(side)[1] for side in sides)
        if not (before and after):
            continue
        trials = min(sum(ratio.trials(periods[place]) for place in side) for side in _places(blocks))
        yield _Figure(
            name=ratio.name,
            quantile=None,
            is_good=ratio.is_good,
            worth=ratio.worth,
            most=ratio.most,
            samples=(before, after),
            is_known=min(sum(every > 0 for _, every in side) for side in sides) >= FEWEST_BLOCKS,
            dealable=Dealable(
                value=share(counts),
                alone=[list(map(_share, counts))],
                finest=RULE_OF_THREE / trials,
            ),
        )


def _times(blocks: Sequence[Block], periods: Sequence[Period]) -> Iterator[_Figure]:
    for metric in TIMES:
        histograms = [each.histograms.get(metric, Histogram()) for each in periods]
        sides = [[histograms[place] for place in side] for side in _places(blocks)]
        before, after = (sum(each.count for each in side) for side in sides)
        if not (before and after):
            continue
        busy = min(sum(each.count > 0 for each in side) for side in sides)
        whole, usual = one_of(histograms), list(map(_usual, histograms))
        for quantile in PERCENTILES:
            value = percentile(histograms, quantile)
            borders = [math.exp(value(side)) for side in _places(blocks)]
            beyond = [_beyond(each, whole.quantile(quantile) or 0.0) for each in histograms]
            scales = [borders[0] / borders[1] if each.is_after else 1.0 for each in blocks]
            yield _Figure(
                name=metric.value,
                quantile=quantile,
                is_good=False,
                worth=math.log1p(WORTH_TIME),
                samples=(before, after),
                is_known=busy >= FEWEST_BLOCKS and min(before, after) * (1 - quantile) >= BEYOND - 1e-9,
                dealable=Dealable(
                    value=value,
                    levelled=percentile(histograms, quantile, scales=scales),
                    alone=[
                        usual,
                        [
                            _share(_beyond(each, borders[block.is_after]))
                            for each, block in zip(histograms, blocks, strict=True)
                        ],
                    ],
                    finest=COARSE,
                ),
                surety=Dealable(value=share(beyond), alone=[list(map(_share, beyond))], finest=0.0),
            )


def _usual(histogram: Histogram) -> float | None:
    """The mean of the logarithms."""
    if not histogram.count:
        return None
    whole = math.fsum(count * math.log((begins + ends) / 2) for begins, ends, count in histogram.buckets())
    return whole / histogram.count


def _beyond(histogram: Histogram, border: float) -> tuple[float, float]:
    """How many values are longer, of how many."""
    return sum(count for begins, _, count in histogram.buckets() if begins > border), histogram.count


def _share(counts: tuple[float, float]) -> float | None:
    some, every = counts
    return some / every if every else None


def _difference(figure: _Figure, everything: Sequence[dict[int, int]], found: Apart | None) -> Difference:
    before, after = map(figure.dealable.value, everything)
    told: dict[str, Any] = {}
    if found is None:
        change = Change.UNKNOWN
    elif found.alike > MOST_ALIKE:
        change = Change.WANDERS
    else:
        change = Change.SAME if figure.quantile is None or found.noise <= NOISY else Change.NOISY
        if abs(found.by) > found.noise and abs(found.by) >= figure.worth:
            change = Change.BETTER if (found.by > 0) is figure.is_good else Change.WORSE
        ends = found.by, found.by - found.noise, found.by + found.noise
        if figure.quantile is None:
            ends = (ends[0], max(ends[1], 0 - before), min(ends[2], figure.most - before))
            told["absolute"] = Interval(*ends)
            if before:
                told["relative"] = Interval(*(end / before for end in ends))
        else:
            shares = [math.expm1(max(min(end, WIDEST), -WIDEST)) for end in ends]
            told["relative"] = Interval(*shares)
            told["absolute"] = Interval(*(each * math.exp(before) for each in shares))
    if figure.quantile is not None:
        before, after = math.exp(before), math.exp(after)
    return Difference(
        name=figure.name,
        quantile=figure.quantile,
        before=before,
        after=after,
        samples=figure.samples,
        change=change,
        **told,
    )
