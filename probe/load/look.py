"""What somebody who watches a running load test sees of it: small, as plain data, of the run so far and of its last seconds.

Seconds everywhere. What is not known is null, and never 0.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probe.load.figures import Requests, Ticks
from probe.load.mergeable import Level
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram

RECENT = 10  # seconds of the run, over which is told how fast something comes now
MOST_SYMBOLS = 20  # those of which most came; more are only counted
EARLY = "nothing-measured"  # the reason that every run begins with


@dataclass(frozen=True, slots=True, kw_only=True)
class _Totals:
    second: int
    ticks: Mapping[str, int]
    sent: Mapping[str, int]
    cpu: Mapping[str, float]
    wall: Mapping[str, float]


class Look:
    """At one run, again and again: between two looks it is seen what came."""

    def __init__(self, record: RunRecord, redact: Callable[[str], str] = str) -> None:
        self.record, self._redact = record, redact
        self._before: deque[_Totals] = deque()

    def taken(self) -> dict[str, Any]:
        record, figures = self.record, self.record.total
        now = self._now()
        before = self._remembered(now)
        passed = now.second - before.second
        ticks = sorted(figures.ticks.items(), key=lambda item: -item[1].arrived)
        verdict = record.verdict
        is_early = [each.code for each in verdict.reasons] == [EARLY]
        return {
            "broker": record.plan.broker,
            "simulated": record.simulated,
            "scenario": self._redact(record.plan.scenario.title),
            "seconds": record.seconds,
            "stage": self._stage(),
            "verdict": None if is_early else verdict.word,
            "reasons": [self._redact(each.sentence) for each in verdict.reasons],
            "thresholds": [
                {
                    "text": each.threshold.text,
                    "holds": each.holds,
                    "said": self._redact(str(each)),
                    "samples": each.samples,
                }
                for each in record.thresholds
            ],
            "sessions": self._sessions(),
            "connect": self._connect(),
            "operations": [
                _operation(name, each, _rate(now.sent.get(name, 0), before.sent.get(name, 0), passed))
                for name, each in sorted(figures.requests.items())
            ],
            "streams": [
                _stream(name, each, _rate(now.ticks.get(name, 0), before.ticks.get(name, 0), passed))
                for name, each in ticks[:MOST_SYMBOLS]
            ],
            "more_streams": max(0, len(ticks) - MOST_SYMBOLS),
            "generators": [
                {
                    "name": name,
                    "cpu": _rate(each.cpu_seconds, before.cpu.get(name, 0.0), each.wall_seconds - before.wall.get(name, 0.0)),
                    "lag": _spread(each.lag),
                    "late": _spread(each.lateness),
                    "resident_bytes": _last(each.resident_bytes),
                    "unsent": each.unsent,
                    "refused": dict(each.refused),
                    "dropped_samples": each.dropped_samples,
                }
                for name, each in sorted(figures.generators.items())
            ],
            "lost_workers": {name: self._redact(why) for name, why in record.lost_workers.items()},
            "refused_workers": {name: self._redact(why) for name, why in record.refused_workers.items()},
        }  # fmt: skip

    def _now(self) -> _Totals:
        figures = self.record.total
        return _Totals(
            second=self.record.seconds,
            ticks={name: each.arrived for name, each in figures.ticks.items()},
            sent={name: each.sent for name, each in figures.requests.items()},
            cpu={name: each.cpu_seconds for name, each in figures.generators.items()},
            wall={name: each.wall_seconds for name, each in figures.generators.items()},
        )

    def _remembered(self, now: _Totals) -> _Totals:
        """Of `RECENT` seconds ago, or of the first look since, or of the run's beginning."""
        if not self._before or now.second > self._before[-1].second:
            self._before.append(now)
        while len(self._before) > 2 and self._before[1].second <= now.second - RECENT:
            self._before.popleft()
        first = self._before[0]
        return first if first.second < now.second else _Totals(second=0, ticks={}, sent={}, cpu={}, wall={})

    def _stage(self) -> dict[str, Any] | None:
        stages = self.record.stages
        if not stages:
            return None
        newest = stages[max(stages)]
        return {
            "number": newest.number + 1,
            "of": max(len(self.record.plan.scenario.stages), newest.number + 1),
            "name": self._redact(newest.name),
        }

    def _sessions(self) -> dict[str, Any]:
        sessions = self.record.total.sessions
        return {
            "wanted": _last(sessions.wanted),
            "live": _last(sessions.live),
            "lost": dict(sessions.lost),
            "dropped": sessions.dropped,
            "reopened": sessions.reopened,
            "left": sessions.left,
            "recovery": _spread(sessions.recovery),
            "beats": sessions.beats_sent + sessions.peer_beats,
            "beats_missed": sessions.beats_missed,
            "surprises": sessions.surprises,
        }

    def _connect(self) -> dict[str, Any]:
        connects = self.record.total.connects
        return {
            "begun": connects.begun,
            "opened": connects.opened,
            "failed": dict(connects.failed),
            "whole": _spread(connects.whole),
            "phases": [{"name": name, **_spread(each)} for name, each in connects.phases.items()],
        }


def left_of(record: RunRecord) -> float | None:
    """Seconds until the plan's end; None: a search, which ends when it has found something."""
    if record.plan.search is not None:
        return None
    return max(0.0, record.plan.scenario.seconds - record.seconds)


def _operation(name: str, requests: Requests, rate: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "rate": rate,
        "due": requests.due,
        "answered": requests.answered,
        "failed": dict(requests.failed),
        "response": _spread(requests.response),
        "service": _spread(requests.service),
        "lateness": _spread(requests.lateness),
    }


def _stream(symbol: str, ticks: Ticks, rate: float | None) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "rate": rate,
        "arrived": ticks.arrived,
        "duplicates": ticks.duplicates,
        "out_of_order": ticks.out_of_order,
        "gap": _spread(ticks.gap),
        "first": _spread(ticks.first),
        "staleness": _spread(ticks.staleness),
        "skew": _spread(ticks.skew),
    }


def _spread(durations: Histogram) -> dict[str, float | int | None]:
    return {"count": durations.count, "p50": durations.quantile(0.5), "p99": durations.quantile(0.99)}


def _rate(now: float, before: float, passed: float) -> float | None:
    return (now - before) / passed if passed > 0 else None


def _last(level: Level) -> float | None:
    return level.last if level.is_known else None
