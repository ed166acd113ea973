"""The sums of a stretch of time: gathered for a minute, merged for longer ones, and the last few kept at hand."""

import pickle
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from probe.measure.health import HealthScore
from probe.measure.histogram import Histogram
from probe.measure.ledger import Ledger
from probe.measure.records import Cause, Metric, Period

MINUTE = 60.0
COUNTED = (
    "connects",
    "connect_failures",
    "disconnects",
    "ticks",
    "messages",
    "beats_sent",
    "beats_missed",
    "requests_sent",
    "requests_expired",
    "surprises",
    "tainted",
)
BOOKED = ("observed_seconds", "unobserved_seconds", "open_seconds", "blind_seconds", "judged_seconds")
_SUMMED: dict[str, Callable[[Period], Any]] = {name: attrgetter(name) for name in (*COUNTED, *BOOKED)}
BLOCK_MINUTES = 5
BLOCKS = 3  # and the one that is being filled: what "lately" means
WINDOWS = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}  # in minutes
FINE_MINUTES, COARSE_MINUTES = 120, 10


def merged(periods: Sequence[Period]) -> Period:
    """One period instead of several that follow each other, gaps included. Counts are added, histograms merged."""
    histograms = {metric: Histogram() for each in periods for metric in each.histograms}
    bad: dict[Cause, float] = {}
    lost: dict[str, float] = {}
    for each in periods:
        for metric, histogram in each.histograms.items():
            histograms[metric].merge(histogram)
        for cause, seconds in each.bad_seconds.items():
            bad[cause] = bad.get(cause, 0.0) + seconds
        for part, points in each.lost.items():
            lost[part] = lost.get(part, 0.0) + points
    return replace(
        periods[0],
        seconds=periods[-1].at_utc - periods[0].began_utc,
        bad_seconds=bad,
        histograms=histograms,
        score=periods[-1].score,
        lost=lost,
        longest_blind_seconds=max(each.longest_blind_seconds for each in periods),
        **{name: sum(map(value, periods)) for name, value in _SUMMED.items()},
    )


class Gathering:
    """What is being counted for the period that is not over yet."""

    __slots__ = ("_before", "began_utc", "counts", "histograms")

    def __init__(self, began_utc: float, ledger: Ledger) -> None:
        self.began_utc = began_utc
        self.counts = dict.fromkeys(COUNTED, 0)
        self.histograms: dict[Metric, Histogram] = {}
        self._before = _booked(ledger)
        ledger.blind_peak = 0.0

    def add(self, metric: Metric, value: float) -> None:
        histogram = self.histograms.get(metric)
        if histogram is None:
            histogram = self.histograms[metric] = Histogram.of(())
        histogram.add(value)

    def period(
        self, target: str, until_utc: float, ledger: Ledger, score: HealthScore | None = None
    ) -> Period:
        booked = {name: value - self._before[name] for name, value in _booked(ledger).items()}
        return Period(
            began_utc=self.began_utc,
            seconds=max(until_utc - self.began_utc, 0.0),
            target=target,
            observed_seconds=booked["observed"],
            unobserved_seconds=booked["unobserved"],
            open_seconds=booked["open"],
            blind_seconds=booked["blind"],
            bad_seconds={cause: booked[cause.value] for cause in Cause if booked[cause.value] > 0},
            histograms=self.histograms,
            score=score.value if score else None,
            judged_seconds=booked["observed"] if score and score.value is not None else 0.0,
            lost={part: points * booked["observed"] for part, points in score.lost.items()} if score else {},
            longest_blind_seconds=ledger.blind_peak,
            **self.counts,
        )


def _booked(ledger: Ledger) -> dict[str, float]:
    return {
        "observed": ledger.observed,
        "unobserved": ledger.unobserved,
        "open": ledger.open,
        "blind": ledger.blind,
    } | {cause.value: seconds for cause, seconds in ledger.bad.items()}


