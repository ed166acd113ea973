"""How often something may be done: so many at once, and one more every so many seconds. What that did is counted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    size: int  # so many at once
    every: float  # seconds until one more

    def __post_init__(self) -> None:
        if self.size < 1 or self.every <= 0:
            raise ValueError("a rate lets something through")

    def __str__(self) -> str:
        return f"{self.size} at once, one more every {self.every:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What became of what somebody wanted to do."""

    says: str  # the limit, in words
    allowed: int = 0  # at once
    delayed: int = 0  # and done later
    refused: int = 0
    waited_seconds: float = 0.0  # all delays together


class Bucket:
    """
    Args:
        rate: None: anything goes, and is counted.
        patience: Who would have to wait longer is refused.
    """

    __slots__ = ("_allowed", "_delayed", "_full_at", "_patience", "_rate", "_refused", "_waited")

    def __init__(self, rate: Rate | None, *, patience: float) -> None:
        self._rate, self._patience = rate, patience
        self._full_at = float("-inf")  # when no token is missing any more
        self._allowed = self._delayed = self._refused = 0
        self._waited = 0.0

    def take(self, now: float) -> float | None:
        """Seconds to wait before it may be done; None: it may not."""
        rate = self._rate
        if rate is None:
            self._allowed += 1
            return 0.0
        full_at = max(self._full_at, now) + rate.every
        wait = max(full_at - now - rate.size * rate.every, 0.0)
        if wait > self._patience:
            self._refused += 1
            return None
        self._full_at = full_at
        self._allowed += wait == 0
        self._delayed += wait > 0
        self._waited += wait
        return wait

    @property
    def figures(self) -> Limited:
        return Limited(
            says="no limit" if self._rate is None else str(self._rate),
            allowed=self._allowed,
            delayed=self._delayed,
            refused=self._refused,
            waited_seconds=self._waited,
        )
