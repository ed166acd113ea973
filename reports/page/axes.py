"""The axes of pictures: where a value lies, and what is written beside it."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

WIDTH, HEIGHT = 480.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 20.0, 24.0
MOST_TICKS = 7
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200)
_DAY = 86400
_DAYS = (1, 2, 3, 7, 14)
_MONTHS = (1, 2, 3, 6, 12)
_MONDAY = 4  # the first one, in days after the epoch


class Time(Protocol):
    """An axis from the left to the right."""

    name: str  # of what is counted; written beside the axis

    def share(self, second: float) -> float:
        """Between 0, the left end, and 1."""

    def ticks(self) -> Iterator[tuple[float, str]]: ...


class Elapsed:
    """Seconds of a run."""

    name = ""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def share(self, second: float) -> float:
        return second / self.seconds

    def ticks(self) -> Iterator[tuple[float, str]]:
        step = next((each for each in (*_STEPS, _DAY) if self.seconds / each <= MOST_TICKS), _DAY)
        for second in range(0, int(self.seconds) + 1, step):
            minutes, rest = divmod(second, 60)
            yield second, f"{minutes}:{rest:02}"


class Utc:
    """Times of day and days, in UTC. A time of day that stands alone is one of the day named before it."""

    name = "UTC"

    def __init__(self, since: float, until: float) -> None:
        self.since, self.until = since, max(until, since + 1)

    def share(self, second: float) -> float:
        return min(max((second - self.since) / (self.until - self.since), 0.0), 1.0)

    def ticks(self) -> Iterator[tuple[float, str]]:
        seconds = self.until - self.since
        step = next((each for each in _STEPS if seconds / each <= MOST_TICKS), None)
        if step is not None:
            day = None
            for second in range(-int(-self.since // step) * step, int(self.until) + 1, step):
                at = datetime.fromtimestamp(second, UTC)
                of_day = f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}"
                is_midnight = second % _DAY == 0
                yield (
                    second,
                    _day(at) if is_midnight else of_day if day == at.date() else f"{_day(at)} {of_day}",
                )
                day = at.date()
        elif days := next((each for each in _DAYS if seconds / (each * _DAY) <= MOST_TICKS), None):
            first = -int(-self.since // _DAY)
            first += (_MONDAY - first) % days if days % 7 == 0 else 0
            for each in range(first, int(self.until // _DAY) + 1, days):
                yield each * _DAY, _day(datetime.fromtimestamp(each * _DAY, UTC))
        else:
            yield from self._months()

    def _months(self) -> Iterator[tuple[float, str]]:
        months = (self.until - self.since) / (30 * _DAY)
        step = next((each for each in _MONTHS if months / each <= MOST_TICKS), 12 * math.ceil(months / 84))
        at = datetime.fromtimestamp(self.since, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while (second := at.timestamp()) <= self.until:
            if second >= self.since and (at.year * 12 + at.month - 1) % step == 0:
                yield second, f"{at:%b %Y}"
            at = (at + timedelta(days=32)).replace(day=1)


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


class Plain:
    """From zero upwards."""

    def __init__(self, most: float) -> None:
        step = 10 ** math.floor(math.log10(most)) if most > 0 else 1.0
        self.step = next(step * part for part in (0.2, 0.25, 0.5, 1, 2, 2.5) if most <= step * part * 5)
        self.top = self.step * max(1, math.ceil(most / self.step))

    def at(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)

    def ticks(self) -> list[float]:
        return [self.step * place for place in range(round(self.top / self.step) + 1)]


class Log:
    """Durations, in powers of ten."""

    def __init__(self, low: float, high: float, *, sideways: bool = False) -> None:
        self.low = math.floor(math.log10(max(low, 1e-6)))
        self.high = max(math.ceil(math.log10(max(high, 1e-6))), self.low + 1)
        self.sideways = sideways

    def at(self, value: float) -> float:
        share = (math.log10(max(value, 1e-6)) - self.low) / (self.high - self.low)
        if self.sideways:
            return LEFT + share * (WIDTH - LEFT - RIGHT)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]
