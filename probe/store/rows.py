"""Records as rows and back, without loss: what is written is what is read."""

import json
import sqlite3
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import count, islice
from typing import Any, NamedTuple, TypeVar, assert_never

from probe.measure.health import CAP, PARTS
from probe.measure.histogram import Histogram
from probe.measure.periods import merged
from probe.measure.records import (
    Alert,
    Attempt,
    Cause,
    Disconnected,
    Incident,
    Metric,
    Notice,
    Period,
    Record,
    Sample,
    StateChanged,
    Tick,
)
from probe.model.packing import packed, unpacked

HOUR = 3600.0
SUMS = (
    "seconds",
    "observed_seconds",
    "unobserved_seconds",
    "open_seconds",
    "blind_seconds",
    "connects",
    "connect_failures",
    "disconnects",
    "ticks",
    "messages",
    "beats_sent",
    "beats_missed",
    "requests_sent",
    "requests_expired",
    "surprises",
    "score",
    "tainted",
    "judged_seconds",
    "longest_blind_seconds",
)
_LOST = (*(part.name for part in PARTS), CAP)
_NULLABLE = (*(f"bad_{cause.value}" for cause in Cause), *(f"lost_{part}" for part in _LOST))
PERIOD_COLUMNS = ", ".join(("target", "began_utc", *SUMS, *_NULLABLE, "histograms"))
PERIOD_ANEW = ", ".join(f"{name} = excluded.{name}" for name in PERIOD_COLUMNS.split(", "))
PERIOD_PLACES = ", ".join("?" for _ in PERIOD_COLUMNS.split(","))
EVERY = tuple(Metric)
PACKED = struct.Struct("<HI")  # before each histogram: the metric's word, the number of bytes

Event = StateChanged | Attempt | Disconnected | Notice
_Kept = TypeVar("_Kept")


class Learned(NamedTuple):
    """What a monitor wants to know again the next time."""

    key: str
    value: bytes


