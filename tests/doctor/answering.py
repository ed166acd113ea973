"""A port that has one answer to everything."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def answering(
    reply: bytes | None, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A port where every first word is answered so; None: with a reset."""

    opened: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await reader.read(65_536)
        if reply is None:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.write(reply)
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for each in opened:
            each.transport.abort()
        await asyncio.sleep(0)  # in which they are closed
