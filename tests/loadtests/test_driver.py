"""What is special about the driver on gevent's hub. The contract of every driver is in tests/drivers/test_contract.py."""

import contextlib
import gc
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
from greenlet import greenlet

from loadtests.driver import Connection
from probe.drivers.dial import DialPlan, Found, system_resolver
from probe.drivers.limits import GIVEN_UP
from probe.model.errors import UnsafeTarget
from probe.model.events import (
    Ended,
    Event,
    PeerBeat,
    Phase,
    PhaseFinished,
    RequestAnswered,
)
from probe.model.intents import AskBalance
from probe.model.meanings import Balance
from probe.model.proxy import Proxy, Scheme
from probe.session.behaviour import Misbehaviour
from probe.session.served import ServedSession
from tests.drivers.conftest import no_descriptor_is_left_open, pki
from tests.drivers.drivables import Alarm, Echo, Scripted, Until
from tests.drivers.peers import beneath_tls, black_hole, echo, peer, read_all, say_nothing
from tests.drivers.pki import Pki
from tests.drivers.runtimes import Asyncio
from tests.drivers.test_contract import linux_only, plan_for, secure
from tests.pretending import BROKER, POCKETOPTION, Pair, ScriptedDesk, client_session

__all__ = ["no_descriptor_is_left_open", "pki", "secure"]  # the fixtures
LONG = 10.0


def until(happened: Callable[[], object], seconds: float = LONG) -> None:
    """Let the hub run until something is so."""
    with gevent.Timeout(seconds):
        while not happened():
            gevent.sleep(0.002)


class Run:
    def __init__(self, session: Any, plan: DialPlan, *, due: float = 0.0) -> None:
        self.events: list[Event] = []
        self.bugs: list[Exception] = []
        self.connection = Connection(session, plan, on_event=self.events.append, on_bug=self.bugs.append)
        self.connection.open(due)

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    def balances(self) -> list[RequestAnswered]:
        return [each for each in self.told(RequestAnswered) if isinstance(each.intent, AskBalance)]

    def until_begun(self) -> None:
        session: Any = self.connection._session
        until(lambda: session.began_at is not None)

    def until_over(self) -> Ended:
        until(lambda: self.connection.is_over)
        assert self.bugs == []
        ended: Ended = self.told(Ended)[0]
        assert self.told(Ended) == [ended]
        assert self.events[-1] is ended
        return ended


@contextlib.contextmanager
def broker() -> Iterator[int]:
    def serve(peer: str) -> ServedSession:
        return ServedSession(
            codec=BROKER.codec(), desk=ScriptedDesk(), misbehaviour=Misbehaviour(), rng=random.Random(1)
        )

    with Asyncio().serving(serve, None) as port:
        yield port


# -- a session ---------------------------------------------------------------------------------------------------------


def test_a_session_comes_live_asks_and_leaves() -> None:
    with broker() as port:
        run = Run(client_session(), plan_for(port))
        until(lambda: run.connection._session.phase is Phase.LIVE)
        run.connection.act(lambda session, now: session.ask(AskBalance(), now))
        until(run.balances)
        run.connection.act(lambda session, now: session.leave(now))
        ended = run.until_over()
    assert [each.answer for each in run.balances()] == [Balance(amount=50000.0, is_demo=True)]
    assert ended.failure is None


def test_who_gets_an_event_may_act_and_what_comes_of_it_is_told_after_it() -> None:
    class Answering(Run):
        def __init__(self, session: Any, plan: DialPlan) -> None:
            self.left = 20
            super().__init__(session, plan)
            self.connection._on_event = self.hear

        def hear(self, event: Event) -> None:
            self.events.append(event)
            live = type(event) is PhaseFinished and event.phase is Phase.AUTHENTICATING
            if (
                live or (type(event) is RequestAnswered and isinstance(event.intent, AskBalance))
            ) and self.left:
                self.left -= 1
                self.connection.act(lambda session, now: session.ask(AskBalance(), now))

    with broker() as port:
        run = Answering(client_session(), plan_for(port))
        until(lambda: len(run.balances()) == 20)
        run.connection.drop()
        run.until_over()
    assert run.left == 0


