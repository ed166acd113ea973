"""One HTTP call by httpx, without its waiting: what is sent, how far it got, and what came of it."""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import urlencode

import httpx

from probe.drivers.dial import failure_of, most_telling, naming_the_proxy
from probe.drivers.proxied_http import proxy_failure
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Secret
from probe.model.errors import LocalProtocolError
from probe.model.events import Phase
from probe.model.failures import Failure, Speaker
from probe.model.proxy import Proxy
from probe.wire.calls import HttpCall, HttpReply

# Who waits inside httpcore knows best what for, so it gives up a little before the time of the whole call is over.
_SOONER = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    tls: TlsProfile = field(default_factory=TlsProfile)
    proxy: Proxy | None = None
    timeout: float = 15.0  # seconds for one call, to the end of its body
    deadline: float = 60.0  # seconds for all calls of a flow; while a person is asked, they stand still
    body_limit: int = 1024 * 1024  # bytes; what is longer is cut


class CallPhase(Enum):
    CONNECTING = (
        "connecting"  # the lookup and the way through a proxy included: httpcore takes them as one step
    )
    SECURING = "securing"
    SENDING = "sending"
    RECEIVING = "receiving"


_PHASES = {  # of httpcore's names for what it does
    "connect_tcp": CallPhase.CONNECTING,
    "start_tls": CallPhase.SECURING,
    "send_request_headers": CallPhase.SENDING,
    "send_request_body": CallPhase.SENDING,
    "receive_response_headers": CallPhase.RECEIVING,
    "receive_response_body": CallPhase.RECEIVING,
}
_PACKED = ("gzip", "x-gzip", "deflate")
_DIALLING = {CallPhase.CONNECTING: Phase.CONNECTING, CallPhase.SECURING: Phase.SECURING}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDone:
    """What everybody may know about a call."""

    method: str
    url: str  # without its query
    seconds: float
    phases: tuple[tuple[CallPhase, float], ...]  # seconds each; an open connection needs the last two only
    status: int | None
    failure: Failure | None


