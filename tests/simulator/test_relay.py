import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from probe.faults.stream import Corrupt, Cut, Delay, Flow, Freeze, Reset, Slice, StreamFault, Throttle
from probe.simulator.relay import HELD_LIMIT_BYTES, Relay, Upstream

DEADLINE_SECONDS = 10.0
READ_LIMIT = 2**20
PLENTY = 16 * 2**20  # bytes: more than the sockets on the way take
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Bench:
    """An upstream that hands each of its connections to the test, a relay in front of it, and a way to dial it."""

    def __init__(self, relay: Relay, port: int, accepted: asyncio.Queue[Streams]) -> None:
        self.relay, self.port, self._accepted = relay, port, accepted
        self._opened: list[asyncio.StreamWriter] = []

    async def dial(self, tls: ssl.SSLContext | None = None) -> Streams:
        streams = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, limit=READ_LIMIT)
        self._opened.append(streams[1])
        return streams

    async def pair(self) -> tuple[Streams, Streams]:
        """A client and what the upstream has of it."""
        client = await self.dial()
        return client, await self.upstream()

    async def upstream(self) -> Streams:
        streams = await self._accepted.get()
        self._opened.append(streams[1])
        return streams

    def only_connection(self) -> Any:
        (connection,) = self.relay._connections
        return connection

    async def all_gone(self) -> None:
        await asyncio.gather(*(connection.gone for connection in tuple(self.relay._connections)))

    async def close(self) -> None:
        await self.relay.stop()
        for writer in self._opened:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def bench(
    *faults: StreamFault, tls: ssl.SSLContext | None = None, unix: Path | None = None
) -> AsyncIterator[Bench]:
    accepted: asyncio.Queue[Streams] = asyncio.Queue()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait((reader, writer))

    upstream: Upstream
    if unix:
        server = await asyncio.start_unix_server(accept, unix, limit=READ_LIMIT)
        upstream = unix
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=READ_LIMIT)
        upstream = ("127.0.0.1", server.sockets[0].getsockname()[1])
    relay = Relay(upstream, Random(1), faults=faults, tls=tls)
    it = Bench(relay, await relay.start(), accepted)
    try:
        yield it
    finally:
        await it.close()
        server.close()
        await server.wait_closed()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await test()

    asyncio.run(bounded(), debug=True)


