"""How many users, how fast, and what is done to them, at each moment of a scenario.

A stage begins with its first moment and is over when the next begins. Ramps are straight lines from what the stage before came to;
before the first stage there is nothing.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from probe.load.plan import LASTING, Scenario, Stage, Upset, UpsetKind
from probe.model.units import format_duration

SILENT = frozenset({UpsetKind.HALF_OPEN, UpsetKind.LOST_PONG})
NOTICED_AFTER = 45.0  # seconds, with the usual settings of Engine.IO


class Change(Enum):
    """The values stand in the order in which changes of one moment happen: what is over ends first."""

    UPSET_ENDS = 0
    FAULTS_OFF = 1
    STAGE_BEGINS = 2
    FAULTS_ON = 3
    UPSET_BEGINS = 4
    END = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    at: float  # seconds after the scenario begins
    change: Change
    stage: int  # its number, from 0
    number: int = 0  # of the upset in its stage
    upset: Upset | None = None  # where it is about one
    faults: tuple[str, ...] = ()


def begins_of(scenario: Scenario) -> tuple[float, ...]:
    """When each stage begins, and at last the end."""
    return tuple(accumulate((stage.seconds for stage in scenario.stages), initial=0.0))


def stage_at(scenario: Scenario, seconds: float) -> int | None:
    """Its number, from 0; None before the beginning and after the end."""
    begins = begins_of(scenario)
    if not 0 <= seconds < begins[-1]:
        return None
    return max(number for number, begin in enumerate(begins[:-1]) if begin <= seconds)


def users_at(scenario: Scenario, users: int, seconds: float) -> int:
    """Whole users. A stage that wants any has at least one from its first moment, however few there are."""
    number = stage_at(scenario, seconds)
    wants_any = number is not None and users_of(scenario.stages[number], users) > 0
    return max(int(wants_any), _whole(_height_at(scenario, seconds, lambda stage: users_of(stage, users))))


def rate_at(scenario: Scenario, rate: float, seconds: float) -> float:
    return _height_at(scenario, seconds, lambda stage: stage.rate * rate)


def users_of(stage: Stage, users: int) -> int:
    return max(1, _whole(stage.users * users)) if stage.users and users else 0


def most_users(scenario: Scenario, users: int) -> int:
    return max(users_of(stage, users) for stage in scenario.stages)


def most_rate(scenario: Scenario, rate: float) -> float:
    return max(stage.rate for stage in scenario.stages) * rate


def happenings(scenario: Scenario, *, after: float, until: float) -> list[Happening]:
    """What happens later than `after` and not later than `until`, in order; -1 is before everything."""
    return [each for each in _all_of(scenario) if after < each.at <= until]


def next_happening(scenario: Scenario, *, after: float) -> float | None:
    """When something happens next, the end of a ramp included; None after the end."""
    ramps = (
        begin + stage.ramp
        for begin, stage in zip(begins_of(scenario), scenario.stages, strict=False)
        if stage.ramp
    )
    return min((at for at in (*(each.at for each in _all_of(scenario)), *ramps) if at > after), default=None)


def in_vain(scenario: Scenario) -> Iterator[str]:
    """What does not last long enough for a server to notice, in words."""
    for stage in scenario.stages:
        for upset in stage.upsets:
            lasts = min(stage.seconds - upset.at, math.inf if upset.seconds is None else upset.seconds)
            if upset.kind in SILENT and lasts < NOTICED_AFTER:
                yield (
                    f"{upset.kind.value} lasts {format_duration(lasts)} in stage {stage.name!r}. A server notices it when its "
                    f"heartbeat has run out, usually after {NOTICED_AFTER:g}s: that no session was given up says nothing."
                )


def _all_of(scenario: Scenario) -> list[Happening]:
    begins = begins_of(scenario)
    found = [Happening(at=begins[-1], change=Change.END, stage=len(scenario.stages) - 1)]
    for number, (stage, begin, end) in enumerate(zip(scenario.stages, begins, begins[1:], strict=False)):
        found.append(Happening(at=begin, change=Change.STAGE_BEGINS, stage=number))
        before = scenario.stages[number - 1].faults if number else ()
        after = scenario.stages[number + 1].faults if number + 1 < len(scenario.stages) else ()
        if new := tuple(fault for fault in stage.faults if fault not in before):
            found.append(Happening(at=begin, change=Change.FAULTS_ON, stage=number, faults=new))
        if over := tuple(fault for fault in stage.faults if fault not in after):
            found.append(Happening(at=end, change=Change.FAULTS_OFF, stage=number, faults=over))
        for index, upset in enumerate(stage.upsets):
            found.append(
                Happening(
                    at=begin + upset.at, change=Change.UPSET_BEGINS, stage=number, number=index, upset=upset
                )
            )
            if upset.kind in LASTING:
                until = end if upset.seconds is None else min(end, begin + upset.at + upset.seconds)
                found.append(
                    Happening(at=until, change=Change.UPSET_ENDS, stage=number, number=index, upset=upset)
                )
    return sorted(found, key=lambda each: (each.at, each.change.value))


def _height_at(scenario: Scenario, seconds: float, goal: Callable[[Stage], float]) -> float:
    number = stage_at(scenario, seconds)
    if number is None:
        return 0
    stage, passed = scenario.stages[number], seconds - begins_of(scenario)[number]
    before = goal(scenario.stages[number - 1]) if number else 0.0
    if passed >= stage.ramp:
        return goal(stage)
    return before + (goal(stage) - before) * (passed / stage.ramp)


def _whole(many: float) -> int:
    return math.floor(many + 0.5)
