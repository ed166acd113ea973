"""A load run as one JSON document: for people and programs in plain figures, and under `histograms` whole, so that it can be read back.

Seconds everywhere. What was not measured is null.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from probe.diagnose.diagnose import Verdict as Cause
from probe.load.causes import causes
from probe.load.figures import Connects, Figures, Frames, Generator, Requests, Sessions, Ticks
from probe.load.mergeable import Level
from probe.load.plain import from_plain, to_plain
from probe.load.plan import LoadPlan
from probe.load.record import Folded, Point, RunRecord, StageRecord
from probe.load.thresholds import ThresholdResult
from probe.load.verdict import Busy
from probe.measure.histogram import Histogram
from probe.measure.plain import iso

SCHEMA_VERSION = 1
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}

R = TypeVar("R", bound=RunRecord)


def written(record: RunRecord) -> dict[str, Any]:
    verdict, plan = record.verdict, record.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "load",
        "at": None if record.began_utc is None else iso(record.began_utc),
        "verdict": verdict.word,
        "headline": verdict.headline,
        "reasons": to_plain(verdict.reasons),
        "causes": [cause(each) for each in causes(record)],
        "ended": record.ended,
        "target": {"broker": plan.broker, "url": plan.url, "simulated": record.simulated},
        "seconds": record.seconds,
        "figures": in_words(record.total),
        "thresholds": [_threshold(each) for each in record.thresholds],
        "search": record.search,
        "notes": record.notes,
        "workers": {
            "seen": sorted(record.total.generators),
            "lost": record.lost_workers,
            "refused": record.refused_workers,
            "busiest": to_plain(record.busiest),
        },
        "simulator_cpu_seconds": record.simulator_cpu_seconds,
        "versions": record.versions,
        "plan": to_plain(plan),
        "stages": [_stage(each) for _, each in sorted(record.stages.items())],
        "timeline": [_point(each) for each in record.timeline],
        "histograms": _whole(record),
    }


def read(kind: type[R], told: object) -> R:
    """What `written` gave.

    Raises:
        ValueError: it is something else, and says what.
    """
    if not isinstance(told, dict) or told.get("kind") != "load":
        what = told.get("kind") if isinstance(told, dict) else None
        raise ValueError(f"this is not the JSON of a load run{f', but of kind {what!r}' if what else ''}")
    if told.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"this load run is of schema version {told.get('schema_version')!r}; this program reads {SCHEMA_VERSION}"
        )
    try:
        return _read(kind, told)
    except KeyError as missing:
        raise ValueError(f"this load run is not whole: it has no {missing}") from None
    except (TypeError, AttributeError, IndexError) as problem:
        raise ValueError(f"this load run is damaged: {problem}") from None


def in_words(figures: Figures) -> dict[str, Any]:
    return {
        "operations": {name: _requests(each) for name, each in sorted(figures.requests.items())},
        "all_operations": _requests(figures.all_requests()),
        "ticks": {name: _ticks(each) for name, each in sorted(figures.ticks.items())},
        "all_ticks": _ticks(figures.all_ticks()),
        "connects": _connects(figures.connects),
        "sessions": _sessions(figures.sessions),
        "frames": _frames(figures.frames),
        "generators": {name: _generator(each) for name, each in sorted(figures.generators.items())},
    }


def spread(durations: Histogram) -> dict[str, float | int | None]:
    return {
        "count": durations.count,
        **{name: durations.quantile(share) for name, share in QUANTILES.items()},
    }


def _requests(requests: Requests) -> dict[str, Any]:
    return {
        "due": requests.due,
        "sent": requests.sent,
        "answered": requests.answered,
        "failed": dict(requests.failed),
        "response": spread(requests.response),
        "service": spread(requests.service),
        "lateness": spread(requests.lateness),
    }


def _ticks(ticks: Ticks) -> dict[str, Any]:
    return {
        "arrived": ticks.arrived,
        "duplicates": ticks.duplicates,
        "out_of_order": ticks.out_of_order,
        "gap": spread(ticks.gap),
        "first": spread(ticks.first),
        "staleness": spread(ticks.staleness),
        "skew": spread(ticks.skew),
    }


def _connects(connects: Connects) -> dict[str, Any]:
    return {
        "begun": connects.begun,
        "opened": connects.opened,
        "failed": dict(connects.failed),
        "whole": spread(connects.whole),
        "phases": {name: spread(each) for name, each in connects.phases.items()},
    }


def _sessions(sessions: Sessions) -> dict[str, Any]:
    return {
        "wanted": _level(sessions.wanted),
        "live": _level(sessions.live),
        "lost": dict(sessions.lost),
        **{name: getattr(sessions, name) for name in ("left", "dropped", "reopened", "surprises")},
        "recovery": spread(sessions.recovery),
        "pause": spread(sessions.pause),
        "beats": {
            "sent": sessions.beats_sent,
            "answered": sessions.beats_answered,
            "missed": sessions.beats_missed,
            "of_the_server": sessions.peer_beats,
            "round_trip": spread(sessions.beat_round_trip),
            "lateness": spread(sessions.beat_lateness),
        },
    }


def _frames(frames: Frames) -> dict[str, int]:
    return {
        name: getattr(frames, name)
        for name in (
            "messages_sent",
            "messages_received",
            "bytes_sent",
            "bytes_received",
            "cut_sent",
            "cut_received",
        )
    }


def _generator(generator: Generator) -> dict[str, Any]:
    wall = generator.wall_seconds
    return {
        "cpu_seconds": generator.cpu_seconds,
        "wall_seconds": wall,
        "cpu_share": generator.cpu_seconds / wall if wall else None,
        "others_share": generator.others_seconds / generator.machine_seconds
        if generator.machine_seconds
        else None,  # of all processors of its machine
        "lag": spread(generator.lag),
        "lateness": spread(generator.lateness),
        **{
            name: _level(getattr(generator, name))
            for name in (
                "resident_bytes",
                "handles",
                "handle_limit",
                "ports",
                "port_limit",
                "tracked",
                "tracked_limit",
            )
        },
        "unsent": generator.unsent,
        "refused": dict(generator.refused),
        **{name: getattr(generator, name) for name in ("queue_overflows", "syns_again", "data_again")},
        "clock_steps": generator.clock_steps,
        "dropped_samples": generator.dropped_samples,
    }


def _level(level: Level) -> dict[str, float] | None:
    return {"last": level.last, "lowest": level.lowest, "highest": level.highest} if level.is_known else None


def cause(verdict: Cause) -> dict[str, Any]:
    return {"code": verdict.code, "certainty": verdict.certainty.value, "says": verdict.says} | {
        name: to_plain(getattr(verdict, name)) for name in ("evidence", "excluded", "remaining", "advice")
    }


def _threshold(result: ThresholdResult) -> dict[str, Any]:
    return {
        "threshold": result.threshold.text,
        "value": result.value,
        "limit": result.threshold.limit,
        "samples": result.samples,
        "holds": result.holds,
    }


def _stage(stage: StageRecord) -> dict[str, Any]:
    return {
        "number": stage.number,
        "name": stage.name,
        "began": stage.began,
        "ended": stage.ended,
        "figures": in_words(stage.figures),
    }


def _point(point: Point) -> dict[str, Any]:
    figures = point.figures
    requests, ticks, sessions = figures.all_requests(), figures.all_ticks(), figures.sessions
    return {
        "second": point.second,
        "seconds": point.seconds,
        "users_wanted": _level(sessions.wanted),
        "live": _level(sessions.live),
        "due": requests.due,
        "sent": requests.sent,
        "answered": requests.answered,
        "failed": requests.failures,
        "response": spread(requests.response),
        "service": spread(requests.service),
        "lateness": spread(requests.lateness),
        "ticks": ticks.arrived,
        "tick_gap": spread(ticks.gap),
        "staleness": spread(ticks.staleness),
        "connects_opened": figures.connects.opened,
        "connects_failed": sum(figures.connects.failed.values()),
        "lost": sum(sessions.lost.values()),
        "cpu_share": {
            name: each.cpu_seconds / each.wall_seconds
            for name, each in figures.generators.items()
            if each.wall_seconds
        },
    }


def _whole(record: RunRecord) -> dict[str, Any]:
    return {
        "total": _folded(record.whole),
        "stages": {str(number): _folded(each.folded) for number, each in record.stages.items()},
        "width": record.timeline.width,
        "timeline": {str(number): _folded(each) for number, each in record.timeline.points.items()},
    }


def _folded(folded: Folded) -> dict[str, Any]:
    return {"began": folded.began, "newest": folded.newest, "figures": folded.figures.to_json()}


def _read(kind: type[R], told: Mapping[str, Any]) -> R:
    record = kind(
        from_plain(LoadPlan, told["plan"]),
        began_utc=None if told["at"] is None else datetime.fromisoformat(told["at"]).timestamp(),
        simulated=told["target"]["simulated"],
        versions=told["versions"],
    )
    record.ended, record.notes = told["ended"], list(told["notes"])
    record.search, record.simulator_cpu_seconds = told["search"], told["simulator_cpu_seconds"]
    workers, whole = told["workers"], told["histograms"]
    record.lost_workers, record.refused_workers = dict(workers["lost"]), dict(workers["refused"])
    record.busiest = {name: from_plain(Busy, each) for name, each in workers["busiest"].items()}
    record.whole = _read_folded(whole["total"])
    for stage in told["stages"]:
        restored = record.stage(stage["number"])
        restored.name, restored.folded = (
            stage["name"],
            _read_folded(whole["stages"][str(stage["number"])]),
        )
    record.timeline.width = whole["width"]
    record.timeline.points = {int(number): _read_folded(each) for number, each in whole["timeline"].items()}
    return record


def _read_folded(told: Mapping[str, Any]) -> Folded:
    return Folded(figures=Figures.from_json(told["figures"]), began=told["began"], newest=told["newest"])
