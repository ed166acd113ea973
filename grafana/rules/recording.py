"""What Prometheus computes ahead: the figures that alerts and boards share, as one table.

Some counters get a new label value with their first event (a reason, an HTTP status), and `increase` does not see the step from
nothing to one. Those are summed first, onto a sum that starts at zero, and counted then: all of one target's series begin anew
together, when the exporter does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from probe.measure.baseline import ANOMALOUS_MADS, ANOMALOUS_TIMES, MINUTES_NEEDED
from probe.measure.reading import REFUSING_STATUS
from probe.measure.records import PINGS, SessionState

WINDOWS = ("5m", "30m", "1h", "2h")
# From sums that are recorded every two minutes: raw, 30 days are a million samples of each target.
LONG_WINDOWS = ("6h", "1d", "3d", "30d")
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

ATTEMPTS = "target:tradeprobe_connect_attempts:sum"
SUCCESSES = "target:tradeprobe_connect_successes:sum"
REFUSALS = "target:tradeprobe_upgrade_refusals:sum"
FAILURES_PER_ATTEMPTS = "target:tradeprobe_connect_failures_per_attempts:ratio_rate1h"
TICK_AGE = "target:tradeprobe_tick_age_seconds:max"
RECONNECTS = "target:tradeprobe_reconnects:increase1h"
DISCONNECTS = "target:tradeprobe_disconnects:increase1h"
PING_P50 = "target:tradeprobe_ping_seconds:p50_rate5m"
PING_P95 = "target:tradeprobe_ping_seconds:p95_rate10m"
PING_USUAL = "target:tradeprobe_ping_seconds:median_6h"
PING_SPREAD = "target:tradeprobe_ping_seconds:mad_6h"
PING_ANOMALOUS = "target:tradeprobe_ping_seconds:anomalous"
ANSWER_P50 = "target:tradeprobe_app_rtt_seconds:p50_rate10m"
SURPRISES = "target:tradeprobe_messages_not_understood_per_messages:ratio_rate10m"
ERRORS = "target:tradeprobe_requests_expired_per_requests:ratio_rate10m"
LOOP_LAG_P99 = "instance:tradeprobe_event_loop_lag_seconds:p99_rate5m"
BUDGET_LEFT = "target:tradeprobe_error_budget_remaining:ratio"
UNOBSERVED = "target:tradeprobe_session_unobserved_seconds_per_meant_seconds:ratio_rate1h"

_BAD = "target:tradeprobe_session_bad_seconds:sum"
_OBSERVED = "target:tradeprobe_session_observed_seconds:sum"
_ENDED = "target:tradeprobe_disconnects:sum"
_RECORDED_EVERY = 30  # seconds
LIVE_STATES = (SessionState.STREAMING.value, SessionState.DEGRADED.value, SessionState.STALLED.value)


def bad_ratio(window: str) -> str:
    return f"target:tradeprobe_session_bad_seconds_per_observed_seconds:ratio_rate{window}"


def in_state(*states: str) -> str:
    """1 while the session is in one of them, else 0."""
    name, chosen = "tradeprobe_session_state", "|".join(states)
    return f'sum without ({name}) ({name}{{{name}=~"{chosen}"}})'


def pings(part: str, function: str, window: str) -> str:
    """Of the way's own round trip: a WebSocket ping or the lightest question, whichever a target has."""
    each = (
        f'label_replace({function}(tradeprobe_{kind.value}_{part}[{window}]), "kind", "{kind.value}", "", "")'
        for kind in PINGS
    )
    return " or ".join(each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """`gates`: parts of the expression that hold an alert back; without one, its test must fail."""

    record: str
    expr: str
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    interval: str
    rules: tuple[Recording, ...]


def _slo() -> Iterator[Recording]:
    for window in WINDOWS:
        yield Recording(
            record=bad_ratio(window),
            expr=f"sum without (cause) (rate(tradeprobe_session_bad_seconds_total[{window}]))"
            f" / rate(tradeprobe_session_observed_seconds_total[{window}])",
        )
    meant = " + ".join(
        f"rate(tradeprobe_session_{each}_seconds_total[1h])" for each in ("observed", "unobserved")
    )
    yield Recording(
        record=UNOBSERVED, expr=f"rate(tradeprobe_session_unobserved_seconds_total[1h]) / ({meant})"
    )


def _long_slo() -> Iterator[Recording]:
    yield Recording(record=_BAD, expr="sum without (cause) (tradeprobe_session_bad_seconds_total)")
    yield Recording(record=_OBSERVED, expr="tradeprobe_session_observed_seconds_total")
    for window in LONG_WINDOWS:
        yield Recording(
            record=bad_ratio(window), expr=f"rate({_BAD}[{window}]) / rate({_OBSERVED}[{window}])"
        )
    yield Recording(record=BUDGET_LEFT, expr=f"1 - {bad_ratio('30d')} / (1 - tradeprobe_slo_objective_ratio)")


def _latency() -> Iterator[Recording]:
    for name, q in QUANTILES.items():
        yield Recording(
            record=f"target_endpoint:tradeprobe_ping_seconds:{name}_rate5m",
            expr=f"histogram_quantile({q}, sum without (kind) ({pings('bucket', 'rate', '5m')}))",
        )
    for name, q in QUANTILES.items():
        yield Recording(
            record=f"target_endpoint:tradeprobe_app_rtt_seconds:{name}_rate5m",
            expr=f"histogram_quantile({q}, rate(tradeprobe_app_rtt_seconds_bucket[5m]))",
        )
    yield Recording(
        record="target:tradeprobe_app_rtt_slow_per_all:ratio_rate5m",
        expr='1 - sum without (endpoint, le) (rate(tradeprobe_app_rtt_seconds_bucket{le="0.2"}[5m]))'
        " / sum without (endpoint) (rate(tradeprobe_app_rtt_seconds_count[5m]))",
    )
    for record, q, window in ((PING_P50, 0.5, "5m"), (PING_P95, 0.95, "10m")):
        buckets = f"sum without (endpoint, kind) ({pings('bucket', 'rate', window)})"
        # Above nothing: where nothing was measured there is no series.
        yield Recording(record=record, expr=f"histogram_quantile({q}, {buckets}) >= 0")
    buckets = "sum without (endpoint) (rate(tradeprobe_app_rtt_seconds_bucket[10m]))"
    yield Recording(record=ANSWER_P50, expr=f"histogram_quantile(0.5, {buckets})")
    yield Recording(
        record="target_endpoint_phase:tradeprobe_connect_phase_duration_seconds:mean_rate1h",
        expr="rate(tradeprobe_connect_phase_duration_seconds_sum[1h])"
        " / rate(tradeprobe_connect_phase_duration_seconds_count[1h])",
    )
    yield Recording(
        record=LOOP_LAG_P99,
        expr="histogram_quantile(0.99, rate(tradeprobe_event_loop_lag_seconds_bucket[5m]))",
    )


def _session() -> Iterator[Recording]:
    is_open, is_live = " and tradeprobe_symbol_open == 1", f" and {in_state(*LIVE_STATES)} == 1"
    yield Recording(
        record=TICK_AGE,
        expr=f"max without (symbol) ((time() - tradeprobe_last_tick_timestamp_seconds){is_open}){is_live}",
        gates=(is_open, is_live),
    )
    refused = "|".join(str(status) for status in REFUSING_STATUS)
    yield Recording(record=ATTEMPTS, expr="sum without (endpoint) (tradeprobe_connect_attempts_total)")
    # Not a difference: attempts and failures are not written in the same instant, and what falls counts as begun anew.
    yield Recording(record=SUCCESSES, expr="sum without (endpoint) (tradeprobe_connect_successes_total)")
    yield Recording(
        record=REFUSALS,
        expr=f'sum without (endpoint, code) (tradeprobe_upgrade_responses_total{{code=~"{refused}"}}) or 0 * {ATTEMPTS}',
    )
    yield Recording(
        record=_ENDED,
        expr=f"sum without (endpoint, initiator, close_code) (tradeprobe_disconnects_total) or 0 * {ATTEMPTS}",
    )
    yield Recording(record=FAILURES_PER_ATTEMPTS, expr=f"1 - rate({SUCCESSES}[1h]) / rate({ATTEMPTS}[1h])")
    # What is counted in whole pieces stays whole: increase() guesses at the edges of its window.
    yield Recording(record=DISCONNECTS, expr=f"round(increase({_ENDED}[1h]))")
    yield Recording(
        record=RECONNECTS, expr="round(sum without (trigger) (increase(tradeprobe_reconnects_total[1h])))"
    )
    yield Recording(
        record=SURPRISES,
        expr="increase(tradeprobe_messages_not_understood_total[10m]) / increase(tradeprobe_messages_received_total[10m])",
    )
    yield Recording(
        record=ERRORS,
        expr="increase(tradeprobe_requests_expired_total[10m]) / increase(tradeprobe_requests_total[10m])",
    )


def _anomaly() -> Iterator[Recording]:
    known = f" and count_over_time({PING_P50}[6h]) >= {MINUTES_NEEDED * 60 // _RECORDED_EVERY}"
    yield Recording(record=PING_USUAL, expr=f"quantile_over_time(0.5, {PING_P50}[6h]){known}", gates=(known,))
    yield Recording(
        record=PING_SPREAD, expr=f"quantile_over_time(0.5, abs({PING_P50} - {PING_USUAL} @ end())[6h:1m])"
    )
    far = f" * ({PING_P50} > bool {PING_USUAL} + {ANOMALOUS_MADS} * {PING_SPREAD})"
    twice = f" * ({PING_P50} > bool {ANOMALOUS_TIMES} * {PING_USUAL})"
    yield Recording(record=PING_ANOMALOUS, expr=f"1{far}{twice}", gates=(far, twice))


GROUPS = (
    Group(name="tradeprobe-slo", interval=f"{_RECORDED_EVERY}s", rules=tuple(_slo())),
    Group(name="tradeprobe-slo-long", interval="2m", rules=tuple(_long_slo())),
    Group(name="tradeprobe-latency", interval=f"{_RECORDED_EVERY}s", rules=tuple(_latency())),
    Group(name="tradeprobe-session", interval=f"{_RECORDED_EVERY}s", rules=tuple(_session())),
    Group(name="tradeprobe-anomaly", interval="1m", rules=tuple(_anomaly())),
)

RECORDINGS = {each.record: each for group in GROUPS for each in group.rules}
