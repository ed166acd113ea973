"""The file handles of this process, counted even when none is left to count them with."""

import errno
import os
import sys
from contextlib import ExitStack
from pathlib import Path

if sys.platform != "win32":
    import resource  # here, for a late import needs a handle itself

_OWN = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")


TO_BEGIN = 3  # an event loop needs so many


def take_handles(count: int) -> None:
    """For a moment.

    Raises:
        OSError: there are not so many left.
    """
    with ExitStack() as stack:
        for _ in range(count):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))


def handles_limit() -> int | None:
    """None: there is none.

    Raises:
        OSError: this system does not tell.
    """
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "Windows has no such limit")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit


def handles_used() -> int:
    """Of those that the limit allows.

    Raises:
        OSError: this system does not tell.
    """
    limit = handles_limit()
    try:
        taken = [int(each.name) for each in _OWN.iterdir()]
    except OSError as problem:
        if limit is None or problem.errno != errno.EMFILE:
            raise
        return limit
    # One of them is that of the listing. Those that were opened before the limit fell below them take nothing from it.
    return sum(limit is None or each < limit for each in taken) - 1
