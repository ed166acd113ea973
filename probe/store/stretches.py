"""When something was watched, through which region, and what was kept of it: by hours, and by minutes where an hour is not whole."""

import math
from collections.abc import Iterable, Iterator
from operator import attrgetter

from probe.measure.pieces import DAY, HOUR, Stretch
from probe.measure.records import Attempt, Period, StateChanged
from probe.store.pages import StorePages
from probe.store.reader import Step


def regions(store: StorePages, target: str, since_utc: float, until_utc: float) -> dict[str, list[Stretch]]:
    """When each was in use, oldest first. That is known for as long as changes of state are kept."""
    changes: list[StateChanged | Attempt] = [
        *store.last_state(target, since_utc),
        *store.events(StateChanged, since_utc, until_utc, target),
        # Failures are kept for longer than successes, and alone would tell of a region that was left at once.
        *(
            each
            for each in store.events(Attempt, since_utc, until_utc, target)
            if each.purpose == "hold" and each.failure is None
        ),
    ]
    changes.sort(key=attrgetter("at_utc"))
    found: dict[str, list[Stretch]] = {}
    ends = [each.at_utc for each in changes[1:]] + [until_utc]
    for change, end in zip(changes, ends, strict=False):
        begins = max(change.at_utc, since_utc)
        if change.endpoint is not None and begins < end:
            of_it = found.setdefault(change.endpoint, [])
            if of_it and of_it[-1][1] == begins:
                begins, _ = of_it.pop()
            of_it.append((begins, end))
    return found


def steps(since_utc: float, until_utc: float) -> list[tuple[Step, float, float]]:
    """Whole hours, which are the sums of their minutes, and minutes before and after them."""
    begins, ends = math.ceil(since_utc / HOUR) * HOUR, math.floor(until_utc / HOUR) * HOUR
    if begins >= ends:
        return [("minute", since_utc, until_utc)]
    return [("minute", since_utc, begins), ("hour", begins, ends), ("minute", ends, until_utc)]


def periods(
    store: StorePages, target: str, stretches: Iterable[Stretch], *, by_hours: bool
) -> Iterator[Period]:
    """Those that lie wholly in one of them, oldest first, a day at a time in memory.

    Args:
        by_hours: Minutes only where an hour is not whole.
    """
    for since, until in stretches:
        parts: list[tuple[Step, float, float]] = (
            steps(since, until) if by_hours else [("minute", since, until)]
        )
        for step, begin, end in parts:
            for day in range(math.ceil((end - begin) / DAY)):
                at = begin + day * DAY
                of_a_day = store.periods(target, at, min(at + DAY, end), step)
                yield from (each for each in of_a_day if each.at_utc <= until)
