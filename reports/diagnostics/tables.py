"""The tables of the page and of the Markdown."""

import math
from collections.abc import Iterator, Sequence

from probe.catalogue import entries
from probe.cli.lines import percent, span
from probe.measure.health import Grade
from probe.measure.histogram import Histogram
from probe.measure.records import Alert, Severity
from reports.diagnostics.facts import Report, TargetReport
from reports.diagnostics.telling import (
    CAUSES,
    SIDES,
    anchor,
    below_incidents,
    figures_of,
    gravest,
    lasted,
    moment,
    more,
    named,
    tone,
)
from reports.tables import Cell, Table
from reports.words import NONE, duration

MOST_ROWS = 25  # the rest is counted below
_GRADES = {
    Grade.EXCELLENT: "good",
    Grade.GOOD: "good",
    Grade.FAIR: "warn",
    Grade.POOR: "bad",
    Grade.UNKNOWN: "",
}
_SEVERITIES = {Severity.PAGE: "bad", Severity.TICKET: "warn", Severity.WARNING: "warn", Severity.INFO: ""}
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


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
    bad += "" if target.state is None else f"; {target.state} at the end"
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
        note="The worst is the one with the least left of its error budget.",
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


def why(target: TargetReport) -> Table:
    """Empty where nothing was recognised in any incident."""
    told = target.why[:MOST_ROWS]
    return Table(
        caption="Why, by the evidence",
        note="Each incident counts where its first verdict stands. Certain: everything that looks alike was ruled out; likely: but for"
        " one; possible: more are left. probe explain CODE says what tells them apart."
        + more(MOST_ROWS, len(target.why), "--what incidents --csv DIR"),
        heads=("what it was", "code", "how sure", "time", "incidents", "beside another"),
        rows=[
            (
                Cell(_titled(each.code)),
                Cell(each.code or NONE),
                Cell(each.certainty.value if each.code else NONE),
                _time(each.seconds),
                _number(each.incidents),
                _number(each.beside),
            )
            for each in told
        ]
        if any(each.code for each in told)
        else [],
        kind="words",
    )


def _titled(code: str | None) -> str:
    entry = entries().get(code or "")
    return entry.title if entry else code or "not recognised"


def incidents(target: TargetReport, *, targets: int) -> Table:
    told = gravest(target.incidents, targets=targets)
    return Table(
        caption="Incidents",
        note=below_incidents(len(told), len(target.incidents)),
        heads=("began (UTC)", "lasted", "code", "what was wrong", "what happened", "more"),
        rows=[
            (
                _moment(each.began_utc),
                Cell("goes on") if each.ended_utc is None else _time(lasted(each)),
                Cell(each.code),
                Cell(CAUSES[each.cause]),
                Cell(each.sentence),
                Cell(figures_of(each)),
            )
            for each in told
        ],
        kind="words",
    )


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
        caption="Regions compared",
        note="Pings are of the time in which the session was held there; attempts are all that were made there, also only to measure."
        + more(MOST_ROWS, len(target.regions), "--what events --csv DIR"),
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
        note="Of the prices that are still kept, from the first to the last."
        + more(MOST_ROWS, len(target.symbols), "--what ticks --csv DIR"),
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
        heads=("step", *_QUANTILES, "longest", "failed after it", "times"),
        rows=[
            *(
                (
                    Cell(each.phase.value),
                    *_percentiles(each.seconds),
                    _number(each.ended),
                    _number(each.seconds.count),
                )
                for each in made.phases
            ),
            *([whole] if made.whole.count else []),
        ],
    )


def alerts(told: Sequence[Alert]) -> Table:
    """The newest first."""
    return Table(
        caption="Alerts",
        note=more(MOST_ROWS, len(told), "--jsonl FILE"),
        heads=("alert", "severity", "fired (UTC)", "lasted", "what it said"),
        rows=[
            (
                Cell(each.name),
                Cell(each.severity.value, list(Severity).index(each.severity), _SEVERITIES[each.severity]),
                _moment(each.fired_utc),
                Cell("not told to be over")
                if each.resolved_utc is None
                else _time(each.resolved_utc - each.fired_utc),
                Cell(each.message),
            )
            for each in sorted(told, key=lambda each: -each.fired_utc)[:MOST_ROWS]
        ],
        kind="words",
    )


def notices(report: Report) -> Table:
    return Table(
        caption="What the monitor said about itself",
        note=more(MOST_ROWS, len(report.notices), "--what events --csv DIR"),
        heads=("code", "times", "last (UTC)", "what it said"),
        rows=[
            (Cell(each.code), _number(each.times), _moment(each.last_utc), Cell(each.sentence))
            for each in report.notices[:MOST_ROWS]
        ],
        kind="words",
    )


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
