"""What a process that makes load takes itself, and how near it is to what its machine allows.

A timer of its own on the hub shows how late everything else on it comes. A hub that stood still for two seconds held up every
timer that would have come in them, not only the one that waited: each of them counts.
"""

import gc
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent

from probe.host.clock import ClockWatch
from probe.host.handles import handles_limit
from probe.host.kernel import TcpCounts, tcp_counts, tracked
from probe.load.figures import Generator
from probe.monitor.own import resident_megabytes

STEP = 0.02
LONGEST = 3000  # steps of one standstill that are counted: a minute
LOOKED_AT_EVERY = 5.0  # seconds; counting thousands of handles takes milliseconds
STEPPED = 0.1  # seconds by which the wall clock was set
YOUNG_OBJECTS = 50_000  # that are made between two collections; Python's own 700 are for small programs

_HANDLES = Path("/proc/self/fd")
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PROCESSORS = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100  # in a second
_SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


class GeneratorMeter:
    """
    Args:
        port: Of the target; None: connections to it are not counted.
    """

    def __init__(self, port: int | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._port, self._clock = port, clock
        self._hub = gevent.get_hub()
        self._timer: Any = None
        self._due = 0.0
        self._measured = Generator()
        self._cpu = self._since = self._look_at = 0.0
        self._machine = (0.0, 0.0)
        self._tcp: TcpCounts | None = None
        self._ports: Any = None  # how many, as soon as they are counted
        self._wall_clock = ClockWatch()

    def start(self) -> None:
        self._cpu, self._since, self._machine = time.process_time(), self._clock(), machine_seconds()
        self._tcp = tcp_counts()
        self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def take(self) -> Generator:
        """Since it was started, or this was last asked."""
        taken, self._measured = self._measured, Generator()
        now, cpu = self._clock(), time.process_time()
        taken.cpu_seconds, self._cpu = cpu - self._cpu, cpu
        taken.wall_seconds, self._since = now - self._since, now
        whole, busy = machine_seconds()
        taken.machine_seconds = whole - self._machine[0]
        taken.others_seconds = max(0.0, busy - self._machine[1] - taken.cpu_seconds)
        self._machine = whole, busy
        self._count_packets(taken)
        if abs(self._wall_clock.jump_seconds) > STEPPED:
            taken.clock_steps += 1
            self._wall_clock = ClockWatch()
        if (megabytes := resident_megabytes()) is not None:
            taken.resident_bytes.put(megabytes * 1e6)
        if now >= self._look_at:
            self._look_at = now + LOOKED_AT_EVERY
            self._look(taken)
        return taken

    def _wait(self) -> None:
        self._due = self._clock() + STEP
        self.stop()
        self._timer = self._hub.loop.timer(STEP, ref=False)  # one that has fired would fire again at once
        self._timer.start(self._beat, update=True)

    def _beat(self) -> None:
        late = max(0.0, self._clock() - self._due)
        lags = [late - STEP * each for each in range(min(LONGEST, 1 + int(late / STEP)))]
        self._measured.lag.add_all(lags)
        self._wait()

    def _count_packets(self, taken: Generator) -> None:
        before, now = self._tcp, tcp_counts()
        if before is not None and now is not None:
            taken.queue_overflows = now.queue_overflows - before.queue_overflows
            taken.syns_again = now.syns_again - before.syns_again
            taken.data_again = now.data_again - before.data_again
        self._tcp = now or before  # without a handle nothing can be read

    def _look(self, taken: Generator) -> None:
        with suppress(OSError):  # the system does not tell
            with os.scandir(_HANDLES) as found:
                taken.handles.put(sum(1 for _ in found) - 1)  # one is that of the listing
            if (limit := handles_limit()) is not None:
                taken.handle_limit.put(limit)
        if (counted := tracked()) is not None:
            taken.tracked.put(counted[0])
            taken.tracked_limit.put(counted[1])
        if self._port is None or not _PORT_RANGE.exists():
            return
        if self._ports is not None and self._ports.ready() and self._ports.successful():
            first, last = map(int, _PORT_RANGE.read_text(encoding="ascii").split())
            taken.ports.put(self._ports.get())
            taken.port_limit.put(last - first + 1)
        # The table of ten thousand sockets takes the kernel a while: a thread waits for it.
        self._ports = self._hub.threadpool.spawn(connections_to, self._port)


def machine_seconds() -> tuple[float, float]:
    """Of all processors of this machine, since it was started: all there were, and those that were not idle. 0: it does not tell."""
    with suppress(OSError, ValueError):
        first, _, _ = _PROCESSORS.read_text(encoding="ascii").partition("\n")
        # The last two are of guests, and counted before.
        user, nice, system, idle, waiting, *interrupts_and_stolen = map(int, first.split()[1:9])
        busy = user + nice + system + sum(interrupts_and_stolen)
        return (busy + idle + waiting) / _TICKS, busy / _TICKS
    return 0.0, 0.0


def connections_to(port: int) -> int:
    """Of this machine, and each holds a local port; those that are over and not yet forgotten as well."""
    remote = re.compile(rb":%04X [0-9A-F]{2} " % port)  # the remote address stands before the state
    return sum(len(remote.findall(table.read_bytes())) for table in _SOCKETS if table.exists())


def raise_handle_limit() -> None:
    """To what this user may have at the most."""
    with suppress(ImportError, OSError, ValueError):  # not on Windows; and macOS allows less than it says
        import resource  # noqa: PLC0415

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def settle() -> None:
    """What lives now lives to the end, and is not looked through again and again: that takes 0.1 s for a hundred thousand objects,
    in which nothing is sent or read. Nor does each greenlet keep who made it: 0.6 KiB of each user."""
    gevent.config.track_greenlet_tree = False
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
