"""What the page and the Markdown say alike: names, sentences, and in which order things stand."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from probe.cli.lines import counted, likely, percent, rather, span
from probe.measure.health import CAP, Grade
from probe.measure.records import Cause, Incident, Metric
from probe.model.failures import Blame
from reports.diagnostics.facts import Side, TargetReport
from reports.words import count, duration

MOST_INCIDENTS = 100  # of all targets that are told one by one
FEWEST_OF_ONE, MOST_OF_ONE = 5, 25
MOST_EVIDENCE = 8  # messages of each
MOST_CODES = 10  # of why attempts failed
CAUSES = {
    Cause.DISCONNECTED: "no connection",
    Cause.AUTH: "login refused or not answered",
    Cause.STALLED: "connected, but no prices",
    Cause.DEGRADED: "prices, but something else was wrong",
}
SIDES = {Side.OWN: "this machine", Side.NETWORK: "the network", Side.BROKER: "the broker"}
METRICS = {
    Metric.WS_RTT: "WebSocket ping",
    Metric.APP_RTT: "a request and its answer",
    Metric.POLL_RTT: "the lightest question",
    Metric.BEAT_RTT: "the broker's own keep-alive",
    Metric.TCP_RTT: "TCP round trip, by the kernel",
    Metric.LOOP_LAG: "how late its own timers were",
    Metric.UPLINK_RTT: "round trip to the uplink",
    Metric.CONNECT: "first dial to prices",
    Metric.CLOCK_SKEW: "clock beside the broker's",
    Metric.ACCESS_RTT: "connecting to an access point",
    Metric.TERMINAL_PING: "terminal to its broker",
    Metric.FEED_LAG: "a price's age when its sender had it",
    Metric.SERVER_PROCESS: "time in the server, as it says",
    Metric.ORDER_RTT: "an order and its execution",
}
SMALL_PRINT = (
    "All times are UTC. Percentiles come of merged histograms, true to 1 %; none is an average. – is what was not measured; it is never "
    "a zero."
)
_LOST = {CAP: "caps (down, refused or without prices at the time)"}


def moment(utc: float) -> str:
    return f"{_day(utc)} {datetime.fromtimestamp(utc, UTC):%H:%M:%S}"


def _day(utc: float) -> str:
    at = datetime.fromtimestamp(utc, UTC)
    return f"{at.day} {at:%b %Y}"


def period(since: float, until: float) -> str:
    return f"{moment(since)} to {moment(until)} UTC ({span(until - since)})"


def worst_first(targets: Iterable[TargetReport]) -> list[TargetReport]:
    """By the error budget that is left; what was not observed stands between what is overdrawn and what is not."""
    return sorted(
        targets, key=lambda each: (0.0 if each.budget.left is None else each.budget.left, each.target)
    )


def tone(target: TargetReport) -> str:
    """Good, bad, or warn: it is fair, or nobody can say."""
    if target.sums.availability is None:
        return "warn"
    left = target.budget.left
    if (left is not None and left < 0) or target.health.mean_grade is Grade.POOR:
        return "bad"
    return "good" if target.health.mean_grade in {Grade.EXCELLENT, Grade.GOOD} else "warn"


def advice(targets: Sequence[TargetReport]) -> dict[str, list[TargetReport]]:
    """What to do, in order, and for which targets: of each its first, then of each its second."""
    whose: dict[str, list[TargetReport]] = {}
    for place in range(max((len(each.advice) for each in targets), default=0)):
        for target in targets:
            if place < len(target.advice) and target not in whose.setdefault(target.advice[place], []):
                whose[target.advice[place]].append(target)
    return whose


def anchor(number: int) -> str:
    return f"target-{number + 1}"


def in_strip(target: TargetReport, slot_seconds: float) -> str:
    sums = target.sums
    if not sums.observed:
        return "Nobody watched in this period."
    return (
        f"{span(sums.bad_seconds)} of {span(sums.observed)} were bad. Each piece is {span(slot_seconds)}, in UTC, and its height "
        "is a share of that; what is short is drawn larger, so that it can be seen."
    )


def lost_by(name: str) -> str:
    return _LOST.get(name, name)


def arithmetic(target: TargetReport) -> str:
    """Rounded so that what is shown adds up to 100, too."""
    health = target.health
    if health.mean is None:
        return "Too little was watched for a score."
    mean, *lost = _adding_up({"": health.mean, **health.lost}, 1000).items()
    told = "".join(f" + {tenths / 10:.1f} lost by {lost_by(name)}" for name, tenths in lost)
    lowest = "" if health.lowest is None else f" The lowest was {health.lowest:.1f}."
    now = (
        ""
        if health.score is None
        else f" At the end of the period it was {health.score:.1f}, {health.grade.value}."
    )
    return f"100 = {mean[1] / 10:.1f} (the mean over {span(health.judged_seconds)}){told}.{lowest}{now}"


def _adding_up(parts: Mapping[str, float], whole: int) -> dict[str, int]:
    """By the largest remainder; `parts` add up to 100."""
    exact = {name: each * whole / 100 for name, each in parts.items()}
    rounded = {name: math.floor(each) for name, each in exact.items()}
    for name in sorted(exact, key=lambda each: rounded[each] - exact[each])[
        : max(whole - sum(rounded.values()), 0)
    ]:
        rounded[name] += 1
    return rounded


def gravest(incidents: Sequence[Incident], *, targets: int) -> list[Incident]:
    """The gravest of one of so many targets, in the order in which they began: what goes on, then what left us blind, then what took
    long."""

    def gravity(each: Incident) -> tuple[bool, float, float]:
        return each.ended_utc is None, each.blind_seconds, lasted(each)

    most = min(max(MOST_INCIDENTS // targets, FEWEST_OF_ONE), MOST_OF_ONE)
    return sorted(sorted(incidents, key=gravity, reverse=True)[:most], key=lambda each: each.began_utc)


def whose(target: TargetReport) -> str:
    told = [
        f"{'not known' if blame is Blame.UNKNOWN else blame.value} for {span(seconds)}"
        for blame, seconds in target.blamed.items()
        if seconds
    ]
    return f"Whose fault it likely was: {', '.join(told)}." if told else ""


def lasted(incident: Incident) -> float:
    return 0.0 if incident.ended_utc is None else incident.ended_utc - incident.began_utc


def when(incident: Incident) -> str:
    if incident.ended_utc is None:
        return f"{moment(incident.began_utc)}, and it goes on: {CAUSES[incident.cause]}"
    return f"{moment(incident.began_utc)}, for {span(lasted(incident))}: {CAUSES[incident.cause]}"


def figures_of(incident: Incident) -> str:
    """What was measured then, and what it cost."""
    told = [f"{likely(incident.blame)}"]
    if incident.blind_seconds:
        told.append(
            f"blind for {span(incident.blind_seconds)}, {counted(incident.candles_missed, 'candle')} missed"
        )
    if incident.planned:
        told.append("planned")
    if incident.pattern:
        told.append(incident.pattern)
    if incident.rather is not None:
        told.append(rather(incident).removeprefix("; "))
    if incident.endpoint:
        told.append(f"through {incident.endpoint}")
    for name, value in incident.figures.items():
        words = name.removesuffix("_seconds").replace("_", " ")
        told.append(f"{words} {duration(value) if name.endswith('_seconds') else count(value)}")
    return "; ".join(told)


def named(metric: Metric) -> str:
    return METRICS.get(metric, metric.value)


def connected(target: TargetReport) -> str:
    made = target.connecting
    codes = ", ".join(f"{times:,} {code}" for code, times in list(made.failures.items())[:MOST_CODES])
    why = f" What failed: {codes} (probe explain CODE says what that means)." if codes else ""
    planned = f", {made.planned_disconnects:,} of them planned" if made.planned_disconnects else ""
    return (
        f"{counted(made.attempts, 'attempt')} of the session that was held, {sum(made.failures.values()):,} failed; "
        f"{counted(made.disconnects, 'disconnect')}{planned}; {counted(made.reconnects, 'reconnect')}.{why}"
    )


def trust(target: TargetReport) -> str:
    known = target.trust
    tainted = (
        f", {percent(known.tainted / known.samples)} of them tainted and not used" if known.samples else ""
    )
    killed = f", {known.killed:,} of them killed" if known.killed else ""
    lag = (
        ""
        if known.own_lag_p99 is None
        else f" Its own timers were late by {duration(known.own_lag_p99)} at most in 99 of 100 cases."
    )
    return (
        f"{percent(known.coverage)} of the period was watched, by {counted(known.runs, 'run')} of the monitor{killed}. "
        f"{known.samples:,} samples{tainted}. The clock of this machine stepped {counted(known.clock_steps, 'time')}.{lag}"
    )


def more(shown: int, of: int, options: str) -> str:
    """What is not shown, and where it is."""
    return "" if of <= shown else f" And {of - shown:,} more: probe export {options} has them all."


def below_incidents(shown: int, of: int) -> str:
    gravest = "These are the gravest." if shown < of else ""
    rest = more(shown, of, "--what incidents --csv DIR")
    return f"{gravest}{rest} probe explain CODE says more about one.".strip()
