"""CPU for one check, beside a bare websockets client that does the same on the wire against the same simulator."""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Phase
from probe.model.findings import State
from probe.monitor.knock import knock
from probe.session.broker import Broker
from probe.session.codec import Role
from tests.bench.figures import Figure
from tests.bench.simulated import simulator

CHECKS, AT_ONCE = 500, 10
# What a bare client has to know of each: the word for an accepted login, for ticks, and what asks for them.
WORDS = {
    "pocketoption": (
        "successauth",
        "updateStream",
        ['42["changeSymbol",{"asset":"EURUSD_otc","period":60}]'],
    ),
    "quotex": (
        "s_authorization",
        "quotes/stream",
        [
            '42["instruments/update",{"asset":"EURUSD_otc","period":60}]',
            '42["chart_notification/get",{"asset":"EURUSD_otc","version":"1.0.0"}]',
            '42["depth/follow","EURUSD_otc"]',
        ],
    ),
}


async def _cpu(action: Callable[[], Awaitable[object]], count: int) -> float:
    """Milliseconds of CPU for one, ten at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with places:
            await action()

    began = time.process_time()
    await asyncio.gather(*(one() for _ in range(count)))
    return (time.process_time() - began) / count * 1e3


async def _median(action: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """The first (start-up included), and the median of five batches after it."""
    first = await _cpu(action, 1)
    batches = sorted([await _cpu(action, CHECKS // 5) for _ in range(5)])
    return first, batches[2]


def _floors(
    broker: Broker, url: str, context: ssl.SSLContext | None, frame: str
) -> tuple[Callable[[], Awaitable[None]], ...]:
    accepted, ticks, watch = WORDS[broker.name]
    joins = broker.rules.speaks_first[Phase.JOINING] is Role.CLIENT

    def opened() -> Any:
        return connect(url, ssl=context, compression=None, origin=None, proxy=None)

    async def greet() -> None:
        async with opened() as socket:
            await join(socket)

    async def join(socket: Any) -> None:
        await socket.recv()
        if joins:
            await socket.send("40")
        await socket.recv()

    async def log_in() -> None:
        async with opened() as socket:
            await join(socket)
            await socket.send(frame)
            name = ""
            while name != ticks:
                message = await socket.recv()
                if isinstance(message, bytes):
                    json.loads(message.removeprefix(b"\4"))
                elif message.startswith("4"):
                    (name, *_) = json.loads(message[message.index("[") :])
                    if name == accepted:
                        for asked in watch:
                            await socket.send(asked)
            json.loads((await socket.recv()).removeprefix(b"\4"))

    return greet, log_in


async def _measure(broker: Broker, scheme: str, told: dict[str, Any]) -> Iterator[Figure]:
    ca = Path(told["ca_file"]) if told.get("ca_file") else None
    profile = TlsProfile(ca_file=ca)
    endpoint = Endpoint(
        broker=broker.name,
        region=told["region"],
        url=told["url"],
        account=Account.DEMO,
        named_by_user=True,
    )
    credentials = broker.read_credentials(told["credential"])
    context = ssl.create_default_context(cafile=str(ca)) if scheme == "wss" else None
    greet, log_in = _floors(broker, told["url"], context, told["credential"])

    async def check(*, login: bool) -> None:
        given = credentials if login else None
        result = await knock(broker, replace(endpoint), given, tls=profile, timeout=30)
        assert result.verdict.state is State.HEALTHY, result.verdict

    figures = []
    for name, floor, ours in (
        ("to the namespace", greet, lambda: check(login=False)),
        ("with login and prices", log_in, lambda: check(login=True)),
    ):
        first_floor, floor_cost = await _median(floor)
        first, cost = await _median(ours)
        note = f"{cost:.2f} ms against {floor_cost:.2f} ms; the first one {first:.0f} ms against {first_floor:.0f} ms"
        figures.append(
            Figure(
                f"{broker.title}: CPU of one check, {scheme}, {name} / bare client",
                cost / floor_cost,
                "x",
                1.5,
                note,
            )
        )
    return iter(figures)


def checks_ws() -> Iterator[Figure]:
    return _checks("ws")


def checks_wss() -> Iterator[Figure]:
    return _checks("wss")


def _checks(scheme: str) -> Iterator[Figure]:
    for name in WORDS:
        with simulator(name) as running:
            yield from asyncio.run(_measure(find_broker(name), scheme, running.endpoint(scheme)))
