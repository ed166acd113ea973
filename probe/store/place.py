"""Where a store is: a file for nobody else to read, written by one process at a time."""

import os
import stat
import sys
from pathlib import Path

from probe.disk import NO_LINK, NO_WAIT, data_folder, make_private_folder
from probe.model.errors import ProbeError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCKED_BYTE = 1 << 20  # behind the process id: what is locked cannot be read on Windows


class StoreError(ProbeError):
    """`code` is that of the notice that says the same."""

    code = "store.unusable"

    def __init__(self, problem: str, next_step: str) -> None:
        self.problem, self.next_step = problem, next_step
        super().__init__(problem)

    def __str__(self) -> str:
        return f"{self.problem}. {self.next_step}"


class StoreBusy(StoreError):
    code = "store.busy"

    def __init__(self, path: Path, process: int | None) -> None:
        self.process = process
        who = f"process {process}" if process else "another process"
        super().__init__(
            f"the store {str(path)!r} is being written by {who}",
            "Stop that one, or name another store with --store.",
        )


def default_path() -> Path:
    return data_folder() / "store.db"


def make_private_file(path: Path) -> bool:
    """Whether there was one without content. An existing folder of the user's keeps its rights.

    Raises:
        StoreError: what stands there is not a file of this user's own.
        OSError: it cannot be made.
    """
    _make_folder(path.parent)
    for each in (path, *beside(path)):
        if each.is_symlink():
            raise _unusable(each, "is a link")
    existed = path.exists()
    descriptor = _open_own(path)
    try:
        return existed and os.fstat(descriptor).st_size == 0
    finally:
        os.close(descriptor)


def beside(path: Path) -> tuple[Path, Path]:
    """What SQLite keeps next to it."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def refuse_what_is_no_file(path: Path) -> None:
    """Before anything opens it: a pipe would be waited for."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise _unusable(path, "is no file")


def _make_folder(folder: Path) -> None:
    if folder == data_folder() or not folder.exists():
        make_private_folder(folder)


def _open_own(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK | NO_WAIT, 0o600)
    except IsADirectoryError:
        raise _unusable(path, "is a folder") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "is no file")
        if sys.platform != "win32":
            if status.st_uid != os.geteuid():
                raise _unusable(path, "belongs to another user")
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unusable(path: Path, why: str) -> StoreError:
    return StoreError(f"{str(path)!r} {why}", "Move it away, or name another store with --store.")


class StoreLock:
    """Held for as long as a process writes. The system lets go of it when the process dies."""

    def __init__(self, path: Path) -> None:
        """Raises: StoreBusy: another process holds it. StoreError, OSError: it cannot be made."""
        self._path = path.with_name(f"{path.name}.lock")
        _make_folder(path.parent)
        self._descriptor = _open_own(self._path)
        try:
            if sys.platform == "win32":
                os.lseek(self._descriptor, LOCKED_BYTE, os.SEEK_SET)
                msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, str(os.getpid()).encode())
        except (BlockingIOError, PermissionError):
            holder = os.pread(self._descriptor, 20, 0) if sys.platform != "win32" else self._path.read_bytes()
            os.close(self._descriptor)
            raise StoreBusy(path, int(holder) if holder.isdigit() else None) from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def holds(self) -> bool:
        """Whether the file is still the one that others look at."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        os.close(self._descriptor)
