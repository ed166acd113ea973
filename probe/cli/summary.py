"""What happened while a monitor ran: a short honest paragraph for each target, and the same as one object."""

import textwrap
from collections.abc import Iterator, Sequence

from probe.cli.lines import counted, likely, percent, safe, span
from probe.cli.output import milliseconds
from probe.measure.health import HealthScore
from probe.measure.plain import SCHEMA_VERSION, iso, plain
from probe.measure.records import Cause, Incident, Metric
from probe.measure.snapshot import Snapshot

WIDTH = 80
INDENT = "  "
ROUND_TRIPS = {
    Metric.WS_RTT: "WebSocket ping",
    Metric.POLL_RTT: "light question",
    Metric.APP_RTT: "application",
    Metric.TCP_RTT: "kernel TCP",
    Metric.LOOP_LAG: "own lag",
}


def closing_summary(snapshots: Sequence[Snapshot], *, seconds: float) -> list[str]:
    """What happened, for people."""
    lines = [f"Watched for {span(seconds)}."]
    for snapshot in snapshots:
        lines += [
            "",
            f"{safe(snapshot.target)}  {snapshot.condition.state.value.upper()}: {safe(snapshot.condition.sentence)}",
        ]
        for sentence in _sentences(snapshot):
            lines += textwrap.wrap(
                safe(sentence),
                WIDTH,
                initial_indent=INDENT,
                subsequent_indent=INDENT * 2,
                break_on_hyphens=False,
            )
    if not snapshots:
        lines.append("Nothing was watched.")
    return lines


def _sentences(snapshot: Snapshot) -> Iterator[str]:
    yield _availability(snapshot)
    if snapshot.observed_seconds > 0:
        yield _blindness(snapshot)
    yield _incidents(snapshot)
    yield _connections(snapshot)
    yield from _round_trips(snapshot)
    score = snapshot.score
    value = "no score" if score.value is None else f"{score.value:.0f} of 100"
    yield f"Health {score.grade.value}, {value}: {reason(score)}"
    yield from (f"Alert {each.name} still fires: {each.message}" for each in snapshot.alerts)
    if advice := next_step(snapshot):
        yield f"Next: {advice}"


def reason(score: HealthScore) -> str:
    """Its sentence, without the figure and the grade that stand before it anyway."""
    return score.sentence.partition(f" of 100, {score.grade.value}: ")[2] or score.sentence


def _availability(snapshot: Snapshot) -> str:
    if snapshot.availability is None or snapshot.observed_seconds <= 0:
        rest = snapshot.unobserved_seconds
        return "Nothing was observed, so nothing can be said about availability." + (
            f" For {span(rest)} nobody looked (suspended, stopped, or the clock stepped)." if rest > 0 else ""
        )
    bad = {cause: seconds for cause, seconds in snapshot.bad_seconds.items() if seconds > 0}
    causes = ", ".join(f"{cause.value} {span(seconds)}" for cause, seconds in bad.items()) or "none"
    unobserved = (
        f" Not observed: {span(snapshot.unobserved_seconds)}." if snapshot.unobserved_seconds > 0 else ""
    )
    return (
        f"Available {percent(snapshot.availability)} of {span(snapshot.observed_seconds)} observed "
        f"(objective {percent(snapshot.objective)}). Bad seconds: {causes}.{unobserved}"
    )


def _blindness(snapshot: Snapshot) -> str:
    if snapshot.open_seconds <= 0:
        return "The market was not seen open, so prices were not missed."
    candles = sum(each.candles_missed for each in snapshot.incidents)
    return (
        f"Without prices for {span(snapshot.blind_seconds)} of {span(snapshot.open_seconds)} of open market, "
        f"the longest time {span(snapshot.longest_blind_seconds)}; {counted(candles, 'candle')} missed."
    )


def lasted(incident: Incident, now_utc: float) -> float:
    return max(0.0, (now_utc if incident.ended_utc is None else incident.ended_utc) - incident.began_utc)


