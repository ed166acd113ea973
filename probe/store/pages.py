"""A store in one view that does not change while it is read, in pages: memory does not grow with what is read."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probe.measure.records import StateChanged
from probe.store.reader import StoreReader
from probe.store.rows import from_json
from probe.store.troubles import NONSENSE

Page = list[tuple[Any, ...]]


PAGE = 2_000  # rows: they stay in the caches of a processor, which halves the time of what is done with them
_OF = "FROM {table} WHERE target = ?1 AND {time} >= ?2 AND {time} < ?3 ORDER BY {time}"
_QUERIES = {
    "samples": f"SELECT at_utc, endpoint, metric, value, tainted {_OF.format(table='samples', time='at_utc')}, n",
    "ticks": f"SELECT at_utc, symbol, price, broker_time {_OF.format(table='ticks', time='at_utc')}, n",
    # The index that tells targets apart asks next whether an event is routine.
    "events": "SELECT at_utc, kind, code, data FROM events WHERE target IS ?1 AND routine IN (0, 1)"
    " AND at_utc >= ?2 AND at_utc < ?3 ORDER BY at_utc, id",
    # What failed comes first: so nothing has to be sorted.
    "connections": "SELECT at_utc, kind, code, data FROM events WHERE target IS ?1 AND routine IN (0, 1)"
    " AND at_utc >= ?2 AND at_utc < ?3 AND kind IN ('attempt', 'disconnect') ORDER BY routine, at_utc",
    "incidents": "SELECT began_utc, ended_utc, id, cause, code, data "
    f"{_OF.format(table='incidents', time='began_utc')}, id",
    "alerts": "SELECT fired_utc, resolved_utc, name, severity, data FROM alerts WHERE target IS ?1"
    " AND fired_utc >= ?2 AND fired_utc < ?3 ORDER BY fired_utc, id",
}
_TIMES = {
    "samples": "at_utc", "ticks": "at_utc", "events": "at_utc", "incidents": "began_utc", "alerts": "fired_utc",
    "hours": "began_utc",
    "minutes": "began_utc",
}  # fmt: skip
_FOUND_BY = {"events": ("AND routine = 0", "AND routine = 1")}


class StorePages(StoreReader):
    """Whoever writes is not held up; what it writes meanwhile stays in its log until this is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._rows("BEGIN")
            self.words: dict[int | None, str] = dict(self._rows("SELECT id, word FROM words"))
            self._targets: dict[str | None, int] = dict(self._rows("SELECT name, id FROM targets"))
        except BaseException:
            self.close()
            raise

    def first_from(self, table: str, target: str | None, since_utc: float) -> float | None:
        """When the first row of a target's was, from then on; of no target: of what is about the monitor itself."""
        time = _TIMES[table]
        found = [
            row
            for also in _FOUND_BY.get(table, ("",))
            for row in self._rows(
                f"SELECT {time} FROM {table} WHERE target IS ? {also} AND {time} >= ? ORDER BY {time} LIMIT 1",  # noqa: S608
                (self._targets.get(target), since_utc),
            )
        ]
        with self.telling_damage():
            return min((float(at) for (at,) in found), default=None)

    def pages(self, table: str, target: str | None, since_utc: float, until_utc: float) -> Iterator[Page]:
        """Columns as in the store, words by their numbers, oldest first."""
        try:
            rows = self._connection.execute(
                _QUERIES[table], (self._targets.get(target), since_utc, until_utc)
            )
            while page := rows.fetchmany(PAGE):
                yield page
        except sqlite3.DatabaseError as problem:
            raise self.damaged(problem) from None

    @contextmanager
    def telling_damage(self) -> Iterator[None]:
        try:
            yield
        except NONSENSE as problem:
            raise self.damaged(problem) from problem

    def newest_ticks(self, target: str, since_utc: float, until_utc: float, most: int) -> Page:
        """Symbols by their numbers, newest first."""
        return self._rows(
            "SELECT at_utc, symbol, price, broker_time FROM ticks WHERE target = ? AND at_utc >= ? AND at_utc < ?"
            " ORDER BY at_utc DESC, n DESC LIMIT ?",
            (self._targets.get(target), since_utc, until_utc, most),
        )

    def runs(self, since_utc: float, until_utc: float) -> list[tuple[float, bool]]:
        """Of each run of a monitor that went on then: when it began, and whether it ended without a word. The last one may
        still go on."""
        every = self._rows("SELECT began_utc, ended_utc FROM runs ORDER BY began_utc, id")
        nexts = [*(began for began, _ in every[1:]), None]
        return [
            (began, ended is None and following is not None)
            for (began, ended), following in zip(every, nexts, strict=True)
            if began < until_utc and (ended or following or until_utc) >= since_utc
        ]

    def last_state(self, target: str, before_utc: float) -> list[StateChanged]:
        """None of it, or one: how a target stood then."""
        rows = self._rows(
            "SELECT data, at_utc FROM events WHERE target = ? AND routine = 1 AND kind = ? AND at_utc < ?"
            " ORDER BY at_utc DESC LIMIT 1",
            (self._targets.get(target), StateChanged.kind, before_utc),
        )
        return self._made(from_json(StateChanged, data, at_utc=at, target=target) for data, at in rows)
