"""`/probe` behind the real server, asked over real sockets."""

import asyncio
import socket
import struct

from exporters.probing import routes
from exporters.server import Server
from tests.exporters.probed import Idle, aimed_at, serving, watched
from tests.monitor.linked import place

REQUEST = (
    b"GET /probe?target=one HTTP/1.1\r\nHost: localhost\r\nX-Prometheus-Scrape-Timeout-Seconds: 30\r\n\r\n"
)
PATH = "/socket.io/?EIO=4&transport=websocket"
AT_MOST = 20.0  # seconds, on a machine that is busy


def test_a_client_that_hangs_up_ends_its_probe_at_once() -> None:
    async def go() -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            try:
                await reader.read()
            except ConnectionResetError:
                pass
            finally:
                left.set()

        async with serving(talk) as port, asyncio.timeout(AT_MOST):
            server = Server(
                routes(watched(Idle([aimed_at(f"ws://127.0.0.1:{port}{PATH}")]))), host="127.0.0.1", port=0
            )
            host, own_port = await server.start()
            try:
                _, writer = await asyncio.open_connection(host, own_port)
                writer.write(REQUEST)
                await asked.wait()
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                await left.wait()
            finally:
                await server.stop()

    asyncio.run(go())


def test_a_scraper_gets_its_answers_over_one_connection() -> None:
    async def go() -> list[bytes]:
        answers = []
        async with place() as at, asyncio.timeout(AT_MOST):
            server = Server(routes(watched(Idle([at.wanted(simulated=True)]))), host="127.0.0.1", port=0)
            reader, writer = await asyncio.open_connection(*await server.start())
            try:
                for _ in range(2):
                    writer.write(REQUEST)
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    length = int(head.partition(b"content-length:")[2].split()[0])
                    answers.append(await reader.readexactly(length))
            finally:
                writer.close()
                await writer.wait_closed()
                await server.stop()
        return answers

    assert [b"\nprobe_success 1\n" in each for each in asyncio.run(go())] == [True, True]
