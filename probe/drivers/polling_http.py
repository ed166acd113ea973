"""HTTP calls of one session by httpx, over connections that are dialled, timed and closed as every other one is.

httpcore's own pool and network lose what has to be reported: why a connection could not be opened, and when the first byte
went out. So of httpcore only the connection is used, one for each of ours, and of httpx its transport and its responses.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from math import inf

import httpcore
import httpx

from probe.drivers.aio import Connection, connect
from probe.drivers.dial import DialPlan, NotDialled
from probe.drivers.exchange import CallSettings, Exchange
from probe.drivers.limits import GIVEN_UP
from probe.drivers.proxied_http import NotProxied
from probe.drivers.pump import OnEvent
from probe.model.events import Ended, Event, Phase, TcpFacts, Traffic
from probe.model.failures import Failure, Speaker
from probe.wire.calls import HttpCall, HttpReply
from probe.wire.drivable import Signal

MOST_UNREAD = 1024 * 1024  # bytes; who reads them is called after every arrival, so only a flood comes so far

_FLOOD = Failure(
    kind="session.message-too-big", spoke_last=Speaker.REMOTE, detail="it sent what nobody asked for"
)
_SPEAKS_TLS = Failure(
    kind="http.not-http",
    slug="tls.tls-on-plain",
    spoke_last=Speaker.REMOTE,
    detail="it speaks TLS: write https:// instead of http://",
)
_MAY_SPEAK_TLS = Failure(
    kind="http.closed",
    spoke_last=Speaker.REMOTE,
    detail="it ended before an answer; many ports that speak TLS end so: if it is one, write https://",
)
_ALERT = b"\x15\x03"  # a TLS record that holds one begins so
# nginx, Go and Apache
_WANTS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server"
    rb"|speaking plain HTTP to an SSL-enabled server port"
)
_PAGE_READ = 4096
_FOREIGN = (httpx.HTTPError, OSError, UnicodeError)


class Known(NotProxied):
    """What went wrong is known already; httpx carries it to the one who asked."""


class Web:
    """The connections to one origin, and calls over them. A call to any other origin is not made: its headers may hold a
    credential."""

    def __init__(self, plan: DialPlan, *, timeout: float) -> None:
        # At DEBUG it writes every header that comes in, and cookies are among them.
        logging.getLogger("httpcore.http11").setLevel(logging.INFO)
        address = plan.address
        scheme = b"https" if address.secure else b"http"
        self.origin = httpcore.Origin(scheme, address.host.encode("ascii"), address.port)
        self.given_up = GIVEN_UP  # as what a cancelled dialling counts
        self._plan = plan
        self._settings = CallSettings(tls=plan.tls, proxy=plan.proxy, timeout=timeout)
        self._transport = _Transport(self)
        self._ways: list[_Way] = []
        self._has_dialled = False
        self._leaving: set[asyncio.Task[Ended]] = set()

    async def ask(self, call: HttpCall) -> HttpReply | Failure:
        exchange = Exchange(call, self._settings, inf, asyncio.get_running_loop().time)
        if exchange.came is None:
            await self._perform(exchange)
        assert isinstance(exchange.came, HttpReply | Failure)  # noqa: S101 - it is finished
        return _SPEAKS_TLS if _wants_tls(exchange.came) else exchange.came

    async def _perform(self, exchange: Exchange) -> None:
        exchange.request.extensions["sent"] = exchange.sent
        heard_at, problem = None, None
        try:
            async with asyncio.timeout(exchange.limit):
                response = await self._transport.handle_async_request(exchange.request)
                exchange.begin_body(response)
                way: _Way = response.extensions["way"]
                async for piece in response.aiter_raw():
                    if not exchange.take(piece):
                        # The next read fails, and that closes the generators; leaving them here would not.
                        way.drop()
                heard_at = way.heard_at
        except _FOREIGN as error:
            problem = error
        exchange.finish(problem, heard_at)

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """
        Raises:
            Known: there is no connection, or it broke, or it would lead elsewhere.
            httpcore.ProtocolError: what came is no HTTP.
        """
        if request.url.origin != self.origin:
            words = f"{request.url.origin} is another place than {self.origin}; nothing was sent there"
            raise Known(Failure(kind="http.redirect", spoke_last=Speaker.LOCAL, detail=words))
        way = self._open_way()
        if way is not None:
            try:
                return await way.carry(request)
            except (Known, httpcore.RemoteProtocolError):
                # It was closed when our question was on its way: a server does that with one that was idle for long.
                if not way.died_idle or request.method != b"GET":
                    raise
        try:
            way = await self.dial()
        except NotDialled as end:
            raise Known(end.failure) from None
        return await way.carry(request)

    def _open_way(self) -> "_Way | None":
        for way in list(self._ways):
            if way.is_spent:
                self._ways.remove(way)
                self._see_off(way)
            elif way.is_free:
                return way
        return None

    async def dial(self, on_event: OnEvent = lambda _: None) -> "_Way":
        """
        Raises:
            NotDialled: nobody is there.
            ConfigError: the plan's file of certificate authorities cannot be used.
            Exception: whatever the event callback raised.
        """
        pipe = _Pipe()

        def tell(event: Event) -> None:
            if type(event) is not Ended:
                on_event(event)

        try:
            connection = await connect(pipe, self._plan, on_event=tell)
        except asyncio.CancelledError:
            self.given_up = pipe.failure or GIVEN_UP
            raise
        if not pipe.has_begun:
            await connection.ended()
            raise NotDialled(pipe.failure or GIVEN_UP)
        way = _Way(self.origin, connection, pipe)
        way.may_be_for_tls = not (self._plan.address.secure or self._has_dialled)
        self._has_dialled = True
        self._ways.append(way)
        return way

    # -- the end -------------------------------------------------------------------------------------------------------

    def tcp_facts(self) -> TcpFacts | None:
        """Of the newest connection that is open."""
        told = (way.connection.tcp_facts() for way in reversed(self._ways))
        return next((facts for facts in told if facts is not None), None)

    def abort(self) -> None:
        for way in self._ways:
            way.connection.abort()

    async def aclose(self) -> None:
        """In order; whatever the other end does, it is over within seconds."""
        for way in self._ways:
            self._see_off(way)
        await asyncio.gather(*self._leaving)

    def _see_off(self, way: "_Way") -> None:
        way.close()
        task = asyncio.get_running_loop().create_task(way.connection.ended())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _wants_tls(came: HttpReply | Failure) -> bool:
    if not isinstance(came, HttpReply) or came.status != 400 or not came.url.startswith("http:"):
        return False
    return _WANTS_TLS.search(came.body[:_PAGE_READ]) is not None


class _Transport(httpx.AsyncHTTPTransport):
    """Of httpx's transport only the translation of requests, responses and errors."""

    def __init__(self, web: Web) -> None:
        self._pool = web  # type: ignore[assignment]  # it asks it for nothing else than a pool can


