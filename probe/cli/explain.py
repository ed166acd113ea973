"""`probe explain`: what a verdict's code means, how far it can be trusted, and what to do."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby

import click

from probe.catalogue import Entry, entries
from probe.model.errors import ConfigError, near_miss

WIDTH, MARGIN = 80, 12


@click.command(epilog="Exit codes: 0 done, 2 there is no such code. Try: probe explain session.silent-stall")
@click.argument("code", required=False)
@click.option("--all", "every", is_flag=True, help="All codes, a line each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def explain(code: str | None, *, every: bool, as_json: bool) -> None:
    """What CODE, as checks, incidents and alerts name it, means: how it looks, what it is not, what to do. Connects to nothing."""
    if every == (code is not None):
        raise ConfigError(
            "one code is explained, or all of them are listed",
            where="CODE" if every else "probe explain",
            next_step="Give one code, such as session.silent-stall, or --all.",
        )
    known = entries()
    if code is None:
        told = _object("catalogue", entries=[_told(each) for each in known.values()])
        click.echo(told if as_json else "\n".join(_list(known.values())))
        return
    entry = known.get(code)
    if entry is None:
        meant = near_miss(code, known)
        raise ConfigError(
            "no failure has this code",
            where=code,
            next_step=f"Did you mean {meant}? " * bool(meant) + "`probe explain --all` lists them.",
        )
    click.echo(_object("explanation", **_told(entry)) if as_json else "\n".join(_lines(entry)))


def _object(kind: str, **fields: object) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"schema_version": 1, "kind": kind, "at": at, **fields}, ensure_ascii=False)


def _told(entry: Entry) -> dict[str, object]:
    return {
        "code": entry.code,
        "layer": entry.layer,
        "title": entry.title,
        "seen": entry.seen,
        "evidence": entry.evidence,
        "look_alikes": list(entry.look_alikes),
        "separated": entry.separated,
        "sure": entry.sure,
        "advice": list(entry.advice),
        "reason": entry.reason.value,
        "cause": entry.cause,
        "staged": entry.staged,
    }


def _list(all_entries: Iterable[Entry]) -> Iterator[str]:
    column = max(map(len, entries())) + 2
    for layer, rows in groupby(all_entries, key=lambda each: each.layer):
        yield from ("", click.style(layer, bold=True))
        for each in rows:
            yield from _row(each.code.ljust(column), [each.title], column + 2)


def _lines(entry: Entry) -> Iterator[str]:
    yield click.style(entry.title, bold=True)
    yield f"{entry.code} ({entry.layer})"
    costs = f"its bad seconds count as {entry.cause}" if entry.cause else "costs no second by itself"
    for name, texts in (
        ("seen", [entry.seen]),
        ("evidence", [entry.evidence]),
        ("not", entry.separated.split("; ")),
        ("how sure", [entry.sure]),
        ("do", [f"{place}. {each}" for place, each in enumerate(entry.advice, 1)]),
        ("counted", [f"as {entry.reason.value}; {costs}"]),
    ):
        yield ""
        yield from _row(name.ljust(MARGIN - 2), texts, MARGIN)


def _row(name: str, texts: list[str], margin: int) -> Iterator[str]:
    for place, text in enumerate(texts):
        yield from textwrap.wrap(
            text,
            WIDTH,
            initial_indent=f"  {name}" if place == 0 else " " * margin,
            subsequent_indent=" " * margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
