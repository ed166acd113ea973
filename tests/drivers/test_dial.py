import errno
import socket
import ssl
import struct
import sys
from itertools import count

import pytest

from probe.drivers.dial import (
    DialPlan,
    Found,
    Stopwatch,
    failure_of,
    literal_address,
    most_telling,
    system_resolver,
    tcp_facts,
    without_a_source,
)
from probe.model.endpoint import Address
from probe.model.events import Phase, PhaseFinished, TcpFacts

V4 = [Found(socket.AF_INET, (f"192.0.2.{n}", 443)) for n in (1, 2, 3)]
V6 = [Found(socket.AF_INET6, (f"2001:db8::{n}", 443, 0, 0)) for n in (1, 2)]


def plan(**changes: object) -> DialPlan:
    address = Address(secure=True, host="broker.test.", port=443, path="/")
    return DialPlan(address=address, **changes)  # type: ignore[arg-type]


class WindowsError10(OSError):
    """What Windows raises: a number of its own beside the one it is translated to."""

    def __init__(self, winerror: int, number: int) -> None:
        super().__init__(number, "words")
        self.winerror = winerror


def tls_error(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, "words")
    error.reason = reason
    return error


def certificate_error(code: int) -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, "words")
    error.verify_code, error.verify_message = code, f"what code {code} means"
    return error


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("tcp.refused", (111, 61, 10061)),
        ("tcp.timeout", (110, 60, 10060)),
        ("tcp.reset-in-path", (104, 54, 10054)),
        ("tcp.unreachable", (101, 113, 51, 65, 10051, 10065, 22)),
        ("tcp.denied-locally", (13, 1, 10013)),
        ("host.fd-limit", (24, 10024)),
        ("host.no-ports", (99, 49, 10048, 10055)),
    ],
)
def test_each_systems_number_for_a_failed_attempt_is_known(kind: str, numbers: tuple[int, ...]) -> None:
    assert [failure_of(OSError(number, "words"), Phase.CONNECTING).kind for number in numbers] == [
        kind
    ] * len(numbers)


@pytest.mark.parametrize(
    ("winerror", "phase", "kind"),
    [(1225, Phase.CONNECTING, "tcp.refused"), (121, Phase.LIVE, "session.half-open")],
)
def test_windows_own_number_goes_before_its_translation(winerror: int, phase: Phase, kind: str) -> None:
    assert failure_of(WindowsError10(winerror, 22), phase).kind == kind


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ECONNRESET, "session.tcp-reset"),
        (errno.EPIPE, "session.tcp-reset"),
        (errno.ECONNABORTED, "session.tcp-reset"),
        (errno.ETIMEDOUT, "session.half-open"),
        (errno.EHOSTUNREACH, "session.network-gone"),
        (errno.ENETUNREACH, "session.network-gone"),
        (errno.ENETDOWN, "session.network-gone"),
        (errno.EBADMSG, "session.tcp-reset"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.UPGRADING, Phase.AUTHENTICATING, Phase.LIVE])
def test_errors_of_an_open_connection_are_told_by_number(number: int, kind: str, phase: Phase) -> None:
    assert failure_of(OSError(number, "words"), phase).kind == kind


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("dns.nxdomain", (-2, 8, 11001)),
        ("dns.temporary-failure", (-3, 11002, -11)),
        ("dns.no-address", (-5, 11004)),
    ],
)
def test_each_systems_number_for_a_failed_lookup_is_known(kind: str, numbers: tuple[int, ...]) -> None:
    errors = [socket.gaierror(number, "words") for number in numbers]
    assert [failure_of(error, Phase.RESOLVING).kind for error in errors] == [kind] * len(numbers)


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("tls.server-cert-expired", (10,)),
        ("tls.not-yet-valid", (9,)),
        ("tls.unknown-ca", (18, 19, 20, 21)),
        ("tls.hostname", (62, 64)),
        ("tls.not-verified", (47, 7)),
    ],
)
def test_a_refused_certificate_is_told_by_openssls_code(kind: str, codes: tuple[int, ...]) -> None:
    failures = [failure_of(certificate_error(code), Phase.SECURING) for code in codes]
    assert [failure.kind for failure in failures] == [kind] * len(codes)
    assert failures[0].detail == f"what code {codes[0]} means"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("WRONG_VERSION_NUMBER", "tls.plain-on-tls"),
        ("RECORD_LAYER_FAILURE", "tls.plain-on-tls"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "tls.version"),
        ("UNSUPPORTED_PROTOCOL", "tls.version"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "tls.client-cert-required"),
        ("UNEXPECTED_EOF_WHILE_READING", "tls.eof-in-handshake"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "tls.alert"),
        ("TLSV1_UNRECOGNIZED_NAME", "tls.alert"),
        ("DH_KEY_TOO_SMALL", "tls.not-verified"),
    ],
)
def test_a_failed_handshake_is_told_by_openssls_reason(reason: str, kind: str) -> None:
    failure = failure_of(tls_error(reason), Phase.SECURING)
    assert (failure.kind, failure.detail) == (kind, reason)


