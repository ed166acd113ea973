"""Runs any `Drivable` on asyncio, at either end of a connection.

A protocol, not streams: the time is taken first thing in `data_received`. After every call into the session it is pumped
empty, and one timer is set.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from math import inf
from typing import TypeVar, assert_never, cast

from probe.drivers.aio_dial import find, in_time, pass_through, reach
from probe.drivers.dial import DialPlan, HasOptions, NotDialled, Stopwatch, failure_of, tcp_facts
from probe.drivers.limits import FLUSH_SECONDS, GIVEN_UP, UNSENT_LIMIT, peer_not_reading, reset_when_closed
from probe.drivers.pump import OnEvent, Pump, S
from probe.drivers.tls import tls_facts
from probe.model.events import Dialled, Ended, Event, Phase, TcpFacts
from probe.model.failures import Failure
from probe.wire.drivable import Drivable, Signal

T = TypeVar("T")


def _ignore(event: Event) -> None:
    pass


class Connection(Pump[S], asyncio.Protocol):
    """One session and its transport, from before there is one until it is gone. Made by `connect` and `adopt`."""

    __slots__ = (
        "_closing",
        "_done",
        "_greet",
        "_last_resort",
        "_loop",
        "_lost",
        "_socket",
        "_timer",
        "_transport",
        "_wakes_at",
        "_writing_paused",
    )

    def __init__(self, session: S, on_event: OnEvent) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__(session, on_event, self._loop.time)
        self._done: asyncio.Future[Ended] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._socket: HasOptions | None = None
        self._greet: Callable[[asyncio.Transport], None] | None = None  # says what the dialler knows by then
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        self._last_resort: asyncio.TimerHandle | None = None
        self._writing_paused = False
        self._closing = False  # nothing more will be written
        self._lost = False  # the transport is gone

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
        self._timer, self._wakes_at = None, inf
        now = self._now()
        due = self._session.next_wake()
        if due is not None and due <= now:
            self._session.wake(now)
        self._flush()

    def _settle(self) -> None:
        """Set the timer; if the session ended or was told to, see that nothing waits for ever."""
        due = self._session.next_wake()
        if (
            due is None or due < self._wakes_at
        ):  # one that is too early stays: a new one for each tick would cost more
            self._set_timer(due)
        if not (self._end_told or self._ended):
            return
        if self._lost and (self._ended is not None or self._timer is None):
            self._finish()
        elif self._timer is None:
            self._close()

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._drive, self._wake)
        self._wakes_at = inf if due is None else due

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
        try:
            self._done.set_result(self._outcome())
        except Exception as bug:  # noqa: BLE001 - see data_received
            self._done.set_exception(bug)


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
        local_address, local_port, *_ = transport.get_extra_info("sockname")
        on_event(
            Dialled(
                at=loop.time(),
                addresses=addresses,
                address=reached.host,
                local_port=local_port,
                tls=tls,
                proxy=None if plan.proxy is None else str(plan.proxy),
                local_address=local_address,
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
