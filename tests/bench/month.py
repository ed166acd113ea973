"""A month of ten targets in a store: thirty-one hours are simulated, the rest is those, told again.

Simulated are the stretches of `SOURCES`: a monitor over the simulator in pretended time, with faults switched on and off, as the
store's writer keeps them. Each target then tells its source's stretch again and again until the month is over, shifted in time, under
its own name, and beginning at another hour of it. So kinds of rows, their sizes and what follows what are a monitor's; but a month
differs no more from day to day than its stretch does from hour to hour, and samples are kept for all of it, ticks for its last day.

`python -m tests.bench.month FOLDER` makes one for keeps; `MONTH=FOLDER make bench ARGS=exports` takes it from there.
"""

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from probe.brokers import find_broker
from probe.measure.records import Alert, Attempt, Disconnected, Incident, Record, StateChanged
from probe.store.opened import OpenStore
from probe.store.reader import StoreReader
from probe.store.rows import HOUR, PERIOD_COLUMNS
from tests.monitor.linked import regions
from tests.monitor.matrix import course
from tests.virtual.travelling import run

DAY = 86400.0
BEGAN = 1_767_571_200.0  # Monday, 2026-01-05
DAYS = 30
BATCH = 20_000  # records in one transaction
_COLUMNS = {
    "samples": "target, at_utc, n, metric, endpoint, value, tainted",
    "ticks": "target, at_utc, n, symbol, broker_time, price",
    "minutes": PERIOD_COLUMNS,
    "hours": PERIOD_COLUMNS,
}


