"""The tables, and how a file of an older version becomes one of this version."""

import sqlite3
from pathlib import Path

from probe.store.place import StoreError

APPLICATION = 0x74707262  # "tprb", in the file's header: what is another program's is left alone

# Rows of one stretch of time. NULL among the bad seconds: none of that cause.
_PERIODS = """
    id INTEGER PRIMARY KEY, target INTEGER NOT NULL, began_utc REAL NOT NULL, seconds REAL NOT NULL,
    observed_seconds REAL NOT NULL, unobserved_seconds REAL NOT NULL,
    bad_disconnected REAL, bad_auth REAL, bad_stalled REAL, bad_degraded REAL,
    open_seconds REAL NOT NULL, blind_seconds REAL NOT NULL,
    connects INTEGER NOT NULL, connect_failures INTEGER NOT NULL, disconnects INTEGER NOT NULL,
    ticks INTEGER NOT NULL, messages INTEGER NOT NULL, beats_sent INTEGER NOT NULL, beats_missed INTEGER NOT NULL,
    requests_sent INTEGER NOT NULL, requests_expired INTEGER NOT NULL, surprises INTEGER NOT NULL,
    score REAL, histograms BLOB NOT NULL,
    UNIQUE (target, began_utc)"""

# Each brings a file from the version that is its position to the next one. Never edited, only added to.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        f"PRAGMA application_id = {APPLICATION}",
        "CREATE TABLE runs (id INTEGER PRIMARY KEY, began_utc REAL NOT NULL, ended_utc REAL)",
        "CREATE TABLE targets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE)",
        # n tells apart what happened at the same moment. Appended at the end of each target: the pages stay full.
        """CREATE TABLE samples (
            target INTEGER NOT NULL, at_utc REAL NOT NULL, n INTEGER NOT NULL,
            metric INTEGER NOT NULL, endpoint INTEGER, value REAL NOT NULL, tainted INTEGER NOT NULL,
            PRIMARY KEY (target, at_utc, n)) WITHOUT ROWID""",
        """CREATE TABLE ticks (
            target INTEGER NOT NULL, at_utc REAL NOT NULL, n INTEGER NOT NULL,
            symbol INTEGER NOT NULL, broker_time REAL NOT NULL, price REAL NOT NULL,
            PRIMARY KEY (target, at_utc, n)) WITHOUT ROWID""",
        # routine: a success or a change of state, which is kept less long than a failure.
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at_utc REAL NOT NULL, target INTEGER,
            routine INTEGER NOT NULL, code TEXT, data TEXT NOT NULL)""",
        "CREATE INDEX events_by_kind ON events (kind, at_utc)",
        "CREATE INDEX events_by_age ON events (target, routine, at_utc)",
        """CREATE TABLE incidents (
            id TEXT PRIMARY KEY, target INTEGER NOT NULL, began_utc REAL NOT NULL, ended_utc REAL,
            cause TEXT NOT NULL, code TEXT NOT NULL, data TEXT NOT NULL)""",
        "CREATE INDEX incidents_by_time ON incidents (target, began_utc)",
        """CREATE TABLE alerts (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, target INTEGER, fired_utc REAL NOT NULL, resolved_utc REAL,
            severity TEXT NOT NULL, data TEXT NOT NULL)""",
        "CREATE UNIQUE INDEX alerts_once ON alerts (ifnull(target, 0), fired_utc, name)",
        "CREATE INDEX alerts_by_time ON alerts (target, fired_utc)",
        f"CREATE TABLE minutes ({_PERIODS})",
        f"CREATE TABLE hours ({_PERIODS})",
        "CREATE TABLE learned (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    ),
    # What the score lost in each stretch, and how long it was blind without a pause.
    tuple(
        f"ALTER TABLE {table} ADD COLUMN {column}"
        for table in ("minutes", "hours")
        for column in (
            "tainted INTEGER NOT NULL DEFAULT 0",
            "judged_seconds REAL NOT NULL DEFAULT 0",
            "longest_blind_seconds REAL NOT NULL DEFAULT 0",
            "lost_availability REAL",
            "lost_freshness REAL",
            "lost_latency REAL",
            "lost_stability REAL",
            "lost_errors REAL",
            "lost_credential REAL",
            "lost_cap REAL",
        )
    ),
)


class StoreNewer(StoreError):
    code = "store.newer"


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that begins no transaction by itself."""
    where = f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(where, uri=True, isolation_level=None, timeout=1.0, check_same_thread=False)


def pragma(connection: sqlite3.Connection, name: str) -> int:
    number: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return number


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """0: a file without content."""
    version, application = pragma(connection, "user_version"), pragma(connection, "application_id")
    # Reading this says that a file is damaged, where its header would say anything.
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and (version or application or tables):
        raise StoreError(
            f"{str(path)!r} is the database of another program", "Name another store with --store."
        )
    if version > len(MIGRATIONS):
        raise StoreNewer(
            f"the store {str(path)!r} was written by a newer tradeprobe (schema {version}, this one knows {len(MIGRATIONS)})",
            "Update tradeprobe, or name another store with --store.",
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Every step is made whole or not at all."""
    version = version_of(connection, path)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file without content; others have it
    connection.execute("PRAGMA journal_mode = WAL")
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
