"""httpx through a proxy, by the same tunnels and with the same failures as a socket.

httpx's own way loses what we have to report: of a refusal it keeps a line of text, a SOCKS proxy that stays silent holds
it for ever, and one that talks nonsense raises what no caller expects. So its pool gets a network that tunnels.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpcore
import httpx

from probe.drivers.dial import failure_of, naming_the_proxy
from probe.model.endpoint import Address
from probe.model.events import Phase
from probe.model.failures import Failure, Layer
from probe.model.proxy import Proxy
from probe.wire.tunnel import Tunnel, tunnel_through

LARGEST_READ = 65_536


class NotProxied(httpcore.ProxyError):
    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def proxy_failure(error: BaseException | None) -> Failure | None:
    """What an error of httpx says about the proxy; None: nothing."""
    while error is not None and not isinstance(error, NotProxied):
        error = error.__cause__
    return None if error is None else error.failure


class AsyncTransport(httpx.AsyncHTTPTransport):
    def __init__(self, proxy: Proxy, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=_AsyncNetwork(proxy))


class Transport(httpx.HTTPTransport):
    def __init__(self, proxy: Proxy, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Network(proxy))


class _AsyncNetwork(httpcore.AnyIOBackend):
    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with _named(self._proxy, Phase.CONNECTING, timeout):
            stream = await super().connect_tcp(
                self._proxy.host, self._proxy.port, timeout, local_address, socket_options
            )
        try:
            with _named(self._proxy, Phase.TUNNELLING, timeout):
                tunnel = _tunnel(self._proxy, host, port)
                send, left = tunnel.begin(), _countdown(timeout)
                while not tunnel.open:
                    if send:
                        await stream.write(send, left())
                    send = _receive(tunnel, await stream.read(LARGEST_READ, left()))
        except BaseException:
            await stream.aclose()
            raise
        return stream


class _Network(httpcore.SyncBackend):
    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with _named(self._proxy, Phase.CONNECTING, timeout):
            stream = super().connect_tcp(
                self._proxy.host, self._proxy.port, timeout, local_address, socket_options
            )
        try:
            with _named(self._proxy, Phase.TUNNELLING, timeout):
                tunnel = _tunnel(self._proxy, host, port)
                send, left = tunnel.begin(), _countdown(timeout)
                while not tunnel.open:
                    if send:
                        stream.write(send, left())
                    send = _receive(tunnel, stream.read(LARGEST_READ, left()))
        except BaseException:
            stream.close()
            raise
        return stream


def _tunnel(proxy: Proxy, host: str, port: int) -> Tunnel:
    return tunnel_through(proxy, Address(secure=False, host=host, port=port, path=""))


def _countdown(timeout: float | None) -> Callable[[], float | None]:
    """What is left of it: httpcore limits single reads and writes, and a proxy may dribble."""
    if timeout is None:
        return lambda: None
    until = time.monotonic() + timeout
    return lambda: max(0.001, until - time.monotonic())  # 0 would mean not to wait, and that is another error


def _receive(tunnel: Tunnel, data: bytes) -> bytes:
    send = tunnel.receive(data) if data else b""
    if not data:
        tunnel.receive_end()
    if tunnel.failure is not None:
        raise NotProxied(tunnel.failure)
    return send


@contextmanager
def _named(proxy: Proxy, phase: Phase, timeout: float | None) -> Iterator[None]:
    try:
        yield
    except NotProxied:
        raise
    except (httpcore.NetworkError, httpcore.TimeoutException) as error:
        failure = failure_of(error, phase)
        if isinstance(error, httpcore.TimeoutException):
            failure = replace(failure, detail=f"no answer in {timeout:g} s")
        if failure.facts.layer is Layer.DNS:
            phase = Phase.RESOLVING
        raise NotProxied(naming_the_proxy(failure, proxy, phase)) from error
