"""Brings the slices of all processes of a run together, second by second, exactly.

A worker keeps its slices until Locust asks for a report, and packs them into it. The master, or the only process, adds up what
belongs to one second, and passes a second on when every worker has told it, or when it has waited long enough; what comes later
still counts.
"""

import json
import logging
import zlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Protocol

from loadtests.generator import GeneratorMeter
from loadtests.outlet import AnyOutlet
from probe.load.figures import Figures, Generator, Slice
from probe.load.mergeable import Level
from probe.load.plan import LoadPlan
from probe.load.record import RunRecord

_LOG = logging.getLogger(__name__)
KEY = "tradeprobe"  # under which it lies in a report of Locust's
WAITS = 15  # seconds for a worker that tells nothing; Locust's workers report every three
REMEMBERED = 600  # seconds of a capacity search, of which windows are judged


class Source(Protocol):
    """`Running.cut` and `Recorder.cut`."""

    def __call__(self, now: float, *, at_the_end: bool = False) -> list[Slice]: ...


class Measured:
    """The slices of this process, with what it says about itself in them."""

    def __init__(self, cut: Source, meter: GeneratorMeter | None, worker: str) -> None:
        self._cut, self._meter, self.worker = cut, meter, worker

    def slices(self, now: float, *, at_the_end: bool = False) -> list[Slice]:
        slices = self._cut(now, at_the_end=at_the_end)
        if slices and self._meter is not None:
            slices[-1].figures.generators.setdefault(self.worker, Generator()).add(self._meter.take())
        return slices


class WorkerCollector:
    """In a process that tells a master."""

    def __init__(self, cut: Source, meter: GeneratorMeter | None, *, worker: str, version: str) -> None:
        self._measured, self._version = Measured(cut, meter, worker), version
        self._untold: list[Slice] = []
        self._number = 0  # of the next pack
        self._until = 0  # seconds before this one were cut
        self._is_over = False

    def tick(self, now: float) -> list[Slice]:
        """Once a second. What was cut, for whoever else wants to see it."""
        return self._keep(self._measured.slices(now))

    def finish(self, now: float) -> list[Slice]:
        """Before the last report."""
        self._is_over = True
        return self._keep(self._measured.slices(now, at_the_end=True))

    def pack(self) -> dict[str, Any]:
        """For Locust's report, under `KEY`."""
        slices, self._untold = self._untold, []
        self._number += 1
        told = [[each.second, each.stage, each.figures.to_json()] for each in slices]
        return {
            "version": self._version,
            "worker": self._measured.worker,
            "number": self._number,
            "until": self._until,
            "last": self._is_over,
            "slices": zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 1),
        }

    def _keep(self, slices: list[Slice]) -> list[Slice]:
        self._untold += slices
        self._until = max([self._until, *(each.second + 1 for each in slices)])
        return slices


@dataclass(slots=True)
class _Worker:
    label: str  # for people
    number: int = 0  # of its last pack
    until: int = 0  # it has told all seconds before
    is_over: bool = False


@dataclass(slots=True)
class _Second:
    """What has come of it, over all workers."""

    stages: dict[int, Figures] = field(default_factory=dict)
    wanted: Level = field(default_factory=Level)
    live: Level = field(default_factory=Level)

    def add(self, part: Slice) -> None:
        sessions = part.figures.sessions
        self.wanted.add(sessions.wanted, later=False)
        self.live.add(sessions.live, later=False)
        self.stages.setdefault(part.stage, Figures()).add(part.figures)

    def slices(self, second: int) -> list[Slice]:
        """Workers may come to a stage a moment apart: how many sessions there are is told of the last alone."""
        for stage, figures in self.stages.items():
            is_last = stage == max(self.stages)
            figures.sessions.wanted = self.wanted if is_last else Level()
            figures.sessions.live = self.live if is_last else Level()
        return [
            Slice(second=second, stage=stage, figures=figures)
            for stage, figures in sorted(self.stages.items())
        ]


