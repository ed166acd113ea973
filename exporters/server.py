"""The exporter's pages on a port: served by a thread and an event loop of their own, so that they delay no measurement."""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.routing import BaseRoute

from exporters.front import Front, application
from exporters.guard import Guard
from exporters.guard.door import Connection, Door
from exporters.guard.limits import Limits
from probe.logs import get_logger
from probe.model.errors import ConfigError

STOPPED_WITHIN = 1  # second; after this, answers that are not finished are cut off
LOOK_EVERY = 0.5  # seconds: for the Date header, and for clients that are too slow
_WHY = {
    errno.EADDRINUSE: "something else listens there",
    errno.EACCES: "ports below 1024 are for the administrator",
    errno.EPERM: "ports below 1024 are for the administrator",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


class Server:
    """
    Args:
        port: 0 is any that is free.
        guard: What the web configuration says; None: plain HTTP, for everybody who can reach the port.
    """

    def __init__(
        self,
        routes: Iterable[BaseRoute],
        *,
        host: str,
        port: int,
        guard: Guard | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._routes, self._host, self._port = tuple(routes), host, port
        self._guard, self._limits = guard, limits or Limits()
        self._uvicorn: _Uvicorn | None = None
        self._ended: Future[None] = Future()

    async def start(self) -> tuple[str, int]:
        """The address it listens on from now on.

        Raises:
            ConfigError: it cannot listen there.
        """
        listener = await _listening(self._host, self._port)
        host, port = listener.getsockname()[:2]
        front = Front(application(self._routes), guard=self._guard, limits=self._limits, host=host)
        self._uvicorn = _Uvicorn(front, listener, self._guard, self._limits)
        self._thread = threading.Thread(target=self._run, args=(self._uvicorn,), name="exporter", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(self._uvicorn.listening)
        return host, port

    async def stop(self) -> None:
        """Ends it, also with clients that hang."""
        if self._uvicorn is not None:
            self._uvicorn.stop()
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=2 * STOPPED_WITHIN)
            self._thread.join(0.1)  # it has nothing left to do
        if self._guard is not None:
            self._guard.close()

    def _run(self, server: "_Uvicorn") -> None:
        loop = server.loop
        loop.set_exception_handler(_note)
        try:
            loop.run_until_complete(server.serve())
            if left := asyncio.all_tasks(loop):  # one that does not end when it is told
                loop.run_until_complete(asyncio.wait(left, timeout=0.1))
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException as problem:  # noqa: BLE001 - a thread must not end without a word
            get_logger().error("exporter_ended", problem=type(problem).__name__)
            if not server.listening.done():
                server.listening.set_exception(problem)
        finally:
            server.listener.close()
            loop.close()  # without waiting for threads a page may have started
            self._ended.set_result(None)


class _Uvicorn(uvicorn.Server):
    """With a door of our own instead of asyncio's server."""

    def __init__(self, app: Front, listener: socket.socket, guard: Guard | None, limits: Limits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="critical",
                server_header=False,
                proxy_headers=False,  # or a client could name itself, and have another name for each wrong password
                timeout_keep_alive=int(limits.idle),
                h11_max_incomplete_event_size=limits.request_bytes,
            )
        )
        self.listener, self._guard, self._limits = listener, guard, limits
        self.listening: Future[None] = Future()
        self.loop, self._stopping = asyncio.new_event_loop(), asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        def connection() -> Connection:
            return Connection(self.config, self.server_state)

        self._door = Door(self.listener, connection, self._guard.tls() if self._guard else None, self._limits)
        self.started = True
        self.listening.set_result(None)

    async def main_loop(self) -> None:
        """Awake less often than uvicorn's, and at once when it shall end."""
        while not self._stopping.is_set():
            try:
                await self.on_tick(0)
                self._door.look()
            except Exception as problem:  # noqa: BLE001 - one strange connection must not end all others
                _note(self.loop, {"exception": problem})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY)

    def stop(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(self._stopping.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._door.close(STOPPED_WITHIN)
        for task in self.server_state.tasks:
            task.cancel()


async def _listening(host: str, port: int) -> socket.socket:
    try:
        if not 0 <= port <= 65535:
            raise OverflowError  # getaddrinfo would take the rest of a division
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        return _bound(socket.socket(family, kind, protocol), address)
    except (OSError, OverflowError, UnicodeError) as problem:
        told = problem.strerror if isinstance(problem, OSError) else "no address is written so"
        why = _WHY.get(getattr(problem, "errno", 0), told)
        raise ConfigError(
            f"the exporter cannot listen on {host}, port {port} ({why})",
            next_step="Choose another address: `listen` in [exporter] of probe.toml.",
        ) from None


def _bound(listener: socket.socket, address: Any) -> socket.socket:
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    problem = context.get("exception")
    get_logger().error("exporter_loop_problem", problem=type(problem).__name__)
