"""What the kernel counts of TCP on this machine, or in this network namespace, since it began."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_OF_TCP, _OF_ALL = Path("/proc/net/netstat"), Path("/proc/net/snmp")
_TRACKED = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_TRACKED_LIMIT = Path("/proc/sys/net/netfilter/nf_conntrack_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCounts:
    queue_overflows: int  # new connections that found a listener's queue full
    syns_again: int
    data_again: int  # packets that were sent again, SYNs apart


def tcp_counts() -> TcpCounts | None:
    """None: it does not tell."""
    with suppress(OSError, ValueError, KeyError):
        more, usual = _read(_OF_TCP, "TcpExt:"), _read(_OF_ALL, "Tcp:")
        syns_again = more["TCPSynRetrans"]
        return TcpCounts(
            queue_overflows=more["ListenOverflows"],
            syns_again=syns_again,
            data_again=usual["RetransSegs"] - syns_again,
        )
    return None


def tracked() -> tuple[int, int] | None:
    """How many connections its firewall remembers, and how many it can. None: it remembers none."""
    with suppress(OSError, ValueError):
        return int(_TRACKED.read_text("ascii")), int(_TRACKED_LIMIT.read_text("ascii"))
    return None


def _read(table: Path, protocol: str) -> dict[str, int]:
    """Two lines for each protocol: names, then values."""
    lines = table.read_text("ascii").splitlines()
    names, values = (line.split()[1:] for line in lines if line.startswith(f"{protocol} "))
    return dict(zip(names, map(int, values), strict=True))
