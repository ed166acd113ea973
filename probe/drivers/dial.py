"""What every way of dialling shares: the plan, the stopwatch of the phases, and the one table that turns foreign errors
into a `Failure`.

Errors are told apart by class and number, never by a library's text. Python gives the common ones a class of their own
on every system; the numbers of Linux, macOS and Windows stand in one table, because where they overlap they agree or
cannot come from a socket. The error that counts is often deep down the exception chain.
"""

import contextlib
import enum
import errno
import socket
import ssl
import struct
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from probe.drivers.tls import TlsProfile, earliest_end
from probe.model.endpoint import Address
from probe.model.events import Phase, PhaseFinished, TcpFacts
from probe.model.failures import Blame, Failure, Seen
from probe.model.proxy import Proxy

STAGGER_SECONDS = 0.25  # RFC 8305, section 5: how long an attempt is alone before the next one joins
DEADLINES: Mapping[Phase, float] = MappingProxyType(
    {
        Phase.RESOLVING: 5.0,
        Phase.CONNECTING: 10.0,
        Phase.TUNNELLING: 15.0,  # in which the proxy does what we did in the two before
        Phase.SECURING: 10.0,
    }
)


UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)  # connecting goes on, say Unix and Windows

if sys.platform != "win32":
    import fcntl
    import termios

T = TypeVar("T")


class NotDialled(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Found(NamedTuple):
    """One address of a host, as the socket calls want it."""

    family: socket.AddressFamily
    address: tuple[Any, ...]

    @property
    def host(self) -> str:
        return str(self.address[0])


Resolver = Callable[[str, int], Sequence[Found]]


def system_resolver(host: str, port: int, flags: int = 0) -> list[Found]:
    """Ask the system; the answer is in its order of preference. May block for many seconds."""
    answers = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=flags)
    return [Found(family, address) for family, _, _, _, address in answers]


def literal_address(host: str, port: int) -> list[Found] | None:
    """For a host that is an address already, which no resolver needs to see."""
    with contextlib.suppress(socket.gaierror):
        return system_resolver(host, port, socket.AI_NUMERICHOST)
    return None


def on_a_thread(call: Callable[[], T]) -> Future[T]:
    """On a thread of its own: in a pool the time would include our own queue, and a resolver that hangs would hold up
    other lookups and the end of the program."""
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()

    def run() -> None:
        try:
            answer.set_result(call())
        except Exception as problem:  # noqa: BLE001 - raised where it is waited for
            answer.set_exception(problem)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPlan:
    address: Address
    proxy: Proxy | None = None
    tls: TlsProfile = field(default_factory=TlsProfile)
    happy_eyeballs: bool = False  # off: one attempt at the first address, a pure measurement; on: they race
    deadlines: Mapping[Phase, float] = field(default_factory=lambda: DEADLINES)  # seconds for each phase
    server_name: str | None = None  # the name to verify, where it is not the host
    source_address: str | None = None
    resolve: Resolver = system_resolver

    @property
    def first_hop(self) -> tuple[str, int]:
        """Host and port to look up and connect to."""
        hop = self.proxy or self.address
        return hop.host, hop.port

    @property
    def verified_name(self) -> str:
        return (self.server_name or self.address.host).rstrip(".")

    def candidates(self, found: Sequence[Found]) -> list[Found]:
        """The addresses to try, the system's favourite first; in a race families alternate (RFC 8305, section 4)."""
        source = self.source_address
        usable = [
            one for one in found if source is None or (":" in source) == (one.family == socket.AF_INET6)
        ]
        if not usable:
            raise socket.gaierror(-5, "no address of a usable family")  # Linux' number for "no address"
        if not self.happy_eyeballs:
            return usable[:1]
        favoured = [one for one in usable if one.family == usable[0].family]
        others = [one for one in usable if one.family != usable[0].family]
        return [one for pair in zip_longest(favoured, others) for one in pair if one is not None]

    def failure_of(self, error: BaseException, phase: Phase) -> Failure:
        """What stopped a phase of dialling. `TimeoutError()` stands for the phase's deadline."""
        failure = failure_of(error, phase)
        if isinstance(error, TimeoutError) and error.errno is None:
            failure = replace(failure, detail=f"no answer in {self.deadlines[phase]:g} s")
        return naming_the_proxy(failure, self.proxy, phase)

    def given_up(self, phase: Phase) -> Failure:
        """Nobody had the patience to wait for the end of a phase."""
        failure = replace(failure_of(TimeoutError(), phase), detail="given up before an answer came")
        return naming_the_proxy(failure, self.proxy, phase)

    def open_socket(
        self, family: socket.AddressFamily, kind: type[socket.socket] | None = None
    ) -> socket.socket:
        opened = (kind or socket.socket)(family, socket.SOCK_STREAM)
        try:
            # asyncio does this only for sockets that name their protocol. A heartbeat must not wait for company.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.source_address is not None:
                opened.bind((self.source_address, 0))
        except OSError as problem:
            opened.close()
            if problem.errno == errno.EADDRNOTAVAIL:
                raise OSError(
                    errno.ENETUNREACH, f"this machine has no address {self.source_address}"
                ) from None
            raise
        return opened


