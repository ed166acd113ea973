"""Takes connections in: so many of one client, so many of all; who keeps us waiting makes room for who comes."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporters.guard.limits import Limits
from exporters.guard.rates import client_of
from probe.logs import get_logger

NOT_ACCEPTED_FOR = 0.2  # seconds, when there are no file handles left


class Connection(H11Protocol):
    """uvicorn's, which has no time limit for a request that never ends, and says little when it is no HTTP."""

    is_made = False
    owing_since: float | None = None  # a request has begun, or is awaited for the first time
    stuck_since: float | None = None  # it does not read what it is sent

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.is_made = True
        self.owing_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # a timer, which would hold all of this for another minute
        self.transport.close()  # again: it is then that a connection with TLS lets go of its buffers
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.owing_since is None:
            self.owing_since = self.loop.time()
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self.owing_since = None

    @property
    def answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def send_400_response(self, msg: str) -> None:
        self._last(400, "This is no HTTP request, or its headers are too long.")

    def look(self, now: float, limits: Limits) -> None:
        """Ends it if it keeps us waiting for too long."""
        if self.gone.is_set():
            return
        if not self.transport.get_write_buffer_size():
            self.stuck_since = None
        elif self.stuck_since is None:
            self.stuck_since = now
        elif now - self.stuck_since > limits.answer_taken_within:
            self.transport.abort()
        if self.owing_since is not None and now - self.owing_since > limits.request_within:
            self.owing_since = None
            self._last(408, f"The request was not complete within {limits.request_within:g} seconds.")

    def shutdown(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _last(self, status: int, words: str) -> None:
        if self.transport.is_closing():  # closed twice, a connection with TLS answers no question any more
            return
        if self.answering:
            self.cycle.disconnected = True  # what it would still send goes nowhere
        if not (self.answering and self.cycle.response_started):
            body = f"{words}\n"
            reason = {400: "Bad Request", 408: "Request Timeout"}[status]
            self.transport.write(
                f"HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n"
                f"cache-control: no-store\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
            )
        self.transport.close()


@dataclass(slots=True, eq=False)
class _Held:
    client: str
    connection: Connection
    task: asyncio.Task[None] | None = None

    @property
    def rank(self) -> int:
        """Who goes first when there is no room; 2: it is being answered, and stays."""
        if self.connection.answering:
            return 2
        return 1 if self.connection.is_made and self.connection.owing_since is None else 0


class Door:
    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], Connection],
        tls: ssl.SSLContext | None,
        limits: Limits,
    ) -> None:
        self._listener, self._make, self._tls, self._limits = listener, make, tls, limits
        self._held: dict[_Held, None] = {}  # in the order in which they came
        self._accepting = asyncio.create_task(self._accept())

    async def close(self, within: float) -> None:
        """Nobody new comes in; who is being answered has so many seconds, and all others are sent away."""
        self._accepting.cancel()
        self._listener.close()
        tasks = []
        for held in list(self._held):
            assert held.task is not None  # noqa: S101 - it has one since it came in
            tasks.append(held.task)
            if held.connection.is_made:
                held.connection.shutdown()
            else:
                held.task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=within)
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._accepting, *tasks, return_exceptions=True)

    def look(self) -> None:
        """To be called about twice a second."""
        now = asyncio.get_running_loop().time()
        for held in list(self._held):
            if held.connection.is_made:
                held.connection.look(now, self._limits)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        was_told = False
        while True:
            try:
                accepted, address = await loop.sock_accept(self._listener)
            except OSError as problem:  # no file handles; or the client has gone already
                if not was_told:
                    get_logger().warning("connection_not_accepted", problem=problem.strerror)
                was_told = True
                await asyncio.sleep(NOT_ACCEPTED_FOR)
                continue
            was_told = False
            client = client_of(address[0])
            of_one = [held for held in self._held if held.client == client]
            if self._makes_room(of_one, self._limits.connections_of_one) and self._makes_room(
                list(self._held), self._limits.connections
            ):
                self._take_in(client, accepted)
            else:
                accepted.close()
            await asyncio.sleep(0)  # it begins before it may be chosen to make room

    def _makes_room(self, among: list[_Held], most: int) -> bool:
        if len(among) < most:
            return True
        first = min(among, key=lambda held: held.rank)  # the oldest of equals
        if first.rank == 2:
            return False
        assert first.task is not None  # noqa: S101 - it has one since it came in
        first.task.cancel()
        self._held.pop(first, None)
        return True

    def _take_in(self, client: str, accepted: socket.socket) -> None:
        held = _Held(client, self._make())
        self._held[held] = None
        held.task = asyncio.create_task(self._keep(held, accepted))

    async def _keep(self, held: _Held, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        transport = None
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: held.connection,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._limits.handshake_within if self._tls else None,
            )
            await held.connection.gone.wait()
        except OSError as problem:  # it was no TLS, or too slow, or the client went
            # Or it and what it points to keep each other in memory, with all buffers of the connection.
            problem.__traceback__ = None
        finally:
            self._held.pop(held, None)
            held.task = None  # or that keeps itself in memory once it was cancelled
            if transport is not None:
                transport.abort()
