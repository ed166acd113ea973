"""What every runtime promises a session, over real loopback sockets. A new driver joins by one line in
`RUNTIMES`."""

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence

import pytest

from probe.drivers.dial import DialPlan, Found, Resolver, system_resolver
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Address
from probe.model.events import Dialled, Ended, Event, PeerBeat, Phase, PhaseFinished
from probe.model.failures import Failure
from probe.wire.drivable import Signal
from tests.drivers.drivables import Alarm, Chatterbox, Lingering, Scripted, Until
from tests.drivers.peers import (
    beneath_tls,
    black_hole,
    close_at_once,
    closed_port,
    echo,
    never_stop,
    peer,
    read_all,
    reset,
    say_nothing,
)
from tests.drivers.pki import Pki
from tests.drivers.runtimes import RUNTIMES, UNGUARDED, Runtime

SHORT = {Phase.RESOLVING: 0.2, Phase.CONNECTING: 0.2, Phase.SECURING: 0.2}
LONG = 10.0
SLACK_SECONDS = 1.0  # five times the deadlines above
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux drops a SYN when the accept queue is full"
)


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    made: Runtime = request.param()
    return made


@pytest.fixture(params=UNGUARDED)
def unguarded(request: pytest.FixtureRequest) -> Runtime:
    made: Runtime = request.param()
    return made


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def plan_for(port: int, pki: Pki | None = None, *, host: str = "127.0.0.1", **changes: object) -> DialPlan:
    """TLS when there is an authority to verify with."""
    address = Address(secure=pki is not None, host=host, port=port, path="/")
    settings: dict[str, object] = {"tls": pki.profile} if pki else {}
    return DialPlan(address=address, **(settings | changes))  # type: ignore[arg-type]


def failure_in(events: Sequence[Event]) -> Failure | None:
    """Every attempt ends in exactly one `Ended`, and nothing comes after it."""
    (ended,) = [event for event in events if isinstance(event, Ended)]
    assert events[-1] is ended
    return ended.failure


def kind_in(events: Sequence[Event]) -> str | None:
    failure = failure_in(events)
    return None if failure is None else failure.kind


def phases_in(events: Sequence[Event]) -> list[Phase]:
    return [event.phase for event in events if isinstance(event, PhaseFinished)]


# -- dialling ----------------------------------------------------------------------------------------------------------


