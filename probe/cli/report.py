"""`probe report`: what the monitor has kept of its targets, as something people read, send and keep."""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.cli.bridges import bridge
from probe.cli.files import Wanted, try_all, write_all
from probe.cli.stored import named_targets, settings_with
from probe.model.errors import ConfigError

if TYPE_CHECKING:
    from probe.store.pages import StorePages

NO_DATA = 4
USUAL_PERIOD = "7d"


@click.command(
    epilog="Exit codes: 0 done; 2 usage, or a store or place that cannot be used; 4 nothing was kept in this period. "
    "Try: probe monitor sim:pocketoption --store demo.db --for 60s, and: probe report --store demo.db --html report.html"
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--html", metavar="FILE", help="A page that stands alone, with pictures.")
@click.option("--json", "as_json", metavar="FILE", help="For programs; docs/report.schema.json describes it.")
@click.option("--md", metavar="FILE", help="Markdown, for a wiki or a chat.")
@click.option(
    "--share",
    metavar="FILE",
    help="A copy that can be shown to strangers, as .html, .json or .md: without credentials, ids, addresses, balances and names.",
)
@click.option(
    "--since",
    metavar="WHEN",
    show_default="7d, or when the monitor began",
    help="2026-11-01, 2026-11-01T12:30:00Z, or 7d for seven days ago.",
)
@click.option("--until", metavar="WHEN", help="Up to then.", show_default="now")
@click.option("--store", metavar="FILE", help="Where the monitor has kept its history.")
@click.option(
    "--config", metavar="FILE", help="The configuration with the objectives, instead of probe.toml."
)
def report(
    targets: tuple[str, ...],
    html: str | None,
    as_json: str | None,
    md: str | None,
    share: str | None,
    since: str | None,
    until: str | None,
    store: str | None,
    config: str | None,
) -> int:
    """Say what the monitor saw: could you have traded, since when not, why, whose fault it was, and what to do.

    TARGET is a name as the monitor shows it; without one all are told of.
    """
    from probe.model.units import parse_moment
    from probe.store.pages import StorePages

    wanted = [
        Wanted(option=option, path=path, write=bridge(writer))
        for option, path, writer in (
            ("--html", html, "report_html"),
            ("--json", as_json, "report_json"),
            ("--md", md, "report_markdown"),
            ("--share", share, "report_shared"),
        )
        if path is not None
    ]
    if share is not None and Path(share).suffix not in bridge("report_forms"):
        raise ConfigError(
            "its form is told by its end, and this has none that is known",
            where=f"--share {share}",
            next_step=f"Let the name end with {', '.join(bridge('report_forms'))}.",
        )
    now_utc = time.time()
    since_utc = parse_moment(since or USUAL_PERIOD, now_utc, where="--since")
    until_utc = min(parse_moment(until, now_utc, where="--until") if until else now_utc, now_utc)
    if since_utc >= until_utc:
        raise ConfigError(
            "that is not before --until, or lies ahead", where="--since", next_step="Name an earlier moment."
        )
    settings, path = settings_with(store, config)
    try_all(wanted)
    with closing(StorePages(path)) as pages:
        names = named_targets(targets, pages) if targets else pages.targets()
        firsts = [pages.first_from("minutes", each, since_utc) for each in names]
        began = min((each for each in firsts if each is not None and each < until_utc), default=None)
        if began is None:
            click.echo(_nothing(pages, names), err=True)
            return NO_DATA
        if since is None:
            since_utc = began
        with _nothing_collected():
            made = bridge("report_of")(
                pages,
                names,
                since_utc,
                until_utc,
                now_utc=now_utc,
                objectives={name: each.objective for name, each in settings.targets.items()},
            )
            written = list(write_all(made, wanted))
    is_piped = any(each.path.startswith("/dev/") for each in wanted)
    click.echo("\n".join(bridge("report_lines")(made)), err=is_piped)
    code = 0
    for each, problem in written:
        if problem is not None:
            click.echo(f"{each.option}: {each.path} was not written: {problem.strerror}", err=True)
            code = 2
        elif not each.path.startswith("/dev/"):
            click.echo(f"written: {each.path}", err=True)
    return code


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Nearly all that is made stays until the end: to look through it again and again takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _nothing(pages: "StorePages", names: Sequence[str]) -> str:
    spans = [kept for each in names if (kept := pages.kept(each)) is not None]
    if not spans:
        return "nothing was kept yet: let `probe monitor TARGET` run."
    first, last = min(began for began, _ in spans), max(ended for _, ended in spans)
    told = " to ".join(f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d %H:%M}" for each in (first, last))
    return f"nothing was kept in this period; there is something from {told} UTC: name it with --since and --until."
