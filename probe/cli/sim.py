"""`probe sim`: brokers on this machine, with faults on demand."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from probe.brokers import broker_names, find_broker
from probe.faults.catalogue import FAULTS
from probe.faults.grammar import FaultKind, Parameter, ParameterType
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.model.units import parse_duration
from probe.simulator.lighter import near, ticking
from probe.simulator.listen import SimEndpoint
from probe.simulator.proof import LEAST_KEY_CHARACTERS
from probe.simulator.run import Simulator
from probe.targets import speaking

if TYPE_CHECKING:
    from probe.simulator.control import Control  # FastAPI takes half a second

ACCOUNTS = {Account.DEMO: "demo", Account.LIVE: "live", Account.NONE: "–"}
STANDARD_INPUT = 0
STOPPED_BY = (signal.SIGINT, signal.SIGTERM)
HEADING_OF_KIND = {
    FaultKind.PROTOCOL: "What the broker does",
    FaultKind.PAGES: "What the broker's web pages do",
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
@click.option(
    "--dialect",
    multiple=True,
    metavar="NAME=VALUE",
    help="Speak it otherwise where sources contradict each other; docs/dialects.md lists the choices.",
)
@click.option(
    "--tick-every",
    metavar="TIME",
    help="One price of a symbol so often, counted by each session, instead of every one that there is.",
)
@click.option(
    "--latency/--no-latency",
    default=True,
    show_default=True,
    help="Let every byte wait as long as its region is far.",
)
@click.option("--list-faults", is_flag=True, help="Show all faults with their parameters, and end.")
@click.option("--for", "duration", metavar="TIME", help="End by itself after this time.")
@click.option(
    "--key-on-stdin",
    is_flag=True,
    help="Read from the first line of standard input a key by which the simulator can prove that it is one, and end when "
    "standard input does.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def sim(
    brokers: Sequence[str],
    port: int | None,
    seed: int,
    faults: Sequence[str],
    dialect: Sequence[str],
    tick_every: str | None,
    duration: str | None,
    *,
    tls: bool,
    latency: bool,
    list_faults: bool,
    key_on_stdin: bool,
    as_json: bool,
) -> None:
    """Simulated brokers on this machine, until Ctrl-C: several regions, demo and real accounts where the broker has them, plain and TLS.

    BROKER is a name such as pocketoption or mt5; all of them without one. Nothing but loopback is listened on.
    """
    if list_faults:
        click.echo(_faults_as_json() if as_json else "\n".join(_faults_as_text()))
        return
    seconds = None if duration is None else parse_duration(duration, where="--for")
    chosen = speaking([find_broker(name) for name in brokers or broker_names()], dialect)
    if tick_every is not None:
        chosen = [ticking(broker, _tick_seconds(tick_every)) for broker in chosen]
    if not latency:
        chosen = [near(broker) for broker in chosen]
    key = _read_key() if key_on_stdin else None
    simulator = Simulator(chosen, seed=seed, faults=faults, port=port or 0, tls=tls, pages=True, key=key)
    asyncio.run(_serve(simulator, dialect, seconds, is_held=key_on_stdin, as_json=as_json))


def _tick_seconds(text: str) -> float:
    seconds = parse_duration(text, where="--tick-every")
    if seconds <= 0:
        raise ConfigError(
            "prices need some time between them", where="--tick-every", next_step="Write it like 5s or 100ms."
        )
    return seconds


def _read_key() -> Secret:
    line = b""
    while not line.endswith(b"\n") and (read := os.read(STANDARD_INPUT, 1)):  # not a byte more than the line
        line += read
    key = line.decode(errors="replace").strip()
    if len(key) < LEAST_KEY_CHARACTERS:
        raise ConfigError(
            "the first line of standard input is no key",
            where="--key-on-stdin",
            next_step=f"Write a line of at least {LEAST_KEY_CHARACTERS} random characters, and keep the pipe open.",
        )
    return Secret(key)


def _until_released(stop: Callable[[], None]) -> None:
    """The other end of standard input is closed by whoever started us, or by his end, however it came."""
    with contextlib.suppress(OSError):
        while os.read(STANDARD_INPUT, 4096):  # not sys.stdin, whose lock a thread must not hold when all ends
            pass
    with contextlib.suppress(RuntimeError):  # all has ended before, in another way
        stop()


async def _serve(
    simulator: Simulator, dialect: Sequence[str], seconds: float | None, *, is_held: bool, as_json: bool
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with AsyncExitStack() as stack:
        for number in STOPPED_BY:  # the plain way, for it works on Windows too
            before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
            stack.callback(signal.signal, number, before)
        if is_held:
            released = partial(loop.call_soon_threadsafe, stop.set)
            threading.Thread(target=_until_released, args=(released,), daemon=True).start()
        await stack.enter_async_context(simulator)
        from probe.simulator.control import controlling  # last: a port that is taken is told before

        control = await stack.enter_async_context(controlling(simulator))
        lines = _as_json(simulator, control) if as_json else _as_text(simulator, control, dialect)
        click.echo("\n".join(lines))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
        counters = simulator.counters
    traffic = counters.traffic
    click.echo(
        f"ended: {counters.sessions} sessions, {traffic.messages_received} messages in, "
        f"{traffic.messages_sent} out",
        err=True,
    )


def _as_json(simulator: Simulator, control: "Control") -> Iterator[str]:
    for endpoint in simulator.endpoints:
        more: dict[str, object] = {}
        if endpoint.ca_file is not None:
            more["ca_file"] = str(endpoint.ca_file)
        if endpoint.sign_in is not None:
            more["sign_in"] = endpoint.sign_in.revealed()
        yield _line(
            "endpoint",
            broker=endpoint.broker,
            region=endpoint.region,
            url=endpoint.url,
            account=endpoint.account.value,
            credential=endpoint.credential.reveal(),
            latency_seconds=endpoint.latency,
            **more,
        )
    yield _line(
        "ready", ready=True, control={"url": control.url, "token": control.token.reveal()}, pid=os.getpid()
    )


def _line(kind: str, **fields: object) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"schema_version": 1, "kind": kind, "at": at, **fields})


def _as_text(simulator: Simulator, control: "Control", dialect: Sequence[str] = ()) -> Iterator[str]:
    endpoints = simulator.endpoints
    yield "Simulated, all of it: prices, accounts and orders are made up, and nothing leaves this machine."
    yield ""
    rows = [("broker", "region", "account", "one way", "URL")]
    rows += [
        (each.broker, each.region, ACCOUNTS[each.account], f"{each.latency * 1000:g} ms", each.url)
        for each in endpoints
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(map(str.ljust, row, widths)).rstrip()
    if credentials := list(_credentials_as_text(endpoints)):
        yield ""
        yield "Credentials, good for nothing but this simulator:"
        yield from credentials
    if logins := list(_logins_as_text(endpoints)):
        yield ""
        yield "What --login takes instead, on any port of the broker:"
        yield from logins
    yield ""
    yield "Look at it from another terminal:"
    firsts = {(each.broker, each.ca_file): each for each in reversed(endpoints)}
    for each in reversed(firsts.values()):
        yield f"  {_check_command(each, dialect)}"
    if simulator.ca_file is not None:
        yield f"TLS is signed by {simulator.ca_file}. Give it to your client; do not add it to a trust store."
    yield ""
    yield "Switch a fault on while it runs, and off again by the id that was answered:"
    bearer = f"-H 'Authorization: Bearer {control.token.reveal()}'"
    orders = simulator.board.orders
    yield f"""  curl {bearer} --json '{{"fault": "delay:seconds=1"}}' {control.url}/faults"""
    yield f"  curl {bearer} -X DELETE {control.url}/faults/{len(orders) + 1}"
    for number, order in orders.items():
        yield f"On already, with id {number}: {order}"
    yield "Ctrl-C ends it."


def _credentials_as_text(endpoints: Sequence[SimEndpoint]) -> Iterator[str]:
    return _told(endpoints, lambda each: each.credential.reveal() if _takes_one(each) else "")


def _logins_as_text(endpoints: Sequence[SimEndpoint]) -> Iterator[str]:
    return _told(endpoints, _login)


def _told(endpoints: Sequence[SimEndpoint], what: Callable[[SimEndpoint], str]) -> Iterator[str]:
    """One for each kind of account that there is."""
    shown = {(each.broker, each.account): text for each in endpoints if (text := what(each))}
    for (broker, account), text in shown.items():
        yield f"  {broker}{'' if account is Account.NONE else f' {account.value}'}: {text}"


def _login(endpoint: SimEndpoint) -> str:
    """What a person would have."""
    known = endpoint.sign_in
    if known is None:
        return ""
    pin = f", and the PIN {known.pin.reveal()} with --fault signin-pin" if known.pin else ""
    return known.login.reveal() + pin


def _takes_one(endpoint: SimEndpoint) -> bool:
    """Whether a credential opens something there, be it more than what is public."""
    is_socket = endpoint.url.startswith("ws")
    in_query = find_broker(endpoint.broker).rules.login_in_query
    return not _is_public(endpoint) or (is_socket and in_query is not None)


def _is_public(endpoint: SimEndpoint) -> bool:
    return endpoint.url.partition("://")[0] in find_broker(endpoint.broker).public


def _check_command(endpoint: SimEndpoint, dialect: Sequence[str]) -> str:
    broker = find_broker(endpoint.broker)
    known = {choice.name for choice in broker.choices}
    options: list[str] = []
    for choice in dialect:
        if choice.partition("=")[0] in known:
            options += ["--dialect", choice]
    if broker.house.symbol is not None:
        options += ["--symbol", broker.house.symbol]
    if endpoint.ca_file is not None:
        options += ["--ca", str(endpoint.ca_file)]
    if _is_public(endpoint):
        return shlex.join(["probe", "check", endpoint.url, "--broker", broker.name, *options])
    credential = shlex.quote(endpoint.credential.reveal())
    return f"echo {credential} | probe check - {shlex.join(['--endpoint', endpoint.url, *options])}"


def _faults_as_json() -> str:
    faults = [
        {
            "name": spec.name,
            "kind": spec.kind.value,
            "summary": spec.summary,
            "parameters": [
                {
                    "name": each.name,
                    "type": _type(each),
                    "default": each.show(each.default),
                    "help": each.help,
                }
                for each in spec.parameters
            ],
            "finding": spec.finding,
            "brokers": list(spec.brokers),
        }
        for spec in FAULTS.values()
    ]
    return _line("faults", faults=faults)


def _faults_as_text() -> Iterator[str]:
    for kind, heading in HEADING_OF_KIND.items():
        yield click.style(heading, bold=True)
        for spec in FAULTS.values():
            if spec.kind is kind:
                yield f"  {click.style(spec.name, bold=True)}: {spec.summary}"
                yield (
                    f"      causes {spec.finding}"
                    if spec.finding
                    else "      causes no verdict, only worse numbers"
                )
                for each in spec.parameters:
                    yield f"      {each.name}={each.show(each.default)}  {each.help} ({_type(each)})"
                if spec.brokers:
                    yield f"      only for {', '.join(spec.brokers)}"
        yield ""
    yield "Written NAME[:param=value,…][@start[+duration]], as in --fault silent-stall:at=10s or --fault freeze@5s+20s."


def _type(parameter: Parameter) -> str:
    if isinstance(parameter.type, ParameterType):
        return parameter.type.value
    return "|".join(str(word.value) for word in parameter.type)
