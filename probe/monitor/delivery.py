"""Brings alerts to people through channels, of which none can hold up the monitor or another channel."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from probe.measure.records import Alert, Notice, Severity
from probe.monitor.channels import Patience, Undelivered, Way, keep_addresses_out_of_logs

LONGEST_QUEUE = 100
_GRAVEST_FIRST = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    name: str
    way: Way
    severity: Severity = Severity.INFO  # the least grave that it brings


@dataclass(slots=True)
class Delivered:
    """What became of a channel's alerts."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0  # never tried: the queue was full, or the end came first
    waiting: int = 0


class Channels:
    """`tell` them; leaving the context waits a little for what is on its way.

    What is wrong with a channel is told to `notify` once, and again when it works again.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        notify: Callable[[Notice], None],
        *,
        utc: Callable[[], float] = time.time,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._lines = [_Line(channel, notify, utc, self._patience) for channel in channels]
        self._workers: list[asyncio.Task[None]] = []

    @property
    def counts(self) -> dict[str, Delivered]:
        return {line.channel.name: line.count for line in self._lines}

    def tell(self, alert: Alert) -> None:
        """Never waits and never raises."""
        for line in self._lines:
            if _GRAVEST_FIRST.index(alert.severity) <= _GRAVEST_FIRST.index(line.channel.severity):
                line.put(alert)

    async def __aenter__(self) -> Self:
        keep_addresses_out_of_logs()
        self._workers = [
            asyncio.create_task(line.work(), name=f"channel {line.channel.name}") for line in self._lines
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience.flush_seconds):
                    await asyncio.gather(*(line.idle.wait() for line in self._lines))
        finally:
            for worker in self._workers:
                worker.cancel()
            await asyncio.gather(*self._workers, return_exceptions=True)
            for line in self._lines:
                line.give_up()


class _Line:
    """One channel, what waits for it, and its worker."""

    def __init__(
        self,
        channel: Channel,
        notify: Callable[[Notice], None],
        utc: Callable[[], float],
        patience: Patience,
    ) -> None:
        self.channel, self._notify, self._utc, self._patience = channel, notify, utc, patience
        self.count = Delivered()
        self.idle = asyncio.Event()  # nothing waits, nothing is on its way
        self.idle.set()
        self._queue: deque[Alert] = deque()  # the one on its way included
        self._filled = asyncio.Event()
        self._is_failing = False
        self._is_prepared = False

    def put(self, alert: Alert) -> None:
        if len(self._queue) >= LONGEST_QUEUE:
            # The oldest that is not on its way: what is true now is worth more.
            del self._queue[1]
            self.count.dropped += 1
            self._fails(f"{LONGEST_QUEUE} alerts wait for it, and older ones are dropped; it is too slow")
        self._queue.append(alert)
        self.count.waiting = len(self._queue)
        self.idle.clear()
        self._filled.set()

    async def work(self) -> None:
        try:
            await self._bring(None)  # a wrong address is told now, not with the first alert
            while True:
                while self._queue:
                    await self._bring(self._queue[0])
                    self._queue.popleft()
                    self.count.waiting = len(self._queue)
                self.idle.set()
                self._filled.clear()
                await self._filled.wait()
        finally:
            await self.channel.way.close()

    async def _bring(self, alert: Alert | None) -> None:
        way = self.channel.way
        try:
            if not self._is_prepared:
                await way.prepare(self._patience)
                self._is_prepared = True
            if alert is None:
                return
            await way.send(alert, self._patience)
        except Undelivered as problem:
            self.count.failed += alert is not None
            self._fails(str(problem))
        except Exception as bug:  # noqa: BLE001 - the top of a task; the worker must outlive it
            self.count.failed += alert is not None
            self._fails(f"{type(bug).__name__}, a bug of tradeprobe's: please report it")
        else:
            self.count.sent += 1
            self._works()

    def give_up(self) -> None:
        if not self._queue:
            return
        self.count.dropped += len(self._queue)
        self.count.waiting = 0
        named = ", ".join(f"{alert.name} of {alert.target or 'the monitor'}" for alert in self._queue)
        self._say(
            "channel.undelivered",
            f"had {len(self._queue)} alert(s) left when the monitor ended, not known to be delivered: {named}",
        )
        self._queue.clear()

    def _fails(self, why: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            self._say("channel.failing", f"does not deliver: {why}. It is told here when it works again")

    def _works(self) -> None:
        if self._is_failing:
            self._is_failing = False
            lost = self.count.failed + self.count.dropped
            self._say(
                "channel.recovered", f"delivers again; {lost} alert(s) were not delivered since the start"
            )

    def _say(self, code: str, what: str) -> None:
        sentence = f"the channel {self.channel.name!r} {what}."
        self._notify(Notice(at_utc=self._utc(), code=code, sentence=sentence))
