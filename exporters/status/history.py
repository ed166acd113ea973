"""The last hour of each target, minute by minute: what the page draws as a bar."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from probe.measure.plain import iso
from probe.measure.records import Cause, Period, Record
from probe.monitor.monitor import Monitor

CELLS = 60
CELL_SECONDS = 60.0
LEAST_SECONDS = 1.0  # of the minute that is not over


class Cell(NamedTuple):
    """Times in which nobody looked are neither good nor bad."""

    began_utc: float
    observed_seconds: float
    bad_seconds: Mapping[Cause, float]


def _cell(period: Period) -> Cell:
    return Cell(period.began_utc, period.observed_seconds, period.bad_seconds)


class History:
    """A sink; written and read in the monitor's loop."""

    def __init__(self) -> None:
        self._cells: dict[str, deque[Cell]] = {}

    def note(self, record: Record) -> None:
        if type(record) is Period:
            self._cells.setdefault(record.target, deque(maxlen=CELLS)).append(_cell(record))

    def cells(self, monitor: Monitor, names: Iterable[str]) -> dict[str, tuple[Cell, ...]]:
        """Of those that are still watched, the minute that is not over included."""
        watches = monitor.watches
        for gone in self._cells.keys() - watches.keys():
            del self._cells[gone]
        return {
            name: (
                *self._cells.get(name, ()),
                _cell(watch.measurements.gathering.period(name, 0.0, watch.ledger, None)),
            )
            for name in names
            if (watch := watches.get(name)) is not None
        }


def bar(cells: Iterable[Cell], until_utc: float) -> dict[str, object]:
    """So many minutes, the oldest first: of each which cause had most of its bad seconds, and how much of it was bad."""
    cells, last = tuple(cells), until_utc // CELL_SECONDS
    if sum(each.observed_seconds for each in cells if each.began_utc // CELL_SECONDS == last) < LEAST_SECONDS:
        last -= 1  # it has hardly begun, and nothing is booked yet
    observed, bad = [0.0] * CELLS, [dict[Cause, float]() for _ in range(CELLS)]
    for cell in cells:
        at = CELLS - 1 - int(last - cell.began_utc // CELL_SECONDS)
        if 0 <= at < CELLS:
            observed[at] += cell.observed_seconds
            for cause, seconds in cell.bad_seconds.items():
                bad[at][cause] = bad[at].get(cause, 0.0) + seconds
    began_utc = (last - CELLS + 1) * CELL_SECONDS
    return {
        "began_utc": began_utc,
        "began": iso(began_utc),
        "cell_seconds": CELL_SECONDS,
        "cells": [
            None if seconds <= 0 else max(causes, key=lambda each: causes[each]).value if causes else "good"
            for seconds, causes in zip(observed, bad, strict=True)
        ],
        "bad_share": [
            None if seconds <= 0 else round(min(sum(causes.values()) / seconds, 1.0), 4) if causes else 0.0
            for seconds, causes in zip(observed, bad, strict=True)
        ],
    }
