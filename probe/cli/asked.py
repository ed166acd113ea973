"""The options that say how targets are watched: one set for every command that does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, wraps
from typing import Any

import click

HEALTHY, FIRST_INCIDENT = "healthy", "first-incident"
_OPTIONS = (
    click.option("--for", "duration", metavar="TIME", help="End after this time."),
    click.option(
        "--connect",
        type=click.Choice(["race", "fallback"]),
        help="race: the fastest of up to four endpoints; fallback: the best known first (default for real accounts).",
    ),
    click.option(
        "--symbol",
        "symbols",
        multiple=True,
        metavar="NAME",
        help="Whose prices to watch; the broker's usual one without.",
    ),
    click.option("--store", metavar="FILE", help="Where the history is kept; none: nowhere."),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="FAULT",
        help="Of a simulated broker, as probe sim takes it.",
    ),
    click.option("--json", "as_json", is_flag=True, help="One JSON object per line."),
    click.option("--quiet", is_flag=True, help="Only the closing summary."),
    click.option("--verbose", is_flag=True, help="Also what went well, and a log on standard error."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person typed about the watching."""

    duration: str | None
    connect: str | None
    symbols: Sequence[str]
    store: str | None
    faults: Sequence[str]
    as_json: bool
    quiet: bool
    verbose: bool
    until: str | None = None
    plain: bool = True
    explain_score: bool = False


def watches_targets(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets what was typed about the watching as one argument, `asked`."""
    shared = ("duration", "connect", "symbols", "store", "faults", "as_json", "quiet", "verbose")

    @wraps(command)
    def collected(**more: Any) -> Any:
        return command(asked=Asked(**{name: more.pop(name) for name in shared}), **more)

    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), collected)