class Inserter:
    """Records into the tables, inside a transaction of the caller's. After a failed one it is thrown away: the numbers
    of words that were new in it are nobody's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._targets: dict[str | None, int | None] = {None: None}
        self._targets.update(self._run("SELECT name, id FROM targets"))
        self._words: dict[str | None, int | None] = {None: None}
        self._words.update(self._run("SELECT word, id FROM words"))
        self._numbers = count()
        self._hours: dict[str, Period] = {}  # the last of each target, as it stands in its row

    def insert(self, record: Record | Learned) -> None:
        match record:
            case Tick(at_utc, target, symbol, broker_time, price):
                row = (self._target(target), at_utc, self._number(), self._word(symbol), broker_time, price)
                self._run("INSERT INTO ticks VALUES (?, ?, ?, ?, ?, ?)", row)
            case Sample(at_utc, target, endpoint, metric, value, tainted):
                words = self._word(metric.value), self._word(endpoint)
                sample = (self._target(target), at_utc, self._number(), *words, value, tainted)
                self._run("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", sample)
            case Period():
                self._merge("minutes", record, record.began_utc)
                self._merge("hours", record, record.began_utc // HOUR * HOUR)
            case Incident():
                data = as_json(record, without=("id", "target", "began_utc", "ended_utc"))
                times = (record.began_utc, record.ended_utc)
                self._run(
                    "INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                    " ended_utc = excluded.ended_utc, cause = excluded.cause, code = excluded.code, data = excluded.data",
                    (record.id, self._target(record.target), *times, record.cause.value, record.code, data),
                )
            case Alert():
                data = as_json(record, without=("name", "target", "fired_utc", "resolved_utc"))
                times = (record.fired_utc, record.resolved_utc)
                self._run(
                    "INSERT INTO alerts VALUES (NULL, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (ifnull(target, 0), fired_utc, name) DO UPDATE SET"
                    " resolved_utc = excluded.resolved_utc, severity = excluded.severity, data = excluded.data",
                    (record.name, self._target(record.target), *times, record.severity.value, data),
                )
            case StateChanged() | Attempt() | Disconnected() | Notice():
                data = as_json(record, without=("at_utc", "target"))
                place = (record.kind, record.at_utc, self._target(record.target))
                self._run(
                    "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?)",
                    (*place, is_routine(record), code_of(record), data),
                )
            case Learned():
                self._run("INSERT OR REPLACE INTO learned VALUES (?, ?)", record)
            case _:
                assert_never(record)

    def _merge(self, table: str, period: Period, began_utc: float) -> None:
        """Added to what there is: a monitor that was started anew within a minute tells of that minute twice."""
        target = self._target(period.target)
        known = self._hours.get(period.target) if table == "hours" else None
        if known is not None and known.began_utc == began_utc:
            old = [known]
        else:
            query = f"SELECT {PERIOD_COLUMNS} FROM {table} WHERE target = ? AND began_utc = ?"  # noqa: S608
            rows = self._run(query, (target, began_utc)).fetchall()
            words = {number: word for word, number in self._words.items()} if rows else {}
            old = [as_period(row, period.target, words) for row in rows]
        parts = sorted((*old, period), key=lambda part: part.at_utc)
        total = replace(
            merged(parts) if old else period, began_utc=began_utc, seconds=parts[-1].at_utc - began_utc
        )
        sums = (getattr(total, name) for name in SUMS)
        bad = (total.bad_seconds.get(cause) for cause in Cause)
        lost = (total.lost.get(part) for part in _LOST)
        packed = b"".join(self._packed(*each) for each in total.histograms.items())
        self._run(
            f"INSERT INTO {table} ({PERIOD_COLUMNS}) VALUES ({PERIOD_PLACES})"  # noqa: S608
            f" ON CONFLICT (target, began_utc) DO UPDATE SET {PERIOD_ANEW}",
            (target, began_utc, *sums, *bad, *lost, packed),
        )
        if table == "hours":
            self._hours[period.target] = total

    def _packed(self, metric: Metric, histogram: Histogram) -> bytes:
        content = histogram.to_bytes()
        return PACKED.pack(self._word(metric.value), len(content)) + content

    def _number(self) -> int:
        return next(self._numbers) & 0xFFFF  # two or three bytes of a row

    def _target(self, name: str | None) -> int | None:
        if name not in self._targets:
            self._targets[name] = self._numbered("targets", "name", name)
        return self._targets[name]

    def _word(self, word: str | None) -> int | None:
        if word not in self._words:
            self._words[word] = self._numbered("words", "word", word)
        return self._words[word]

    def _numbered(self, table: str, column: str, word: str | None) -> int:
        self._run(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (word,))  # noqa: S608
        row = self._run(f"SELECT id FROM {table} WHERE {column} = ?", (word,)).fetchone()  # noqa: S608
        number: int = row[0]
        return number


def is_routine(event: Event) -> bool:
    return isinstance(event, StateChanged) or (isinstance(event, Attempt) and event.failure is None)


def code_of(event: Event) -> str | None:
    """What went wrong; None: nothing."""
    match event:
        case StateChanged():
            return event.condition.code
        case Attempt() | Disconnected():
            return event.failure.kind if event.failure else None
        case Notice():
            return event.code
        case _:
            assert_never(event)


def as_period(
    row: Iterable[Any], target: str, words: Mapping[int | None, str | None], only: Collection[Metric] = EVERY
) -> Period:
    _, began_utc, *numbers, packed = row
    parts = iter(numbers[len(SUMS) :])
    bad = zip(Cause, islice(parts, len(Cause)), strict=True)
    lost = zip(_LOST, parts, strict=True)
    histograms, at = {}, 0
    while at < len(packed):
        word, size = PACKED.unpack_from(packed, at)
        at += PACKED.size
        metric = Metric(words[word])
        if metric in only:
            histograms[metric] = Histogram.from_bytes(packed[at : at + size])
        at += size
    return Period(
        target=target,
        began_utc=began_utc,
        bad_seconds={cause: seconds for cause, seconds in bad if seconds is not None},
        lost={part: points for part, points in lost if points is not None},
        histograms=histograms,
        **dict(zip(SUMS, numbers, strict=False)),
    )


def as_json(record: Event | Incident | Alert, *, without: tuple[str, ...]) -> str:
    fields = packed(record)
    for name in without:
        fields.pop(name, None)
    return json.dumps(fields, separators=(",", ":"))


def from_json(kind: type[_Kept], data: str, **fields: object) -> _Kept:
    return unpacked(kind, json.loads(data) | fields)
