"""Flows in both colours, against servers of every kind on loopback."""

import asyncio
import contextlib
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.drivers.calls import arun, run
from probe.drivers.exchange import CallDone, CallPhase, CallSettings
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Secret
from probe.model.errors import ConfigError, LocalProtocolError
from probe.model.failures import Failure
from probe.model.proxy import Proxy, Scheme
from probe.wire.calls import Flow, HttpCall, HttpReply, Question
from tests.drivers.peers import (
    Script,
    beneath_tls,
    black_hole,
    close_at_once,
    closed_port,
    peer,
    read_all,
    reset,
    say_nothing,
)
from tests.drivers.pki import Pki
from tests.drivers.relays import Relay
from tests.drivers.runtimes import LIMIT_SECONDS, nothing_is_left
from tests.drivers.test_contract import linux_only

Colour = Callable[..., Any]
Came = HttpReply | Failure | Secret | None
TIMEOUT = 0.2
PATIENT = CallSettings(timeout=LIMIT_SECONDS, deadline=LIMIT_SECONDS)
HASTY = CallSettings(timeout=TIMEOUT, deadline=LIMIT_SECONDS)
ROOT = Path(__file__).parents[2]
SECRET = "correct-horse-battery"


def in_a_thread(flow: Flow[Any], settings: CallSettings, **more: Any) -> Any:
    return run(flow, settings, **{"answer": nobody, **more})


def on_a_loop(flow: Flow[Any], settings: CallSettings, **more: Any) -> Any:
    async def attempt() -> Any:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await arun(flow, settings, **{"answer": nobody, **more})
        finally:
            for _ in range(
                10
            ):  # httpx leaves generators behind when it cannot unpack; asyncio ends them one by one
                await asyncio.sleep(0)
            await nothing_is_left()

    return asyncio.run(attempt())


both_colours = pytest.mark.parametrize("colour", [in_a_thread, on_a_loop])


def nobody(question: Question) -> Secret | None:
    raise AssertionError(f"nobody expected to be asked {question}")


def calling(*calls: HttpCall | Question) -> Flow[list[Came]]:
    """A flow that takes whatever comes."""
    came: list[Came] = []
    for call in calls:
        came += [(yield call)]
    return came


def get(port: int, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> HttpCall:
    return HttpCall(method="GET", url=f"{scheme}://{host}:{port}{path}")


def page(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*head, b"", body])


