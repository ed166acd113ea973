"""A simulator of several brokers beside gevent's hub: on asyncio, in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from probe.brokers import find_broker
from probe.simulator.listen import SimEndpoint
from probe.simulator.run import Simulator

PATIENCE = 20.0


class Beside:
    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator, self._loop = simulator, loop

    def endpoint(self, broker: str, scheme: str = "http") -> SimEndpoint:
        return next(
            each
            for each in self.simulator.endpoints
            if each.broker == broker and each.url.startswith(scheme + "://")
        )

    def switch_on(self, fault: str) -> int:
        return int(self._do(self.simulator.board.switch_on(fault)))

    def switch_off(self, number: int) -> None:
        self._do(self.simulator.board.switch_off(number))

    def call(self, what: Any, *arguments: Any) -> Any:
        """There, where the simulator runs."""

        async def do() -> Any:
            return what(*arguments)

        return self._do(do())

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE)


@contextmanager
def simulator_beside(*brokers: str, tls: bool = False) -> Iterator[Beside]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    lifts = [fault for name in brokers for fault in find_broker(name).house.lifts]
    simulator = Simulator(brokers, pages=True, faults=lifts, tls=tls)
    beside = Beside(simulator, loop)
    try:
        beside._do(simulator.__aenter__())
        try:
            yield beside
        finally:
            beside._do(simulator.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