def test_connections_need_no_greenlet() -> None:
    def greenlets() -> int:  # by type: a weak proxy among the objects would be asked for its class
        return sum(issubclass(type(each), greenlet) and not each.dead for each in gc.get_objects())

    with broker() as port:
        first = Run(Scripted([b"GET"]), plan_for(port))
        first.until_begun()  # and the look-up's thread has its greenlets
        before = greenlets()
        runs = [Run(Scripted([b"GET"]), plan_for(port)) for _ in range(20)]
        for run in runs:
            run.until_begun()
        assert greenlets() == before
        for run in (first, *runs):
            run.connection.drop()
            run.until_over()


# -- dialling ----------------------------------------------------------------------------------------------------------


def test_it_is_dialled_when_it_is_due() -> None:
    due = time.monotonic() + 0.1
    with peer(echo) as port:
        run = Run(Until([b"hello"], 5), plan_for(port), due=due)
        run.until_over()
    first: PhaseFinished = run.told(PhaseFinished)[0]
    assert due <= first.began_at < due + 2.5


def test_many_who_dial_at_once_look_up_once() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[Found]:
        asked.append(host)
        return system_resolver("127.0.0.1", port)

    with broker() as port:
        plan = plan_for(port, host="localhost", resolve=resolve)
        runs = [Run(client_session(), plan) for _ in range(10)]
        for run in runs:
            until(lambda run=run: run.connection._session.phase is Phase.LIVE)  # type: ignore[misc]
        late = Run(client_session(), plan)
        until(lambda: late.connection._session.phase is Phase.LIVE)
        for run in (*runs, late):
            run.connection.drop()
            run.until_over()
    assert asked == ["localhost"]


def test_a_proxy_is_refused_and_nothing_is_sent() -> None:
    with peer(say_nothing) as port:
        proxy = Proxy(scheme=Scheme.HTTP, host="127.0.0.1", port=port, login=None)
        run = Run(Scripted(), plan_for(443, proxy=proxy))
        until(lambda: run.bugs)
    assert isinstance(run.bugs[0], UnsafeTarget)
    assert run.events == []
    assert run.connection.is_over


@linux_only
def test_a_dial_can_be_dropped() -> None:
    session = Scripted()
    with black_hole() as port:
        run = Run(session, plan_for(port))
        until(lambda: run.told(PhaseFinished))
        run.connection.drop()
        ended = run.until_over()
    assert ended.failure == GIVEN_UP
    assert session.began_at is None


# -- upsets ------------------------------------------------------------------------------------------------------------


def test_a_drop_is_a_reset_without_a_goodbye(pki: Pki, secure: bool) -> None:
    heard: list[bytes | type[OSError]] = []

    def listen(sock: socket.socket) -> None:
        sock.sendall(b"go")
        with beneath_tls(sock) as raw:
            try:
                heard.append(raw.recv(65536))
            except OSError as error:
                heard.append(type(error))

    with peer(listen, tls=pki.servers["good"] if secure else None) as port:
        run = Run(Scripted(), plan_for(port, pki if secure else None))
        until(lambda: run.connection._session.received)
        run.connection.drop()
        assert run.connection.is_over
        run.until_over()
    assert heard == [ConnectionResetError]


