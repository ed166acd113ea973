"""`probe monitor`: watch sessions, and say what happened."""

from dataclasses import replace
from typing import Any

import click

from probe.cli.asked import FIRST_INCIDENT, HEALTHY, Asked, watches_targets
from probe.cli.options import Typed, takes_targets
from probe.cli.vigil import keep_watch


@click.command(
    epilog="Try: probe monitor sim:pocketoption --fault silent-stall@20s+15s --for 1m. "
    "Exit codes: 0 it did what was asked, 1 --until did not come true in the time of --for."
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@watches_targets
@click.option(
    "--until",
    type=click.Choice([HEALTHY, FIRST_INCIDENT]),
    help="End when all targets stream, or when the first incident begins.",
)
@click.option("--exporter", "listen", metavar="HOST:PORT", help="Serve besides what probe exporter serves.")
@click.option("--explain-score", is_flag=True, help="Print the arithmetic of the health score at the end.")
@click.option("--plain", is_flag=True, help="Lines instead of the live view, also on a terminal.")
def monitor(typed: Typed, asked: Asked, listen: str | None, **more: Any) -> int:
    """Hold a session to each TARGET and watch it: connected, logged in, prices flowing, how fast, and whose fault it was if not.

    TARGET is a credential (-, env:NAME, file:PATH, keyring:NAME, or the text itself), a URL (with --ssid, where one has to log in), sim,
    sim:BROKER, or the name of a target in probe.toml; without one all targets of probe.toml. Ends with Ctrl-C or as --for and --until
    say, and then sums up.
    """
    exporter = None if listen is None else {"exporter.listen": ("--exporter", listen)}
    return keep_watch(typed, replace(asked, **more), exporter=exporter)