class Unpacker:
    """A body in gzip, or in what HTTP calls deflate."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=47)  # either of the two, by its head

    def unpacked(self, piece: bytes, most: int) -> bytes:
        try:
            return self._zlib.decompress(piece, most)
        except zlib.error:
            raise httpx.DecodingError("it cannot be unpacked") from None


class Exchange:
    """Whoever performs the call does it by `request`, within `limit` seconds, and tells how it goes."""

    request: httpx.Request

    def __init__(
        self,
        call: HttpCall,
        settings: CallSettings,
        until: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.came: HttpReply | Failure | None = None  # set from the start: there is nothing to perform
        self.expired = False
        self._call, self._settings, self._clock = call, settings, clock
        self._began_at = self._phase_began_at = clock()
        self._sent_at: float | None = None
        self._phase = CallPhase.CONNECTING
        self._seconds: dict[CallPhase, float] = {}
        self._response: httpx.Response | None = None
        self._unpacker: Unpacker | None = None
        self._body = bytearray()
        left = until - self._began_at
        self.limit, self._deadline_is_nearer = min(settings.timeout, left), left < settings.timeout
        url = _understood(call.url)
        self._shown = f"{url.scheme}://{url.netloc.decode()}{url.path}" if url else "an address that is none"
        if url is None:
            self.came = Failure(kind="http.redirect", detail="the next address is no http:// or https:// URL")
        elif left <= 0:
            self.came = self._out_of_time()
        else:
            self.request = _request(call, url, httpx.Timeout(self.limit, connect=self.limit * _SOONER))

    def note(self, name: str) -> None:
        """What httpcore begins or has done, such as ``connection.connect_tcp.started``."""
        _, what, moment = name.split(".")
        phase, now = _PHASES.get(what), self._clock()
        if phase is None:
            return
        if moment != "started":
            self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._phase_began_at
            return
        self._phase, self._phase_began_at = phase, now
        if phase is CallPhase.SENDING and self._sent_at is None:
            self._sent_at = now

    def sent(self) -> None:
        """The first byte goes out now; maybe once more, on another connection."""
        self._phase, self._sent_at = CallPhase.SENDING, self._clock()

    def begin_body(self, response: httpx.Response) -> None:
        """
        Raises:
            httpx.DecodingError: it will be compressed in a way that nobody asked for.
        """
        self._response = response
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding in _PACKED:
            self._unpacker = Unpacker()
        elif coding not in (
            "",
            "identity",
        ):  # several, one around the other, make gigabytes of a handful of bytes
            raise httpx.DecodingError(coding)

    def take(self, piece: bytes) -> bool:
        """Whether more is wanted.

        Args:
            piece: As it came. What is compressed is unpacked no further than somebody reads.

        Raises:
            httpx.DecodingError: it is not compressed in the way its head says.
        """
        if self._is_cut:  # nor is there a limit of 0 for what is unpacked
            return False
        if self._unpacker is not None:
            piece = self._unpacker.unpacked(piece, self._settings.body_limit + 1 - len(self._body))
        self._body += piece
        return not self._is_cut

    def finish(self, problem: Exception | None, heard_at: float | None = None) -> None:
        """`heard_at`: when the last byte came, where that is known better than by looking at the clock."""
        if isinstance(problem, httpx.LocalProtocolError):  # it repeats the header, which may be a secret
            raise LocalProtocolError(f"HTTP cannot carry a header of the call to {self._shown}")
        if problem is None and self.expired:
            problem = TimeoutError()
        response = self._response
        # Part of a page is worth nothing; of every other answer the status is the news.
        if response is not None and (problem is None or self._is_cut or not response.is_success):
            self.came = HttpReply(
                url=self._call.url,
                status=response.status_code,
                headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw),
                body=bytes(self._body[: self._settings.body_limit]),
                seconds=(heard_at or self._clock()) - (self._sent_at or self._began_at),
                complete=problem is None and not self._is_cut,
            )
        elif problem is not None:
            failure = self._failure(problem)
            self.came = failure if response is None else replace(failure, http_status=response.status_code)

    def done(self) -> CallDone:
        return CallDone(
            method=self._call.method,
            url=self._shown,
            seconds=self._clock() - self._began_at,
            phases=tuple(self._seconds.items()),
            status=None if self._response is None else self._response.status_code,
            failure=self.came if isinstance(self.came, Failure) else None,
        )

    @property
    def _is_cut(self) -> bool:
        return len(self._body) > self._settings.body_limit

    def _failure(self, problem: Exception) -> Failure:
        causes = list(_causes(problem))
        if self.expired or any(isinstance(cause, TimeoutError) for cause in causes):
            if self._deadline_is_nearer:
                return self._out_of_time()
            return proxy_failure(problem) or self._too_slow()
        if failure := proxy_failure(problem):
            return failure
        match problem:
            case httpx.DecodingError():
                words = "the body is not compressed in the way its head says"
                return Failure(kind="http.not-http", spoke_last=Speaker.REMOTE, detail=words)
            # What h11 cannot read is a cause of its own, which repeats it; an end is only httpcore's word.
            case httpx.RemoteProtocolError() if self._response is None and len(causes) > 2:
                words = "its first bytes are no HTTP/1 answer"
                return Failure(kind="http.not-http", spoke_last=Speaker.REMOTE, detail=words)
            case httpx.RemoteProtocolError():
                words = "before an answer" if self._response is None else "in the middle of the body"
                return Failure(kind="http.closed", spoke_last=Speaker.REMOTE, detail=f"it ended {words}")
            case _:
                return failure_of(_most_telling(causes), _DIALLING.get(self._phase, Phase.UPGRADING))

    def _too_slow(self) -> Failure:
        """The call took longer than a call may."""
        missing = "answer" if self._response is None else "end of the page"
        detail = f"no {missing} in {self._settings.timeout:g} s"
        phase, proxy = _DIALLING.get(self._phase), self._settings.proxy
        if phase is None:
            return Failure(kind="http.open-timeout", spoke_last=Speaker.LOCAL, detail=detail)
        if phase is Phase.CONNECTING and proxy is not None:
            phase = Phase.TUNNELLING
        return naming_the_proxy(replace(failure_of(TimeoutError(), phase), detail=detail), proxy, phase)

    def _out_of_time(self) -> Failure:
        """The flow took longer than a flow may: that says little about this call."""
        words = f"{self._settings.deadline:g} s for all calls together were over while {self._phase.value}"
        return Failure(kind="local.timeout", spoke_last=Speaker.LOCAL, detail=f"{words}, at {self._shown}")


def _understood(url: str) -> httpx.URL | None:
    try:
        understood = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    return understood if understood.scheme in ("http", "https") and understood.host else None


def _request(call: HttpCall, url: httpx.URL, waits: httpx.Timeout) -> httpx.Request:
    """Exactly the headers of the call, and those without which HTTP could not send it."""
    headers = [(name.encode("ascii"), _sent(name, value)) for name, value in call.headers]
    content = kind = None
    if call.form is not None:
        pairs = [(name, _revealed(value)) for name, value in call.form]
        # A password may hold anything, and an encoding error would show it.
        content = urlencode(pairs, errors="surrogatepass").encode()
        kind = b"application/x-www-form-urlencoded"
    elif call.json is not None:
        content, kind = json.dumps(call.json, default=_revealed).encode(), b"application/json"
    if kind is not None and b"content-type" not in {name.lower() for name, _ in headers}:
        headers.append((b"Content-Type", kind))
    extensions = {"timeout": waits.as_dict()}
    return httpx.Request(call.method, url, headers=headers, content=content, extensions=extensions)


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _sent(name: str, value: str | Secret) -> bytes:
    text = _revealed(value)
    if any(ord(char) > 255 for char in text):
        raise LocalProtocolError(f"HTTP cannot carry the header {name!r}")
    return text.encode("latin-1")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """httpcore cuts the chain with ``from None``, so what is suppressed counts."""
    step: BaseException | None = error
    while step is not None:
        yield step
        step = step.__cause__ or step.__context__


def _most_telling(causes: list[BaseException]) -> BaseException:
    """What the system said. anyio wraps it into an error without a number, and several of them into a group."""
    for cause in causes:
        if isinstance(cause, ExceptionGroup):
            return most_telling([one for one in cause.exceptions if isinstance(one, OSError)])
        if isinstance(cause, OSError) and (cause.errno is not None or type(cause) is not OSError):
            return cause
    return causes[0]
