"""Whether this process gets the processor when it wants it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

WORK, AT_MOST = 0.04, 0.3  # seconds of work that are asked of the processor, and the wait for them
_STAT, _CGROUPS, _OWN_GROUPS = Path("/proc/stat"), Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_IDLE, _FOR_DISKS = 3, 4  # columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """Of the cores that this process may use."""

    busy: int
    all: int

    def busy_since(self, earlier: "Ticks") -> float | None:
        passed = self.all - earlier.all
        return (self.busy - earlier.busy) / passed if passed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Of a limit of the container."""

    all: int
    throttled: int

    def throttled_since(self, earlier: "Periods") -> float | None:
        """None: no limit was at work."""
        passed = self.all - earlier.all
        return (self.throttled - earlier.throttled) / passed if passed else None


def cores() -> set[int]:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def read_ticks() -> Ticks:
    mine = {f"cpu{core}" for core in cores()}
    rows = [line.split() for line in _STAT.read_text().splitlines()]
    columns = [[int(each) for each in row[1:9]] for row in rows if row[0] in mine]
    idle = sum(row[_IDLE] + row[_FOR_DISKS] for row in columns)
    total = sum(map(sum, columns))
    return Ticks(busy=total - idle, all=total)


def read_periods() -> Periods | None:
    """None: no group of this process has a limit that is counted."""
    for line in _OWN_GROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for folder in (_CGROUPS / controllers, _CGROUPS / "cpu"):
            # Inside a container the own group is the root of what can be seen, whatever it is called outside.
            for group in (folder / path.lstrip("/"), folder):
                if (group / "cpu.stat").exists():
                    return _periods((group / "cpu.stat").read_text())
    return None


def _periods(text: str) -> Periods | None:
    rows = dict(line.split(maxsplit=1) for line in text.splitlines())
    if "nr_periods" not in rows:
        return None
    return Periods(all=int(rows["nr_periods"]), throttled=int(rows["nr_throttled"]))


def waited_for_a_core() -> float:
    """Works for a moment; the share of that moment in which the work stood still."""
    began, worked_before = time.monotonic(), time.thread_time()
    while True:
        passed, worked = time.monotonic() - began, time.thread_time() - worked_before
        if worked >= WORK or passed >= AT_MOST:
            return max(0.0, 1 - worked / passed)
