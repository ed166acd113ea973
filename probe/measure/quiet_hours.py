"""Hours of the week in which only a page may disturb; what still fires when they end is told then."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from probe.measure.records import Alert, Severity
from probe.model.errors import ConfigError, near_miss

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CLOCK = re.compile(r"(\d\d):([0-5]\d)", re.ASCII)
_EXAMPLE = "Write it like 'Mon-Fri 22:00-06:00 Europe/Berlin' or 'Sat,Sun 00:00-24:00 UTC all'."


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    days: frozenset[int]  # on which it begins; 0 is Monday
    begins_minute: int  # of the day
    ends_minute: int  # not after the begin: on the next day
    zone: ZoneInfo
    pages_too: bool = False

    def covers(self, utc: float) -> bool:
        local = datetime.fromtimestamp(utc, self.zone)
        minute = local.hour * 60 + local.minute
        if self.begins_minute < self.ends_minute:
            return local.weekday() in self.days and self.begins_minute <= minute < self.ends_minute
        yesterday = (local.date() - timedelta(days=1)).weekday()
        return (local.weekday() in self.days and minute >= self.begins_minute) or (
            yesterday in self.days and minute < self.ends_minute
        )


class QuietHours:
    def __init__(self, windows: Iterable[Window] = ()) -> None:
        self._windows = tuple(windows)
        self._held: dict[tuple[str | None, str], Alert] = {}
        self._passed: set[tuple[str | None, str]] = set()  # firing, as the receivers know

    @classmethod
    def parse(cls, lines: Sequence[str], *, where: str = "alerts.quiet") -> Self:
        """
        Raises:
            ConfigError: it says which part is not understood, and shows how a window is written.
        """
        return cls(_window(line, where) for line in lines)

    def are_now(self, severity: Severity, utc: float) -> bool:
        windows = (each for each in self._windows if each.pages_too or severity is not Severity.PAGE)
        return any(window.covers(utc) for window in windows)

    def pass_on(self, alerts: Iterable[Alert], now_utc: float) -> list[Alert]:
        """Those of `alerts` that may be delivered now, after what waited and may be, too. To be called also with none."""
        for alert in alerts:
            key = (alert.target, alert.name)
            if alert.resolved_utc is not None and key not in self._passed:
                self._held.pop(key, None)  # it came and went, and nobody was disturbed
            else:
                self._held.pop(key, None)  # the newer word goes to the end of the row
                self._held[key] = alert
        if not self._held:
            return []
        free = [key for key, alert in self._held.items() if not self.are_now(alert.severity, now_utc)]
        released = [self._held.pop(key) for key in free]
        for key, alert in zip(free, released, strict=True):
            if alert.resolved_utc is None:
                self._passed.add(key)
            else:
                self._passed.discard(key)
        return released


def _window(text: str, where: str) -> Window:
    words = text.split()
    pages_too = len(words) == 4 and words[3].lower() == "all"
    if len(words) != 3 and not pages_too:
        missing = "days, hours and a time zone, and perhaps the word all"
        raise ConfigError(f"{text!r} does not consist of {missing}", where=where, next_step=_EXAMPLE)
    begins, dash, ends = words[1].partition("-")
    begins_minute, ends_minute = (_minute(each, text, where) for each in (begins, ends))
    if not dash or begins_minute in {ends_minute, 1440}:
        raise ConfigError(
            f"{words[1]!r} in {text!r} is no stretch of time",
            where=where,
            next_step="A whole day is 00:00-24:00.",
        )
    return Window(
        days=frozenset(_days(words[0], text, where)),
        begins_minute=begins_minute,
        ends_minute=ends_minute,
        zone=_zone(words[2], text, where),
        pages_too=pages_too,
    )


def _minute(clock: str, text: str, where: str) -> int:
    found = _CLOCK.fullmatch(clock)
    minute = int(found[1]) * 60 + int(found[2]) if found else 1441
    if minute > 1440:
        raise ConfigError(f"{clock!r} in {text!r} is no time of day", where=where, next_step=_EXAMPLE)
    return minute


def _days(words: str, text: str, where: str) -> Iterable[int]:
    if words.lower() == "daily":
        return range(7)
    days: list[int] = []
    for part in words.split(","):
        first, dash, last = part.partition("-")
        begin, end = (_day(each, text, where) for each in (first, last if dash else first))
        days += [each % 7 for each in range(begin, end + (7 if end < begin else 0) + 1)]
    return days


def _day(word: str, text: str, where: str) -> int:
    if word.title() not in DAYS:
        raise ConfigError(
            f"{word!r} in {text!r} is no day of the week",
            where=where,
            suggestion=near_miss(word.title(), DAYS) or "",
            next_step=f"There are {', '.join(DAYS)}, ranges as Mon-Fri, lists as Sat,Sun, and daily.",
        )
    return DAYS.index(word.title())


def _zone(name: str, text: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{name!r} in {text!r} is no time zone that this machine knows",
            where=where,
            suggestion=near_miss(name, available_timezones()) or "",
            next_step="Write UTC or a name such as Europe/Berlin.",
        ) from None
