"""The page of all commands and their options, drawn from what click knows of them."""

import dataclasses
from collections.abc import Iterable, Iterator
from importlib import import_module
from inspect import cleandoc

import click

from probe.cli.asked import Asked
from probe.cli.main import COMMANDS, cli
from probe.cli.options import Typed

# Options that several commands take all together, by what click calls them.
SHARED = {
    "Which targets, and how they are reached": {each.name for each in dataclasses.fields(Typed)}
    - {"targets"},
    "How targets are watched": {
        each.name for each in dataclasses.fields(Asked) if each.default is dataclasses.MISSING
    },
}
# Which page tells more, where it has not the command's name.
MORE = {"explain": "failures.md", "targets": "configuration.md", "sim": "simulator.md"}
HEAD = """# Commands

Drawn from the commands themselves by `make docs`. Each of them says the same with `--help`, and `probe --version` names the version.
Durations and rates are written as people write them: `20s`, `1m30s`, `200/s`. What was found goes to standard output, progress and
warnings go to standard error.
"""


def commands_page() -> str:
    lines = [HEAD, "| command | what it is for |", "|---|---|"]
    lines += [f"| [`probe {name}`](#probe-{name}) | {summary} |" for name, (_, summary) in COMMANDS.items()]
    lines += ["", str(cli.epilog)]
    for name in COMMANDS:
        lines += ["", f"## `probe {name}`", "", *_command(name)]
    for title, names in SHARED.items():
        command = next(each for each in map(command_of, COMMANDS) if names <= _names(each))
        lines += ["", f"## {title}", "", *_table(command, names)]
    return "\n".join([*lines, ""])


def command_of(name: str) -> click.Command:
    module, _, attribute = COMMANDS[name][0].partition(":")
    found: click.Command = getattr(import_module(module), attribute)
    return found


def _names(command: click.Command) -> set[str]:
    return {str(each.name) for each in command.params if isinstance(each, click.Option)}


def _command(name: str) -> Iterator[str]:
    command = command_of(name)
    context = click.Context(command, info_name=f"probe {name}")
    shared = {title: names for title, names in SHARED.items() if names <= _names(command)}
    yield from ("```text", f"probe {name} {' '.join(command.collect_usage_pieces(context))}", "```", "")
    yield from (cleandoc(command.help or ""), "")
    if own := _names(command).difference(*shared.values()):
        yield from (*_table(command, own), "")
    if shared:
        places = [f"[{title[0].lower()}{title[1:]}](#{_anchor(title)})" for title in shared]
        yield from (f"{'And' if own else 'Its options are'} those that say {' and '.join(places)}.", "")
    if command.epilog:
        yield from (command.epilog, "")
    more = MORE.get(name, f"{name}.md")
    yield f"More on [its page]({more})."


def _anchor(title: str) -> str:
    return title.lower().replace(",", "").replace(" ", "-")


def _table(command: click.Command, names: Iterable[str]) -> Iterator[str]:
    context = click.Context(command)
    yield "| option | without it | what |"
    yield "|---|---|---|"
    for option in command.params:
        if isinstance(option, click.Option) and option.name in names:
            yield f"| {_written(option, context)} | {_default(option, context)} | {_cell(option.help or '')} |"


def _written(option: click.Option, context: click.Context) -> str:
    """As it is typed, with what it takes."""
    takes = "" if option.is_flag else f" {option.make_metavar(context)}".removesuffix(" RANGE")
    ways = [*option.opts, *option.secondary_opts]
    return _cell(
        ", ".join(f"`{way}{takes}`" for way in ways) + (", several times" if option.multiple else "")
    )


def _default(option: click.Option, context: click.Context) -> str:
    known = option.get_help_extra(context)
    parts = [known["default"].strip("()")] if known.get("default") else []
    parts += [f"`{name}`" for name in known.get("envvars", ())]
    return _cell(", or ".join(reversed(parts)) or ("an error" if option.required else ""))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
