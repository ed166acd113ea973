"""What can be wrong with a store, in words: what happened, where, what to do."""

import errno
import shutil
import sqlite3
import struct
from datetime import UTC, datetime
from pathlib import Path

from probe.store.place import StoreError, beside
from probe.store.schema import connect

NEARLY_NOTHING = 1 << 20  # bytes: with less than this free, an unexplained failure to write is a full disk
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# What reading a row raises in which something else stands than was written. SQLite notices damage of its pages only.
NONSENSE = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError, struct.error)
LONGEST_REASON = 100  # characters

_WORDS = {
    "store.disk-full": "the disk of the store {path} is full. Make room there",
    "store.read-only": "the store {path} cannot be written ({why}). Make its folder writable, or name another store with --store",
    "store.locked": "another program holds the store {path} locked. Close what has it open (a database browser, a backup)",
    "store.damaged": "the store {path} could not be read ({why}), though a check finds it sound. Check the disk and the file system",
    "store.failed": "the store {path} cannot be used ({why}). Check the disk and the folder, or name another store with --store",
}


def is_damage(problem: Exception) -> bool:
    """Also what Python cannot read of SQLite's message, which quotes the damaged schema."""
    return isinstance(problem, UnicodeDecodeError) or _sqlite_code(problem) in DAMAGE


def described(problem: Exception, path: Path) -> tuple[str, str]:
    """The notice's code and what to tell, without a full stop."""
    if isinstance(problem, StoreError):
        return problem.code, str(problem).removesuffix(".")
    code = _code(problem, path)
    if isinstance(problem, OSError):
        why = problem.strerror or type(problem).__name__
    else:  # of other errors the words are not known to be free of what was to be written
        why = _why(problem) if isinstance(problem, sqlite3.Error) else type(problem).__name__
    return code, _WORDS[code].format(path=repr(str(path)), why=why)


def unreadable(problem: Exception, path: Path) -> StoreError:
    code = _sqlite_code(problem)
    if code in LOCKED:
        next_step = "Close what has it open (a database browser, a backup), and try again."
    elif code in READ_ONLY:
        next_step = "Check its rights and those of its folder."
    elif code == sqlite3.SQLITE_IOERR:
        next_step = "Check the disk and the file system: they may be full."
    else:
        next_step = "If it is damaged, `sqlite3 FILE .recover` may save what is in it."
    return StoreError(f"the store {str(path)!r} cannot be read ({_why(problem)})", next_step)


def _why(problem: Exception) -> str:
    """It may quote what is damaged: not a whole row, and nothing that would move a cursor."""
    said, _, _ = str(problem).partition(" with text ")
    shown = "".join(char if char.isprintable() else "�" for char in said[:LONGEST_REASON])
    return shown if isinstance(problem, sqlite3.Error) else f"{type(problem).__name__}: {shown}"


def set_aside(path: Path, now_utc: float) -> Path | None:
    """Where a damaged store has gone; None: it is sound, and stays."""
    if _is_sound(path):
        return None
    stamp = datetime.fromtimestamp(now_utc, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for old, new in zip((path, *beside(path)), (aside, *beside(aside)), strict=True):
        if old.exists():
            old.rename(new)
    return aside


def _is_sound(path: Path) -> bool:
    connection = connect(path, "mode=rw")
    try:
        return connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
        if is_damage(problem):
            return False
        raise
    finally:
        connection.close()


def _sqlite_code(problem: Exception) -> int | None:
    """Without what SQLite adds to it."""
    code: int | None = getattr(problem, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _code(problem: Exception, path: Path) -> str:
    match _sqlite_code(problem):
        case sqlite3.SQLITE_FULL:
            return "store.disk-full"
        case code if code in DAMAGE:
            return "store.damaged"
        case code if code in LOCKED:
            return "store.locked"
        case code if code in READ_ONLY and not _is_full(path):
            return "store.read-only"
    if isinstance(problem, OSError) and problem.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "store.read-only"
    return "store.disk-full" if _is_full(path) else "store.failed"


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < NEARLY_NOTHING
    except OSError:
        return False
