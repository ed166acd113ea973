"""Where a connection to a listener goes is decided by its request head: to a session, or to the broker's web pages."""

import asyncio
from collections.abc import Callable
from typing import cast

from probe.model.events import Ended, Event, Phase, Traffic
from probe.model.failures import Failure
from probe.simulator.folding import Folding, request_reader
from probe.wire.drivable import Drivable, Signal
from probe.wire.heads import BadHead, Head

HEAD_WITHIN_SECONDS = 10.0
UPLOAD_LIMIT_BYTES = 256 * 1024  # of one request: the pages take no uploads
BACKLOG_LIMIT_BYTES = 1024 * 1024  # of requests; who sends more than are answered may not read at all
REFUSED_WITHIN_SECONDS = 2.0
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def _over(now: float) -> Ended:
    """A connection that never came as far as a session."""
    return Ended(at=now, phase=Phase.UPGRADING, failure=None, traffic=Traffic())


def asks_for_socket(head: Head | None, path: str) -> bool:
    """Whether a request is the session's business. What is no HTTP at all is as well: it knows how to refuse."""
    if head is None:
        return True
    _, _, target = head.first_line.partition(" ")
    upgrades = any(name.lower() == "upgrade" and "websocket" in value.lower() for name, value in head.headers)
    return upgrades and target.startswith(path)


class Doorway:
    """Reads the head, within bounds, and from then on is the Drivable that `choose` gives it. No byte is lost."""

    def __init__(self, choose: Callable[[Head | None], Drivable]) -> None:
        self._choose = choose
        self._reader = request_reader()
        self._received = bytearray()
        self._chosen: Drivable | None = None
        self._deadline: float | None = None
        self._left: list[Event] = []

    def begin(self, now: float) -> None:
        self._deadline = now + HEAD_WITHIN_SECONDS

    def receive(self, item: bytes, now: float) -> None:
        if self._chosen is not None:
            self._chosen.receive(item, now)
            return
        self._received += item
        head = None
        try:
            head = self._reader.receive(item)
        except BadHead:
            pass
        else:
            if head is None:
                return
        self._deadline = None
        self._chosen = self._choose(head)
        self._chosen.begin(now)
        self._chosen.receive(bytes(self._received), now)
        self._received.clear()

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if self._chosen is not None:
            self._chosen.receive_end(now, failure)
        else:
            self._leave(now)

    def wake(self, now: float) -> None:
        if self._chosen is not None:
            self._chosen.wake(now)
        elif self._deadline is not None and self._deadline <= now:
            self._leave(now)

    def next_wake(self) -> float | None:
        return self._chosen.next_wake() if self._chosen is not None else self._deadline

    def outgoing(self) -> list[bytes | Signal]:
        if self._chosen is not None:
            return self._chosen.outgoing()
        return [Signal.CLOSE] if self._left else []

    def events(self) -> list[Event]:
        if self._chosen is not None:
            return self._chosen.events()
        left, self._left = self._left, []
        return left

    def _leave(self, now: float) -> None:
        if self._deadline is not None:
            self._deadline = None
            self._left = [_over(now)]


class PagesConnection(asyncio.Protocol):
    """One connection to the web application behind the pages, as a Drivable. `changed` is called when it has said something."""

    def __init__(self, port: int, changed: Callable[[], None]) -> None:
        self._port = port
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._waiting = bytearray()  # for the connection to be made
        self._folding = Folding()
        self._arrived: list[bytes | Signal] = []
        self._events: list[Event] = []
        self._over = False
        self._refused_until: float | None = None

    def begin(self, now: float) -> None:
        self._dialling = self._loop.create_task(self._dial())

    def receive(self, item: bytes, now: float) -> None:
        if self._over or self._refused_until is not None:
            return
        folded = self._folding.receive(item)
        if self._folding.request_bytes > UPLOAD_LIMIT_BYTES:
            self._refuse(now)
            return
        if self._transport is None:
            self._waiting += folded
            backlog = len(self._waiting)
        else:
            self._transport.write(folded)
            backlog = self._transport.get_write_buffer_size()
        if backlog > BACKLOG_LIMIT_BYTES:
            self._end(Signal.ABORT)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self._end(Signal.CLOSE)

    def wake(self, now: float) -> None:
        if self._refused_until is not None and self._refused_until <= now:
            self._end(Signal.CLOSE)

    def next_wake(self) -> float | None:
        return None if self._over else self._refused_until

    def outgoing(self) -> list[bytes | Signal]:
        arrived, self._arrived = self._arrived, []
        return arrived

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    async def _dial(self) -> None:
        try:
            await self._loop.create_connection(lambda: self, "127.0.0.1", self._port)
        except OSError:  # the simulator is on its way out
            self._end(Signal.ABORT)
            self._changed()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(bytes(self._waiting))

    def data_received(self, data: bytes) -> None:
        self._arrived.append(data)
        self._changed()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._refused_until is None:
            self._end(Signal.CLOSE)
            self._changed()

    def _refuse(self, now: float) -> None:
        """What still comes is heard and forgotten until the client closes: before that a close may be a reset, which
        overtakes the answer."""
        self._refused_until = now + REFUSED_WITHIN_SECONDS
        self._arrived.append(_TOO_LARGE)
        self._hang_up()

    def _end(self, signal: Signal) -> None:
        if self._over:
            return
        self._over = True
        self._arrived.append(signal)
        self._events.append(_over(self._loop.time()))
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self._dialling is not None:
            self._dialling.cancel()
