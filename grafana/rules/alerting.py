"""The alerts of Prometheus: every rule of the monitor's own engine from its table, and those that only an onlooker can have.

The table says name, severity, threshold and waiting; what its readings are in PromQL is said here, so that both judge alike.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from grafana.rules import recording
from grafana.rules.recording import LIVE_STATES, RECORDINGS, bad_ratio, in_state, pings
from probe.measure.alert_rules import RULES, Comparison, Readings, Rule, Unit
from probe.measure.records import SessionState
from probe.model.units import format_duration

JOB = "tradeprobe"
OURS = f'{{job="{JOB}"}}'
_LOST = in_state(
    *(each.value for each in SessionState if each is not SessionState.IDLE and each.value not in LIVE_STATES)
)


# Every target that is watched has it. A window still holds what was counted of one that is taken away; a scrape may be missed.
_WATCHED = "last_over_time(tradeprobe_slo_objective_ratio[3m])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`gates`: what must hold besides. `is_flag`: its value is 1, and no figure to tell. `is_now`: of this moment, not of a
    window."""

    expr: str
    gates: tuple[str, ...] = ()
    is_flag: bool = False
    is_now: bool = False


def _increase(name: str, window: str = "10m") -> Reading:
    return Reading(expr=f"increase(tradeprobe_{name}_total[{window}])")


def _observed(window: str) -> Reading:
    return _increase("session_observed_seconds", window)


def _answers(part: str) -> str:
    return f"sum without (endpoint) (increase(tradeprobe_app_rtt_seconds_{part}[10m]))"


_TRIED = f"round(increase({recording.ATTEMPTS}[10m]))"

