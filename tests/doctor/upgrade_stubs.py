"""Servers that answer the upgrade, or what follows on it, in one scripted way."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from probe.doctor.examine import Patient
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Account, Endpoint
from tests.pretending import POCKETOPTION, Known

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Stage = Callable[[], AbstractAsyncContextManager[Patient]]


@asynccontextmanager
async def listening(script: Script) -> AsyncIterator[int]:
    """A port on which every connection is treated like that, and then closed."""
    tasks: set[asyncio.Task[None]] = set()
    opened: list[asyncio.StreamWriter] = []

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            await script(reader, writer)
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        tasks.add(asyncio.get_running_loop().create_task(treat(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in opened:  # a task that is cancelled before it begins has closed nothing
            writer.transport.abort()
        await asyncio.sleep(0)  # in which they are closed


def at(script: Script, *, known: Known = POCKETOPTION, **about: Any) -> Stage:
    """A patient whose server does that; `about` says more of it."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with listening(script) as port:
            endpoint = Endpoint(
                broker=known.broker.name,
                region="stub",
                url=f"ws://127.0.0.1:{port}{known.path}",
                account=Account.DEMO,
                named_by_user=True,
            )
            patient = Patient(
                name="stub",
                broker=known.broker,
                endpoint=endpoint,
                key=known.broker.read_credentials(known.ssid),
                tls=TlsProfile(),
            )
            yield replace(patient, **about)

    return stage


# -- the upgrade -------------------------------------------------------------------------------------------------------


def answers(status: str, *headers: str, body: bytes | str = b"", length: int | None = None) -> Script:
    """`length`: as the head says, if it is not the body's."""
    page = body.encode() if isinstance(body, str) else body
    said = ["HTTP/1.1 " + status, *headers, f"Content-Length: {len(page) if length is None else length}"]

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write("\r\n".join([*said, "", ""]).encode() + page)
        await reader.read()

    return script


def says(data: bytes, *, at_once: bool = False) -> Script:
    """These bytes, and then the end."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not at_once:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        if not data:
            writer.write_eof()
        await reader.read()

    return script


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def switch(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upgrade: str = "Upgrade: websocket",
    connection: str = "Connection: Upgrade", key: bytes | None = None, more: Sequence[str] = (),
) -> None:  # fmt: skip
    """Answer with a 101, be it a right one or not."""
    head = await reader.readuntil(b"\r\n\r\n")
    asked = next(
        row.split(b": ")[1] for row in head.split(b"\r\n") if row.lower().startswith(b"sec-websocket-key")
    )
    digest = hashlib.sha1((key or asked) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    accept = f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}"
    rows = ["HTTP/1.1 101 Switching Protocols", upgrade, connection, accept, *more]
    writer.write("\r\n".join([*(row for row in rows if row), "", ""]).encode())


def switches(**how: Any) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switch(reader, writer, **how)
        await reader.read()

    return script


# -- Engine.IO ---------------------------------------------------------------------------------------------------------


def packet(text: str) -> bytes:
    return frame(text.encode(), opcode=1)


def frame(data: bytes, opcode: int = 2) -> bytes:
    first = 0x80 | opcode
    head = (
        bytes((first, len(data))) if len(data) < 126 else bytes((first, 126)) + len(data).to_bytes(2, "big")
    )
    return head + data


def greeting(*, every: float = 1.0, late: float = 1.0, version: int = 4) -> str:
    payload = ',"maxPayload":1000000' if version == 4 else ""
    return f'0{{"sid":"abc","upgrades":[],"pingInterval":{every * 1000:.0f},"pingTimeout":{late * 1000:.0f}{payload}}}'


def engine(*packets: str, every: float | None = None, beats: Sequence[str] = ()) -> Script:
    """Opens the WebSocket, sends the packets, then one of the beats every so many seconds, and stays.

    Anything the client says is read and not answered.
    """

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switch(reader, writer)
        for each in packets:
            writer.write(packet(each))
        for each in beats:
            await asyncio.sleep(every or 0.0)
            writer.write(packet(each))
        await reader.read()

    return script
