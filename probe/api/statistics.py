"""What became of a session's connections: counted as it happens, and handed out as figures."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from probe.measure.histogram import Histogram
from probe.measure.records import Attempt, Metric
from probe.measure.snapshot import Quantiles, quantiles
from probe.model.events import Traffic
from probe.model.failures import Failure
from probe.session.buckets import Limited

LAST_EVENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    at_utc: float
    what: str  # dialling, connected, failed, disconnected, waiting, stopped
    where: str | None  # region
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of one session object, over all its connections. None: it did not happen yet."""

    attempts: int
    successes: int
    failures: int
    disconnects: int
    reconnects: int
    first_connect_seconds: float | None
    last_connect_seconds: float | None
    uptime_seconds: float  # total
    current_uptime_seconds: float | None  # of the connection that is live
    since_last_disconnect_seconds: float | None
    traffic: Traffic
    rates: Mapping[str, float | None]  # each of the traffic's figures by second of uptime
    quotes: int
    requests_answered: int
    requests_expired: int
    round_trips: Mapping[Metric, Quantiles]
    limits: Mapping[str, Limited]  # reconnects, requests, orders: our own, that keep us polite
    last_events: tuple[Happened, ...] = field(default=())  # oldest first


class Counters:
    def __init__(self) -> None:
        self.attempts = self.successes = self.failures = self.disconnects = 0
        self.quotes = self.answered = self.expired = 0
        self.live_since: float | None = None
        self.round_trips = {Metric.WS_RTT: Histogram(), Metric.APP_RTT: Histogram()}
        self.events: deque[Happened] = deque(maxlen=LAST_EVENTS)
        self._first: float | None = None
        self._last: float | None = None
        self._uptime = 0.0
        self._down_since: float | None = None
        self._traffic = Traffic()  # of the connections that are over

    def live(self, attempt: Attempt, now: float) -> None:
        self.successes += 1
        self.live_since = now
        self._last = attempt.seconds
        self._first = self._last if self._first is None else self._first

    def ended(self, traffic: Traffic, failure: Failure | None, now: float) -> None:
        self._traffic = _sum(self._traffic, traffic)
        if self.live_since is None:
            self.failures += failure is not None
            return
        self.disconnects += 1
        self._uptime += now - self.live_since
        self.live_since, self._down_since = None, now

    def statistics(self, present: Traffic, now: float, limits: Mapping[str, Limited]) -> Statistics:
        current = None if self.live_since is None else now - self.live_since
        uptime = self._uptime + (current or 0.0)
        traffic = _sum(self._traffic, present)
        return Statistics(
            attempts=self.attempts,
            successes=self.successes,
            failures=self.failures,
            disconnects=self.disconnects,
            reconnects=max(self.successes - 1, 0),
            first_connect_seconds=self._first,
            last_connect_seconds=self._last,
            uptime_seconds=uptime,
            current_uptime_seconds=current,
            since_last_disconnect_seconds=None if self._down_since is None else now - self._down_since,
            traffic=traffic,
            rates={
                f"{name}_per_second": getattr(traffic, name) / uptime if uptime > 0 else None
                for name in Traffic.__dataclass_fields__
            },
            quotes=self.quotes,
            requests_answered=self.answered,
            requests_expired=self.expired,
            limits=limits,
            round_trips={metric: quantiles(each) for metric, each in self.round_trips.items()},
            last_events=tuple(self.events),
        )


def _sum(one: Traffic, other: Traffic) -> Traffic:
    both = {name: getattr(one, name) + getattr(other, name) for name in Traffic.__dataclass_fields__}
    return replace(one, **both)