class Collector:
    """In the master, or in the only process.

    Args:
        cut: Of the only process; None: workers make the load.
        version: Of this program; workers of another are not taken in.
    """

    def __init__(
        self,
        plan: LoadPlan,
        cut: Source | None,
        meter: GeneratorMeter | None,
        outlet: AnyOutlet,
        *,
        version: str,
        worker: str = "alone",
        record: RunRecord | None = None,
    ) -> None:
        self.record = record or RunRecord(plan)
        self._plan, self._outlet, self._version = plan, outlet, version
        self._own = None if cut is None else Measured(cut, meter, worker)
        self._workers: dict[str, _Worker] = {}
        self._seconds: dict[int, _Second] = {}  # that wait for somebody
        self._passed_on = 0  # seconds before this one
        self._recent: list[Slice] = []

    def tick(self, now: float) -> list[Slice]:
        """Once a second, in the only process. What was cut, for whoever else wants to see it."""
        return self._take_own(now, at_the_end=False)

    def take(self, packed: Mapping[str, Any]) -> bool:
        """A worker's report. False: it runs another version, and should be sent away.

        Raises:
            ValueError: no version of this program packed it.
        """
        try:
            name, version, number = str(packed["worker"]), str(packed["version"]), int(packed["number"])
            if version != self._version:
                self._refuse(name, version)
                return False
            worker = self._known(name)
            slices = [
                Slice(second=second, stage=stage, figures=Figures.from_json(figures))
                for second, stage, figures in json.loads(zlib.decompress(packed["slices"]))
            ]
            until, is_over = int(packed["until"]), bool(packed["last"])
        except (KeyError, TypeError, AttributeError, zlib.error) as problem:
            raise ValueError(f"this is no report of a worker of tradeprobe: {problem}") from None
        if number <= worker.number:  # told twice
            return True
        if number > worker.number + 1:
            self.lost(name, f"{number - worker.number - 1} of its reports did not arrive")
        worker.number, worker.until, worker.is_over = number, until, is_over
        for each in slices:
            if own := each.figures.generators.pop(name, None):
                each.figures.generators[worker.label] = own
            self._add(each)
        self._pass_on()
        return True

    def joined(self, name: str) -> None:
        """A worker, of which the first seconds are waited for."""
        self._known(name)

    @property
    def waits_for(self) -> set[str]:
        """Workers that have not told their last."""
        return {name for name, worker in self._workers.items() if not worker.is_over}

    def look_round(self, here: AbstractSet[str]) -> None:
        """While the run goes on: who of its workers is not among these has gone."""
        for name in self._workers.keys() - here:
            is_over = self._workers[name].is_over
            self.lost(name, "it ended before the run did" if is_over else "nothing is heard of it any more")

    def lost(self, name: str, why: str) -> None:
        """A worker has gone without having said so. What it told before counts."""
        worker = self._known(name)
        if worker.label not in self.record.lost_workers and name not in self.record.refused_workers:
            self.record.lost_workers[worker.label] = why
            self._outlet.say("worker-lost", worker=worker.label, why=why)
            _LOG.warning("%s was lost: %s", worker.label, why)
        worker.is_over = True  # nobody waits for it any more
        self._pass_on()

    def finish(self, now: float) -> RunRecord:
        """All there is, also of seconds that somebody has not told."""
        self._take_own(now, at_the_end=True)
        for name, worker in self._workers.items():
            if not worker.is_over:
                self.lost(name, f"it told nothing of second {worker.until} and after")
        self._pass_on(until=max(self._seconds, default=-1) + 1)
        return self.record

    def window(self, first: int, until: int) -> Figures | None:
        """All from one second of a search up to another, which is not in it; None: that is not complete yet."""
        if self._passed_on < until:
            return None
        figures = Figures()
        for each in self._recent:
            if first <= each.second < until:
                figures.add(each.figures, later=True)
        return figures

    def _take_own(self, now: float, *, at_the_end: bool) -> list[Slice]:
        slices = self._own.slices(now, at_the_end=at_the_end) if self._own else []
        for each in slices:
            self._add(each)
        if slices:
            self._pass_on(until=slices[-1].second + 1)
        return slices

    def _known(self, name: str) -> _Worker:
        """Locust's names are those of hosts, each with 32 digits behind it."""
        if name not in self._workers:
            host = name.rpartition("_")[0]
            number = len(self._workers) + 1
            self._workers[name] = _Worker(f"worker {number} on {host}" if host else name)
        return self._workers[name]

    def _refuse(self, name: str, version: str) -> None:
        if name not in self.record.refused_workers:
            self.record.refused_workers[name] = version
            self._outlet.say("worker-refused", worker=name, version=version)
            _LOG.warning("%s runs version %s of tradeprobe: it is not taken in", name, version)
        if name in self._workers:
            self._workers[name].is_over = True  # nobody waits for it
            self._pass_on()

    def _add(self, part: Slice) -> None:
        self._seconds.setdefault(part.second, _Second()).add(part)

    def _pass_on(self, until: int | None = None) -> None:
        if until is None:
            waited_for = [each.until for each in self._workers.values() if not each.is_over]
            newest = max(each.until for each in self._workers.values())
            until = max(min(waited_for, default=newest), newest - WAITS)
        for second in sorted(each for each in self._seconds if each < until):
            for part in self._seconds.pop(second).slices(second):
                self._tell(part)
        self._passed_on = max(self._passed_on, until)

    def _tell(self, part: Slice) -> None:
        self.record.add(part)
        if self._plan.search is not None:
            self._recent.append(part)
            if self._recent[0].second < part.second - REMEMBERED:
                del self._recent[0]
        self._outlet.say("slice", second=part.second, stage=part.stage, figures=part.figures.to_json())
