"""The broker's time: the terminal counts seconds by the clock on the broker's wall, and how far that is from UTC shows while
prices move.
"""

from collections.abc import Callable
from datetime import UTC, datetime

HOUR, DAY = 3600, 86_400
OFFSETS = range(-12, 15)
LATE, EARLY = 120.0, 30.0  # a tick that is so close to a whole hour of offset is taken for a fresh one


class BrokerTime:
    """Seconds of the terminal are those of the broker's clock."""

    def __init__(self, utc: Callable[[], float]) -> None:
        self._utc = utc
        self.offset_hours: int | None = None  # None: no price has moved yet
        self._newest = 0.0

    def see(self, tick_at: float) -> None:
        if tick_at <= self._newest:
            return
        self._newest = tick_at
        ahead = tick_at - self._utc()
        hours = round(ahead / HOUR)
        is_fresh = hours in OFFSETS and -LATE <= ahead - hours * HOUR <= EARLY
        # Once known it changes with the seasons only; anything else is a tick that is old by whole hours.
        if is_fresh and (self.offset_hours is None or abs(hours - self.offset_hours) <= 1):
            self.offset_hours = hours

    def now(self) -> int:
        return int(self._utc()) + (self.offset_hours or 0) * HOUR

    def midnight(self) -> int:
        return self.now() // DAY * DAY

    def timestamp(self, seconds_back: float = 0.0) -> str:
        """UTC in the contract's form, which names no zone."""
        return clock_face(self._utc() - seconds_back)


def clock_face(seconds: float, timespec: str = "microseconds") -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec=timespec)
