"""Fills the book: every record as it is told, and once a second what each watch holds."""

import asyncio
import math
import platform
from dataclasses import dataclass, field

import probe
from exporters.book import Book
from probe.catalogue import Reason, entries
from probe.measure.metrics import COMPONENT, OF_TARGETS, Kind, word
from probe.measure.reading import skew_seconds
from probe.measure.records import (
    Attempt,
    Cause,
    Data,
    Disconnected,
    Incident,
    Login,
    Metric,
    Notice,
    Record,
    Sample,
    SessionState,
    StateChanged,
    Tick,
    Trigger,
)
from probe.measure.watch import Watch
from probe.model.events import Phase
from probe.model.failures import Failure, Layer
from probe.monitor.link import Link
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import Wanted

EVERY = 1.0
FEWEST_SLICES, SLICE = 4, 4  # of a second; targets that are looked at together
SCORE_EVERY = 5.0
_OF_SAMPLE = {
    Metric(family.name): family
    for family in OF_TARGETS
    if family.kind is Kind.HISTOGRAM and family.label_names == ("target", "endpoint")
}
STEP_OF = {
    Layer.DNS: Phase.RESOLVING,
    Layer.TCP: Phase.CONNECTING,
    Layer.PROXY: Phase.TUNNELLING,
    Layer.TLS: Phase.SECURING,
    Layer.UPGRADE: Phase.UPGRADING,
    Layer.AUTH: Phase.AUTHENTICATING,
}
_STEPS = [each for each in Phase if each is not Phase.TUNNELLING]
# Known in advance, so that the first of them is a rise and not a beginning; the others come when they happen.
USUAL_FAILURES = (
    (Phase.CONNECTING, Reason.TIMEOUT),
    (Phase.CONNECTING, Reason.REFUSED),
    (Phase.UPGRADING, Reason.HTTP_STATUS),
    (Phase.UPGRADING, Reason.RATE_LIMITED),
    (Phase.AUTHENTICATING, Reason.AUTH_EXPIRED),
    (Phase.AUTHENTICATING, Reason.AUTH_REJECTED),
)
_CREDENTIALS = {Reason.AUTH_EXPIRED: "expired", Reason.AUTH_MALFORMED: "malformed"}
_COUNTED = {
    "heartbeats": "beats_sent",
    "heartbeats_unanswered": "beats_missed",
    "requests": "requests_sent",
    "requests_expired": "requests_expired",
    "messages_not_understood": "surprises",
}
_CARRIED = {
    "messages_received": "messages_received",
    "messages_sent": "messages_sent",
    "received_bytes": "bytes_received",
    "sent_bytes": "bytes_sent",
}
_BEGUN = (
    "stalls",
    "ticks_out_of_order",
    "ticks_repeated",
    "tick_interarrival_seconds",
    "reconnect_gap_seconds",
)


@dataclass(slots=True)
class _Seen:
    """What is remembered of a target between two looks."""

    watch: Watch
    link: Link
    has_key: bool
    next_score: float
    ticks: dict[str, Tick] = field(default_factory=dict)  # the last of each symbol
    ends: tuple[float, ...] = ()  # of sessions, with no price since: the first and the last
    heard_utc: float | None = None
    trigger: Trigger = Trigger.START
    incident: str = ""
    codes: frozenset[str] = frozenset()  # that held
    tls: dict[str, str] = field(default_factory=dict)  # of each endpoint
    credential: str = "unknown"


