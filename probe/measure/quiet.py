"""The hours of the week in which a symbol is silent by habit, learnt by watching it."""

import struct
from typing import Self

_WEEK = 168  # hours
_WEEKS = 2  # so many weeks in a row make a habit
_SEEN = 30  # minutes of an hour that must have been watched to count it
_SILENT_SHARE = 0.9
_PACKED = struct.Struct(f">BqBB{_WEEK}s")
_VERSION = 1


class Quiet:
    """For one symbol, by hours of UTC. One week with prices ends a habit, so new hours of trading are soon believed."""

    __slots__ = ("_hour", "_seen", "_silent", "_silent_weeks")

    def __init__(self) -> None:
        self._silent_weeks = bytearray(_WEEK)  # in a row
        self._hour = 0  # the one being watched, since 1970
        self._seen = self._silent = 0  # minutes of it

    def watched(self, utc: float, *, ticked: bool) -> None:
        """One whole minute, of which `utc` is any instant, was watched."""
        hour = int(utc // 3600)
        if hour != self._hour:
            self._close()
            self._hour, self._seen, self._silent = hour, 0, 0
        self._seen = min(self._seen + 1, 60)
        self._silent = min(self._silent + (not ticked), 60)

    def is_quiet(self, utc: float) -> bool:
        return self._silent_weeks[int(utc // 3600) % _WEEK] >= _WEEKS

    def to_bytes(self) -> bytes:
        return _PACKED.pack(_VERSION, self._hour, self._seen, self._silent, bytes(self._silent_weeks))

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        """Raises:
        ValueError: these are not the bytes that `to_bytes` made.
        """
        if len(packed) != _PACKED.size or packed[0] != _VERSION:
            raise ValueError(f"{len(packed)} bytes are no learnt hours of version {_VERSION}")
        quiet = cls()
        _, quiet._hour, quiet._seen, quiet._silent, weeks = _PACKED.unpack(packed)
        quiet._silent_weeks = bytearray(weeks)
        return quiet

    def _close(self) -> None:
        if self._seen < _SEEN:
            return
        at = self._hour % _WEEK
        silent = self._silent >= _SILENT_SHARE * self._seen
        self._silent_weeks[at] = min(self._silent_weeks[at] + 1, _WEEKS) if silent else 0
