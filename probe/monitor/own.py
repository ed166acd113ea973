"""What this process itself takes."""

import os
from pathlib import Path

STATM = Path("/proc/self/statm")


def resident_megabytes() -> float | None:
    """None where the system does not say what is resident now."""
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
