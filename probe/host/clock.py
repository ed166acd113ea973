"""This machine's clocks against each other, and against one that somebody else shows."""

import sys
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from probe.diagnose.case import Clock
from probe.diagnose.facts import Facts
from probe.model.events import Phase

# One clock that runs on while the machine sleeps, and one that does not.
_RUNNING_AND_AWAKE = {
    "linux": ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"),
    "darwin": ("CLOCK_MONOTONIC", "CLOCK_UPTIME_RAW"),
}


def asleep_seconds() -> float | None:
    """For how long this machine has slept since it was started; None: this system's clocks do not tell."""
    if sys.platform not in _RUNNING_AND_AWAKE:
        return None
    running, awake = (time.clock_gettime(getattr(time, each)) for each in _RUNNING_AND_AWAKE[sys.platform])
    return running - awake


class ClockWatch:
    """From now on.

    Args:
        utc: The wall clock.
        monotonic: The one that nobody sets, and that stands still while the machine sleeps.
    """

    def __init__(
        self,
        utc: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        asleep: Callable[[], float | None] = asleep_seconds,
    ) -> None:
        self._utc, self._monotonic, self._asleep = utc, monotonic, asleep
        self._ahead, self._slept = utc() - monotonic(), asleep()

    @property
    def jump_seconds(self) -> float:
        """Wall against monotonic clock."""
        return self._utc() - self._monotonic() - self._ahead

    @property
    def slept_seconds(self) -> float | None:
        slept = self._asleep()
        return None if slept is None or self._slept is None else slept - self._slept


def clock_of(source: str, date: str, received_utc: float, waited_seconds: float = 0.0) -> Clock | None:
    """What the `Date` of an HTTP answer says of our clock.

    Args:
        received_utc: By our clock.
        waited_seconds: For the answer; it may have been dated at the beginning of that.

    Returns:
        None: it is not a date.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    uncertainty = 0.5 + waited_seconds / 2  # it is cut to whole seconds
    return Clock(
        source=source,
        offset_seconds=received_utc - waited_seconds / 2 - (theirs + 0.5),
        uncertainty_seconds=uncertainty,
    )


def clock_of_session(facts: Facts, source: str, utc_at_zero: float) -> Clock | None:
    """What the answer to the upgrade says of our clock, whether it was granted or not.

    Args:
        utc_at_zero: UTC when the monotonic clock stood at 0.
    """
    failure = facts.ended.failure if facts.ended else None
    answer = failure.seen.answer if failure else None
    if facts.upgraded is not None:
        at, headers = facts.upgraded.at, facts.upgraded.headers
    elif facts.ended is not None and answer is not None:
        at, headers = facts.ended.at, answer.headers
    else:
        return None
    date = next((value for name, value in headers if name.lower() == "date"), "")
    began_at = max(
        (each.at for each in facts.phases if each.phase is not Phase.UPGRADING and each.at <= at), default=at
    )
    return clock_of(source, date, utc_at_zero + at, at - began_at)