class _Way(httpcore.AsyncNetworkStream):
    """One connection, and httpcore's view of it. The limits of single reads and writes are the call's."""

    def __init__(self, origin: httpcore.Origin, connection: "Connection[_Pipe]", pipe: "_Pipe") -> None:
        self.connection = connection
        self._pipe = pipe
        self._http = httpcore.AsyncHTTP11Connection(origin=origin, stream=self)
        self._calls = 0
        self._is_taken = False  # by a call that httpcore does not know of yet
        self.may_be_for_tls = False  # and what is sent is not
        self._sent: Callable[[], None] | None = None  # to be told when the first byte goes out

    @property
    def is_free(self) -> bool:
        return not self._is_taken and (self._http.is_idle() or self._calls == 0)

    @property
    def is_spent(self) -> bool:
        return self._pipe.is_over or (self.is_free and self._has_leftovers)

    @property
    def _has_leftovers(self) -> bool:
        """What came behind an answer, and would be taken for the next one."""
        kept, _ = self._http._h11_state.trailing_data  # noqa: SLF001 - httpcore would read it so
        return bool(kept or self._pipe.unread)

    @property
    def heard_at(self) -> float | None:
        """When the last byte of this answer came, as far as there is one."""
        return self._pipe.heard_at

    @property
    def died_idle(self) -> bool:
        """It carried calls, and ended without a byte for this one."""
        return self._calls > 1 and self.heard_at is None and self._pipe.is_over

    async def carry(self, request: httpcore.Request) -> httpcore.Response:
        self._calls += 1
        self._is_taken, self._pipe.heard_at, self._sent = True, None, request.extensions["sent"]
        try:
            response = await self._http.handle_async_request(request)
        except httpcore.RemoteProtocolError:
            if self._pipe.beginning == _ALERT:
                raise Known(_SPEAKS_TLS) from None
            if self.may_be_for_tls and not self._pipe.beginning:
                raise Known(_MAY_SPEAK_TLS) from None
            raise
        finally:
            self._is_taken = False
        response.extensions["way"] = self
        return response

    def close(self) -> None:
        self.connection.act(lambda pipe, _: pipe.close(Signal.CLOSE))

    def drop(self) -> None:
        self.connection.act(lambda pipe, _: pipe.close(Signal.ABORT, GIVEN_UP))

    # -- for httpcore --------------------------------------------------------------------------------------------------

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._pipe.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._pipe.is_over:
            raise httpcore.WriteError  # it reads then what came before the end
        if buffer:
            if self._sent is not None:
                self._sent()
                self._sent = None
            self.connection.act(lambda pipe, _: pipe.send(buffer))

    async def aclose(self) -> None:
        self.close()


