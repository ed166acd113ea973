"""All sessions of one process: which are live, what went over them, and who is struck when a share of them is upset."""

from collections.abc import Callable
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

import gevent

from probe.load.plan import LASTING, Upset
from probe.load.recorder import Recorder
from probe.model.events import Traffic

if TYPE_CHECKING:
    from loadtests.session import LoadSession

LEAVING_WITHIN = 2.0  # seconds; a master waits half a second longer


class Fleet:
    """`live` is in no order that means anything; the pacer counts through it."""

    def __init__(self, recorder: Recorder, rng: Random) -> None:
        self.recorder = recorder
        self.live: list[LoadSession] = []
        self.on_first: Callable[[], None] | None = None  # when somebody is live for the first time
        self.wanted: set[LoadSession] = set()
        self._rng = rng
        self._place: dict[LoadSession, int] = {}
        self._struck: dict[Upset, list[LoadSession]] = {}
        self._open: set[LoadSession] = set()  # with a connection, or on the way to one
        self._past = self._told = Traffic()

    def want(self, session: "LoadSession") -> None:
        self.wanted.add(session)
        self.recorder.wanted(len(self.wanted))

    def unwant(self, session: "LoadSession") -> None:
        self.wanted.discard(session)
        self.recorder.wanted(len(self.wanted))

    def joined(self, session: "LoadSession") -> None:
        self._place[session] = len(self.live)
        self.live.append(session)
        self.recorder.live(len(self.live))
        if self.on_first is not None:
            self.on_first()

    def left(self, session: "LoadSession") -> None:
        """It is asked nothing more."""
        place = self._place.pop(session, None)
        if place is None:
            return
        last = self.live.pop()
        if last is not session:
            self.live[place] = last
            self._place[last] = place
        self.recorder.live(len(self.live))

    def opened(self, session: "LoadSession") -> None:
        self._open.add(session)

    def ended(self, session: "LoadSession", traffic: Traffic, *, in_order: bool) -> None:
        self._open.discard(session)
        self._past = self._past.plus(traffic)
        if not in_order:
            self.recorder.cut_off(traffic)

    def tell_traffic(self, *, at_the_end: bool = False) -> None:
        """To the recorder: what went over all sessions since this was last said. At the end those are cut that are still open."""
        if at_the_end:
            for session in list(self._open):
                self.ended(session, session.traffic, in_order=False)
        sent, received = self._past.messages_sent, self._past.messages_received
        bytes_sent, bytes_received = self._past.bytes_sent, self._past.bytes_received
        for session in self._open:
            now = session.traffic
            sent += now.messages_sent
            received += now.messages_received
            bytes_sent += now.bytes_sent
            bytes_received += now.bytes_received
        told, self._told = (
            self._told,
            Traffic(
                messages_sent=sent,
                messages_received=received,
                bytes_sent=bytes_sent,
                bytes_received=bytes_received,
            ),
        )
        self.recorder.frames(
            Traffic(
                messages_sent=sent - told.messages_sent,
                messages_received=received - told.messages_received,
                bytes_sent=bytes_sent - told.bytes_sent,
                bytes_received=bytes_received - told.bytes_received,
            )
        )

    def unsent(self, name: str, due: float) -> None:
        """It was due, and nobody is live."""
        now = monotonic()
        meter = self.recorder.request(name)
        meter.due(due)
        meter.failed("not-live", due, now)
        self.recorder.unsent()

    def upset(self, upset: Upset, count: int) -> int:
        """Do this to so many of the sessions that are live now, whoever they are; how many that were."""
        chosen = self._rng.sample(self.live, min(count, len(self.live)))
        for session in chosen:
            session.upset(upset)
        if upset.kind in LASTING:
            self._struck[upset] = chosen
        return len(chosen)

    def calm(self, upset: Upset) -> None:
        """It is over, for those who were struck and are still there."""
        for session in self._struck.pop(upset, ()):
            session.calm()

    def close(self) -> None:
        """Whoever is still there leaves in order: its user was killed, or does not close it."""
        leaving = [gevent.spawn(session.close) for session in self.wanted | self._open]
        gevent.joinall(leaving, timeout=LEAVING_WITHIN)
