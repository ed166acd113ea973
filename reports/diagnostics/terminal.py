"""A report in short, for a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from probe.cli.lines import counted, percent, safe, span
from reports.diagnostics.facts import Report, TargetReport

MOST_ADVICE = MOST_WHY = 3  # of each target


def lines_of(report: Report) -> Iterator[str]:
    began, ended = (
        f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d %H:%M}" for each in (report.since_utc, report.until_utc)
    )
    yield f"{began} to {ended} UTC"
    yield click.style(safe(report.verdict), bold=True)
    for each in report.targets:
        yield ""
        yield from map(safe, _target(each, is_alone=len(report.targets) == 1))


def _why(target: TargetReport) -> Iterator[str]:
    """What was recognised in the incidents, as far as it took time."""
    for each in [row for row in target.why if row.code and row.incidents][:MOST_WHY]:
        yield f"{each.code} ({each.certainty.value}): {counted(each.incidents, 'incident')}, {span(each.seconds)}"


def _target(target: TargetReport, *, is_alone: bool) -> Iterator[str]:
    sums, budget, health = target.sums, target.budget, target.health
    yield target.target if is_alone else f"{target.target}: {target.verdict}"
    if sums.availability is not None:
        yield (
            f"  available    {percent(sums.availability)} of {span(sums.observed)} watched; the objective of {budget.objective * 100:g} % "
            f"allows {span(budget.allowed_seconds)} of bad time, and {span(budget.spent_seconds)} were"
        )
        yield (
            f"  blind        {span(sums.blind)} of {span(sums.open)} of open market, at longest {span(sums.longest_blind)}"
        )
        mean = (
            "not judged" if health.mean is None else f"{health.mean:.1f} of 100 ({health.mean_grade.value})"
        )
        lost = ", ".join(f"{part} {points:.1f}" for part, points in health.lost.items() if points >= 0.05)
        yield f"  health       {mean}{f'; lost by {lost}' if lost else ''}"
        yield f"  incidents    {len(target.incidents)}; {counted(target.connecting.disconnects, 'disconnect')}"
    for place, each in enumerate(_why(target)):
        yield f"  {'' if place else 'why':<12} {each}"
    for place, each in enumerate(target.advice[:MOST_ADVICE]):
        yield f"  {'' if place else 'to do':<12} {each}"
    for place, each in enumerate(target.trust.remarks):
        yield f"  {'' if place else 'but':<12} {each}"
