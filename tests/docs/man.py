"""The manual pages, drawn from the commands themselves: one for `probe`, and one for each command."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from inspect import cleandoc

import click

from probe import __version__
from probe.cli.main import COMMANDS, cli
from probe.config.keys import OTHER_VARIABLES

_SECTIONS = {"Try: ": "EXAMPLES", "Exit code: ": "EXIT STATUS", "Exit codes: ": "EXIT STATUS"}
_FILES = (
    ("probe.toml", "The configuration, in the working directory or where TRADEPROBE_CONFIG says."),
    ("store.db", "What the monitor has kept, in your data folder or where TRADEPROBE_HOME says."),
)


def man_pages() -> dict[str, Callable[[], str]]:
    """By their names in docs/."""
    names = {name: partial(_of_command, name) for name in COMMANDS}
    return {"man/probe.1": _of_all} | {f"man/probe-{name}.1": page for name, page in names.items()}


def _of_all() -> str:
    context = click.Context(cli, info_name="probe")
    commands = [(f"probe {name}", summary) for name, (_, summary) in COMMANDS.items()]
    return _page(
        "probe",
        "watch, check and load-test connections to trading brokers",
        context,
        [
            _section(
                "COMMANDS", [_text("Each has a page of its own, as probe-check(1)."), *_items(commands)]
            ),
            _section("ENVIRONMENT", _items([*OTHER_VARIABLES.items(), _OTHERS])),
            _section("FILES", _items(_FILES)),
        ],
    )


_OTHERS = ("TRADEPROBE_SECTION_KEY", "A setting, as `probe targets --show` names it.")


def _of_command(name: str) -> str:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=click.Context(cli, info_name="probe"))
    summary = COMMANDS[name][1].removesuffix(".")
    return _page(
        f"probe-{name}", summary[0].lower() + summary[1:], context, [_section("SEE ALSO", [".BR probe (1)"])]
    )


def _page(name: str, summary: str, context: click.Context, more: Sequence[str]) -> str:
    command = context.command
    options = [
        record
        for each in command.get_params(context)
        if isinstance(each, click.Option) and (record := each.get_help_record(context))
    ]
    return "\n".join(
        [
            f'.TH {_text(name.upper())} 1 "" "tradeprobe {__version__}" "tradeprobe"',
            _section("NAME", [f"{_text(name)} \\- {_text(summary)}"]),
            _section(
                "SYNOPSIS",
                [f".B {_text(context.command_path)}", _text(" ".join(command.collect_usage_pieces(context)))],
            ),
            _section("DESCRIPTION", _paragraphs(cleandoc(command.help or ""))),
            _section("OPTIONS", _items(options)),
            *_epilog(command.epilog or ""),
            *more,
            "",
        ]
    )


def _epilog(text: str) -> list[str]:
    beginnings = "|".join(map(re.escape, _SECTIONS))
    _, *parts = re.split(f"({beginnings})", text)
    return [
        _section(_SECTIONS[beginning], [_text(said.strip())])
        for beginning, said in zip(parts[::2], parts[1::2], strict=True)
    ]


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f".SH {title}", *lines])


def _items(items: Sequence[tuple[str, str]]) -> list[str]:
    return [line for term, said in items for line in (".TP", f".B {_text(term)}", _text(said))]


def _paragraphs(text: str) -> list[str]:
    """What is indented is an example."""
    lines: list[str] = []
    for each in text.split("\n\n"):
        if each.startswith("    "):
            lines += [".PP", ".EX", *map(_text, each.splitlines()), ".EE"]
        else:
            lines += [".PP", _text(" ".join(each.split()))]
    return lines[1:]


def _text(words: str) -> str:
    escaped = words.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