READINGS: dict[str, Reading] = {
    **{
        f"bad_ratio_{each}": Reading(expr=bad_ratio(each))
        for each in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
    },
    **{f"observed_{each}_seconds": _observed(each) for each in ("5m", "30m", "2h", "6h")},
    "error_budget": Reading(expr="(1 - tradeprobe_slo_objective_ratio)"),
    "down_seconds": Reading(expr=_LOST, gates=("tradeprobe_market_open == 1",), is_flag=True, is_now=True),
    "disconnected_seconds": Reading(expr=_LOST, is_flag=True, is_now=True),
    "auth_rejected": Reading(expr=in_state(SessionState.AUTH_REJECTED.value), is_flag=True, is_now=True),
    "stalled_seconds": Reading(expr=in_state(SessionState.STALLED.value), is_flag=True, is_now=True),
    "tick_age_seconds": Reading(expr=recording.TICK_AGE, is_now=True),
    "reconnects_1h": Reading(expr=recording.RECONNECTS),
    "attempts_10m": Reading(expr=_TRIED),
    # Of the successes one would be seen, however increase() rounds.
    "failures_10m": Reading(expr=f"{_TRIED} - ceil(increase({recording.SUCCESSES}[10m]))"),
    "refusals_15m": Reading(expr=f"round(increase({recording.REFUSALS}[15m]))"),
    "rtt_p95_10m_seconds": Reading(expr=recording.PING_P95),
    "rtt_count_10m": Reading(
        expr=f"round(sum without (endpoint, kind) ({pings('count', 'increase', '10m')}))"
    ),
    "rtt_anomalous": Reading(expr=recording.PING_ANOMALOUS, is_flag=True),
    "certificate_seconds_left": Reading(
        expr="min without (endpoint) (tradeprobe_tls_cert_not_after_timestamp_seconds) - time()", is_now=True
    ),
    "clock_skew_seconds": Reading(expr="tradeprobe_clock_offset_seconds", is_now=True),
    "surprise_ratio_10m": Reading(expr=recording.SURPRISES),
    "messages_10m": _increase("messages_received"),
    "error_ratio_10m": Reading(expr=recording.ERRORS),
    "operations_10m": Reading(expr="round(increase(tradeprobe_requests_total[10m]))"),
    "response_mean_10m_seconds": Reading(expr=f"{_answers('sum')} / {_answers('count')}"),
    "response_median_10m_seconds": Reading(expr=recording.ANSWER_P50),
    "responses_10m": Reading(expr=f"round({_answers('count')})"),
    "loop_lag_p99_5m_seconds": Reading(expr=recording.LOOP_LAG_P99),
    "memory_mb": Reading(
        expr="process_resident_memory_bytes / 1e6",
        gates=("on (job, instance) tradeprobe_build_info",),  # other programs have this metric too
    ),
    "uplink_down": Reading(expr="1 - tradeprobe_uplink_up", is_flag=True),
    "notifications_failed_15m": Reading(
        expr="round(sum without (channel) (increase(tradeprobe_notifications_failed_total[15m])))"
    ),
    "store_failing": Reading(expr="tradeprobe_store_failing", is_flag=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`gates`: parts of the expression, or of what was recorded for it, that hold it back.

    `rule`: of the monitor's own engine.
    """

    name: str
    severity: str
    expr: str
    summary: str
    description: str
    dashboard: str
    for_seconds: float = 0.0
    keep_seconds: float = 0.0
    window: str | None = None
    gates: tuple[str, ...] = ()
    rule: Rule | None = None
    of_target: bool = True


def alert_name(rule_name: str) -> tuple[str, str | None]:
    """And the window, where names differ by nothing else."""
    stem, _, last = rule_name.rpartition("_")
    window = last if re.fullmatch(r"\d+[mhd]", last) else None
    words = (stem if window else rule_name).split("_")
    return "Tradeprobe" + "".join(word.capitalize() for word in words), window


_OPERATORS = {
    Comparison.ABOVE: ">",
    Comparison.AT_LEAST: ">=",
    Comparison.BELOW: "<",
    Comparison.OUTSIDE: ">",
}


def _condition(rule: Rule, reading: str) -> str:
    value, limit = READINGS[reading].expr, f"{rule.threshold:.10g}"
    if rule.comparison is Comparison.OUTSIDE:
        value = f"abs({value})"
    if rule.times is not None:
        limit = f"{limit} * {READINGS[rule.times].expr}"
    return f"{value} {_OPERATORS[rule.comparison]} {limit}"


def _twin(rule: Rule) -> Alert:
    name, window = alert_name(rule.name)
    first, *others = [_condition(rule, reading) for reading in rule.readings]
    if rule.samples is not None:
        others.append(f"{READINGS[rule.samples[0]].expr} >= {rule.samples[1]:g}")
    others += [gate for reading in rule.readings for gate in READINGS[reading].gates]
    if not rule.of_monitor and rule.times != "error_budget" and not READINGS[rule.readings[0]].is_now:
        others.append(_WATCHED)
    gates = [f" and {other}" for other in others]
    expr = first + "".join(gates)
    what = re.sub(r"(?<!^)([A-Z])", lambda found: " " + found[1].lower(), name.removeprefix("Tradeprobe"))
    whose = "{{ $labels.instance }}" if rule.of_monitor else "{{ $labels.target }}"
    return Alert(
        name=name,
        severity=rule.severity.value,
        expr=expr,
        summary=f"{whose}: {what.lower()}" + (f", {window} window" if window else ""),
        description=f"{_told(rule)}. {rule.advise}",
        dashboard=_dashboard(rule),
        for_seconds=rule.for_seconds,
        keep_seconds=rule.clear_seconds,
        window=window,
        gates=tuple(dict.fromkeys((*gates, *_gates_of_recorded(expr)))),
        rule=rule,
        of_target=not rule.of_monitor,
    )


def _gates_of_recorded(expr: str) -> Iterator[str]:
    for each in RECORDINGS.values():
        if each.record in expr:
            yield from (*each.gates, *_gates_of_recorded(each.expr))


def _told(rule: Rule) -> str:
    """What the engine would say, with the value as Prometheus writes it."""
    if rule.times == "error_budget":
        long, short = (reading.removeprefix("bad_ratio_") for reading in rule.readings)
        return (
            f"{{{{ $value | humanizePercentage }}}} of the seconds of the last {long} were bad, and the last {short} were no"
            f" better: more than {rule.threshold:g} times what the objective allows"
        )
    if READINGS[rule.readings[0]].is_flag:
        figure = f"at least {format_duration(rule.for_seconds)}"
    else:
        figure = {
            Unit.SECONDS: "{{ $value | humanizeDuration }}",
            Unit.SHARE: "{{ $value | humanizePercentage }}",
            Unit.MEGABYTES: '{{ $value | printf "%.0f" }} MB',
        }.get(rule.unit, '{{ $value | printf "%.0f" }}')
    said = rule.says.format(figure=figure, limit=rule.words(rule.threshold))
    return said[0].upper() + said[1:]


def _dashboard(rule: Rule) -> str:
    if rule.of_monitor:
        return "tradeprobe-fleet"
    if rule.times == "error_budget":
        return "tradeprobe-slo"
    return (
        "tradeprobe-data-quality"
        if rule.name in {"tick_stale", "stream_stalled", "clock_skewed"}
        else "tradeprobe-session"
    )


_OBSERVED = "tradeprobe_session_observed_seconds_total"
_WITH_NOTHING = f" unless on (job, instance) {_OBSERVED}"
_NOT_SCRAPED = f" unless on (job) up{OURS}"


def _of_onlooker() -> Iterator[Alert]:
    yield Alert(
        name="TradeprobeExporterDown",
        severity="page",
        expr=f"up{OURS} == 0",
        for_seconds=120,
        keep_seconds=60,
        summary="{{ $labels.instance }}: the exporter does not answer",
        description="Prometheus has not reached {{ $labels.instance }} for at least 2m: nobody watches the sessions, or nobody"
        " hears of it. See whether the monitor runs, and whether its port is reached from here.",
        dashboard="tradeprobe-fleet",
        gates=(OURS,),
        of_target=False,
    )
    yield Alert(
        name="TradeprobeMetricsAbsent",
        severity="page",
        # With several exporters each is asked; one that is down has another alert.
        expr=f"up{OURS} == 1{_WITH_NOTHING} or absent({_OBSERVED}{OURS}){_NOT_SCRAPED}",
        for_seconds=600,
        keep_seconds=60,
        summary="{{ or $labels.instance $labels.job }}: no session is watched",
        description="For at least 10m no metric of any session has come from there. The exporter watches nothing, or the scrape"
        f" job is not called {JOB}.",
        dashboard="tradeprobe-fleet",
        gates=(_WITH_NOTHING, _NOT_SCRAPED),
        of_target=False,
    )
    yield Alert(
        name="TradeprobeConfigReloadFailed",
        severity="warning",
        expr="tradeprobe_config_last_reload_successful == 0",
        for_seconds=300,
        summary="{{ $labels.instance }}: the configuration was not taken over",
        description="The configuration that was last read has a mistake, so the one before it still holds. The log of the"
        " exporter says file, line and key.",
        dashboard="tradeprobe-fleet",
        of_target=False,
    )
    yield Alert(
        name="TradeprobeSeriesRefused",
        severity="ticket",
        expr="increase(tradeprobe_series_refused_total[1h]) > 0 or tradeprobe_targets_refused > 0",
        for_seconds=300,
        keep_seconds=60,
        summary="{{ $labels.instance }}: not everything that is watched is exported",
        description='{{ $value | printf "%.0f" }} values or targets were left out, because there would have been more than'
        " max_series or max_targets allows. Raise the limit in [exporter], or watch less.",
        dashboard="tradeprobe-fleet",
        of_target=False,
    )
    yield Alert(
        name="TradeprobeWatchdog",
        severity="none",
        expr="vector(1)",
        summary="Alerting works",
        description="Fires always. Where it does not arrive, Prometheus or Alertmanager is down: let something outside of both"
        " watch for it.",
        dashboard="tradeprobe-fleet",
        of_target=False,
    )


OF_ENGINE = tuple(_twin(rule) for rule in RULES)
OF_ONLOOKER = tuple(_of_onlooker())
ALERTS = (*OF_ENGINE, *OF_ONLOOKER)

if set(READINGS) != set(Readings.__dataclass_fields__):
    raise ValueError(f"readings without PromQL: {set(Readings.__dataclass_fields__) ^ set(READINGS)}")
