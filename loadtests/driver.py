"""Runs any `Drivable` by callbacks on gevent's hub: no greenlet, two watchers and one timer for each connection.

A greenlet that waits in `recv` costs two switches for each message, which is more than reading and understanding it. Here the
hub calls the session directly, in whatever greenlet runs the hub; who acts on a connection from another greenlet sends at
once, because nothing in here waits. Only one thread may use a hub, and so a connection.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from math import inf
from typing import Any, TypeVar, assert_never

import gevent
from gevent.hub import Hub

from loadtests.dialling import LARGEST_READ, READ, WRITE, Dial, Way
from probe.drivers.blocking_tls import TlsLayer
from probe.drivers.dial import DialPlan, failure_of, tcp_facts
from probe.drivers.limits import FLUSH_SECONDS, GIVEN_UP, UNSENT_LIMIT, peer_not_reading, reset_when_closed
from probe.drivers.pump import OnEvent, Pump, S
from probe.model.events import Event, Phase, TcpFacts
from probe.model.failures import Failure
from probe.session.client import ClientSession
from probe.wire.drivable import Signal

T = TypeVar("T")

SLOW_SLICE_SECONDS = 0.1  # a slow reader reads so often
SLOW_BUFFER = 4096  # bytes that its kernel takes for it meanwhile: else that would read megabytes ahead
USUAL_BUFFER = 1024 * 1024

_monotonic = time.monotonic


class Connection(Pump[S]):
    """One attempt, from before it is dialled until its transport is gone. Its last event is the session's `Ended`, unless the
    session, the callback or the plan was at fault: then `on_bug` gets that instead, and the transport is dropped.

    Events come in the greenlet of the hub, which nobody may hold up: a callback must not wait for anything.
    """

    __slots__ = (
        "_closing",
        "_dial",
        "_end_heard",
        "_frozen",
        "_half_close_due",
        "_hub",
        "_last_resort",
        "_on_bug",
        "_plan",
        "_reader",
        "_slow",
        "_socket",
        "_timer",
        "_tls",
        "_unsent",
        "_wakes_at",
        "_writer",
    )

    def __init__(
        self,
        session: S,
        plan: DialPlan,
        *,
        on_event: OnEvent,
        on_bug: Callable[[Exception], None] | None = None,
        hub: Hub | None = None,
    ) -> None:
        super().__init__(session, on_event, _monotonic)
        self._plan = plan
        self._on_bug = on_bug
        self._hub: Hub = hub or gevent.get_hub()
        self._dial: Dial | None = None
        self._socket: socket.socket | None = None
        self._tls: TlsLayer | None = None
        self._reader: Any = None
        self._writer: Any = None  # there while something is unsent
        self._unsent: bytearray | None = None
        self._timer: Any = None
        self._wakes_at = inf
        self._last_resort: Any = None
        self._slow: float | None = None  # bytes a second
        self._frozen = False
        self._end_heard = False  # the other end says no more
        self._half_close_due = False  # when all is sent
        self._closing = False  # when all is sent; nothing more will be written

    # -- for whoever uses the session ----------------------------------------------------------------------------------

    def open(self, due: float) -> None:
        """Dial at that instant, or now if it is past. Never waits."""
        self._dial = Dial(
            self._plan,
            self._hub,
            say=self._say,
            done=self._begin,
            failed=self._not_dialled,
            broken=self._break,
        )
        now = _monotonic()
        if due > now:
            self._timer = self._hub.loop.timer(due - now)
            self._timer.start(self._dial.begin, update=True)
        else:
            self._dial.begin()

    def act(self, do: Callable[[S, float], T]) -> T:
        """Do something with the session, now; what it wants to send is sent."""
        result = do(self._session, _monotonic())
        self.acted()
        return result

    def acted(self) -> None:
        """Somebody used the session itself; what it wants to send is sent."""
        if self._flushing:  # by whoever gets an event: it is sent when that one is told
            self._acted = True
        else:
            self._drive(self._flush)

    def drop(self, failure: Failure = GIVEN_UP) -> None:
        """Cut the transport without a goodbye, or stop dialling. The session is told that it ended, and why."""
        if self._dial is not None:
            self._dial.stop()
            self._dial = None
        self._reset()
        self._drive(self._tell_end, failure)

    def freeze(self) -> None:
        """As a machine that fell asleep: neither read nor write nor keep an appointment, and let nobody know."""
        if self._socket is not None and not self._frozen:
            self._frozen = True
            self._reader.stop()
            if self._writer is not None:
                self._writer.stop()
            self._set_timer(None)

    def thaw(self) -> None:
        if not self._frozen:
            return
        self._frozen = False
        if self._socket is not None:
            self._watch()
            self._read(LARGEST_READ)  # before a timer that is over says that nothing came
        if self._unsent:
            self._drive(self._send_rest)
        self._drive(self._flush)

    def throttle(self, bytes_per_second: float | None) -> None:
        """Read as slowly as that; None: as fast as it comes."""
        self._slow = bytes_per_second
        if self._socket is not None:
            size = USUAL_BUFFER if bytes_per_second is None else SLOW_BUFFER
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            self._watch()

    def withhold_pongs(self: "Connection[ClientSession]", withhold: bool) -> None:  # noqa: FBT001 - a switch
        """Leave the server's pings unanswered, WebSocket's and Engine.IO's."""
        self._session.answers_beats = not withhold

    @property
    def is_over(self) -> bool:
        """Nothing more will come of it."""
        if self._dial is not None or self._socket is not None:
            return False
        return self._bug is not None or self._ended is not None

    def tcp_facts(self) -> TcpFacts | None:
        """The kernel's view, while there is a socket."""
        return None if self._socket is None else tcp_facts(self._socket)

    # -- dialling ------------------------------------------------------------------------------------------------------

    def _say(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as bug:  # noqa: BLE001 - the callback's
            self._break(bug)

    def _begin(self, way: Way) -> None:
        self._dial = None
        self._socket, self._tls = way
        self._reader = self._hub.loop.io(way.socket.fileno(), READ)
        self._watch()
        if self._slow is not None:
            self.throttle(self._slow)
        self._drive(self._greet)

    def _greet(self) -> None:
        if self._is_ending:
            self._reset()
            return
        self._session.begin(_monotonic())
        self._flush()
        if self._tls is not None:
            self._hear_sealed(self._tls, b"")  # it may have come with the end of the handshake

    def _not_dialled(self, failure: Failure) -> None:
        self._dial = None
        self._drive(self._tell_end, failure)

    # -- reading -------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._frozen or self._end_heard or self._reader is None:
            return
        if self._slow is None:
            self._reader.start(self._read, LARGEST_READ)
        else:
            self._reader.start(self._read_slowly)

    def _read(self, at_most: int) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            received = sock.recv(at_most)
        except BlockingIOError:
            return
        except OSError as error:
            self._drive(self._lose, error)
            return
        now = _monotonic()
        try:
            if not received:
                self._hear_end()
            elif self._tls is not None:
                self._hear_sealed(self._tls, received)
            else:
                self._session.receive(received, now)
                self._flush()
        except Exception as bug:  # noqa: BLE001 - ours or the callback's: `on_bug` gets it
            self._break(bug)

    def _read_slowly(self) -> None:
        slow = self._slow or inf
        self._reader.stop()
        self._read(max(1, min(LARGEST_READ, int(slow * SLOW_SLICE_SECONDS))))
        if self._socket is not None:
            again = self._hub.loop.timer(max(SLOW_SLICE_SECONDS, 1 / slow))
            again.start(self._watch, update=True)

    def _hear_sealed(self, tls: TlsLayer, received: bytes) -> None:
        tls.take(received)
        if self._closing:
            self._finish_closing()
            return
        if plain := tls.opened():
            self._session.receive(plain, _monotonic())
            self._flush()
        if tls.broken is not None:
            self._lose(tls.broken)
        elif tls.has_ended:
            self._hear_end()

    def _hear_end(self) -> None:
        self._end_heard = True
        if self._reader is not None:
            self._reader.stop()
        if self._closing:
            self._finish_closing()
        self._tell_end(None)

    # -- the driver's one duty -----------------------------------------------------------------------------------------

    @property
    def _is_ending(self) -> bool:
        return self._end_told or self._ended is not None

    def _drive(self, step: Callable[..., None], *args: object) -> None:
        if self._bug is not None:
            return
        try:
            step(*args)
        except Exception as bug:  # noqa: BLE001 - see _read
            self._break(bug)

    def _wake(self) -> None:
        self._wakes_at = inf
        now = _monotonic()
        due = self._session.next_wake()
        if due is not None and due <= now:
            self._session.wake(now)
        self._flush()

    def _settle(self) -> None:
        """Set the timer; if the session ended or was told to, see that nothing waits for ever."""
        due = self._session.next_wake()
        if due is None or due < self._wakes_at:  # one that is too early stays: moving it costs more
            self._set_timer(due)
        if due is None and self._is_ending:
            self._close()

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        self._wakes_at = inf
        if due is not None and not self._frozen:
            self._timer = self._hub.loop.timer(max(0.0, due - _monotonic()))
            self._timer.start(self._drive, self._wake, update=True)
            self._wakes_at = due

    # -- writing -------------------------------------------------------------------------------------------------------

    def _write_bytes(self, joined: list[bytes]) -> None:
        sock = self._socket
        if not joined or sock is None or self._closing or self._half_close_due:
            return
        data = b"".join(joined)
        try:
            if self._tls is not None:
                data = self._tls.seal(data)
            if self._unsent is None and not self._frozen:
                sent = sock.send(data)
                if sent == len(data):
                    return
                data = data[sent:]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(error)
            return
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        if self._unsent is None:
            self._unsent = bytearray()
            self._writer = self._hub.loop.io(self._fileno, WRITE)
            if not self._frozen:
                self._writer.start(self._drive, self._send_rest)
        self._unsent += data
        if (unsent := len(self._unsent)) > UNSENT_LIMIT:
            self._reset()
            self._tell_end(peer_not_reading(unsent))

    @property
    def _fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def _send_rest(self) -> None:
        if self._socket is None or self._unsent is None:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if self._unsent:
            self._writer.start(self._drive, self._send_rest)
            return
        self._unsent = None
        self._writer.close()
        self._writer = None
        if self._half_close_due:
            self._half_close()
        elif self._closing:
            self._finish_closing()

    def _obey(self, signal: Signal) -> None:
        match signal:
            case Signal.HALF_CLOSE if self._tls is None:
                self._half_close()
            case Signal.HALF_CLOSE | Signal.CLOSE:
                self._close()
            case Signal.ABORT:
                self._reset()
                self._tell_end(None)
            case _:
                assert_never(signal)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _half_close(self) -> None:
        self._half_close_due = True
        if self._unsent is None and self._socket is not None:
            with contextlib.suppress(OSError):  # reset meanwhile; reading will say so
                self._socket.shutdown(socket.SHUT_WR)

    def _close(self) -> None:
        """Hang up when all is sent, and TLS has said goodbye."""
        if self._closing or self._socket is None:
            return
        self._closing = True
        if self._tls is None:
            self._reader.stop()
        self._last_resort = self._hub.loop.timer(FLUSH_SECONDS)
        self._last_resort.start(self._drive, self._give_up, update=True)
        self._finish_closing()

    def _finish_closing(self) -> None:
        said = self._tls is None or self._tls.say_goodbye() or self._end_heard
        if self._tls is not None and (goodbye := self._tls.to_send()):
            try:
                if self._unsent is None and not self._frozen:
                    goodbye = goodbye[self._socket.send(goodbye) :] if self._socket else b""
            except BlockingIOError:
                pass
            except OSError as error:
                self._lose(error)
                return
            if goodbye:
                self._keep(goodbye)
        if said and self._unsent is None:
            self._hang_up()
            self._tell_end(None)

    def _give_up(self) -> None:
        self._reset()
        self._tell_end(None)

    def _lose(self, error: OSError) -> None:
        self._hang_up()
        self._tell_end(failure_of(error, Phase.LIVE))

    def _reset(self) -> None:
        """Give up what is unsent, and let the other end know."""
        if self._socket is not None:
            reset_when_closed(self._socket)
            self._hang_up()

    def _hang_up(self) -> None:
        for watcher in (self._reader, self._writer, self._last_resort):
            if watcher is not None:
                watcher.close()
        self._reader = self._writer = self._last_resort = None
        self._unsent, self._tls = None, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _break(self, bug: Exception) -> None:
        if self._bug is not None:
            return
        self._bug = bug
        self._flushing = True  # the session is not used again
        if self._dial is not None:
            self._dial.stop()
            self._dial = None
        self._set_timer(None)
        self._reset()
        if self._on_bug is None:
            self._hub.handle_error(self, type(bug), bug, bug.__traceback__)
        else:
            self._on_bug(bug)