class Site:
    """Answers one request after the other with what it is given, and keeps what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.asked: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        stream = sock.makefile("rb")
        for answer in self.answers:
            head = b"".join(iter(stream.readline, b"\r\n"))
            length = [line.split()[1] for line in head.splitlines() if line.startswith(b"Content-Length")]
            self.asked.append(head + b"\r\n" + stream.read(int(length[0]) if length else 0))
            sock.sendall(answer)


def trickling(start: bytes) -> Script:
    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(start)
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"x")
                time.sleep(TIMEOUT / 10)

    return script


# -- the conversation --------------------------------------------------------------------------------------------------


@both_colours
def test_only_the_headers_of_the_call_are_sent_and_what_http_needs(colour: Colour) -> None:
    site = Site(page(b""), page(b""), page(b""))
    form = (("email", Secret("a@b.test")), ("pass word", Secret("ä&\udcff")), ("remember", "1"))
    with peer(site) as port:
        url = f"http://user:pw@127.0.0.1:{port}/sign-in?next=%2F"
        calls = (
            HttpCall(method="GET", url=url, headers=(("user-agent", "Browser"), ("Cookie", Secret("a=1")))),
            HttpCall(method="POST", url=url, headers=(("Accept", "text/html"),), form=form),
            HttpCall(method="POST", url=url, json={"pin": [Secret("123456"), None]}),
        )
        colour(calling(*calls), PATIENT)
    host = f"Host: 127.0.0.1:{port}\r\n".encode()
    body = b"email=a%40b.test&pass+word=%C3%A4%26%ED%B3%BF&remember=1"
    assert site.asked == [
        b"GET /sign-in?next=%2F HTTP/1.1\r\n" + host + b"user-agent: Browser\r\nCookie: a=1\r\n\r\n",
        b"POST /sign-in?next=%2F HTTP/1.1\r\n" + host + b"Accept: text/html\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 56\r\n\r\n" + body,
        b"POST /sign-in?next=%2F HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
        b'Content-Length: 25\r\n\r\n{"pin": ["123456", null]}',
    ]


@both_colours
def test_a_reply_is_told_as_it_came_and_cookies_are_left_to_the_flow(colour: Colour) -> None:
    site = Site(page(b"hello", b"Set-Cookie: a=1", b"Set-COOKIE: b=\xe4"), page(b""))
    with peer(site) as port:
        first, _ = colour(calling(get(port), get(port)), PATIENT)
    assert (first.url, first.status, first.body, first.complete) == (
        f"http://127.0.0.1:{port}/",
        200,
        b"hello",
        True,
    )
    assert first.headers == (("Content-Length", "5"), ("Set-Cookie", "a=1"), ("Set-COOKIE", "b=ä"))
    assert 0 < first.seconds < LIMIT_SECONDS
    assert b"ookie" not in site.asked[1]


@both_colours
def test_a_redirect_is_told_and_not_followed(colour: Colour) -> None:
    site = Site(page(b"", b"Location: /trade", status=b"302 Found"))
    with peer(site) as port:
        (reply,) = colour(calling(get(port)), PATIENT)
    assert (reply.status, reply.header("location"), len(site.asked)) == (302, "/trade", 1)


@both_colours
def test_what_the_flow_returns_is_the_result_and_its_errors_come_out(colour: Colour) -> None:
    def broken() -> Flow[int]:
        yield Question(prompt="PIN")
        raise ZeroDivisionError

    assert colour(calling(), PATIENT) == []
    with pytest.raises(ZeroDivisionError):
        colour(broken(), PATIENT, answer=lambda question: None)


@both_colours
@pytest.mark.parametrize("given", [Secret("123456"), None])
def test_a_question_is_answered(colour: Colour, given: Secret | None) -> None:
    asked: list[tuple[Question, threading.Thread]] = []

    def answer(question: Question) -> Secret | None:
        asked.append((question, threading.current_thread()))
        return given

    assert colour(calling(Question(prompt="PIN")), PATIENT, answer=answer) == [given]
    ((question, thread),) = asked
    assert question == Question(prompt="PIN")
    # A prompt must not block a loop.
    assert (thread is threading.current_thread()) == (colour is in_a_thread)


@both_colours
def test_the_whole_flow_has_a_deadline(colour: Colour) -> None:
    settings = CallSettings(timeout=LIMIT_SECONDS, deadline=TIMEOUT)
    with peer(say_nothing) as port:
        began_at = time.monotonic()
        first, second = colour(calling(get(port, "/one?a=b"), get(closed_port())), settings)
    assert time.monotonic() - began_at < 5 * TIMEOUT
    assert first.kind == second.kind == "local.timeout"
    where = f"0.2 s for all calls together were over while receiving, at http://127.0.0.1:{port}/one"
    assert first.detail == where


@both_colours
def test_the_deadline_stands_still_while_a_person_is_asked(colour: Colour) -> None:
    settings = CallSettings(deadline=TIMEOUT)

    def slowly(question: Question) -> Secret:
        threading.Event().wait(TIMEOUT * 1.1)
        return Secret("1")

    with peer(Site(page(b""))) as port:
        _, reply = colour(calling(Question(prompt="PIN"), get(port)), settings, answer=slowly)
    assert isinstance(reply, HttpReply)


# -- TLS ---------------------------------------------------------------------------------------------------------------


@both_colours
def test_a_verified_server_is_talked_to(colour: Colour, pki: Pki) -> None:
    done: list[CallDone] = []
    with peer(Site(page(b"1"), page(b"2")), tls=pki.servers["good"]) as port:
        settings = CallSettings(tls=pki.profile)
        calls = (get(port, "/a?token=b", "https"), get(port, "/c", "https"))
        replies = colour(calling(*calls), settings, on_call=done.append)
    assert [reply.body for reply in replies] == [b"1", b"2"]
    assert [(one.method, one.url, one.status, one.failure) for one in done] == [
        ("GET", f"https://127.0.0.1:{port}/a", 200, None),
        ("GET", f"https://127.0.0.1:{port}/c", 200, None),
    ]
    assert [[phase for phase, _ in one.phases] for one in done] == [
        [CallPhase.CONNECTING, CallPhase.SECURING, CallPhase.SENDING, CallPhase.RECEIVING],
        [CallPhase.SENDING, CallPhase.RECEIVING],
    ]
    assert all(0 < sum(seconds for _, seconds in one.phases) < one.seconds for one in done)
    assert replies[0].seconds < done[0].seconds


@both_colours
@pytest.mark.parametrize(
    ("server", "minimum", "kind"),
    [
        ("other authority", ssl.TLSVersion.TLSv1_2, "tls.unknown-ca"),
        ("wrong host", ssl.TLSVersion.TLSv1_2, "tls.hostname"),
        ("expired", ssl.TLSVersion.TLSv1_2, "tls.server-cert-expired"),
        ("TLS 1.2 only", ssl.TLSVersion.TLSv1_3, "tls.version"),
        ("TLS 1.2 only", ssl.TLSVersion.TLSv1_2, None),
    ],
)
def test_each_flaw_of_tls_has_its_name(
    colour: Colour, pki: Pki, server: str, minimum: ssl.TLSVersion, kind: str | None
) -> None:
    settings = CallSettings(tls=TlsProfile(ca_file=pki.ca_file, minimum=minimum))
    with peer(Site(page(b"")), tls=pki.servers[server]) as port:
        (came,) = colour(calling(get(port, scheme="https")), settings)
    assert (came.kind if isinstance(came, Failure) else None) == kind


@both_colours
def test_an_authority_that_cannot_be_read_is_a_matter_of_settings(colour: Colour, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        colour(calling(get(1)), CallSettings(tls=TlsProfile(ca_file=tmp_path / "none.pem")))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def fetch(colour: Colour, script: Script, settings: CallSettings = PATIENT, scheme: str = "http") -> Came:
    with peer(script) as port:
        (came,) = colour(calling(get(port, scheme=scheme)), settings)
    assert isinstance(came, HttpReply | Failure)
    return came


@both_colours
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "::1"]], ids=["one", "two"])
def test_a_closed_port_is_reported_as_refused(
    colour: Colour, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, *more, **named: [one for host in addresses for one in resolve(host, *more, **named)],
    )
    (failure,) = colour(calling(get(closed_port(), host="broker.test")), PATIENT)
    assert failure.kind == "tcp.refused"


@both_colours
def test_a_name_that_does_not_exist_is_told(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    (failure,) = colour(calling(get(80, host="broker.invalid")), PATIENT)
    assert failure.kind == "dns.nxdomain"


@both_colours
def test_a_name_that_no_resolver_takes_is_told(colour: Colour) -> None:
    (failure,) = colour(calling(get(80, host="a" * 64 + ".invalid")), PATIENT)
    assert isinstance(failure, Failure)


@both_colours
@pytest.mark.parametrize("url", ["", "/sign-in", "javascript:alert(1)", "http://", "https://[::1", "ws://h/"])
def test_an_address_that_is_none_is_told_to_the_flow(colour: Colour, url: str) -> None:
    done: list[CallDone] = []
    (failure,) = colour(calling(HttpCall(method="GET", url=url)), PATIENT, on_call=done.append)
    assert (failure.kind, done[0].failure) == ("http.redirect", failure)


@linux_only
@both_colours
def test_an_attempt_that_is_not_answered_takes_no_longer_than_a_call_may(colour: Colour) -> None:
    with black_hole() as port:
        (failure,) = colour(calling(get(port)), HASTY)
    assert (failure.kind, failure.detail) == ("tcp.timeout", "no answer in 0.2 s")


@both_colours
@pytest.mark.parametrize(
    ("script", "scheme", "kind", "detail"),
    [
        (say_nothing, "https", "tls.timeout", "no answer in 0.2 s"),
        (say_nothing, "http", "http.open-timeout", "no answer in 0.2 s"),
        (trickling(b"HTTP/1.1 200 OK\r\nX-Slow: "), "http", "http.open-timeout", "no answer in 0.2 s"),
        (trickling(b"HTTP/1.1 200 OK\r\n\r\n"), "http", "http.open-timeout", "no end of the page in 0.2 s"),
    ],
)
def test_a_call_ends_in_time_however_the_server_drags_it_out(
    colour: Colour, script: Script, scheme: str, kind: str, detail: str
) -> None:
    done: list[CallDone] = []
    with peer(script) as port:
        (failure,) = colour(calling(get(port, scheme=scheme)), HASTY, on_call=done.append)
    assert (failure.kind, failure.detail) == (kind, detail)
    assert done[0].failure is failure
    assert 0.9 * TIMEOUT < done[0].seconds < 4 * TIMEOUT
    assert sum(seconds for _, seconds in done[0].phases) == pytest.approx(done[0].seconds, abs=0.5 * TIMEOUT)


@both_colours
def test_a_slow_handshake_and_a_slow_page_share_one_calls_time(colour: Colour, pki: Pki) -> None:
    with peer(trickling(b"HTTP/1.1 200 OK\r\n\r\n"), tls=pki.servers["good"]) as port:
        settings = CallSettings(tls=pki.profile, timeout=TIMEOUT)
        (failure,) = colour(calling(get(port, scheme="https")), settings)
    assert failure.kind == "http.open-timeout"


@both_colours
def test_a_connection_that_was_open_already_is_watched_too(colour: Colour) -> None:
    def script(sock: socket.socket) -> None:
        Site(page(b""))(sock)
        trickling(b"HTTP/1.1 200 OK\r\n\r\n")(sock)

    with peer(script) as port:
        _, failure = colour(calling(get(port), get(port)), HASTY)
    assert failure.kind == "http.open-timeout"


@both_colours
@pytest.mark.parametrize(
    ("script", "kind", "detail", "status"),
    [
        (close_at_once, "http.closed", "it ended before an answer", None),
        (Site(b"HTTP/1.1 200 O"), "http.closed", "it ended before an answer", None),
        (Site(b"220 mail ready\r\n\r\n"), "http.not-http", "its first bytes are no HTTP/1 answer", None),
        (
            Site(b"HTTP/1.1 200 OK\r\nSet-Cookie " + SECRET.encode() + b"\r\n\r\n"),
            "http.not-http",
            "its first bytes are no HTTP/1 answer",
            None,
        ),
        (Site(page(b"12345")[:-1]), "http.closed", "it ended in the middle of the body", 200),
        (
            Site(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "http.closed",
            "it ended in the middle of the body",
            200,
        ),
        (
            Site(page(b"no gzip", b"Content-Encoding: gzip")),
            "http.not-http",
            "the body is not compressed in the way its head says",
            200,
        ),
        (reset, "session.tcp-reset", "", None),
    ],
)
def test_a_broken_answer_is_told_by_how_it_breaks(
    colour: Colour, script: Script, kind: str, detail: str, status: int | None
) -> None:
    came = fetch(colour, script)
    assert isinstance(came, Failure)
    assert (came.kind, came.http_status) == (kind, status)
    assert detail in came.detail


@both_colours
def test_a_port_that_does_not_speak_tls_is_told(colour: Colour) -> None:
    def plain(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    came = fetch(colour, plain, scheme="https")
    assert isinstance(came, Failure)
    assert came.kind == "tls.plain-on-tls"


@both_colours
def test_a_stream_whose_encryption_breaks_is_told(colour: Colour, pki: Pki) -> None:
    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        with beneath_tls(sock) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            read_all(raw)

    with peer(script, tls=pki.servers["good"]) as port:
        (failure,) = colour(calling(get(port, scheme="https")), CallSettings(tls=pki.profile))
    assert failure.kind == "session.tls-broken"


@both_colours
def test_the_status_of_a_refusal_counts_even_if_its_page_never_ends(colour: Colour) -> None:
    started = b"HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\nsorry"
    for script in (Site(started), trickling(started)):
        came = fetch(colour, script, HASTY)
        assert isinstance(came, HttpReply)
        assert (came.status, came.body[:5], came.complete) == (503, b"sorry", False)


@both_colours
@pytest.mark.parametrize(("length", "complete"), [(1000, True), (1001, False)])
def test_a_body_is_cut_where_nobody_needs_it(colour: Colour, length: int, complete: bool) -> None:
    came = fetch(colour, Site(page(b"x" * length)), CallSettings(body_limit=1000))
    assert isinstance(came, HttpReply)
    assert (came.body, came.complete) == (b"x" * 1000, complete)


@both_colours
@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_without_end_is_cut(colour: Colour, compressed: bool) -> None:
    def endless(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + b"Content-Encoding: gzip\r\n" * compressed + b"\r\n")
        packer = zlib.compressobj(wbits=31)
        while True:
            piece = bytes(65536)
            sock.sendall(packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) if compressed else piece)

    came = fetch(colour, endless)
    assert isinstance(came, HttpReply)
    assert (len(came.body), came.complete) == (1024 * 1024, False)


@both_colours
def test_a_proxy_is_gone_through(colour: Colour, pki: Pki) -> None:
    with peer(Site(page(b"hello")), tls=pki.servers["good"]) as port:
        relay = Relay(port)
        with peer(relay.http) as proxy_port:
            settings = CallSettings(tls=pki.profile, proxy=through(proxy_port))
            (reply,) = colour(calling(get(443, scheme="https", host="localhost")), settings)
    assert reply.body == b"hello"
    assert relay.asked.startswith(b"CONNECT localhost:443 ")


@both_colours
@pytest.mark.parametrize("deadline", [LIMIT_SECONDS, TIMEOUT / 2])
def test_a_proxy_that_fails_is_named(colour: Colour, deadline: float) -> None:
    dead, far = through(closed_port()), get(443, scheme="https", host="broker.invalid")
    (failure,) = colour(calling(far), CallSettings(proxy=dead, deadline=deadline))
    assert (failure.kind, str(dead) in failure.detail) == ("tcp.proxy-refused", True)
    with peer(Site(b"HTTP/1.1 407 Who are you\r\n\r\n")) as port:
        (failure,) = colour(calling(far), CallSettings(proxy=through(port)))
    assert (failure.kind, failure.http_status) == ("tcp.proxy-auth", 407)
    with peer(say_nothing) as port:
        settings = CallSettings(proxy=through(port), timeout=TIMEOUT, deadline=deadline)
        (failure,) = colour(calling(far), settings)
    assert failure.kind == ("tcp.proxy-silent" if deadline == LIMIT_SECONDS else "local.timeout")


@linux_only
@both_colours
def test_a_proxy_that_does_not_take_the_connection_is_told_from_one_that_is_silent(colour: Colour) -> None:
    with black_hole() as port:
        settings = CallSettings(proxy=through(port), timeout=2.0)
        (failure,) = colour(calling(get(443, scheme="https", host="broker.invalid")), settings)
    assert failure.kind == "tcp.proxy-refused"


def through(port: int) -> Proxy:
    return Proxy(scheme=Scheme.HTTP, host="127.0.0.1", port=port)


# -- what must not be ---------------------------------------------------------------------------------------------------


@both_colours
@pytest.mark.parametrize("good", [True, False])
def test_no_secret_is_in_what_is_shown_logged_or_thrown(
    colour: Colour, good: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = page(b"", b"Set-Cookie: session=" + SECRET.encode())
    site = Site(answer if good else answer[:-2])
    done: list[CallDone] = []
    with peer(site) as port:
        call = HttpCall(
            method="POST",
            url=f"http://{SECRET}@127.0.0.1:{port}/?token={SECRET}",
            headers=(("Cookie", Secret(SECRET)),),
            form=(("password", Secret(SECRET)),),
        )
        (came,) = colour(calling(call), PATIENT, on_call=done.append)
    assert site.asked[0].count(SECRET.encode()) == 3
    assert isinstance(came, HttpReply) == good
    assert SECRET not in f"{call.headers!r}{call.form!r}{done!r}{done[0].failure}{caplog.text}"


@both_colours
@pytest.mark.parametrize("bad", ["\r\nX: y", " ", "€"])
def test_a_header_that_http_cannot_carry_is_our_bug_and_not_shown(colour: Colour, bad: str) -> None:
    with peer(say_nothing) as port:
        call = HttpCall(
            method="GET", url=f"http://127.0.0.1:{port}/", headers=(("Cookie", Secret(SECRET + bad)),)
        )
        with pytest.raises(LocalProtocolError) as caught:
            colour(calling(call), PATIENT)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def noticing(closed: list[str], *calls: HttpCall | Question) -> Flow[None]:
    try:
        for call in calls:
            _ = yield call
    except GeneratorExit:
        closed.append("closed")
        raise


@both_colours
def test_whatever_breaks_the_run_closes_flow_and_connection(colour: Colour) -> None:
    def upset(question: Question) -> None:
        raise KeyError("not today")

    closed: list[str] = []
    site = Site(page(b""))
    with peer(site) as port, pytest.raises(KeyError, match="not today"):
        colour(noticing(closed, get(port), Question(prompt="PIN")), PATIENT, answer=upset)
    assert closed == ["closed"]


@pytest.mark.parametrize("at", ["a handshake", "a call", "a question"])
def test_a_cancelled_run_closes_flow_and_connection(at: str) -> None:
    closed: list[str] = []
    go_on = threading.Event()
    reached = threading.Event()

    def answer(question: Question) -> None:
        reached.set()
        go_on.wait(LIMIT_SECONDS)

    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        reached.set()
        assert sock.recv(65536) == b""  # it was closed

    async def attempt(port: int) -> None:
        scheme = "https" if at == "a handshake" else "http"
        wanted = Question(prompt="PIN") if at == "a question" else get(port, scheme=scheme)
        task = asyncio.create_task(arun(noticing(closed, wanted), PATIENT, answer=answer))
        await asyncio.to_thread(reached.wait, LIMIT_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await nothing_is_left()

    with peer(script) as port:
        asyncio.run(attempt(port))
    go_on.set()
    assert closed == ["closed"]


def test_two_flows_run_at_once_under_gevent() -> None:
    """The server answers neither before it heard from both."""
    code = """
from gevent import monkey; monkey.patch_all()
import gevent, socket
from probe.drivers.calls import run
from probe.drivers.exchange import CallSettings
from probe.wire.calls import HttpCall

def flow():
    call = HttpCall(method="GET", url="http://127.0.0.1:%d/" % listener.getsockname()[1])
    reply = yield call
    silent = yield call
    return reply.body, silent.kind

with gevent.Timeout(20), socket.create_server(("127.0.0.1", 0)) as listener:
    runs = [gevent.spawn(run, flow(), CallSettings(timeout=0.5), answer=None) for _ in range(2)]
    heard = [listener.accept()[0] for _ in runs]
    for each in heard: each.recv(65536)
    for each in heard: each.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
    print([one.get() for one in runs])
    for each in heard: each.close()
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{[(b'hi', 'http.open-timeout')] * 2}\n", "")
