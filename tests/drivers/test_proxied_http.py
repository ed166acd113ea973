"""httpx through proxies, in both colours, with the failures a socket would have."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest

from probe.drivers.proxied_http import AsyncTransport, Transport, proxy_failure
from probe.model.credentials import Secret
from probe.model.proxy import Login, Proxy, Scheme
from tests.drivers.peers import Script, black_hole, close_at_once, closed_port, peer, reset, say_nothing
from tests.drivers.pki import Pki
from tests.drivers.relays import Relay, answering, dribble
from tests.drivers.test_contract import linux_only

Fetch = Callable[[str, Proxy, ssl.SSLContext], str]
LOGIN = Login(Secret("somebody"), Secret("correct-horse"))
TIMEOUT = 0.2
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def fetch(url: str, proxy: Proxy, context: ssl.SSLContext) -> str:
    with httpx.Client(transport=Transport(proxy, context), timeout=TIMEOUT) as client:
        return client.get(url).text


def fetch_async(url: str, proxy: Proxy, context: ssl.SSLContext) -> str:
    async def get() -> str:
        async with httpx.AsyncClient(transport=AsyncTransport(proxy, context), timeout=TIMEOUT) as client:
            return (await client.get(url)).text

    return asyncio.run(get())


both_colours = pytest.mark.parametrize("get", [fetch, fetch_async], ids=["sync", "async"])


@pytest.fixture(scope="module")
def context(pki: Pki) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pki.ca_file)


@contextlib.contextmanager
def relayed(scheme: Scheme, login: Login | None, tls: ssl.SSLContext | None) -> Iterator[tuple[Relay, Proxy]]:
    with peer(answering(PAGE), tls=tls) as port:
        relay = Relay(port)
        socks = relay.socks_with_login if login else relay.socks
        with peer(relay.http if scheme is Scheme.HTTP else socks) as proxy_port:
            yield relay, Proxy(scheme=scheme, host="127.0.0.1", port=proxy_port, login=login)


@both_colours
@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_page_comes_through_a_tunnel(
    get: Fetch, scheme: Scheme, secure: bool, pki: Pki, context: ssl.SSLContext
) -> None:
    with relayed(scheme, LOGIN, pki.servers["good"] if secure else None) as (relay, proxy):
        url = f"http{'s' if secure else ''}://localhost:{relay.port}/"
        assert get(url, proxy, context) == "hello"
    assert b"localhost" in relay.asked


@both_colours
def test_a_name_is_looked_up_by_the_proxy(get: Fetch, context: ssl.SSLContext) -> None:
    with relayed(Scheme.SOCKS5, None, None) as (relay, proxy):
        assert get("http://broker.invalid/", proxy, context) == "hello"
    assert b"\x0ebroker.invalid\x00\x50" in relay.asked


def failure_kind(get: Fetch, proxy: Proxy, context: ssl.SSLContext) -> str:
    with pytest.raises(httpx.ProxyError) as caught:
        get("https://broker.invalid/", proxy, context)
    failure = proxy_failure(caught.value)
    assert failure is not None
    assert failure.detail.startswith(f"{proxy}: ")
    return failure.kind


@both_colours
@pytest.mark.parametrize(
    ("scheme", "script", "kind"),
    [
        (Scheme.HTTP, answering(b"HTTP/1.1 407 Auth\r\n\r\n"), "tcp.proxy-auth"),
        (Scheme.HTTP, answering(b"HTTP/1.1 403 No\r\n\r\n"), "tcp.proxy-denied"),
        (Scheme.HTTP, answering(b"SSH-2.0-x\r\n"), "tcp.proxy-protocol"),
        (Scheme.HTTP, close_at_once, "tcp.proxy-closed"),
        (Scheme.HTTP, reset, "tcp.proxy-closed"),
        (Scheme.HTTP, say_nothing, "tcp.proxy-silent"),
        (Scheme.HTTP, dribble, "tcp.proxy-silent"),
        (Scheme.SOCKS5, answering(b"\x05\xff"), "tcp.proxy-auth"),
        (Scheme.SOCKS5, answering(b"\x05\x00", b"\x05\x05"), "tcp.proxy-no-target"),
        (Scheme.SOCKS5, answering(b"HTTP/1.1 400 No\r\n\r\n"), "tcp.proxy-protocol"),
        (Scheme.SOCKS5, say_nothing, "tcp.proxy-silent"),
    ],
)
def test_what_a_proxy_does_wrong_is_named(
    get: Fetch, scheme: Scheme, script: Script, kind: str, context: ssl.SSLContext
) -> None:
    with peer(script) as port:
        assert failure_kind(get, Proxy(scheme=scheme, host="127.0.0.1", port=port), context) == kind


@both_colours
def test_a_dead_proxy_is_named_as_such(get: Fetch, context: ssl.SSLContext) -> None:
    proxy = Proxy(scheme=Scheme.HTTP, host="127.0.0.1", port=closed_port())
    assert failure_kind(get, proxy, context) == "tcp.proxy-refused"


@linux_only
@both_colours
def test_a_proxy_that_does_not_answer_is_named_as_such(get: Fetch, context: ssl.SSLContext) -> None:
    with black_hole() as port:
        proxy = Proxy(scheme=Scheme.HTTP, host="127.0.0.1", port=port)
        assert failure_kind(get, proxy, context) == "tcp.proxy-refused"


@both_colours
def test_a_proxy_whose_name_does_not_exist_is_named_as_such(get: Fetch, context: ssl.SSLContext) -> None:
    proxy = Proxy(scheme=Scheme.HTTP, host="too-long." * 30 + "invalid", port=1)  # nobody is asked
    assert failure_kind(get, proxy, context) == "tcp.proxy-unknown"


@both_colours
def test_a_bad_certificate_behind_the_proxy_is_not_the_proxy_s(
    get: Fetch, pki: Pki, context: ssl.SSLContext
) -> None:
    with (
        relayed(Scheme.HTTP, None, pki.servers["self-signed"]) as (relay, proxy),
        pytest.raises(httpx.ConnectError) as caught,
    ):
        get(f"https://localhost:{relay.port}/", proxy, context)
    assert proxy_failure(caught.value) is None
