"""`probe targets`: the configuration as understood, and where each value came from."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import click

from probe.config import Given, Settings, json_schema, load_settings
from probe.config.keys import SECTIONS, Key, keys_of
from probe.config.kinds import Duration
from probe.logs import redact
from probe.model.credentials import MASK
from probe.model.endpoint import Account
from probe.model.errors import ProbeError
from probe.model.units import format_duration
from probe.targets import Target, TargetOptions, resolve
from probe.vault import read_secret

HEADINGS = ("target", "broker", "account", "endpoints", "connect", "objective", "symbols", "credentials")
MOST_NAMED = 3  # regions or symbols in a row


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target as it would be watched, or why it cannot be."""

    name: str
    broker: str | None
    account: str | None
    regions: tuple[str, ...]
    credentials: str | None  # where they are
    readable: bool | None
    symbols: tuple[str, ...]
    connect: str
    objective: float
    warnings: tuple[str, ...]
    problem: str | None


@click.command(
    epilog="Exit codes: 0 every target can be used, 2 something is wrong. Try: probe targets --config docs/probe.example.toml"
)
@click.option("--config", metavar="FILE", help="The configuration, instead of probe.toml.")
@click.option("--show", is_flag=True, help="Every setting, its value, and where that came from.")
@click.option("--check", "only_checks", is_flag=True, help="Say only what is wrong.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of probe.toml, for editors.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def targets(config: str | None, *, show: bool, only_checks: bool, schema: bool, as_json: bool) -> int:
    """The targets of probe.toml as they are understood: one row each, with what is wrong about them. Connects to nothing."""
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return 0
    settings = load_settings(config)
    rows = [_row(settings, name) for name in settings.targets]
    warnings = [*settings.warnings, *(f"{row.name}: {text}" for row in rows for text in row.warnings)]
    problems = [row.problem for row in rows if row.problem]
    if as_json:
        click.echo(redact(json.dumps(_as_data(settings, rows, warnings, show=show))))
    elif not only_checks:
        shown = _settings_table(settings) if show else _rows_table(settings, rows)
        click.echo(redact("\n".join(shown)))
    for line in (*(f"warning: {text}" for text in warnings), *(f"error: {text}" for text in problems)):
        if not as_json or line.startswith("error"):
            click.echo(redact(line), err=True)
    return 2 if problems else 0


def _row(settings: Settings, name: str) -> Row:
    wanted = settings.targets[name]
    target: Target | None = None
    problem = None
    try:
        (target,) = resolve(name, TargetOptions(), settings)
        if wanted.ca is not None and not wanted.ca.is_file():
            problem = f"target {name!r}, ca: there is no file {str(wanted.ca)!r}."
    except ProbeError as error:
        problem = str(error)
    return Row(
        name=name,
        broker=target.broker.name if target else wanted.broker,
        account=_account(target),
        regions=tuple(each.region for each in target.endpoints) if target else (),
        credentials=wanted.credentials,
        readable=_is_readable(wanted.credentials),
        symbols=wanted.symbols or ((target.broker.default_symbol,) if target else ()),
        connect=wanted.connect or ("race" if _account(target) == Account.DEMO.value else "fallback"),
        objective=wanted.objective,
        warnings=target.warnings if target else (),
        problem=problem,
    )


def _account(target: Target | None) -> str | None:
    if target is None:
        return None
    key = target.credentials or target.login
    if key is None and target.simulated:
        return target.broker.house.regions[0].account.value
    return (key.account if key else Account.NONE).value


def _is_readable(reference: str | None) -> bool | None:
    try:
        return None if reference is None else bool(read_secret(reference))
    except ProbeError:
        return False


def _rows_table(settings: Settings, rows: Sequence[Row]) -> list[str]:
    if not rows:
        where = settings.file or "the environment: there is no probe.toml"
        return [f"No targets in {where}. docs/configuration.md shows how one is written."]
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]


def _cells(row: Row) -> tuple[str, ...]:
    credentials = row.credentials or ("–" if row.broker is None or row.regions else "its own")
    return (
        row.name,
        row.broker or "–",
        "–" if row.account in (None, Account.NONE.value) else row.account,
        f"{len(row.regions)} ({_some(row.regions)})" if row.regions else "–",
        row.connect,
        f"{row.objective * 100:g} %",
        _some(row.symbols) or "–",
        credentials + (" (cannot be read)" if row.readable is False else ""),
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _settings_table(settings: Settings) -> list[str]:
    lines = [
        (path, f"= {_in_words(key, value)}", settings.origin[path]) for path, key, value in _all_of(settings)
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return [f"{path:{widths[0]}}  {value:{widths[1]}}  # {origin}" for path, value, origin in lines]


def _all_of(settings: Settings) -> Iterator[tuple[str, Key, object]]:
    for section in ("", *(each.path for each in SECTIONS)):
        for at, holder in _tables(settings, section):
            for key in keys_of(section).values():
                yield f"{at}.{key.name}" if at else key.name, key, getattr(holder, key.field)


def _tables(settings: Settings, section: str) -> Iterator[tuple[str, object]]:
    match section:
        case "":
            yield "", settings
        case "targets.*":
            yield from ((f"targets.{name}", each) for name, each in settings.targets.items())
        case "alerts.rules.*":
            yield from ((f"alerts.rules.{name}", each) for name, each in settings.alerts.rules.items())
        case "alerts.channels":
            yield from ((f"{section}[{index}]", each) for index, each in enumerate(settings.alerts.channels))
        case _:
            yield section, attrgetter(section)(settings)


def _in_words(key: Key, value: object) -> str:
    if value is None:
        return "never" if isinstance(key.kind, Duration) and key.kind.never else _default(key)
    if value in ((), {}):
        return _default(key)
    match _safe(key, value):
        case bool() as flag:
            return str(flag).lower()
        case float() as seconds if isinstance(key.kind, Duration):
            return format_duration(seconds)
        case list() as entries:
            return ", ".join(map(str, entries))
        case dict() as choices:
            return ", ".join(f"{name}={each}" for name, each in choices.items())
        case other:
            return str(other)


def _default(key: Key) -> str:
    return key.default_words.replace("`", "") or "none"


def _safe(key: Key, value: object) -> object:
    """Without what may be secret: arguments of a command, the query of a URL."""
    match value:
        case Given():
            return value.shown
        case (program, *arguments) if key.name == "command":
            return [program, *(MASK for _ in arguments)]
        case tuple():
            return [each.partition("?")[0] + "?…" if "?" in each else each for each in value]
        case Path():
            return str(value)
        case Mapping():
            return dict(value)
        case _:
            return value


def _as_data(
    settings: Settings, rows: Sequence[Row], warnings: Sequence[str], *, show: bool
) -> dict[str, object]:
    data: dict[str, object] = {
        "schema_version": 1,
        "kind": "targets",
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "file": str(settings.file) if settings.file else None,
        "targets": [dataclasses.asdict(row) for row in rows],
        "warnings": list(warnings),
        "errors": [row.problem for row in rows if row.problem],
    }
    if show:
        data["settings"] = {
            path: {"value": _safe(key, value), "origin": settings.origin[path]}
            for path, key, value in _all_of(settings)
        }
    return data
