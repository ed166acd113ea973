"""Plays a capacity search over seconds: brings each level about, lets it settle, and judges the window after that."""

import math
from collections.abc import Callable

from probe.load.capacity import CapacityResult, CapacitySearch, Judged, Level
from probe.load.figures import Figures
from probe.load.plan import LoadPlan, Measured, SearchBy
from probe.load.thresholds import evaluate
from probe.load.verdict import Around, judge

# Of the run's seconds from the first up to but not including the second number; None while not all of it was told.
Told = Callable[[int, int], Figures | None]
JUDGED_WITHIN = 15.0  # workers report every three seconds, and one may be late
PRESENT = (
    0.99  # of the users that are wanted; a level at which the others do not come to be live has not held
)


def arrives_within(users: float) -> float:
    """Seconds until so many sessions are open, if they ever are: 100 a second is slow."""
    return 15 + users / 100


# They speak of how sessions came to be, which was before the window.
OF_THE_WAY_IN = frozenset({Measured.CONNECT, Measured.CONNECT_SUCCESS, Measured.RECOVERY})
TOO_LITTLE = "nothing-measured"  # of the verdict's rules: that is no fault of the generator's


class Ascent:
    """
    Args:
        plan: With a search. What is not searched for stays as it says.
    """

    def __init__(self, plan: LoadPlan, told: Told) -> None:
        if plan.search is None:
            raise ValueError("nothing is searched for")
        self._run, self._plan, self._told = plan, plan.search, told
        self._search = CapacitySearch(plan.search)
        self._wanted_at: float | None = None  # this level
        self._window: tuple[int, int] | None = None
        self._fewest: float = math.inf  # live sessions in the window

    @property
    def result(self) -> CapacityResult:
        return self._search.result

    @property
    def level(self) -> Level | None:
        return self._search.level

    @property
    def users(self) -> int:
        level = self._search.level
        return int(level.value) if level and self._plan.by is SearchBy.USERS else self._run.users

    @property
    def rate(self) -> float | None:
        level = self._search.level
        return level.value if level and self._plan.by is SearchBy.RATE else self._run.rate

    def stopped(self) -> None:
        self._search.stopped()

    def advance(self, at: float, live: int) -> Judged | None:
        """At each second of the run: how many sessions are live then. What came of the level, when that is known."""
        level = self._search.level
        if level is None:
            return None
        if self._wanted_at is None:
            self._wanted_at = at
        if self._window is None:
            late = at >= self._wanted_at + arrives_within(self.users)
            if live >= PRESENT * self.users or late:
                begin = math.ceil(at + self._plan.settle)
                self._window, self._fewest = (begin, begin + math.ceil(level.seconds)), math.inf
            return None
        first, until = self._window
        if first <= at <= until:
            self._fewest = min(self._fewest, live)
        if at < until:
            return None
        judged = self._judged(math.floor(self._wanted_at), first, until)
        if judged is None:
            if at < until + JUDGED_WITHIN:
                return None
            judged = Judged(held=None, evidence=("the figures of its seconds did not come",))
        self._wanted_at = self._window = None
        self._search.judged(judged)
        return judged

    def _judged(self, since: int, first: int, until: int) -> Judged | None:
        """What came of a level that was wanted `since`. None: nobody knows yet."""
        way_in, window = self._told(since, until), self._told(first, until)
        if way_in is None or window is None:
            return None
        # A window begins and ends between two messages of each process.
        wanted = None if self.rate is None else max(0, self.rate * (until - first) - len(window.generators))
        verdict = judge(window, self._run, Around(seconds=until - first, wanted=wanted))
        reasons = [each.sentence for each in verdict.reasons if each.code != TOO_LITTLE]
        if reasons:
            return Judged(held=None, valid=False, broken=tuple(reasons))
        results = [
            result
            for each in self._run.scenario.thresholds
            for result in evaluate([each], way_in if each.measured in OF_THE_WAY_IN else window)
        ]
        if not way_in.connects.begun:  # nobody had to come for this level, or come back: that is no failure
            results = [each for each in results if each.threshold.measured not in OF_THE_WAY_IN]
        broken = [each.threshold.text for each in results if each.holds is False]
        if self._fewest < PRESENT * self.users:
            broken.append(f"only {self._fewest:.0f} of {self.users} sessions were live")
        return Judged(
            held=False if broken else True if not results or any(each.holds for each in results) else None,
            broken=tuple(broken),
            evidence=tuple(map(str, results)),
        )
