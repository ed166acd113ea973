"""An event loop that does not wait: when nothing is ready, its clock jumps to the next timer. Sockets stay real ones."""

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# A busy kernel lets packets wait, and a jump must not overtake them. It works them off in order: when one that was sent
# last has come, those before it have.
FENCES = (
    3  # an answer of the kernel's own, as to a connection attempt, is sent only when the question has come
)
FENCE_WITHIN = 1.0
SHORT_JUMP_SECONDS = 0.02


class _Fence:
    """A packet sent to ourselves."""

    def __init__(self) -> None:
        self._end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._end.bind(("127.0.0.1", 0))
        self._end.settimeout(FENCE_WITHIN)
        self._address = self._end.getsockname()

    def wait(self) -> None:
        self._end.sendto(b".", self._address)
        self._end.recv(1)

    def close(self) -> None:
        self._end.close()


class _Selector(selectors.DefaultSelector):
    now = 0.0
    at_work = 0  # threads of the executor, whose work takes real time

    def __init__(self) -> None:
        super().__init__()
        self._fence = _Fence()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.at_work:
            return super().select(0.002)
        if timeout > SHORT_JUMP_SECONDS:
            for _ in range(FENCES):
                self._fence.wait()
                if ready := super().select(0):
                    return ready
        self.now += timeout
        return []

    def close(self) -> None:
        self._fence.close()
        super().close()


class TravellingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def pass_without_turning(self, seconds: float) -> None:
        """As when a callback keeps the loop for so long."""
        self._clock.now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        working: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self._clock.at_work += 1
        working.add_done_callback(self._worked)
        return working

    def _worked(self, _: asyncio.Future[Any]) -> None:
        self._clock.at_work -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=TravellingLoop) as runner:
        return runner.run(main)
