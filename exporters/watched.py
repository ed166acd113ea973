"""A monitor as its servers see it: asked from any thread, answered in the monitor's own loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from probe.measure.snapshot import Snapshot
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import Wanted

T = TypeVar("T")

AT_ONCE = 8  # targets that are looked at before the loop may measure again
SNAPSHOTS_FOR = 0.5  # seconds; many who look at once cost the monitor one look


class Watched:
    """Made in the monitor's loop.

    Args:
        reload: Reads the configuration again; says what changed, or raises a ProbeError that says why it was not taken over.
    """

    def __init__(self, monitor: Monitor, reload: Callable[[], Awaitable[str]]) -> None:
        self._monitor, self._reload = monitor, reload
        self._loop = asyncio.get_running_loop()
        self._snapshots: tuple[float, tuple[Snapshot, ...]] = (float("-inf"), ())
        self._looking = asyncio.Lock()  # of the loop that asks

    async def ask(self, question: Callable[[Monitor], T]) -> T:
        """The question must be short: while it is answered nothing is measured."""

        async def answer() -> T:
            return question(self._monitor)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer(), self._loop))

    async def wanted(self) -> tuple[Wanted, ...]:
        return await self.ask(lambda monitor: monitor.wanted)

    async def snapshots(self) -> tuple[Snapshot, ...]:
        """Of all targets, at most half a second old."""
        async with self._looking:
            taken_at, kept = self._snapshots
            if time.monotonic() - taken_at >= SNAPSHOTS_FOR:
                kept = await self._looked()
                self._snapshots = time.monotonic(), kept
            return kept

    async def _looked(self) -> tuple[Snapshot, ...]:
        names, found = await self.ask(lambda monitor: list(monitor.watches)), list[Snapshot]()
        for at in range(0, len(names), AT_ONCE):
            found += await self.ask(_shows(names[at : at + AT_ONCE]))
        return tuple(found)

    async def reload(self) -> str:
        """What changed, in words.

        Raises:
            ProbeError: the configuration was not taken over, and everything goes on as before.
        """

        async def again() -> str:
            return await self._reload()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(again(), self._loop))


def _shows(names: Sequence[str]) -> Callable[[Monitor], tuple[Snapshot, ...]]:
    return lambda monitor: monitor.snapshots(names)
