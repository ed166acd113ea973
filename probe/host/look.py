"""All that is looked at on this machine, in one go. What cannot be learned here is named, and never an error."""

import time
from collections.abc import Callable
from typing import TypeVar

from probe.diagnose.case import Host
from probe.host.clock import ClockWatch
from probe.host.handles import handles_limit, handles_used
from probe.host.lag import watch_lag
from probe.host.load import cores, read_periods, read_ticks, waited_for_a_core
from probe.host.ports import read_ports
from probe.host.ways_out import families, nameservers, proxies

T = TypeVar("T")


async def look_at_host(*, seconds: float = 0.4) -> Host:
    """
    Args:
        seconds: For so long load and lag are watched.
    """
    lost: dict[str, None] = {}

    def learn(what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (OSError, ValueError, LookupError):
            lost[what] = None
            return None

    began, worked, clocks = time.monotonic(), time.process_time(), ClockWatch()
    ticks, periods = (
        learn("load of the processor", read_ticks),
        learn("limits of the container", read_periods),
    )
    lag = await watch_lag(seconds)
    # A share of next to no time says nothing; a loop whose time does not wait leaves no more than that.
    passed = time.monotonic() - began
    was_long_enough = passed >= seconds / 2
    own = (time.process_time() - worked) / passed if was_long_enough else None
    waited = waited_for_a_core() if was_long_enough else None
    ticks_after = learn("load of the processor", read_ticks)
    periods_after = learn("limits of the container", read_periods)
    ports = learn("local ports", read_ports)
    return Host(
        loop_lag_seconds=lag.seconds,
        blocked_in=lag.blocked_in,
        cpu_count=len(cores()),
        cpu_busy=ticks_after.busy_since(ticks) if ticks and ticks_after and was_long_enough else None,
        cpu_own=own,
        cpu_waited=waited,
        throttled=periods_after.throttled_since(periods)
        if periods and periods_after and was_long_enough
        else None,
        handles_used=learn("file handles", handles_used),
        handles_limit=learn("file handles", handles_limit),
        ports_in_use=ports.in_use if ports else None,
        ports=ports.all if ports else None,
        time_wait=ports.time_wait if ports else None,
        clock_jump_seconds=clocks.jump_seconds,
        slept_seconds=clocks.slept_seconds,
        families=learn("ways out", families) or (),
        nameservers=learn("resolver", nameservers) or (),
        proxies=proxies(),
        unreadable=tuple(lost),
    )
