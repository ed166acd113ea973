"""Probes of simulated targets whose session nobody holds, in time that does not wait."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families

from exporters.probing.service import Answer, Probing
from exporters.watched import Watched
from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import ConnectMode, Wanted
from probe.session.broker import Broker
from tests.monitor.linked import BROKER, Place
from tests.pretending import SSID


@dataclass
class Unheld:
    """Stands in for a link."""

    live_endpoint: Endpoint | None = None
    credentials: Credentials | None = None
    refused: set[Credentials] = field(default_factory=set)

    def has_seen_refused(self, credentials: Credentials | None) -> bool:
        return credentials in self.refused


class Idle:
    """Stands in for a monitor: knows its targets and opens nothing."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.wanted = tuple(wanted)
        self.links = {each.name: Unheld() for each in wanted}

    def link(self, name: str) -> Unheld:
        return self.links[name]


async def _no_reload() -> str:
    return ""


def watched(monitor: Idle) -> Watched:
    return Watched(cast("Monitor", monitor), _no_reload)


def probing(*wanted: Wanted, max_at_once: int = 20) -> Probing:
    return Probing(watched(Idle(wanted)), max_at_once=max_at_once)


def at_place(place: Place, **changes: Any) -> Probing:
    return probing(place.wanted(**{"simulated": True} | changes))


def aimed_at(url: str, *, broker: Broker = BROKER, **changes: Any) -> Wanted:
    endpoint = Endpoint(broker=broker.name, region="only", url=url, account=Account.DEMO, named_by_user=True)
    wanted = Wanted(
        name="one",
        broker=broker,
        endpoints=(endpoint,),
        key=BROKER.read_credentials(SSID),
        symbols=(),
        connect=ConnectMode.FALLBACK,
        proxy="none",
        simulated=True,
    )
    return replace(wanted, **changes)


async def probe(one: Probing, module: str = "open", timeout: str = "10", **more: str) -> "Said":
    query = "&".join(f"{name}={value}" for name, value in {"target": "one", "module": module, **more}.items())
    answer = await one.answer(query.encode(), timeout.encode())
    assert answer.status == 200, answer.body
    return Said(answer)


class Said:
    """An answer, as Prometheus reads it."""

    def __init__(self, answer: Answer) -> None:
        self.text = answer.body
        samples = [each for one in text_string_to_metric_families(answer.body) for each in one.samples]
        self.values = {(each.name, *each.labels.values()): each.value for each in samples}
        self.labels = sorted({(each.name, *each.labels) for each in samples})

    @property
    def success(self) -> float:
        return self.values["probe_success",]

    @property
    def seconds(self) -> float:
        return self.values["probe_duration_seconds",]

    def all_of(self, name: str) -> list[str]:
        return [labels[0] for found, *labels in self.values if found == name]

    @property
    def reason(self) -> list[str]:
        return self.all_of("tradeprobe_probe_reason")

    @property
    def codes(self) -> list[str]:
        return self.all_of("tradeprobe_probe_diagnosis")

    @property
    def phases(self) -> list[str]:
        return self.all_of("tradeprobe_probe_phase_duration_seconds")


@asynccontextmanager
async def serving(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Each peer is talked to so, and then never again; the port."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(cast("asyncio.Task[None]", asyncio.current_task()))
        with contextlib.suppress(OSError):
            await talk(reader, writer)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*talks), 60)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """It accepted, and that was all."""


def dripping(what: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in what:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.2)
            if writer.is_closing():
                return

    return drip


def greeting(said: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A WebSocket with one message, and no answer to a goodbye."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.split()[1] for line in head.splitlines() if line.lower().startswith("sec-websocket-key")
        )
        accept = base64.b64encode(
            hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        )
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        message = said.encode()
        writer.write(b"\x81\x7e" + len(message).to_bytes(2, "big") + message)

    return greet