class Upset(NamedTuple):
    minutes: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A simulated stretch, with its upsets at equal distances, and how many targets tell it."""

    broker: str
    hours: int
    targets: int
    upsets: tuple[Upset, ...]

    @property
    def seconds(self) -> float:
        return self.hours * HOUR

    def names(self) -> list[str]:
        return [f"{self.broker}-{number + 1}" for number in range(self.targets)]


_OF_SESSIONS = (
    Upset(4, ("silent-stall:at=0s",)),
    Upset(1, ("drop:at=0s",)),
    Upset(6, ("cut", "refuse")),
    Upset(3, ("delay:seconds=1.5s",)),
    Upset(2, ("no-pong",)),
    Upset(3, ("half-open:at=0s",)),
    Upset(2, ("garbage:at=0s",)),
    Upset(1, ("goodbye:at=0s",)),
    Upset(4, ("reset", "http-status:code=503")),
    Upset(3, ("frozen-price",)),
    Upset(2, ("freeze",)),
    Upset(60, ("kicked-elsewhere:at=0s",)),  # the last: it is refused until the stretch begins anew
)
SOURCES = (
    Source(broker="pocketoption", hours=12, targets=4, upsets=_OF_SESSIONS),
    Source(broker="quotex", hours=12, targets=3, upsets=_OF_SESSIONS),
    Source(
        broker="mt5",
        hours=2,
        targets=1,
        upsets=(Upset(4, ("gateway-terminal-closed",)), Upset(3, ("delay:seconds=1.5s",))),
    ),
    Source(
        broker="crypto",
        hours=2,
        targets=1,
        upsets=(Upset(4, ("backend-database-down",)), Upset(3, ("backend-busy",))),
    ),
    Source(
        broker="bingx", hours=3, targets=1, upsets=(Upset(4, ("cut", "refuse")), Upset(2, ("drop:at=0s",)))
    ),
)
TARGETS = [name for source in SOURCES for name in source.names()]


@contextmanager
def kept_month() -> Iterator[Path]:
    """The one in the folder that `MONTH` names, made there if need be; or one that is gone afterwards."""
    if folder := os.environ.get("MONTH"):
        yield made_in(Path(folder))
    else:
        with tempfile.TemporaryDirectory() as here:
            yield made_in(Path(here))


def made_in(folder: Path) -> Path:
    path, unfinished = folder / "month.db", folder / "unfinished.db"
    if not path.exists():
        for each in folder.glob(f"{unfinished.name}*"):
            each.unlink()
        make(unfinished)
        unfinished.rename(path)
    return path


def make(path: Path, sources: Sequence[Source] = SOURCES, days: float = DAYS) -> None:
    end = BEGAN + days * DAY
    with closing(OpenStore(path, BEGAN)) as store:
        for source in sources:
            records = run(_watched(source))
            for at in range(0, len(records), BATCH):
                assert store.save(records[at : at + BATCH]) == []
        store.end(BEGAN)
    with closing(StoreReader(path)) as reader:
        told = {source: _what_happened(reader, source) for source in sources}
    with closing(OpenStore(path, BEGAN)) as store:
        for source in sources:
            for name, shift in _retellings(source, end):
                again = (_again(record, name, shift) for record in told[source])
                assert store.save(each for each in again if BEGAN <= _placed(each) < end) == []
        store.end(end)
    with closing(sqlite3.connect(path, isolation_level=None)) as rows:
        rows.execute("PRAGMA synchronous = OFF")
        for source in sources:
            _tell_rows_again(rows, source, end)
        rows.execute("DELETE FROM ticks WHERE at_utc < ?", (end - DAY,))
        rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _watched(source: Source) -> list[Record]:
    records: list[Record] = []
    at = regions("near", "far", latency=0.06) if find_broker(source.broker).has_socket else None
    async with course(source.broker, at=at, utc=BEGAN, name=source.names()[0]) as one:
        one.monitor.add_sink(records.append)
        apart = source.seconds / len(source.upsets)
        for number, upset in enumerate(source.upsets):
            await asyncio.sleep((number + 0.5) * apart - one.now)
            faults = [await one.simulator.board.switch_on(each) for each in upset.faults]
            await asyncio.sleep(min(upset.minutes * 60, source.seconds - 1 - one.now))
            for each in faults:
                await one.simulator.board.switch_off(each)
        await asyncio.sleep(source.seconds - 1 - one.now)  # the next minute is the next telling's
    return records


def _retellings(source: Source, end: float) -> Iterator[tuple[str, float]]:
    """Who tells the stretch, and how much later; all but the first, which was simulated."""
    for number, name in enumerate(source.names()):
        shift = -(number * source.hours // source.targets) * HOUR
        while BEGAN + shift < end:
            if number or shift:
                yield name, shift
            shift += source.seconds


def _what_happened(reader: StoreReader, source: Source) -> list[Record]:
    of = (BEGAN, BEGAN + source.seconds, source.names()[0])
    return [
        *reader.events(StateChanged, *of),
        *reader.events(Attempt, *of),
        *reader.events(Disconnected, *of),
        *reader.incidents(*of),
        *reader.alerts(*of),
    ]


def _placed(record: Record) -> float:
    match record:
        case Incident():
            return record.began_utc
        case Alert():
            return record.fired_utc
        case _:
            return record.at_utc


def _again(record: Record, name: str, shift: float) -> Record:
    def later(utc: float | None) -> float | None:
        return None if utc is None else utc + shift

    match record:
        case Incident():
            began = record.began_utc + shift
            evidence = tuple(line._replace(at=line.at + shift) for line in record.evidence)
            return replace(
                record, id=f"{name}-{int(began * 1000)}", target=name, began_utc=began,
                ended_utc=later(record.ended_utc), evidence=evidence,
            )  # fmt: skip
        case Alert():
            fired, resolved = record.fired_utc + shift, later(record.resolved_utc)
            return replace(record, target=name, fired_utc=fired, resolved_utc=resolved)
        case StateChanged() | Attempt() | Disconnected():
            return replace(record, target=name, at_utc=record.at_utc + shift)
        case _:
            raise TypeError(record)


def _tell_rows_again(rows: sqlite3.Connection, source: Source, end: float) -> None:
    ids = dict(rows.execute("SELECT name, id FROM targets"))
    first = source.names()[0]
    for name, shift in _retellings(source, end):
        for table, columns in _COLUMNS.items():
            _, time_column, *others = columns.split(", ")
            since = end - DAY if table == "ticks" else BEGAN
            rows.execute(
                f"INSERT INTO {table} ({columns}) SELECT ?, {time_column} + ?, {', '.join(others)} FROM {table}"
                f" WHERE target = ? AND {time_column} >= ? AND {time_column} < ?",
                (
                    ids[name], shift, ids[first],
                    max(BEGAN, since - shift), min(BEGAN + source.seconds, end - shift),
                ),
            )  # fmt: skip


if __name__ == "__main__":
    began, used = time.time(), time.process_time()
    print(made_in(Path(sys.argv[1])))
    print(f"{time.process_time() - used:.0f} s of CPU, {time.time() - began:.0f} s")
