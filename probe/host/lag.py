"""How late the event loop wakes whoever sleeps in it, and what held it up."""

import asyncio
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Self

STEP = 0.02
OVERDUE = 0.13  # seconds by which a beat is late, from which on it is looked at what the loop does instead
PUNCTUAL = 0.05  # an onlooker who is later than this himself lacks the processor, and proves nothing
_AT_REST = ("asyncio", "selectors", "uvloop")  # where a loop waits, or runs what others wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    seconds: float  # the worst
    blocked_in: str  # module, function and line of what ran meanwhile; empty: nobody saw it


async def watch_lag(seconds: float) -> Lag:
    async with LagWatch(STEP) as watch:
        await asyncio.sleep(seconds)
    return watch.worst


class LagWatch:
    """While it is entered."""

    def __init__(self, step: float) -> None:
        self._step, self._seconds = step, 0.0
        self._onlooker = _Onlooker(step)

    @property
    def worst(self) -> Lag:
        return Lag(seconds=self._seconds, blocked_in=self._onlooker.saw)

    async def __aenter__(self) -> Self:
        self._onlooker.begin()
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()
        self._onlooker.end()

    async def _beat(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._onlooker.beat()
            began = clock()
            await asyncio.sleep(self._step)
            self._seconds = max(self._seconds, clock() - began - self._step)


class _Onlooker:
    """Another thread: a loop that is held up cannot say by whom."""

    def __init__(self, step: float) -> None:
        self.saw = ""
        self._overdue = step + OVERDUE
        self._watched = threading.get_ident()
        self._beaten_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="probe-lag", daemon=True)

    def beat(self) -> None:
        self._beaten_at = time.monotonic()

    def begin(self) -> None:
        with suppress(RuntimeError):  # no thread can be had: the lag is measured all the same
            self._thread.start()

    def end(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _look_on(self) -> None:
        slept_at = time.monotonic()
        while not self._over.wait(STEP):
            woke_at = time.monotonic()
            if woke_at - slept_at < STEP + PUNCTUAL and woke_at - self._beaten_at > self._overdue:
                self.saw = self.saw or _place(sys._current_frames().get(self._watched))  # noqa: SLF001 - there is no other way
            slept_at = time.monotonic()


def _place(frame: FrameType | None) -> str:
    if frame is None:
        return ""
    module = str(frame.f_globals.get("__name__", "?"))
    if module.partition(".")[0] in _AT_REST:
        return ""
    return f"{module}, {frame.f_code.co_qualname}, line {frame.f_lineno}"
