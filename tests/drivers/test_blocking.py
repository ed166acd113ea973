"""What is special about a driver that blocks, on threads; `test_gevent` runs the same on greenlets."""

import importlib
import os
import random
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from probe.drivers import blocking
from probe.drivers.blocking import Connection
from probe.drivers.blocking_dial import SLICE_SECONDS
from probe.drivers.dial import DialPlan, Found, on_a_thread
from probe.drivers.limits import GIVEN_UP
from probe.model.errors import LocalProtocolError
from probe.model.events import (
    Dialled,
    Ended,
    Event,
    PeerBeat,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
)
from probe.model.failures import Failure
from probe.model.intents import AskBalance
from probe.session.behaviour import Misbehaviour
from probe.session.client import ClientSession
from probe.session.served import ServedSession
from probe.wire.drivable import Drivable, Signal
from tests.drivers.drivables import Alarm, Echo, Lingering, Scripted, Until
from tests.drivers.peers import beneath_tls, black_hole, echo, peer, read_all, say_nothing
from tests.drivers.pki import Pki
from tests.drivers.runtimes import RUNTIMES, Asyncio, Gevent
from tests.drivers.test_contract import LONG, plan_for, secure
from tests.pretending import BROKER, ScriptedDesk, client_session

__all__ = ["secure"]  # the fixture
SOON = 2.0  # on a busy machine; what would not be soon takes 5 s or longer here


