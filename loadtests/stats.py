"""Feeds Locust's own statistics in batches, so that its web page, console, CSV and HTML agree with the record of the run.

One event for each request would cost more than the request. What was counted in a second goes into Locust's entries at once: the
time that somebody waited, from when it was due, connecting included. The rows of the type "service", from sent to answered, stand
beside these and are in no total. Pushed prices are no requests, and are not made to look like some.
"""

from collections.abc import Callable, Mapping
from typing import Any

from probe.load.figures import Figures
from probe.measure.histogram import Histogram

SESSION, SERVICE = "session", "service"  # types of requests
CONNECT = "connect"


class LocustStatistics:
    """
    Args:
        bucket: Locust's own rounding of milliseconds.
    """

    def __init__(self, bucket: Callable[[float], float]) -> None:
        self._bucket = bucket

    def feed(self, stats: Any, figures: Figures, wall_time: float) -> None:
        """Take in what was counted in the second that began at this UTC time."""
        connects = figures.connects
        self._take(stats, CONNECT, connects.opened, connects.whole, connects.failed, wall_time)
        for name, requests in figures.requests.items():
            self._take(stats, name, requests.answered, requests.response, requests.failed, wall_time)
            if requests.answered:
                self._answered(stats.entries[(name, SERVICE)], requests.answered, requests.service, wall_time)

    def _take(
        self,
        stats: Any,
        name: str,
        answered: int,
        took: Histogram,
        failed: Mapping[str, int],
        wall_time: float,
    ) -> None:
        if answered:
            for entry in (stats.total, stats.entries[(name, SESSION)]):
                self._answered(entry, answered, took, wall_time)
        for kind, count in failed.items():
            for _ in range(count):
                stats.log_request(SESSION, name, None, 0)
                stats.log_error(SESSION, name, kind)

    def _answered(self, entry: Any, count: int, took: Histogram, wall_time: float) -> None:
        second, before = int(wall_time), entry.last_request_timestamp
        if entry.use_response_times_cache and before and second > int(before):
            entry._cache_response_times(second - 1)  # noqa: SLF001 - as its own `log` does, for the percentiles of just now
        entry.num_requests += count
        entry.num_reqs_per_sec[second] += count
        entry.last_request_timestamp = max(before or 0.0, wall_time)
        smallest, largest = took.smallest * 1000, took.largest * 1000
        least = entry.min_response_time
        entry.min_response_time = smallest if least is None else min(least, smallest)
        entry.max_response_time = max(entry.max_response_time, largest)
        entry.total_response_time += took.total * 1000
        for begin, end, within in took.buckets():
            middle = min(max((begin + end) * 500, smallest), largest)
            entry.response_times[self._bucket(middle)] += within
