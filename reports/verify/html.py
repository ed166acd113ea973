"""A verification as one page: it asks nobody for anything, runs no script, and stands alone. What is not kept comes first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import probe
from probe.disk import write_result
from probe.model.findings import Finding
from probe.verify.assessment import Assessed, Shares, assessed, recommendations
from probe.verify.model import Outcome, Result
from probe.verify.run import Verified
from reports.page.templating import style, templates
from reports.tables import Cell, Table
from reports.words import NONE, count, duration

_CONTENT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_TONES = {Outcome.PASSED: "good", Outcome.FAILED: "bad", Outcome.ERROR: "bad", Outcome.SKIPPED: ""}


def write_html(runs: Sequence[Verified], path: Path) -> None:
    """
    Raises:
        OSError: the file cannot be written; what stood there before still does.
    """
    write_result(path, page(runs).encode())


def page(runs: Sequence[Verified]) -> str:
    every = Shares.of([each for run in runs for each in run.results])
    wrong, not_run = every.failed + every.errors, sum(run.not_run for run in runs)
    return (
        templates(__package__)
        .get_template("page.html")
        .render(
            sections=[_Section(each) for each in runs],
            answer="no" if wrong else "yes" if every.passed and not not_run else "unsure",
            headline=_headline(every, wrong, not_run),
            at=f"{datetime.fromtimestamp(runs[0].at_utc, UTC):%Y-%m-%d %H:%M} UTC",
            style=style(__package__),
            policy=_CONTENT,
            version=probe.__version__,
        )
    )


def _headline(shares: Shares, wrong: int, not_run: int) -> str:
    judged = shares.total - shares.skipped
    rest = f"; {shares.skipped} skipped" if shares.skipped else ""
    rest += f"; {not_run} not run" if not_run else ""
    if not judged:
        return f"Nothing could be judged{rest}."
    return f"{f'{wrong} of {judged} promises are not kept' if wrong else f'All {judged} promises are kept'}{rest}."


class _Section:
    """What the page shows of one target."""

    def __init__(self, run: Verified) -> None:
        self.name, self.broker = run.target, run.broker
        self.advice = recommendations(run)
        self.groups = Table(
            caption="By what they are about",
            heads=["promises about", "status", "score", "kept", "not kept", "skipped"],
            rows=[_group(each) for each in assessed(run.results) if each.shares.total],
        )
        self.suites = [
            (name, _results(name, [each for each in run.results if each.suite == name]))
            for name in dict.fromkeys(each.suite for each in run.results)
        ]


def _group(each: Assessed) -> list[Cell]:
    shares, score = each.shares, each.shares.health_score
    tone = {"GOOD": "good", "NEEDS_ATTENTION": "bad"}.get(each.status, "")
    return [
        Cell(each.group.value),
        Cell(each.status, tone=tone),
        Cell(NONE if score is None else count(round(score))),
        Cell(count(shares.passed)),
        Cell(count(shares.failed + shares.errors)),
        Cell(count(shares.skipped)),
    ]


def _results(name: str, results: Sequence[Result]) -> Table:
    order = list(_TONES)
    rows = [
        [
            Cell(each.trial.name),
            Cell(each.outcome.value, tone=_TONES[each.outcome], order=float(order.index(each.outcome))),
            Cell(NONE if each.outcome is Outcome.SKIPPED else duration(each.seconds)),
            Cell(each.trial.promise),
            Cell(" ".join([each.evidence.sentence, *map(_cause, each.causes)])),
        ]
        for each in results
    ]
    return Table(
        caption=f"The {name} suite",
        heads=["test", "", "lasted", "it promises", "it saw"],
        rows=rows,
        kind="words",
    )


def _cause(cause: Finding) -> str:
    return f"{cause.cause[0].upper()}{cause.cause[1:]} ({cause.certainty.value}: {cause.code}). {cause.next_step}"
