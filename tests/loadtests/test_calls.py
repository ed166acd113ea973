"""HTTP calls over one connection that is kept: what is sent, what is read, and what comes of servers of every kind."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import event, socket, ssl
from gevent.server import StreamServer

from loadtests import plain_http
from loadtests.calls import Carrier
from loadtests.guard import guard
from probe.drivers.dial import DialPlan, NotDialled
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Secret
from probe.model.endpoint import read_url
from probe.model.errors import LocalProtocolError, UnsafeTarget
from probe.model.events import Event, PhaseFinished
from probe.model.failures import Failure
from probe.wire.calls import HttpCall, HttpReply
from tests.drivers.pki import make_pki

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[["Peer", Any], None]


class Peer:
    """A server that does as a test says with each connection."""

    def __init__(self, serve: Serve, **tls: Any) -> None:
        self.connections = 0
        self.heard: list[bytes] = []
        self._serve = serve
        self.server = StreamServer(("127.0.0.1", 0), self._handle, **tls)

    def _handle(self, sock: Any, _address: Any) -> None:
        self.connections += 1
        with suppress(OSError):
            self._serve(self, sock)

    def request(self, sock: Any) -> bytes:
        """The next one; no bytes: nobody asks any more."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return b""
            data += piece
        self.heard.append(data)
        return data

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def peer(serve: Serve, **tls: Any) -> Iterator[Peer]:
    there = Peer(serve, **tls)
    there.server.start()
    try:
        yield there
    finally:
        there.server.stop(timeout=0)


def answering(*answers: bytes) -> Serve:
    """These, one after the other, the last one again and again."""

    def serve(there: Peer, sock: Any) -> None:
        while there.request(sock):
            sock.sendall(answers[min(len(there.heard), len(answers)) - 1])

    return serve


def carrier(url: str, **more: Any) -> Carrier:
    tls = more.pop("tls", TlsProfile())
    plan = DialPlan(address=read_url(url), tls=tls, resolve=guard().resolve)
    return Carrier(plan, **{"timeout": 5.0} | more)


def get(url: str, path: str = "/") -> HttpCall:
    return HttpCall(method="GET", url=url + path, headers=(("Accept", "application/json"),))


def test_one_connection_carries_all_calls_and_its_traffic_is_counted() -> None:
    with peer(answering(OK)) as there:
        on = carrier(there.url)
        replies = [on.ask(get(there.url, f"/{number}")) for number in range(5)]
        on.close()
    assert [reply.body for reply in replies if isinstance(reply, HttpReply)] == [b"ok"] * 5
    assert there.connections == 1
    traffic = on.traffic
    assert (traffic.messages_sent, traffic.messages_received) == (5, 5)
    assert (traffic.bytes_sent, traffic.bytes_received) == (sum(map(len, there.heard)), 5 * len(OK))


def test_exactly_the_headers_of_the_call_are_sent_and_those_that_http_needs() -> None:
    with peer(answering(OK)) as there:
        on = carrier(there.url)
        on.ask(get(there.url, "/a?b=c"))
        on.close()
    host = there.url.removeprefix("http://")
    assert there.heard == [
        f"GET /a?b=c HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode()
    ]


@pytest.mark.parametrize(
    ("call", "kind", "body"),
    [
        ({"json": {"password": Secret("öß")}}, b"application/json", b'{"password": "\\u00f6\\u00df"}'),
        (
            {"form": (("email", "a@b"), ("pw", Secret("x y")))},
            b"application/x-www-form-urlencoded",
            b"email=a%40b&pw=x+y",
        ),
    ],
)
def test_secrets_are_revealed_to_the_server_alone(call: dict[str, Any], kind: bytes, body: bytes) -> None:
    def serve(there: Peer, sock: Any) -> None:
        heard = there.request(sock)
        while not heard.endswith(body):
            heard += sock.recv(65536)
        there.heard.append(heard)
        sock.sendall(OK)

    with peer(serve) as there:
        on = carrier(there.url)
        assert isinstance(on.ask(HttpCall(method="POST", url=there.url + "/", **call)), HttpReply)
        on.close()
    assert b"Content-Type: " + kind in there.heard[-1]
    assert f"Content-Length: {len(body)}".encode() in there.heard[-1]


def test_a_header_that_http_cannot_carry_is_not_repeated() -> None:
    with peer(answering(OK)) as there:
        call = HttpCall(method="GET", url=there.url + "/", headers=(("Cookie", Secret("a\r\nplanted")),))
        with pytest.raises(LocalProtocolError) as refused:
            carrier(there.url).ask(call)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            b"abcde",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n", b"a"),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_body_is_read_to_its_end_however_it_is_cut_up(answer: bytes, body: bytes, size: int) -> None:
    def serve(there: Peer, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while there.request(sock):
            for start in range(0, len(answer), size):
                sock.sendall(answer[start : start + size])
                gevent.sleep(0)

    with peer(serve) as there:
        on = carrier(there.url)
        replies = [on.ask(get(there.url)) for _ in range(2)]
        on.close()
    assert [reply.body for reply in replies if isinstance(reply, HttpReply)] == [body, body]
    assert there.connections == 1


def test_what_is_compressed_is_unpacked_no_further_than_anybody_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plain_http, "BODY_LIMIT", 1000)
    packed = gzip.compress(b"a" * 1_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with peer(answering(head + packed)) as there:
        reply = carrier(there.url).ask(get(there.url))
    assert isinstance(reply, HttpReply)
    assert (reply.body, reply.complete) == (b"a" * 1000, False)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "http.not-http"),
        (b"HTTP/1.1 abc\r\n\r\n", "http.not-http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "http.not-http"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "http.not-http"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz", "http.not-http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "http.closed"),
        (b"HTTP/1.1 2", "http.closed"),
        (b"", "http.closed"),
    ],
)
def test_what_is_no_answer_is_a_failure_with_its_reason(answer: bytes, kind: str) -> None:
    def serve(there: Peer, sock: Any) -> None:
        there.request(sock)
        sock.sendall(answer)
        sock.close()

    with peer(serve) as there:
        came = carrier(there.url).ask(get(there.url))
    assert isinstance(came, Failure)
    assert came.kind == kind


