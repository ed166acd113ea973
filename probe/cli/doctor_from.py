"""`probe doctor --from`: a file of somebody else's, judged without asking anybody."""

import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from probe.brokers import find_broker
from probe.cli.doctor_report import MARGIN, Page, as_data, width
from probe.cli.output import dumped, plain
from probe.cli.share import write
from probe.doctor.records import MOST_BYTES, Retold, retell, sensible
from probe.model.errors import ConfigError
from probe.model.packing import packed

STANDARD_INPUT = "-"
_OPTIONS = ("source", "as_json", "share", "broker", "no_color")  # those that say something about a file


def judge_file(source: str, *, broker: str | None, as_json: bool, share: Path | None) -> int:
    """
    Raises:
        ConfigError: there is nothing in it to judge.
        UnknownBroker: it is of a broker that this version does not know.
    """
    retold = retell(_content(source), _name(source), find_broker(broker) if broker else None)
    examination = retold.examination
    with sensible(_name(source)):
        shown = dumped(_as_data(retold, source)) if as_json else "\n".join(_page(retold, source, width()))
    click.echo(shown)
    if share is not None:
        with sensible(_name(source)):
            write(share, examination, str)
        click.echo(f"written, and safe to post: {share}", err=True)
    return examination.diagnosis.state.exit_code


def refuse_others(context: click.Context) -> None:
    """
    Raises:
        ConfigError: something was typed that only a target can have.
    """
    typed = click.core.ParameterSource.COMMANDLINE
    others = [
        each.opts[0] if isinstance(each, click.Option) else "TARGET"
        for each in context.command.params
        if each.name not in _OPTIONS and context.get_parameter_source(each.name or "") is typed
    ]
    if others and (others != ["TARGET"] or context.params["targets"]):
        raise ConfigError(
            f"a file is judged as it is, and {others[0]} is about a target to be asked",
            where="--from",
            next_step=f"Leave out either --from or {others[0]}.",
        )


def _content(source: str) -> bytes:
    try:
        if source == STANDARD_INPUT:
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with Path(source).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise ConfigError(
            f"it cannot be read ({problem.strerror or problem})",
            where=_name(source),
            next_step="Name a file, or - for standard input.",
        ) from None


def _name(source: str) -> str:
    return "standard input" if source == STANDARD_INPUT else plain(source)


def _page(retold: Retold, source: str, columns: int) -> Iterator[str]:
    yield from _preface(retold, source, columns)
    yield from Page(columns=columns).of(retold.examination)


def _preface(retold: Retold, source: str, columns: int) -> Iterator[str]:
    """Whose words follow: said before them."""
    by = retold.examination.made_with or "a version that did not say so"
    made = f"written {_minute(retold.at)} by {by}" if retold.at else "nobody wrote down when"
    words = f"{_name(source)}: {retold.what}, {made}. Nobody was contacted; judged by the rules of tradeprobe {version('tradeprobe')}."
    yield from _row("from", words, columns)
    if retold.judged_otherwise:
        yield from _row(
            "then", f"whoever wrote it judged otherwise: {', '.join(map(str, retold.then))}.", columns
        )
    yield ""


def _minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


def _row(name: str, words: str, columns: int) -> Iterator[str]:
    yield from textwrap.wrap(
        plain(words),
        columns,
        initial_indent=f"{name:<{MARGIN}}",
        subsequent_indent=" " * MARGIN,
        break_on_hyphens=False,
    )


def _as_data(retold: Retold, source: str) -> dict[str, object]:
    origin = {
        "file": _name(source),
        "what": retold.what,
        "at": retold.at or None,
        "made_with": retold.examination.made_with or None,
        "verdicts": [packed(each) for each in retold.then],
    }
    return as_data(retold.examination) | {"contacts": [], "from": origin}
