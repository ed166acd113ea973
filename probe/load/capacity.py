"""Looks for the most that holds: doubles until it breaks, bisects, and confirms the answer over a longer window.

A state machine: it says which level to try next, and is told what came of it.
"""

import math
from dataclasses import dataclass
from enum import Enum

from probe.load.plan import SearchBy, SearchPlan
from probe.model.errors import ConfigError


class SearchEnd(Enum):
    """The values are the sentence in which it is told."""

    FOUND = "the highest level that held, confirmed over a longer window"
    NO_LIMIT = "it held at the most that was to be tried"
    NOTHING_HELD = "the lowest level that was to be tried broke already"
    GENERATOR = "the generator came to its limit, not the server (twice at this level): what held is known, what breaks is not"
    NOT_JUDGED = "a level could not be judged, twice"
    STOPPED = "the run ended before the search did"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What to try."""

    value: float  # users, or messages a second
    seconds: float  # of the window that decides
    is_confirmation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of a level."""

    held: bool | None  # None: the figures do not say
    valid: bool = True  # False: the generator was saturated
    broken: tuple[
        str, ...
    ] = ()  # the thresholds that did not hold, as they are written; or why it is not valid
    evidence: tuple[str, ...] = ()  # what was measured, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    level: Level
    judged: Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityResult:
    by: SearchBy
    end: SearchEnd
    highest_held: float | None  # of a search that was not cut short: the answer, which was confirmed
    lowest_broken: float | None
    broken_by: tuple[str, ...]  # at that level
    is_confirmed: bool
    tried: tuple[Tried, ...]


class CapacitySearch:
    def __init__(self, plan: SearchPlan) -> None:
        if not (0 < plan.begin <= plan.most and 0.001 <= plan.within < 1):
            raise ConfigError(
                f"a search from {plan.begin:g} to {plan.most:g} within {plan.within:g} has no answer",
                where="search",
                next_step="It begins above 0, ends where it begins or higher, and comes as near as 0.1% at best.",
            )
        self._plan = plan
        self._tried: list[Tried] = []
        self._held: float | None = None
        self._broken: float | None = None
        self._broken_by: tuple[str, ...] = ()
        self._end: SearchEnd | None = None
        self._is_confirmed = False
        self._least = self._whole(plan.begin)
        self.level: Level | None = None
        self._try(self._least)

    def judged(self, judged: Judged) -> Level | None:
        """What to try next; None: it is over.

        Raises:
            ValueError: it was over before.
        """
        if self.level is None:
            raise ValueError("this search is over")
        level = self.level
        self._tried.append(Tried(level=level, judged=judged))
        if not judged.valid or judged.held is None:
            return self._again(level)
        if judged.held:
            self._held = level.value
        else:
            self._broken, self._broken_by = level.value, judged.broken
        if level.is_confirmation:
            return self._confirmed() if judged.held else self._lower(level.value)
        return self._next()

    def stopped(self) -> None:
        """The run ends, whatever is known by now."""
        if self.level is not None:
            self._over(SearchEnd.STOPPED)

    @property
    def result(self) -> CapacityResult:
        """So far, or at the end."""
        return CapacityResult(
            by=self._plan.by,
            end=self._end or SearchEnd.STOPPED,
            highest_held=self._held,
            lowest_broken=self._broken,
            broken_by=self._broken_by,
            is_confirmed=self._is_confirmed,
            tried=tuple(self._tried),
        )

    def _next(self) -> Level | None:
        held, broken, most = self._held, self._broken, self._plan.most
        if held is None:
            return self._over(SearchEnd.NOTHING_HELD)
        if broken is None:
            return self._confirm(held) if held >= most else self._try(min(2 * held, most))
        middle = self._whole((held + broken) / 2)
        if broken - held <= self._plan.within * held or middle == held:
            return self._confirm(held)
        return self._try(middle)

    def _lower(self, failed: float) -> Level | None:
        """What held for a short while did not for longer."""
        self._held = None
        if failed <= self._least:
            return self._over(SearchEnd.NOTHING_HELD)
        return self._confirm(max(self._least, self._whole(failed * (1 - self._plan.within))))

    def _again(self, level: Level) -> Level | None:
        """A neighbour on the machine may have been the reason, once."""
        before = [each.judged for each in self._tried if each.level == level]
        if len(before) == 1:
            return level
        return self._over(SearchEnd.NOT_JUDGED if before[-1].valid else SearchEnd.GENERATOR)

    def _confirmed(self) -> Level | None:
        self._is_confirmed = True
        return self._over(SearchEnd.NO_LIMIT if self._broken is None else SearchEnd.FOUND)

    def _over(self, end: SearchEnd) -> Level | None:
        self._end, self.level = end, None
        return None

    def _try(self, value: float) -> Level:
        self.level = Level(value=value, seconds=self._plan.window)
        return self.level

    def _confirm(self, value: float) -> Level:
        self.level = Level(value=value, seconds=self._plan.confirm, is_confirmation=True)
        return self.level

    def _whole(self, value: float) -> float:
        return max(1, math.floor(value)) if self._plan.by is SearchBy.USERS else value
