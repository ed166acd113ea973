"""A diagnostics report as Markdown, for a wiki or a chat: what the page says in words and tables, without its pictures.

Nothing that others said is markup in it, a link, or a call to somebody.
"""

import re
from collections.abc import Iterable, Iterator

import probe
from reports.diagnostics import tables, telling
from reports.diagnostics.facts import Report, TargetReport
from reports.tables import Cell, Table
from reports.words import shown

_MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|^(?=[#+=-])")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](\s|$))")
# Forges and chats make links, mentions and pictures of these however they are escaped; a space without width stops them.
_CALLS = re.compile(r"@|#(?=\w)|:(?=//)|(?<=www)(?=\.)|:(?=[a-z+_-][\w+-]*:)", re.IGNORECASE)
_ZERO_WIDTH_SPACE = "\u200b"


def markdown(report: Report) -> str:
    targets = telling.worst_first(report.targets)
    return "\n\n".join(_blocks(report, targets)) + "\n"


def _blocks(report: Report, targets: list[TargetReport]) -> Iterator[str]:
    alone = len(targets) == 1
    yield f"# {_plain(targets[0].verdict if alone else report.verdict)}"
    of = f" of {_plain(targets[0].target)}" if alone else ""
    yield f"tradeprobe connection report{of}, {telling.period(report.since_utc, report.until_utc)}"
    if alone:
        yield _tiles(targets[0])
    if advice := telling.advice(targets):
        yield "## What to do, in order"
        yield "\n".join(_steps(advice, alone=alone))
    if len(targets) > 1:
        yield from _table(tables.overview(targets), head="##")
    for each in targets:
        yield from _target(each, targets=len(targets))
    if report.own_alerts or report.notices:
        yield "## The monitor itself"
        yield from _table(tables.alerts(report.own_alerts))
        yield from _table(tables.notices(report))
    yield f"{telling.SMALL_PRINT} Made {telling.moment(report.made_utc)} UTC by tradeprobe {probe.__version__}."


def _target(target: TargetReport, *, targets: int) -> Iterator[str]:
    if targets > 1:
        yield f"## {_plain(target.target)}"
        yield _plain(target.verdict)
        yield _tiles(target)
    yield from _table(tables.causes(target))
    yield "### Health"
    yield _plain(telling.arithmetic(target))
    yield from _table(tables.incidents(target, targets=targets))
    if target.blamed:
        yield _plain(telling.whose(target))
    yield from _table(tables.why(target))
    if target.sums.observed:
        yield from _table(tables.latency(target))
    yield from _table(tables.regions(target))
    yield from _table(tables.symbols(target))
    if target.connecting.attempts:
        yield from _table(tables.connecting(target))
        yield _plain(telling.connected(target))
    yield from _table(tables.alerts(target.alerts))
    yield "### How far to trust this"
    yield _plain(telling.trust(target))
    if target.trust.remarks:
        yield "\n".join(f"- {_plain(each)}" for each in target.trust.remarks)


def _steps(advice: dict[str, list[TargetReport]], *, alone: bool) -> Iterator[str]:
    for number, (sentence, whose) in enumerate(advice.items(), 1):
        names = "" if alone else f" — {_plain(', '.join(each.target for each in whose))}"
        yield f"{number}. {_plain(sentence)}{names}"


def _tiles(target: TargetReport) -> str:
    return "\n".join(
        f"- {name}: **{_plain(value.text)}** {_plain(about)}" for name, value, about in tables.tiles(target)
    )


def _table(table: Table, *, head: str = "###") -> Iterator[str]:
    if not table.rows:
        return
    yield f"{head} {table.caption}"
    aligned = ["---", *("---" if table.kind else "---:" for _ in table.heads[1:])]
    rows = (map(_cell, row) for row in table.rows)
    yield "\n".join(map(_row, (table.heads, aligned, *rows)))
    if table.note:
        yield _plain(table.note)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return _plain(cell.text)


def _plain(text: str) -> str:
    called = _CALLS.sub(rf"\g<0>{_ZERO_WIDTH_SPACE}", shown(text).strip())
    return _NUMBERED.sub(r"\1\\", _MARKUP.sub(r"\\\g<0>", called))
