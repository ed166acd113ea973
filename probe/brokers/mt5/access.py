"""The round that touches a broker's access servers: how long connecting to each takes, and nothing more.

The servers count connections that follow each other within 3 s, and block the address of whoever makes too many, the
trader's own terminal included. So one place is touched at a time, in turn; no place sooner than half a minute after
the last time, not even after this machine slept; and the first only half a minute after the login, so that a session
that breaks again and again touches nothing. A plan that names no access points has no such round: load tests make their
plans without any.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from probe.model.errors import LocalProtocolError
from probe.model.failures import Blame, Failure
from probe.model.meanings import Effect, Figure, Figures, Meaning, Trouble, Troubles
from probe.session.broker import AccessPoint
from probe.session.polled import Round, Said
from probe.wire.calls import Asking, Touch, Touched

ABOUT = "access"
EVERY = 15.0  # seconds between two places
SAME_EVERY = 30.0  # between two connections to one
EARLY = 0.5  # timers are not exact
RESENT = 1.0  # seconds; then the first packet was lost and sent again, and the time is no round trip


class AccessPoints:
    def __init__(self, places: Sequence[AccessPoint]) -> None:
        self._places = tuple(places)
        self._touched_at = dict.fromkeys(self._places, -math.inf)
        self._troubles: dict[AccessPoint, Trouble] = {}

    def rounds(self) -> tuple[Round, ...]:
        if not self._places:
            return ()
        every = max(EVERY, SAME_EVERY / len(self._places))
        return (Round(name=ABOUT, every=every, ask=self._ask, lane=ABOUT, first_after=SAME_EVERY),)

    def _ask(self, now: float) -> Asking[Said]:
        place = min(self._places, key=self._touched_at.__getitem__)
        if now - self._touched_at[place] < SAME_EVERY - EARLY:
            return (self._all(),)
        self._touched_at[place] = now
        reply = yield Touch(name=place.name, host=place.host, port=place.port)
        self._troubles.pop(place, None)
        figures: tuple[Meaning, ...] = ()
        match reply:
            case Touched(seconds=seconds) if seconds < RESENT:
                figures = (Figures(rows=(Figure("access_rtt_seconds", seconds, place.name),)),)
            case Touched(seconds=seconds):
                self._troubles[place] = Trouble(
                    code="tcp.timeout",
                    sentence=f"the first packet to the access server {_name(place)} was lost: connecting took {seconds:.1f} s",
                    advice="If it repeats, packets get lost on the way there: compare with the other access servers.",
                    effect=Effect.NOTED,
                    blame=Blame.NETWORK,
                )
            case Failure():
                facts = reply.facts
                self._troubles[place] = Trouble(
                    code=facts.code,
                    sentence=f"the access server {_name(place)} cannot be reached: {reply}",
                    advice=facts.advise,
                    effect=Effect.DEGRADES,
                    blame=facts.blame,
                )
            case _:
                raise LocalProtocolError(f"connecting was answered with a {type(reply).__name__}")
        return (self._all(), *figures)

    def _all(self) -> Troubles:
        """One place that is away harms nobody while another one answers."""
        rows = tuple(self._troubles.values())
        away = [each for each in rows if each.effect is Effect.DEGRADES]
        if len(away) < len(self._places):
            rows = tuple(replace(each, effect=Effect.NOTED) for each in rows)
        return Troubles(about=ABOUT, rows=rows)


def _name(place: AccessPoint) -> str:
    return f"{place.name} ({place.host}:{place.port})"
