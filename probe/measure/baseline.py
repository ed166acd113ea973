"""What is usual for a target: the median of six hours of minutes, and how far a minute commonly lies from it."""

import math
import statistics
from array import array

MINUTES_KEPT = 360
MINUTES_NEEDED = 30
ANOMALOUS_MADS, ANOMALOUS_TIMES = 6, 2


class Baseline:
    """Fed with one value a minute. Medians, so that a bad hour does not become the usual."""

    __slots__ = ("_mad", "_median", "_minutes")

    def __init__(self) -> None:
        self._minutes = array("d")
        self._median: float | None = None
        self._mad: float | None = None

    def add(self, value: float | None) -> None:
        """None: a minute in which nothing was measured. It takes its place, so that six hours stay six hours."""
        self._minutes.append(math.nan if value is None else value)
        del self._minutes[:-MINUTES_KEPT]
        known = [each for each in self._minutes if not math.isnan(each)]
        self._median = self._mad = None
        if len(known) >= MINUTES_NEEDED:
            median = statistics.median(known)
            self._median, self._mad = median, statistics.median(abs(each - median) for each in known)

    @property
    def median(self) -> float | None:
        """None: fewer than thirty minutes of the last six hours are known."""
        return self._median

    @property
    def mad(self) -> float | None:
        """The median distance from the median."""
        return self._mad

    def is_anomalous(self, value: float) -> bool:
        """Far outside the usual spread and more than twice the usual; never before there is a baseline."""
        if self._median is None or self._mad is None:
            return False
        return value > max(self._median + ANOMALOUS_MADS * self._mad, ANOMALOUS_TIMES * self._median)
