"""The last looks. Failures stay longer: one that would be pushed out moves to a ring of its own."""

from collections import deque
from collections.abc import Iterator

from exporters.probing.look import Look

KEPT = 100


class Kept:
    def __init__(self) -> None:
        self._recent: deque[tuple[int, Look]] = deque()
        self._failed: deque[tuple[int, Look]] = deque(maxlen=KEPT)
        self._count = 0

    def add(self, found: Look) -> int:
        """Its number."""
        self._count += 1
        if len(self._recent) == KEPT:
            oldest = self._recent.popleft()
            if not oldest[1].success:
                self._failed.append(oldest)
        self._recent.append((self._count, found))
        return self._count

    def __iter__(self) -> Iterator[tuple[int, Look]]:
        """The newest first."""
        yield from reversed(self._recent)
        yield from reversed(self._failed)

    def find(self, number: int) -> Look | None:
        return next((found for at, found in self if at == number), None)
