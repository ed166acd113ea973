"""A real server with a few pages, and raw sockets to it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporters.guard import Guard
from exporters.guard.limits import Limits
from exporters.server import Server

PLANTED = "planted-secret-4471"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def page(_: Request) -> Response:
    return PlainTextResponse("the page")


async def bug(_: Request) -> Response:
    raise RuntimeError(PLANTED)


async def never(_: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


PAGES: tuple[BaseRoute, ...] = (Route("/", page), Route("/bug", bug), Route("/never", never))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: str
    body: str


class Client:
    """One connection, used by a thread."""

    def __init__(
        self, address: tuple[str, int], *, source: str | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        self.raw: socket.socket = socket.create_connection(
            address, timeout=20, source_address=(source, 0) if source else None
        )
        if context is not None:
            try:
                self.raw = context.wrap_socket(self.raw, server_hostname="localhost")
            except OSError:
                self.raw.close()
                raise
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, where: TracebackType | None
    ) -> None:
        self.raw.close()

    def send(self, data: bytes) -> None:
        self.raw.sendall(data)

    def answer(self) -> Answer:
        """One answer with a length; the connection may go on."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        lengths = [
            line.partition(":")[2] for line in text.lower().splitlines() if line.startswith("content-length:")
        ]
        length = int(lengths[0]) if lengths else 0
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return Answer(int(text.split()[1]), text, body.decode())

    def to_the_end(self) -> bytes:
        """Everything until the other side closes."""
        got = self._rest
        try:
            while data := self.raw.recv(65536):
                got += data
        except ConnectionError:
            pass
        return got

    def ask(self, method: str = "GET", path: str = "/", headers: str = "", body: str = "") -> Answer:
        host = "" if headers.lower().startswith("host:") else "Host: localhost\r\n"
        self.send(f"{method} {path} HTTP/1.1\r\n{host}{headers}\r\n{body}".encode("latin-1"))
        return self.answer()

    def _more(self) -> None:
        data = self.raw.recv(65536)
        if not data:
            raise ConnectionResetError("closed before the answer was complete")
        self._rest += data


@dataclass(frozen=True, slots=True)
class Served:
    address: tuple[str, int]
    server: Server
    guard: Guard | None
    connect: dict[str, Any] = field(default_factory=dict)

    def client(self, **how: Any) -> Client:
        return Client(self.address, **{**self.connect, **how})

    async def ask(
        self, method: str = "GET", path: str = "/", headers: str = "", body: str = "", **how: Any
    ) -> Answer:
        def once() -> Answer:
            with self.client(**how) as client:
                return client.ask(method, path, headers, body)

        return await asyncio.to_thread(once)


@asynccontextmanager
async def serving(
    routes: tuple[BaseRoute, ...] = PAGES,
    *,
    guard: Guard | None = None,
    limits: Limits | None = None,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Served]:
    """Nothing may go wrong in the server's loop meanwhile."""
    problems: list[object] = []
    server = Server(routes, host="127.0.0.1", port=0, guard=guard, limits=limits)
    with (
        patch("exporters.server._note", lambda _, context: problems.append(context)),
        patch("exporters.server.LOOK_EVERY", 0.05),
    ):
        address = await server.start()
        try:
            yield Served(address, server, guard, {"context": context} if context else {})
        finally:
            await server.stop()
    assert problems == []


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.01)
