"""Finding, reaching and securing a target by callbacks on gevent's hub, within the deadline of each phase. Nothing here waits.

Always by the plan's own resolver, addresses included: it is the guard's, and what it gave is what is dialled. It may block, so
it runs beside the hub, and its answer is good for a while: a thousand users who arrive at once ask it once.
"""

import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gevent
from gevent import monkey
from gevent.hub import Hub

from loadtests.guard import guard
from probe.drivers.blocking_tls import TlsLayer
from probe.drivers.dial import (
    STAGGER_SECONDS,
    UNDER_WAY,
    DialPlan,
    Found,
    Resolver,
    Stopwatch,
    most_telling,
    without_a_source,
)
from probe.drivers.tls import tls_facts
from probe.model.events import Dialled, Event, Phase
from probe.model.failures import Failure

ANSWER_SECONDS = 10.0
READ, WRITE = 1, 2  # libev's
LARGEST_READ = 16_384

# The system's own, whatever gevent has patched: its own sockets bring watchers and a lock each.
_PlainSocket: type[socket.socket] = monkey.get_original("socket", "socket")

Answer = Sequence[Found] | Exception
_known: dict[tuple[Resolver, str, int], tuple[Sequence[Found], float]] = {}
_asked: dict[tuple[Resolver, str, int], list[Callable[[Answer], None]]] = {}


class Way(NamedTuple):
    socket: socket.socket
    tls: TlsLayer | None


def look_up(hub: Hub, plan: DialPlan, tell: Callable[[Answer], None]) -> None:
    """Tell what the plan's resolver says, at once if it is known."""
    key = (plan.resolve, *plan.first_hop)
    found, good_until = _known.get(key, ((), 0.0))
    if time.monotonic() < good_until:
        tell(found)
        return
    if key in _asked:
        _asked[key].append(tell)
        return
    _asked[key] = [tell]

    def ask() -> Answer:
        try:
            return plan.resolve(*plan.first_hop)
        except Exception as problem:  # noqa: BLE001 - told to whoever asked
            return problem

    def answered(result: Any) -> None:
        answer: Answer = result.value
        now = time.monotonic()
        for old in [each for each, (_, until) in _known.items() if until < now]:
            del _known[old]
        if not isinstance(answer, Exception):
            _known[key] = (answer, now + ANSWER_SECONDS)
        for waiting in _asked.pop(key):
            waiting(answer)

    # Where gevent has patched, what blocks in here lets others run; and a thread would need a hub of its own for it.
    spawn = gevent.spawn if monkey.is_module_patched("socket") else hub.threadpool.spawn
    spawn(ask).rawlink(answered)


