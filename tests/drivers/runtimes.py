"""What a driver has to offer to be held to the contract. One class for each runtime.

gevent has to patch before anything else is imported, so it gets an interpreter of its own: `test_blocking` starts one
with this variable set, runs the same files in it, and reports what failed there.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import gevent
from gevent.event import AsyncResult

from loadtests.driver import Connection as HubConnection
from probe.drivers import aio, blocking
from probe.drivers.dial import DialPlan
from probe.model.events import Ended, Event
from probe.wire.drivable import Drivable

RUNTIME_VARIABLE = "TRADEPROBE_TEST_RUNTIME"
LIMIT_SECONDS = 10.0


class Runtime(Protocol):
    def run(self, session: Drivable, plan: DialPlan) -> list[Event]:
        """Dial, run the session until it ended and its transport is gone, leave nothing behind."""


class Asyncio:
    def run(self, session: Drivable, plan: DialPlan) -> list[Event]:
        events: list[Event] = []

        async def attempt() -> None:
            async with asyncio.timeout(LIMIT_SECONDS):
                connection = await aio.connect(session, plan, on_event=events.append)
                ended = await connection.ended()
            assert ended is events[-1]
            await nothing_is_left()

        asyncio.run(attempt())
        return events

    @contextlib.contextmanager
    def serving(self, make_session: Callable[[str], Drivable], tls: ssl.SSLContext | None) -> Iterator[int]:
        """Serve on a loopback port for as long as the context is open. Only this runtime does."""
        ports: list[int] = []
        ready = threading.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            protocol = aio.serve_protocol(make_session)
            server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
            ports.append(server.sockets[0].getsockname()[1])
            ready.set()
            async with server:
                await stop.wait()

        stop = asyncio.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        assert ready.wait(LIMIT_SECONDS)
        try:
            yield ports[0]
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(LIMIT_SECONDS)
            loop.close()


class Threads:
    def run(self, session: Drivable, plan: DialPlan) -> list[Event]:
        events: list[Event] = []
        connection = blocking.Connection(session, plan, on_event=events.append)
        ended = connection.run()
        assert ended is events[-1]
        assert connection.tcp_facts() is None
        return events


class Hub:
    """Callbacks on gevent's hub, in a process that gevent has not patched."""

    def run(self, session: Drivable, plan: DialPlan) -> list[Event]:
        events: list[Event] = []
        outcome: AsyncResult[None] = AsyncResult()

        def note(event: Event) -> None:
            events.append(event)

        connection = HubConnection(session, plan, on_event=note, on_bug=outcome.set_exception)
        connection.open(0.0)
        with gevent.Timeout(LIMIT_SECONDS):
            while not connection.is_over:
                outcome.wait(0.002)
        if outcome.ready():
            outcome.get()
        assert isinstance(events[-1], Ended)
        assert connection.tcp_facts() is None
        return events


class Gevent(Threads):
    """The peers are greenlets beside the driver's: one that blocked the interpreter would wait for ever."""

    def run(self, session: Drivable, plan: DialPlan) -> list[Event]:
        assert socket.socket.__module__.startswith("gevent")
        return super().run(session, plan)


RUNTIMES: list[type[Runtime]] = (
    [Gevent] if os.environ.get(RUNTIME_VARIABLE) == "gevent" else [Asyncio, Threads, Hub]
)
UNGUARDED = [
    each for each in RUNTIMES if each is not Hub
]  # load goes straight to its target, by its own name
if Hub in RUNTIMES:
    gevent.get_hub().threadpool.apply(int)  # opens descriptors of its own, before any test counts


async def nothing_is_left() -> None:
    """asyncio itself forgets an aborted TLS handshake in the next pass of the loop."""
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert live_timers() == 0


def live_timers() -> int:
    """Those of the running loop; the deadlines of code that is being awaited are not counted."""
    handles = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    owners = [getattr(handle._callback, "__self__", None) for handle in handles if not handle.cancelled()]
    return sum(not isinstance(owner, asyncio.Timeout) for owner in owners)
