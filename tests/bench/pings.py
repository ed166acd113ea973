"""Are the reported ping round trips true? The same pings, as the kernel stamped them on the wire."""

import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import accumulate, cycle
from operator import xor
from urllib.parse import urlsplit

from probe.brokers import all_brokers, find_broker
from probe.drivers.aio import Connection, connect
from probe.drivers.dial import DialPlan
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account, read_url
from probe.model.events import WEBSOCKET, Dialled, Event, HeartbeatAnswered
from probe.session.broker import Broker
from probe.session.client import ClientSession, Plan
from tests.bench.figures import Figure
from tests.bench.simulated import simulator
from tests.bench.sniff import Segment

PING, PONG = 0x89, 0x8A

NAMES = [each.name for each in all_brokers() if each.has_socket and each.rules.needs_login]


async def hold(broker: Broker, url: str, ssid: str, sessions: int, seconds: float) -> dict[int, list[float]]:
    """Round trips as reported, by local port."""
    credentials = broker.read_credentials(ssid)
    address = read_url(url)
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


def captured(segments: list[Segment]) -> dict[int, list[float]]:
    """Round trips as captured, by local port: from the segment with the ping to the one with its pong. Only a ping that
    went out just before the end may have none."""
    streams: dict[tuple[int, bool], list[Segment]] = defaultdict(list)
    for segment in segments:
        streams[segment.client_port, segment.from_client].append(segment)
    round_trips: dict[int, list[float]] = {}
    for port in {port for port, _ in streams}:
        pings = _frames(streams[port, True], PING)
        pongs = _frames(streams[port, False], PONG)
        if list(pongs) not in (list(pings), list(pings)[:-1]):
            raise ValueError(f"port {port}: {len(pings)} pings and {len(pongs)} pongs that do not match")
        round_trips[port] = [(stamp - pings[payload]) / 1e9 for payload, stamp in pongs.items()]
    return round_trips


def _frames(segments: list[Segment], wanted: int) -> dict[bytes, int]:
    """The payloads of the frames of that kind, with when the last byte of each passed."""
    pieces = in_order(segments)
    data = b"".join(piece for _, piece in pieces)
    ends = list(accumulate(len(piece) for _, piece in pieces))
    at = data.index(b"\r\n\r\n") + 4
    frames: dict[bytes, int] = {}
    while at + 1 < len(data):
        first, second = data[at], data[at + 1]
        length, head = second & 127, 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        mask = data[at + head : at + head + 4] if second & 128 else b""
        at += head + len(mask) + length
        if first == wanted and at <= len(data):
            payload = bytes(map(xor, data[at - length : at], cycle(mask or b"\0")))
            frames[payload] = pieces[bisect_left(ends, at)][0]
    return frames


def in_order(segments: list[Segment]) -> list[tuple[int, bytes]]:
    """Each byte once, in the order in which it was sent, with when it and all before it had passed. TCP may send a segment
    again, and a capture on several cores may note two in the wrong order."""
    base = segments[0].sequence  # anywhere, and it wraps
    offsets = [(segment.sequence - base + 2**31) % 2**32 - 2**31 for segment in segments]
    pieces: list[tuple[int, bytes]] = []
    early: list[tuple[int, bytes]] = []
    at = min(offsets)
    for segment, offset in sorted(zip(segments, offsets, strict=True), key=lambda pair: pair[0].stamp):
        heappush(early, (offset, bytes.fromhex(segment.payload)))
        while early and early[0][0] <= at:
            start, payload = heappop(early)
            new = payload[at - start :]
            pieces.append((segment.stamp, new))
            at += len(new)
    if early:
        raise ValueError(f"port {segments[0].client_port}: the capture lacks bytes before {early[0][0]}")
    return pieces


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
    wire = captured([Segment(*row) for row in json.loads(output)])
    return [pair for port, trips in reported.items() for pair in zip(trips, wire[port], strict=True)]


def pings() -> Iterator[Figure]:
    for name in NAMES:
        yield _pings(name)


def _pings(name: str) -> Figure:
    pairs = compare(name, sessions=100, seconds=62)
    differences = sorted(abs(told - true) * 1e3 for told, true in pairs)
    true_median = statistics.median(true for _, true in pairs) * 1e3
    p99 = differences[int(len(differences) * 0.99) - 1]
    note = f"{len(pairs)} pings, median difference {statistics.median(differences):.3f} ms, true median {true_median:.2f} ms"
    return Figure(f"{name}: reported ping against a capture, p99 difference", p99, "ms", 0.2, note)