class Dial:
    """One attempt to reach a target. Exactly one of `done`, `failed` and `broken` is called, unless it is stopped before.

    Args:
        say: gets the finished phases and what was dialled; may stop this.
    """

    __slots__ = (
        "_attempts",
        "_broken",
        "_context",
        "_done",
        "_errors",
        "_failed",
        "_found",
        "_hub",
        "_over",
        "_plan",
        "_say",
        "_stagger",
        "_targets",
        "_timer",
        "_watch",
    )

    def __init__(
        self,
        plan: DialPlan,
        hub: Hub,
        *,
        say: Callable[[Event], None],
        done: Callable[[Way], None],
        failed: Callable[[Failure], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._plan, self._hub = plan, hub
        self._say, self._done, self._failed, self._broken = say, done, failed, broken
        self._context: ssl.SSLContext | None = None
        self._found: Sequence[Found] = ()
        self._targets: list[Found] = []
        self._attempts: dict[socket.socket, Any] = {}  # and the watcher of each
        self._errors: list[OSError] = []
        self._timer: Any = None
        self._stagger: Any = None
        self._over = False

    def begin(self) -> None:
        self._guarded(self._resolve)

    def stop(self) -> None:
        self._over = True
        self._set_deadline(None)
        self._stop_stagger()
        for sock, watcher in self._attempts.items():
            watcher.close()
            sock.close()
        self._attempts.clear()

    @property
    def given_up(self) -> Failure:
        return self._plan.given_up(self._watch.phase)

    def _guarded(self, step: Callable[..., None], *args: Any) -> None:
        if self._over:
            return
        try:
            step(*args)
        except OSError as error:
            self._fail(error)
        except Exception as bug:  # noqa: BLE001 - the connection says so
            self.stop()
            self._broken(bug)

    def _fail(self, error: OSError) -> None:
        self.stop()
        self._failed(self._plan.failure_of(error, self._watch.phase))

    def _enter(self, phase: Phase) -> None:
        self._watch.begin(phase)
        self._set_deadline(self._plan.deadlines[phase])

    def _set_deadline(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = None
        if seconds is not None:
            self._timer = self._hub.loop.timer(seconds)
            self._timer.start(self._guarded, self._fail, TimeoutError(), update=True)

    # -- finding -------------------------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        self._plan = guard().vet(self._plan)
        if self._plan.address.secure:
            self._context = self._plan.tls.context()  # the first time is slow, so in no phase
        self._watch = Stopwatch(time.monotonic)
        self._set_deadline(self._plan.deadlines[Phase.RESOLVING])
        look_up(self._hub, self._plan, self._take_answer)

    def _take_answer(self, answer: Answer) -> None:
        self._guarded(self._connect, answer)

    # -- reaching ------------------------------------------------------------------------------------------------------

    def _connect(self, answer: Answer) -> None:
        """The first target to connect wins; the next one joins when the one before failed or was alone for long enough."""
        if isinstance(answer, Exception):
            raise answer
        self._found, self._targets = answer, self._plan.candidates(answer)
        guard().check(self._plan, self._targets)
        self._say(self._watch.finished())
        if not self._over:
            self._enter(Phase.CONNECTING)
            self._try_next()

    def _try_next(self) -> None:
        self._stop_stagger()
        while self._targets:
            target = self._targets.pop(0)
            try:
                self._attempt(target)
            except OSError as error:
                self._errors.append(without_a_source(error, target))
                continue
            if self._targets:
                self._stagger = self._hub.loop.timer(STAGGER_SECONDS)
                self._stagger.start(self._guarded, self._try_next, update=True)
            return
        if not self._attempts:
            raise most_telling(self._errors)

    def _attempt(self, target: Found) -> None:
        sock = self._plan.open_socket(target.family, _PlainSocket)
        try:
            sock.setblocking(False)
            number = sock.connect_ex(target.address)
            if number and number not in UNDER_WAY:
                raise OSError(number, os.strerror(number))
        except BaseException:
            sock.close()
            raise
        watcher = self._hub.loop.io(sock.fileno(), WRITE)
        self._attempts[sock] = watcher
        watcher.start(self._guarded, self._attempted, sock, target)

    def _attempted(self, sock: socket.socket, target: Found) -> None:
        self._attempts.pop(sock).close()
        if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            sock.close()
            self._errors.append(without_a_source(OSError(number, os.strerror(number)), target))
            self._try_next()
            return
        watch = self._watch
        self.stop()
        self._over = False
        watcher = self._hub.loop.io(sock.fileno(), READ)
        self._attempts[sock] = watcher  # so that it is closed with the rest
        self._say(watch.finished())
        if self._over:
            return
        if self._context is None:
            self._arrived(sock, target, None)
            return
        self._enter(Phase.SECURING)
        tls = TlsLayer(self._context, self._plan.verified_name)
        watcher.start(self._guarded, self._shake_hands, sock, target, tls)
        self._shake(sock, target, tls)

    def _stop_stagger(self) -> None:
        if self._stagger is not None:
            self._stagger.close()
            self._stagger = None

    # -- securing ------------------------------------------------------------------------------------------------------

    def _shake_hands(self, sock: socket.socket, target: Found, tls: TlsLayer) -> None:
        try:
            received = sock.recv(LARGEST_READ)
        except BlockingIOError:
            return
        if received:
            tls.take(received)
        else:
            tls.take_end()
        self._shake(sock, target, tls)

    def _shake(self, sock: socket.socket, target: Found, tls: TlsLayer) -> None:
        try:
            finished = tls.shake_hands()
        finally:
            if send := tls.to_send():  # a word of ours, or the alert that says what was wrong
                sock.send(send)  # a socket that has just been opened takes it all
        if finished:
            self._say(self._watch.finished())
            if not self._over:
                self._arrived(sock, target, tls)

    # -- arriving ------------------------------------------------------------------------------------------------------

    def _arrived(self, sock: socket.socket, target: Found, tls: TlsLayer | None) -> None:
        local_address, local_port, *_ = sock.getsockname()
        dialled = Dialled(
            at=time.monotonic(),
            addresses=tuple(one.host for one in self._found),
            address=target.host,
            local_port=local_port,
            tls=None if tls is None else tls_facts(tls.secured),
            local_address=local_address,
        )
        self._say(dialled)
        if not self._over:
            self._attempts.pop(sock).close()
            self.stop()
            self._done(Way(sock, tls))
