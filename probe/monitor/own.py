"""What this process itself takes, and what became of what belongs to a monitor beside its targets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
