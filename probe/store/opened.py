"""A store that is open for writing: one connection, one transaction for each batch."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from probe.measure.records import Record
from probe.store.place import make_private_file
from probe.store.retention import Keep, tidying
from probe.store.rows import Inserter, Learned
from probe.store.schema import connect, migrate

OF_THE_RECORD = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError)

NEWEST = """SELECT max(ifnull((SELECT began_utc FROM minutes ORDER BY id DESC LIMIT 1), 0),
    ifnull((SELECT max(ifnull(ended_utc, began_utc)) FROM runs), 0))"""  # 0: nothing was ever kept


class OpenStore:
    """After an error it is closed and thrown away; what was not committed is still the caller's."""

    def __init__(self, path: Path, now_utc: float) -> None:
        self.path = path
        self.was_empty = make_private_file(path)
        self._file = path.stat()
        self._connection = connect(path, "mode=rw")
        try:
            migrate(self._connection, path)
            # What is committed is on the disk and not only in the system's memory: half a millisecond a second.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA fullfsync = ON")
            self._connection.execute("PRAGMA journal_size_limit = 16777216")
            self._inserter = Inserter(self._connection)
            [(self.newest_utc,)] = self._connection.execute(NEWEST)
            self._run = self._connection.execute(
                "INSERT INTO runs (began_utc) VALUES (?)", (now_utc,)
            ).lastrowid
        except BaseException:
            self._connection.close()
            raise

    def is_there(self) -> bool:
        """Whether the file of that name is still the one that is open."""
        try:
            return os.path.samestat(self._file, self.path.stat())
        except FileNotFoundError:
            return False

    def save(self, records: Iterable[Record | Learned]) -> list[Exception]:
        """All of them, on disk. Why some were not taken."""
        refused: list[Exception] = []
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for record in records:
                try:
                    self._inserter.insert(record)
                except Exception as problem:  # one record never holds up the others
                    if isinstance(problem, sqlite3.DatabaseError) and not isinstance(problem, OF_THE_RECORD):
                        raise
                    refused.append(problem)
        return refused

    def tidying(self, keep: Keep, now_utc: float, clock: Callable[[], float]) -> Iterator[None]:
        return tidying(self._connection, keep, now_utc, clock)

    def end(self, now_utc: float) -> None:
        """In order. Not so: the run has no end."""
        self._connection.execute("UPDATE runs SET ended_utc = ? WHERE id = ?", (now_utc, self._run))

    def close(self) -> None:
        self._connection.close()
