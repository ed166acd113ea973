"""What the kernel counts of TCP on this machine, or in this network namespace, since it began. What it does not tell is 0."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_OF_TCP, _OF_ALL = Path("/proc/net/netstat"), Path("/proc/net/snmp")
_TRACKED = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_TRACKED_LIMIT = Path("/proc/sys/net/netfilter/nf_conntrack_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCounts:
    queue_overflows: int = 0  # new connections that found a listener's queue full
    syns_again: int = 0
    data_again: int = 0  # packets that were sent again, SYNs apart


def tcp_counts() -> TcpCounts:
    more, usual = _read(_OF_TCP, "TcpExt:"), _read(_OF_ALL, "Tcp:")
    syns_again = more.get("TCPSynRetrans", 0)
    return TcpCounts(
        queue_overflows=more.get("ListenOverflows", 0),
        syns_again=syns_again,
        data_again=max(0, usual.get("RetransSegs", 0) - syns_again),
    )


def tracked() -> tuple[int, int] | None:
    """How many connections its firewall remembers, and how many it can. None: it remembers none."""
    with suppress(OSError, ValueError):
        return int(_TRACKED.read_text("ascii")), int(_TRACKED_LIMIT.read_text("ascii"))
    return None


def _read(table: Path, protocol: str) -> dict[str, int]:
    """Two lines for each protocol: names, then values."""
    with suppress(OSError, ValueError):
        names, values = (
            line.split()[1:]
            for line in table.read_text("ascii").splitlines()
            if line.startswith(f"{protocol} ")
        )
        return dict(zip(names, map(int, values), strict=False))
    return {}
