"""`probe sim`: brokers on this machine, with faults on demand."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import click

from probe.faults.grammar import FaultKind, FaultSpec, Parameter, ParameterType
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.model.units import parse_duration
from probe.simulator.run import Simulator
from probe.simulator.sessions import Counters
from probe.simulator.switchboard import CATALOGUE, read_fault

KIND_OF_ACCOUNT = {Account.DEMO: "demo", Account.LIVE: "real", Account.NONE: "none"}
STOPPED_BY = (signal.SIGINT, signal.SIGTERM)
HEADING_OF_KIND = {
    FaultKind.PROTOCOL: "What the broker does",
    FaultKind.STREAM: "What happens to the bytes",
    FaultKind.LISTENER: "What happens to connections",
}


@click.command(
    epilog="Try: probe sim pocketoption --fault silent-stall:at=10s, and in another terminal the command it prints."
)
@click.argument("brokers", nargs=-1, metavar="[BROKER...]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Of the first endpoint; the others follow it. Any free ones without.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Other prices, accounts and tokens.")
@click.option("--tls/--no-tls", default=True, show_default=True, help="Serve every region over TLS as well.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:param=value…][@start[+duration]]",
    help="Misbehave. Can be given several times.",
)
@click.option("--list-faults", is_flag=True, help="Show all faults with their parameters, and end.")
@click.option("--for", "duration", metavar="TIME", help="End by itself after this time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def sim(
    brokers: Sequence[str],
    port: int | None,
    seed: int,
    faults: Sequence[str],
    duration: str | None,
    *,
    tls: bool,
    list_faults: bool,
    as_json: bool,
) -> None:
    """Simulated brokers on this machine, until Ctrl-C: several regions, demo and real accounts, plain and TLS.

    BROKER is a name such as pocketoption; all of them without one. Nothing but loopback is listened on.
    """
    if list_faults:
        _list_faults(as_json=as_json)
        return
    for fault in faults:
        read_fault(fault)
    seconds = None if duration is None else parse_duration(duration, where="--for")
    simulator = Simulator(brokers, seed=seed, faults=faults, port=port or 0, tls=tls, pages=True)
    asyncio.run(_serve(simulator, seconds, as_json=as_json))


async def _serve(simulator: Simulator, seconds: float | None, *, as_json: bool) -> None:
    from probe.simulator.control import Control, controlling

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOPPED_BY:
        _on_signal(loop, number, stop)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(simulator)
        control = await stack.enter_async_context(controlling(simulator))
        if as_json:
            _print_lines(simulator, control.url, control.token.reveal())
        else:
            _print_table(simulator, control.url, control.token.reveal())
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            pass
        counters = simulator.counters
    if not as_json:
        click.echo(_farewell(counters), err=True)
