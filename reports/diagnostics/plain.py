"""A report for programs: the names of the tool before us, each with its honest figure, and all that a report says beside them.

docs/report.schema.json describes it.
"""

from probe.measure.health import Grade
from probe.measure.plain import iso, plain
from probe.measure.records import Metric, SessionState, ping_in
from reports.diagnostics.facts import Report, TargetReport

SCHEMA_VERSION = 1
KIND = "diagnostics_report"
_WORST_FIRST = (Grade.POOR, Grade.UNKNOWN, Grade.FAIR, Grade.GOOD, Grade.EXCELLENT)
_ERRORS = ("connect_failures", "beats_missed", "requests_expired", "surprises")
_LIVE = {each.value for each in (SessionState.STREAMING, SessionState.DEGRADED, SessionState.STALLED)}


def report_data(report: Report) -> dict[str, object]:
    targets = report.targets
    worst = min(
        targets,
        key=lambda each: (_WORST_FIRST.index(each.health.grade), each.health.score or 0.0),
        default=None,
    )
    incidents = [incident for each in targets for incident in each.incidents]
    slots = [
        {"target": each.target, **_fields(slot)}
        for each in targets
        for slot in each.timeline
        if slot.observed
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "at": iso(report.made_utc),
        "timestamp": iso(report.made_utc),
        "since": iso(report.since_utc),
        "until": iso(report.until_utc),
        "verdict": report.verdict,
        "health_score": worst.health.score if worst else None,
        "health_status": (worst.health.grade if worst else Grade.UNKNOWN).value,
        "health_issues": [issue for each in targets for issue in _issues(each)],
        "recommendations": [f"{each.target}: {advice}" for each in targets for advice in each.advice],
        "real_time_stats": {each.target: _stats(each) for each in targets},
        "historical_metrics": {
            "period_hours": (report.until_utc - report.since_utc) / 3600,
            "connection_metrics_count": 0,
            "connection_metrics": [],
            "connection_metrics_dropped": sum(
                each.connecting.attempts + each.connecting.disconnects for each in targets
            ),
            "performance_snapshots_count": len(slots),
            "performance_snapshots": slots,
            "error_count": sum(map(_errors, targets)),
            "errors": [plain(each) for each in incidents],
        },
        "connection_summary": {
            "total_attempts": sum(each.connecting.attempts for each in targets),
            "successful_connections": sum(each.counts["connects"] for each in targets),
            "disconnects": sum(each.connecting.disconnects for each in targets),
            "reconnects": sum(each.connecting.reconnects for each in targets),
            "current_status": {each.target: each.state for each in targets},
            "uptime": max((each.sums.observed for each in targets), default=0.0),
        },
        "targets": [_target(each) for each in targets],
        "own_alerts": plain(report.own_alerts),
        "notices": plain(report.notices),
    }


def _target(target: TargetReport) -> dict[str, object]:
    """Its timeline and its incidents stand under the names of before."""
    fields = _fields(target)
    sums, budget = _fields(target.sums), _fields(target.budget)
    return {name: each for name, each in fields.items() if name not in ("timeline", "incidents")} | {
        "sums": sums | {"availability": target.sums.availability, "bad_seconds": target.sums.bad_seconds},
        "budget": budget | {"left": target.budget.left},
        "incidents_count": len(target.incidents),
    }


def _fields(value: object) -> dict[str, object]:
    fields = plain(value)
    assert isinstance(fields, dict)  # noqa: S101 - it is a dataclass
    return fields


def _stats(target: TargetReport) -> dict[str, object]:
    """Of the whole period. None: not measured. Seconds throughout."""
    counts, seen = target.counts, target.sums.observed
    histograms = {each.metric: each.histogram for each in target.latency}
    pings, answers = ping_in(histograms), histograms.get(Metric.APP_RTT)
    attempts = target.connecting.attempts
    return {
        "uptime": seen,
        "is_connected": target.state in _LIVE,
        "state": target.state,
        "total_messages": counts["messages"],
        "messages_per_second": counts["messages"] / seen if seen else None,
        "total_errors": _errors(target),
        "error_rate": counts["requests_expired"] / counts["requests_sent"]
        if counts["requests_sent"]
        else None,
        "connection_attempts": attempts,
        "successful_connections": counts["connects"],
        "connection_success_rate": counts["connects"] / attempts if attempts else None,
        "median_ping_time": pings.quantile(0.5) if pings else None,
        "p95_ping_time": pings.quantile(0.95) if pings else None,
        "max_ping_time": pings.largest if pings else None,
        "median_response_time": answers.quantile(0.5) if answers else None,
        "p95_response_time": answers.quantile(0.95) if answers else None,
        "max_response_time": answers.largest if answers else None,
        "availability": target.sums.availability,
        "bad_seconds": target.sums.bad_seconds,
    }


def _errors(target: TargetReport) -> int:
    return sum(target.counts[name] for name in _ERRORS)


def _issues(target: TargetReport) -> list[str]:
    """What took points of the score, and what is missing from the watch."""
    lost = [
        f"{target.target}: {part} took {points:.1f} of 100 points"
        for part, points in target.health.lost.items()
        if points >= 0.05
    ]
    return lost + [f"{target.target}: {each}" for each in target.trust.remarks]
