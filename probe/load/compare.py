"""Whether one load run was slower than another, or whether that is only the noise of measuring.

Each percentile of each operation is read from the histograms of both runs. How much it moves by itself is seen in two ways:

- Within the runs: they are cut into blocks of several seconds, because neighbouring seconds are alike and single ones would pretend
  to know more. The blocks are drawn again and again, with repetition, and the same moments of both runs together, because a plan
  asks the same of both at the same moment. The spread of what comes out is the noise. Of each round the largest deviation of all
  percentiles of all operations counts, so that one alarm level holds for the whole comparison, however many there are.
- Between runs, where there are repeated baselines: how far those lie from each other.

A shift must go beyond the wider of the two, and beyond what nobody would act on, to be told as one.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, pairwise
from random import Random
from typing import Any

from probe.load.figures import Figures, Requests
from probe.load.plain import to_plain
from probe.load.record import RunRecord
from probe.measure.blocks import (
    ALARM_LEVEL,
    BEYOND,
    COARSE,
    FEWEST_BLOCKS,
    RULE_OF_THREE,
    WIDEST,
    Drawn,
    one_of,
    percentile,
    rare,
    share,
    summed,
    unbiased,
    widened,
)
from probe.measure.histogram import Histogram

SCHEMA_VERSION = 1
PERCENTILES = (0.5, 0.9, 0.99)
NORMAL = statistics.NormalDist().inv_cdf(1 - ALARM_LEVEL / 2)
ROUNDS = 500
MOST_BLOCKS = 16
WORTH_SECONDS, WORTH_SHARE = 0.001, 0.05  # less, in time or of the value itself, is no reason to act
WORTH_FAILURES = 0.005
# Noise of so many times the value, and so long, hides what anybody would want to see.
NOISY, NOISY_SECONDS = 2.0, 0.02
FEWEST_ENDINGS = 100  # of which a share is taken
FEWEST_BASELINES = 2  # besides the first run; less than three in all say nothing about how far runs lie apart

SAME_LENGTH = 0.9
MAY_DIFFER = {
    *(("", name) for name in ("run", "url", "seed")),
    *(("scenario", name) for name in ("name", "title", "thresholds")),
}


class Change(Enum):
    SLOWER = "slower"
    MORE = "more failures"
    FASTER = "faster"
    FEWER = "fewer failures"
    SAME = "same"
    NOISY = "too noisy to tell"
    UNKNOWN = "not enough data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Of one percentile of one operation, or of its share of failures."""

    name: str  # "response of balance"
    quantile: float | None  # None: of the share of failures
    before: float | None  # seconds, or a share
    after: float | None
    noise: float | None  # differences up to this one mean nothing
    samples: tuple[int, int]
    change: Change

    @property
    def is_worse(self) -> bool:
        return self.change in (Change.SLOWER, Change.MORE)

    @property
    def is_better(self) -> bool:
        return self.change in (Change.FASTER, Change.FEWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Where two histograms are furthest apart."""

    name: str
    seconds: float
    share_before: float  # of the values that are not longer than this
    share_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    shifts: tuple[Shift, ...]
    distances: tuple[Distance, ...]
    baselines: int  # besides the first run

    @property
    def worse(self) -> tuple[Shift, ...]:
        return tuple(each for each in self.shifts if each.is_worse)

    @property
    def is_judged(self) -> bool:
        """At least half of the figures of which there are enough can be told from noise."""
        noisy = sum(each.change is Change.NOISY for each in self.shifts)
        known = sum(each.change is not Change.UNKNOWN and each.quantile is not None for each in self.shifts)
        return 0 < known >= 2 * noisy


def obstacles(runs: Mapping[str, RunRecord]) -> list[str]:
    """Why runs, by what to call them, cannot be compared; nothing: they can.

    Where the target is, and the seed, may differ: two servers, or two versions of one, are what one compares.
    """
    found = [
        f"{name} is INVALID, so its figures are not the server's: {record.verdict.reasons[0].sentence}"
        for name, record in runs.items()
        if not record.verdict.is_valid
    ]
    (first, one), *others = runs.items()
    for name, another in others:
        found += [
            f"{name} had another plan than {first}: {what} was {ours}, and {theirs} in {name}"
            for what, ours, theirs in _differences(to_plain(one.plan), to_plain(another.plan))
        ]
        if min(one.seconds, another.seconds) < SAME_LENGTH * max(one.seconds, another.seconds):
            found.append(f"{first} went for {one.seconds} s, and {name} for {another.seconds} s")
    return found


def _differences(ours: Any, theirs: Any, at: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in dict.fromkeys([*ours, *theirs]):
            if (at, name) not in MAY_DIFFER:
                yield from _differences(ours.get(name), theirs.get(name), f"{at}.{name}" if at else str(name))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(our, their, f"{at}[{place}]")
    elif ours != theirs:
        yield at, _briefly(ours), _briefly(theirs)


def _briefly(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, list) else "none" if value is None else str(value)


def compare(
    before: RunRecord, after: RunRecord, *, baselines: Sequence[RunRecord] = (), rng: Random
) -> Comparison:
    """
    Args:
        baselines: More runs of what `before` ran.
    """
    every = (before, after, *baselines)
    width = max(each.timeline.width for each in every)
    one, other, *rest = (_moments(each, width) for each in every)
    return compare_moments(one, other, baselines=rest, rng=rng)


def _moments(record: RunRecord, width: int) -> list[Figures]:
    moments = [Figures() for _ in range(math.ceil(record.seconds / width))]
    for point in record.timeline:
        moments[point.second // width].add(point.figures, later=True)
    return moments


def compare_moments(
    before: Sequence[Figures],
    after: Sequence[Figures],
    *,
    baselines: Sequence[Sequence[Figures]] = (),
    rng: Random,
) -> Comparison:
    """The same of runs moment by moment, each of the same length; what one has and another has not is left out."""
    moments = min(map(len, (before, after, *baselines)))
    reference, after = [run[:moments] for run in (before, *baselines)], after[:moments]
    draws = [[rng.random() for _ in range(MOST_BLOCKS)] for _ in range(ROUNDS)]
    subjects = [*_durations(reference, after), *_failures(reference, after)]
    shaken = {id(each): each.shaken(draws) for each in subjects if each.is_known}
    # One limit for all: what the largest of all deviations goes beyond in one round of a hundred.
    limit = rare([max(of_a_round) for of_a_round in zip(*(each for each, _ in shaken.values()), strict=True)])
    known = [each for each in subjects if each.is_known]
    alike, apart = _alike(known), _apart(known)
    shifts = []
    for each in subjects:
        if each.is_known:
            within = limit * for_few(each.blocks - 1) * alike * shaken[id(each)][1]
            shifts.append(each.judged(max(within, apart.get((each.family, each.quantile), 0.0), each.finest)))
        else:
            shifts.append(each.told(Change.UNKNOWN))
    return Comparison(
        shifts=tuple(shifts), distances=tuple(_distances(reference, after)), baselines=len(baselines)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """One percentile, or one share. On the scale of these values, logarithms of seconds or shares, all are equally noisy."""

    family: str
    name: str
    quantile: float | None
    before: Callable[[Drawn], float]
    after: Callable[[Drawn], float]
    each_before: tuple[Callable[[Drawn], float], ...]  # every run of the reference alone
    blocks: int
    samples: tuple[int, int]
    is_known: bool

    @property
    def _everything(self) -> Drawn:
        return Counter(range(self.blocks))

    def _shift(self, drawn: Drawn) -> float:
        return self.after(drawn) - self.before(drawn)

    def shaken(self, draws: Sequence[Sequence[float]]) -> tuple[list[float], float]:
        """How far off each draw lies, in units of what only one in a hundred goes beyond, and this unit.

        Each figure has a unit of its own because some have long tails: one burst moves a p90 far, and a median hardly.
        """
        whole = self._shift(self._everything)
        off = [
            abs(self._shift(Counter(int(each * self.blocks) for each in draw[: self.blocks])) - whole)
            for draw in draws
        ]
        unit = rare(off)
        return [each / unit if unit else 0.0 for each in off], unit * math.sqrt(
            self.blocks / (self.blocks - 1)
        )

    @property
    def finest(self) -> float:
        """Less than this cannot be told apart, even where nothing varies."""
        return RULE_OF_THREE / min(self.samples) if self.quantile is None else COARSE

    def block_shifts(self) -> list[float]:
        return [self._shift({block: 1}) for block in range(self.blocks)]

    def spread_between(self) -> float:
        """Of the reference's runs."""
        return statistics.stdev(value(self._everything) for value in self.each_before)

    def judged(self, noise: float) -> Shift:
        before, after = self.before(self._everything), self.after(self._everything)
        if self.quantile is None:
            noise += WORTH_FAILURES
            worse, better, hidden = Change.MORE, Change.FEWER, False
            shown = before, after, noise
        else:
            seconds = math.exp(before)
            noise += math.log1p(max(WORTH_SECONDS / seconds, WORTH_SHARE))
            width = seconds * math.expm1(min(noise, WIDEST))
            worse, better, hidden = Change.SLOWER, Change.FASTER, width > max(NOISY * seconds, NOISY_SECONDS)
            shown = seconds, math.exp(after), width
        if abs(after - before) > noise:
            change = worse if after > before else better
        else:
            change = Change.NOISY if hidden else Change.SAME
        return self.told(change, *shown)

    def told(
        self,
        change: Change,
        before: float | None = None,
        after: float | None = None,
        noise: float | None = None,
    ) -> Shift:
        return Shift(
            name=self.name,
            quantile=self.quantile,
            before=before,
            after=after,
            noise=noise,
            samples=self.samples,
            change=change,
        )


def _durations(reference: Sequence[Sequence[Figures]], after: Sequence[Figures]) -> Iterator[_Subject]:
    for name, take in _histograms([*chain(*reference), *after]).items():
        runs = [[take(moment) for moment in run] for run in (*reference, after)]
        ranges = _blocks([any(each.count for each in at) for at in zip(*runs, strict=True)])
        *olds, new = [[one_of(run[begin:end]) for begin, end in ranges] for run in runs]
        old = [one_of(at) for at in zip(*olds, strict=True)]
        fewest = min(sum(each.count for each in run) for run in (*olds, new))
        samples = sum(each.count for each in old), sum(each.count for each in new)
        for quantile in PERCENTILES:
            yield _Subject(
                family=name.partition(" of ")[0],
                name=name,
                quantile=quantile,
                before=percentile(old, quantile),
                after=percentile(new, quantile),
                each_before=tuple(percentile(each, quantile) for each in olds),
                blocks=len(ranges),
                samples=samples,
                is_known=len(ranges) >= FEWEST_BLOCKS and fewest * (1 - quantile) >= BEYOND,
            )


def _failures(reference: Sequence[Sequence[Figures]], after: Sequence[Figures]) -> Iterator[_Subject]:
    for name, take in _endings([*chain(*reference), *after]).items():
        runs = [[take(moment) for moment in run] for run in (*reference, after)]
        ranges = _blocks([any(ended for _, ended in at) for at in zip(*runs, strict=True)])
        *olds, new = [[summed(run[begin:end]) for begin, end in ranges] for run in runs]
        old = [summed(at) for at in zip(*olds, strict=True)]
        fewest = min(summed(run)[1] for run in (*olds, new))
        yield _Subject(
            family="failures",
            name=f"failures of {name}",
            quantile=None,
            before=share(old),
            after=share(new),
            each_before=tuple(map(share, olds)),
            blocks=len(ranges),
            samples=(int(summed(old)[1]), int(summed(new)[1])),
            is_known=len(ranges) >= FEWEST_BLOCKS and fewest >= FEWEST_ENDINGS,
        )


def _endings(moments: Sequence[Figures]) -> dict[str, Callable[[Figures], tuple[int, int]]]:
    """How many failed, and how many ended at all."""

    def asked(name: str) -> Callable[[Figures], tuple[int, int]]:
        def ended(moment: Figures) -> tuple[int, int]:
            requests = moment.requests.get(name, Requests())
            return requests.failures, requests.failures + requests.answered

        return ended

    def connected(moment: Figures) -> tuple[int, int]:
        failed = sum(moment.connects.failed.values())
        return failed, failed + moment.connects.opened

    names = sorted({name for moment in moments for name in moment.requests})
    takes = {name: asked(name) for name in names}
    return takes | {"connect": connected} if any(connected(each)[1] for each in moments) else takes


def _histograms(moments: Sequence[Figures]) -> dict[str, Callable[[Figures], Histogram]]:
    """What is compared, by its name."""

    def response(name: str) -> Callable[[Figures], Histogram]:
        return lambda moment: moment.requests[name].response if name in moment.requests else Histogram()

    names = sorted({name for moment in moments for name in moment.requests})
    asked = {f"response of {name}": response(name) for name in names}
    others: dict[str, Callable[[Figures], Histogram]] = {
        "gap between ticks": lambda moment: moment.all_ticks().gap,
        "connect": lambda moment: moment.connects.whole,
        "heartbeat": lambda moment: moment.sessions.beat_round_trip,
    }
    return asked | {name: take for name, take in others.items() if any(take(each).count for each in moments)}


def _blocks(has_values: Sequence[bool]) -> list[tuple[int, int]]:
    """Where each block begins and ends: with as many moments that hold something as any other, give or take one."""
    busy = [place for place, has in enumerate(has_values) if has]
    count = min(MOST_BLOCKS, len(busy))
    starts = [busy[len(busy) * block // count] for block in range(count)]
    return list(zip(starts, [*starts[1:], len(has_values)], strict=True)) if starts else []


def _alike(subjects: Sequence[_Subject]) -> float:
    """By how much noise that wanders slowly makes it wider, taken from the medians of all operations together."""
    found = []
    for each in subjects:
        if each.quantile == 0.5:
            shifts = each.block_shifts()
            mean = statistics.fmean(shifts)
            off = [shift - mean for shift in shifts]
            if any(off):
                seen = sum(a * b for a, b in pairwise(off)) / sum(a * a for a in off)
                found.append(unbiased(seen, each.blocks))
    return widened(statistics.fmean(found)) if found else 1.0


def _apart(subjects: Sequence[_Subject]) -> dict[tuple[str, float | None], float]:
    """How far one more run may lie from several of the same kind; nothing where there is one run only.

    Runs differ as a whole (another minute, another neighbour), so operations are not counted as so many trials.
    """
    found = {}
    for family, quantile in {(each.family, each.quantile) for each in subjects}:
        alike = [each for each in subjects if (each.family, each.quantile) == (family, quantile)]
        runs = len(alike[0].each_before)
        if runs > FEWEST_BASELINES:
            spread = math.sqrt(statistics.fmean(each.spread_between() ** 2 for each in alike))
            found[family, quantile] = NORMAL * for_few(runs - 1) * spread * math.sqrt(1 + 1 / runs)
    return found


def for_few(freedom: int) -> float:
    """By how much a limit has to be wider whose unit was estimated from few: Student's quantile over the normal one.

    Abramowitz and Stegun 26.7.5.
    """
    z = NORMAL
    return (
        1
        + (z**2 + 1) / (4 * freedom)
        + (5 * z**4 + 16 * z**2 + 3) / (96 * freedom**2)
        + (3 * z**6 + 19 * z**4 + 17 * z**2 - 15) / (384 * freedom**3)
    )


def _distances(reference: Sequence[Sequence[Figures]], after: Sequence[Figures]) -> Iterator[Distance]:
    for name, take in _histograms([*chain(*reference), *after]).items():
        old, new = one_of(map(take, chain(*reference))), one_of(map(take, after))
        if not (old.count and new.count):
            continue
        shares: dict[float, tuple[float, float]] = {}
        for _, ends, count in old.buckets():
            shares[ends] = count / old.count, 0.0
        for _, ends, count in new.buckets():
            shares[ends] = shares.get(ends, (0.0, 0.0))[0], count / new.count
        so_far = [0.0, 0.0]
        furthest = Distance(name=name, seconds=0.0, share_before=0.0, share_after=0.0)
        for ends, (of_old, of_new) in sorted(shares.items()):
            so_far = [so_far[0] + of_old, so_far[1] + of_new]
            if abs(so_far[0] - so_far[1]) > abs(furthest.share_before - furthest.share_after):
                furthest = Distance(name=name, seconds=ends, share_before=so_far[0], share_after=so_far[1])
        yield furthest
