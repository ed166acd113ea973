"""What arrives, one at a time and in order, through a bounded queue: who is slow loses the oldest, and is told how many."""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, NamedTuple, Self, TypeVar

T = TypeVar("T")

QUEUE_SIZE = 1000


class Quote(NamedTuple):
    symbol: str
    price: float
    broker_time: float  # by the broker's clock, zone included
    at_utc: float  # of arrival
    lost_before: int = 0  # dropped just before this one, because nobody took them in time


class Queue(Generic[T]):
    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a queue needs room for at least one")
        self.size, self.lost = size, 0
        self._items: deque[T] = deque()
        self._lost_since = 0
        self._is_over = False
        self._error: Exception | None = None
        self._news = asyncio.Event()

    def put(self, item: T) -> None:
        if len(self._items) == self.size:
            self._items.popleft()
            self.lost += 1
            self._lost_since += 1
        self._items.append(item)
        self._news.set()

    def end(self, error: Exception | None) -> None:
        """After what is still queued."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._news.set()

    async def take(self) -> tuple[T, int]:
        """
        Raises:
            StopAsyncIteration: it is over.
        """
        while not self._items:
            if self._is_over:
                raise self._error or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        lost, self._lost_since = self._lost_since, 0
        return self._items.popleft(), lost


class Stream(AsyncIterator[T]):
    """Ends when its source does: by its failure, or in order. Listening ends with `close`, or when nobody refers to it any
    more, as after a `break`."""

    def __init__(self, queue: Queue[T], leave: Callable[[], None]) -> None:
        self._queue = queue
        self._leave = weakref.finalize(self, leave)
        self._leave.atexit = False

    @property
    def lost(self) -> int:
        """All that were dropped, because nobody took them in time."""
        return self._queue.lost

    def close(self) -> None:
        self._leave()
        self._queue.end(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return (await self._queue.take())[0]


class QuoteStream(Stream[Quote]):
    _queue: Queue[Quote]

    async def __anext__(self) -> Quote:
        quote, lost = await self._queue.take()
        return quote._replace(lost_before=lost) if lost else quote
