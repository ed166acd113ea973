"""The sums of a stretch of time: gathered for a minute, merged for longer ones, and the last few kept at hand."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace

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
)
BOOKED = ("observed_seconds", "unobserved_seconds", "open_seconds", "blind_seconds")
BLOCK_MINUTES = 5
BLOCKS = 3  # and the one that is being filled: what "lately" means
WINDOWS = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}  # in minutes
FINE_MINUTES, COARSE_MINUTES = 120, 10


def merged(periods: Iterable[Period]) -> Period:
    """One period instead of several that follow each other, gaps included. Counts are added, histograms merged."""
    first, *rest = periods
    histograms = {metric: Histogram.of(()) for each in (first, *rest) for metric in each.histograms}
    bad: dict[Cause, float] = {}
    for each in (first, *rest):
        for metric, histogram in each.histograms.items():
            histograms[metric].merge(histogram)
        for cause, seconds in each.bad_seconds.items():
            bad[cause] = bad.get(cause, 0.0) + seconds
    last = (first, *rest)[-1]
    sums = {name: sum(getattr(each, name) for each in (first, *rest)) for name in (*COUNTED, *BOOKED)}
    return replace(
        first,
        seconds=last.at_utc - first.began_utc,
        bad_seconds=bad,
        histograms=histograms,
        score=last.score,
        **sums,
    )


class Gathering:
    """What is being counted for the period that is not over yet."""

    __slots__ = ("_before", "began_utc", "counts", "histograms")

    def __init__(self, began_utc: float, ledger: Ledger) -> None:
        self.began_utc = began_utc
        self.counts = dict.fromkeys(COUNTED, 0)
        self.histograms: dict[Metric, Histogram] = {}
        self._before = _booked(ledger)

    def add(self, metric: Metric, value: float) -> None:
        histogram = self.histograms.get(metric)
        if histogram is None:
            histogram = self.histograms[metric] = Histogram.of(())
        histogram.add(value)

    def period(self, target: str, until_utc: float, ledger: Ledger, score: float | None) -> Period:
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
            score=score,
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

    __slots__ = ("_blocks", "_coarse", "_filling", "_fine", "_minutes", "_until_utc", "sums")

    def __init__(self) -> None:
        self._until_utc: float | None = None
        self._blocks: tuple[Period, ...] = ()
        self._filling: list[Period] = []
        self._fine = _Ring(FINE_MINUTES)
        self._coarse = _Ring(max(WINDOWS.values()) // COARSE_MINUTES)
        self._minutes: list[tuple[float, float]] = []
        self.sums: Mapping[str, tuple[float, float]] = dict.fromkeys(WINDOWS, (0.0, 0.0))  # bad, observed

    def add(self, minute: Period) -> None:
        self.skip_to(minute.began_utc)
        self._until_utc = minute.at_utc
        self._filling.append(minute)
        if len(self._filling) > 1:
            self._filling = [merged(self._filling)]
        packed = {metric: histogram.packed() for metric, histogram in self._filling[0].histograms.items()}
        self._filling = [replace(self._filling[0], histograms=packed)]
        if self._filling[0].seconds >= BLOCK_MINUTES * MINUTE:
            self._blocks = (*self._blocks[1 - BLOCKS :], self._filling.pop())
        self._append((sum(minute.bad_seconds.values()), minute.observed_seconds))
        self.sums = {name: self._sum(minutes) for name, minutes in WINDOWS.items()}

    def skip_to(self, utc: float) -> None:
        """Minutes between that nobody observed, such as those between two runs."""
        missed = 0.0 if self._until_utc is None else utc - self._until_utc
        if missed < MINUTE:
            return
        self._until_utc = utc
        if missed >= BLOCKS * BLOCK_MINUTES * MINUTE:
            self._blocks, self._filling = (), []
        for _ in range(min(int(missed // MINUTE), max(WINDOWS.values()))):
            self._append((0.0, 0.0))
        self.sums = {name: self._sum(minutes) for name, minutes in WINDOWS.items()}

    def _append(self, row: tuple[float, float]) -> None:
        self._fine.append(row)
        self._minutes.append(row)
        if len(self._minutes) == COARSE_MINUTES:
            self._coarse.append((sum(row[0] for row in self._minutes), sum(row[1] for row in self._minutes)))
            self._minutes = []

    def periods(self) -> list[Period]:
        return [*self._blocks, *self._filling]

    def _sum(self, minutes: int) -> tuple[float, float]:
        if minutes <= FINE_MINUTES:
            return self._fine.sum(minutes)
        bad, observed = self._coarse.sum(minutes // COARSE_MINUTES)
        return bad + sum(row[0] for row in self._minutes), observed + sum(row[1] for row in self._minutes)


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
        return sum(self._bad[-count:]), sum(self._observed[-count:])