async def eventually(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  the kernel decides when; there is no event to wait for
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("over_unix", [False, True])
def test_bytes_and_half_closes_pass_both_ways(tmp_path: Path, over_unix: bool) -> None:
    if over_unix and not hasattr(socket, "AF_UNIX"):
        pytest.skip("this platform has no Unix sockets")

    async def test() -> None:
        async with bench(unix=tmp_path / "up" if over_unix else None) as it:
            (reader, writer), (up_reader, up_writer) = await it.pair()
            writer.write(b"request")
            writer.write_eof()
            assert await up_reader.read() == b"request"
            up_writer.write(bytes(10**6) + b"answer")  # the half-closed client is still answered
            up_writer.write_eof()
            assert await reader.read() == bytes(10**6) + b"answer"
            await it.all_gone()

    run(test)


def test_an_upstream_that_closes_first_still_hears_the_client() -> None:
    async def test() -> None:
        async with bench() as it:
            (reader, writer), (up_reader, up_writer) = await it.pair()
            up_writer.write_eof()
            assert await reader.read() == b""
            writer.write(b"after that")
            writer.write_eof()
            assert await up_reader.read() == b"after that"
            await it.all_gone()

    run(test)


def test_every_byte_arrives_through_a_stack_of_faults() -> None:
    faults = (Delay(seconds=0.01), Slice(bytes=1000, pause=0), Throttle(bytes_per_second=10**7))

    async def test() -> None:
        async with bench(*faults) as it:
            (reader, writer), (up_reader, up_writer) = await it.pair()
            payload = Random(3).randbytes(10**6)
            writer.write(payload)
            writer.write_eof()
            up_writer.write(payload[::-1])
            up_writer.write_eof()
            got = await asyncio.gather(up_reader.read(), reader.read())
            assert tuple(got) == (payload, payload[::-1])

    run(test)


def test_a_delay_makes_the_round_trip_longer_by_itself() -> None:
    async def test() -> None:
        async with bench(Delay(seconds=0.05)) as it:
            (reader, writer), (up_reader, up_writer) = await it.pair()
            asked_at = asyncio.get_running_loop().time()
            writer.write(b"?")
            up_writer.write(await up_reader.readexactly(1))
            assert await reader.readexactly(1) == b"?"
            assert asyncio.get_running_loop().time() - asked_at >= 0.099

    run(test)


def test_what_the_upstream_says_unasked_after_a_silence_is_delayed_as_long() -> None:
    async def test() -> None:
        async with bench(Delay(seconds=0.05, direction=Flow.DOWN)) as it:
            silent, busy = await it.pair(), await it.pair()
            for (reader, _), (_, up_writer) in (busy, silent):
                said_at = asyncio.get_running_loop().time()
                up_writer.write(b"!")
                assert await reader.readexactly(1) == b"!"
                assert asyncio.get_running_loop().time() - said_at >= 0.049

    run(test)


def test_a_connection_that_is_over_is_gone_with_the_timer_of_a_fault_that_was_to_come() -> None:
    async def test() -> None:
        async with bench(Cut(start=3600.0)) as it:
            (_, writer), (_, up_writer) = await it.pair()
            connection = it.only_connection()
            await eventually(lambda: connection._timer is not None)
            writer.write_eof()
            up_writer.write_eof()
            await it.all_gone()
            await eventually(lambda: connection._timer is None)

    run(test)


def test_what_a_client_sends_before_the_upstream_is_connected_is_not_lost() -> None:
    async def test() -> None:
        async with bench() as it:
            with socket.create_connection(
                ("127.0.0.1", it.port)
            ) as client:  # the kernel accepts before the relay
                client.sendall(b"early")
                up_reader, _ = await it.upstream()
                assert await up_reader.readexactly(5) == b"early"

    run(test)


def test_stopping_gives_up_on_an_upstream_that_does_not_answer() -> None:
    async def test() -> None:
        with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for filler in (first, second):  # a full backlog: the next connection waits
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            relay = Relay(deaf.getsockname(), Random(1))
            _, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
            await eventually(lambda: bool(relay._connections))
            (connection,) = relay._connections
            assert connection._dialling is not None
            await relay.stop()
            await asyncio.wait([connection._dialling])
            assert connection._dialling.cancelled()
            writer.transport.abort()

    run(test)


def test_a_cut_ends_both_sides_cleanly_after_its_byte() -> None:
    async def test() -> None:
        async with bench(Cut(after=5, direction=Flow.DOWN)) as it:
            (reader, _), (up_reader, up_writer) = await it.pair()
            up_writer.write(b"0123456789")
            assert await reader.read() == b"01234"
            assert await up_reader.read() == b""

    run(test)


def test_a_reset_resets_both_sides() -> None:
    async def test() -> None:
        async with bench(Reset(after=5, direction=Flow.UP)) as it:
            (reader, writer), (up_reader, _) = await it.pair()
            writer.write(b"0123456789")
            for side in (reader, up_reader):
                with pytest.raises(ConnectionResetError):
                    await side.read()
            await it.all_gone()

    run(test)


def test_a_reset_of_one_side_reaches_the_other() -> None:
    async def test() -> None:
        async with bench() as it:
            for victim in (0, 1):
                sides = await it.pair()
                raw = sides[victim][1].get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sides[victim][1].transport.abort()
                with pytest.raises(ConnectionResetError):
                    await sides[1 - victim][0].read()
            await it.all_gone()

    run(test)


def test_faults_can_be_set_and_taken_away_while_a_connection_lives() -> None:
    async def test() -> None:
        async with bench() as it:
            (reader, writer), (up_reader, up_writer) = await it.pair()
            writer.write(b"a")
            assert await up_reader.readexactly(1) == b"a"
            it.relay.set_faults([Freeze(direction=Flow.DOWN)])
            up_writer.write(b"held")
            writer.write(b"b")
            assert await up_reader.readexactly(1) == b"b"
            stack = it.only_connection()._stack
            await eventually(lambda: stack.held(Flow.DOWN) == 4)
            it.relay.set_faults([])
            assert await reader.readexactly(4) == b"held"
            it.relay.set_faults([Corrupt(probability=1.0)])
            (_, new_writer), (new_up_reader, _) = await it.pair()
            new_writer.write(b"\0")
            assert (await new_up_reader.readexactly(1))[0].bit_count() == 1

    run(test)


@pytest.mark.parametrize("direction", [Flow.UP, Flow.DOWN])
def test_a_frozen_relay_holds_a_bounded_part_of_a_long_stream_and_loses_nothing(direction: Flow) -> None:
    async def test() -> None:
        async with bench(Freeze(direction=direction)) as it:
            client, upstream = await it.pair()
            (_, writer), (reader, _) = (client, upstream) if direction is Flow.UP else (upstream, client)
            connection = it.only_connection()
            source = connection._transport if direction is Flow.UP else connection._far.transport
            payload = Random(4).randbytes(PLENTY)
            writer.write(payload)
            writer.write_eof()
            await eventually(lambda: connection._stack.held(direction) >= HELD_LIMIT_BYTES)
            assert not source.is_reading()
            assert connection._stack.held(direction) <= 2 * HELD_LIMIT_BYTES
            it.relay.set_faults([])
            assert await reader.read() == payload

    run(test)


@pytest.mark.parametrize("slow", [0, 1])
def test_a_side_that_does_not_read_stops_the_other(slow: int) -> None:
    async def test() -> None:
        async with bench() as it:
            sides = await it.pair()
            (reader, reading), (_, writer) = sides[slow], sides[1 - slow]
            transport = cast("asyncio.Transport", reading.transport)
            transport.pause_reading()
            writer.write(bytes(PLENTY))
            connection = it.only_connection()
            source = connection._far.transport if slow == 0 else connection._transport
            taker = connection if slow == 0 else connection._far
            await eventually(lambda: taker.writing_paused and not source.is_reading())
            transport.resume_reading()
            assert await reader.readexactly(PLENTY) == bytes(PLENTY)

    run(test)


def test_when_both_sides_left_a_line_frozen_for_ever_it_is_taken_down() -> None:
    async def test() -> None:
        async with bench(Freeze()) as it:
            (_, writer), (_, up_writer) = await it.pair()
            writer.close()
            up_writer.close()
            await it.all_gone()

    run(test)


def test_an_upstream_nobody_listens_on_resets_the_client() -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening
            relay = Relay(("127.0.0.1", taken.getsockname()[1]), Random(1))
            port = await relay.start()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            await relay.stop()

    run(test)


def test_stopping_drops_what_is_open_and_frees_the_port() -> None:
    async def test() -> None:
        async with bench(Freeze()) as it:
            (reader, writer), (up_reader, _) = await it.pair()
            writer.write(b"held")
            await it.relay.stop()
            for side in (reader, up_reader):
                with contextlib.suppress(ConnectionResetError):
                    assert await side.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await it.dial()

    run(test)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its own certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay test")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_ends_at_the_listener_and_faults_work_on_the_plain_bytes(certificate: Path) -> None:
    async def test() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        async with bench(Cut(after=5, direction=Flow.DOWN), tls=tls) as it:
            reader, writer = await it.dial(ssl.create_default_context(cafile=certificate))
            up_reader, up_writer = await it.upstream()
            writer.write(b"question")
            assert await up_reader.readexactly(8) == b"question"
            up_writer.write(b"0123456789")
            assert await reader.read() == b"01234"
            assert await up_reader.read() == b""
            writer.close()
            await it.all_gone()

    run(test)


def test_a_client_that_leaves_during_the_tls_handshake_leaves_nothing_behind(certificate: Path) -> None:
    async def test() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        async with bench(tls=tls) as it:
            reader, writer = await it.dial()
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.read()
            assert it.relay._connections == set()

    run(test)
