"""Any bytes between two sockets, with stream faults on the way.

The upstream socket is a Drivable: what it receives goes up, what comes down is its outgoing. So the faults are the very
ones a session can be wrapped in, and the relay is a driver like any other. A client that half-closes is half-closed
upstream and the other way round; TLS cannot half-close and closes.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import cast

from probe.faults.stream import Flow, StreamFault
from probe.faults.wire import FaultStack
from probe.model.events import Event
from probe.model.failures import Failure
from probe.wire.drivable import Signal

# Bytes under way in one direction at which the relay stops reading. One read (at most 256 KiB in asyncio) may come on top.
HELD_LIMIT_BYTES = 256 * 1024

Upstream = tuple[str, int] | Path  # host and port, or a Unix socket

_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # struct linger: on, 0 seconds


class Relay:
    """A listener in front of an upstream. `tls` is what the listener speaks; upstream is always plain."""

    def __init__(
        self,
        upstream: Upstream,
        rng: Random,
        *,
        faults: Iterable[StreamFault] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._upstream, self._rng, self._tls = upstream, rng, tls
        self._faults = tuple(faults)
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port that was taken is returned."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.drop()
        await asyncio.gather(*(connection.gone for connection in connections))
        await self._server.wait_closed()

    def set_faults(self, faults: Iterable[StreamFault]) -> None:
        """From now on, for the connections that are open and those to come."""
        self._faults = tuple(faults)
        for connection in tuple(self._connections):
            connection.set_faults(self._faults)

    def _accept(self) -> "_Connection":
        rng = Random(self._rng.getrandbits(64))
        return _Connection(self._upstream, self._faults, rng, among=self._connections)


class _Connection(asyncio.Protocol):
    """The client's side of one relayed connection; it drives the faults."""

    _transport: asyncio.Transport

    def __init__(
        self,
        upstream: Upstream,
        faults: tuple[StreamFault, ...],
        rng: Random,
        *,
        among: set["_Connection"],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._upstream, self._among = upstream, among
        self._far = _Far(self._wake)
        self._stack = FaultStack(self._far, faults, rng, receives=Flow.UP)
        self._dialling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begun = self._ended = self._eof_sent = self._lost = self.writing_paused = False
        self.gone: asyncio.Future[None] = self._loop.create_future()  # both sockets are closed

    def set_faults(self, faults: tuple[StreamFault, ...]) -> None:
        self._stack.set_faults(faults, self._loop.time())
        self._step()

    def drop(self) -> None:
        self._transport.abort()
        self._far.drop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        self._among.add(self)  # here and not before: a failed TLS handshake never comes this far
        self._dialling = self._loop.create_task(self._dial())

    def data_received(self, data: bytes) -> None:
        self._stack.receive(data, self._loop.time())
        self._step()

    def eof_received(self) -> bool:
        self._end(None)
        return self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if not self._begun and self._dialling:
            self._dialling.cancel()
        self._end(Failure(kind="session.tcp-reset") if exc else None)

    def pause_writing(self) -> None:
        self.writing_paused = True  # called from within a write: the step that writes goes on to read this

    def resume_writing(self) -> None:
        self.writing_paused = False
        self._step()

    async def _dial(self) -> None:
        try:
            if isinstance(self._upstream, Path):
                await self._loop.create_unix_connection(lambda: self._far, str(self._upstream))
            else:
                await self._loop.create_connection(lambda: self._far, *self._upstream)
        except OSError:
            _reset(self._transport)
            return
        self._begun = True
        self._stack.begin(self._loop.time())
        self._step()

    def _end(self, failure: Failure | None) -> None:
        if not self._ended:
            self._ended = True
            self._stack.receive_end(self._loop.time(), failure)
        self._step()

    def _wake(self) -> None:
        if self._begun:
            self._stack.wake(self._loop.time())
        self._step()

    def _step(self) -> None:
        if self._begun:
            for effect in self._stack.outgoing():
                self._write(effect)
            self._finish()
            self._balance()
        if self._lost and self._far.lost and not self.gone.done():
            self._among.discard(self)
            self.gone.set_result(None)
        self._set_timer()

    def _write(self, effect: bytes | Signal) -> None:
        if self._transport.is_closing():
            return
        match effect:
            case bytes():
                self._transport.write(effect)
            case Signal.HALF_CLOSE if self._transport.can_write_eof():
                self._transport.write_eof()
                self._eof_sent = True
            case Signal.HALF_CLOSE | Signal.CLOSE:
                self._transport.close()
            case Signal.ABORT:
                _reset(self._transport)

    def _finish(self) -> None:
        """Close what nothing can come through any more."""
        stuck = self._ended and self._far.ended and self._stack.next_wake() is None  # frozen for ever
        if stuck:
            self._transport.close()
        if stuck or (self._far.end_told and (self._eof_sent or self._lost)):
            self._far.close()

    def _balance(self) -> None:
        """Read no more from one side than the other takes."""
        if not self._ended:
            _let_read(
                self._transport,
                allowed=not self._far.writing_paused and self._stack.held(Flow.UP) < HELD_LIMIT_BYTES,
            )
        if not self._far.ended:
            _let_read(
                self._far.transport,
                allowed=not self.writing_paused and self._stack.held(Flow.DOWN) < HELD_LIMIT_BYTES,
            )

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        at = None if self.gone.done() else self._stack.next_wake()
        self._timer = None if at is None else self._loop.call_at(at, self._wake)


class _Far(asyncio.Protocol):
    """The upstream socket as a Drivable."""

    transport: asyncio.Transport

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed  # tells the driver, who knows the time
        self._arrived: list[bytes | Signal] = []
        self.lost = True  # until it is connected
        self.ended = False  # upstream says no more
        self.end_told = False  # upstream was told that the client says no more
        self.writing_paused = False

    def close(self) -> None:
        if not self.lost:
            self.transport.close()

    def drop(self) -> None:
        if not self.lost:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self._arrived.append(data)
        self._changed()

    def eof_received(self) -> bool:
        self.ended = True
        self._arrived.append(Signal.HALF_CLOSE)
        self._changed()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived.append(Signal.ABORT if exc else Signal.CLOSE)
        self.lost = self.ended = True
        self._changed()

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False
        self._changed()

    def begin(self, now: float) -> None: ...

    def receive(self, item: bytes, now: float) -> None:
        if not (self.lost or self.transport.is_closing()):
            self.transport.write(item)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self.end_told = True
        if self.lost or self.transport.is_closing():
            return
        if failure:
            _reset(self.transport)
        else:
            self.transport.write_eof()

    def wake(self, now: float) -> None: ...

    def next_wake(self) -> float | None:
        return None

    def outgoing(self) -> list[bytes | Signal]:
        arrived, self._arrived = self._arrived, []
        return arrived

    def events(self) -> list[Event]:
        return []


def _let_read(transport: asyncio.Transport, *, allowed: bool) -> None:
    if allowed:
        transport.resume_reading()
    else:
        transport.pause_reading()


def _reset(transport: asyncio.Transport) -> None:
    """Close so that the other side sees a reset: closing with a linger of zero sends one, a plain abort may not."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
