"""Exports of a store: a folder with a file for each table, target and UTC day, or one file of JSON lines."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from probe.disk import locked, replacing, writing_result
from probe.measure.plain import iso
from probe.store.pages import StorePages
from reports.export.formats import Format, json_lines
from reports.export.manifest import Entry, Manifest
from reports.export.tables import DAY, TABLES, Columns, first_from, pages

SETTLED_AFTER = 3600.0  # of a day's end: what waited for the store's disk is in it by then
NO_TIME_BEFORE, NO_TIME_FROM = 0.0, 253_402_300_800.0  # the years 1970 and 10000: what lies outside is damage


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    tables: Sequence[str]
    targets: Sequence[str | None]  # None: what is about the monitor itself
    since_utc: float
    until_utc: float


@dataclass(frozen=True, slots=True)
class Job:
    """A table of a target on a day, as far as it was asked for."""

    table: str
    target: str | None
    since_utc: float
    until_utc: float
    kept_since_utc: float  # what the store has of it at all

    @property
    def day_utc(self) -> float:
        return self.since_utc // DAY * DAY

    def name(self, suffix: str) -> str:
        target = "@monitor" if self.target is None else quote(self.target, safe="")
        return f"{self.table}/{target}-{iso(self.day_utc)[:10]}.{suffix}"


@dataclass(slots=True)
class Done:
    rows: dict[str, int] = field(default_factory=dict)  # written, by table
    files: int = 0  # written
    kept: int = 0  # that were there, and whole


def jobs(store: StorePages, asked: Asked) -> list[Job]:
    """Of days of which there is something."""
    found = []
    earliest, latest = max(asked.since_utc, NO_TIME_BEFORE), min(asked.until_utc, NO_TIME_FROM)
    for table, target in itertools.product(asked.tables, asked.targets):
        kept_since = first_from(store, table, target, NO_TIME_BEFORE)
        at = first_from(store, table, target, earliest)
        while kept_since is not None and at is not None and at < latest:
            day = at // DAY * DAY
            since, until = max(day, earliest), min(day + DAY, latest)
            found.append(Job(table, target, since, until, kept_since))
            at = first_from(store, table, target, day + DAY)
    return found


def export_folder(
    store: StorePages, path: Path, wanted: Sequence[Job], folder: Path, form: Format, *,
    now_utc: float, step: Callable[[], object],
) -> Done:  # fmt: skip
    """Each file is written whole or not at all; those of days that are over are kept.

    Args:
        step: Told after each file.

    Raises:
        StoreError: the store cannot be read.
        OSError: the folder cannot be written; what was finished stays.
        ConfigError: the folder holds something else.
    """
    done = Done()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        manifest = Manifest(folder, path)
        try:
            for job in wanted:
                name = job.name(form.suffix)
                known = manifest.files.get(name)
                if known and not _stands(folder / name, known):
                    known = None
                if known and known.whole:
                    done.kept += 1
                elif entry := _written(store, job, folder / name, form, known, now_utc):
                    manifest.note(name, entry)
                    done.files += 1
                    done.rows[job.table] = done.rows.get(job.table, 0) + entry.rows
                step()
        finally:
            manifest.save()
    return done


def export_lines(store: StorePages, wanted: Sequence[Job], path: Path, *, step: Callable[[], object]) -> Done:
    """
    Raises:
        StoreError, OSError: as above; what stood there before stays.
    """
    done = Done()
    with store.telling_damage(), writing_result(path, mode=0o600) as file:
        for job in wanted:
            for columns in pages(store, job.table, job.target, job.since_utc, job.until_utc):
                file.writelines(json_lines(job.table, columns))
                done.rows[job.table] = done.rows.get(job.table, 0) + len(columns[0])
            step()
    done.files = 1
    return done


def _stands(path: Path, known: Entry) -> bool:
    try:
        return path.stat().st_size == known.bytes
    except FileNotFoundError:
        return False


def _written(
    store: StorePages, job: Job, path: Path, form: Format, known: Entry | None, now_utc: float
) -> Entry | None:
    """None: there is nothing to write."""
    older = None
    if known:
        job = replace(
            job,
            since_utc=min(job.since_utc, known.since_utc),
            until_utc=max(job.until_utc, known.until_utc),
        )
        if job.table != "connections" and known.first_utc < job.kept_since_utc:
            older = known  # the store has its first rows no more; a minute has no time to go on after
    day = job.day_utc
    is_over = job.since_utc == day and job.until_utc == day + DAY and now_utc >= day + DAY + SETTLED_AFTER
    seen = _Seen(job.table, older)
    begins = math.nextafter(older.last_utc, math.inf) if older else job.since_utc
    read = seen.looking(pages(store, job.table, job.target, begins, job.until_utc))
    with store.telling_damage(), suppress(_Fewer), ExitStack() as stack:
        first = next(read, None)
        if first is None:
            return None
        path.parent.mkdir(mode=0o700, exist_ok=True)
        file = stack.enter_context(replacing(path, mode=0o600))
        before = stack.enter_context(path.open("rb")) if older else None  # closed first: Windows asks for it
        form.write(job.table, itertools.chain([first], read), file, before)
        if known and seen.rows < known.rows:
            raise _Fewer
        return Entry(
            rows=seen.rows,
            bytes=file.tell(),
            since_utc=job.since_utc,
            until_utc=job.until_utc,
            first_utc=seen.first_utc,
            last_utc=seen.last_utc,
            whole=is_over and not seen.is_open,
        )
    return known and replace(known, whole=is_over)


class _Fewer(Exception):
    """The store has lost some of what a file holds: the file stays."""


class _Seen:
    """What is noticed of the rows of a file on their way."""

    def __init__(self, table: str, older: Entry | None) -> None:
        self.rows = older.rows if older else 0
        self.first_utc = older.first_utc if older else math.inf
        self.last_utc = older.last_utc if older else -math.inf
        self.is_open = False  # an incident or an alert goes on
        self._ended = list(TABLES[table]).index("ended") if "ended" in TABLES[table] else None

    def looking(self, read: Iterator[Columns]) -> Iterator[Columns]:
        for columns in read:
            times = columns[0]
            self.rows += len(times)
            self.first_utc, self.last_utc = min(self.first_utc, times[0]), times[-1]
            self.is_open |= self._ended is not None and None in columns[self._ended]
            yield columns