class Stopwatch:
    """Times the dialler's phases, one after the other; starts with the first."""

    __slots__ = ("_began_at", "_clock", "phase")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.begin(Phase.RESOLVING)

    def begin(self, phase: Phase) -> None:
        self.phase, self._began_at = phase, self._clock()

    def finished(self) -> PhaseFinished:
        return PhaseFinished(at=self._clock(), phase=self.phase, began_at=self._began_at)


# -- from an error to a failure ----------------------------------------------------------------------------------------


class _Trouble(enum.Enum):
    """What an error means to a connection, whichever system says it."""

    REFUSED = enum.auto()
    TIMED_OUT = enum.auto()
    RESET = enum.auto()
    UNREACHABLE = enum.auto()
    DENIED = enum.auto()
    NO_HANDLES = enum.auto()
    NO_PORTS = enum.auto()


_CLASSES: dict[_Trouble, type[OSError] | tuple[type[OSError], ...]] = {
    _Trouble.REFUSED: ConnectionRefusedError,
    _Trouble.TIMED_OUT: TimeoutError,
    _Trouble.RESET: (ConnectionResetError, ConnectionAbortedError, BrokenPipeError),
    _Trouble.DENIED: PermissionError,
}
_NUMBERS: dict[_Trouble, tuple[int, ...]] = {  # of Linux, then macOS, then Windows
    _Trouble.REFUSED: (111, 61, 10061, 1225),
    _Trouble.TIMED_OUT: (110, 60, 10060, 121),
    _Trouble.RESET: (104, 103, 102, 107, 54, 53, 52, 57, 10054, 10053, 10052, 10057, 1236),
    # 22: Linux' word for a black-hole route
    _Trouble.UNREACHABLE: (101, 113, 100, 112, 22, 51, 65, 50, 64, 10051, 10065, 10050, 10064, 1231, 1232),
    _Trouble.DENIED: (13, 1, 10013),
    _Trouble.NO_HANDLES: (24, 23, 10024),
    _Trouble.NO_PORTS: (99, 98, 49, 48, 10048, 10055),
}
_TROUBLE_OF_NUMBER = {number: trouble for trouble, numbers in _NUMBERS.items() for number in numbers}

_KINDS_CONNECTING = {
    _Trouble.REFUSED: "tcp.refused",
    _Trouble.TIMED_OUT: "tcp.timeout",
    _Trouble.RESET: "tcp.reset-in-path",
    _Trouble.UNREACHABLE: "tcp.unreachable",
    _Trouble.DENIED: "tcp.denied-locally",
    _Trouble.NO_HANDLES: "host.fd-limit",
    _Trouble.NO_PORTS: "host.no-ports",
}
_KINDS_OPEN = {
    _Trouble.REFUSED: "session.tcp-reset",
    _Trouble.TIMED_OUT: "session.half-open",
    _Trouble.RESET: "session.tcp-reset",
    _Trouble.UNREACHABLE: "session.network-gone",
    _Trouble.DENIED: "session.network-gone",
    _Trouble.NO_HANDLES: "host.fd-limit",
    _Trouble.NO_PORTS: "session.network-gone",
}
_KINDS = {
    Phase.RESOLVING: {_Trouble.TIMED_OUT: "dns.timeout", _Trouble.NO_HANDLES: "host.fd-limit"},
    Phase.CONNECTING: _KINDS_CONNECTING,
    Phase.TUNNELLING: {_Trouble.TIMED_OUT: "tcp.proxy-silent"},
    Phase.SECURING: _KINDS_CONNECTING | {_Trouble.TIMED_OUT: "tls.timeout"},
}
_KIND_OF_THE_REST = {
    Phase.RESOLVING: "dns.temporary-failure",
    Phase.CONNECTING: "tcp.unreachable",
    Phase.TUNNELLING: "tcp.proxy-closed",
    Phase.SECURING: "tls.not-verified",
}

