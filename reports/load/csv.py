"""A load run as tables: one file for each, units in the names of the columns; an empty cell was not measured."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from probe.api.export import cell
from probe.cli.lines import safe
from probe.disk import write_result
from probe.load.figures import Figures, Requests
from probe.load.mergeable import Level
from probe.load.record import RunRecord
from probe.logs import redact
from probe.measure.histogram import Histogram

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
Cell = str | int | float | None
Row = Mapping[str, Cell]


def write_csv(record: RunRecord, folder: Path) -> None:
    """
    Raises:
        OSError: a file cannot be written; those before it are whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables(record).items():
        write_result(folder / f"{name}.csv", _written(list(rows)).encode())


def tables(record: RunRecord) -> dict[str, Iterator[Row]]:
    return {
        "operations": _operations(record.total),
        "ticks": _ticks(record.total),
        "connects": _connects(record.total),
        "stages": _stages(record),
        "timeline": _timeline(record),
        "generators": _generators(record.total),
        "thresholds": _thresholds(record),
    }


def _written(rows: list[Row]) -> str:
    """Without rows there is no file's head to write: the file is empty, and says so by that."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Cell) -> Cell:
    if not isinstance(value, str):
        return round(value, 9) if isinstance(value, float) else value
    return f"{cell(safe(redact(value)))}"


def _spread(name: str, histogram: Histogram) -> dict[str, Cell]:
    return {f"{name}_{each}_seconds": histogram.quantile(share) for each, share in QUANTILES.items()}


def _level(level: Level) -> float | None:
    return level.last if level.is_known else None


def _highest(level: Level) -> float | None:
    return level.highest if level.is_known else None


def _asked(each: Requests) -> dict[str, Cell]:
    return {
        "due": each.due, "sent": each.sent, "answered": each.answered, "failed": each.failures,
        **_spread("response", each.response), **_spread("service", each.service), **_spread("lateness", each.lateness),
    }  # fmt: skip


def _operations(total: Figures) -> Iterator[Row]:
    for name, each in sorted(total.requests.items()):
        yield {"operation": name, **_asked(each), "failures": _kinds(each.failed)}


def _ticks(total: Figures) -> Iterator[Row]:
    for name, each in sorted(total.ticks.items()):
        yield {
            "symbol": name, "arrived": each.arrived, "duplicates": each.duplicates, "out_of_order": each.out_of_order,
            **_spread("gap", each.gap), **_spread("staleness", each.staleness), **_spread("skew", each.skew), **_spread("first", each.first),
        }  # fmt: skip


def _connects(total: Figures) -> Iterator[Row]:
    connects = total.connects
    for phase, each in (("whole", connects.whole), *connects.phases.items()):
        yield {"phase": phase, "samples": each.count, **_spread("phase", each)}


def _moment(figures: Figures) -> dict[str, Cell]:
    sessions, connects, ticks = figures.sessions, figures.connects, figures.all_ticks()
    return {
        "users_wanted": _level(sessions.wanted), "live": _level(sessions.live), "lost": sum(sessions.lost.values()),
        "dropped": sessions.dropped, "reopened": sessions.reopened,
        "connects_begun": connects.begun, "connects_opened": connects.opened, "connects_failed": sum(connects.failed.values()),
        **_spread("connect", connects.whole), **_asked(figures.all_requests()),
        "ticks": ticks.arrived, **_spread("tick_gap", ticks.gap), **_spread("staleness", ticks.staleness), **_spread("skew", ticks.skew),
        "beats_sent": sessions.beats_sent, "beats_answered": sessions.beats_answered, "beats_missed": sessions.beats_missed,
        **_spread("beat_round_trip", sessions.beat_round_trip),
        "messages_sent": figures.frames.messages_sent, "messages_received": figures.frames.messages_received,
        "bytes_sent": figures.frames.bytes_sent, "bytes_received": figures.frames.bytes_received,
    }  # fmt: skip


def _stages(record: RunRecord) -> Iterator[Row]:
    for number, each in sorted(record.stages.items()):
        yield {
            "stage": number, "name": each.name, "began_seconds": each.began, "ended_seconds": each.ended,
            **_moment(each.figures), **_spread("recovery", each.figures.sessions.recovery),
            "connect_failures": _kinds(each.figures.connects.failed), "losses": _kinds(each.figures.sessions.lost),
        }  # fmt: skip


def _timeline(record: RunRecord) -> Iterator[Row]:
    for point in record.timeline:
        workers = point.figures.generators.values()
        wall = sum(each.wall_seconds for each in workers)
        yield {
            "second": point.second, "lasted_seconds": point.seconds, **_moment(point.figures),
            "generators_cpu_share": sum(each.cpu_seconds for each in workers) / wall if wall else None,
        }  # fmt: skip


def _generators(total: Figures) -> Iterator[Row]:
    for name, each in sorted(total.generators.items()):
        yield {
            "process": name, "cpu_seconds": each.cpu_seconds, "wall_seconds": each.wall_seconds,
            **_spread("lag", each.lag), **_spread("lateness", each.lateness),
            "resident_highest_bytes": _highest(each.resident_bytes), "handles_highest": _highest(each.handles),
            "handle_limit": _level(each.handle_limit), "ports_highest": _highest(each.ports), "port_limit": _level(each.port_limit),
            "unsent": each.unsent, "refused": _kinds(each.refused), "clock_steps": each.clock_steps, "dropped_samples": each.dropped_samples,
        }  # fmt: skip


def _thresholds(record: RunRecord) -> Iterator[Row]:
    words = {True: "held", False: "broken", None: "not measured"}
    for each in record.thresholds:
        yield {
            "threshold": each.threshold.text, "result": words[each.holds], "value": each.value, "limit": each.threshold.limit,
            "samples": each.samples,
        }  # fmt: skip


def _kinds(failed: Mapping[str, int]) -> str:
    return "; ".join(f"{times} {kind}" for kind, times in sorted(failed.items()))
