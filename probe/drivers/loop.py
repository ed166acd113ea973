"""An event loop that keeps its times among many connections: of those that have something to read, it takes a few, then looks at its timers.

asyncio reads all that are ready before any timer gets its turn. When a thousand sessions hear of a price at the same moment, heartbeats
would go out late, and what is measured would be our own queue.
"""

import asyncio
import select
import selectors
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

AT_ONCE = 32
T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run` does."""
    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(main)


if sys.platform == "linux":

    class _Poll:
        """Those that were not taken come first the next time: the kernel sees to that."""

        def __init__(self, poll: "select.epoll") -> None:
            self._poll = poll

        def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
            return self._poll.poll(timeout, min(most, AT_ONCE))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._poll, name)

    class _FewAtOnce(selectors.EpollSelector):
        def __init__(self) -> None:
            super().__init__()
            own = vars(self)
            own["_selector"] = _Poll(own["_selector"])

    def _loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_FewAtOnce())

else:
    _loop = asyncio.new_event_loop