def test_tls_errors_of_an_open_connection_break_it_but_for_the_late_refusal() -> None:
    assert (
        failure_of(tls_error("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), Phase.LIVE).kind == "session.tls-broken"
    )
    assert failure_of(tls_error("TLSV1_ALERT_INTERNAL_ERROR"), Phase.LIVE).kind == "session.tls-broken"
    late = tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED")
    assert failure_of(late, Phase.UPGRADING).kind == "tls.client-cert-required"


def test_an_end_in_the_handshake_has_two_names() -> None:
    assert failure_of(ConnectionResetError(), Phase.SECURING).kind == "tls.eof-in-handshake"
    assert failure_of(ssl.SSLEOFError(8, "words"), Phase.SECURING).kind == "tls.eof-in-handshake"
    assert (
        failure_of(ConnectionResetError(errno.ECONNRESET, "words"), Phase.SECURING).kind
        == "tcp.reset-in-path"
    )


@pytest.mark.parametrize(
    ("phase", "kind"),
    [(Phase.RESOLVING, "dns.timeout"), (Phase.CONNECTING, "tcp.timeout"), (Phase.SECURING, "tls.timeout")],
)
def test_a_deadline_is_named_after_its_phase(phase: Phase, kind: str) -> None:
    assert failure_of(TimeoutError(), phase).kind == kind


def test_the_error_that_counts_is_at_the_end_of_the_chain() -> None:
    try:
        try:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the port said so")
        except OSError as cause:
            raise RuntimeError("All connection attempts failed") from cause
    except RuntimeError as error:
        failure = failure_of(error, Phase.CONNECTING)
    assert (failure.kind, "the port said so" in failure.detail) == ("tcp.refused", True)


def test_a_chain_is_not_followed_where_it_was_cut_or_bites_its_tail() -> None:
    cut = TimeoutError()
    cut.__context__, cut.__suppress_context__ = ConnectionRefusedError(errno.ECONNREFUSED, "words"), True
    assert failure_of(cut, Phase.CONNECTING).kind == "tcp.timeout"
    ring = RuntimeError("a")
    ring.__cause__ = RuntimeError("b")
    ring.__cause__.__cause__ = ring
    assert failure_of(ring, Phase.CONNECTING).kind == "tcp.unreachable"


def test_a_lost_race_is_told_by_an_address_that_was_reached() -> None:
    unreachable, refused = (
        OSError(errno.ENETUNREACH, "words"),
        ConnectionRefusedError(errno.ECONNREFUSED, "words"),
    )
    assert most_telling([unreachable, refused]) is refused
    assert most_telling([unreachable, OSError(errno.EHOSTUNREACH, "words")]) is unreachable


def test_no_local_address_is_told_from_no_local_port() -> None:
    """The same number for both. Loopback can always be reached, broadcasting is not allowed to a fresh socket."""
    no_port = OSError(errno.EADDRNOTAVAIL, "words")
    assert without_a_source(no_port, Found(socket.AF_INET, ("127.0.0.1", 9))) is no_port
    elsewhere = without_a_source(no_port, Found(socket.AF_INET, ("255.255.255.255", 9)))
    assert failure_of(elsewhere, Phase.CONNECTING).kind == "tcp.unreachable"
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "words")
    assert without_a_source(refused, Found(socket.AF_INET, ("255.255.255.255", 9))) is refused


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_a_measurement_takes_the_systems_first_address() -> None:
    assert plan().candidates([*V6, *V4]) == V6[:1]


def test_a_race_alternates_the_families_beginning_with_the_systems_favourite() -> None:
    racing = plan(happy_eyeballs=True)
    assert racing.candidates([*V6, *V4]) == [V6[0], V4[0], V6[1], V4[1], V4[2]]
    assert racing.candidates(V4) == V4


def test_a_source_address_decides_the_family() -> None:
    assert plan(source_address="192.0.2.9").candidates([*V6, *V4]) == V4[:1]
    with pytest.raises(socket.gaierror) as caught:
        plan(source_address="2001:db8::9").candidates(V4)
    assert failure_of(caught.value, Phase.RESOLVING).kind == "dns.no-address"


def test_the_verified_name_is_the_host_unless_named() -> None:
    assert plan().verified_name == "broker.test"
    assert plan(server_name="other.test").verified_name == "other.test"


def test_an_address_needs_no_resolver() -> None:
    assert literal_address("192.0.2.1", 443) == V4[:1]
    assert literal_address("2001:db8::1", 443) == V6[:1]
    assert literal_address("broker.invalid", 443) is None
    assert system_resolver("127.0.0.1", 80) == [Found(socket.AF_INET, ("127.0.0.1", 80))]


def test_the_stopwatch_times_phases_one_after_the_other() -> None:
    ticks = count(10.0)
    watch = Stopwatch(lambda: next(ticks))
    first = watch.finished()
    watch.begin(Phase.CONNECTING)
    assert first == PhaseFinished(at=11.0, phase=Phase.RESOLVING, began_at=10.0)
    assert watch.finished() == PhaseFinished(at=13.0, phase=Phase.CONNECTING, began_at=12.0)


# -- the kernel's view -------------------------------------------------------------------------------------------------


class Kernel:
    def __init__(self, told: bytes) -> None:
        self.told = told

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        return self.told[:buflen]

    def fileno(self) -> int:
        return -1


@pytest.mark.parametrize(
    ("system", "told"),
    [
        # struct tcp_info: 8 single bytes, then 24 words; these are words 15, 16 and 23
        ("linux", struct.pack("=8B24I8x", *[9] * 8, *[7] * 15, 12_000, 3_000, *[7] * 6, 4)),
        # struct tcp_connection_info: 4 single bytes, 13 words, 7 double words; words 10 and 11, double word 6
        ("darwin", struct.pack("=4B13I7Q", *[9] * 4, *[7] * 10, 12, 3, 7, *[7] * 6, 4)),
    ],
)
def test_each_systems_structure_is_read(monkeypatch: pytest.MonkeyPatch, system: str, told: bytes) -> None:
    monkeypatch.setattr("sys.platform", system)
    facts = tcp_facts(Kernel(told))
    assert facts is not None
    assert facts.rtt_seconds == pytest.approx(0.012)
    assert facts.rtt_variation_seconds == pytest.approx(0.003)
    assert facts.retransmits == 4


def test_an_old_kernel_or_an_unknown_system_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert tcp_facts(Kernel(bytes(100))) is None
    assert tcp_facts(Kernel(bytes(104))) == TcpFacts(
        rtt_seconds=0, rtt_variation_seconds=0, retransmits=0, heard_seconds=0, acknowledged_seconds=0
    )
    monkeypatch.setattr("sys.platform", "win32")
    assert tcp_facts(Kernel(bytes(200))) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells so much")
def test_what_waits_to_be_read_and_for_how_long_nothing_came_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
    ):
        theirs, _ = server.accept()
        with theirs:
            theirs.sendall(b"price")
            ours.recv(5, socket.MSG_PEEK)
            facts = tcp_facts(ours)
    assert facts is not None
    assert (facts.unread_bytes, facts.unacknowledged, facts.backoff) == (5, 0, 0)
    assert facts.heard_seconds is not None
    assert facts.heard_seconds < 1


def test_a_closed_socket_has_no_facts() -> None:
    closed = socket.socket()
    closed.close()
    assert tcp_facts(closed) is None