def test_of_a_refusal_that_is_cut_short_the_status_counts() -> None:
    def serve(there: Peer, sock: Any) -> None:
        there.request(sock)
        sock.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\nwait")
        sock.close()

    with peer(serve) as there:
        came = carrier(there.url).ask(get(there.url))
    assert isinstance(came, HttpReply)
    assert (came.status, came.body, came.complete) == (503, b"wait", False)


def test_a_silent_server_is_given_up_in_time() -> None:
    with peer(lambda there, sock: (there.request(sock), gevent.sleep(30))[1]) as there:
        on = carrier(there.url, timeout=0.1)
        began = time.monotonic()
        came = on.ask(get(there.url))
    assert isinstance(came, Failure)
    assert came.kind == "http.open-timeout"
    assert 0.1 <= time.monotonic() - began < 5.0


def test_a_redirect_is_an_answer_and_nobody_goes_there() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"
    with peer(answering(away)) as there:
        on = carrier(there.url)
        came = on.ask(get(there.url))
        elsewhere = on.ask(HttpCall(method="GET", url="https://elsewhere.example/"))
        on.close()
    assert isinstance(came, HttpReply)
    assert came.status == 302
    assert isinstance(elsewhere, Failure)
    assert elsewhere.kind == "http.redirect"
    assert len(there.heard) == 1


def test_a_connection_that_was_closed_while_idle_is_opened_anew_and_that_is_told() -> None:
    def serve(there: Peer, sock: Any) -> None:
        there.request(sock)
        sock.sendall(OK)
        sock.close()

    dials: list[Failure | None] = []
    with peer(serve) as there:
        on = carrier(there.url, on_dial=lambda began, at, failure: dials.append(failure))
        came = []
        for _ in range(3):
            came.append(on.ask(get(there.url)))
            gevent.sleep(0.02)
        on.close()
    assert [type(each) for each in came] == [HttpReply] * 3
    assert (there.connections, dials) == (3, [None, None])


def test_a_server_that_says_it_will_close_is_believed() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    with peer(answering(closing)) as there:
        on = carrier(there.url)
        for _ in range(2):
            on.ask(get(there.url))
        on.close()
    assert there.connections == 2


def test_what_nobody_asked_for_is_never_the_next_answer() -> None:
    with peer(answering(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK)) as there:
        on = carrier(there.url)
        replies = [on.ask(get(there.url)) for _ in range(2)]
        on.close()
    assert [reply.body for reply in replies if isinstance(reply, HttpReply)] == [b"ok", b"ok"]


def test_nor_is_what_came_while_nothing_was_asked() -> None:
    said = event.Event()

    def serve(there: Peer, sock: Any) -> None:
        while there.request(sock):
            sock.sendall(OK)
            if len(there.heard) == 1:
                gevent.sleep(0.01)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
                said.set()

    with peer(serve) as there:
        on = carrier(there.url)
        first = on.ask(get(there.url))
        assert said.wait(timeout=5.0)
        second = on.ask(get(there.url))
        on.close()
    assert [reply.body for reply in (first, second) if isinstance(reply, HttpReply)] == [b"ok", b"ok"]
    assert there.connections == 2


def test_calls_of_one_user_wait_for_each_other() -> None:
    def serve(there: Peer, sock: Any) -> None:
        while there.request(sock):
            gevent.sleep(0.01)
            sock.sendall(OK)

    with peer(serve) as there:
        on = carrier(there.url)
        waiting = [gevent.spawn(on.ask, get(there.url, f"/{number}")) for number in range(4)]
        gevent.joinall(waiting)
        on.close()
    assert [type(each.value) for each in waiting] == [HttpReply] * 4
    assert there.connections == 1


def test_over_tls_it_is_verified_and_each_phase_is_told(tmp_path: Path) -> None:
    pki = make_pki(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "good.pem")
    phases: list[Event] = []
    with peer(answering(OK), ssl_context=served) as there:
        url = f"https://localhost:{there.server.server_port}"
        on = carrier(url, tls=pki.profile, on_event=phases.append)
        replies = [on.ask(get(url)) for _ in range(2)]
        on.close()
        stranger = carrier(url).ask(get(url))
    assert [reply.body for reply in replies if isinstance(reply, HttpReply)] == [b"ok", b"ok"]
    told = [each.phase.value for each in phases if isinstance(each, PhaseFinished)]
    assert told == ["resolving", "connecting", "securing"]
    assert isinstance(stranger, Failure)
    assert stranger.kind == "tls.unknown-ca"


def test_nobody_there_is_a_failure_of_its_phase() -> None:
    with peer(answering(OK)) as there:
        url = there.url
    came = carrier(url).ask(get(url))
    assert isinstance(came, Failure)
    assert came.kind == "tcp.refused"


def test_the_guard_is_asked_before_anything_is_looked_up() -> None:
    plan = DialPlan(address=read_url("https://api.po.market/"))
    with pytest.raises(UnsafeTarget):
        Carrier(plan).dial()


def test_a_carrier_that_was_closed_dials_no_more() -> None:
    with peer(answering(OK)) as there:
        on = carrier(there.url)
        on.ask(get(there.url))
        on.drop()
        came = on.ask(get(there.url))
        with pytest.raises(NotDialled):
            on.dial()
    assert isinstance(came, Failure)
    assert came.kind == "local.timeout"
