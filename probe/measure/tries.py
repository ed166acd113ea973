"""What came of a target's connections: of each endpoint's attempts, and when its sessions ended."""

from probe.measure.records import Attempt, Disconnected
from probe.measure.rhythm import Rhythm, due, find_rhythm
from probe.model.failures import Failure

REMEMBERED = 64
ENDS = 16
PLANNED_KINDS = ("session.closed-normal", "session.goodbye")
SAID_KINDS = (*PLANNED_KINDS, "auth.revoked")  # ended by words of the server's, whoever closed the socket


class Tries:
    __slots__ = (
        "_drops",
        "connected_lately",
        "connects",
        "disconnects",
        "ends",
        "failed",
        "last",
        "lately",
        "peer_beats",
        "planned",
        "rhythm",
        "tried",
        "won",
    )

    def __init__(self) -> None:
        self.last: dict[str, Attempt] = {}  # of each endpoint
        self.lately: tuple[Attempt, ...] = ()
        self.connected_lately: tuple[float, ...] = ()  # monotonic
        self.tried: dict[str, int] = {}
        self.failed: dict[str, int] = {}
        self.won: dict[str, int] = {}
        self.connects = self.disconnects = 0
        self.peer_beats = 0  # the server's own heartbeats, in sessions that are over
        self.ends: tuple[Disconnected, ...] = ()  # the last ones
        self.rhythm: Rhythm | None = None
        self.planned = False  # the last end
        self._drops: list[float] = []

    def attempted(self, attempt: Attempt) -> None:
        name = attempt.endpoint
        self.last[name] = attempt
        self.lately = (*self.lately[1 - REMEMBERED :], attempt)
        self.tried[name] = self.tried.get(name, 0) + 1
        if attempt.failure is not None:
            self.failed[name] = self.failed.get(name, 0) + 1

    def connected(self, now: float, endpoint: str | None) -> None:
        self.connects += 1
        self.connected_lately = (*self.connected_lately[1 - REMEMBERED :], now)
        if endpoint is not None:
            self.won[endpoint] = self.won.get(endpoint, 0) + 1

    def disconnected(self, at_utc: float, failure: Failure | None) -> str:
        """A live session is over. Returns who ended it."""
        self.disconnects += 1
        if failure is None:  # our own leaving is on no beat
            self.planned = True
            return "local"
        rhythm = self.rhythm
        on_beat = rhythm is not None and bool(self._drops) and due(rhythm, self._drops[-1], at_utc)
        self._drops = [*self._drops[1 - REMEMBERED :], at_utc]
        self.rhythm = find_rhythm(self._drops)
        self.planned = on_beat or failure.kind in PLANNED_KINDS
        closed = failure.close is not None and failure.close.received_first
        return "remote" if closed or failure.kind in SAID_KINDS else "network"

    def ended(self, end: Disconnected) -> None:
        self.ends = (*self.ends[1 - ENDS :], end)

    def earliest_expiry(self) -> float | None:
        """UTC seconds, of the certificates that were shown."""
        told = (attempt.certificate_expires_utc for attempt in self.last.values())
        return min((expires for expires in told if expires is not None), default=None)
