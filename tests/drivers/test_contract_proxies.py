"""What every runtime promises about proxies, as `test_contract` does about the rest."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from probe.drivers.dial import Found, naming_the_proxy
from probe.model.credentials import Secret
from probe.model.events import Dialled, Event, Phase
from probe.model.failures import Failure
from probe.model.proxy import Login, Proxy, Scheme
from tests.drivers.drivables import Scripted, Until
from tests.drivers.peers import (
    Script,
    black_hole,
    close_at_once,
    closed_port,
    echo,
    peer,
    reset,
    say_nothing,
)
from tests.drivers.pki import Pki
from tests.drivers.relays import YES, Relay, answering, dribble
from tests.drivers.runtimes import Runtime
from tests.drivers.test_contract import (
    SHORT,
    SLACK_SECONDS,
    failure_in,
    kind_in,
    linux_only,
    phases_in,
    plan_for,
    secure,
    unguarded,
)

__all__ = ["secure", "unguarded"]  # the fixtures
SHORT = {**SHORT, Phase.TUNNELLING: 0.2}
LOGIN = Login(Secret("somebody"), Secret("correct-horse"))
SCHEMES = pytest.mark.parametrize("scheme", list(Scheme), ids=lambda scheme: scheme.value)


def proxy_at(port: int, scheme: Scheme = Scheme.HTTP, login: Login | None = None) -> Proxy:
    return Proxy(scheme=scheme, host="127.0.0.1", port=port, login=login)


@contextlib.contextmanager
def relayed(
    scheme: Scheme, *, login: Login | None = None, pki: Pki | None = None, certificate: str = "good"
) -> Iterator[tuple[Relay, Proxy]]:
    """An echoing server behind a proxy."""
    with peer(echo, tls=pki.servers[certificate] if pki else None) as port:
        relay = Relay(port)
        socks = relay.socks_with_login if login else relay.socks
        with peer(relay.http if scheme is Scheme.HTTP else socks) as proxy_port:
            yield relay, proxy_at(proxy_port, scheme, login)


def no_lookup(host: str, port: int) -> Sequence[Found]:
    raise AssertionError(f"{host} was looked up here and not by the proxy")


@SCHEMES
def test_a_session_runs_through_a_proxy(unguarded: Runtime, pki: Pki, secure: bool, scheme: Scheme) -> None:
    said = bytes(range(256)) * 1000
    session = Until([said], len(said))
    authority = pki if secure else None
    with relayed(scheme, pki=authority) as (relay, proxy):
        plan = plan_for(relay.port, authority, host="localhost", proxy=proxy, resolve=no_lookup)
        events = unguarded.run(session, plan)
    assert failure_in(events) is None
    assert session.received == said
    expected = [Phase.RESOLVING, Phase.CONNECTING, Phase.TUNNELLING, Phase.SECURING]
    assert phases_in(events) == expected[: 4 if secure else 3]
    (dialled,) = [event for event in events if isinstance(event, Dialled)]
    assert (dialled.proxy, dialled.address) == (f"{scheme.value}://127.0.0.1:{proxy.port}", "127.0.0.1")
    assert (dialled.tls is not None) == secure


@SCHEMES
def test_the_proxy_is_given_name_and_login(unguarded: Runtime, scheme: Scheme) -> None:
    with relayed(scheme, login=LOGIN) as (relay, proxy):
        plan = plan_for(443, host="broker.invalid", proxy=proxy, resolve=no_lookup)
        events = unguarded.run(Until([b"hello"], 5), plan)
    assert failure_in(events) is None
    assert b"broker.invalid" in relay.asked
    secret = b"c29tZWJvZHk6Y29ycmVjdC1ob3JzZQ==" if scheme is Scheme.HTTP else b"correct-horse"
    assert secret in relay.asked
    assert "correct-horse" not in repr(events)


def test_without_a_proxy_none_is_reported(unguarded: Runtime) -> None:
    with peer(echo) as port:
        events = unguarded.run(Until([b"hello"], 5), plan_for(port))
    assert [event.proxy for event in events if isinstance(event, Dialled)] == [None]


def test_a_certificate_is_verified_through_the_proxy_and_not_blamed_on_it(
    unguarded: Runtime, pki: Pki
) -> None:
    with relayed(Scheme.HTTP, pki=pki, certificate="wrong host") as (relay, proxy):
        events = unguarded.run(Scripted(), plan_for(relay.port, pki, proxy=proxy))
    assert kind_in(events) == "tls.hostname"
    assert phases_in(events) == [Phase.RESOLVING, Phase.CONNECTING, Phase.TUNNELLING]


def failed_at(unguarded: Runtime, proxy: Proxy, **changes: Any) -> tuple[Failure, list[Event]]:
    """The session never begins, and the failure names the proxy."""
    session = Scripted([b"a secret"])
    events = unguarded.run(session, plan_for(443, host="broker.invalid", proxy=proxy, **changes))
    failure = failure_in(events)
    assert failure is not None
    assert failure.detail.startswith(f"{proxy}: ")
    assert session.began_at is None
    return failure, events


@SCHEMES
def test_a_dead_proxy_is_named_as_such(unguarded: Runtime, scheme: Scheme) -> None:
    failure, events = failed_at(unguarded, proxy_at(closed_port(), scheme))
    assert failure.kind == "tcp.proxy-refused"
    assert "nothing listens on that port" in failure.detail
    assert phases_in(events) == [Phase.RESOLVING]


@linux_only
def test_a_proxy_that_does_not_answer_is_given_up_at_the_deadline(unguarded: Runtime) -> None:
    with black_hole() as port:
        failure, _ = failed_at(unguarded, proxy_at(port), deadlines=SHORT)
    assert failure.kind == "tcp.proxy-refused"
    assert failure.detail.endswith("; no answer in 0.2 s")


def test_a_proxy_whose_name_does_not_exist_is_named_as_such(unguarded: Runtime) -> None:
    def resolve(host: str, port: int) -> list[Found]:
        raise socket.gaierror(socket.EAI_NONAME, f"words about {host}")

    proxy = Proxy(scheme=Scheme.HTTP, host="proxy.invalid", port=3128)
    failure, events = failed_at(unguarded, proxy, resolve=resolve)
    assert failure.kind == "tcp.proxy-unknown"
    assert "words about proxy.invalid" in failure.detail
    assert phases_in(events) == []


TROUBLE: list[tuple[str, Scheme, Script, str]] = [
    ("407", Scheme.HTTP, answering(b"HTTP/1.1 407 Authentication Required\r\n\r\n"), "tcp.proxy-auth"),
    ("403", Scheme.HTTP, answering(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "tcp.proxy-denied"),
    ("502", Scheme.HTTP, answering(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), "tcp.proxy-no-target"),
    ("HTTP garbage", Scheme.HTTP, answering(b"220 mail.test ESMTP\r\n"), "tcp.proxy-protocol"),
    ("too early", Scheme.HTTP, answering(YES + b"hello"), "tcp.proxy-protocol"),
    ("HTTP close", Scheme.HTTP, close_at_once, "tcp.proxy-closed"),
    ("HTTP reset", Scheme.HTTP, reset, "tcp.proxy-closed"),
    ("login wanted", Scheme.SOCKS5, answering(b"\x05\xff"), "tcp.proxy-auth"),
    ("by its rules", Scheme.SOCKS5, answering(b"\x05\x00", b"\x05\x02"), "tcp.proxy-denied"),
    ("refused", Scheme.SOCKS5, answering(b"\x05\x00", b"\x05\x05"), "tcp.proxy-no-target"),
    ("SOCKS garbage", Scheme.SOCKS5, answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tcp.proxy-protocol"),
    ("SOCKS close", Scheme.SOCKS5, close_at_once, "tcp.proxy-closed"),
]


@pytest.mark.parametrize(
    ("scheme", "script", "kind"), [case[1:] for case in TROUBLE], ids=[case[0] for case in TROUBLE]
)
def test_what_a_proxy_does_wrong_is_named(
    unguarded: Runtime, scheme: Scheme, script: Script, kind: str
) -> None:
    with peer(script) as port:
        failure, events = failed_at(unguarded, proxy_at(port, scheme))
    assert failure.kind == kind
    assert phases_in(events) == [Phase.RESOLVING, Phase.CONNECTING]


@SCHEMES
def test_a_wrong_login_is_named(unguarded: Runtime, scheme: Scheme) -> None:
    no = [b"HTTP/1.1 407 No\r\n\r\n"] if scheme is Scheme.HTTP else [b"\x05\x02", b"\x01\x01"]
    with peer(answering(*no)) as port:
        failure, _ = failed_at(unguarded, proxy_at(port, scheme, LOGIN))
    assert failure.kind == "tcp.proxy-auth"
    assert "the login was not accepted" in failure.detail


@SCHEMES
def test_a_silent_proxy_is_given_up_at_the_deadline(unguarded: Runtime, scheme: Scheme) -> None:
    began = time.monotonic()
    with peer(say_nothing) as port:
        proxy = proxy_at(port, scheme)
        failure, _ = failed_at(unguarded, proxy, deadlines=SHORT)
    assert failure == Failure(kind="tcp.proxy-silent", detail=f"{proxy}: no answer in 0.2 s")
    assert 0.2 <= time.monotonic() - began < SLACK_SECONDS


def test_the_deadline_is_for_the_whole_tunnel(unguarded: Runtime) -> None:
    began = time.monotonic()
    with peer(dribble) as port:
        failure, _ = failed_at(unguarded, proxy_at(port), deadlines=SHORT)
    assert failure.kind == "tcp.proxy-silent"
    assert 0.2 <= time.monotonic() - began < SLACK_SECONDS


def test_who_gave_up_was_waiting_for_the_proxy() -> None:
    proxy = proxy_at(3128)
    plan = plan_for(443, proxy=proxy)
    given_up = [plan.given_up(phase) for phase in (Phase.RESOLVING, Phase.CONNECTING, Phase.TUNNELLING)]
    assert [failure.kind for failure in given_up] == [
        "tcp.proxy-unknown",
        "tcp.proxy-refused",
        "tcp.proxy-silent",
    ]
    assert all(failure.detail.startswith(f"{proxy}: ") for failure in given_up)
    assert plan.given_up(Phase.SECURING).kind == "tls.timeout"


def test_trouble_of_this_machine_is_not_the_proxy_s() -> None:
    ours = Failure(kind="host.fd-limit")
    assert naming_the_proxy(ours, proxy_at(3128), Phase.CONNECTING) is ours
