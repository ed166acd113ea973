"""What this process itself takes, how its machine treats it, and what became of what belongs to a monitor beside its targets."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from probe.diagnose.case import Host
from probe.host.clock import ClockWatch
from probe.host.handles import handles_limit, handles_used
from probe.host.load import Periods, Ticks, cores, read_periods, read_ticks
from probe.host.ports import read_ports

T = TypeVar("T")

LAG_TURN_SECONDS = 10.0  # the worst lag is that of the last one to two of them
READ_EVERY = 5.0
CLOCK_TURN_SECONDS = 300.0  # clocks that are set slowly drift apart by less than a step meanwhile
STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    delivered: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # of each channel: sent, lost
    store_failing: bool | None = None  # None: no history is kept
    store_dropped: int | None = None


def resident_megabytes() -> float | None:
    """None where the system does not say what is resident now."""
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class OwnHost:
    """This machine, as it is the reason for what is seen from here. Nothing is read until somebody asks, and then seldom.

    Args:
        utc: The wall clock.
        monotonic: The loop's.
    """

    def __init__(self, utc: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._utc, self._monotonic = utc, monotonic
        now = monotonic()
        self._lags, self._lag_turn = (0.0, 0.0), now + LAG_TURN_SECONDS
        self._clocks = (ClockWatch(utc, monotonic),) * 2
        self._clock_turn = now + CLOCK_TURN_SECONDS
        self._load: _Load | None = None  # when it was last read
        self._kept: dict[bool, tuple[float, Host]] = {}

    def late(self, now: float, seconds: float) -> None:
        """The loop was, by so much: to be told with every pulse."""
        if now >= self._lag_turn:
            self._lags, self._lag_turn = (0.0, self._lags[0]), now + LAG_TURN_SECONDS
        if seconds > self._lags[0]:
            self._lags = (seconds, self._lags[1])
        if now >= self._clock_turn:
            self._clock_turn = now + CLOCK_TURN_SECONDS
            self._clocks = (ClockWatch(self._utc, self._monotonic), self._clocks[0])

    def look(self, *, counts: bool) -> Host:
        """`counts`: handles and ports too, which takes longer the more of them there are."""
        now = self._monotonic()
        read_at, host = self._kept.get(counts, (float("-inf"), None))
        if host is None or now - read_at >= READ_EVERY:
            host = self._read(counts=counts)
            self._kept[counts] = now, host
        return replace(host, loop_lag_seconds=max(self._lags))

    def _read(self, *, counts: bool) -> Host:
        before, load = self._load, _Load.read()
        self._load = load
        host = Host(
            cpu_count=len(cores()),
            clock_jump_seconds=self._clocks[1].jump_seconds,
            slept_seconds=self._clocks[1].slept_seconds,
        )
        if before is not None and load.at > before.at:
            host = replace(
                host,
                cpu_busy=load.ticks.busy_since(before.ticks) if load.ticks and before.ticks else None,
                cpu_own=(load.worked - before.worked) / (load.at - before.at),
                throttled=load.periods.throttled_since(before.periods)
                if load.periods and before.periods
                else None,
            )
        if not counts:
            return host
        ports = _or_none(read_ports)
        return replace(
            host,
            handles_used=_or_none(handles_used),
            handles_limit=_or_none(handles_limit),
            ports_in_use=ports.in_use if ports else None,
            ports=ports.all if ports else None,
            time_wait=ports.time_wait if ports else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """How much the processor had done by some moment."""

    at: float
    worked: float  # by this process
    ticks: Ticks | None
    periods: Periods | None

    @classmethod
    def read(cls) -> "_Load":
        return cls(
            at=time.monotonic(),
            worked=time.process_time(),
            ticks=_or_none(read_ticks),
            periods=_or_none(read_periods),
        )


def _or_none(read: Callable[[], T]) -> T | None:
    """None: this system does not tell."""
    try:
        return read()
    except (OSError, ValueError, LookupError):
        return None