def test_phases_are_told_in_order_and_each_begins_after_the_one_before(
    runtime: Runtime, pki: Pki, secure: bool
) -> None:
    session = Until([b"hello"], 5)
    with peer(echo, tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
    expected = [Phase.RESOLVING, Phase.CONNECTING, Phase.SECURING]
    finished = [event for event in events if isinstance(event, PhaseFinished)]
    assert [event.phase for event in finished] == (expected if secure else expected[:2])
    instants = [instant for event in finished for instant in (event.began_at, event.at)]
    assert instants == sorted(instants)
    assert session.began_at is not None
    assert session.began_at >= instants[-1]
    assert failure_in(events) is None


def test_what_was_dialled_is_told_before_the_session_begins(runtime: Runtime, pki: Pki) -> None:
    with peer(echo, tls=pki.servers["good"]) as port:
        events = runtime.run(Until([b"hello"], 5), plan_for(port, pki))
    (dialled,) = [event for event in events if isinstance(event, Dialled)]
    assert [type(event) for event in events[3:]] == [Dialled, Ended]
    assert (dialled.addresses, dialled.address) == (("127.0.0.1",), "127.0.0.1")
    assert dialled.tls is not None
    assert (dialled.tls.version, dialled.tls.alpn) == ("TLSv1.3", "http/1.1")
    assert (dialled.tls.subject, dialled.tls.issuer) == ("CN=good, O=Tests", "CN=Test Authority, O=Tests")
    assert dialled.tls.names == ("localhost", "127.0.0.1", "0:0:0:0:0:0:0:1")


def test_a_host_name_is_looked_up(runtime: Runtime, pki: Pki) -> None:
    with peer(echo, tls=pki.servers["good"]) as port:
        events = runtime.run(Until([b"hello"], 5), plan_for(port, pki, host="localhost", resolve=as_loopback))
    assert failure_in(events) is None


def test_ipv6_is_dialled(runtime: Runtime, pki: Pki) -> None:
    with peer(echo, host="::1", tls=pki.servers["good"]) as port:
        events = runtime.run(Until([b"hello"], 5), plan_for(port, pki, host="::1"))
    assert failure_in(events) is None


def test_a_closed_port_is_reported_as_refused(runtime: Runtime) -> None:
    session = Scripted()
    events = runtime.run(session, plan_for(closed_port()))
    assert kind_in(events) == "tcp.refused"
    assert phases_in(events) == [Phase.RESOLVING]
    assert session.began_at is None


@linux_only
def test_a_host_that_does_not_answer_is_given_up_at_the_deadline(runtime: Runtime) -> None:
    began = time.monotonic()
    with black_hole() as port:
        events = runtime.run(Scripted(), plan_for(port, deadlines=SHORT))
    assert failure_in(events) == Failure(kind="tcp.timeout", detail="no answer in 0.2 s")
    assert 0.2 <= time.monotonic() - began < SLACK_SECONDS


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (socket.EAI_NONAME, "dns.nxdomain"),
        (socket.EAI_AGAIN, "dns.temporary-failure"),
        (socket.EAI_FAIL, "dns.temporary-failure"),
    ],
)
def test_a_failed_lookup_is_reported_by_its_number(runtime: Runtime, number: int, kind: str) -> None:
    def resolve(host: str, port: int) -> list[Found]:
        raise socket.gaierror(number, "words that differ from system to system")

    events = runtime.run(Scripted(), plan_for(1, host="broker.invalid", resolve=resolve))
    assert kind_in(events) == kind
    assert phases_in(events) == []


def test_an_empty_answer_is_reported_as_no_address(runtime: Runtime) -> None:
    events = runtime.run(Scripted(), plan_for(1, host="broker.invalid", resolve=lambda host, port: []))
    assert kind_in(events) == "dns.no-address"


def test_a_resolver_that_hangs_is_given_up_at_the_deadline(runtime: Runtime) -> None:
    finished = threading.Event()

    def resolve(host: str, port: int) -> list[Found]:
        finished.wait(LONG)
        return []

    began = time.monotonic()
    events = runtime.run(Scripted(), plan_for(1, host="broker.invalid", resolve=resolve, deadlines=SHORT))
    took = time.monotonic() - began
    finished.set()
    assert kind_in(events) == "dns.timeout"
    assert 0.2 <= took < SLACK_SECONDS


def as_loopback(host: str, port: int) -> list[Found]:
    return system_resolver("127.0.0.1", port)


def these(*ports: int) -> Resolver:
    return lambda host, port: [found for one in ports for found in as_loopback(host, one)]


def test_a_pure_measurement_tries_the_first_address_only(runtime: Runtime) -> None:
    with peer(echo) as port, contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        refused = unused.getsockname()[1]
        plan = plan_for(1, host="broker.invalid", resolve=these(refused, port))
        assert kind_in(runtime.run(Scripted(), plan)) == "tcp.refused"


def test_a_resilient_dial_goes_on_to_the_next_address(runtime: Runtime) -> None:
    with peer(echo) as port:
        plan = plan_for(1, host="broker.invalid", resolve=these(closed_port(), port), happy_eyeballs=True)
        events = runtime.run(Until([b"hello"], 5), plan)
    assert failure_in(events) is None


