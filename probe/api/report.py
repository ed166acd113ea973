"""What a monitor saw, as plain data: the names of the tool before us, each with its honest figure, and ours beside them."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from probe.api.export import Row, errors_of
from probe.measure.health import Grade
from probe.measure.plain import SCHEMA_VERSION, iso, plain
from probe.measure.records import Incident, Login, Metric, Period, ping_in
from probe.measure.snapshot import Snapshot

HISTORY_HOURS = 2
_WORST_FIRST = (Grade.POOR, Grade.UNKNOWN, Grade.FAIR, Grade.GOOD, Grade.EXCELLENT)


def report_of(
    snapshots: Sequence[Snapshot],
    periods: Iterable[Period],
    incidents: Iterable[Incident],
    rows: Sequence[Row],
    *,
    now_utc: float,
    rows_dropped: int,
) -> dict[str, object]:
    worst = min(
        snapshots,
        key=lambda each: (
            _WORST_FIRST.index(each.score.grade),
            0 if each.score.value is None else each.score.value,
        ),
        default=None,
    )
    since = now_utc - HISTORY_HOURS * 3600.0
    lately = [each for each in periods if each.at_utc > since]
    began = min((each.started_utc for each in snapshots), default=now_utc)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "monitoring_report",
        "timestamp": iso(now_utc),
        "health_score": worst.score.value if worst else None,
        "health_status": (worst.score.grade if worst else Grade.UNKNOWN).value,
        "health_issues": [issue for each in snapshots for issue in _issues(each)],
        "recommendations": _recommendations(snapshots),
        "real_time_stats": {
            each.target: real_time(each, [period for period in lately if period.target == each.target])
            for each in snapshots
        },
        "historical_metrics": {
            "period_hours": HISTORY_HOURS,
            "connection_metrics_count": len(rows),
            "connection_metrics": rows,
            "connection_metrics_dropped": rows_dropped,
            "performance_snapshots_count": len(lately),
            "performance_snapshots": [plain(each) for each in lately],
            "error_count": sum(map(errors_of, lately)),
            "errors": [plain(each) for each in incidents],
        },
        "connection_summary": {
            "total_attempts": sum(each.attempts for each in snapshots),
            "successful_connections": sum(each.attempts - each.failures for each in snapshots),
            "disconnects": sum(each.disconnects for each in snapshots),
            "reconnects": sum(each.reconnects for each in snapshots),
            "current_status": {each.target: each.condition.state.value for each in snapshots},
            "uptime": max((each.at_utc for each in snapshots), default=began) - began,
        },
        "targets": [plain(each) for each in snapshots],
    }


def real_time(snapshot: Snapshot, lately: Sequence[Period]) -> Mapping[str, object]:
    """None: not measured. Seconds throughout."""
    asked = sum(each.requests_sent for each in lately)
    traffic, observed = snapshot.traffic, snapshot.observed_seconds
    pings, answers = ping_in(snapshot.rtt), snapshot.rtt.get(Metric.APP_RTT)
    return {
        "uptime": snapshot.at_utc - snapshot.started_utc,
        "is_connected": snapshot.condition.login is Login.ACCEPTED,
        "state": snapshot.condition.state.value,
        "total_messages": traffic.messages_received + traffic.messages_sent,
        "messages_per_second": traffic.messages_received / observed if observed else None,
        "total_errors": sum(map(errors_of, lately)),
        "error_rate": sum(each.requests_expired for each in lately) / asked if asked else None,
        "connection_attempts": snapshot.attempts,
        "successful_connections": snapshot.attempts - snapshot.failures,
        "connection_success_rate": 1 - snapshot.failures / snapshot.attempts if snapshot.attempts else None,
        "median_ping_time": pings.p50 if pings else None,
        "p95_ping_time": pings.p95 if pings else None,
        "max_ping_time": pings.largest if pings else None,
        "median_response_time": answers.p50 if answers else None,
        "p95_response_time": answers.p95 if answers else None,
        "max_response_time": answers.largest if answers else None,
        "availability": snapshot.availability,
        "bad_seconds": fsum(snapshot.bad_seconds.values()),
        "oldest_price_seconds": max(
            (each.age_seconds for each in snapshot.symbols if each.age_seconds is not None), default=None
        ),
    }


def _issues(snapshot: Snapshot) -> list[str]:
    """Every component that lost points, and what is wrong now."""
    condition = snapshot.condition
    found = [f"{snapshot.target}: {condition.sentence}"] if condition.cause is not None else []
    found += [
        f"{snapshot.target}: {each.name}: {each.sentence}"
        for each in snapshot.score.components
        if each.points < each.weight
    ]
    return found + ([f"{snapshot.target}: {snapshot.score.cap}"] if snapshot.score.cap else [])


def _recommendations(snapshots: Sequence[Snapshot]) -> list[str]:
    """What to do about each incident and alert; that all is well is only said of what was judged."""
    advice = [
        f"{each.target}: {incident.advice} [{incident.code}]"
        for each in snapshots
        for incident in each.incidents
    ]
    advice += [f"{alert.target or 'monitor'}: {alert.message}" for each in snapshots for alert in each.alerts]
    for each in snapshots:
        if each.score.grade is Grade.UNKNOWN:
            advice.append(f"{each.target}: {each.score.sentence}")
    if (
        not advice
        and snapshots
        and all(each.score.grade in (Grade.EXCELLENT, Grade.GOOD) for each in snapshots)
    ):
        advice = ["Nothing to do: all that was watched is well."]
    return list(dict.fromkeys(advice))
