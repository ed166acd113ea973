"""One direction of a faulty line: bytes and marks go in with the time, and come out when the fault lets them."""

import math
from collections import deque
from random import Random
from typing import Generic, TypeVar

from probe.faults.stream import StreamFault

Mark = TypeVar("Mark")  # what is not bytes and keeps its place among them


class FaultyPipe(Generic[Mark]):
    """One direction: what is pushed in comes out late, in pieces, changed or not at all, always in order."""

    def __init__(self, fault: StreamFault, rng: Random) -> None:
        self._fault, self._rng = fault, rng
        # When it may leave once everything ahead of it has left, and what.
        self._queue: deque[tuple[float, bytes | Mark]] = deque()
        self._head_taken = 0  # bytes of the head of the queue that left already
        self._last_left_at = -math.inf
        self._passed = 0  # bytes that entered while the fault acted
        self._starts_at = self._ends_at = math.inf
        self.held = 0  # bytes inside
        self.broken = False  # the fault's count of bytes is full
        self._closed = False

    def start(self, now: float) -> None:
        self._starts_at = now + self._fault.start
        self._ends_at = math.inf if self._fault.duration is None else self._starts_at + self._fault.duration
        self._passed = 0

    def stop(self) -> None:
        self._starts_at = self._ends_at = math.inf

    def push(self, item: bytes | Mark, now: float) -> None:
        if self.broken or self._closed:
            return
        ready_at = now
        if self._acts(now):
            ready_at = self._fault.ready_at(now, self._rng)
            if isinstance(item, bytes):
                item = self._damage(item)
        if item == b"":
            return
        self.held += len(item) if isinstance(item, bytes) else 0
        self._queue.append((ready_at, item))

    def pop(self, now: float) -> list[bytes | Mark]:
        """Everything that has arrived at the other end by now."""
        arrived: list[bytes | Mark] = []
        acts = self._acts(now)
        while self._queue:
            piece, leaves_at = self._next_piece(whole=not acts)
            if acts and leaves_at > now:
                break
            if acts:
                self._last_left_at = leaves_at
            self._take(piece)
            arrived.append(piece)
        return arrived

    def next_wake(self) -> float | None:
        if not self._queue:
            return None
        at = min(self._next_piece(whole=False)[1], self._ends_at)
        return None if math.isinf(at) else at

    def close(self) -> None:
        """Drop what is inside and take nothing more."""
        self._closed = True
        self._queue.clear()
        self._head_taken = self.held = 0

    def _acts(self, now: float) -> bool:
        return self._starts_at <= now < self._ends_at

    def _damage(self, data: bytes) -> bytes:
        limit = self._fault.breaks_after()
        if limit is not None and self._passed + len(data) >= limit:
            data, self.broken = data[: limit - self._passed], True
        data = self._fault.change(data, self._passed, self._rng)
        self._passed += len(data)
        return data

    def _next_piece(self, *, whole: bool) -> tuple[bytes | Mark, float]:
        ready_at, item = self._queue[0]
        if not isinstance(item, bytes):
            return item, self._fault.leaves_at(ready_at, self._last_left_at, 0)
        limit = None if whole else self._fault.piece_limit()
        piece = item[self._head_taken : None if limit is None else self._head_taken + limit]
        return piece, self._fault.leaves_at(ready_at, self._last_left_at, len(piece))

    def _take(self, piece: bytes | Mark) -> None:
        item = self._queue[0][1]
        if isinstance(item, bytes) and isinstance(piece, bytes):
            self.held -= len(piece)
            self._head_taken += len(piece)
            if self._head_taken < len(item):
                return
        self._queue.popleft()
        self._head_taken = 0
