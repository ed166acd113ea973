"""All that a load run found: its slices folded into totals, stages and a timeline, with the facts that stand beside them.

Slices may come in any order and from several workers: counts and histograms add up exactly, whatever happens. Levels (how many
sessions there are) are those of the newest second, and of all slices that came of it; of a slice that is late they are passed over.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from probe.load.figures import Figures, Slice
from probe.load.mergeable import Level
from probe.load.plan import LoadPlan
from probe.load.shapes import in_vain, rate_at
from probe.load.thresholds import ThresholdResult, evaluate
from probe.load.verdict import Around, Busy, Verdict, judge

MOST_POINTS = 600
BUSY_SECONDS = 5
ALL_SYMBOLS = "all"  # under which the timeline holds the ticks of all symbols together


@dataclass(slots=True)
class Folded:
    """Figures into which slices are folded."""

    figures: Figures = field(default_factory=Figures)
    began: int | None = None  # the first second
    newest: int = -1  # the last one
    _before: tuple[Level, Level] = field(default_factory=lambda: (Level(), Level()))
    _newest: tuple[Level, Level] = field(default_factory=lambda: (Level(), Level()))

    def add(self, second: int, figures: Figures) -> None:
        sessions = self.figures.sessions
        levels = _copied(sessions.wanted, sessions.live)
        self.figures.add(figures, later=True)
        if second > self.newest:
            self._before, self._newest, self.newest = levels, (Level(), Level()), second
        if second == self.newest:
            told = figures.sessions.wanted, figures.sessions.live
            levels = _copied(*self._before)
            for level, newest, more in zip(levels, self._newest, told, strict=True):
                newest.add(more, later=False)
                level.add(newest, later=True)
        sessions.wanted, sessions.live = levels
        self.began = second if self.began is None else min(self.began, second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Of the timeline."""

    second: int  # with which it begins
    seconds: int  # it lasts
    figures: Figures  # ticks of all symbols together


