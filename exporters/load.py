"""Serves the figures of a load test while it runs, under the monitor's names where they mean the same.

The test's record is folded anyway, second by second; what is served is taken from it, so both say the same.
"""

import asyncio
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import probe
from exporters import metrics_page
from exporters.book import Book
from exporters.observer import STEP_OF, USUAL_FAILURES
from exporters.run import say_where, url_of
from exporters.server import Server
from probe.catalogue import Reason, entries
from probe.load.figures import Figures
from probe.load.look import EARLY, left_of
from probe.load.record import RunRecord
from probe.load.shapes import rate_at
from probe.measure.histogram import Histogram
from probe.measure.metrics import CAP, FAMILIES, word
from probe.measure.records import Metric
from probe.model.events import Phase
from probe.model.failures import KINDS

EVERY = 1.0  # seconds; the record knows nothing newer
MAX_SERIES = 5000
ANSWERED, EXPIRED = "answered", "expired"
USUAL_LOSSES = (Reason.CLOSED_EARLY, Reason.TIMEOUT)
_COUNTED = {
    "heartbeats": "beats_sent",
    "heartbeats_unanswered": "beats_missed",
    "messages_not_understood": "surprises",
    "load_sessions_dropped": "dropped",
    "load_sessions_reopened": "reopened",
}
_CARRIED = {
    "messages_received": "messages_received",
    "messages_sent": "messages_sent",
    "received_bytes": "bytes_received",
    "sent_bytes": "bytes_sent",
}