_KIND_OF_LOOKUP_NUMBER = {
    **dict.fromkeys((-2, 8, 11001), "dns.nxdomain"),
    **dict.fromkeys((-3, -4, 2, 4, 11002, 11003), "dns.temporary-failure"),
    **dict.fromkeys((-5, -9, 7, 1, 11004), "dns.no-address"),
}
_KIND_OF_VERIFY_CODE = {  # X509_V_ERR_… in OpenSSL's x509_vfy.h
    9: "tls.not-yet-valid",
    10: "tls.server-cert-expired",
    **dict.fromkeys((2, 18, 19, 20, 21), "tls.unknown-ca"),
    **dict.fromkeys((62, 64), "tls.hostname"),
}
_LATE_REFUSAL = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED"  # under TLS 1.3 it comes after our side of the handshake is done
)
_KIND_OF_TLS_REASON = {
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"),
        "tls.plain-on-tls",
    ),
    **dict.fromkeys(
        ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"), "tls.version"
    ),
    "UNEXPECTED_EOF_WHILE_READING": "tls.eof-in-handshake",
    "TLSV1_UNRECOGNIZED_NAME": "tls.alert",
    _LATE_REFUSAL: "tls.client-cert-required",
}


def failure_of(error: BaseException, phase: Phase) -> Failure:
    """What a foreign error means in the phase it came in; any phase after the dialler's is an open connection."""
    for step in reversed(list(_chain(error))):
        if kind := _kind_of(step, phase):
            seen = Seen(error=_name_of(step), earliest_end=earliest_end(step))
            return Failure(kind=kind, detail=_words(step), seen=seen)
    kind = _KIND_OF_THE_REST.get(phase, "session.tcp-reset")
    return Failure(kind=kind, detail=_words(error), seen=Seen(error=_name_of(error)))


def naming_the_proxy(failure: Failure, proxy: Proxy | None, phase: Phase) -> Failure:
    """Until there is a tunnel, the other end is the proxy and not the server."""
    if proxy is None or failure.facts.blame is Blame.US:
        return failure
    match phase:
        case Phase.RESOLVING | Phase.CONNECTING:
            kind = "tcp.proxy-unknown" if phase is Phase.RESOLVING else "tcp.proxy-refused"
            words = f"{failure.facts.says}; {failure.detail}".removesuffix("; ")
        case Phase.TUNNELLING:
            kind, words = failure.kind, failure.detail
        case _:
            return failure
    return replace(failure, kind=kind, detail=f"{proxy}: {words}")


def most_telling(errors: Sequence[OSError]) -> OSError:
    """Of a lost race: a family without a route says less about the server than an address that was reached."""
    heard = (error for error in errors if _trouble_of(error) is not _Trouble.UNREACHABLE)
    return next(heard, errors[0])


def without_a_source(error: OSError, target: Found) -> OSError:
    """EADDRNOTAVAIL means "no port left" or "no address of ours leads there". Connecting a UDP socket sends nothing,
    needs no TCP port, and so tells which."""
    if error.errno != errno.EADDRNOTAVAIL:
        return error
    try:
        with socket.socket(target.family, socket.SOCK_DGRAM) as probe:
            probe.connect(target.address)
    except OSError:
        return OSError(errno.ENETUNREACH, f"this machine has no address from which to reach {target.host}")
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)


def _kind_of(error: BaseException, phase: Phase) -> str | None:
    match error:
        case ssl.SSLError():
            return _kind_of_tls(error, securing=phase is Phase.SECURING)
        case socket.gaierror():
            return _KIND_OF_LOOKUP_NUMBER.get(error.errno or 0)
        case ConnectionResetError(errno=None) if phase is Phase.SECURING:
            return "tls.eof-in-handshake"  # asyncio's word for an end without an alert
        case OSError():
            trouble = _trouble_of(error)
            return None if trouble is None else _KINDS.get(phase, _KINDS_OPEN).get(trouble)
        case _:
            return None


