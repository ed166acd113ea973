"""Files of one user: where they are, written whole or not at all, by one process at a time."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)  # flags that Windows does not have
NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)  # for a pipe in a file's place


def data_folder() -> Path:
    """Where this user's programs keep such things; `TRADEPROBE_HOME` says otherwise."""
    if chosen := os.environ.get("TRADEPROBE_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "tradeprobe"


def make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def replace_file(path: Path, data: bytes, *, mode: int) -> None:
    """All of it or nothing, also when the power fails. Who calls it holds the folder's lock."""
    with replacing(path, mode=mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """The same, for what is written bit by bit. An error of the caller's leaves what was there."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    # It never has other rights than these, and is never somebody else's file.
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if sys.platform != "win32":
        entry = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def write_result(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    with writing_result(path, mode=mode) as file:
        file.write(data)


@contextmanager
def writing_result(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """To where a person wants it: a pipe or a device is written to, and a link followed; neither becomes a file."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        # Behind /dev/stdout may be a file in which something stands already.
        with path.open("ab" if path.is_relative_to("/dev") else "wb") as there:
            yield there
    else:
        with replacing(path, mode=mode) as file:
            yield file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process or thread at a time. The system lets go of it when a process dies."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600), "r+b") as file:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield
            finally:
                file.seek(0)
                with suppress(OSError):
                    msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