@linux_only
def test_a_resilient_dial_does_not_wait_for_a_silent_address(runtime: Runtime) -> None:
    began = time.monotonic()
    with black_hole() as silent, peer(echo) as port:
        plan = plan_for(1, host="broker.invalid", resolve=these(silent, port), happy_eyeballs=True)
        events = runtime.run(Until([b"hello"], 5), plan)
    assert failure_in(events) is None
    assert 0.25 <= time.monotonic() - began < 5 * 0.25


def test_a_race_without_a_winner_is_one_failure(runtime: Runtime) -> None:
    plan = plan_for(
        1, host="broker.invalid", resolve=these(closed_port(), closed_port()), happy_eyeballs=True
    )
    assert kind_in(runtime.run(Scripted(), plan)) == "tcp.refused"


@linux_only
def test_the_source_address_is_used(runtime: Runtime) -> None:
    seen: list[str] = []

    def look(sock: socket.socket) -> None:
        seen.append(sock.getpeername()[0])
        echo(sock)

    with peer(look) as port:
        events = runtime.run(Until([b"hello"], 5), plan_for(port, source_address="127.0.0.9"))
    assert failure_in(events) is None
    assert seen == ["127.0.0.9"]


def test_a_source_address_of_another_machine_is_no_route(runtime: Runtime) -> None:
    failure = failure_in(runtime.run(Scripted(), plan_for(closed_port(), source_address="203.0.113.9")))
    assert failure is not None
    assert failure.kind == "tcp.unreachable"
    assert "this machine has no address 203.0.113.9" in failure.detail


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "kind"),
    [
        ("expired", "tls.server-cert-expired"),
        ("early", "tls.not-yet-valid"),
        ("wrong host", "tls.hostname"),
        ("other authority", "tls.unknown-ca"),
        ("self-signed", "tls.unknown-ca"),
    ],
)
def test_a_bad_certificate_is_reported_by_what_is_wrong_with_it(
    runtime: Runtime, pki: Pki, certificate: str, kind: str
) -> None:
    session = Scripted([b"a secret"])
    with peer(say_nothing, tls=pki.servers[certificate]) as port:
        events = runtime.run(session, plan_for(port, pki))
    assert kind_in(events) == kind
    assert phases_in(events) == [Phase.RESOLVING, Phase.CONNECTING]
    assert session.began_at is None


def test_the_name_to_verify_can_differ_from_the_host(unguarded: Runtime, pki: Pki) -> None:
    with peer(echo, tls=pki.servers["wrong host"]) as port:
        events = unguarded.run(Until([b"hello"], 5), plan_for(port, pki, server_name="other.test"))
    assert failure_in(events) is None


def test_no_common_tls_version_is_reported(runtime: Runtime, pki: Pki) -> None:
    profile = TlsProfile(ca_file=pki.ca_file, minimum=ssl.TLSVersion.TLSv1_3)
    with peer(say_nothing, tls=pki.servers["TLS 1.2 only"]) as port:
        assert kind_in(runtime.run(Scripted(), plan_for(port, pki, tls=profile))) == "tls.version"


def test_a_server_that_wants_a_client_certificate_is_reported(runtime: Runtime, pki: Pki) -> None:
    with peer(say_nothing, tls=pki.servers["client certificate"]) as port:
        assert kind_in(runtime.run(Scripted(), plan_for(port, pki))) == "tls.client-cert-required"


def test_a_tls_server_that_says_nothing_is_given_up_at_the_deadline(runtime: Runtime, pki: Pki) -> None:
    began = time.monotonic()
    with peer(say_nothing) as port:
        events = runtime.run(Scripted(), plan_for(port, pki, deadlines=SHORT))
    assert failure_in(events) == Failure(kind="tls.timeout", detail="no answer in 0.2 s")
    assert 0.2 <= time.monotonic() - began < SLACK_SECONDS


@pytest.mark.parametrize(
    "banner",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.test ESMTP\r\n"],
    ids=["ssh", "http", "smtp"],
)
def test_a_port_that_speaks_something_else_is_reported_as_plain(
    runtime: Runtime, pki: Pki, banner: bytes
) -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall(banner)
        read_all(sock)

    with peer(talk) as port:
        assert kind_in(runtime.run(Scripted(), plan_for(port, pki))) == "tls.plain-on-tls"


