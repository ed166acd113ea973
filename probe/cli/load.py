"""`probe load`: a load test of a server that is yours, or of the simulator."""

from typing import Any

import click

from probe.cli.options import Typed, takes_targets
from probe.load.wishes import MOST_WORKERS

WEB, MASTER = "127.0.0.1:8089", "127.0.0.1:5557"  # Locust's usual ports


@click.command(
    epilog="Exit codes: 0 done, 1 a threshold broke, 2 usage, configuration or refused, 4 INVALID, 130 interrupted, 143 terminated. "
    "Try: probe load sim:pocketoption --users 50 --rate 100/s --duration 30s"
)
@click.argument("targets", nargs=-1, metavar="TARGET")
@takes_targets
@click.option(
    "--users",
    type=click.IntRange(1, 1_000_000),
    show_default="the scenario's, or 10",
    help="Sessions at the most.",
)
@click.option(
    "--rate",
    metavar="R/s",
    help="Messages a second over all sessions, by the clock (open model). Without it each user waits for its answer.",
)
@click.option(
    "--duration", metavar="TIME", show_default="the scenario's", help="The scenario, stretched to it."
)
@click.option(
    "--scenario", default="steady", show_default=True, metavar="NAME|FILE", help="docs/load.md lists them."
)
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    show_default=True,
    help="Processes that make the load; one for each core is enough.",
)
@click.option("--threshold", "thresholds", multiple=True, metavar="TEXT", help="As 'response p99 < 250ms'.")
@click.option("--abort-on-fail", is_flag=True, help="End as soon as a --threshold breaks.")
@click.option("--find-capacity", type=click.Choice(["users", "rate"]), help="Search the most that holds.")
@click.option("--most", metavar="N|R/s", help="Of --find-capacity: no more than this is tried.")
@click.option(
    "--replay", metavar="FILE", help="Users play recorded sessions: a HAR, or a transcript of ours."
)
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 100.0),
    default=1.0,
    show_default=True,
    help="Of --replay: 2 plays in half the time.",
)
@click.option("--debug-one", is_flag=True, help="One user, and every message is shown.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--i-own", "owned", multiple=True, metavar="HOST", help="This host is yours, as probe.toml says."
)
@click.option("--json", "json_path", metavar="FILE", help="The whole record; - for standard output.")
@click.option("--html", "html_path", metavar="FILE", help="A report with pictures, in one file.")
@click.option("--csv", "csv_path", metavar="DIR", help="Tables.")
@click.option(
    "--junit", "junit_path", metavar="FILE", help="A test case for each threshold, and the verdict."
)
@click.option("--web", metavar="HOST:PORT", is_flag=False, flag_value=WEB, help=f"Locust's pages, at {WEB}.")
@click.option("--exporter", metavar="HOST:PORT", help="Serve /metrics of the run, for Prometheus.")
@click.option("--master", metavar="HOST:PORT", is_flag=False, flag_value=MASTER, help="Workers come here.")
@click.option("--expect-workers", type=click.IntRange(1, 10_000), help="Of --master: begin with so many.")
@click.option("--worker", "worker_of", metavar="HOST:PORT", help="Work for the master there.")
@click.option("--kill-file", metavar="PATH", help="End as soon as this file is there.")
@click.option("--quiet", is_flag=True, help="No progress; only the result.")
def load(typed: Typed, **more: Any) -> int:
    """Put TARGET under load, and say what it took: latency both ways, prices, sessions, and whether the figures can be believed.

    TARGET is sim:BROKER, a credential, a URL, or the name of a target in probe.toml. Only this machine and servers of your own are put
    under load; public brokers are refused, whatever is configured.
    """
    from probe.cli.load_drive import drive

    return drive(typed, more)