class Observer:
    """A sink of the monitor's from the beginning; `run` is the once-a-second part. Both in the monitor's loop."""

    def __init__(self, monitor: Monitor, book: Book, *, max_targets: int) -> None:
        self._monitor, self._book, self._max = monitor, book, max_targets
        self._seen: dict[str, _Seen] = {}
        self._refused: frozenset[str] = frozenset()
        self._reasons = {code: entry.reason for code, entry in entries().items()}
        book.put("build", (probe.__version__, platform.python_version()), 1)
        book.begin("event_loop_lag_seconds", ())
        book.begin("scrape_duration_seconds", ())
        monitor.add_sink(self.take)

    # -- what is told ------------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        if isinstance(record, Notice):
            if record.code == "clock.stepped":  # times before and after it cannot be compared
                for each in self._seen.values():
                    each.ends, each.heard_utc = (), None
                    each.ticks.clear()
            return
        seen = None if record.target is None else self._of(record.target)
        if seen is None:
            return
        match record:
            case Tick():
                self._tick(seen, record)
            case Sample():
                self._sample(seen, record)
            case Attempt():
                self._attempt(seen, record)
            case Disconnected():
                self._disconnected(seen, record)
            case StateChanged():
                seen.trigger = record.trigger or seen.trigger
                is_stalled = record.condition.state is SessionState.STALLED
                if is_stalled and record.before is not SessionState.STALLED:
                    self._book.add("stalls", (record.target,))
            case Incident(ended_utc=None, id=name) if name != seen.incident:
                seen.incident = name
                self._book.add("incidents", (record.target, record.cause.value))
            case _:
                pass

    def _tick(self, seen: _Seen, tick: Tick) -> None:
        _, target, symbol, broker_time, price = tick
        before = seen.ticks.get(symbol)
        if before is None:
            if symbol in seen.watch.symbols:  # others may come, and there is no end of them
                seen.ticks[symbol] = tick
            return
        seen.ticks[symbol] = tick
        if before.at_utc < (seen.watch.session_since_utc or 0.0):
            return
        self._book.observe("tick_interarrival_seconds", (target,), tick.at_utc - before.at_utc)
        if broker_time < before.broker_time:
            self._book.add("ticks_out_of_order", (target,))
        elif broker_time == before.broker_time and price == before.price:
            self._book.add("ticks_repeated", (target,))

    def _sample(self, seen: _Seen, sample: Sample) -> None:
        if sample.metric is Metric.CONNECT:
            self._connected(seen, sample)
        family = _OF_SAMPLE.get(sample.metric)
        if family is None or sample.tainted or sample.endpoint is None:
            return
        exemplar = _exemplar(seen.watch) if family.exemplars else None
        self._book.observe(family.name, (sample.target, sample.endpoint), sample.value, exemplar)

    def _connected(self, seen: _Seen, sample: Sample) -> None:
        if seen.watch.tries.connects > 1:
            self._book.add("reconnects", (sample.target, seen.trigger.value))
        if seen.ends:
            self._book.observe("reconnect_gap_seconds", (sample.target,), sample.at_utc - seen.ends[0])
            seen.ends = tuple(each for each in seen.ends if each > sample.at_utc)  # samples are told later

    def _attempt(self, seen: _Seen, attempt: Attempt) -> None:
        book, where = self._book, (attempt.target, attempt.endpoint)
        self._endpoints(seen)
        for step in attempt.phases:
            if step.phase is not Phase.LIVE:
                labels = (*where, word(step.phase.value))
                book.observe("connect_phase_duration_seconds", labels, step.seconds)
        if attempt.http_status is not None:
            book.add("upgrade_responses", (*where, str(attempt.http_status)))
        if attempt.failure is not None:
            phase = word(_failed_in(attempt, attempt.failure).value)
            reason = self._reasons.get(attempt.failure.code, Reason.OTHER)
            book.add("connect_failures", (*where, phase, reason.value))
        if attempt.certificate_expires_utc is not None:
            book.put("tls_cert_not_after_timestamp_seconds", where, attempt.certificate_expires_utc)
        if attempt.tls is not None:
            version, known = attempt.tls.split(" ")[0], seen.tls.get(attempt.endpoint)
            if known not in (None, version):
                book.put("tls", (*where, known), None)
            seen.tls[attempt.endpoint] = version
            book.put("tls", (*where, version), 1)

    def _disconnected(self, seen: _Seen, end: Disconnected) -> None:
        seen.ends = (*seen.ends[:1], end.at_utc)
        code = end.close_code
        shown = "none" if code is None else "4xxx" if 4000 <= code <= 4999 else str(code)
        self._book.add("disconnects", (end.target, end.endpoint, end.initiator, shown))

    # -- what is looked at -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._reconcile()
            self._look_at_monitor()
            names = list(self._seen)
            slices = max(FEWEST_SLICES, math.ceil(len(names) / SLICE))
            for part in range(slices):
                due += EVERY / slices
                await asyncio.sleep(due - loop.time())
                self._book.observe("event_loop_lag_seconds", (), max(loop.time() - due, 0.0))
                for name in names[part::slices]:
                    if name in self._seen:
                        self._look(name, self._seen[name], loop.time())
            due = max(due, loop.time() - EVERY)  # what was missed is not made up for

    def _of(self, target: str) -> _Seen | None:
        if target in self._refused:
            return None
        seen = self._seen.get(target)
        if seen is None or seen.watch is not self._monitor.watch(target):
            self._reconcile()
            seen = self._seen.get(target)
        return seen

    def _reconcile(self) -> None:
        """With what is held now. A target that was changed begins anew."""
        watches, now = self._monitor.watches, asyncio.get_running_loop().time()
        for name in [name for name, seen in self._seen.items() if watches.get(name) is not seen.watch]:
            del self._seen[name]
            self._book.forget(name)
        come = [name for name in watches if name not in self._seen]
        fit = max(self._max - len(self._seen), 0)
        self._refused = frozenset(come[fit:])
        self._book.put("targets_refused", (), len(self._refused))
        wanted = {each.name: each for each in self._monitor.wanted} if come else {}
        for number, name in enumerate(come[:fit]):
            has_key = wanted[name].key is not None
            seen = self._seen[name] = _Seen(
                watches[name], self._monitor.link(name), has_key, now + number % SCORE_EVERY
            )
            self._begin(wanted[name], seen.watch)
            self._look(name, seen, now)

    def _begin(self, wanted: Wanted, watch: Watch) -> None:
        book, name = self._book, wanted.name
        transport = wanted.endpoints[0].url.partition("://")[0]
        book.put("target", (name, watch.broker, transport, watch.account.value), 1)
        book.put("slo_objective_ratio", (name,), watch.objective)
        for family in _BEGUN:
            book.begin(family, (name,))
        for cause in Cause:
            book.begin("incidents", (name, cause.value))
        for trigger in Trigger:
            if trigger is not Trigger.START:
                book.begin("reconnects", (name, trigger.value))

    def _look_at_monitor(self) -> None:
        book, own = self._book, self._monitor.own()
        for channel, (sent, lost) in own.delivered.items():
            book.put("notifications", (channel,), sent)
            book.put("notifications_failed", (channel,), lost)
        book.put("store_failing", (), own.store_failing)
        book.put("store_dropped_records", (), own.store_dropped)
        uplinks = [seen.watch.uplink for seen in self._seen.values() if seen.watch.uplink is not None]
        book.put("uplink_up", (), all(uplinks) if uplinks else None)

    def _look(self, name: str, seen: _Seen, now: float) -> None:
        book, watch, one = self._book, seen.watch, (name,)
        now_utc, condition, vitals = self._monitor.now_utc, watch.condition, watch.vitals
        is_up = condition.login is Login.ACCEPTED and condition.data in (Data.FLOWING, Data.QUIET)
        book.choose("session_state", one, condition.state.value)
        book.choose("credential_state", one, self._credential(seen))
        book.put("session_up", one, is_up)
        book.put("session_start_timestamp_seconds", one, watch.session_since_utc)
        wait = 0.0 if watch.waits_until is None else max(watch.waits_until - now, 0.0)
        book.put("reconnect_backoff_seconds", one, wait)
        book.put("market_open", one, watch.freshness.any_open(now_utc))
        book.put("clock_offset_seconds", one, skew_seconds(watch))
        self._seconds(name, watch)
        self._counts(name, seen)
        self._endpoints(seen)
        for symbol in watch.symbols:
            book.put("symbol_open", (name, symbol), watch.freshness.is_expected(symbol, now_utc))
            book.put("ticks", (name, symbol), watch.ticks.get(symbol, 0))
            last = seen.ticks.get(symbol)
            book.put("last_tick_timestamp_seconds", (name, symbol), None if last is None else last.at_utc)
        heard = [tick.at_utc for tick in seen.ticks.values()]
        if vitals is not None:
            heard.append(now_utc - now + vitals.heard_at)
        if seen.heard_utc is not None:  # also of a session that is over
            heard.append(seen.heard_utc)
        seen.heard_utc = max(heard, default=None)
        book.put("last_message_timestamp_seconds", one, seen.heard_utc)
        self._diagnose(name, seen)
        if now >= seen.next_score:
            seen.next_score = now + SCORE_EVERY
            self._score(name, watch, now)

    def _seconds(self, name: str, watch: Watch) -> None:
        book, one, ledger = self._book, (name,), watch.ledger
        book.put("session_observed_seconds", one, ledger.observed)
        book.put("session_unobserved_seconds", one, ledger.unobserved)
        book.put("session_open_seconds", one, ledger.open)
        book.put("session_blind_seconds", one, ledger.blind)
        book.put("session_longest_blind_seconds", one, ledger.longest_blind)
        for cause, seconds in ledger.bad.items():
            book.put("session_bad_seconds", (name, cause.value), seconds)

    def _counts(self, name: str, seen: _Seen) -> None:
        measurements, session = seen.watch.measurements, seen.link.session
        totals = measurements.totals
        for family, counted in _COUNTED.items():
            self._book.put(family, (name,), totals[counted])
        self._book.put("samples_tainted", (name,), measurements.tainted)
        total = measurements.carried
        if session is not None and session.phase is not Phase.ENDED:
            total = total.plus(session.traffic)
        for family, carried in _CARRIED.items():
            self._book.put(family, (name,), getattr(total, carried))

    def _endpoints(self, seen: _Seen) -> None:
        """Of those that were tried."""
        watch, tries, book = seen.watch, seen.watch.tries, self._book
        selected = None if watch.endpoint is None else watch.endpoint.region
        for endpoint, tried in tries.tried.items():
            where = (watch.target, endpoint)
            book.put("connect_attempts", where, tried)
            book.put("connect_successes", where, tried - tries.failed.get(endpoint, 0))
            book.put("endpoint_wins", where, tries.won.get(endpoint, 0))
            book.put("endpoint_selected", where, endpoint == selected)
            for phase, reason in USUAL_FAILURES:
                book.begin("connect_failures", (*where, phase.value, reason.value))

    def _credential(self, seen: _Seen) -> str:
        """What was last said of it."""
        condition = seen.watch.condition
        if condition.login is Login.ACCEPTED and seen.has_key:
            seen.credential = "accepted"
        elif condition.login is Login.REJECTED:
            reason = self._reasons.get(condition.code or "", Reason.OTHER)
            seen.credential = _CREDENTIALS.get(reason, "rejected")
        return seen.credential

    def _diagnose(self, name: str, seen: _Seen) -> None:
        watch = seen.watch
        incident = watch.incidents.open
        codes = frozenset(filter(None, (watch.condition.code, incident.code if incident else None)))
        for code in seen.codes | codes:
            self._book.put("diagnosis", (name, code), 1 if code in codes else None)
        seen.codes = codes

    def _score(self, name: str, watch: Watch, now: float) -> None:
        score = watch.score(now)
        self._book.put("health_score", (name,), score.value)
        known = {each.name: each.points / each.weight for each in score.components if each.weight}
        for component in COMPONENT.values:
            self._book.put("health_component_ratio", (name, component), known.get(component))


def _exemplar(watch: Watch) -> dict[str, str] | None:
    if watch.session_since_utc is None:
        return None
    session = {"session": f"{int(watch.session_since_utc) & 0xFFFFFFFF:08x}"}
    return session if watch.incidents.open is None else session | {"incident": watch.incidents.open.id}


def _failed_in(attempt: Attempt, failure: Failure) -> Phase:
    """The layer names the step; where it does not, it is the one after the last that was finished."""
    named = STEP_OF.get(failure.facts.layer)
    if named is not None:
        return named
    done = [_STEPS.index(each.phase) for each in attempt.phases if each.phase in _STEPS]
    return _STEPS[min(max(done, default=-1) + 1, _STEPS.index(Phase.AUTHENTICATING))]
