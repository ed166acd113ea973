"""An event loop that does not wait: when nothing is ready, its clock jumps to the next timer. Sockets stay real ones."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# What one end wrote is at the other at once on loopback, but for a moment of the kernel's own. A jump over a deadline must
# not overtake it; one between two ticks may.
GRACE_SECONDS = 0.002
LONG_JUMP_SECONDS = 0.2


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or (super().select(GRACE_SECONDS) if timeout is None else ready)
        if timeout > LONG_JUMP_SECONDS and (ready := super().select(GRACE_SECONDS)):
            return ready
        self.now += timeout
        return []


class TravellingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=TravellingLoop) as runner:
        return runner.run(main)