def _trouble_of(error: OSError) -> _Trouble | None:
    for trouble, classes in _CLASSES.items():
        if isinstance(error, classes):
            return trouble
    # Windows' own number goes first: 1225 (refused) is translated to 22.
    return _TROUBLE_OF_NUMBER.get(getattr(error, "winerror", None) or error.errno or 0)


def _kind_of_tls(error: ssl.SSLError, *, securing: bool) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _KIND_OF_VERIFY_CODE.get(getattr(error, "verify_code", 0), "tls.not-verified")
    reason = getattr(error, "reason", None) or ""
    if not securing and reason != _LATE_REFUSAL:
        return "session.tls-broken"
    if kind := _KIND_OF_TLS_REASON.get(reason):
        return kind
    if isinstance(error, ssl.SSLEOFError):
        return "tls.eof-in-handshake"
    return "tls.alert" if "_ALERT_" in reason else None


_LOOKUP_NAMES = {
    getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")
}  # numbers differ between systems


def _name_of(error: BaseException) -> str:
    """What the system or OpenSSL calls it; empty: it has no name of its own, as a deadline of ours."""
    match error:
        case ssl.SSLError(reason=str(reason)):
            return reason
        case ssl.SSLEOFError() | ConnectionResetError(errno=None):
            return "EOF"
        case ssl.SSLError():  # its number is OpenSSL's, and no system's
            return ""
        case socket.gaierror(errno=int(number)):
            return _LOOKUP_NAMES.get(number, "")
        case OSError(errno=int(number)):
            return errno.errorcode.get(number, "")
        case _:
            return ""


def _words(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError(verify_message=str(message)):
            return message
        case ssl.SSLError(reason=str(reason)):
            return reason
        case _:
            return str(error)


# -- the kernel's own view ---------------------------------------------------------------------------------------------


class HasOptions(Protocol):
    """A socket, or what a transport shows of one."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...

    def fileno(self) -> int: ...


# struct tcp_info: tcpi_backoff, tcpi_unacked, tcpi_last_data_recv, tcpi_last_ack_recv, tcpi_rtt, tcpi_rttvar,
# tcpi_total_retrans
_LINUX_LAYOUT = struct.Struct("=4xB19xI24xII8xII24xI")
_MACOS_LAYOUT = struct.Struct(
    "=44xII52xQ"
)  # struct tcp_connection_info: tcpi_srtt, tcpi_rttvar, …txretransmitpackets
_MACOS_TCP_CONNECTION_INFO = 0x106


def tcp_facts(sock: HasOptions) -> TcpFacts | None:
    """None: this system does not say, or the socket is closed."""
    facts = None
    if sys.platform == "linux":
        facts = _tcp_facts_of_linux(sock)
    elif sys.platform == "darwin":
        facts = _tcp_facts_of_macos(sock)
    return facts


def _tcp_facts_of_macos(sock: HasOptions) -> TcpFacts | None:
    told = _told(sock, _MACOS_TCP_CONNECTION_INFO, _MACOS_LAYOUT)
    if told is None:
        return None
    rtt, variation, retransmits = told
    return TcpFacts(rtt_seconds=rtt * 1e-3, rtt_variation_seconds=variation * 1e-3, retransmits=retransmits)


def _tcp_facts_of_linux(sock: HasOptions) -> TcpFacts | None:
    told = _told(sock, socket.TCP_INFO, _LINUX_LAYOUT)
    if told is None:
        return None
    backoff, unacknowledged, heard, acknowledged, rtt, variation, retransmits = told
    return TcpFacts(
        rtt_seconds=rtt * 1e-6,
        rtt_variation_seconds=variation * 1e-6,
        retransmits=retransmits,
        unacknowledged=unacknowledged,
        backoff=backoff,
        unread_bytes=_unread_bytes(sock),
        heard_seconds=heard * 1e-3,
        acknowledged_seconds=acknowledged * 1e-3,
    )


def _told(sock: HasOptions, option: int, layout: struct.Struct) -> tuple[int, ...] | None:
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, option, layout.size)
    except OSError:
        return None
    return layout.unpack(told) if len(told) == layout.size else None


def _unread_bytes(sock: HasOptions) -> int:
    """What waits in the kernel for whoever reads here."""
    count = array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, count)
    except (OSError, ValueError):  # the latter: it was closed just now
        return 0
    return count[0]
