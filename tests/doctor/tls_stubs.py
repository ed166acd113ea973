"""What may stand at a port that should speak TLS, and patients that are sent there."""

import asyncio
import contextlib
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import formatdate
from pathlib import Path

from probe.brokers import find_broker
from probe.diagnose.case import Case, Handshake
from probe.doctor.examine import Means, Patient, examine
from probe.doctor.handshakes import shake_hands
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Account, Address, Endpoint
from probe.simulator.run import Simulator
from tests.doctor.staging import Said, judged
from tests.drivers.pki import Pki, make_pki
from tests.virtual.travelling import run

DAY = 86_400.0
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Pki], Handler]  # what stands at the port, given certificates to choose from

# -- what may stand there ----------------------------------------------------------------------------------------------


def speaking_tls(certificate: str, change: Callable[[ssl.SSLContext], object] = lambda _: None) -> Serve:
    def serve(pki: Pki) -> Handler:
        context = pki.servers[certificate]
        change(context)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _secure(context, reader, writer)

        return handle

    return serve


async def _secure(
    context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b""
) -> None:
    """As other servers do, and asyncio does not, it says why it refuses."""
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(arrived, leaving, server_side=True)
    arrived.write(first)
    is_done = False
    with contextlib.suppress(ssl.SSLError):
        while not is_done:
            try:
                tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                writer.write(leaving.read())
                arrived.write(await reader.read(65_536) or b"\0" * 5)
    writer.write(leaving.read())
    await writer.drain()
    if is_done:
        await reader.read(65_536)


def saying(answer: bytes) -> Serve:
    """Whatever comes, this is said."""

    def serve(_: Pki) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65_536)
            writer.write(answer)
            await writer.drain()

        return handle

    return serve


def silent(_: Pki) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    return handle


def by_first_message(
    choose: Callable[[bytes], bytes | None], certificate: str = "good", *, alpn: str
) -> Serve:
    """A middlebox or a proud server: what it says at once to a first message, or None and TLS goes on."""

    def serve(pki: Pki) -> Handler:
        context = pki.servers[certificate]
        context.set_alpn_protocols([alpn])

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first = await reader.read(65_536)
            said = choose(first)
            if said is None:
                await _secure(context, reader, writer, first)
            else:
                writer.write(said)

        return handle

    return serve


@asynccontextmanager
async def standing(serve: Serve, pki: Pki) -> AsyncIterator[int]:
    talks: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError):  # the latter when all is over
            await serve(pki)(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()
        await asyncio.sleep(0.001)  # who was let in begins to talk
        for talk in filter(None, talks):
            talk.cancel()
        await asyncio.gather(*filter(None, talks), return_exceptions=True)


@asynccontextmanager
async def certificates() -> AsyncIterator[Pki]:
    with tempfile.TemporaryDirectory() as folder:
        yield make_pki(Path(folder))


# -- who goes there ----------------------------------------------------------------------------------------------------


def at_port(
    serve: Serve, scheme: str = "wss", *, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
) -> Callable[[], AbstractAsyncContextManager[Patient]]:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with certificates() as pki, standing(serve, pki) as port:
            url = f"{scheme}://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
            yield Patient(
                name="stub",
                broker=find_broker("pocketoption"),
                endpoint=Endpoint(
                    broker="pocketoption", region="stub", url=url, account=Account.DEMO, named_by_user=True
                ),
                tls=TlsProfile(ca_file=pki.ca_file, minimum=minimum),
                is_ours=True,
            )

    return stage


def by_other_clocks(
    stage: Callable[[], AbstractAsyncContextManager[Patient]], code: str, *, ahead_days: float = 0.0
) -> Callable[[], Said]:
    """With two control hosts whose clocks are ahead of ours."""

    async def examined() -> Said:
        date = formatdate(time.time() + ahead_days * DAY, usegmt=True)
        head = saying(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode())
        async with (
            certificates() as pki,
            standing(head, pki) as one,
            standing(head, pki) as two,
            stage() as patient,
        ):
            means = Means(controls=(f"127.0.0.1:{one}", f"127.0.0.1:{two}"))
            case = (await examine(patient, means)).case
        return judged(case, patient.broker, code)

    return lambda: run(examined())


def shaken(
    serve: Serve, host: str, code: str, around: Callable[[tuple[Handshake, ...]], Case]
) -> Callable[[], Said]:
    """Only handshakes, with a name that no resolver needs to know; the rest of the case is as it would be."""

    async def shake() -> tuple[Handshake, ...]:
        async with certificates() as pki, standing(serve, pki) as port:
            target = Address(secure=True, host=host, port=port, path="/")
            return await shake_hands(target, "127.0.0.1", pki.profile, within=15.0)

    return lambda: judged(around(run(shake())), None, code)


def simulated_over_tls(*faults: str) -> Callable[[], AbstractAsyncContextManager[Patient]]:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        broker = find_broker("pocketoption")
        async with Simulator([broker], faults=faults, tls=True) as simulator:
            served = next(each for each in simulator.endpoints if each.ca_file is not None)
            endpoint = Endpoint(
                broker=broker.name,
                region=served.region,
                url=served.url,
                account=served.account,
                named_by_user=True,
            )
            yield Patient(
                name="sim",
                broker=broker,
                endpoint=endpoint,
                key=simulator.key(endpoint),
                tls=TlsProfile(ca_file=simulator.ca_file),
                symbol=broker.house.symbol or broker.default_symbol,
                is_ours=True,
            )

    return stage