class Lately:
    """The last quarter of an hour in blocks, and for three days how much of each minute was bad."""

    __slots__ = ("_blocks", "_coarse", "_fine", "_uneven", "_until_utc", "filling", "past", "sums")

    def __init__(self) -> None:
        self._until_utc: float | None = None
        self._blocks: tuple[bytes, ...] = ()  # periods in the least memory until they are merged again
        self.filling: Period | None = None  # the block that is not full yet
        self.past: Period | None = None  # all blocks and what is being filled
        self._fine = _Ring(FINE_MINUTES)
        self._coarse = _Ring(max(WINDOWS.values()) // COARSE_MINUTES)
        self._uneven = 0  # minutes that no coarse row holds yet
        self.sums: Mapping[str, tuple[float, float]] = dict.fromkeys(WINDOWS, (0.0, 0.0))  # bad, observed

    def add(self, minute: Period) -> None:
        minute = without_gaps(minute)
        self.skip_to(minute.began_utc)
        self._until_utc = minute.at_utc
        self.filling = _small([self.filling, minute])
        if self.filling.seconds < BLOCK_MINUTES * MINUTE:
            self.past = _small([self.past, minute])
        else:
            self._blocks = (*self._blocks[1 - BLOCKS :], pickle.dumps(self.filling))
            self.past, self.filling = _small(map(pickle.loads, self._blocks)), None
        self._append((sum(minute.bad_seconds.values()), minute.observed_seconds))
        self.sums = {name: self._sum(minutes) for name, minutes in WINDOWS.items()}

    def skip_to(self, utc: float) -> None:
        """Minutes between that nobody observed, such as those between two runs."""
        missed = 0.0 if self._until_utc is None else utc - self._until_utc
        if missed < MINUTE:
            return
        self._until_utc = utc
        if missed >= BLOCKS * BLOCK_MINUTES * MINUTE:
            self._blocks, self.filling, self.past = (), None, None
        for _ in range(min(int(missed // MINUTE), max(WINDOWS.values()))):
            self._append((0.0, 0.0))
        self.sums = {name: self._sum(minutes) for name, minutes in WINDOWS.items()}

    def _append(self, row: tuple[float, float]) -> None:
        self._fine.append(row)
        self._uneven += 1
        if self._uneven == COARSE_MINUTES:
            self._coarse.append(self._fine.sum(COARSE_MINUTES))
            self._uneven = 0

    def _sum(self, minutes: int) -> tuple[float, float]:
        if minutes <= FINE_MINUTES:
            return self._fine.sum(minutes)
        whole, rest = self._coarse.sum(minutes // COARSE_MINUTES), self._fine.sum(self._uneven)
        return whole[0] + rest[0], whole[1] + rest[1]


def without_gaps(period: Period) -> Period:
    """Those between prices are many, and looked at minute by minute: what happened lately is told without them. How late this
    machine is lately its own loop knows better."""
    few: dict[Metric, Histogram] = {
        metric: each
        for metric, each in period.histograms.items()
        if metric not in (Metric.TICK_GAP, Metric.LOOP_LAG)
    }
    return replace(period, histograms=few)


def _small(periods: Iterable[Period | None]) -> Period:
    whole = merged([each for each in periods if each is not None])
    return replace(whole, histograms={metric: each.packed() for metric, each in whole.histograms.items()})


class _Ring:
    __slots__ = ("_bad", "_observed", "_size")

    def __init__(self, size: int) -> None:
        self._size, self._bad, self._observed = size, array("f"), array("f")

    def append(self, row: tuple[float, float]) -> None:
        for column, value in ((self._bad, row[0]), (self._observed, row[1])):
            column.append(value)
            if len(column) > self._size:
                del column[0]

    def sum(self, count: int) -> tuple[float, float]:
        begin = max(len(self._bad) - count, 0)
        return sum(self._bad[begin:]), sum(self._observed[begin:])