def _incidents(snapshot: Snapshot) -> str:
    if not snapshot.incidents:
        return "No incidents."
    longest = max(snapshot.incidents, key=lambda each: lasted(each, snapshot.at_utc))
    still = sum(each.ended_utc is None for each in snapshot.incidents)
    return (
        f"{counted(len(snapshot.incidents), 'incident')}{f', {still} not over' if still else ''}; "
        f"the longest {span(lasted(longest, snapshot.at_utc))}, {longest.cause.value}: {longest.sentence} "
        f"({likely(longest.blame)})."
    )


def _connections(snapshot: Snapshot) -> str:
    told = [each for each in snapshot.incidents if each.cause is Cause.DISCONNECTED]
    planned = sum(each.planned for each in told)
    rhythm = next((f"; rhythm: {each.pattern}" for each in told if each.pattern), "")
    kinds = f" ({planned} planned, {len(told) - planned} not{rhythm})" if told else ""
    return (
        f"{counted(snapshot.attempts, 'connection attempt')}, {snapshot.failures} failed; "
        f"{counted(snapshot.disconnects, 'disconnect')}{kinds}, {counted(snapshot.reconnects, 'reconnect')}."
    )


BESIDES = {  # shown where they were measured
    Metric.BEAT_RTT: "keep-alive",
    Metric.ACCESS_RTT: "access server",
    Metric.TERMINAL_PING: "terminal",
    Metric.ORDER_RTT: "order",
    Metric.FEED_LAG: "feed lag",
    Metric.SERVER_PROCESS: "server itself",
    Metric.UPLINK_RTT: "uplink",
}


def round_trips_of(snapshot: Snapshot) -> dict[Metric, str]:
    """Those that such a target has, by the names they are shown with."""
    absent = Metric.WS_RTT if Metric.POLL_RTT in snapshot.rtt else Metric.POLL_RTT
    return {metric: name for metric, name in ROUND_TRIPS.items() if metric is not absent}


def _round_trips(snapshot: Snapshot) -> Iterator[str]:
    measured = False
    for metric, name in (round_trips_of(snapshot) | BESIDES).items():
        found = snapshot.rtt.get(metric)
        if found is None or not found.count:
            continue
        measured = True
        figures = "/".join(
            "–" if each is None else milliseconds(each) for each in (found.p50, found.p95, found.p99)
        )
        yield f"{name} p50/p95/p99 {figures} (of {found.count}, the last 15 minutes at most)."
    if not measured:
        yield "Round trips: not measured in the last 15 minutes."


def next_step(snapshot: Snapshot) -> str | None:
    """What to do, when something is wrong: of the incident that is open, or of the newest one if the objective was missed."""
    missed = snapshot.availability is not None and snapshot.availability < snapshot.objective
    return next((each.advice for each in snapshot.incidents if missed or each.ended_utc is None), None)


def summary_data(snapshots: Sequence[Snapshot], *, began_utc: float, ended_utc: float) -> dict[str, object]:
    """The same for programs: the last line of many."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "summary",
        "at": iso(ended_utc),
        "began": iso(began_utc),
        "ended": iso(ended_utc),
        "seconds": ended_utc - began_utc,
        "targets": [_target(each) for each in snapshots],
    }


def _target(snapshot: Snapshot) -> dict[str, object]:
    """Without what only the live view needs, and the evidence, which its incident's own line has."""
    fields = plain(snapshot)
    assert isinstance(fields, dict)  # noqa: S101 - a snapshot has fields
    incidents = fields["incidents"]
    return {name: each for name, each in fields.items() if name not in ("recent", "at_utc")} | {
        "incidents": [{name: each for name, each in one.items() if name != "evidence"} for one in incidents],
        "candles_missed": sum(each.candles_missed for each in snapshot.incidents),
        "advice": next_step(snapshot),
    }
