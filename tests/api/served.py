"""A simulated broker to open sessions to, in time that does not wait; afterwards no task and no connection may be left."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from probe.api.session import Session, open_session
from probe.session.broker import Broker, Region
from probe.simulator.run import Simulator
from tests.monitor.linked import regions
from tests.virtual.travelling import run

SYMBOL, OTHER = "EURUSD_otc", "#AAPL_otc"  # both brokers have both, open around the clock


class Served:
    def __init__(self, simulator: Simulator, broker: Broker) -> None:
        self.simulator, self.broker = simulator, broker
        self.endpoints = simulator.plain_endpoints()
        self.ssid = simulator.credential(self.endpoints[0]).reveal()

    @property
    def options(self) -> dict[str, Any]:
        return {
            "endpoint": [each.url for each in self.endpoints],
            "broker": self.broker.name,
            "proxy": "none",
        }

    def open(self, **more: Any) -> AbstractAsyncContextManager[Session]:
        return open_session(self.ssid, **(self.options | more))

    @property
    def connections(self) -> int:
        return len(self.simulator.sessions.records())

    @property
    def token(self) -> str:
        return self.broker.read_credentials(self.ssid).token.reveal()


@asynccontextmanager
async def served(
    broker: Broker, *faults: str, at: Sequence[Region] = regions("near")
) -> AsyncIterator[Served]:
    before = asyncio.all_tasks()
    async with Simulator([broker], faults=faults, regions=at) as simulator:
        yield Served(simulator, broker)
    assert asyncio.all_tasks() == before


def serving(
    broker: Broker,
    what: Callable[[Served], Awaitable[None]],
    *faults: str,
    at: Sequence[Region] = regions("near"),
) -> None:
    """UTC travels with the loop, from the first second of a minute: one that ends before anything happened is a row, too."""

    async def go() -> None:
        loop, began = asyncio.get_running_loop(), time.time() // 60 * 60
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(time, "time", lambda: began + loop.time())
            await serve()

    async def serve() -> None:
        async with served(broker, *faults, at=at) as place:
            await what(place)

    run(go())


async def until(condition: Callable[[], object], *, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - in time that does not wait
            await asyncio.sleep(0.05)
