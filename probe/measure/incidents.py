"""Incidents: a stretch of bad time, from its first second to its last, with what was known when it began."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from probe.measure.condition import SILENT
from probe.measure.records import Cause, Condition, Incident, Recognised
from probe.model.failures import Blame
from probe.session.transcript import Line

GOOD_FOR_SECONDS = 5.0  # so long must it be good again before it counts as over; ended is when it became good
KEPT = 20
MOST_CODES = 4  # so many turns are told of one incident
UNNAMED = "session.disconnected"  # nothing has failed yet
_GRAVITY = (Cause.DEGRADED, Cause.STALLED, Cause.DISCONNECTED, Cause.AUTH)


class Incidents:
    """Of one target: at most one is open."""

    __slots__ = ("_blind_before", "_codes", "_good_since", "_target", "closed", "open")

    def __init__(self, target: str) -> None:
        self._target = target
        self.open: Incident | None = None
        self.closed: tuple[Incident, ...] = ()
        self._codes: list[str | None] = []  # of the open one, as it went on
        self._good_since: float | None = None
        self._blind_before = 0.0

    def goes_on(self, condition: Condition, blame: Blame) -> bool:
        """It is bad now. Whether the open incident says all of it already."""
        self._good_since = None
        known, code = self.open, condition.code
        if known is None or condition.cause is None or _is_graver(condition.cause, known.cause):
            return False
        if condition.cause is not known.cause:
            return True
        if code == known.code == SILENT and known.blame is Blame.UNKNOWN and blame is Blame.BROKER:
            return False
        return code is None or code in self._codes or len(self._codes) >= MOST_CODES

    def bad(
        self,
        began_utc: float,
        condition: Condition,
        *,
        advice: str,
        blame: Blame,
        endpoint: str | None,
        evidence: Sequence[Line],
        figures: Mapping[str, float | None],
        blind_before: float,
        planned: bool = False,
        pattern: str | None = None,
    ) -> Incident | None:
        """It is bad now. Returns the incident if there is something new to tell."""
        cause = condition.cause
        if cause is None:
            raise ValueError("a good second is no incident")
        if self.goes_on(condition, blame):
            return None
        known = self.open
        if known is None:
            sentence, self._codes = condition.sentence, [condition.code]
        elif condition.code == known.code:
            sentence = condition.sentence
        else:
            sentence = f"{known.sentence}; then {condition.sentence}"
            self._codes.append(condition.code)
        if known is not None and cause is known.cause and known.code not in (SILENT, UNNAMED):
            self.open = replace(known, sentence=sentence)
            return self.open
        self.open = Incident(
            id=f"{self._target}-{int((known.began_utc if known else began_utc) * 1000)}",
            target=self._target,
            began_utc=known.began_utc if known else began_utc,
            ended_utc=None,
            cause=cause,
            code=condition.code or UNNAMED,
            sentence=sentence,
            advice=advice,
            blame=blame,
            endpoint=endpoint,
            evidence=tuple(evidence),
            figures=figures,
            planned=planned,
            pattern=pattern,
            verdicts=known.verdicts if known else (),
        )
        if known is None:
            self._blind_before = blind_before
        return self.open

    def good(self, now_utc: float, blind: float) -> Incident | None:
        """It is good now. Returns the incident when that made it end."""
        if self.open is None:
            return None
        if self._good_since is None:
            self._good_since = now_utc
        if now_utc - self._good_since < GOOD_FOR_SECONDS:
            return None
        return self.end(now_utc, blind)

    def end(self, ended_utc: float, blind: float) -> Incident | None:
        """Nothing more will be known about it. If it was good again already, it ended then."""
        if self.open is None:
            return None
        ended_utc = ended_utc if self._good_since is None else self._good_since
        blind_seconds = max(blind - self._blind_before, 0.0)
        began_utc = self.open.began_utc
        whole_minutes = math.floor(ended_utc / 60.0) - math.ceil(began_utc / 60.0)
        over = replace(
            self.open,
            ended_utc=max(ended_utc, began_utc),
            blind_seconds=blind_seconds,
            candles_missed=max(min(whole_minutes, math.floor(blind_seconds / 60.0)), 0),
        )
        self.closed = (over, *self.closed[: KEPT - 1])
        self.open = self._good_since = None
        return over

    def judged(self, verdicts: tuple[Recognised, ...]) -> Incident | None:
        """The open one, with what the doctor's rules say of it now; None: they name what they named before."""
        known = self.open
        if known is None:
            return None
        self.open = replace(known, verdicts=verdicts)
        is_news = [each.code for each in verdicts] != [each.code for each in known.verdicts]
        return self.open if is_news else None

    def newest_first(self) -> tuple[Incident, ...]:
        return (*([self.open] if self.open else []), *self.closed)


def _is_graver(cause: Cause, known: Cause) -> bool:
    return _GRAVITY.index(cause) > _GRAVITY.index(known)