def test_what_is_frozen_neither_reads_nor_writes_nor_keeps_appointments_until_it_thaws() -> None:
    heard: list[bytes] = []
    spoken = threading.Event()

    def talk(sock: socket.socket) -> None:
        heard.append(sock.recv(65536))
        sock.sendall(b"too late to be heard")
        spoken.set()
        heard.append(sock.recv(65536))

    session = Alarm(0.05, 0.06)
    with peer(talk) as port:
        run = Run(session, plan_for(port))
        run.until_begun()
        run.connection.freeze()
        run.connection.act(lambda session, now: session.send(b"held back"))
        gevent.sleep(0.15)  # nothing may happen, so there is nothing to wait for
        assert (heard, session.rang) == ([], [])
        run.connection.thaw()
        until(spoken.is_set)
        until(lambda: len(session.rang) == 2)
        run.until_over()
    assert heard[0] == b"held back"


def test_what_came_while_frozen_is_read_before_a_timer_says_that_nothing_came() -> None:
    class Watchful(Scripted):
        order: list[str]

        def begin(self, now: float) -> None:
            super().begin(now)
            self.order = []
            self.timers.set("silence", now + 0.05)

        def on_bytes(self, now: float) -> None:
            self.order.append("bytes")

        def on_timer(self, name: str, due: float, now: float) -> None:
            self.order.append(name)
            self.end(now)

    go, said = threading.Event(), threading.Event()

    def talk(sock: socket.socket) -> None:
        go.wait(LONG)
        sock.sendall(b"here I am")
        said.set()
        read_all(sock)

    session = Watchful()
    with peer(talk) as port:
        run = Run(session, plan_for(port))
        run.until_begun()
        run.connection.freeze()
        go.set()
        assert said.wait(LONG)
        time.sleep(0.06)  # the appointment passes
        run.connection.thaw()
        run.until_over()
    assert session.order == ["bytes", "silence"]


def test_a_slow_reader_holds_up_whoever_writes_to_it() -> None:
    sizes: list[int] = []

    def flood(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        sock.recv(1)
        sock.settimeout(0.3)
        sent, until = 0, time.monotonic() + 0.3
        with contextlib.suppress(TimeoutError):
            while sent < 8_000_000 and time.monotonic() < until:
                sent += sock.send(bytes(65_536))
        sizes.append(sent)

    session = Scripted()
    with peer(flood) as port:
        run = Run(session, plan_for(port))
        run.until_begun()
        run.connection.throttle(2_000)
        run.connection.act(lambda session, now: session.send(b"x"))
        began = time.monotonic()
        until(lambda: sizes)
        took = time.monotonic() - began
        read = len(session.received)
        run.connection.throttle(None)
        until(lambda: len(session.received) > read + 30_000)  # what took a quarter of a minute before
        run.connection.drop()
        run.until_over()
    assert sizes[0] < 4_000_000
    assert 0 < read <= 2_000 * (took + 0.2)


def test_pings_stay_unanswered_while_pongs_are_withheld() -> None:
    pair = Pair(POCKETOPTION)
    client = pair.run(1).client
    connection: Connection[Any] = Connection(client, plan_for(1), on_event=lambda event: None)
    connection.withhold_pongs(True)
    pair.run(60)
    assert pair.of(PeerBeat) == []
    assert "ping" in (pair.kind or "")


# -- bugs --------------------------------------------------------------------------------------------------------------


def test_a_bug_is_told_once_and_the_transport_is_dropped() -> None:
    def stumble(event: Event) -> None:
        if type(event) is PeerBeat:
            raise ZeroDivisionError("a bug of a callback")

    class Beating(Echo):
        def on_bytes(self, now: float) -> None:
            self.beat(now)

    bugs: list[Exception] = []

    def greet(sock: socket.socket) -> None:
        sock.sendall(b"hello")
        read_all(sock)

    with peer(greet) as port:
        connection = Connection(Beating(), plan_for(port), on_event=stumble, on_bug=bugs.append)
        connection.open(0.0)
        until(lambda: connection.is_over)
        connection.act(lambda session, now: session.send(b"nobody hears this"))
        connection.drop()
    assert [type(bug) for bug in bugs] == [ZeroDivisionError]
    assert connection.tcp_facts() is None
