"""`probe check`: one fresh connection to each target, judged."""

import asyncio
from contextlib import AsyncExitStack

import click

from probe.cli.check_report import as_data, as_text
from probe.cli.options import Typed, takes_targets
from probe.cli.output import dumped
from probe.model.credentials import WebSession, redactor_for
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.model.units import parse_duration
from probe.monitor.knock import Knock, knock
from probe.targets import Target, pick_region

WORST_FIRST = (State.FAILED, State.UNKNOWN, State.DEGRADED, State.HEALTHY)


@click.command(
    epilog="Exit codes: 0 healthy, 1 errors found, 2 usage or credential, 3 degraded, 4 could not judge. "
    "Try: probe check sim:pocketoption"
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@click.option(
    "--timeout",
    default="30s",
    show_default=True,
    envvar="TRADEPROBE_TIMEOUT",
    show_envvar=True,
    metavar="TIME",
    help="Bounds everything, for each target.",
)
@click.option("--symbol", metavar="NAME", help="Whose price to look for; the broker's usual one without.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
def check(typed: Typed, timeout: str, symbol: str | None, *, as_json: bool) -> int:
    """One fresh connection to each TARGET, judged: how long each step took, whether the login was accepted, whether prices flow.

    TARGET is a credential (-, env:NAME, file:PATH, keyring:NAME, or the text itself), a URL (wss://, https://, bridge:// and more;
    with --broker if it does not say whose), sim, sim:BROKER, or the name of a target in probe.toml.
    """
    seconds = parse_duration(timeout, where="--timeout")
    if seconds <= 0:
        raise ConfigError(
            "it must be longer than nothing", where="--timeout", next_step="For example --timeout 20s."
        )
    understood, _ = typed.understood()
    states = []
    for target in understood:
        result = asyncio.run(_check(typed, target, seconds, symbol))
        states.append(result.verdict.state)
        told = as_data(result, target.name)
        shown = dumped(told) if as_json else "\n".join(as_text(result, target.name))
        won = result.entered.outcome if result.entered else None
        for secrets in (target.credentials, target.login, won if isinstance(won, WebSession) else None):
            shown = redactor_for(secrets)(shown)  # whatever a server had us say
        click.echo(shown)
    return next(state for state in WORST_FIRST if state in states).exit_code


async def _check(typed: Typed, target: Target, timeout: float, symbol: str | None) -> Knock:
    endpoints, key = target.endpoints, typed.key_of(target)
    configured = target.settings.symbols if target.settings else ()
    async with AsyncExitStack() as stack:
        if target.simulated:
            from probe.simulator.run import Simulator

            simulator = await stack.enter_async_context(Simulator([target.broker]))
            endpoints = pick_region(tuple(simulator.plain_endpoints()), typed.chosen.region_of(target))
            key = simulator.key(endpoints[0])
        return await knock(
            target.broker,
            endpoints[0],
            key,
            tls=typed.chosen.tls_of(target),
            proxy=typed.proxy_of(target, endpoints[0].address),
            timeout=timeout,
            about=typed.chosen.about(target),
            symbol=symbol or next(iter(configured), target.usual_symbol),
        )
