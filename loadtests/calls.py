"""HTTP calls of one user, over one connection that is kept: as lean as load needs it, on gevent, patched or not.

httpx does the same for 1 ms of CPU a call and this for 0.1 (see `docs/load-replay.md`). Calls of one user wait for each other, as those of a program with one connection do.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore

from loadtests.guard import guard
from loadtests.plain_http import Body, Broken, is_at, not_http, written
from probe.drivers.blocking_tls import TlsLayer
from probe.drivers.dial import DialPlan, NotDialled, Stopwatch, failure_of, most_telling
from probe.drivers.limits import reset_when_closed
from probe.model.events import Event, Phase, Traffic
from probe.model.failures import Failure, Speaker
from probe.wire.calls import HttpCall, HttpReply
from probe.wire.heads import BadHead, Head, HeadReader

CALL_SECONDS = 15.0
LARGEST_READ = 65_536
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_MOST_INTERIM = 8  # answers before the answer
_LEFT = Failure(kind="local.timeout", spoke_last=Speaker.LOCAL, detail="we left")


class Carrier:
    """Carries calls to one origin. A call to any other is not made: its headers may hold a credential.

    Args:
        plan: How it dials: its address, its TLS, and who resolves names.
        timeout: Seconds for one call, dialling apart.
        on_event: Is told every phase of dialling.
        on_dial: Is told of every dialling but the first: when it began, when it was over, and how it failed, if it did.
    """

    def __init__(
        self,
        plan: DialPlan,
        *,
        timeout: float = CALL_SECONDS,
        on_event: Callable[[Event], None] = lambda _: None,
        on_dial: Callable[[float, float, Failure | None], None] = lambda *_: None,
    ) -> None:
        self._plan, self._timeout, self._on_event, self._on_dial = plan, timeout, on_event, on_dial
        self._one_at_a_time = BoundedSemaphore(1)
        self._way: _Way | None = None
        self._is_closed = False
        self._has_dialled = False
        self._past = Traffic()  # over connections that are gone

    def dial(self) -> None:
        """
        Raises:
            NotDialled: nobody is there.
            ConfigError, UnsafeTarget: it must not or cannot be dialled.
        """
        began_at, is_first, self._has_dialled = time.monotonic(), not self._has_dialled, True
        self._hang_up()
        try:
            self._way = _dial(self._plan, self._on_event)
        except NotDialled as end:
            if not is_first:
                self._on_dial(began_at, time.monotonic(), end.failure)
            raise
        if not is_first:
            self._on_dial(began_at, time.monotonic(), None)
        if self._is_closed:  # meanwhile
            self._hang_up()
            raise NotDialled(_LEFT)

    @property
    def traffic(self) -> Traffic:
        """Questions that went out whole and answers that came in, over all its connections."""
        return self._past if self._way is None else self._past.plus(self._way.traffic)

    def ask(self, call: HttpCall) -> HttpReply | Failure:
        """Blocks the greenlet, never the others."""
        with self._one_at_a_time:
            if not is_at(self._plan.address, call.url):
                words = "it would lead to another place; nothing was sent there"
                return Failure(kind="http.redirect", spoke_last=Speaker.LOCAL, detail=words)
            try:
                return self._ask(call)
            except (Broken, NotDialled) as end:
                self._hang_up()
                return end.failure

    def _ask(self, call: HttpCall) -> HttpReply:
        request = written(call, self._plan.address)
        way = self._way
        if way is not None and not way.is_spent():
            try:
                return self._carry(way, call, request)
            except Broken:
                # It was closed when our question was on its way: a server does that with one that was idle for long.
                if way.has_heard or way.carried == 1 or call.method != "GET" or not way.has_ended:
                    raise
        if self._is_closed:
            raise Broken(_LEFT)
        self.dial()
        assert self._way is not None  # noqa: S101 - or it had raised
        return self._carry(self._way, call, request)

    def _carry(self, way: "_Way", call: HttpCall, request: bytes) -> HttpReply:
        reply, stays = way.carry(call, request, self._timeout)
        if not stays:
            self._hang_up()
        return reply

    def close(self) -> None:
        """In order, as far as HTTP has one."""
        self._is_closed = True
        self._hang_up()

    def drop(self) -> None:
        """Without a goodbye."""
        if self._way is not None:
            reset_when_closed(self._way.socket)
        self.close()

    def _hang_up(self) -> None:
        if self._way is not None:
            self._way.close()
            self._past = self._past.plus(self._way.traffic)
            self._way = None


def _dial(plan: DialPlan, on_event: Callable[[Event], None]) -> "_Way":
    watch = Stopwatch(time.monotonic)
    opened: socket.socket | None = None
    plan = guard().vet(plan)
    try:
        context = plan.tls.context() if plan.address.secure else None
        watch.begin(Phase.RESOLVING)
        with gevent.Timeout(plan.deadlines[Phase.RESOLVING], TimeoutError):
            found = plan.candidates(plan.resolve(*plan.first_hop))
        guard().check(plan, found)
        on_event(watch.finished())
        watch.begin(Phase.CONNECTING)
        errors: list[OSError] = []
        for target in found:
            opened = plan.open_socket(target.family, socket.socket)
            try:
                opened.settimeout(plan.deadlines[Phase.CONNECTING])
                opened.connect(target.address)
                break
            except OSError as error:
                opened.close()
                errors.append(error)
        else:
            raise most_telling(errors)
        on_event(watch.finished())
        way = _Way(opened)
        if context is not None:
            watch.begin(Phase.SECURING)
            way.secure(TlsLayer(context, plan.verified_name), plan.deadlines[Phase.SECURING])
            on_event(watch.finished())
    except OSError as error:
        if opened is not None:
            opened.close()
        raise NotDialled(plan.failure_of(error, watch.phase)) from error
    except BaseException:
        if opened is not None:
            opened.close()
        raise
    return way


class _Way:
    """One connection."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.carried = 0
        self._sent = self._heard = 0  # questions and answers
        self._bytes_out = self._bytes_in = 0
        self.has_heard = False  # a byte, of this call's answer
        self.has_ended = False
        self._tls: TlsLayer | None = None
        self._until = 0.0
        self._unread = b""  # behind an answer, where nothing should be

    @property
    def traffic(self) -> Traffic:
        return Traffic(
            messages_sent=self._sent,
            messages_received=self._heard,
            bytes_sent=self._bytes_out,
            bytes_received=self._bytes_in,
        )

    def secure(self, tls: TlsLayer, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        try:
            while not tls.shake_hands():
                self._write(tls.to_send())
                if received := self._receive():
                    tls.take(received)
                else:
                    tls.take_end()
        finally:
            with contextlib.suppress(OSError):
                self._write(tls.to_send())  # our last word, or the alert that says what was wrong
        self._tls = tls

    def is_spent(self) -> bool:
        """It ended, or holds what nobody asked for and would be taken for the next answer."""
        self.socket.settimeout(0.0)
        try:
            while not (self.has_ended or self._unread):
                self._unread = self._received(self.socket.recv(LARGEST_READ))
        except OSError as error:
            return not isinstance(error, BlockingIOError | TimeoutError)
        return True

    def carry(self, call: HttpCall, request: bytes, timeout: float) -> tuple[HttpReply, bool]:
        """The answer, and whether the connection stays.

        Raises:
            Broken: there is none.
        """
        self.carried += 1
        self.has_heard, self._until = False, time.monotonic() + timeout
        sent_at = time.monotonic()
        try:
            with self._blamed(timeout):
                self._write(request if self._tls is None else self._tls.seal(request))
                self._sent += 1
                self._bytes_out += len(request)
                head, version, status = self._head()
            body = Body(head, status, call.method)
            is_whole = self._read_body(body, timeout, may_be_part=not 200 <= status < 300)
        except BadHead as bad:
            raise Broken(not_http(f"its first bytes are no HTTP/1 answer: {bad.broken.detail}")) from None
        self._heard += 1
        reply = HttpReply(
            url=call.url,
            status=status,
            headers=head.headers,
            body=body.content,
            seconds=time.monotonic() - sent_at,
            complete=is_whole and not body.is_cut,
        )
        asked = next((v.lower() for n, v in head.headers if n.lower() == "connection"), "")
        stays = "close" not in asked and (version == "1" or "keep-alive" in asked)
        return reply, stays and is_whole and body.ends_by_itself and not body.is_cut and not body.rest

    def _read_body(self, body: "Body", timeout: float, *, may_be_part: bool) -> bool:
        """Whether it is whole. Part of a page is worth nothing; of every other answer the status is the news."""
        try:
            with self._blamed(timeout):
                while not body.is_done:
                    if not (data := self._read()):
                        body.end()
                        break
                    body.take(data)
        except Broken:
            if not may_be_part:
                raise
            return False
        return True

    def _head(self) -> tuple[Head, str, int]:
        reader = HeadReader(lambda start: b"HTTP/1."[: len(start)] == start[:7])
        data = self._read()
        for _ in range(_MOST_INTERIM):
            while (head := reader.receive(data)) is None:
                if not (data := self._read()):
                    raise self._cut_short()
            line = _STATUS_LINE.fullmatch(head.first_line)
            if line is None:
                raise Broken(not_http("its status line is none"))
            if int(line[2]) >= 200:
                self._unread = head.rest
                return head, line[1], int(line[2])
            data = head.rest or self._read()
        raise Broken(not_http("it answers and answers, and never with an end"))

    def _cut_short(self) -> Broken:
        words = "it ended before an answer"
        return Broken(Failure(kind="http.closed", spoke_last=Speaker.REMOTE, detail=words))

    def _read(self) -> bytes:
        """What comes next, nothing at the end.

        Raises:
            OSError: it broke, or the time is over.
        """
        if kept := self._unread:
            self._unread = b""
            return kept
        while not self.has_ended:
            if data := self._received(self._receive()):
                self.has_heard = True
                self._bytes_in += len(data)
                return data
        if not self.has_heard:
            raise self._cut_short()
        return b""

    def _received(self, data: bytes) -> bytes:
        if not data:
            self.has_ended = True
        if self._tls is None:
            return data
        self._tls.take(data) if data else self._tls.take_end()
        plain = self._tls.opened()
        if self._tls.broken is not None and data:
            raise self._tls.broken
        self.has_ended |= self._tls.has_ended
        return plain

    def _receive(self) -> bytes:
        self.socket.settimeout(self._left())
        received: bytes = self.socket.recv(LARGEST_READ)
        return received

    def _write(self, data: bytes) -> None:
        with memoryview(data) as waiting:
            start = 0
            while start < len(data):  # gevent's sendall asks the kernel for an option each time
                self.socket.settimeout(self._left())
                start += self.socket.send(waiting[start:])

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @contextlib.contextmanager
    def _blamed(self, timeout: float) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            detail = f"no {'end of the page' if self.has_heard else 'answer'} in {timeout:g} s"
            raise Broken(Failure(kind="http.open-timeout", spoke_last=Speaker.LOCAL, detail=detail)) from None
        except OSError as error:
            self.has_ended = True
            raise Broken(failure_of(error, Phase.UPGRADING)) from None

    def close(self) -> None:
        self.has_ended = True
        self.socket.close()
