"""`probe exporter`: watch sessions, and serve what is seen to Prometheus and to browsers."""

import click

from probe.cli.asked import Asked, watches_targets
from probe.cli.options import Typed, takes_targets
from probe.cli.vigil import keep_watch


@click.command(
    epilog="Try: probe exporter sim:pocketoption, and open the address that it says. "
    "Exit code: 0 it did what was asked."
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@watches_targets
@click.option(
    "--listen",
    metavar="HOST:PORT",
    show_default="exporter.listen, or 127.0.0.1:18480",
    help="Where; port 0: any that is free.",
)
@click.option(
    "--web-config", metavar="FILE", help="TLS and users, in the format of Prometheus' own exporters."
)
def exporter(typed: Typed, asked: Asked, listen: str | None, web_config: str | None) -> int:
    """Hold a session to each TARGET, and serve /metrics, /probe and a status page.

    TARGET is what probe monitor takes; without one all targets of probe.toml. Ends with Ctrl-C or as --for says.
    """
    given = {"exporter.listen": ("--listen", listen), "exporter.web_config": ("--web-config", web_config)}
    return keep_watch(
        typed, asked, exporter={key: said for key, said in given.items() if said[1] is not None}
    )