class _Pipe:
    """A `Drivable` that is told what to send, and keeps what comes until it is read."""

    def __init__(self) -> None:
        self.has_begun = self.is_over = False
        self.failure: Failure | None = None
        self.unread = bytearray()
        self.beginning = b""  # of all that came
        self.heard_at: float | None = None
        self._outgoing: list[bytes | Signal] = []
        self._ended: list[Event] = []
        self._reader: asyncio.Future[None] | None = None

    async def read(self, most: int) -> bytes:
        """No bytes: it ended in order.

        Raises:
            Known: it broke.
        """
        if not self.unread and not self.is_over:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if not self.unread and self.failure is not None:
            raise Known(self.failure)
        data = bytes(self.unread[:most])
        del self.unread[:most]
        return data

    def send(self, data: bytes) -> None:
        self._outgoing.append(data)

    def close(self, how: Signal, failure: Failure | None = None) -> None:
        if not self.is_over:
            self.unread.clear()
            self._outgoing.append(how)
            self._end(failure)

    def _end(self, failure: Failure | None) -> None:
        self.is_over, self.failure = True, failure
        self._wake_reader()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    # -- the driver's side -------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        self.has_begun = True

    def receive(self, item: bytes, now: float) -> None:
        self.heard_at = now
        self.unread += item
        if len(self.beginning) < len(_ALERT):
            self.beginning = (self.beginning + item)[: len(_ALERT)]
        if len(self.unread) > MOST_UNREAD:
            self.close(Signal.ABORT, _FLOOD)
        self._wake_reader()

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if not self.is_over:
            self._end(failure)
        self._ended.append(Ended(at=now, phase=Phase.LIVE, failure=failure, traffic=Traffic()))

    def wake(self, now: float) -> None:
        pass

    def next_wake(self) -> float | None:
        return None

    def outgoing(self) -> list[bytes | Signal]:
        out, self._outgoing = self._outgoing, []
        return out

    def events(self) -> list[Event]:
        ended, self._ended = self._ended, []
        return ended
