import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from probe.drivers import touch as touching
from probe.drivers.dial import DialPlan, Found
from probe.drivers.limits import FLUSH_SECONDS, GIVEN_UP
from probe.drivers.polling import MOST_CALLS, Conversation, converse
from probe.drivers.polling_http import _Pipe
from probe.drivers.terminal import Terminal
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Redactor, Secret
from probe.model.endpoint import Account, read_url
from probe.model.errors import LocalProtocolError
from probe.model.events import Dialled, Ended, Event, HeartbeatAnswered, Phase, PhaseFinished, Upgraded
from probe.model.failures import Failure
from probe.model.meanings import Admitted
from probe.session.codec import DialectRules
from probe.session.polled import PolledSession, PollPlan, Round, Said
from probe.wire.calls import (
    Asking,
    Call,
    HttpCall,
    HttpReply,
    LookForProcess,
    NewLines,
    NotJson,
    ProcessFound,
    ReadLines,
    Reply,
    TerminalCall,
    TerminalReply,
    Touch,
    Touched,
    read_json,
)
from tests.drivers.peers import black_hole, closed_port, peer
from tests.drivers.pki import Pki
from tests.drivers.runtimes import LIMIT_SECONDS, nothing_is_left

PLANTED = "planted0token"
MIB = 1024 * 1024


# -- the other end -----------------------------------------------------------------------------------------------------


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Peer:
    """One connection to a server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: list[bytes]
    ) -> None:
        self._reader, self._writer, self._heads = reader, writer, heads

    async def hear(self) -> bool:
        """A question's head; False: the other end left."""
        try:
            self._heads.append(await self._reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            return False
        return True

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def listen_to_the_end(self) -> bytes:
        return await self._reader.read()

    def reset(self) -> None:
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[object]]


class Server:
    def __init__(self, scripts: Sequence[Script]) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.gone = asyncio.Event()  # a connection was left by the other end, or by its script
        self._scripts = scripts
        self.tasks: set[asyncio.Task[object]] = set()

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await script(Peer(reader, writer, self.heads))
        writer.close()
        self.gone.set()