class LoadBook:
    """
    Args:
        target, endpoint: As the monitor would name them.
    """

    def __init__(
        self, record: RunRecord, *, target: str, endpoint: str, max_series: int = MAX_SERIES
    ) -> None:
        self._record, self._target, self._endpoint = record, target, endpoint
        self.book = Book(FAMILIES, max_series=max_series)
        self.book.put("build", (probe.__version__, platform.python_version()), 1)
        self.book.begin("scrape_duration_seconds", ())
        self.book.put("load_run", (target, record.plan.scenario.name, record.plan.run), 1)
        self._reasons = {code: entry.reason.value for code, entry in entries().items()}
        self._shown: set[tuple[str, tuple[str, ...]]] = set()  # that are gone when they hold no longer
        self._next = 0.0

    def fill(self, now: float) -> None:
        """As often as one likes; it does something once a second."""
        if now >= self._next:
            self._next = now + EVERY
            self.fill_now()

    def fill_now(self) -> None:
        figures = self._record.total
        self._requests(figures)
        self._ticks(figures)
        self._connects(figures)
        self._sessions(figures)
        self._generators(figures)
        self._run()

    def _put(self, name: str, value: float | None, *labels: str) -> None:
        self.book.put(name, (self._target, *labels), value)

    def _begin(self, name: str, *labels: str) -> None:
        """At 0, so that the first of them is a rise."""
        self.book.begin(name, (self._target, *labels))

    def _spread(self, name: str, durations: Histogram, *labels: str) -> None:
        """What never happens has no series."""
        if durations.count:
            self.book.spread(name, (self._target, *labels), durations)

    def _requests(self, figures: Figures) -> None:
        for operation, each in figures.requests.items():
            self._put("load_requests_due", each.due, operation)
            self._begin("load_requests", operation, EXPIRED)
            for outcome, count in ((ANSWERED, each.answered), *each.failed.items()):
                self._put("load_requests", count, operation, word(outcome))
            self._spread("load_response_seconds", each.response, operation)
            self._spread("load_service_seconds", each.service, operation)
            self._spread("load_lateness_seconds", each.lateness, operation)

    def _ticks(self, figures: Figures) -> None:
        for symbol, each in figures.ticks.items():
            self._put("ticks", each.arrived, symbol)
        if not figures.ticks:
            return
        every = figures.all_ticks()
        self._put("ticks_out_of_order", every.out_of_order)
        self._put("ticks_repeated", every.duplicates)
        self._spread("tick_interarrival_seconds", every.gap)
        self._spread("load_first_tick_seconds", every.first)
        self._spread("load_tick_staleness_seconds", every.staleness)
        self._spread("load_tick_skew_seconds", every.skew)

    def _connects(self, figures: Figures) -> None:
        connects, endpoint = figures.connects, self._endpoint
        if not connects.begun:
            return
        for step, reason in USUAL_FAILURES:
            self._begin("connect_failures", endpoint, word(step.value), reason.value)
        self._put("connect_attempts", connects.begun, endpoint)
        self._put("connect_successes", connects.opened, endpoint)
        failed: dict[tuple[str, str], int] = {}
        for kind, count in connects.failed.items():
            failed[self._where(kind)] = failed.get(self._where(kind), 0) + count
        for where, count in failed.items():
            self._put("connect_failures", count, endpoint, *where)
        for phase, each in connects.phases.items():
            self._spread("connect_phase_duration_seconds", each, endpoint, word(phase))
        self._spread("load_connect_seconds", connects.whole)

    def _where(self, kind: str) -> tuple[str, str]:
        """The step at which it failed, and why; what is none of a connection's was ours."""
        facts = KINDS.get(kind)
        if facts is None:
            return word(Phase.CONNECTING.value), Reason.INTERNAL.value
        phase = STEP_OF.get(facts.layer, Phase.AUTHENTICATING)
        return word(phase.value), self._reasons.get(facts.code, Reason.OTHER.value)

    def _sessions(self, figures: Figures) -> None:
        sessions = figures.sessions
        for name, own in _COUNTED.items():
            self._put(name, getattr(sessions, own))
        for name, own in _CARRIED.items():
            self._put(name, getattr(figures.frames, own))
        for name, level in (("wanted", sessions.wanted), ("live", sessions.live)):
            self._put(f"load_sessions_{name}", level.last if level.is_known else None)
        lost: dict[str, int] = {}
        for kind, count in sessions.lost.items():
            lost[self._where(kind)[1]] = lost.get(self._where(kind)[1], 0) + count
        for usual in USUAL_LOSSES if sessions.live.is_known else ():
            self._begin("load_sessions_lost", usual.value)
        for reason, count in lost.items():
            self._put("load_sessions_lost", count, reason)
        self._spread("reconnect_gap_seconds", sessions.recovery)
        self._spread(Metric.BEAT_RTT.value, sessions.beat_round_trip, self._endpoint)

    def _generators(self, figures: Figures) -> None:
        refused = dict.fromkeys(CAP.values, 0) if figures.generators else {}
        for worker, each in figures.generators.items():
            self._put("load_generator_cpu_seconds", each.cpu_seconds, worker)
            resident = each.resident_bytes
            self._put("load_generator_resident_bytes", resident.last if resident.is_known else None, worker)
            self._put("load_generator_unsent", each.unsent, worker)
            self._spread("load_generator_lag_seconds", each.lag, worker)
            for cap, count in each.refused.items():
                refused[cap] = refused.get(cap, 0) + count
        for cap, count in refused.items():
            self._put("load_generator_refused", count, cap)
        self._put("load_workers_lost", len(self._record.lost_workers))

    def _run(self) -> None:
        record = self._record
        plan, verdict = record.plan, record.verdict
        self._put("load_remaining_seconds", left_of(record))
        rate = None if plan.rate is None or plan.search else rate_at(plan.scenario, plan.rate, record.seconds)
        self._put("load_wanted_rate", rate)
        holding: set[tuple[str, tuple[str, ...]]] = set()
        if record.stages:
            holding.add(("load_stage", (record.stages[max(record.stages)].name,)))
        codes = [each.code for each in verdict.reasons]
        if codes != [EARLY]:
            self.book.choose("load_verdict", (self._target,), verdict.word.lower())
            holding |= {("load_verdict_reason", (code,)) for code in codes}
        for name, labels in self._shown - holding:
            self._put(name, None, *labels)
        for name, labels in holding:
            self._put(name, 1, *labels)
        self._shown = holding
        for each in record.thresholds:
            holds = None if each.holds is None else float(each.holds)
            self._put("load_threshold_holds", holds, each.threshold.text)


@contextmanager
def exporting_load(
    record: RunRecord,
    *,
    listen: str,
    target: str,
    endpoint: str,
    tell: Callable[[str], object],
    warn: Callable[[str], object],
) -> Iterator[Callable[[float], None]]:
    """Serves /metrics for as long as the block lasts; gives what is to be called again and again, with the monotonic time.

    Raises:
        ConfigError: it cannot listen there.
    """
    filled = LoadBook(record, target=target, endpoint=endpoint)
    filled.fill(time.monotonic())
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    server = Server(metrics_page.routes(filled.book), host=host, port=int(port))
    url = url_of(*asyncio.run(server.start()), is_secure=False)
    try:
        advice = "Let it be --exporter 127.0.0.1:18481, and have it scraped on this machine."
        say_where(f"{url}/metrics", host, is_closed=False, advice=advice, tell=tell, warn=warn)
        yield filled.fill
    finally:
        asyncio.run(server.stop())
