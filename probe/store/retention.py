"""How long what is kept, and taking away what is older: failures longer than successes, sums longer than single numbers."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from probe.store.schema import pragma

DAY = 86_400.0
SLICE_SECONDS = 0.01  # of one transaction; what is to be written waits for no longer
ROWS = 200  # at once
PAGES = 100
FREE_SHARE = 4  # one page in four may be free, for what comes; more are given back


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Hours are kept for ever, and so is what was learned."""

    ticks_seconds: float = 1 * DAY
    samples_seconds: float = 14 * DAY
    minutes_seconds: float = 90 * DAY
    routine_seconds: float = 30 * DAY  # successful attempts, changes of state
    events_seconds: float = 365 * DAY  # failures, disconnects, incidents, alerts, notices


def tidying(
    connection: sqlite3.Connection, keep: Keep, now_utc: float, clock: Callable[[], float]
) -> Iterator[None]:
    """Every step is one short transaction."""
    deleting = _deleting(connection, keep, now_utc)
    more = True
    while more:
        until = clock() + SLICE_SECONDS
        connection.execute("BEGIN IMMEDIATE")
        more = any(clock() >= until for _ in deleting)
        connection.execute("COMMIT")
        yield
    while pragma(connection, "freelist_count") > max(PAGES, pragma(connection, "page_count") // FREE_SHARE):
        connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # `execute` stops after one page
        yield


def _deleting(connection: sqlite3.Connection, keep: Keep, now_utc: float) -> Iterator[None]:
    rules = (
        ("ticks", "target, at_utc, n", "at_utc", keep.ticks_seconds),
        ("samples", "target, at_utc, n", "at_utc", keep.samples_seconds),
        ("minutes", "id", "began_utc", keep.minutes_seconds),
        ("events", "id", "routine = 1 AND at_utc", keep.routine_seconds),
        ("events", "id", "routine = 0 AND at_utc", keep.events_seconds),
        ("incidents", "id", "began_utc", keep.events_seconds),
        ("alerts", "id", "fired_utc", keep.events_seconds),
    )
    for target in (None, *(row[0] for row in connection.execute("SELECT id FROM targets").fetchall())):
        for table, key, age, seconds in rules:
            old = f"SELECT {key} FROM {table} WHERE target IS ? AND {age} < ? LIMIT {ROWS}"  # noqa: S608
            deleted = ROWS
            while deleted == ROWS:
                deleted = connection.execute(
                    f"DELETE FROM {table} WHERE ({key}) IN ({old})",  # noqa: S608
                    (target, now_utc - seconds),
                ).rowcount
                yield