@contextlib.asynccontextmanager
async def serving(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """The first connection plays the first script, and so on; the last script is for all others."""
    served = Server(scripts)
    server = await asyncio.start_server(served.play, "127.0.0.1", 0, ssl=tls, limit=MIB)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for _ in range(5):  # who has just connected comes in
            await asyncio.sleep(0)
        for task in served.tasks:
            task.cancel()
        await asyncio.gather(*served.tasks, return_exceptions=True)


async def keep_answering(peer: Peer) -> None:
    while await peer.hear():
        await peer.say(answer())


def once(data: bytes) -> Script:
    """Answer one question so, then wait for the end."""

    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(data)
        await peer.listen_to_the_end()

    return script


def answer_and_then(end: Callable[[Peer], object], *, hears_another: bool) -> Script:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(answer())
        if hears_another:
            await peer.hear()
        end(peer)

    return script


def leave(peer: Peer) -> None:
    pass


# -- the session -------------------------------------------------------------------------------------------------------

RULES = DialectRules(
    path="",
    query={},
    phases=(Phase.OPENING, Phase.LIVE),
    speaks_first={},
    beats=(),
    peer_beats=False,
    needs_login=False,
)


class Questions:
    """Asks those in the phase OPENING, one after the other; then those rounds again and again."""

    rules = RULES

    def __init__(self, *calls: Call, rounds: Sequence[Round] = ()) -> None:
        self.replies: list[Reply] = []
        self._calls, self._rounds = calls, rounds

    def rounds(self) -> Sequence[Round]:
        return self._rounds

    def open(self, now: float) -> Asking[Said]:
        for call in self._calls:
            self.replies.append((yield call))
        return ()

    def enter(self, credentials: object, now: float) -> Asking[Said]:
        yield from ()
        return (Admitted(),)

    def leave(self) -> Asking[None] | None:
        return None


def asking(call: Call) -> Callable[[float], Asking[Said]]:
    def ask(now: float) -> Asking[Said]:
        reply = yield call
        return reply if isinstance(reply, Failure) else ()

    return ask


def session_of(questions: Questions, goal: Phase = Phase.OPENING) -> PolledSession:
    plan = PollPlan(account=Account.DEMO, goal=goal)
    return PolledSession(survey=questions, credentials=None, plan=plan, redact=Redactor(()))


def url_of(port: int, pki: Pki | None = None, host: str = "127.0.0.1") -> str:
    return f"{'https' if pki else 'http'}://{host}:{port}"


def get(base: str, path: str = "/health", method: str = "GET") -> HttpCall:
    return HttpCall(method=method, url=base + path, headers=(("Authorization", Secret(PLANTED)),))


def plan_for(url: str, pki: Pki | None = None) -> DialPlan:
    return DialPlan(address=read_url(url), tls=pki.profile if pki else TlsProfile())


async def ask_all(
    *calls: Call,
    url: str,
    plan: DialPlan | None = None,
    call_seconds: float = LIMIT_SECONDS,
    terminal: Callable[[], Terminal] | None = None,
) -> tuple[list[Reply], list[Event]]:
    """What came of the calls, and what was told."""
    questions, events = Questions(*calls), list[Event]()
    conversation = await converse(
        session_of(questions),
        plan or plan_for(url),
        url=url,
        on_event=events.append,
        call_seconds=call_seconds,
        terminal=terminal,
    )
    ended = await conversation.ended()
    assert ended is events[-1]
    assert [type(event) for event in events].count(Ended) == 1
    assert conversation.tcp_facts() is None
    return questions.replies, events


def run(scenario: Callable[[], Coroutine[object, object, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await scenario()
        await nothing_is_left()

    asyncio.run(bounded())


def statuses(replies: Sequence[Reply]) -> list[object]:
    return [
        reply.status if isinstance(reply, HttpReply) else str(reply.kind)
        for reply in replies
        if isinstance(reply, HttpReply | Failure)
    ]


# -- dialling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_dialling_is_told_phase_by_phase_before_the_session_begins(pki: Pki, secure: bool) -> None:
    async def scenario() -> None:
        async with serving(keep_answering, tls=pki.servers["good"] if secure else None) as server:
            url = url_of(server.port, pki if secure else None)
            _, events = await ask_all(get(url), url=url, plan=plan_for(url, pki if secure else None))
        told = [
            event.phase.name if isinstance(event, PhaseFinished) else type(event).__name__ for event in events
        ]
        securing = ["SECURING"] if secure else []
        assert told == ["RESOLVING", "CONNECTING", *securing, "Dialled", "Upgraded", "OPENING", "Ended"]
        (dialled,) = [event for event in events if isinstance(event, Dialled)]
        assert dialled.address == "127.0.0.1"
        assert (dialled.tls is not None) == secure
        assert server.connections == 1

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("expired", "tls.server-cert-expired"),
        ("wrong host", "tls.hostname"),
        ("other authority", "tls.unknown-ca"),
    ],
)
def test_a_bad_certificate_ends_it_before_anything_is_said(pki: Pki, kind: str, expected: str) -> None:
    async def scenario() -> None:
        async with serving(keep_answering, tls=pki.servers[kind]) as server:
            url = url_of(server.port, pki)
            replies, events = await ask_all(get(url), url=url, plan=plan_for(url, pki))
        ended = events[-1]
        assert isinstance(ended, Ended)
        assert ended.failure is not None
        assert (ended.failure.kind, ended.phase) == (expected, Phase.SECURING)
        assert (replies, server.heads) == ([], [])

    run(scenario)


def test_nobody_there_is_one_end_and_no_beginning() -> None:
    async def scenario() -> None:
        url = url_of(closed_port())
        replies, events = await ask_all(get(url), url=url)
        ended = events[-1]
        assert isinstance(ended, Ended)
        assert ended.failure is not None
        assert (ended.failure.kind, ended.phase, replies) == ("tcp.refused", Phase.CONNECTING, [])

    run(scenario)


def test_cancelling_while_dialling_ends_the_session_with_what_it_was_waiting_for() -> None:
    async def scenario() -> None:
        with black_hole() as port:
            events: list[Event] = []
            is_told = asyncio.Event()

            def note(event: Event) -> None:
                events.append(event)
                is_told.set()

            url = url_of(port)
            dialling = asyncio.create_task(
                converse(session_of(Questions()), plan_for(url), url=url, on_event=note)
            )
            await is_told.wait()  # the lookup is behind us
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
        ended = events[-1]
        assert isinstance(ended, Ended)
        assert ended.failure == Failure(kind="tcp.timeout", detail="given up before an answer came")

    run(scenario)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_cancelling_or_aborting_at_any_step_leaves_nothing(pki: Pki, secure: bool) -> None:
    """After each pass of the loop, from the first to one after all is asked."""

    async def scenario() -> None:
        passes, is_over = 0, False
        while not is_over:
            passes += 1
            async with serving(keep_answering, tls=pki.servers["good"] if secure else None) as server:
                url = url_of(server.port, pki if secure else None)
                questions, events = Questions(*[get(url)] * 2), list[Event]()
                plan = plan_for(url, pki if secure else None)
                dialling = asyncio.create_task(
                    converse(session_of(questions), plan, url=url, on_event=events.append)
                )
                for _ in range(passes):
                    await asyncio.sleep(0)
                dialling.cancel()
                (result,) = await asyncio.gather(dialling, return_exceptions=True)
                if isinstance(result, Conversation):
                    result.abort()
                    await result.ended()
                    assert result.tcp_facts() is None
                is_over = len(questions.replies) == 2
            assert [type(event) for event in events].count(Ended) == 1
            assert isinstance(events[-1], Ended)
            await nothing_is_left()

    run(scenario)


# -- connections -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_all_calls_share_a_connection_that_the_server_keeps(pki: Pki, secure: bool) -> None:
    async def scenario() -> None:
        async with serving(keep_answering, tls=pki.servers["good"] if secure else None) as server:
            url = url_of(server.port, pki if secure else None)
            replies, _ = await ask_all(*[get(url)] * 5, url=url, plan=plan_for(url, pki if secure else None))
        assert statuses(replies) == [200] * 5
        assert server.connections == 1

    run(scenario)


def test_only_the_headers_of_the_call_are_sent_and_no_cookie_is_kept() -> None:
    async def scenario() -> None:
        cookie = answer(headers="Set-Cookie: a=b; Path=/\r\n")

        async def script(peer: Peer) -> None:
            while await peer.hear():
                await peer.say(cookie)

        async with serving(script) as server:
            url = url_of(server.port)
            await ask_all(get(url), get(url), url=url)
            expected = (
                f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: {PLANTED}\r\n\r\n"
            )
        assert server.heads == [expected.encode()] * 2

    run(scenario)


@pytest.mark.parametrize("hears_another", [False, True], ids=["between", "crossing"])
@pytest.mark.parametrize("end", [leave, Peer.reset])
def test_a_connection_closed_while_idle_is_no_failure(
    end: Callable[[Peer], object], hears_another: bool
) -> None:
    async def scenario() -> None:
        script = answer_and_then(end, hears_another=hears_another)
        async with serving(script, keep_answering) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(get(url), get(url), get(url), url=url)
        assert statuses(replies) == [200, 200, 200]
        assert server.connections == 2

    run(scenario)


def test_what_changes_something_is_never_sent_twice() -> None:
    async def scenario() -> None:
        async with serving(answer_and_then(leave, hears_another=True), keep_answering) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(get(url), get(url, method="POST"), url=url)
        assert statuses(replies) == [200, "http.closed"]
        assert len(server.heads) == 2

    run(scenario)


def test_a_question_is_sent_once_more_and_not_for_ever_nor_is_what_answered_before_told_to_speak_tls() -> (
    None
):
    async def hang_up(peer: Peer) -> None:
        await peer.hear()

    async def scenario() -> None:
        async with serving(answer_and_then(leave, hears_another=True), hang_up) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(get(url), get(url), url=url)
        assert statuses(replies) == [200, "http.closed"]
        assert isinstance(replies[1], Failure)
        assert replies[1].detail == "it ended before an answer"
        assert len(server.heads) == 3

    run(scenario)


def test_a_new_connection_that_is_closed_without_an_answer_is_a_failure() -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.hear()

    async def scenario() -> None:
        async with serving(hang_up) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(get(url), url=url)
        assert statuses(replies) == ["http.closed"]
        assert server.connections == 1

    run(scenario)


@pytest.mark.parametrize("heard", [1, 12, 60], ids=["one byte", "some of the head", "some of the body"])
def test_an_answer_that_broke_off_is_not_asked_for_again(heard: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(answer())
        await peer.hear()
        await peer.say(answer(b"x" * 100)[:heard])

    async def scenario() -> None:
        async with serving(script, keep_answering) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(get(url), get(url), url=url)
        assert statuses(replies) == [200, "http.closed"]
        assert len(server.heads) == 2

    run(scenario)


def test_a_server_that_closes_after_every_answer_is_dialled_every_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.0 200 OK\r\n\r\n{}")

    async def scenario() -> None:
        async with serving(script) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(*[get(url)] * 3, url=url)
        assert [reply.body for reply in replies if isinstance(reply, HttpReply)] == [b"{}"] * 3
        assert server.connections == 3

    run(scenario)


def test_a_later_connection_fails_by_the_same_names_as_the_first(pki: Pki) -> None:
    async def scenario() -> None:
        expired = pki.servers["expired"]
        goes_bad = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        goes_bad.load_cert_chain(pki.ca_file.with_name("good.pem"))
        async with serving(answer_and_then(leave, hears_another=False), tls=goes_bad) as server:
            url = url_of(server.port, pki)
            goes_bad.sni_callback = lambda sock, name, context: (
                setattr(sock, "context", expired) if server.connections else None
            )
            replies, _ = await ask_all(get(url, "/1"), get(url, "/2"), url=url, plan=plan_for(url, pki))
        assert statuses(replies) == [200, "tls.server-cert-expired"]

    run(scenario)


def test_bytes_that_nobody_asked_for_spoil_the_connection_and_no_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(answer() + answer(b'"of another question"'))
        await peer.listen_to_the_end()

    async def scenario() -> None:
        async with serving(script, keep_answering) as server:
            url = url_of(server.port)
            replies, _ = await ask_all(get(url), get(url), url=url)
        assert [reply.body for reply in replies if isinstance(reply, HttpReply)] == [b"{}", b"{}"]
        assert server.connections == 2

    run(scenario)


def test_a_flood_between_two_questions_is_cut_off() -> None:
    async def scenario() -> None:
        async def script(peer: Peer) -> None:
            await peer.hear()
            await peer.say(answer())
            with contextlib.suppress(OSError):
                while True:
                    await peer.say(bytes(65536))

        async with serving(script) as server:
            url = url_of(server.port)
            session = session_of(Questions(get(url)), goal=Phase.LIVE)
            conversation = await converse(session, plan_for(url), url=url, on_event=lambda _: None)
            await server.gone.wait()  # the script's writing failed
            assert session.phase is Phase.LIVE
            conversation.abort()
            await conversation.ended()

    run(scenario)


def test_sessions_share_one_tls_context(pki: Pki, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"  # which no other test has
    ca_file.write_bytes(pki.ca_file.read_bytes())

    async def scenario() -> None:
        makes = patch.object(ssl, "create_default_context", wraps=ssl.create_default_context)
        async with serving(keep_answering, tls=pki.servers["good"]) as server:
            url = url_of(server.port, pki)
            with makes as made:
                for _ in range(3):
                    plan = replace(plan_for(url), tls=TlsProfile(ca_file=ca_file))
                    replies, _ = await ask_all(get(url), url=url, plan=plan)
                    assert statuses(replies) == [200]
        assert made.call_count == 1

    run(scenario)


def test_the_kernel_tells_about_the_newest_connection() -> None:
    async def scenario() -> None:
        async with serving(keep_answering) as server:
            url = url_of(server.port)
            session = session_of(Questions(get(url)), goal=Phase.LIVE)
            conversation = await converse(session, plan_for(url), url=url, on_event=lambda _: None)
            facts = conversation.tcp_facts()
            assert facts is not None
            assert facts.rtt_seconds >= 0
            conversation.act(PolledSession.leave)
            await conversation.ended()
            assert conversation.tcp_facts() is None

    run(scenario)


# -- answers that are none ---------------------------------------------------------------------------------------------


async def reply_to_one(script: Script, **settings: float) -> Reply:
    async with serving(script) as server:
        url = url_of(server.port)
        replies, _ = await ask_all(get(url), url=url, **settings)  # type: ignore[arg-type]
    return replies[0]


async def endless(peer: Peer) -> None:
    await peer.hear()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.say(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


@pytest.mark.parametrize("script", [once(answer(b"x" * 10 * MIB)), endless], ids=["10 MB", "endless"])
def test_a_long_body_is_cut_and_costs_no_more_than_its_limit(script: Script) -> None:
    async def scenario() -> None:
        reply = await reply_to_one(script)
        assert isinstance(reply, HttpReply)
        assert (reply.status, reply.complete, len(reply.body)) == (200, False, MIB)
        with pytest.raises(NotJson, match="longer than any answer"):
            read_json(reply)

    run(scenario)


def test_an_endless_body_needs_no_more_memory_than_a_long_one() -> None:
    async def scenario() -> None:
        tracemalloc.start()
        try:
            await reply_to_one(endless)
            assert tracemalloc.get_traced_memory()[1] < 6 * MIB
        finally:
            tracemalloc.stop()

    run(scenario)


async def dribbling(peer: Peer) -> None:
    await peer.hear()
    await peer.say(answer(b"x" * 1000)[:-1000])
    while True:
        await peer.say(b"x")
        await asyncio.sleep(0.02)


async def dribbling_head(peer: Peer) -> None:
    await peer.hear()
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.say(b"a: b\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "missing"),
    [(once(b""), "answer"), (dribbling, "end of the page"), (dribbling_head, "answer")],
    ids=["silent", "dribbling body", "dribbling head"],
)
def test_an_answer_that_takes_too_long_is_given_up(script: Script, missing: str) -> None:
    async def scenario() -> None:
        began = time.monotonic()
        reply = await reply_to_one(script, call_seconds=0.4)
        assert isinstance(reply, Failure)
        assert (reply.kind, reply.detail) == ("http.open-timeout", f"no {missing} in 0.4 s")
        assert time.monotonic() - began < 2

    run(scenario)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!doctype html><title>Welcome</title>", "it is a page"),
        (b'{"name": "\xff\xfe"}', "no UTF-8"),
        (b'{"equity": NaN}', "NaN"),
        (b'{"login": ' + b"9" * 400 + b"}", "400 digits"),
        (b"", "empty"),
    ],
    ids=["HTML", "invalid UTF-8", "NaN", "400 digits", "nothing"],
)
def test_a_body_that_is_no_json_arrives_as_it_is_and_says_why_it_is_none(body: bytes, words: str) -> None:
    async def scenario() -> None:
        reply = await reply_to_one(once(answer(body)))
        assert isinstance(reply, HttpReply)
        assert (reply.body, reply.complete) == (body, True)
        with pytest.raises(NotJson, match=words):
            read_json(reply)

    run(scenario)


async def reset_in_the_body(peer: Peer) -> None:
    await peer.hear()
    await peer.say(answer(b"x" * 1000)[:-500])
    await asyncio.sleep(0.02)  # a reset overtakes what was not read yet
    peer.reset()


@pytest.mark.parametrize(
    ("script", "kind", "status"),
    [
        (reset_in_the_body, "session.tcp-reset", 200),
        (once(answer(headers="X-Long: " + "x" * 300_000 + "\r\n")), "http.not-http", None),
        (once(bytes(range(256)) * 64), "http.not-http", None),
        (once(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), "http.not-http", None),
        (once(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"), "http.not-http", None),
        (once(answer(b"not gzip", headers="Content-Encoding: gzip\r\n")), "http.not-http", 200),
    ],
    ids=["reset in the body", "long header", "garbage", "upgrade", "two lengths", "no gzip"],
)
def test_what_is_no_answer_is_a_failure_with_its_name(script: Script, kind: str, status: int | None) -> None:
    async def scenario() -> None:
        reply = await reply_to_one(script)
        assert isinstance(reply, Failure)
        assert (reply.kind, reply.http_status) == (kind, status)

    run(scenario)


def once_and_leave(data: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(data)

    return script


TO_WRITE = ("tls.tls-on-plain", "it speaks TLS: write https:// instead of http://")


@pytest.mark.parametrize(
    "said",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x15\x03\x03\x00\x02\x02\x0a",
        answer(
            b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
            status="400 Bad Request",
        ),
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        answer(
            b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
            status="400 Bad Request",
        ),
    ],
    ids=["alert", "later alert", "nginx", "Go", "Apache"],
)
def test_a_port_that_says_that_it_speaks_tls_is_to_be_written_with_https(said: bytes) -> None:
    async def scenario() -> None:
        reply = await reply_to_one(once_and_leave(said))
        assert isinstance(reply, Failure)
        assert (reply.kind, reply.code, reply.detail) == ("http.not-http", *TO_WRITE)

    run(scenario)


def test_any_other_bad_request_is_an_answer() -> None:
    async def scenario() -> None:
        reply = await reply_to_one(once(answer(b"which HTTPS port?", status="400 Bad Request")))
        assert isinstance(reply, HttpReply)

    run(scenario)


@pytest.mark.parametrize(("heard", "is_told"), [(b"", True), (b"HTTP/1.1 200 O", False)])
def test_a_first_connection_that_ends_without_a_byte_may_be_one_for_tls(heard: bytes, is_told: bool) -> None:
    async def scenario() -> None:
        reply = await reply_to_one(once_and_leave(heard))
        assert isinstance(reply, Failure)
        assert (reply.kind, "write https://" in reply.detail) == ("http.closed", is_told)

    run(scenario)


def test_a_redirect_is_an_answer_and_the_credential_goes_nowhere_else() -> None:
    async def scenario() -> None:
        async with serving(keep_answering) as other:
            elsewhere = url_of(other.port)
            script = once(answer(status="302 Found", headers=f"Location: {elsewhere}/stolen\r\n"))
            async with serving(script) as server:
                url = url_of(server.port)
                replies, _ = await ask_all(get(url), get(elsewhere), url=url)
        assert statuses(replies) == [302, "http.redirect"]
        assert (other.connections, other.heads) == (0, [])
        assert PLANTED not in repr(replies)

    run(scenario)


def test_no_credential_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        script = once(answer(headers=f"Set-Cookie: {PLANTED}\r\n"))
        with caplog.at_level(logging.DEBUG):
            await reply_to_one(script)

    run(scenario)
    assert PLANTED not in caplog.text


# -- what is measured --------------------------------------------------------------------------------------------------


def test_the_time_of_a_reply_is_from_the_first_byte_sent_to_the_last_one_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Looking the name up for the second connection, and what the loop does until we come to read, do not count."""
    receive = _Pipe.receive

    def receive_and_be_busy(pipe: _Pipe, item: bytes, now: float) -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 0.3)
        receive(pipe, item, now)

    monkeypatch.setattr(_Pipe, "receive", receive_and_be_busy)

    async def slow(peer: Peer) -> None:
        await peer.hear()
        await asyncio.sleep(0.02)
        await peer.say(answer(headers="Connection: close\r\n"))

    def resolve(host: str, port: int) -> list[Found]:
        time.sleep(0.3)
        return [Found(socket.AF_INET, ("127.0.0.1", port))]

    async def scenario() -> None:
        async with serving(slow) as server:
            url = url_of(server.port, host="gateway.test")
            plan = replace(plan_for(url), resolve=resolve)
            replies, _ = await ask_all(get(url), get(url), url=url, plan=plan)
        seconds = [reply.seconds for reply in replies if isinstance(reply, HttpReply)]
        assert len(seconds) == 2
        assert all(0.02 <= each < 0.3 for each in seconds)

    run(scenario)


def test_rounds_are_asked_again_and_again() -> None:
    async def scenario() -> None:
        async with serving(keep_answering) as server:
            url = url_of(server.port)
            beat = Round(name="health", every=0.02, ask=asking(get(url)), is_beat=True)
            beats = asyncio.Queue[Event]()

            def note(event: Event) -> None:
                if isinstance(event, HeartbeatAnswered):
                    beats.put_nowait(event)

            session = session_of(Questions(rounds=[beat]), goal=Phase.LIVE)
            conversation = await converse(session, plan_for(url), url=url, on_event=note)
            for _ in range(3):
                await beats.get()
            conversation.act(PolledSession.leave)
            await conversation.ended()
        assert server.connections == 1

    run(scenario)


# -- several at once, and the end --------------------------------------------------------------------------------------


BUSY = 6  # questions at once


class Held:
    """A server whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0
        self.full, self.enough = asyncio.Event(), asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        while await peer.hear():
            self.now, self.all = self.now + 1, self.all + 1
            self.most = max(self.most, self.now)
            if self.now == MOST_CALLS:
                self.full.set()
            if self.all == BUSY:
                self.enough.set()
            await self.release.wait()
            self.now -= 1
            await peer.say(answer())


def busy(url: str) -> PolledSession:
    rounds = [
        Round(name=str(n), every=60, ask=asking(get(url)), lane=str(n), first_after=0.001)
        for n in range(BUSY)
    ]
    return session_of(Questions(rounds=rounds), goal=Phase.LIVE)


def test_a_few_calls_are_on_their_way_at_once_and_the_others_wait() -> None:
    async def scenario() -> None:
        held = Held()
        async with serving(held) as server:
            url = url_of(server.port)
            conversation = await converse(busy(url), plan_for(url), url=url, on_event=lambda _: None)
            await held.full.wait()
            held.release.set()
            await held.enough.wait()
            conversation.act(PolledSession.leave)
            await conversation.ended()
        assert (held.most, server.connections) == (MOST_CALLS, MOST_CALLS)

    run(scenario)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "end", [Conversation.abort, lambda it: it.act(PolledSession.leave)], ids=["abort", "leave"]
)
def test_an_end_takes_all_calls_with_it(pki: Pki, secure: bool, end: Callable[[Conversation], None]) -> None:
    async def scenario() -> None:
        held, events = Held(), list[Event]()
        async with serving(held, tls=pki.servers["good"] if secure else None) as server:
            url = url_of(server.port, pki if secure else None)
            plan = plan_for(url, pki if secure else None)
            conversation = await converse(busy(url), plan, url=url, on_event=events.append)
            await held.full.wait()
            end(conversation)
            ended = await conversation.ended()
            assert ended is events[-1]
            assert conversation.tcp_facts() is None
            assert asyncio.all_tasks() - server.tasks == {asyncio.current_task()}

    run(scenario)


def test_an_abort_does_not_wait_for_a_goodbye(pki: Pki) -> None:
    is_over = threading.Event()

    def never_say_goodbye(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(answer())
        is_over.wait(LIMIT_SECONDS)

    async def scenario() -> None:
        with peer(never_say_goodbye, tls=pki.servers["good"]) as port:
            live, url = asyncio.Event(), url_of(port, pki)

            def note(event: Event) -> None:
                if isinstance(event, Upgraded):
                    live.set()

            session = session_of(Questions(get(url)), goal=Phase.LIVE)
            conversation = await converse(session, plan_for(url, pki), url=url, on_event=note)
            await live.wait()
            began = time.monotonic()
            conversation.abort()
            await conversation.ended()
            assert time.monotonic() - began < FLUSH_SECONDS / 2
            is_over.set()

    run(scenario)


def test_giving_up_is_told_with_its_reason() -> None:
    async def scenario() -> None:
        async with serving(once(b"")) as server:
            url = url_of(server.port)
            conversation = await converse(
                session_of(Questions(get(url))), plan_for(url), url=url, on_event=lambda _: None
            )
            conversation.abort()
            assert (await conversation.ended()).failure == GIVEN_UP

    run(scenario)


def test_a_bug_of_the_event_callback_ends_it_and_is_raised() -> None:
    def note(event: Event) -> None:
        if isinstance(event, Upgraded):
            raise ZeroDivisionError

    async def scenario() -> None:
        async with serving(keep_answering) as server:
            url = url_of(server.port)
            conversation = await converse(
                session_of(Questions(get(url))), plan_for(url), url=url, on_event=note
            )
            with pytest.raises(ZeroDivisionError):
                await conversation.ended()
            assert conversation.tcp_facts() is None

    run(scenario)


@pytest.mark.parametrize("wanted", [Phase.CONNECTING, Phase.SECURING])
def test_a_bug_of_the_event_callback_while_dialling_is_raised(pki: Pki, wanted: Phase) -> None:
    def note(event: Event) -> None:
        if isinstance(event, PhaseFinished) and event.phase is wanted:
            raise ZeroDivisionError

    async def scenario() -> None:
        async with serving(keep_answering, tls=pki.servers["good"]) as server:
            url = url_of(server.port, pki)
            with pytest.raises(ZeroDivisionError):
                await converse(session_of(Questions()), plan_for(url, pki), url=url, on_event=note)

    run(scenario)


def test_a_bug_of_the_survey_ends_it_and_is_raised() -> None:
    class Broken(Questions):
        def open(self, now: float) -> Asking[Said]:
            yield get(self.url)
            raise ZeroDivisionError

        url = ""

    async def scenario() -> None:
        async with serving(keep_answering) as server:
            questions = Broken()
            questions.url = url_of(server.port)
            conversation = await converse(
                session_of(questions), plan_for(questions.url), url=questions.url, on_event=lambda _: None
            )
            with pytest.raises(ZeroDivisionError):
                await conversation.ended()

    run(scenario)


def test_a_header_that_http_cannot_carry_is_our_mistake_and_is_not_shown() -> None:
    async def scenario() -> None:
        async with serving(keep_answering) as server:
            url = url_of(server.port)
            call = HttpCall(method="GET", url=url, headers=(("Authorization", Secret(PLANTED + "\r\nX: y")),))
            with pytest.raises(LocalProtocolError) as raised:
                await ask_all(call, url=url)
            assert PLANTED not in str(raised.value)
        assert server.heads == []

    run(scenario)


# -- terminals ---------------------------------------------------------------------------------------------------------


class PretendTerminal:
    def __init__(self) -> None:
        self.asked: list[object] = []
        self.tasks: set[object] = set()
        self.is_asked = asyncio.Event()
        self.is_closed = False
        self.hangs = False

    async def ask(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        self.asked.append(call)
        self.tasks.add(asyncio.current_task())
        self.is_asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        if isinstance(call, LookForProcess):
            return ProcessFound(running=True)
        return TerminalReply(value={}, error=1, error_text="Success", seconds=0.001)

    async def close(self) -> None:
        self.is_closed = True


def test_a_terminal_is_opened_once_asked_and_closed_and_nothing_is_dialled() -> None:
    async def scenario() -> None:
        opened: list[PretendTerminal] = []

        def open_it() -> PretendTerminal:
            opened.append(PretendTerminal())
            return opened[-1]

        url = "bridge://127.0.0.1:18812"
        calls = (LookForProcess(), TerminalCall(function="terminal_info"), TerminalCall(function="version"))
        replies, events = await ask_all(*calls, url=url, terminal=open_it)
        (terminal,) = opened
        assert terminal.asked == list(calls)
        assert terminal.is_closed
        assert [type(reply) for reply in replies] == [ProcessFound, TerminalReply, TerminalReply]
        assert not any(isinstance(event, Dialled) for event in events)

    run(scenario)


def test_calls_that_follow_each_other_share_a_task() -> None:
    async def scenario() -> None:
        terminal = PretendTerminal()
        await ask_all(*[LookForProcess()] * 5, url="terminal://local", terminal=lambda: terminal)
        assert (len(terminal.asked), len(terminal.tasks)) == (5, 1)

    run(scenario)


def test_a_terminal_that_nobody_asks_is_not_opened() -> None:
    def open_it() -> PretendTerminal:
        raise AssertionError

    async def scenario() -> None:
        await ask_all(url="terminal://local", terminal=open_it)

    run(scenario)


def test_a_terminal_that_hangs_does_not_hold_up_the_end() -> None:
    async def scenario() -> None:
        terminal, url = PretendTerminal(), "bridge://127.0.0.1:18812"
        terminal.hangs = True
        session = session_of(Questions(LookForProcess()))
        conversation = await converse(
            session, plan_for(url), url=url, on_event=lambda _: None, terminal=lambda: terminal
        )
        await terminal.is_asked.wait()
        conversation.abort()
        await conversation.ended()
        assert terminal.is_closed

    run(scenario)


@pytest.mark.parametrize("url", ["http", "bridge"])
def test_a_call_that_the_endpoint_cannot_answer_is_a_mistake_of_the_survey(url: str) -> None:
    async def scenario() -> None:
        async with serving(keep_answering) as server:
            base = f"{url}://127.0.0.1:{server.port}"
            call = LookForProcess() if url == "http" else get(url_of(server.port))
            with pytest.raises(LocalProtocolError, match="this endpoint is no"):
                await ask_all(call, url=base)

    run(scenario)


# -- logs --------------------------------------------------------------------------------------------------------------


def test_a_log_is_read_on_where_the_session_left_it(tmp_path: Path) -> None:
    log = tmp_path / "20280101.log"
    log.write_text("one\n", encoding="utf-16")

    class Adding(Questions):
        def open(self, now: float) -> Asking[Said]:
            call = ReadLines(folder=str(tmp_path))
            self.replies.append((yield call))
            with log.open("ab") as file:
                file.write("two\n".encode("utf-16-le"))
            self.replies.append((yield call))
            return ()

    async def scenario() -> None:
        questions, url = Adding(), "terminal://local"
        conversation = await converse(session_of(questions), plan_for(url), url=url, on_event=lambda _: None)
        await conversation.ended()
        lines = [reply.lines for reply in questions.replies if isinstance(reply, NewLines)]
        assert lines == [("one",), ("two",)]

    run(scenario)


# -- touching ----------------------------------------------------------------------------------------------------------


async def touch_all(*places: tuple[str, int]) -> list[Reply]:
    calls = [Touch(name="access", host=host, port=port) for host, port in places]
    replies, _ = await ask_all(*calls, url="bridge://127.0.0.1:18812", terminal=PretendTerminal)
    return replies


def test_a_touch_says_nothing_and_leaves() -> None:
    async def scenario() -> None:
        heard: list[bytes] = []

        async def script(peer: Peer) -> None:
            heard.append(await peer.listen_to_the_end())

        async with serving(script) as server:
            (reply,) = await touch_all(("127.0.0.1", server.port))
            await server.gone.wait()
        assert isinstance(reply, Touched)
        assert (reply.address, heard) == ("127.0.0.1", [b""])
        assert 0 < reply.seconds < 1

    run(scenario)


def test_a_touch_of_nobody_is_a_failure_with_its_name() -> None:
    async def scenario() -> None:
        (reply,) = await touch_all(("127.0.0.1", closed_port()))
        assert isinstance(reply, Failure)
        assert reply.kind == "tcp.refused"

    run(scenario)


@pytest.mark.parametrize("at_once", [False, True], ids=["in a row", "at once"])
def test_a_place_is_not_touched_again_too_early(monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    place, began = ("127.0.0.1", closed_port()), list[float]()

    async def note(plan: DialPlan, loop: asyncio.AbstractEventLoop) -> Touched:
        began.append(touching._touched_at[place])
        return Touched(address="", seconds=0.0)

    monkeypatch.setattr(touching, "EVERY", 0.1)
    monkeypatch.setattr(touching, "_connect", note)

    async def scenario() -> None:
        if at_once:
            await asyncio.gather(touch_all(place), touch_all(place))
        else:
            await touch_all(place, place)

    run(scenario)
    first, second = began
    assert second - first > 0.1 - 1e-6


def test_a_host_is_never_touched_by_two_at_once() -> None:
    async def scenario() -> None:
        done: list[str] = []

        async def touch_one(port: int) -> None:
            plan = DialPlan(address=read_url("tcp://127.0.0.1"), deadlines=dict.fromkeys(Phase, 0.2))
            reply = await touching.touch(Touch(name="access", host="127.0.0.1", port=port), plan)
            assert isinstance(reply, Failure)
            done.append(reply.kind)

        with black_hole() as port:
            await asyncio.gather(touch_one(port), touch_one(closed_port()))
        assert done == ["tcp.timeout", "tcp.refused"]

    run(scenario)


def test_places_of_one_host_do_not_wait_for_each_others_pace() -> None:
    async def scenario() -> None:
        async with serving(keep_answering) as one, serving(keep_answering) as other:
            replies = await touch_all(("127.0.0.1", one.port), ("127.0.0.1", other.port))
        assert [type(reply) for reply in replies] == [Touched, Touched]

    run(scenario)
