"""A timeline of fewer and longer pieces, for where there is less room than the period has slots."""

import math
from collections.abc import Iterable, Sequence

from probe.measure.records import Cause
from reports.diagnostics.facts import Slot


def coarser(slots: Sequence[Slot], most: int) -> list[Slot]:
    """At most so many, all made of equally many."""
    of = math.ceil(len(slots) / most)
    return list(slots) if of <= 1 else [_joined(slots[at : at + of]) for at in range(0, len(slots), of)]


def _joined(slots: Sequence[Slot]) -> Slot:
    """Sums are exact. Percentiles cannot be added up: the worst ones stand for all."""
    scores = [each.score for each in slots if each.score is not None]
    return Slot(
        began_utc=slots[0].began_utc,
        seconds=math.fsum(each.seconds for each in slots),
        observed=math.fsum(each.observed for each in slots),
        bad={
            cause: lost for cause in Cause if (lost := math.fsum(each.bad.get(cause, 0.0) for each in slots))
        },
        blind=math.fsum(each.blind for each in slots),
        score=scores[-1] if scores else None,
        disconnects=sum(each.disconnects for each in slots),
        ping=_worst(each.ping for each in slots),
        answer=_worst(each.answer for each in slots),
    )


def _worst(pairs: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    known = [each for each in pairs if each is not None]
    return (max(each[0] for each in known), max(each[1] for each in known)) if known else None