@pytest.fixture
def the_reader_looks_up_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what happens soon does not happen because a slice was over."""
    monkeypatch.setattr(blocking, "SLICE_SECONDS", 5.0)


def ignore(event: Event) -> None:
    pass


class Run:
    """One connection, run on a thread of its own."""

    def __init__(self, session: Any, plan: DialPlan, on_event: Callable[[Event], None] = ignore) -> None:
        self.events: list[Event] = []
        self.is_dialled = threading.Event()
        self._on_event = on_event
        self.connection: Connection[Any] = Connection(session, plan, on_event=self._note)
        self._end: Future[Ended] = on_a_thread(self.connection.run)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Dialled):
            self.is_dialled.set()
        self._on_event(event)

    def dialled(self) -> "Connection[Any]":
        assert self.is_dialled.wait(LONG)
        self.connection.act(lambda session, now: None)  # has the lock, so the session has begun
        return self.connection

    def ended(self) -> Ended:
        """It is the last event and the only one of its kind."""
        ended = self._end.result(LONG)
        assert [event for event in self.events if isinstance(event, Ended)] == [ended]
        assert self.events[-1] is ended
        return ended


# -- other threads act -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("the_reader_looks_up_rarely")
def test_acting_sends_at_once_while_the_reader_waits_and_gives_the_answer(pki: Pki, secure: bool) -> None:
    def say(session: Until, now: float) -> str:
        session.send(b"hello")
        return "said"

    with peer(echo, tls=pki.servers["good"] if secure else None) as port:
        run = Run(Until([], 5), plan_for(port, pki if secure else None))
        connection = run.dialled()
        began = time.monotonic()
        assert connection.act(say) == "said"
        assert run.ended().failure is None
        assert time.monotonic() - began < SOON


def test_what_many_threads_send_at_once_arrives_whole(pki: Pki, secure: bool) -> None:
    threads, each, size = 8, 40, 3000
    session = Until([], threads * each * size)

    with peer(echo, tls=pki.servers["good"] if secure else None) as port:
        run = Run(session, plan_for(port, pki if secure else None))
        connection = run.dialled()

        def talker(letter: int) -> Future[None]:
            def talk() -> None:
                for _ in range(each):
                    connection.act(lambda session, now: session.send(bytes([letter]) * size))

            return on_a_thread(talk)

        for talking in [talker(letter) for letter in range(threads)]:
            talking.result(LONG)
        assert run.ended().failure is None
    pieces = [bytes(session.received[at : at + size]) for at in range(0, len(session.received), size)]
    assert Counter(pieces) == {bytes([letter]) * size: each for letter in range(threads)}


def test_a_deadline_that_an_action_makes_is_noticed_within_a_slice() -> None:
    session = Alarm(LONG)
    with peer(say_nothing) as port:
        run = Run(session, plan_for(port))
        run.dialled().act(lambda session, now: session.timers.set("after 10.0", now + 0.01))
        run.ended()
    ((due, now),) = session.rang
    assert due <= now < due + SLICE_SECONDS + SOON


@pytest.mark.usefixtures("the_reader_looks_up_rarely")
def test_leaving_is_not_held_up_by_a_reader_that_waits(pki: Pki, secure: bool) -> None:
    with peer(say_nothing, tls=pki.servers["good"] if secure else None) as port:
        run = Run(Scripted(), plan_for(port, pki if secure else None))
        connection = run.dialled()
        began = time.monotonic()
        connection.act(lambda session, now: session.end(now))
        assert run.ended().failure is None
        assert time.monotonic() - began < SOON


def test_acting_on_an_event_keeps_the_events_in_order() -> None:
    order: list[float] = []

    def answer(event: Event) -> None:
        if isinstance(event, PeerBeat):
            order.append(event.at)
            if event.at in (1, 2):
                run.connection.act(lambda session, now: session.beat(event.at + 10))
            if event.at == 12:
                run.connection.act(lambda session, now: session.end(now))

    def two_beats(session: Scripted, now: float) -> None:
        session.beat(1)
        session.beat(2)

    with peer(echo) as port:
        run = Run(Scripted(), plan_for(port), answer)
        run.dialled().act(two_beats)
        run.ended()
    assert order == [1, 2, 11, 12]


def test_an_action_waits_until_the_events_before_it_are_handed_out() -> None:
    handing_out, acted = threading.Event(), threading.Event()
    acted_meanwhile: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, PeerBeat):
            handing_out.set()
            acted_meanwhile.append(acted.wait(0.1))

    def leave(session: Scripted, now: float) -> None:
        acted.set()
        session.end(now)

    with peer(say_nothing) as port:
        run = Run(Alarm(0.01, LONG), plan_for(port), look)
        assert handing_out.wait(LONG)
        run.connection.act(leave)
        run.ended()
    assert acted_meanwhile == [False]


def test_what_an_action_raises_is_its_callers_business() -> None:
    def refuse(session: Echo, now: float) -> None:
        raise LocalProtocolError("not now")

    with peer(echo) as port:
        run = Run(Until([], 2), plan_for(port))
        connection = run.dialled()
        with pytest.raises(LocalProtocolError, match="not now"):
            connection.act(refuse)
        connection.act(lambda session, now: session.send(b"ok"))
        assert run.ended().failure is None


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="this system has no TCP_INFO")
def test_the_kernels_view_is_there_while_the_socket_is(pki: Pki) -> None:
    with peer(echo, tls=pki.servers["good"]) as port:
        run = Run(Until([], 5), plan_for(port, pki))
        facts = run.dialled().tcp_facts()
        run.connection.act(lambda session, now: session.send(b"hello"))
        run.ended()
    assert facts is not None
    assert 0 < facts.rtt_seconds < 1
    assert run.connection.tcp_facts() is None


# -- several connections -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("the_reader_looks_up_rarely")
def test_a_dead_peer_holds_up_nobody_else(pki: Pki, secure: bool) -> None:
    """One does not answer, one does not even read; between them a third goes to and fro."""
    tls = pki.servers["good"] if secure else None
    authority = pki if secure else None
    leave = threading.Event()

    class Rally(Until):
        def on_bytes(self, now: float) -> None:
            self.send(b"ball")
            super().on_bytes(now)

    with (
        peer(say_nothing, tls=tls) as silent,
        peer(lambda sock: leave.wait(LONG), tls=tls) as unread,
        peer(echo, tls=tls) as lively,
    ):
        dead = [Run(Alarm(LONG), plan_for(silent, authority)), Run(Alarm(LONG), plan_for(unread, authority))]
        for run in dead:
            run.dialled()
        dead[1].connection.act(lambda session, now: session.send(bytes(3 << 20)))
        began = time.monotonic()
        assert Run(Rally([b"ball"], 400), plan_for(lively, authority)).ended().failure is None
        assert time.monotonic() - began < SOON
        for run in dead:
            run.connection.abort()
            assert run.ended().failure == GIVEN_UP
        leave.set()


# -- aborted, in every phase -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("the_reader_looks_up_rarely")
def test_an_abort_from_another_thread_ends_a_live_session_at_once(pki: Pki, secure: bool) -> None:
    heard: list[type[OSError]] = []
    is_up = threading.Event()  # the other end of TLS has to finish its handshake, too
    failure = Failure(kind="local.timeout", detail="30 s for everything")

    def listen(sock: socket.socket) -> None:
        is_up.set()
        with beneath_tls(sock) as raw:
            try:
                while raw.recv(65536):
                    pass
            except OSError as error:
                heard.append(type(error))

    with peer(listen, tls=pki.servers["good"] if secure else None) as port:
        run = Run(Alarm(LONG), plan_for(port, pki if secure else None))
        connection = run.dialled()
        assert is_up.wait(LONG)
        began = time.monotonic()
        connection.abort(failure)
        ended = run.events[-1]
        assert run.ended() is ended
        assert time.monotonic() - began < SOON
        connection.abort()
    assert ended.failure == failure
    assert heard == [ConnectionResetError]


def aborted(plan: DialPlan, reached: threading.Event) -> list[Phase]:
    """Abort at that moment: told at once, done within a slice. Gives the finished phases."""
    session = Scripted()
    run = Run(session, plan)
    assert reached.wait(LONG)
    began = time.monotonic()
    run.connection.abort()
    assert run.events[-1] is run.ended()
    assert time.monotonic() - began < SLICE_SECONDS + SOON
    assert session.began_at is None
    assert session.end_told == [GIVEN_UP]
    return [event.phase for event in run.events if isinstance(event, PhaseFinished)]


def test_a_lookup_can_be_aborted() -> None:
    reached, hanging = threading.Event(), threading.Event()

    def resolve(host: str, port: int) -> list[Found]:
        reached.set()
        hanging.wait(LONG)
        return []

    assert aborted(plan_for(1, host="broker.invalid", resolve=resolve), reached) == []
    hanging.set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops a SYN when the accept queue is full")
@pytest.mark.parametrize("happy_eyeballs", [False, True])
def test_a_connection_attempt_can_be_aborted(happy_eyeballs: bool) -> None:
    reached = threading.Event()
    with black_hole() as one, black_hole() as other:

        def resolve(host: str, port: int) -> list[Found]:
            reached.set()
            return [Found(socket.AF_INET, ("127.0.0.1", port)) for port in (one, other)]

        plan = plan_for(1, host="broker.invalid", resolve=resolve, happy_eyeballs=happy_eyeballs)
        assert aborted(plan, reached) in ([], [Phase.RESOLVING])


def test_a_tls_handshake_can_be_aborted(pki: Pki) -> None:
    reached = threading.Event()

    def hear_the_hello(sock: socket.socket) -> None:
        sock.recv(65536)
        reached.set()
        say_nothing(sock)

    with peer(hear_the_hello) as port:
        assert aborted(plan_for(port, pki), reached) == [Phase.RESOLVING, Phase.CONNECTING]


@pytest.mark.parametrize(
    "end", [Connection.abort, lambda one: one.act(lambda session, now: session.end(now))]
)
def test_an_attempt_that_was_ended_before_it_began_is_never_dialled(
    end: Callable[[Connection[Any]], None],
) -> None:
    events: list[Event] = []
    connection = Connection(Scripted(), plan_for(1), on_event=events.append)
    end(connection)
    assert events == [connection.run()]


@pytest.mark.parametrize("at", [Phase.RESOLVING, Phase.CONNECTING, Phase.SECURING])
def test_an_abort_in_an_event_of_the_dialler_stops_the_dialling(pki: Pki, at: Phase) -> None:
    events: list[Event] = []

    def abort(event: Event) -> None:
        events.append(event)
        if isinstance(event, PhaseFinished) and event.phase is at:
            connection.abort()

    session = Scripted()
    with peer(echo, tls=pki.servers["good"]) as port:
        connection = Connection(session, plan_for(port, pki), on_event=abort)
        assert connection.run().failure == GIVEN_UP
    assert isinstance(events[-1], Ended)
    assert not any(isinstance(event, Dialled) for event in events)
    assert session.began_at is None


# -- interrupted -------------------------------------------------------------------------------------------------------


def interrupter() -> Callable[[], None]:
    """What interrupts the caller, who is the main thread or a greenlet."""
    if Gevent not in RUNTIMES:
        return partial(os.kill, os.getpid(), signal.SIGINT)
    gevent = importlib.import_module("gevent")
    return partial(gevent.kill, gevent.getcurrent(), KeyboardInterrupt)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
@pytest.mark.parametrize("live", [False, True])
def test_an_interruption_is_told_to_the_session(pki: Pki, live: bool) -> None:
    events: list[Event] = []
    interrupt = interrupter()

    def hear_and_interrupt(sock: socket.socket) -> None:
        sock.recv(65536)
        interrupt()
        say_nothing(sock)

    with peer(hear_and_interrupt) as port:
        plan = plan_for(port, None if live else pki)
        connection = Connection(Scripted([b"hello"]), plan, on_event=events.append)
        with pytest.raises(KeyboardInterrupt):
            connection.run()
    given_up = Failure(kind="tls.timeout", detail="given up before an answer came")
    assert isinstance(events[-1], Ended)
    assert events[-1].failure == (GIVEN_UP if live else given_up)
    assert connection.tcp_facts() is None


def test_an_interruption_of_the_callback_is_told_to_the_session() -> None:
    events: list[Event] = []

    def note(event: Event) -> None:
        events.append(event)
        if isinstance(event, PeerBeat):
            raise KeyboardInterrupt

    with peer(say_nothing) as port:
        connection = Connection(Alarm(0.01, LONG), plan_for(port), on_event=note)
        with pytest.raises(KeyboardInterrupt):
            connection.run()
    assert isinstance(events[-1], Ended)


# -- bugs of ours ------------------------------------------------------------------------------------------------------


def test_a_callback_that_raises_drops_the_connection_and_shows_in_run(pki: Pki, secure: bool) -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, PeerBeat):
            raise ZeroDivisionError("in the callback")

    with peer(echo, tls=pki.servers["good"] if secure else None) as port:
        connection = Connection(Alarm(0.01, LONG), plan_for(port, pki if secure else None), on_event=stumble)
        with pytest.raises(ZeroDivisionError, match="in the callback"):
            connection.run()


def test_a_callback_that_raises_in_another_threads_action_shows_in_run_and_not_there() -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, PeerBeat):
            raise ZeroDivisionError("in the callback")

    with peer(say_nothing) as port:
        run = Run(Alarm(LONG), plan_for(port), stumble)
        run.dialled().act(lambda session, now: session.beat(now))
        with pytest.raises(ZeroDivisionError, match="in the callback"):
            run.ended()


@pytest.mark.parametrize("stumble_at", [Phase.RESOLVING, Phase.CONNECTING])
def test_a_callback_that_raises_while_dialling_ends_the_dialling(stumble_at: Phase) -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, PhaseFinished) and event.phase is stumble_at:
            raise OSError("the disk is full")  # which must not be taken for the network's

    with peer(echo) as port, pytest.raises(OSError, match="the disk is full"):
        Connection(Scripted(), plan_for(port), on_event=stumble).run()


def test_a_session_that_raises_drops_the_connection() -> None:
    class Broken(Scripted):
        def on_bytes(self, now: float) -> None:
            raise KeyError("in the session")

    with peer(echo) as port, pytest.raises(KeyError, match="in the session"):
        Connection(Broken([b"hello"]), plan_for(port), on_event=ignore).run()


@pytest.mark.parametrize("dialled", [False, True])
def test_a_session_that_never_ends_is_a_bug_and_not_a_hang(dialled: bool) -> None:
    class Deaf(Scripted):
        def receive_end(self, now: float, failure: Failure | None) -> None:
            pass

    with peer(lambda sock: None) as port, pytest.raises(LocalProtocolError, match="did not end"):
        Connection(Deaf(), plan_for(port if dialled else 1), on_event=ignore).run()


# -- interruptions -----------------------------------------------------------------------------------------------------


class Interruption(BaseException):
    """As KeyboardInterrupt and GreenletExit are."""


def two_beats_and_the_end(session: Scripted, now: float) -> None:
    session.beat(1)
    session.beat(2)
    session.end(now)


@pytest.mark.parametrize("interrupted", [1, 2, 3], ids=["first", "second", "end"])
def test_an_interruption_among_events_loses_none_of_them(interrupted: int) -> None:
    class Brief(Scripted):
        def on_bytes(self, now: float) -> None:
            two_beats_and_the_end(self, now)

    told: list[Event] = []

    def stumble(event: Event) -> None:
        if isinstance(event, PeerBeat | Ended):
            told.append(event)
            if len(told) == interrupted:
                raise Interruption

    with peer(echo) as port, pytest.raises(Interruption):
        Connection(Brief([b"hello"]), plan_for(port), on_event=stumble).run()
    assert [type(event) for event in told] == [PeerBeat, PeerBeat, Ended]


def test_an_interruption_in_another_threads_action_does_not_keep_the_end_from_run() -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, PeerBeat) and event.at == 1:
            raise Interruption

    with peer(say_nothing) as port:
        run = Run(Scripted(), plan_for(port), stumble)
        with pytest.raises(Interruption):
            run.dialled().act(two_beats_and_the_end)
        assert run.ended().failure is None
    assert [type(event) for event in run.events[-3:]] == [PeerBeat, PeerBeat, Ended]


# -- closing -----------------------------------------------------------------------------------------------------------


def test_a_peer_that_never_reads_cannot_hold_up_a_close(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    monkeypatch.setattr(blocking, "FLUSH_SECONDS", 0.1)
    monkeypatch.setattr(blocking, "UNSENT_LIMIT", 1 << 40)
    leave = threading.Event()
    session = Scripted([bytes(16 * 1024 * 1024), Signal.CLOSE])
    with peer(lambda sock: leave.wait(LONG), tls=pki.servers["good"] if secure else None) as port:
        began = time.monotonic()
        Connection(session, plan_for(port, pki if secure else None), on_event=ignore).run()
        assert time.monotonic() - began < SOON
        leave.set()


@pytest.mark.usefixtures("the_reader_looks_up_rarely")
def test_what_could_not_be_sent_at_once_follows_as_soon_as_the_peer_reads(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    monkeypatch.setattr(blocking, "UNSENT_LIMIT", 1 << 40)
    heard: list[int] = []
    said = bytes(16 * 1024 * 1024)
    with peer(
        lambda sock: heard.append(len(read_all(sock))), tls=pki.servers["good"] if secure else None
    ) as port:
        plan = plan_for(port, pki if secure else None)
        began = time.monotonic()
        Connection(Scripted([said, Signal.CLOSE]), plan, on_event=ignore).run()
        assert time.monotonic() - began < SOON
    assert heard == [len(said)]


def test_a_close_of_tls_waits_for_the_other_ends_goodbye(pki: Pki) -> None:
    """A socket closed before has no reader for it, and answers with a reset that may overtake what we said last."""
    ends: list[bytes] = []

    def linger(sock: socket.socket) -> None:
        read_all(sock)
        with beneath_tls(sock) as raw:
            raw.settimeout(0.1)
            ends.append(raw.recv(1))

    with peer(linger, tls=pki.servers["good"]) as port:
        Connection(Scripted([b"last words", Signal.CLOSE]), plan_for(port, pki), on_event=ignore).run()
    assert ends == []


def test_words_that_come_with_the_end_of_the_handshake_are_heard(pki: Pki) -> None:
    """Under TLS 1.2 the server may speak first; nothing may follow that would make the reader look."""

    def welcome(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = pki.servers["TLS 1.2 only"].wrap_bio(incoming, outgoing, server_side=True)
        shaken = False
        while not shaken:
            incoming.write(sock.recv(65536))
            try:
                tls.do_handshake()
                shaken = True
                tls.write(b"welcome")
            except ssl.SSLWantReadError:
                pass
            sock.sendall(outgoing.read())
        say_nothing(sock)

    with peer(welcome) as port:
        began = time.monotonic()
        assert Run(Until([], 7, Signal.ABORT), plan_for(port, pki)).ended().failure is None
        assert time.monotonic() - began < SOON


def test_a_stream_that_has_ended_is_not_read_again_and_again(pki: Pki, secure: bool) -> None:
    class Waiting(Lingering):
        looks = 0

        def next_wake(self) -> float | None:
            self.looks += 1
            return super().next_wake()

    session = Waiting()
    with peer(lambda sock: None, tls=pki.servers["good"] if secure else None) as port:
        Connection(session, plan_for(port, pki if secure else None), on_event=ignore).run()
    assert session.looks < 50


# -- the real thing ----------------------------------------------------------------------------------------------------


def serve(peer: str) -> Drivable:
    desk = ScriptedDesk(every=0.02)
    return ServedSession(codec=BROKER.codec(), desk=desk, misbehaviour=Misbehaviour(), rng=random.Random(1))


def test_a_real_session_goes_live_is_asked_and_leaves(pki: Pki, secure: bool) -> None:
    is_quoted, is_answered = threading.Event(), threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, QuoteArrived):
            is_quoted.set()
        elif isinstance(event, RequestAnswered) and isinstance(event.intent, AskBalance):
            is_answered.set()

    def leave(session: ClientSession, now: float) -> None:
        session.leave(now)

    with Asyncio().serving(serve, pki.servers["good"] if secure else None) as port:
        run = Run(client_session(), plan_for(port, pki if secure else None), watch)
        assert is_quoted.wait(LONG)
        assert isinstance(run.connection.act(lambda session, now: session.ask(AskBalance(), now)), int)
        assert is_answered.wait(LONG)
        run.connection.act(leave)
        assert run.ended().failure is None
    phases = [event.phase for event in run.events if isinstance(event, PhaseFinished)]
    assert phases[-1] is Phase.AUTHENTICATING
