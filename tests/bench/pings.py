"""Are the reported ping round trips true? The same pings, as the kernel stamped them on the wire."""

import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlsplit

from probe.brokers import broker_names, find_broker
from probe.drivers.aio import Connection, connect
from probe.drivers.dial import DialPlan
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account, read_websocket_url
from probe.model.events import Dialled, Event, HeartbeatAnswered
from probe.session.broker import Broker
from probe.session.client import WEBSOCKET, ClientSession, Plan
from tests.bench.figures import Figure
from tests.bench.simulated import simulator

PING, PONG = 0x89, 0x8A


async def hold(broker: Broker, url: str, ssid: str, sessions: int, seconds: float) -> dict[int, list[float]]:
    """Round trips as reported, by local port."""
    credentials = broker.read_credentials(ssid)
    address = read_websocket_url(url)
    rng, redact = random.Random(1), redactor_for(credentials)
    reported: dict[int, list[float]] = {}
    open_connections: list[Connection[ClientSession]] = []

    async def open_one() -> None:
        trips: list[float] = []

        def note(event: Event) -> None:
            if isinstance(event, HeartbeatAnswered) and event.name == WEBSOCKET:
                trips.append(event.rtt_seconds)
            elif isinstance(event, Dialled):
                reported[event.local_port] = trips

        plan = Plan(host=address.host_header, path=address.path, account=Account.DEMO)
        session = ClientSession(
            codec=broker.codec(), credentials=credentials, plan=plan, rng=rng, redact=redact
        )
        connection = await connect(session, DialPlan(address=address), on_event=note)
        open_connections.append(connection)

    for _ in range(sessions):
        await open_one()
        await asyncio.sleep(0.1)
    await asyncio.sleep(seconds)
    for connection in open_connections:
        connection.act(lambda session, now: session.leave(now))
        await connection.ended()
    return reported


def captured(segments: list[tuple[int, bool, int, str]]) -> dict[int, list[float]]:
    """Round trips as captured, by local port: from the segment with the ping to the one with its pong. A ping that went
    out just before the goodbye has none."""
    streams: dict[tuple[int, bool], list[tuple[int, bytes]]] = defaultdict(list)
    for port, from_client, stamp, payload in segments:
        streams[port, from_client].append((stamp, bytes.fromhex(payload)))
    return {
        port: [
            (pong - ping) / 1e9
            for ping, pong in zip(_frames(pieces, PING), _frames(streams[port, False], PONG), strict=False)
        ]
        for (port, from_client), pieces in streams.items()
        if from_client
    }


def _frames(pieces: list[tuple[int, bytes]], wanted: int) -> list[int]:
    """When the last byte of each frame of that kind passed."""
    data = b"".join(piece for _, piece in pieces)
    ends: list[tuple[int, int]] = []  # offset behind a piece, its time
    for stamp, piece in pieces:
        ends.append(((ends[-1][0] if ends else 0) + len(piece), stamp))
    at = data.index(b"\r\n\r\n") + 4
    stamps = []
    while at < len(data):
        first, second = data[at], data[at + 1]
        length, head = second & 127, 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        at += head + (4 if second & 128 else 0) + length
        if first == wanted:
            stamps.append(next(stamp for end, stamp in ends if end >= at))
    return stamps


@contextlib.contextmanager
def on_core(number: int) -> Iterator[None]:
    """This process, and those it starts meanwhile, on one core: what is measured must not share one with its measurer."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def compare(name: str, sessions: int, seconds: float) -> list[tuple[float, float]]:
    """(reported, captured) for every ping."""
    with contextlib.ExitStack() as stack:
        with on_core(0):
            endpoint = stack.enter_context(simulator(name)).endpoint("ws")
            port = urlsplit(endpoint["url"]).port
            sniffer = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.sniff", str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert sniffer.stderr is not None
        if sniffer.stderr.readline() != "listening\n":
            raise PermissionError("capturing needs the right to open packet sockets (CAP_NET_RAW)")
        with on_core(-1):
            reported = asyncio.run(
                hold(find_broker(name), endpoint["url"], endpoint["credential"], sessions, seconds)
            )
        output, _ = sniffer.communicate(timeout=30)
    wire = captured(json.loads(output))
    return [pair for port, trips in reported.items() for pair in zip(trips, wire[port], strict=False)]


def pings() -> Iterator[Figure]:
    for name in broker_names():
        yield _pings(name)


def _pings(name: str) -> Figure:
    pairs = compare(name, sessions=100, seconds=62)
    differences = sorted(abs(told - true) * 1e3 for told, true in pairs)
    true_median = statistics.median(true for _, true in pairs) * 1e3
    p99 = differences[int(len(differences) * 0.99) - 1]
    note = f"{len(pairs)} pings, median difference {statistics.median(differences):.3f} ms, true median {true_median:.2f} ms"
    return Figure(f"{name}: reported ping against a capture, p99 difference", p99, "ms", 0.2, note)
