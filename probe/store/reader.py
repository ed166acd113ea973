"""What a store holds, as the records that were written; beside a running writer, or of a copy."""

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from probe.measure.records import (
    Alert,
    Attempt,
    Disconnected,
    Incident,
    Metric,
    Notice,
    Period,
    Sample,
    StateChanged,
    Tick,
)
from probe.store.place import StoreError, beside, refuse_what_is_no_file
from probe.store.rows import EVERY, HOUR, PERIOD_COLUMNS, SUMS, as_period, from_json
from probe.store.schema import connect, version_of
from probe.store.troubles import NONSENSE, unreadable

Step = Literal["minute", "hour"]
_Record = TypeVar("_Record")
_Event = TypeVar("_Event", StateChanged, Attempt, Disconnected, Notice)


class StoreReader:
    """Every answer is a list, oldest first, of what lies in [since_utc, until_utc). What has a length lies there if any
    part of it does; periods, if they begin there. Nothing here holds up the writer.

    Every verb raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            refuse_what_is_no_file(path)
            self._connection = self._connected()
        except FileNotFoundError:
            raise StoreError(
                f"there is no store {str(path)!r}",
                "Let `probe monitor` make one, or name it with --store.",
            ) from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
            raise self.damaged(problem) from None
        except OSError as problem:
            raise StoreError(
                f"the store {str(path)!r} cannot be read ({problem.strerror})", "Check its rights."
            ) from None

    def close(self) -> None:
        self._connection.close()

    def targets(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT name FROM targets ORDER BY name")]

    def periods(
        self,
        target: str,
        since_utc: float,
        until_utc: float,
        step: Step | None = None,
        only: Collection[Metric] = EVERY,
    ) -> list[Period]:
        """Without a step: minutes as far back as there are any, hours before. `only`: whose histograms are unpacked, which is most of the work."""
        match step:
            case "minute":
                return self._periods("minutes", target, since_utc, until_utc, only)
            case "hour":
                return self._periods("hours", target, since_utc, until_utc, only)
            case None:
                border = self._first_whole_hour(target)
                hours = self._periods("hours", target, since_utc, min(border, until_utc), only)
                return hours + self._periods("minutes", target, max(border, since_utc), until_utc, only)

    def kept(self, target: str) -> tuple[float, float] | None:
        """From when to when there are periods; None: there is none."""
        of_target = "FROM {} WHERE target = (SELECT id FROM targets WHERE name = ?) ORDER BY began_utc"
        hours = of_target.format("hours")
        first = self._rows(f"SELECT began_utc {hours} LIMIT 1", (target,))
        last = self._rows(f"SELECT began_utc + seconds {hours} DESC LIMIT 1", (target,))
        if not first:
            return None
        minutes = self._rows(f"SELECT began_utc {of_target.format('minutes')} LIMIT 1", (target,))
        in_it = [each for (each,) in minutes if each < first[0][0] + HOUR]
        return max([first[0][0], *in_it]), last[0][0]

    def samples(
        self, target: str, since_utc: float, until_utc: float, metric: Metric | None = None
    ) -> list[Sample]:
        rows = self._rows(
            "SELECT at_utc, e.word, m.word, value, tainted FROM samples"
            " JOIN words m ON m.id = metric LEFT JOIN words e ON e.id = endpoint"
            " WHERE target = (SELECT id FROM targets WHERE name = ?1) AND at_utc >= ?2 AND at_utc < ?3"
            " AND (?4 IS NULL OR m.word = ?4) ORDER BY at_utc, n",
            (target, since_utc, until_utc, metric.value if metric else None),
        )
        return self._made(
            Sample(at, target, endpoint, Metric(word), value, bool(tainted))
            for at, endpoint, word, value, tainted in rows
        )

    def ticks(self, target: str, since_utc: float, until_utc: float, symbol: str | None = None) -> list[Tick]:
        rows = self._rows(
            "SELECT at_utc, word, broker_time, price FROM ticks JOIN words ON words.id = symbol"
            " WHERE target = (SELECT id FROM targets WHERE name = ?1) AND at_utc >= ?2 AND at_utc < ?3"
            " AND (?4 IS NULL OR word = ?4) ORDER BY at_utc, n",
            (target, since_utc, until_utc, symbol),
        )
        return [Tick(at, target, word, broker_time, price) for at, word, broker_time, price in rows]

    def events(
        self, kind: type[_Event], since_utc: float, until_utc: float, target: str | None = None
    ) -> list[_Event]:
        """Such as `events(Disconnected, …)`."""
        rows = self._rows(
            "SELECT data, at_utc, name FROM events LEFT JOIN targets ON targets.id = target"
            " WHERE kind = ?1 AND at_utc >= ?2 AND at_utc < ?3 AND (?4 IS NULL OR name = ?4) ORDER BY at_utc, events.id",
            (kind.kind, since_utc, until_utc, target),
        )
        return self._made(from_json(kind, data, at_utc=at, target=name) for data, at, name in rows)

    def incidents(self, since_utc: float, until_utc: float, target: str | None = None) -> list[Incident]:
        rows = self._rows(
            "SELECT data, incidents.id, name, began_utc, ended_utc FROM incidents JOIN targets ON targets.id = target"
            " WHERE began_utc < ?2 AND ifnull(ended_utc >= ?1, 1) AND (?3 IS NULL OR name = ?3) ORDER BY began_utc",
            (since_utc, until_utc, target),
        )
        return self._made(
            from_json(Incident, data, id=id_, target=name, began_utc=began, ended_utc=ended)
            for data, id_, name, began, ended in rows
        )

    def alerts(self, since_utc: float, until_utc: float, target: str | None = None) -> list[Alert]:
        rows = self._rows(
            "SELECT data, alerts.name, targets.name, fired_utc, resolved_utc FROM alerts"
            " LEFT JOIN targets ON targets.id = target WHERE fired_utc < ?2 AND ifnull(resolved_utc >= ?1, 1)"
            " AND (?3 IS NULL OR targets.name = ?3) ORDER BY fired_utc, alerts.id",
            (since_utc, until_utc, target),
        )
        return self._made(
            from_json(Alert, data, name=name, target=about, fired_utc=fired, resolved_utc=resolved)
            for data, name, about, fired, resolved in rows
        )

    def learned(self, key: str) -> bytes | None:
        rows = self._rows("SELECT value FROM learned WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def _connected(self) -> sqlite3.Connection:
        try:
            return self._checked("mode=ro")
        except sqlite3.DatabaseError as problem:
            # Where nothing can be written SQLite cannot share the file with a writer; there need not be one.
            if problem.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
        log, _ = beside(self._path)
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"the newest records of {str(self._path)!r} are still in {log.name!r}, and its folder cannot be written",
                "Copy both into a folder of your own and read them there.",
            )
        return self._checked("mode=ro&immutable=1")

    def _checked(self, mode: str) -> sqlite3.Connection:
        connection = connect(self._path, mode)
        try:
            if version_of(connection, self._path) == 0:
                raise StoreError(
                    f"the store {str(self._path)!r} is empty", "Let `probe monitor` write to it once."
                )
            return connection
        except BaseException:
            connection.close()
            raise

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as problem:
            raise self.damaged(problem) from None

    def damaged(self, problem: Exception) -> StoreError:
        return unreadable(problem, self._path)

    def _made(self, records: Iterable[_Record]) -> list[_Record]:
        try:
            return list(records)
        except NONSENSE as problem:
            raise self.damaged(problem) from None

    def _periods(
        self, table: str, target: str, since_utc: float, until_utc: float, only: Collection[Metric]
    ) -> list[Period]:
        words = dict[int | None, str | None](self._rows("SELECT id, word FROM words"))
        rows: Iterable[Any] = self._rows(
            f"SELECT {self._period_columns()} FROM {table} WHERE target = (SELECT id FROM targets WHERE name = ?)"  # noqa: S608
            " AND began_utc >= ? AND began_utc < ? ORDER BY began_utc",
            (target, since_utc, until_utc),
        )
        return self._made(as_period(row, target, words, only) for row in rows)

    def _period_columns(self) -> str:
        """A file that an older version wrote lacks some."""
        there = {name for _, name, *_ in self._rows("PRAGMA table_info(minutes)")}
        every = PERIOD_COLUMNS.split(", ")
        return ", ".join(name if name in there else "0" if name in SUMS else "NULL" for name in every)

    def _first_whole_hour(self, target: str) -> float:
        """From where on there are minutes. Those of the first hour may be on their way out, if hours lie before it."""
        of_target = "target = (SELECT id FROM targets WHERE name = ?)"
        [(first,)] = self._rows(f"SELECT min(began_utc) FROM minutes WHERE {of_target}", (target,))  # noqa: S608
        if first is None:
            return float("inf")
        hour: float = first // HOUR * HOUR
        [(older,)] = self._rows(
            f"SELECT count(*) FROM hours WHERE {of_target} AND began_utc < ?",  # noqa: S608
            (target, hour),
        )
        return hour + HOUR if older and first > hour else hour
