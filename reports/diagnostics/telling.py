"""What the page and the Markdown say alike: the tables, the lines around them, and in which order things stand."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from probe.cli.lines import counted, likely, percent, span
from probe.measure.health import CAP, Grade
from probe.measure.histogram import Histogram
from probe.measure.records import Alert, Cause, Incident, Metric, Severity
from reports.diagnostics.facts import Report, Side, TargetReport
from reports.tables import Cell, Table
from reports.words import NONE, count, duration

MOST_INCIDENTS = 25  # of a target that are told one by one
MOST_EVIDENCE = 8  # messages of each
MOST_ROWS = 25  # of alerts, symbols, regions and kinds of failures
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
_LOST = {CAP: "caps (down, refused or without prices at the time)"}
_GRADES = {
    Grade.EXCELLENT: "good",
    Grade.GOOD: "good",
    Grade.FAIR: "warn",
    Grade.POOR: "bad",
    Grade.UNKNOWN: "",
}
_SEVERITIES = {Severity.PAGE: "bad", Severity.TICKET: "warn", Severity.WARNING: "warn", Severity.INFO: ""}
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


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
    """Good, bad, or warn: nobody can say, or part of the period was not observed."""
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


def tiles(target: TargetReport) -> Iterator[tuple[str, Cell, str]]:
    """The figures of the first screen: what, how much, and what that means."""
    sums, health = target.sums, target.health
    yield (
        "health, mean",
        Cell(
            f"{NONE if health.mean is None else f'{health.mean:.1f}'} {health.mean_grade.value}",
            tone=_GRADES[health.mean_grade],
        ),
        "of 100" + ("" if health.score is None else f"; {health.score:.1f} at the end"),
    )
    bad = "" if sums.availability is None else f"; {span(sums.bad_seconds)} were bad"
    yield (
        "availability",
        Cell(percent(sums.availability), tone=tone(target)),
        f"of the time that was watched was good{bad}",
    )
    yield "error budget left", budget_cell(target), _budget(target)
    yield (
        "blind",
        Cell(span(sums.blind) if sums.open else "not measured", tone="bad" if sums.blind else ""),
        "without prices while the market was open"
        + (f"; longest {span(sums.longest_blind)}" if sums.blind else ""),
    )
    yield "incidents", Cell(f"{len(target.incidents):,}"), "stretches of bad time with one cause"
    yield (
        "watched",
        Cell(percent(sums.coverage), tone="warn" if sums.coverage < 0.95 else ""),
        f"of the period, {span(sums.observed)}",
    )


def _budget(target: TargetReport) -> str:
    budget = target.budget
    source = "" if budget.is_configured else ", the usual objective"
    return f"at {100 * budget.objective:g} %{source}: {span(budget.spent_seconds)} of {span(budget.allowed_seconds)} bad time spent"


def budget_cell(target: TargetReport) -> Cell:
    left = target.budget.left
    if left is None:
        return Cell("not measured")
    if left < 0:
        return Cell(f"spent {1 - left:,.1f} times", left, "bad")
    return Cell(f"{math.floor(1000 * left + 1e-9) / 10:g} %", left, "warn" if left < 0.25 else "good")


def overview(targets: Sequence[TargetReport]) -> Table:
    return Table(
        caption="All targets, worst first",
        heads=("target", "availability", "budget left", "health", "blind", "longest", "incidents", "watched"),
        rows=[
            (
                Cell(each.target, to=anchor(number)),
                Cell(percent(each.sums.availability), each.sums.availability),
                budget_cell(each),
                _score(each.health.mean, each.health.mean_grade),
                _time(each.sums.blind if each.sums.open else None),
                _time(each.sums.longest_blind if each.sums.open else None),
                _number(len(each.incidents)),
                Cell(percent(each.sums.coverage), each.sums.coverage),
            )
            for number, each in enumerate(targets)
        ],
    )


def anchor(number: int) -> str:
    return f"target-{number + 1}"


def in_strip(target: TargetReport) -> str:
    sums = target.sums
    if not sums.observed:
        return "Nobody watched in this period."
    return (
        f"{span(sums.bad_seconds)} of {span(sums.observed)} were bad. The height is the share of each piece of time; what is short is drawn "
        "larger, so that it can be seen."
    )


def causes(target: TargetReport) -> Table:
    bad = target.sums.bad
    return Table(
        caption="Bad time by cause",
        heads=("what was wrong", "time", "of the watched time", "incidents"),
        rows=[
            (
                Cell(CAUSES[cause]),
                _time(seconds),
                Cell(percent(seconds / target.sums.observed if target.sums.observed else None), seconds),
                _number(sum(each.cause is cause for each in target.incidents)),
            )
            for cause, seconds in sorted(bad.items(), key=lambda each: -each[1])
            if seconds > 0
        ],
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


def gravest(incidents: Sequence[Incident]) -> list[Incident]:
    """The gravest of them, in the order in which they began: what goes on, then what left us blind, then what took long."""

    def gravity(each: Incident) -> tuple[bool, float, float]:
        return each.ended_utc is None, each.blind_seconds, lasted(each)

    return sorted(
        sorted(incidents, key=gravity, reverse=True)[:MOST_INCIDENTS], key=lambda each: each.began_utc
    )


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
    if incident.endpoint:
        told.append(f"through {incident.endpoint}")
    for name, value in incident.figures.items():
        words = name.removesuffix("_seconds").replace("_", " ")
        told.append(f"{words} {duration(value) if name.endswith('_seconds') else count(value)}")
    return "; ".join(told)


def named(metric: Metric) -> str:
    return METRICS.get(metric, metric.value)


def latency(target: TargetReport) -> Table:
    return Table(
        caption="Latency by side",
        heads=("what", "whose time", *_QUANTILES, "longest", "samples"),
        rows=[
            (
                Cell(named(each.metric)),
                Cell(SIDES[each.side]),
                *_percentiles(each.histogram),
                _number(each.histogram.count),
            )
            for each in target.latency
        ],
    )


def regions(target: TargetReport) -> Table:
    return Table(
        caption="Regions",
        heads=("region", "used for", "of that bad", "ping p50", "p99", "connect p50", "p99", "attempts", "failed"),
        rows=[
            (
                Cell(each.name), _time(each.used_seconds), _time(each.bad_seconds),
                *_quantiles(each.round_trips, 0.5, 0.99), *_quantiles(each.connect, 0.5, 0.99),
                _number(each.attempts), _number(each.failures),
            )
            for each in target.regions[:MOST_ROWS]
        ],
    )  # fmt: skip


def symbols(target: TargetReport) -> Table:
    return Table(
        caption="Prices by symbol",
        heads=("symbol", "prices", "gap p50", "p99", "longest", "repeated", "out of order", "first (UTC)", "last (UTC)"),
        rows=[
            (
                Cell(each.name), _number(each.ticks), _length(each.gap_p50), _length(each.gap_p99), _length(each.gap_longest),
                _number(each.repeated), _number(each.out_of_order), _moment(each.first_utc), _moment(each.last_utc),
            )
            for each in target.symbols[:MOST_ROWS]
        ],
    )  # fmt: skip


def connecting(target: TargetReport) -> Table:
    made = target.connecting
    whole = (
        Cell("all of it: first dial to prices"),
        *_percentiles(made.whole),
        _number(sum(made.failures.values())),
        _number(made.whole.count),
    )
    return Table(
        caption="Steps of connecting",
        heads=("step", *_QUANTILES, "longest", "failed in it", "times"),
        rows=[
            *(
                (
                    Cell(each.phase.value),
                    *_percentiles(each.seconds),
                    _number(each.failures),
                    _number(each.seconds.count),
                )
                for each in made.phases
            ),
            *([whole] if made.whole.count else []),
        ],
    )


def connected(target: TargetReport) -> str:
    made = target.connecting
    codes = ", ".join(f"{times:,} {code}" for code, times in list(made.failures.items())[:MOST_ROWS])
    why = f" What failed: {codes} (probe explain CODE says what that means)." if codes else ""
    planned = f", {made.planned_disconnects:,} of them planned" if made.planned_disconnects else ""
    return (
        f"{counted(made.attempts, 'attempt')} of the session that was held, {sum(made.failures.values()):,} failed; "
        f"{counted(made.disconnects, 'disconnect')}{planned}; {counted(made.reconnects, 'reconnect')}.{why}"
    )


def alerts(told: Sequence[Alert]) -> Table:
    """The newest first."""
    return Table(
        caption="Alerts",
        heads=("alert", "severity", "fired (UTC)", "lasted", "what it said"),
        rows=[
            (
                Cell(each.name),
                Cell(each.severity.value, list(Severity).index(each.severity), _SEVERITIES[each.severity]),
                _moment(each.fired_utc),
                Cell("goes on") if each.resolved_utc is None else _time(each.resolved_utc - each.fired_utc),
                Cell(each.message),
            )
            for each in sorted(told, key=lambda each: -each.fired_utc)[:MOST_ROWS]
        ],
        kind="words",
    )


def notices(report: Report) -> Table:
    return Table(
        caption="What the monitor said about itself",
        heads=("code", "times", "last (UTC)", "what it said"),
        rows=[
            (Cell(each.code), _number(each.times), _moment(each.last_utc), Cell(each.sentence))
            for each in report.notices[:MOST_ROWS]
        ],
        kind="words",
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


def more(shown: int, of: int, what: str) -> str:
    """What is not shown, and where it is."""
    return "" if of <= shown else f"And {of - shown:,} more: probe export --what {what} has them all."


def _score(mean: float | None, grade: Grade) -> Cell:
    return Cell(NONE if mean is None else f"{mean:.1f} {grade.value}", mean, _GRADES[grade])


def _time(seconds: float | None) -> Cell:
    return Cell(NONE if seconds is None else span(seconds), seconds)


def _length(seconds: float | None) -> Cell:
    return Cell(duration(seconds), seconds)


def _number(value: int) -> Cell:
    return Cell(f"{value:,}", value)


def _moment(utc: float) -> Cell:
    return Cell(moment(utc), utc)


def _quantiles(histogram: Histogram, *shares: float) -> list[Cell]:
    return [_length(histogram.quantile(each)) for each in shares]


def _percentiles(histogram: Histogram) -> list[Cell]:
    return _quantiles(histogram, *_QUANTILES.values(), 1.0)
