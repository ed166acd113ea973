"""Locust's shape over a plan: as many users as the conductor wants just now.

Locust asks once a second and starts the missing ones in one batch. So a ramp is steps of a second about the scenario's line, at most
half a second off it, and a step of the scenario comes up to a second late. Only the difference to the second before is asked for,
as fast as it goes: Locust would be deaf until a longer ramp of its own was over, and miss stages meanwhile.
"""

import logging
from collections.abc import Callable

import locust

from loadtests.conductor import Conductor


class PlanShape(locust.LoadTestShape):
    """
    Args:
        begin: Makes the conductor of a new run, and has it play. None: it cannot.
    """

    def __init__(self, begin: Callable[[], Conductor | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._begin = begin
        self._conductor: Conductor | None = None
        self._told = (0, 1.0)
        logging.getLogger("locust.runners").addFilter(_is_not_about_haste)

    def tick(self) -> tuple[int, float] | None:
        if (
            self._conductor is None or self.runner is None or self.runner.shape_last_tick is None
        ):  # a run begins
            self._conductor, self._told = self._begin(), (0, 1.0)
        wanted = self._conductor.users_wanted if self._conductor is not None else None
        if wanted is None:
            return None
        before, _ = self._told
        if wanted != before:  # only then: whatever differs from the last time is another order to Locust
            self._told = (wanted, float(abs(wanted - before)))
        return self._told


def _is_not_about_haste(record: logging.LogRecord) -> bool:
    """Locust warns of more than a hundred users in a second, also where a scenario wants a step."""
    return "spawn rate is very high" not in str(record.msg)