class Timeline:
    """At most 600 points: when there are more, neighbours become one."""

    def __init__(self) -> None:
        self.width = 1
        self.points: dict[int, Folded] = {}  # by their number

    def add(self, second: int, figures: Figures) -> None:
        while second // self.width >= MOST_POINTS:
            self._halve()
        together = replace(figures, ticks={ALL_SYMBOLS: figures.all_ticks()} if figures.ticks else {})
        self.points.setdefault(second // self.width, Folded()).add(second, together)

    def __iter__(self) -> Iterator[Point]:
        for number, folded in sorted(self.points.items()):
            yield Point(second=number * self.width, seconds=self.width, figures=folded.figures)

    def __len__(self) -> int:
        return len(self.points)

    def _halve(self) -> None:
        points, self.points, self.width = self.points, {}, self.width * 2
        for number, folded in sorted(points.items()):
            if number // 2 in self.points:
                earlier = self.points[number // 2]
                earlier.add(folded.newest, folded.figures)
            else:
                self.points[number // 2] = folded


@dataclass(slots=True)
class StageRecord:
    """`began` and `ended` in seconds of the run, cut at whole ones."""

    number: int
    name: str
    folded: Folded = field(default_factory=Folded)

    @property
    def figures(self) -> Figures:
        return self.folded.figures

    @property
    def began(self) -> int:
        return self.folded.began or 0

    @property
    def ended(self) -> int:
        return self.folded.newest + 1


class _Load:
    """The processor time of one worker, second by second, as long as it takes to find the busiest five."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, float, float, bool]] = deque()

    def note(self, second: int, cpu: float, wall: float, *, measured: bool) -> Busy | None:
        if self._seconds and second < self._seconds[-1][0]:
            return None
        self._seconds.append((second, cpu, wall, measured))
        while self._seconds[0][0] <= second - BUSY_SECONDS:
            self._seconds.popleft()
        passed = sum(wall for _, _, wall, _ in self._seconds)
        if passed < BUSY_SECONDS - 1 or not any(measured for *_, measured in self._seconds):
            return None
        share = sum(cpu for _, cpu, _, _ in self._seconds) / passed
        return Busy(share=share, second=self._seconds[0][0])


class RunRecord:
    """
    Args:
        began_utc: Of second 0; None: not known yet.
        simulated: The target is our own simulator, started for this run.
        versions: Of what took part, by name.
    """

    def __init__(
        self,
        plan: LoadPlan,
        *,
        began_utc: float | None = None,
        simulated: bool = False,
        versions: dict[str, str] | None = None,
    ) -> None:
        self.plan, self.began_utc, self.simulated = plan, began_utc, simulated
        self.versions = dict(versions or {})
        self.notes: list[str] = [] if plan.search else list(in_vain(plan.scenario))
        self.ended = ""  # how, in words; empty: not said
        self.lost_workers: dict[str, str] = {}  # and what is known of it
        self.refused_workers: dict[str, str] = {}  # and their versions
        self.search: dict[str, Any] | None = None  # what a capacity search found, as plain data
        self.simulator_cpu_seconds: float | None = None
        self.whole = Folded()
        self.stages: dict[int, StageRecord] = {}
        self.timeline = Timeline()
        self.busiest: dict[str, Busy] = {}
        self._loads: dict[str, _Load] = {}

    @property
    def total(self) -> Figures:
        return self.whole.figures

    @property
    def seconds(self) -> int:
        """From the run's beginning to the end of the last second of which anything is known."""
        return self.whole.newest + 1

    @property
    def has_begun(self) -> bool:
        """Somebody was asked for something."""
        return bool(self.total.connects.begun or self.total.requests)

    def add(self, part: Slice) -> None:
        self.whole.add(part.second, part.figures)
        self.stage(part.stage).folded.add(part.second, part.figures)
        self.timeline.add(part.second, part.figures)
        self._note_load(part)

    def stage(self, number: int) -> StageRecord:
        if number not in self.stages:
            planned = self.plan.scenario.stages
            name = planned[number].name if 0 <= number < len(planned) else f"stage {number + 1}"
            self.stages[number] = StageRecord(number=number, name=name)
        return self.stages[number]

    @property
    def thresholds(self) -> tuple[ThresholdResult, ...]:
        return evaluate(self.plan.scenario.thresholds, self.total)

    @property
    def verdict(self) -> Verdict:
        return judge(self.total, self.plan, self.around)

    @property
    def around(self) -> Around:
        return Around(
            seconds=self.seconds,
            wanted=self._wanted(),
            busiest=self.busiest,
            lost=self.lost_workers,
            refused=self.refused_workers,
        )

    def _wanted(self) -> float | None:
        """Messages, up to the last second, which may not be over."""
        if self.plan.rate is None or self.plan.search is not None:
            return None
        began = self._first_live()
        until = min(self.seconds - 1, self.plan.scenario.seconds)
        if began is None or until <= began:
            return None
        moments = max(1, min(MOST_POINTS, int(until - began)))
        step = (until - began) / moments
        middles = (began + (each + 0.5) * step for each in range(moments))
        return sum(rate_at(self.plan.scenario, self.plan.rate, middle) for middle in middles) * step

    def _first_live(self) -> int | None:
        """The first second at whose beginning there was somebody to ask: before, nothing is due."""
        lives = ((point.second + point.seconds, point.figures.sessions.live) for point in self.timeline)
        return next((second for second, live in lives if live.is_known and live.highest >= 1), None)

    def _note_load(self, part: Slice) -> None:
        requests = any(each.answered for each in part.figures.requests.values())
        measured = requests or any(each.arrived for each in part.figures.ticks.values())
        for name, generator in part.figures.generators.items():
            load = self._loads.setdefault(name, _Load())
            busy = load.note(part.second, generator.cpu_seconds, generator.wall_seconds, measured=measured)
            if busy and (name not in self.busiest or busy.share > self.busiest[name].share):
                self.busiest[name] = busy

    def to_json(self) -> dict[str, Any]:
        """The document of `--json`."""
        from probe.load.document import written  # noqa: PLC0415 - it is written of records

        return written(self)

    @classmethod
    def from_json(cls, told: object) -> Self:
        """What `to_json` gave.

        Raises:
            ValueError: it is something else, and says what.
        """
        from probe.load.document import read  # noqa: PLC0415

        return read(cls, told)


def _copied(wanted: Level, live: Level) -> tuple[Level, Level]:
    return replace(wanted), replace(live)
