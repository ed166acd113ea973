"""`probe compare`: whether B was worse than A, or whether that is noise: two load runs, or two periods of what the monitor has kept."""

from contextlib import suppress
from pathlib import Path

import click

from probe.model.errors import ConfigError

WHAT_IS_COMPARED = "Give two files of `probe load --json`, or two periods of what the monitor has kept: TARGET[@REGION][,SINCE..UNTIL]."


@click.command(
    epilog="Exit codes: 0 nothing is worse beyond the noise; 1 something is; 2 usage, or a store that cannot be used; 4 could not judge "
    "(an INVALID run, another plan, too little data). Try: probe monitor sim:pocketoption --store demo.db --for 30m, and: "
    "probe compare pocketoption,25m..15m pocketoption,15m..5m --store demo.db"
)
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@click.option(
    "--change",
    metavar="WHEN",
    help="A before this moment and after it, for equally long; without B.",
)
@click.option("--since", metavar="WHEN", help="2026-11-01, 2026-11-01T12:30:00Z, or 7d for seven days ago.")
@click.option("--until", metavar="WHEN", help="Up to then.", show_default="now")
@click.option(
    "--store",
    "stores",
    multiple=True,
    metavar="FILE",
    help="Where the monitor has kept its history; a second one is B's.",
)
@click.option(
    "--config", metavar="FILE", help="The configuration that names the store, instead of probe.toml."
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="FILE",
    help="Load runs only: one more run of what A ran; at least two. How far such runs lie apart is then part of the noise.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def compare(
    before: str,
    after: str | None,
    change: str | None,
    since: str | None,
    until: str | None,
    stores: tuple[str, ...],
    config: str | None,
    baselines: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Whether B is worse than A, beyond the noise that both show themselves.

    A and B are periods of what the monitor has kept, TARGET[@REGION][,SINCE..UNTIL] such as main@eu,14d..7d; or files of
    `probe load --json`, of the same plan.
    """
    from probe.cli.compare_periods import compare_periods
    from probe.cli.compare_runs import compare_runs

    files = [_is_file(each) for each in (before, after) if each is not None]
    of_periods = {
        "--change": change,
        "--since": since,
        "--until": until,
        "--store": stores,
        "--config": config,
    }
    if not any(files):
        for name, side in (("A", before), ("B", after)):
            if side is not None and side.endswith(".json"):
                raise ConfigError("there is no such file", where=name, next_step=WHAT_IS_COMPARED)
        if baselines:
            raise ConfigError("it is for load runs, and these are periods", where="--baseline")
        return compare_periods(
            before,
            after,
            change=change,
            since=since,
            until=until,
            stores=stores,
            config=config,
            as_json=as_json,
        )
    if after is None:
        raise ConfigError("a second load run is missing", where="B", next_step=WHAT_IS_COMPARED)
    if not all(files):
        one, other = ("A", "B") if files[0] else ("B", "A")
        raise ConfigError(f"{one} is a file, and {other} is none", next_step=WHAT_IS_COMPARED)
    for option, value in of_periods.items():
        if value:
            raise ConfigError("it is for periods, and these are load runs", where=option)
    return compare_runs(before, after, baselines, as_json=as_json)


def _is_file(side: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(side).exists() and not Path(side).is_dir()
    return False
