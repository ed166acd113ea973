"""What a session claims of the run's connections it gives back, whatever happens to it and when."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import gevent
import pytest

from loadtests.guard import guard
from loadtests.polled import PolledLoadSession
from loadtests.session import LoadSession, StepFailed
from probe.brokers import find_broker
from probe.drivers.dial import DEADLINES
from probe.load.plan import Upset, UpsetKind
from probe.model.events import Phase
from tests.loadtests.commons import Shared, eventually, shared
from tests.loadtests.simulated import Beside, simulator_beside

BROKER, POLLED = find_broker("pocketoption"), find_broker("mt5")
NOWHERE = "ws://127.0.0.1:9/socket.io/"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Beside]:
    with simulator_beside("pocketoption", "mt5") as running:
        yield running


@pytest.fixture(autouse=True)
def _all_is_given_back() -> Iterator[None]:
    before = guard()._open
    yield
    eventually(lambda: guard()._open == before)
    gevent.sleep(0.02)
    assert guard()._open == before


@contextmanager
def saying(words: bytes) -> Iterator[str]:
    """One that says this to all who come, and hangs up; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    opened, _ = server.accept()
                    with opened:
                        opened.settimeout(1.0)
                        opened.recv(4096)
                        opened.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def at(url: str, broker: Any = BROKER, **more: Any) -> Shared:
    return shared(broker, url, **more)


def here(simulator: Beside, **more: Any) -> Shared:
    endpoint = simulator.endpoint("pocketoption", "ws")
    key = BROKER.read_credentials(endpoint.credential.reveal())
    return shared(BROKER, endpoint.url, key, account=endpoint.account, **more)


def failed(there: Shared, kind: type[LoadSession] = LoadSession, *, reopens: bool = False) -> str:
    session = kind(there.common, reopens=reopens)
    with pytest.raises(StepFailed) as end:
        session.open()
    session.close()
    return end.value.kind


@pytest.mark.parametrize("kind", [LoadSession, PolledLoadSession])
def test_of_a_name_that_leads_nowhere(kind: type[LoadSession]) -> None:
    def nobody(host: str, port: int) -> list[Any]:
        raise socket.gaierror(-2, "unknown")

    broker, scheme = (BROKER, "ws") if kind is LoadSession else (POLLED, "http")
    there = at(f"{scheme}://127.0.0.1:9/", broker)
    there.common.dial = replace(there.common.dial, resolve=nobody)
    assert failed(there, kind).startswith("dns.")


def test_of_one_whom_the_guard_refuses() -> None:
    for url, broker, kind in (
        ("ws://staging.example/", BROKER, LoadSession),
        ("http://staging.example/", POLLED, PolledLoadSession),
    ):
        there = at(url, broker)
        assert failed(there, kind) == "refused"
        assert len(there.bugs) == 1


@pytest.mark.parametrize(
    ("scheme", "words"),
    [("ws", b""), ("wss", b""), ("wss", b"no TLS"), ("ws", b"no HTTP"), ("ws", b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), ("ws", b"HTTP/1.1 307 x\r\nLocation: http://198.51.100.7/\r\nContent-Length: 0\r\n\r\n")],
    ids=["hangs up", "hangs up in TLS", "no TLS", "no HTTP", "refused", "a redirect"],
)  # fmt: skip
def test_of_one_that_comes_no_further_than_the_upgrade(scheme: str, words: bytes) -> None:
    with saying(words) as place:
        assert failed(at(f"{scheme}://{place}/socket.io/")) != "refused"


def test_of_one_that_nobody_listens_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert failed(at(f"ws://127.0.0.1:{port}/")) == "tcp.refused"
    assert failed(at(f"http://127.0.0.1:{port}/", POLLED), PolledLoadSession) == "tcp.refused"


def test_of_one_who_waits_in_vain_and_of_one_who_leaves_meanwhile() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = at(f"wss://127.0.0.1:{silent.getsockname()[1]}/")
        there.common.dial = replace(there.common.dial, deadlines={**DEADLINES, Phase.SECURING: 0.1})
        assert failed(there) == "tls.timeout"
        there.common.dial = replace(there.common.dial, deadlines=DEADLINES)
        session = LoadSession(there.common)
        opening = gevent.spawn(session.open)
        eventually(lambda: session._connection is not None)
        session.close()
        with pytest.raises(StepFailed):
            opening.get(timeout=5.0)


def test_of_one_whose_login_is_refused(simulator: Beside) -> None:
    number = simulator.switch_on("auth-refused")
    assert failed(here(simulator)).startswith("auth.")
    simulator.switch_off(number)


@pytest.mark.parametrize("kind", [UpsetKind.DROP, UpsetKind.HALF_OPEN, UpsetKind.AUTH_EXPIRY])
def test_of_live_ones_that_are_upset_and_come_back(kind: UpsetKind, simulator: Beside) -> None:
    there = here(simulator)
    sessions = [LoadSession(there.common) for _ in range(5)]
    gevent.joinall([gevent.spawn(each.open) for each in sessions], raise_error=True)
    assert guard()._open == 5
    for each in sessions:
        each.upset(Upset(kind=kind, share=1.0))
    if kind is UpsetKind.DROP:
        eventually(lambda: all(each.is_live for each in sessions))
        assert guard()._open == 5
    gevent.joinall([gevent.spawn(each.close) for each in sessions], raise_error=True)
    assert there.bugs == []


def test_of_one_whose_callback_is_at_fault_after_its_end(
    simulator: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is over already, and gives back nothing twice."""
    there = here(simulator)
    kept, session = LoadSession(there.common), LoadSession(there.common)
    kept.open()
    session.open()

    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(LoadSession, "_reopen", lambda it, event: broken() if it is session else None)
    session._connection.drop()  # type: ignore[union-attr]
    eventually(lambda: there.bugs)
    assert guard()._open == 1
    kept.close()


def test_of_a_run_that_has_no_more_to_give(simulator: Beside) -> None:
    there = here(simulator)
    guard().take_share(2, 1000.0, time.monotonic() + 60.0)
    try:
        sessions = [LoadSession(there.common, reopens=False) for _ in range(3)]
        for each in sessions[:2]:
            each.open()
        assert failed(there) == "refused"
        sessions[0].close()
        sessions[2].open()
        assert guard()._open == 2
        for each in sessions[1:]:
            each.close()
    finally:
        guard()._share, guard()._sharing = None, 1
        guard()._take_caps()
        guard().begin_run()