def test_an_alert_in_the_handshake_is_reported(runtime: Runtime, pki: Pki) -> None:
    def alert(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(bytes([21, 3, 3, 0, 2, 2, 40]))  # a TLS record: fatal, handshake_failure
        read_all(sock)

    with peer(alert) as port:
        assert kind_in(runtime.run(Scripted(), plan_for(port, pki))) == "tls.alert"


def test_an_end_in_the_handshake_is_told_from_a_reset(runtime: Runtime, pki: Pki) -> None:
    with peer(close_at_once) as port:
        assert kind_in(runtime.run(Scripted(), plan_for(port, pki))) == "tls.eof-in-handshake"
    with peer(reset) as port:
        assert kind_in(runtime.run(Scripted(), plan_for(port, pki))) == "tcp.reset-in-path"


# -- bytes, in order ---------------------------------------------------------------------------------------------------


def test_bytes_arrive_complete_and_in_order(runtime: Runtime, pki: Pki, secure: bool) -> None:
    says = [bytes([number % 251]) * (number * 37 % 5000) for number in range(400)]
    said = b"".join(says)
    session = Until(says, len(said))
    with peer(echo, tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
    assert failure_in(events) is None
    assert session.received == said


def test_a_close_comes_after_the_bytes_before_it(runtime: Runtime, pki: Pki, secure: bool) -> None:
    said = bytes(range(256)) * 4096
    heard: list[bytes] = []
    session = Scripted([said, Signal.CLOSE, b"too late"])
    with peer(lambda sock: heard.append(read_all(sock)), tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
    assert failure_in(events) is None
    assert heard == [said]


def test_a_half_close_lets_the_other_end_answer(runtime: Runtime) -> None:
    def count(sock: socket.socket) -> None:
        sock.sendall(b"%d bytes" % len(read_all(sock)))

    session = Scripted([b"one", b"two", Signal.HALF_CLOSE])
    with peer(count) as port:
        events = runtime.run(session, plan_for(port))
    assert (failure_in(events), bytes(session.received)) == (None, b"6 bytes")


def test_a_half_close_of_tls_closes(runtime: Runtime, pki: Pki) -> None:
    heard: list[bytes] = []
    with peer(lambda sock: heard.append(read_all(sock)), tls=pki.servers["good"]) as port:
        events = runtime.run(Scripted([b"last words", Signal.HALF_CLOSE]), plan_for(port, pki))
    assert (failure_in(events), heard) == (None, [b"last words"])


def test_an_abort_reaches_the_other_end_as_a_reset(runtime: Runtime, pki: Pki, secure: bool) -> None:
    heard: list[type[OSError]] = []

    def listen(sock: socket.socket) -> None:
        sock.sendall(b"go")
        with beneath_tls(sock) as raw:
            try:
                while raw.recv(65536):
                    pass
            except OSError as error:
                heard.append(type(error))

    with peer(listen, tls=pki.servers["good"] if secure else None) as port:
        runtime.run(Until([], 2, Signal.ABORT), plan_for(port, pki if secure else None))
    assert heard == [ConnectionResetError]


# -- timers ------------------------------------------------------------------------------------------------------------


def test_timers_fire_in_order_soon_and_never_early(runtime: Runtime) -> None:
    session = Alarm(0.09, 0.03, 0.06, 0.03)
    with peer(say_nothing) as port:
        events = runtime.run(session, plan_for(port))
    dues = [due for due, _ in session.rang]
    assert len(dues) == 3
    assert dues == sorted(dues)
    assert all(due <= now < due + 5 * 0.03 for due, now in session.rang)
    beats = [event.at for event in events if isinstance(event, PeerBeat)]
    assert beats == [now for _, now in session.rang]


class Rescheduler(Scripted):
    """Moves its one timer with every byte it hears, by these many seconds."""

    def __init__(self, *moves: float) -> None:
        super().__init__([b"1"])
        self.moves = list(moves)
        self.due = 0.0
        self.rang_at = 0.0

    def begin(self, now: float) -> None:
        super().begin(now)
        self.move(now)

    def move(self, now: float) -> None:
        self.due = now + self.moves.pop(0)
        self.timers.set("only", self.due)

    def on_bytes(self, now: float) -> None:
        if self.moves:
            self.move(now)
            self.send(b"1")

    def on_timer(self, name: str, due: float, now: float) -> None:
        self.rang_at = now
        self.end(now)


@pytest.mark.parametrize(
    "moves", [(9.0, 0.05), (0.02, 0.15), (0.05, 9.0, 0.05)], ids=["earlier", "later", "both"]
)
def test_a_timer_that_moved_fires_when_it_is_due_now(runtime: Runtime, moves: tuple[float, ...]) -> None:
    session = Rescheduler(*moves)
    with peer(echo) as port:
        runtime.run(session, plan_for(port))
    assert session.due <= session.rang_at < session.due + 0.25


# -- ends --------------------------------------------------------------------------------------------------------------


def test_an_orderly_end_is_no_failure(runtime: Runtime, pki: Pki, secure: bool) -> None:
    session = Scripted([b"hello"])
    with peer(close_at_once, tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
    assert failure_in(events) is None
    assert session.end_told == [None]


def test_a_reset_in_the_session_is_reported(runtime: Runtime, pki: Pki, secure: bool) -> None:
    session = Scripted([b"hello"])
    with peer(reset, tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
    assert kind_in(events) == "session.tcp-reset"
    assert len(session.end_told) == 1


def test_a_broken_tls_stream_is_reported(runtime: Runtime, pki: Pki) -> None:
    def garble(sock: socket.socket) -> None:
        sock.recv(65536)
        with beneath_tls(sock) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # the head of a record, and what no key made
            read_all(raw)

    with peer(garble, tls=pki.servers["good"]) as port:
        assert kind_in(runtime.run(Scripted([b"hello"]), plan_for(port, pki))) == "session.tls-broken"


def test_a_session_may_end_later_than_its_transport(runtime: Runtime) -> None:
    refused, cut = Lingering(), Lingering([b"hello"])
    assert kind_in(runtime.run(refused, plan_for(closed_port()))) == "tcp.refused"
    with peer(reset) as port:
        assert kind_in(runtime.run(cut, plan_for(port))) == "session.tcp-reset"
    assert [len(session.end_told) for session in (refused, cut)] == [1, 1]


def test_an_end_from_the_other_side_leaves_our_half_open(runtime: Runtime) -> None:
    heard: list[bytes] = []

    def finish_and_listen(sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_WR)
        heard.append(read_all(sock))

    with peer(finish_and_listen) as port:
        events = runtime.run(Lingering(), plan_for(port))
    assert (failure_in(events), heard) == (None, [b"late words"])


def test_a_peer_that_never_reads_cannot_grow_our_memory(runtime: Runtime, pki: Pki, secure: bool) -> None:
    done = threading.Event()
    session = Chatterbox()
    with peer(lambda sock: done.wait(LONG), tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
        done.set()
    failure = failure_in(events)
    assert failure is not None
    assert "does not read" in failure.detail
    assert session.sent < 32 * 1024 * 1024


def test_a_peer_that_never_stops_cannot_hold_us(runtime: Runtime, pki: Pki, secure: bool) -> None:
    session = Until([b"go"], 1_000_000)
    began = time.monotonic()
    with peer(never_stop, tls=pki.servers["good"] if secure else None) as port:
        events = runtime.run(session, plan_for(port, pki if secure else None))
    assert failure_in(events) is None
    assert time.monotonic() - began < SLACK_SECONDS
