"""The tables that are exported: their columns, which stay as they are, and how the store's rows become theirs.

A column is added at the end of its table; one that is there keeps its name, its place and what it means.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from types import NoneType
from typing import Any

from probe.api.export import COLUMNS, Rows
from probe.measure.records import PINGS, Attempt, Disconnected, Period, StateChanged
from probe.store.pages import Page, StorePages

DAY = 86400.0

Columns = Sequence[Sequence[Any]]  # each with as many values


class Kind(Enum):
    TIME = "time"  # UTC seconds here, and what the format has for it there
    TEXT = "text"
    REAL = "real"
    COUNT = "count"
    FLAG = "flag"


_NUMBERS: Mapping[Kind, frozenset[type]] = {  # a text that is none is noticed where it is written
    Kind.REAL: frozenset({float, int, NoneType}), Kind.COUNT: frozenset({int, NoneType}),
}  # fmt: skip
_T, _S, _R, _C, _F = Kind.TIME, Kind.TEXT, Kind.REAL, Kind.COUNT, Kind.FLAG

TABLES: Mapping[str, Mapping[str, Kind]] = {
    # Those of the Python API's export_csv.
    "connections": dict.fromkeys(COLUMNS, _R)
    | dict.fromkeys(("message_count", "error_count"), _C)
    | dict.fromkeys(("region", "status", "target", "failure"), _S)
    | {"timestamp": _T},
    "samples": {"timestamp": _T, "target": _S, "region": _S, "metric": _S, "value": _R, "tainted": _F},
    "events": {
        "timestamp": _T, "target": _S, "region": _S, "event": _S, "code": _S, "state": _S, "trigger": _S,
        "purpose": _S, "initiator": _S, "close_code": _C, "http_status": _C, "planned": _F,
        "duration_seconds": _R, "sentence": _S, "details": _S,
    },
    "incidents": {
        "timestamp": _T, "target": _S, "region": _S, "id": _S, "ended": _T, "duration_seconds": _R, "cause": _S,
        "code": _S, "blame": _S, "blind_seconds": _R, "candles_missed": _C, "planned": _F, "sentence": _S,
        "advice": _S, "details": _S, "verdicts": _S,
    },
    "alerts": {
        "timestamp": _T, "target": _S, "alert": _S, "severity": _S, "ended": _T, "duration_seconds": _R, "value": _R,
        "threshold": _R, "repeated": _C, "message": _S, "details": _S,
    },
    "ticks": {"timestamp": _T, "target": _S, "symbol": _S, "price": _R, "broker_time_seconds": _R},
}  # fmt: skip


def first_from(store: StorePages, table: str, target: str | None, since_utc: float) -> float | None:
    """When the store's first row from then on was; None: there is none."""
    sources = ("events", "hours") if table == "connections" else (table,)
    found = (store.first_from(source, target, since_utc) for source in sources)
    return min((each for each in found if each is not None), default=None)


def pages(
    store: StorePages, table: str, target: str | None, since_utc: float, until_utc: float
) -> Iterator[Columns]:
    """Some rows at a time, oldest first.

    Raises:
        TypeError: the store takes anything anywhere, and something else stands where a number should.
    """
    kinds = [(name, _NUMBERS.get(kind)) for name, kind in TABLES[table].items()]
    for columns in _pages(store, table, target, since_utc, until_utc):
        for (name, numbers), values in zip(kinds, columns, strict=True):
            if numbers and not numbers.issuperset(map(type, values)):
                strange = next(each for each in values if type(each) not in numbers)
                raise TypeError(f"{name} in {table} is {strange!r}")
        yield columns


def _pages(
    store: StorePages, table: str, target: str | None, since_utc: float, until_utc: float
) -> Iterator[Columns]:
    if table == "connections":
        if target is not None and (rows := _connections(store, target, since_utc, until_utc)):
            yield list(zip(*rows, strict=True))
        return
    words: dict[int | None, str | None] = {None: None, **store.words}
    for page in store.pages(table, target, since_utc, until_utc):
        match table:
            case "samples":
                at, regions, metrics, values, tainted = zip(*page, strict=True)
                said = (
                    [target] * len(page),
                    [*map(words.__getitem__, regions)],
                    [*map(words.__getitem__, metrics)],
                )
                yield at, *said, values, [*map(bool, tainted)]
            case "ticks":
                at, symbols, prices, theirs = zip(*page, strict=True)
                yield at, [target] * len(page), [*map(words.__getitem__, symbols)], prices, theirs
            case "events":
                yield list(zip(*(_event(target, *row) for row in page), strict=True))
            case "incidents":
                yield list(zip(*(_incident(target, *row) for row in page), strict=True))
            case _:
                yield list(zip(*(_alert(target, *row) for row in page), strict=True))


def _connections(store: StorePages, target: str, since_utc: float, until_utc: float) -> Page:
    """Of a day, which is not much: 1,440 minutes and what happened."""
    records: list[StateChanged | Attempt | Disconnected | Period] = [
        *store.events(StateChanged, since_utc, until_utc, target),
        *store.events(Attempt, since_utc, until_utc, target),
        *store.events(Disconnected, since_utc, until_utc, target),
        *store.periods(target, since_utc, until_utc, only=PINGS),
    ]
    rows = Rows()
    before = store.last_state(target, since_utc)
    for each in before:
        rows.of(each)
    _, *names = COLUMNS
    return [
        (record.at_utc, *map(row.get, names))
        for record in sorted(records, key=attrgetter("at_utc"))
        if (row := rows.of(record)) is not None
    ]


def _event(target: str | None, at: float, kind: str, code: str | None, details: str) -> tuple[Any, ...]:
    data = json.loads(details)
    about: dict[str, Any] = data.get("condition") or data
    duration = data.get("lasted_seconds")
    if kind == Attempt.kind:
        duration = sum((phase["seconds"] for phase in data.get("phases", ())), 0.0)
    planned = data.get("planned") if kind == Disconnected.kind else None
    return (
        at, target, data.get("endpoint"), kind, code, about.get("state"), data.get("trigger"), data.get("purpose"),
        data.get("initiator"), data.get("close_code"), data.get("http_status"), planned, duration,
        _said(about), details,
    )  # fmt: skip


def _incident(
    target: str | None, began: float, ended: float | None, id_: str, cause: str, code: str, details: str
) -> tuple[Any, ...]:
    data = json.loads(details)
    return (
        began, target, data.get("endpoint"), id_, ended, _between(began, ended), cause, code,
        data.get("blame"), data.get("blind_seconds", 0.0), data.get("candles_missed", 0), data.get("planned", False),
        _said(data), data.get("advice"), details, " ".join(each["code"] for each in data.get("verdicts", ())) or None,
    )  # fmt: skip


def _alert(
    target: str | None, fired: float, ended: float | None, name: str, severity: str, details: str
) -> tuple[Any, ...]:
    data = json.loads(details)
    return (
        fired, target, name, severity, ended, _between(fired, ended), data.get("value"), data.get("threshold"),
        data.get("repeated", 0), _said(data, "message"), details,
    )  # fmt: skip


def _between(began: float, ended: float | None) -> float | None:
    return None if ended is None else ended - began


def _said(data: Mapping[str, Any], name: str = "sentence") -> str | None:
    """It may quote a server: JSON can hold halves of characters, and no file can."""
    sentence: str | None = data.get(name)
    return sentence and sentence.encode("utf-8", "replace").decode()
