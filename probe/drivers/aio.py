"""Runs any `Drivable` on asyncio, at either end of a connection.

A protocol, not streams: the time is taken first thing in `data_received`. After every call into the session all outgoing
is written in order, the events are handed out, and one timer is set.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Generic, TypeVar, assert_never, cast

from probe.drivers.aio_dial import find, in_time, pass_through, reach
from probe.drivers.dial import DialPlan, HasOptions, NotDialled, Stopwatch, failure_of, tcp_facts
from probe.drivers.limits import FLUSH_SECONDS, GIVEN_UP, UNSENT_LIMIT, peer_not_reading, reset_when_closed
from probe.drivers.tls import tls_facts
from probe.model.errors import LocalProtocolError
from probe.model.events import Dialled, Ended, Event, Phase, TcpFacts
from probe.model.failures import Failure
from probe.wire.drivable import Drivable, Signal

OnEvent = Callable[[Event], None]
S = TypeVar("S", bound=Drivable)
T = TypeVar("T")


def _ignore(event: Event) -> None:
    pass


class Connection(asyncio.Protocol, Generic[S]):
    """One session and its transport, from before there is one until it is gone. Made by `connect` and `adopt`."""

    __slots__ = (
        "_acted",
        "_bug",
        "_closing",
        "_done",
        "_end_told",
        "_ended",
        "_flushing",
        "_greet",
        "_last_resort",
        "_loop",
        "_lost",
        "_now",
        "_on_event",
        "_session",
        "_socket",
        "_timer",
        "_transport",
        "_writing_paused",
    )

    def __init__(self, session: S, on_event: OnEvent) -> None:
        self._session = session
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._done: asyncio.Future[Ended] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._socket: HasOptions | None = None
        self._greet: Callable[[asyncio.Transport], None] | None = None  # says what the dialler knows by then
        self._timer: asyncio.TimerHandle | None = None
        self._last_resort: asyncio.TimerHandle | None = None
        self._writing_paused = False
        self._flushing = False
        self._acted = False  # somebody used the session while its events were handed out
        self._closing = False  # nothing more will be written
        self._lost = False  # the transport is gone
        self._end_told = False
        self._ended: Ended | None = None
        self._bug: Exception | None = None

    # -- for whoever uses the session ----------------------------------------------------------------------------------

    def act(self, action: Callable[[S, float], T]) -> T:
        """Do something with the session, now; what it wants to send is sent."""
        result = action(self._session, self._now())
        self._drive(self._flush)
        return result

    async def ended(self) -> Ended:
        """Wait until the session ended and its transport is closed.

        Raises:
            Exception: whatever the session or the event callback raised; the connection was dropped then.
        """
        return await asyncio.shield(self._done)

    def abort(self, failure: Failure = GIVEN_UP) -> None:
        """Drop everything now. The session is told that it ended, and why."""
        self._drive(self._tell_end, failure)
        self._drop()

    def tcp_facts(self) -> TcpFacts | None:
        """The kernel's view, while there is a socket."""
        return None if self._socket is None else tcp_facts(self._socket)

    # -- for asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")
        self._drive(self._begin)

    def data_received(self, data: bytes) -> None:
        now = self._now()
        try:
            self._session.receive(data, now)
            self._flush()
        except Exception as bug:  # noqa: BLE001 - ours or the callback's: `ended()` raises it
            self._break(bug)

    def eof_received(self) -> bool:
        """True keeps our half open, where the transport has halves."""
        self._drive(self._tell_end, None)
        return self._transport is not None and self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._transport = None
        self._drive(self._tell_end, failure_of(exc, Phase.LIVE) if exc else None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False

    # -- the driver's one duty -----------------------------------------------------------------------------------------

    def _drive(self, step: Callable[..., None], *args: object) -> None:
        try:
            if self._bug is None:
                step(*args)
        except Exception as bug:  # noqa: BLE001 - see data_received
            self._break(bug)
        if self._bug is not None and self._lost:
            self._finish()

    def _begin(self) -> None:
        greet, self._greet = self._greet, None
        if greet is not None:
            greet(cast("asyncio.Transport", self._transport))
        self._session.begin(self._now())
        self._flush()

    def _wake(self) -> None:
        self._timer = None
        now = self._now()
        due = self._session.next_wake()
        if due is not None and due <= now:
            self._session.wake(now)
        self._flush()

    def _tell_end(self, failure: Failure | None) -> None:
        if not self._end_told:
            self._end_told = True
            self._session.receive_end(self._now(), failure)
        self._flush()

    def _flush(self) -> None:
        if self._flushing:  # an event's receiver acts: its turn comes when all events before are told
            self._acted = True
            return
        self._flushing = True
        session = self._session
        while True:
            self._acted = False
            outgoing = session.outgoing()
            if outgoing:
                self._write(outgoing)
            for event in session.events():
                self._on_event(event)
                if type(event) is Ended:
                    self._ended = event
            if not self._acted:
                break
        self._flushing = False
        self._set_timer(session.next_wake())
        if self._end_told or self._ended is not None:
            self._settle()

    def _set_timer(self, due: float | None) -> None:
        """A timer that is too early stays: it costs one idle wake-up, a new one for each tick would cost more."""
        timer = self._timer
        if due is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None or due < timer.when():
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(due, self._drive, self._wake)

    def _write(self, outgoing: list[bytes | Signal]) -> None:
        joined: list[bytes] = []
        for item in outgoing:
            if isinstance(item, Signal):
                self._write_bytes(joined)
                joined = []
                self._obey(item)
            else:
                joined.append(item)
        self._write_bytes(joined)

    def _write_bytes(self, joined: list[bytes]) -> None:
        transport = self._transport
        if not joined or transport is None or self._closing:
            return
        transport.write(b"".join(joined))
        if self._writing_paused and (unsent := transport.get_write_buffer_size()) > UNSENT_LIMIT:
            self._drop()
            if not self._end_told:
                self._end_told = True
                self._session.receive_end(self._now(), peer_not_reading(unsent))

    def _obey(self, signal: Signal) -> None:
        match signal:
            case Signal.HALF_CLOSE if self._transport is not None and self._transport.can_write_eof():
                with contextlib.suppress(OSError):  # reset meanwhile; asyncio will say so
                    self._transport.write_eof()
            case Signal.HALF_CLOSE | Signal.CLOSE:
                self._close()
            case Signal.ABORT:
                self._drop()
            case _:
                assert_never(signal)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _not_dialled(self, failure: Failure) -> None:
        self._lost = self._transport is None  # else asyncio has yet to say so
        self._drive(self._tell_end, failure)

    def _settle(self) -> None:
        """The session ended, or was told to: see that nothing waits for ever."""
        if self._lost and (self._ended is not None or self._timer is None):
            self._finish()
        elif self._timer is None:
            self._close()

    def _close(self) -> None:
        if self._closing or self._transport is None:
            return
        self._closing = True
        self._last_resort = self._loop.call_later(FLUSH_SECONDS, self._drop)
        if not self._transport.is_closing():
            self._transport.close()

    def _drop(self) -> None:
        """Give up what is unsent, and let the other end know by a reset."""
        self._closing = True
        if self._transport is not None:
            raw: socket.socket = self._transport.get_extra_info("socket")
            reset_when_closed(raw)
            self._transport.abort()

    def _break(self, bug: Exception) -> None:
        self._bug = self._bug or bug
        self._flushing = True  # the session is not used again
        self._set_timer(None)
        self._drop()

    def _finish(self) -> None:
        self._set_timer(None)
        if self._last_resort is not None:
            self._last_resort.cancel()
        if self._done.done():
            return
        if self._bug is not None:
            self._done.set_exception(self._bug)
        elif self._ended is not None:
            self._done.set_result(self._ended)
        else:
            self._done.set_exception(LocalProtocolError("the session was told of its end and did not end"))


# -- serving -----------------------------------------------------------------------------------------------------------


def adopt(
    transport: asyncio.Transport, session: S, initial: bytes = b"", *, on_event: OnEvent = _ignore
) -> Connection[S]:
    """Run the session on an accepted transport; `initial` is what was read from it already."""
    connection = Connection(session, on_event)
    transport.set_protocol(connection)
    connection.connection_made(transport)
    if initial:
        connection.data_received(initial)
    return connection


def serve_protocol(
    make_session: Callable[[str], Drivable], on_event: OnEvent = _ignore
) -> Callable[[], asyncio.Protocol]:
    """A protocol factory for `loop.create_server`: one session for each peer that connects, by its address."""

    class Arrival(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            peer = str(transport.get_extra_info("peername")[0])
            adopt(cast("asyncio.Transport", transport), make_session(peer), on_event=on_event)

    return Arrival


# -- dialling ----------------------------------------------------------------------------------------------------------


async def connect(session: S, plan: DialPlan, *, on_event: OnEvent) -> Connection[S]:
    """Dial, and run the session. If dialling fails or is cancelled, the session is told so and never begins: whatever
    happens, the last event is its `Ended`.

    Raises:
        ConfigError: the plan's file of certificate authorities cannot be used.
    """
    context = (
        plan.tls.context() if plan.address.secure else None
    )  # outside every phase: the first time is slow
    connection = Connection(session, on_event)
    watch = Stopwatch(asyncio.get_running_loop().time)
    try:
        await _dial(connection, plan, context, watch, on_event)
    except NotDialled as end:
        connection._not_dialled(end.failure)  # noqa: SLF001 - the other half of the same thing
    except asyncio.CancelledError:
        connection._not_dialled(plan.given_up(watch.phase))  # noqa: SLF001
        raise
    return connection


async def _dial(
    connection: Connection[S],
    plan: DialPlan,
    context: ssl.SSLContext | None,
    watch: Stopwatch,
    on_event: OnEvent,
) -> None:
    found, targets = await in_time(find(plan), plan, watch)
    on_event(watch.finished())
    watch.begin(Phase.CONNECTING)
    sock, reached = await in_time(reach(plan, targets), plan, watch)

    def greet(transport: asyncio.Transport) -> None:
        tls = None
        if context is not None:
            on_event(watch.finished())
            tls = tls_facts(transport.get_extra_info("ssl_object"))
        addresses = tuple(one.host for one in found)
        local_port = transport.get_extra_info("sockname")[1]
        on_event(
            Dialled(
                at=loop.time(),
                addresses=addresses,
                address=reached.host,
                local_port=local_port,
                tls=tls,
                proxy=None if plan.proxy is None else str(plan.proxy),
            )
        )

    loop = asyncio.get_running_loop()
    try:
        on_event(watch.finished())
        if plan.proxy is not None:
            watch.begin(Phase.TUNNELLING)
            await in_time(pass_through(plan.proxy, plan.address, sock), plan, watch)
            on_event(watch.finished())
        if context is not None:
            watch.begin(Phase.SECURING)
        connection._greet = greet  # noqa: SLF001
        opened = loop.create_connection(
            lambda: connection,
            sock=sock,
            ssl=context,
            server_hostname=plan.verified_name if context else None,
            # Ours ends first: asyncio's own says no more than "aborted".
            ssl_handshake_timeout=plan.deadlines[Phase.SECURING] + 60 if context else None,
        )
        await in_time(opened, plan, watch)
    except BaseException:
        connection._drop()  # noqa: SLF001 - after this asyncio no longer watches the socket
        sock.close()
        raise
