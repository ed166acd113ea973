"""Runs any `Drivable` on plain sockets, in whatever thread calls `run`, or greenlet, once gevent has patched.

That thread is the connection's one reader, and nobody else closes its socket. Other threads act through the lock: what the
system takes is sent at once, the rest by the reader. It never waits for longer than a slice, so a deadline that another
thread's action made may be noticed that much late; such deadlines only give up, they time no measurement.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar, assert_never

from probe.drivers.blocking_dial import SLICE_SECONDS, dial
from probe.drivers.blocking_transport import Transport
from probe.drivers.dial import DialPlan, NotDialled, Stopwatch, failure_of, tcp_facts
from probe.drivers.limits import FLUSH_SECONDS, GIVEN_UP, UNSENT_LIMIT, peer_not_reading
from probe.drivers.pump import OnEvent, Pump, S
from probe.model.events import Ended, Event, Phase, TcpFacts
from probe.model.failures import Failure
from probe.wire.drivable import Signal

T = TypeVar("T")


class _NobodyWaits(Exception):
    """The session has ended or was told to, while it was being dialled for."""


class Connection(Pump[S]):
    """One attempt, from before it is dialled until its transport is gone. Events are handed out under the lock: who gets
    them must not wait for another thread that acts."""

    __slots__ = ("_lock", "_plan", "_transport")

    def __init__(self, session: S, plan: DialPlan, *, on_event: OnEvent) -> None:
        super().__init__(session, on_event, time.monotonic)
        self._plan = plan
        self._lock = threading.RLock()
        self._transport: Transport | None = None

    # -- for any thread ------------------------------------------------------------------------------------------------

    def act(self, action: Callable[[S, float], T]) -> T:
        """Do something with the session, now; what it wants to send is sent."""
        with self._lock:
            result = action(self._session, time.monotonic())
            self._drive(self._flush)
        return result

    def abort(self, failure: Failure = GIVEN_UP) -> None:
        """Drop everything now, or stop dialling. The session is told that it ended, and why."""
        with self._lock:
            self._drive(self._tell_end, failure)
            if self._transport is not None:
                self._transport.drop()

    def tcp_facts(self) -> TcpFacts | None:
        """The kernel's view, while there is a socket."""
        with self._lock:
            return None if self._transport is None else tcp_facts(self._transport.socket)

    # -- for the one reader --------------------------------------------------------------------------------------------

    def run(self) -> Ended:
        """Dial, and run the session until it ended and its transport is closed. If dialling fails, the session is told so
        and never begins; if this thread is interrupted, it is told that. The last event is its `Ended`.

        Raises:
            ConfigError: the plan's file of certificate authorities cannot be used.
            Exception: whatever the session or the event callback raised; the connection was dropped then.
        """
        plan, watch = self._plan, Stopwatch(time.monotonic)
        try:
            self._dial(watch)
            while not self._is_over():
                self._attend()
        except Exception:  # a bug of ours, or a configuration that cannot be used
            raise
        except BaseException:  # an interruption, or a greenlet is killed
            self.abort(plan.given_up(watch.phase) if self._transport is None else GIVEN_UP)
            raise
        finally:
            self._hang_up()
        return self._outcome()

    def _dial(self, watch: Stopwatch) -> None:
        try:
            self._transport = dial(self._plan, watch, self._say, self._go_on)
        except NotDialled as end:
            self._drive(self._tell_end, end.failure)
        except _NobodyWaits:
            pass
        else:
            self._drive(self._begin, self._transport)

    @property
    def _is_ending(self) -> bool:
        return self._end_told or self._ended is not None

    def _say(self, event: Event) -> None:
        with self._lock:
            self._go_on()
            self._on_event(event)

    def _go_on(self) -> None:
        if self._is_ending or self._bug is not None:
            raise _NobodyWaits

    def _is_over(self) -> bool:
        with self._lock:
            if self._bug is not None:
                return True
            idle = self._ended is not None or self._session.next_wake() is None
            return self._transport is None and idle

    def _attend(self) -> None:
        """Wait for whatever happens next, once."""
        with self._lock:
            due = self._session.next_wake()
        seconds = SLICE_SECONDS if due is None else min(max(0.0, due - time.monotonic()), SLICE_SECONDS)
        transport = self._transport
        if transport is None:
            time.sleep(seconds)  # the session takes its time to end
        elif transport.wait(seconds):
            try:
                received = transport.receive()
            except OSError as error:
                self._drive(self._lose, error)
            else:
                self._drive(self._hear, transport, received, time.monotonic())
        self._drive(self._move_on)

    def _hang_up(self) -> None:
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.hang_up()

    # -- the driver's one duty, under the lock -------------------------------------------------------------------------

    def _drive(self, step: Callable[..., None], *args: object) -> None:
        with self._lock:
            if self._bug is not None:
                return
            try:
                step(*args)
            except Exception as bug:  # noqa: BLE001 - ours or the callback's: `run` raises it
                self._bug = bug
                if self._transport is not None:
                    self._transport.drop()

    def _begin(self, transport: Transport) -> None:
        if self._is_ending:
            transport.drop()
            return
        self._session.begin(time.monotonic())
        self._flush()
        self._hear(transport, b"", time.monotonic())  # it may have come with the end of the TLS handshake

    def _hear(self, transport: Transport, received: bytes, now: float) -> None:
        if plain := transport.opened(received):
            self._session.receive(plain, now)
            self._flush()
        if transport.broken is not None:
            self._lose(transport.broken)
        elif transport.end_heard:
            self._tell_end(None)

    def _move_on(self) -> None:
        now = time.monotonic()
        due = self._session.next_wake()
        if due is not None and due <= now:
            self._session.wake(now)
            self._flush()
        transport = self._transport
        if transport is not None:
            self._try(transport.flush)
            if transport.is_done(now):
                self._hang_up()
                self._tell_end(None)

    def _settle(self) -> None:
        """The session ended, or was told to: see that nothing waits for ever."""
        if self._is_ending and self._transport is not None and self._session.next_wake() is None:
            self._try(self._transport.close, time.monotonic() + FLUSH_SECONDS)

    def _write_bytes(self, joined: list[bytes]) -> None:
        transport = self._transport
        if not joined or transport is None:
            return
        self._try(transport.write, b"".join(joined))
        if (unsent := transport.unsent) > UNSENT_LIMIT:
            transport.drop()
            self._tell_end(peer_not_reading(unsent))

    def _obey(self, signal: Signal) -> None:
        transport = self._transport
        if transport is None:
            return
        close_by = time.monotonic() + FLUSH_SECONDS
        match signal:
            case Signal.HALF_CLOSE:
                self._try(transport.half_close, close_by)
            case Signal.CLOSE:
                self._try(transport.close, close_by)
            case Signal.ABORT:
                transport.drop()
            case _:
                assert_never(signal)

    def _try(self, use: Callable[..., None], *args: object) -> None:
        try:
            use(*args)
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        if self._transport is not None:
            self._transport.give_up()
        self._tell_end(failure_of(error, Phase.LIVE))
