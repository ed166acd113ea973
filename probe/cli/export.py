"""`probe export`: what the monitor keeps, as tables for other programs."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from probe.cli.bridges import bridge
from probe.cli.stored import named_targets, settings_with
from probe.model.errors import ConfigError, near_miss

TABLES = ("connections", "samples", "events", "incidents", "alerts", "ticks")
NO_DATA = 4


@click.command(
    epilog="Exit codes: 0 done; 2 usage, or a store or place that cannot be used; 4 nothing was kept in this period. "
    "Try: probe monitor sim:pocketoption --store demo.db --for 30s, and: probe export --store demo.db --csv demo"
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--csv", metavar="DIR", help="A CSV file for each table, target and day.")
@click.option("--parquet", metavar="DIR", help="The same as Parquet (pip install 'tradeprobe[parquet]').")
@click.option("--jsonl", metavar="FILE", help="One file, a JSON object on each line.")
@click.option("--since", metavar="WHEN", help="2026-11-01, 2026-11-01T12:30:00Z, or 7d for seven days ago.")
@click.option("--until", metavar="WHEN", help="Up to then, and not then itself.", show_default="now")
@click.option(
    "--what",
    metavar="TABLE,...",
    default=",".join(TABLES),
    show_default=True,
    help="Which tables; docs/export.md lists their columns.",
)
@click.option("--store", metavar="FILE", help="Where the monitor has kept its history.")
@click.option(
    "--config", metavar="FILE", help="The configuration that names the store, instead of probe.toml."
)
def export(
    targets: tuple[str, ...],
    csv: str | None,
    parquet: str | None,
    jsonl: str | None,
    since: str | None,
    until: str | None,
    what: str,
    store: str | None,
    config: str | None,
) -> int:
    """Write what the monitor has kept of its targets as tables. Without a TARGET: of all, and of the monitor itself.

    TARGET is a name as the monitor shows it. A folder that holds an export already is brought up to date.
    """
    from probe.model.units import parse_moment
    from probe.store.pages import StorePages

    if (csv, parquet, jsonl).count(None) != 2:
        raise click.UsageError("Say once where to: --csv DIR, --parquet DIR or --jsonl FILE")
    now_utc = time.time()
    since_utc = parse_moment(since, now_utc, where="--since") if since else float("-inf")
    until_utc = parse_moment(until, now_utc, where="--until") if until else float("inf")
    if since_utc >= until_utc:
        raise ConfigError(
            "that is not before --until", where="--since", next_step="Name the earlier moment first."
        )
    tables = _tables(what)
    form = bridge("export_csv") if csv else bridge("export_parquet")() if parquet else None
    _, path = settings_with(store, config)
    with closing(StorePages(path)) as pages:
        asked = bridge("export_asked")(
            tables=tables,
            targets=named_targets(targets, pages) if targets else [*pages.targets(), None],
            since_utc=since_utc,
            until_utc=until_utc,
        )
        jobs = bridge("export_jobs")(pages, asked)
        if not jobs:
            click.echo(
                "nothing was kept in this period. See what there is without --since and --until.", err=True
            )
            return NO_DATA
        place = Path(csv or parquet or jsonl or "")
        with _told(place), _progress(len(jobs)) as step:
            if form is not None:
                done = bridge("export_folder")(pages, path, jobs, place, form, now_utc=now_utc, step=step)
            else:
                done = bridge("export_lines")(pages, jobs, place, step=step)
    click.echo(_summary(done, place), err=jsonl is not None)
    return 0


def _tables(what: str) -> list[str]:
    tables = [each.strip() for each in what.split(",")]
    for each in tables:
        if each not in TABLES:
            raise ConfigError(
                f"there is no table {each!r}",
                where="--what",
                suggestion=near_miss(each, TABLES) or "",
                next_step=f"The tables are: {', '.join(TABLES)}.",
            )
    return list(dict.fromkeys(tables))


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if isinstance(problem, BrokenPipeError):
            if place.is_relative_to("/dev"):
                raise  # `probe ... | head`
            raise ConfigError(
                "who was reading it has left", where=str(place), next_step="Start that again, and then this."
            ) from None
        goes_on = "Files that were finished are whole and stay; run it again, and it goes on."
        raise ConfigError(
            f"it cannot be written ({problem.strerror or type(problem).__name__})",
            where=str(place),
            next_step="Make room, or name another place." + (f" {goes_on}" if place.is_dir() else ""),
        ) from None


@contextmanager
def _progress(jobs: int) -> Iterator[Any]:
    """On standard error, if somebody looks at it."""
    is_seen = sys.stderr is not None and sys.stderr.isatty()
    with click.progressbar(
        length=jobs, label="export", file=sys.stderr, hidden=not is_seen, show_pos=True
    ) as bar:
        yield lambda: bar.update(1)


def _summary(done: Any, place: Path) -> str:
    lines = [f"{table:<12}{rows:>14,} rows" for table, rows in done.rows.items()]
    files = "1 file" if done.files == 1 else f"{done.files:,} files"
    kept = f"; {done.kept:,} of days that are over were there already" if done.kept else ""
    return "\n".join([*lines, f"{files} written: {place}{kept}"])
