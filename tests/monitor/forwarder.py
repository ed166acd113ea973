"""A script: takes connections on a port of every address it has, and passes them on to a port of loopback.

It resets the connections of an address that is named on its standard input, and ends with it. Sockets alone, no project.
"""

import asyncio
import socket
import struct
import sys

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


async def main(port: int, target: int) -> None:
    loop = asyncio.get_running_loop()
    clients: dict[asyncio.StreamWriter, str] = {}

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients[writer] = writer.get_extra_info("peername")[0]
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer), return_exceptions=True)
        del clients[writer]

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        finally:
            sink.close()

    async with await asyncio.start_server(taken, "0.0.0.0", port):
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            for writer in [each for each, address in clients.items() if address == line.strip()]:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                writer.transport.abort()
    sys.exit()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
