"""Failures that are staged for real, and what the doctor says of each.

A module beside this one holds those of a layer, as `CASES`; each is staged once, and judged twice: with all rules, and
without the one that should have found it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from probe.diagnose.case import Case
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.doctor.examine import Examination, Means, Patient, examine
from probe.model.findings import Certainty, State
from probe.session.broker import Broker
from tests.doctor.retelling import retold
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of one staged failure. What harms nothing is left out."""

    verdicts: tuple[tuple[str, Certainty], ...]  # in order; none: nothing is wrong
    without: str  # what stands first when the rule that should find it is taken away
    seconds: float = 0.0  # that a real examination took, by its own clock
    retold: tuple[tuple[str, Certainty], ...] | None = None  # the verdicts on a file that was shared of it

    @property
    def first(self) -> str:
        return self.verdicts[0][0] if self.verdicts else ""


@dataclass(frozen=True, slots=True)
class OnPaper:
    """What decides is written down, and not met: the facts as they would be, or one of them beside a real session's."""

    judge: Callable[[], Said]
    why: str  # it is not staged for real

    def __call__(self) -> Said:
        return self.judge()


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """One failure.

    Args:
        code: What must be said of it, first; empty: it is none.
        name: What is staged, in a few words; unique.
        play: Stages it, examines, and says what came of it.
        certain: The evidence that is staged excludes every look-alike.
        beside: Other codes that are true of it as well.
        long: It needs real seconds, or more of a machine than every developer has; for `make test-long`.
    """

    code: str
    name: str
    play: Callable[[], Said]
    certain: bool = False
    beside: frozenset[str] = frozenset()
    long: bool = False

    @property
    def is_real(self) -> bool:
        return not isinstance(self.play, OnPaper)

    @property
    def id(self) -> str:
        return f"{self.code or 'healthy'}-{self.name.replace(' ', '-')}"


# What harms nothing by itself, and is only worth knowing beside a cause: where one of these is staged, it is what is looked for.
NOTES = (
    "host.unreadable-file",
    "mt5.market-closed",
    "mt5.wrong-account-type",
    "session.close-code-misleading",
)


def judged(case: Case, broker: Broker | None, code: str) -> Said:
    case, rules = _calmed(case, code), rules_for(broker)
    fewer = {name: rule for name, rule in rules.items() if name != code}
    said, left = (_telling(diagnose(case, each).verdicts, code) for each in (rules, fewer))
    again = _telling(retold(case, broker), code)
    return Said(verdicts=said, without=left[0][0] if left else "", retold=again)


def _calmed(case: Case, code: str) -> Case:
    """Whoever runs tests may lack the processor as well: that is true, and not what is staged."""
    if case.host is None or code.partition(".")[0] in ("host", "load"):
        return case
    return replace(case, host=replace(case.host, cpu_waited=0.0, throttled=None))


def _telling(verdicts: Sequence[Verdict], code: str) -> tuple[tuple[str, Certainty], ...]:
    noted = [each for each in verdicts if each.code == code and code in NOTES]
    harmful = [each for each in verdicts if each.state is not State.HEALTHY and each not in noted]
    return tuple((each.code, each.certainty) for each in (*noted, *harmful))


Stage = Callable[[], AbstractAsyncContextManager[Patient]]


def travelling(stage: Stage, code: str, *, utc: float = WEDNESDAY_NOON, **means: Any) -> Callable[[], Said]:
    """In time that does not wait and begins at `utc`, over real sockets."""

    def play() -> Said:
        examination = run(_examined(stage, Means(**means), utc))
        said = judged(examination.case, examination.patient.broker, code)
        return replace(said, seconds=examination.seconds)

    return play


def looking_for(
    seconds: float, stage: Stage, code: str, *, utc: float = WEDNESDAY_NOON
) -> Callable[[], Said]:
    """As long as a monitor looks, where a look of the doctor's is too short for it."""
    play = travelling(stage, code, utc=utc, budget=seconds + 60.0, leaves_early=False)

    def for_so_long() -> Said:
        with mock.patch("probe.doctor.examine.STAYS", seconds):
            return replace(play(), seconds=0.0)  # it takes what was asked for, and not what the doctor takes

    return for_so_long


async def _examined(stage: Stage, means: Means, utc: float) -> Examination:
    clock = asyncio.get_running_loop().time
    with simulated_at(utc):
        async with stage() as patient:
            return await examine(patient, means, utc=lambda: utc + clock())


SECOND_FORM = "a second form of what is staged for real"


def on_paper(make: Callable[[], Case], code: str, broker: Broker | None = None, *, why: str) -> OnPaper:
    """What cannot be staged on one machine: the facts as they would be."""
    return OnPaper(lambda: judged(make(), broker, code), why)
