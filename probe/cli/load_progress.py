"""How a load run is going, on standard error: redrawn in place on a terminal, else a line now and then."""

import os
import shutil
import sys
import textwrap
from collections import deque
from dataclasses import dataclass

import click

from probe.cli.lines import counted, safe, span
from probe.cli.output import milliseconds
from probe.load.figures import Figures, Slice
from probe.load.plan import LoadPlan
from probe.measure.histogram import Histogram

WINDOW = 5  # seconds that the figures shown are of
DRAWN_EVERY = 0.5
TOLD_EVERY = 10.0
STANDARD_ERROR = 2
SAME_PROBLEM = 5  # times that one is told, of a log that repeats itself
_UP_AND_CLEAR = "\x1b[1A\r\x1b[J"


def aside(words: str, *, nl: bool = True) -> None:
    """On standard error. No run ends, and no result is lost, because nobody reads that any more."""
    try:
        click.echo(words, nl=nl, err=True)
    except OSError:
        to_nowhere(STANDARD_ERROR)


def to_nowhere(fd: int) -> None:
    """What is still buffered for it as well, or the interpreter complains about it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, fd)
    os.close(nowhere)


@dataclass(slots=True)
class Second:
    second: int
    stage: int
    figures: Figures


class Progress:
    def __init__(self, plan: LoadPlan, *, quiet: bool = False, now: float) -> None:
        self._plan, self._quiet = plan, quiet
        self._is_drawn = (
            sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        )
        self._seconds: deque[Second] = deque()
        self._came_at = now  # the last second
        self._next = now + (0 if self._is_drawn else TOLD_EVERY)
        self._problems = 0
        self._told: dict[str, int] = {}
        self._lines = 0  # that stand on the terminal now
        self.level = ""  # of a capacity search

    def note(self, part: Slice, now: float) -> None:
        """A second of one worker, or of all."""
        self._problems += _problems(part.figures)
        for known in self._seconds:
            if known.second == part.second:
                known.figures.add(part.figures)
                return
        figures = Figures()
        figures.add(part.figures)
        self._seconds.append(Second(part.second, part.stage, figures))
        self._came_at = now
        while len(self._seconds) > WINDOW:
            self._seconds.popleft()

    def say(self, words: str) -> None:
        """Something that stays: above what is redrawn."""
        times = self._told[words] = self._told.get(words, 0) + 1
        if times > SAME_PROBLEM:
            return
        self._clear()
        aside(safe(words))

    def draw(self, now: float) -> None:
        if self._quiet or now < self._next:
            return
        self._next = now + (DRAWN_EVERY if self._is_drawn else TOLD_EVERY)
        lines = self.lines(now)
        columns = shutil.get_terminal_size().columns - 1
        if not self._is_drawn:
            aside("  ".join(lines))
            return
        narrow = [part for line in lines for part in textwrap.wrap(line, columns, break_long_words=False)]
        self._clear()
        for line in narrow:
            aside(line[:columns])
        self._lines = len(narrow)

    def close(self) -> None:
        self._clear()

    def lines(self, now: float) -> list[str]:
        if not self._seconds:
            return [f"{counted(self._plan.users, 'user')} of {self._plan.broker}: starting"]
        recent = Figures()
        for each in self._seconds:
            recent.add(each.figures, later=True)
        last, seconds = self._seconds[-1], len(self._seconds)
        asked = recent.all_requests()
        live = recent.sessions.live
        first = [self._left(last, now), self._stage(last)]
        wanted = recent.sessions.wanted
        if live.is_known:
            first.append(f"{live.last:.0f}{f' of {wanted.last:.0f}' if wanted.is_known else ''} live")
        else:
            first.append("nobody is live yet")
        if asked.due and self._plan.rate is not None:
            first.append(f"{asked.sent / seconds:,.1f} of {asked.due / seconds:,.1f}/s sent")
        elif asked.due:
            first.append(f"{asked.sent / seconds:,.1f}/s")
        if ticks := recent.all_ticks().arrived:
            first.append(f"{ticks / seconds:,.0f} ticks/s")
        second = [
            f"p99: response {_p99(asked.response)}, service {_p99(asked.service)}, late {_p99(asked.lateness)}"
        ]
        if self._problems:
            second.append(counted(self._problems, "problem"))
        return [" · ".join(filter(None, first)), " · ".join(second)]

    def _left(self, last: Second, now: float) -> str:
        if self._plan.search is not None:
            return self.level
        left = self._plan.scenario.seconds - last.second - 1 - (now - self._came_at)
        return f"{span(round(max(left, 0.0)))} left"

    def _stage(self, last: Second) -> str:
        stages = self._plan.scenario.stages
        is_one = len(stages) > 1 and last.stage < len(stages) and self._plan.search is None
        return safe(stages[last.stage].name) if is_one else ""

    def _clear(self) -> None:
        if self._lines:
            aside(_UP_AND_CLEAR * self._lines, nl=False)
            self._lines = 0


def _problems(figures: Figures) -> int:
    connects, sessions = figures.connects, figures.sessions
    return (
        sum(each.failures for each in figures.requests.values())
        + sum(connects.failed.values())
        + sum(sessions.lost.values())
        + sessions.beats_missed
    )


def _p99(histogram: Histogram) -> str:
    value = histogram.quantile(0.99)
    return "–" if value is None else milliseconds(value)
