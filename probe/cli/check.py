"""`probe check`: one fresh connection to each target, judged."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click

from probe.cli.check_report import as_data, as_text
from probe.cli.targets import Target, TargetOptions, pick_region, resolve
from probe.drivers.proxies import choose_proxy
from probe.drivers.tls import TlsProfile
from probe.model.credentials import redactor_for
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.model.units import parse_duration
from probe.monitor.knock import Knock, knock

TLS_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
WORST_FIRST = (State.FAILED, State.UNKNOWN, State.DEGRADED, State.HEALTHY)


@click.command(
    epilog="Exit codes: 0 healthy, 1 errors found, 2 usage or credential, 3 degraded, 4 could not judge. "
    "Try: probe check sim:pocketoption"
)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--broker", metavar="NAME", help="Who is behind it, when URL and credential do not say.")
@click.option("--ssid", metavar="REF", help="The credential: -, env:NAME, file:PATH, or the value (warns).")
@click.option(
    "--endpoint", "endpoints", multiple=True, metavar="URL", help="Where to go instead of the known hosts."
)
@click.option("--region", metavar="NAME", help="Which of the broker's regions; the first one without it.")
@click.option(
    "--timeout", default="30s", show_default=True, metavar="TIME", help="Bounds everything, for each target."
)
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False), help="A certificate authority of your own (PEM)."
)
@click.option(
    "--tls-min",
    type=click.Choice(list(TLS_MINIMUM)),
    default="1.2",
    show_default=True,
    help="Lowest TLS version.",
)
@click.option(
    "--dialect",
    multiple=True,
    metavar="NAME=VALUE",
    help="Speak it otherwise where sources contradict each other; docs/dialects.md lists the choices.",
)
@click.option("--proxy", metavar="URL", help="Through this proxy (http:// or socks5://); none: through none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
@click.option("--no-color", is_flag=True, help="No colours (as NO_COLOR=1 does).")
def check(
    targets: Sequence[str],
    broker: str | None,
    ssid: str | None,
    endpoints: Sequence[str],
    region: str | None,
    timeout: str,
    ca: str | None,
    tls_min: str,
    dialect: Sequence[str],
    proxy: str | None,
    *,
    as_json: bool,
    no_color: bool,
) -> int:
    """One fresh connection to each TARGET, judged: how long each step took, whether the login was accepted, whether prices flow.

    TARGET is a credential (-, env:NAME, file:PATH, or the frame itself), a ws:// or wss:// URL, sim, or sim:BROKER.
    """
    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise ConfigError(
            "it must be longer than nothing", where="--timeout", next_step="For example --timeout 20s."
        )
    options = TargetOptions(
        broker=broker, ssid=ssid, endpoints=tuple(endpoints), region=region, dialect=tuple(dialect)
    )
    profile = TlsProfile(minimum=TLS_MINIMUM[tls_min], ca_file=Path(ca) if ca else None)
    context = click.get_current_context()
    context.color = False if no_color or "NO_COLOR" in os.environ else None
    if proxy and "@" in proxy:
        click.echo(
            "warning: the proxy's login was given as an argument: other users of this machine can read it. "
            "Put the URL into TRADEPROBE_PROXY instead.",
            err=True,
        )
    understood = [target for text in targets for target in resolve(text, options)]
    states = []
    for target in understood:
        for warning in target.warnings:
            click.echo(f"warning: {warning}", err=True)
        result = asyncio.run(_check(target, profile, proxy, seconds, region))
        states.append(result.verdict.state)
        if as_json:
            is_unicode = sys.stdout.encoding.lower().startswith("utf")
            shown = json.dumps(as_data(result, target.name), ensure_ascii=not is_unicode)
        else:
            shown = "\n".join(as_text(result, target.name))
        click.echo(redactor_for(target.credentials)(shown))  # whatever a server had us say
    return next(state for state in WORST_FIRST if state in states).exit_code


async def _check(
    target: Target, profile: TlsProfile, proxy: str | None, timeout: float, region: str | None
) -> Knock:
    endpoints, credentials = target.endpoints, target.credentials
    async with AsyncExitStack() as stack:
        if target.simulated:
            from probe.simulator.run import Simulator

            simulator = await stack.enter_async_context(Simulator([target.broker]))
            endpoints = pick_region(tuple(simulator.plain_endpoints()), region)
            credentials = target.broker.read_credentials(simulator.credential(endpoints[0]).reveal())
        chosen = choose_proxy(endpoints[0].address, proxy or ("none" if target.simulated else None))
        return await knock(
            target.broker, endpoints[0], credentials, tls=profile, proxy=chosen, timeout=timeout
        )
