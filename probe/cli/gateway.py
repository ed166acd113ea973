"""`probe gateway`: the REST routes of a gateway over a real terminal, read-only, for one account."""

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.model.credentials import Secret
from probe.model.errors import ConfigError

if TYPE_CHECKING:
    from probe.gateway.app import GatewaySettings  # FastAPI takes half a second
    from probe.gateway.desk import GatewayAccount
    from probe.gateway.serve import TlsFiles

STOPPED_BY = (signal.SIGINT, signal.SIGTERM)
PACKAGE, BRIDGE = "package", "bridge:"
CALL_SECONDS = (
    65.0  # the terminal itself gives a login up after 60; clients of the gateway are told long before
)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="Try: probe gateway --terminal bridge:127.0.0.1:18812 --account file:account.json, where the file holds "
    '{"account": 12345678, "password": "…", "server": "Broker-Demo"}.'
)
@click.option(
    "--terminal",
    required=True,
    metavar="package|bridge:HOST:PORT",
    help="The MetaTrader5 package on this machine, or an mt5linux bridge.",
)
@click.option(
    "--account",
    required=True,
    metavar="REF",
    help="The one account it opens, as JSON: -, env:NAME, file:PATH or keyring:NAME.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; elsewhere with TLS only."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free."
)
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="The certificate and its chain (PEM).")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="The certificate's key (PEM, no password).")
@click.option("--origin", "origins", multiple=True, metavar="URL", help="A web page's origin that may ask.")
@click.option("--docs/--no-docs", default=False, show_default=True, help="Serve /docs and /openapi.json.")
def gateway(
    terminal: str,
    account: str,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    origins: tuple[str, ...],
    *,
    docs: bool,
) -> None:
    """A REST gateway over a running MetaTrader 5 terminal, until Ctrl-C: read-only, for one account.

    Clients log in with the account's number, password and server, and get a token for 24 hours.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    url = _url_of(terminal)
    found = _read_account(account)
    from probe.gateway.app import GatewaySettings
    from probe.gateway.serve import TlsFiles

    settings = GatewaySettings(account=found, origins=origins, docs=docs)
    tls = TlsFiles(certificate=tls_cert, key=tls_key) if tls_cert and tls_key else None
    asyncio.run(_serve(url, settings, host, port, tls))


def _url_of(terminal: str) -> str:
    if terminal == PACKAGE:
        return "terminal://local"
    where = terminal.removeprefix(BRIDGE)
    host, _, port = where.rpartition(":")
    if where == terminal or not host or not port.isdecimal():
        raise ConfigError(
            "--terminal says neither package nor where the bridge is",
            next_step="Write package, or bridge:HOST:PORT as in bridge:127.0.0.1:18812.",
        )
    return f"bridge://{where}"


def _read_account(reference: str) -> "GatewayAccount":
    """
    Raises:
        CredentialMissing, ConfigError: there is nothing, or no account.
    """
    from probe.cli.options import warn
    from probe.gateway.desk import GatewayAccount
    from probe.gateway.models import Login
    from probe.logs import remember
    from probe.vault import read_secret

    found = read_secret(reference)
    for warning in found.warnings:
        warn(warning)
    try:
        told = json.loads(found.secret.reveal())
        if isinstance(told, dict) and "account" in told:  # as a target's login is written
            told["account_number"] = told.pop("account")
        login = Login.model_validate(told)
    except (ValueError, RecursionError):  # its words would repeat what was given
        raise ConfigError(
            f"what was found in {found.source} is no account",
            where="--account",
            next_step='Write it {"account": 12345678, "password": "…", "server": "Broker-Demo"}.',
        ) from None
    password = Secret(login.password)
    remember(password)
    return GatewayAccount(number=login.account_number, password=password, server=login.server)


async def _serve(url: str, settings: "GatewaySettings", host: str, port: int, tls: "TlsFiles | None") -> None:
    from probe.drivers.terminal import open_terminal
    from probe.gateway.app import gateway as application
    from probe.gateway.serve import place, serving

    with place(host, port, tls=tls is not None) as listener:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        before = {  # the plain way, for it works on Windows too
            number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
            for number in STOPPED_BY
        }
        terminal = open_terminal(url, deadline=CALL_SECONDS)
        try:
            async with serving(application(terminal, settings=settings), listener, tls):
                shown = f"[{host}]" if ":" in host else host
                scheme = "https" if tls else "http"
                click.echo(
                    f"listening on {scheme}://{shown}:{listener.getsockname()[1]}, read-only. Ctrl-C ends it."
                )
                await stop.wait()
        finally:
            await terminal.close()
            for number, handler in before.items():
                signal.signal(number, handler)
