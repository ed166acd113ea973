"""The local ports from which connections go out, and how many of them are taken."""

from dataclasses import dataclass
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_TIME_WAIT = "06"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    in_use: int
    all: int
    time_wait: int


def read_ports() -> Ports:
    """
    Raises:
        OSError, ValueError: this system does not tell.
    """
    first, last = map(int, _RANGE.read_text().split())
    taken, time_wait = set(), 0
    for table in _TABLES:
        if not table.exists():  # a system without IPv6
            continue
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            port = int(local.rpartition(":")[2], 16)
            if first <= port <= last:
                taken.add(port)
                time_wait += state == _TIME_WAIT
    return Ports(in_use=len(taken), all=last - first + 1, time_wait=time_wait)
