import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from probe.drivers import aio
from probe.drivers.dial import DialPlan, Found
from probe.drivers.limits import GIVEN_UP
from probe.model.endpoint import Address
from probe.model.errors import LocalProtocolError
from probe.model.events import Ended, Event, PeerBeat, Phase, PhaseFinished
from probe.model.failures import Failure
from probe.wire.drivable import Signal
from tests.drivers.conftest import open_descriptors
from tests.drivers.drivables import Alarm, Echo, Scripted, Until
from tests.drivers.peers import black_hole, echo, peer, say_nothing
from tests.drivers.pki import Pki
from tests.drivers.runtimes import LIMIT_SECONDS, Asyncio, live_timers, nothing_is_left


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Whatever happens in the scenario, it leaves no task, no timer and no socket."""

    async def bounded() -> None:
        before = open_descriptors()
        async with asyncio.timeout(LIMIT_SECONDS):
            await scenario()
        await nothing_is_left()
        assert open_descriptors() <= before

    asyncio.run(bounded())


def plan_for(port: int, pki: Pki | None = None, *, host: str = "127.0.0.1", **changes: object) -> DialPlan:
    address = Address(secure=pki is not None, host=host, port=port, path="/")
    settings: dict[str, object] = {"tls": pki.profile} if pki else {}
    return DialPlan(address=address, **(settings | changes))  # type: ignore[arg-type]


def ignore(event: Event) -> None:
    pass


# -- cancelled, in every phase -----------------------------------------------------------------------------------------


async def cancel_when(reached: asyncio.Event, plan: DialPlan) -> str:
    """Cancel `connect` at that moment. Gives what the session was told."""
    events: list[Event] = []
    session = Scripted()
    dialling = asyncio.create_task(aio.connect(session, plan, on_event=events.append))
    await reached.wait()
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    await nothing_is_left()
    (ended,) = [event for event in events if isinstance(event, Ended)]
    assert events[-1] is ended
    assert session.began_at is None
    assert ended.failure is not None
    assert ended.failure.detail == "given up before an answer came"
    return ended.failure.kind


def test_cancelling_a_lookup_leaves_nothing() -> None:
    hanging = threading.Event()

    async def scenario() -> None:
        loop, reached = asyncio.get_running_loop(), asyncio.Event()

        def resolve(host: str, port: int) -> list[Found]:
            loop.call_soon_threadsafe(reached.set)
            hanging.wait(LIMIT_SECONDS)
            return []

        plan = plan_for(1, host="broker.invalid", resolve=resolve)
        assert await cancel_when(reached, plan) == "dns.timeout"

    run(scenario)
    hanging.set()


@pytest.mark.parametrize("happy_eyeballs", [False, True])
def test_cancelling_a_connection_attempt_leaves_nothing(happy_eyeballs: bool) -> None:
    async def scenario() -> None:
        reached = asyncio.Event()
        with black_hole() as one, black_hole() as other:

            def resolve(host: str, port: int) -> list[Found]:
                return [Found(socket.AF_INET, ("127.0.0.1", port)) for port in (one, other)]

            plan = plan_for(1, host="broker.invalid", resolve=resolve, happy_eyeballs=happy_eyeballs)
            asyncio.get_running_loop().call_later(
                0.35 if happy_eyeballs else 0.05, reached.set
            )  # both are trying
            assert await cancel_when(reached, plan) == "tcp.timeout"

    run(scenario)


def test_cancelling_a_tls_handshake_leaves_nothing(pki: Pki) -> None:
    async def scenario() -> None:
        loop, reached = asyncio.get_running_loop(), asyncio.Event()

        def hear_the_hello(sock: socket.socket) -> None:
            sock.recv(65536)
            loop.call_soon_threadsafe(reached.set)
            say_nothing(sock)

        with peer(hear_the_hello) as port:
            assert await cancel_when(reached, plan_for(port, pki)) == "tls.timeout"

    run(scenario)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_cancelling_at_any_step_leaves_nothing(pki: Pki, secure: bool) -> None:
    """Cancelled after each pass of the loop, from the first to one after the session is live."""

    async def scenario() -> None:
        passes, live = 0, False
        while not live:
            passes += 1
            with peer(echo, tls=pki.servers["good"] if secure else None) as port:
                events: list[Event] = []
                session = Alarm(LIMIT_SECONDS)
                plan = plan_for(port, pki if secure else None)
                dialling = asyncio.create_task(aio.connect(session, plan, on_event=events.append))
                for _ in range(passes):
                    await asyncio.sleep(0)
                dialling.cancel()
                (result,) = await asyncio.gather(dialling, return_exceptions=True)
                if live := isinstance(result, aio.Connection):
                    result.abort()
                    await result.ended()
                else:
                    assert isinstance(result, asyncio.CancelledError)
                    await asyncio.sleep(0)  # asyncio's own last pass
                await nothing_is_left()
                if passes > 1:  # before its first step a task knows of nothing
                    assert isinstance(events[-1], Ended)
        assert passes > 3

    run(scenario)


def test_an_abort_ends_a_live_session_with_the_given_failure(pki: Pki) -> None:
    events: list[Event] = []
    failure = Failure(kind="local.timeout", detail="30 s for everything")

    async def scenario() -> None:
        with peer(echo, tls=pki.servers["good"]) as port:
            connection = await aio.connect(Alarm(LIMIT_SECONDS), plan_for(port, pki), on_event=events.append)
            connection.abort(failure)
            ended = await connection.ended()
            connection.abort()
        assert ended.failure == failure
        assert events[-1] is ended

    run(scenario)


def test_waiting_for_the_end_can_be_given_up() -> None:
    async def scenario() -> None:
        with peer(echo) as port:
            connection = await aio.connect(Alarm(LIMIT_SECONDS), plan_for(port), on_event=ignore)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.ended(), 0.01)
            connection.abort()
            assert (await connection.ended()).failure == GIVEN_UP

    run(scenario)


# -- acting ------------------------------------------------------------------------------------------------------------


def test_acting_sends_at_once_and_gives_the_answer() -> None:
    async def scenario() -> None:
        with peer(echo) as port:
            connection = await aio.connect(Until([], 5), plan_for(port), on_event=ignore)

            def say(session: Until, now: float) -> str:
                session.send(b"hello")
                return "said"

            assert connection.act(say) == "said"
            assert (await connection.ended()).failure is None

    run(scenario)


def test_acting_on_an_event_keeps_the_events_in_order() -> None:
    order: list[float] = []
    session = Scripted()

    async def scenario() -> None:
        def answer(event: Event) -> None:
            if isinstance(event, PeerBeat):
                order.append(event.at)
                if event.at in (1, 2):
                    connection.act(lambda session, now: session.beat(event.at + 10))
                if event.at == 12:
                    connection.act(lambda session, now: session.end(now))

        def two_beats(session: Scripted, now: float) -> None:
            session.beat(1)
            session.beat(2)

        with peer(echo) as port:
            connection = await aio.connect(session, plan_for(port), on_event=answer)
            connection.act(two_beats)
            async with asyncio.timeout(1):  # nothing else would move the session
                await connection.ended()

    run(scenario)
    assert order == [1, 2, 11, 12]


def test_what_an_action_raises_is_its_callers_business() -> None:
    def refuse(session: Echo, now: float) -> None:
        raise LocalProtocolError("not now")

    async def scenario() -> None:
        with peer(echo) as port:
            connection = await aio.connect(Until([], 2), plan_for(port), on_event=ignore)
            with pytest.raises(LocalProtocolError, match="not now"):
                connection.act(refuse)  # type: ignore[arg-type]
            connection.act(lambda session, now: session.send(b"ok"))
            assert (await connection.ended()).failure is None

    run(scenario)


# -- bugs of ours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_callback_that_raises_drops_the_connection_and_shows_in_ended(pki: Pki, secure: bool) -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, PeerBeat):
            raise ZeroDivisionError("in the callback")

    async def scenario() -> None:
        with peer(echo, tls=pki.servers["good"] if secure else None) as port:
            plan = plan_for(port, pki if secure else None)
            connection = await aio.connect(Alarm(0.01, LIMIT_SECONDS), plan, on_event=stumble)
            with pytest.raises(ZeroDivisionError, match="in the callback"):
                await connection.ended()

    run(scenario)


@pytest.mark.parametrize("stumble_at", [Phase.RESOLVING, Phase.CONNECTING])
def test_a_callback_that_raises_while_dialling_ends_the_dialling(stumble_at: Phase) -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, PhaseFinished) and event.phase is stumble_at:
            raise OSError("the disk is full")  # which must not be taken for the network's

    async def scenario() -> None:
        with peer(echo) as port, pytest.raises(OSError, match="the disk is full"):
            await aio.connect(Scripted(), plan_for(port), on_event=stumble)

    run(scenario)


def test_a_session_that_raises_drops_the_connection() -> None:
    class Broken(Scripted):
        def on_bytes(self, now: float) -> None:
            raise KeyError("in the session")

    async def scenario() -> None:
        with peer(echo) as port:
            connection = await aio.connect(Broken([b"hello"]), plan_for(port), on_event=ignore)
            with pytest.raises(KeyError, match="in the session"):
                await connection.ended()

    run(scenario)


@pytest.mark.parametrize("dialled", [False, True])
def test_a_session_that_never_ends_is_a_bug_and_not_a_hang(dialled: bool) -> None:
    class Deaf(Scripted):
        def receive_end(self, now: float, failure: Failure | None) -> None:
            pass

    async def scenario() -> None:
        with peer(lambda sock: None) as port:
            plan = plan_for(port if dialled else 1)
            connection = await aio.connect(Deaf(), plan, on_event=ignore)
            with pytest.raises(LocalProtocolError, match="did not end"):
                await connection.ended()

    run(scenario)


# -- interruptions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupted", [0, 1, 2], ids=["first", "second", "end"])
@pytest.mark.parametrize("by_an_action", [False, True], ids=["received", "action"])
def test_an_interruption_among_events_loses_none_of_them(interrupted: int, by_an_action: bool) -> None:
    def two_beats_and_the_end(session: Scripted, now: float) -> None:
        session.beat(1)
        session.beat(2)
        session.end(now)

    class Brief(Scripted):
        def on_bytes(self, now: float) -> None:
            two_beats_and_the_end(self, now)

    told: list[Event] = []

    def stumble(event: Event) -> None:
        if isinstance(event, PeerBeat | Ended):
            told.append(event)
            if len(told) == interrupted + 1:
                raise asyncio.CancelledError

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        with peer(echo) as port:
            says = [] if by_an_action else [b"hello"]
            connection = await aio.connect(Brief(says), plan_for(port), on_event=stumble)
            if by_an_action:
                with pytest.raises(asyncio.CancelledError):
                    connection.act(two_beats_and_the_end)
            ended = await connection.ended()
        assert told[-1] is ended
        assert ended.failure is None

    run(scenario)
    assert [type(event) for event in told] == [PeerBeat, PeerBeat, Ended]


# -- timers, closing and the kernel's view -----------------------------------------------------------------------------


def test_there_is_one_timer_at_a_time() -> None:
    counts: list[int] = []

    async def scenario() -> None:
        others = live_timers()

        def count(event: Event) -> None:
            asyncio.get_running_loop().call_soon(lambda: counts.append(live_timers() - others))

        with peer(echo) as port:
            connection = await aio.connect(Alarm(0.01, 0.02, 0.03, 0.04), plan_for(port), on_event=count)
            await connection.ended()

    run(scenario)
    assert max(counts) == 1


def test_a_deadline_that_every_tick_moves_costs_no_new_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watchful(Until):
        def on_bytes(self, now: float) -> None:
            self.timers.set("silence", now + 5)
            if len(self.received) < self.count:
                self.send(b"tick")
            super().on_bytes(now)

    made: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def note(when: float, *rest: object, **context: object) -> object:
            made.append(when)
            return call_at(when, *rest, **context)  # type: ignore[arg-type]

        with peer(echo) as port:
            connection = await aio.connect(Watchful([b"tick"], 400), plan_for(port), on_event=ignore)
            monkeypatch.setattr(loop, "call_at", note)
            await connection.ended()

    run(scenario)
    assert len(made) <= 2  # the session's one and the last resort of the close


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_peer_that_never_reads_cannot_hold_up_a_close(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    monkeypatch.setattr(aio, "FLUSH_SECONDS", 0.1)
    monkeypatch.setattr(aio, "UNSENT_LIMIT", 1 << 40)
    leave = threading.Event()

    async def scenario() -> None:
        with peer(
            lambda sock: leave.wait(LIMIT_SECONDS), tls=pki.servers["good"] if secure else None
        ) as port:
            session = Scripted([bytes(16 * 1024 * 1024), Signal.CLOSE])
            connection = await aio.connect(session, plan_for(port, pki if secure else None), on_event=ignore)
            began = asyncio.get_running_loop().time()
            await connection.ended()
            assert asyncio.get_running_loop().time() - began < 0.5
            leave.set()

    run(scenario)


def test_small_writes_are_joined() -> None:
    writes: list[bytes] = []

    class Spy(asyncio.Transport):
        def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
            pass

        def write(self, data: object) -> None:
            assert isinstance(data, bytes)
            writes.append(data)

    async def scenario() -> None:
        connection = aio.adopt(Spy(), Scripted([b"a", b"b", b"c"]))
        connection.act(lambda session, now: session.send(b"d", b"e"))

    run(scenario)
    assert writes == [b"abc", b"de"]


def no_delay(connection: aio.Connection[Any]) -> bool:
    raw: socket.socket = connection._socket  # type: ignore[assignment]
    return bool(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="this system has no TCP_INFO")
def test_the_kernels_view_is_there_while_the_socket_is(pki: Pki) -> None:
    async def scenario() -> None:
        with peer(echo, tls=pki.servers["good"]) as port:
            connection = await aio.connect(Until([], 5), plan_for(port, pki), on_event=ignore)
            facts = connection.tcp_facts()
            connection.act(lambda session, now: session.send(b"hello"))
            await connection.ended()
        assert facts is not None
        assert 0 < facts.rtt_seconds < 1
        assert 0 < facts.rtt_variation_seconds < 1
        assert facts.retransmits == 0
        assert connection.tcp_facts() is None

    run(scenario)


# -- serving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_an_adopted_transport_begins_with_what_was_read_already(pki: Pki, secure: bool) -> None:
    served: list[aio.Connection[Echo]] = []
    told: list[Event] = []

    class Listener(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            served.append(aio.adopt(self.transport, Echo([b"welcome "]), data, on_event=told.append))
            adopted.set()

    adopted = asyncio.Event()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            Listener, "127.0.0.1", 0, ssl=pki.servers["good"] if secure else None
        )
        async with server:
            session = Until([b"head"], len(b"welcome head, body"))
            plan = plan_for(server.sockets[0].getsockname()[1], pki if secure else None)
            connection = await aio.connect(session, plan, on_event=ignore)
            await adopted.wait()
            assert no_delay(connection)
            assert no_delay(served[0])
            connection.act(lambda session, now: session.send(b", body"))
            await connection.ended()
            (ended,) = await asyncio.gather(*(one.ended() for one in served))
        assert bytes(session.received) == b"welcome head, body"
        assert told == [ended]
        assert ended.failure is None

    run(scenario)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_served_session_answers_every_client(pki: Pki, secure: bool) -> None:
    sessions: list[Echo] = []
    peers: list[str] = []
    ended = threading.Semaphore(0)

    class Counted(Echo):
        def receive_end(self, now: float, failure: Failure | None) -> None:
            super().receive_end(now, failure)
            ended.release()

    def make(peer: str) -> Echo:
        peers.append(peer)
        sessions.append(Counted([b"welcome "]))
        return sessions[-1]

    client = ssl.create_default_context(cafile=pki.ca_file)
    with Asyncio().serving(make, pki.servers["good"] if secure else None) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
                sock = client.wrap_socket(raw, server_hostname="localhost") if secure else raw
                sock.sendall(b"hello")
                heard = b""
                while len(heard) < 13:
                    heard += sock.recv(65536)
                if secure:
                    sock.close()
            assert heard == b"welcome hello"
            assert ended.acquire(timeout=LIMIT_SECONDS)
    assert peers == ["127.0.0.1"] * 3
    assert [session.end_told for session in sessions] == [[None]] * 3
