"""Two Drivables joined in memory under a pretend clock: hours of a session in a moment, every run the same."""

from collections import deque
from collections.abc import Callable

from probe.model.events import Event
from probe.model.failures import Failure, Speaker
from probe.wire.drivable import Drivable, Signal

RESET = Failure(kind="session.tcp-reset", spoke_last=Speaker.REMOTE)


class _End:
    """One end: its session, what is on the way to it, and whether its transport still exists."""

    __slots__ = ("inbox", "on_event", "open", "session")

    def __init__(self, session: Drivable, on_event: Callable[[Event], None]) -> None:
        self.session = session
        self.on_event = on_event
        self.inbox: deque[tuple[float, bytes | Failure | None]] = deque()  # None: end of stream
        self.open = True


class PretendWire:
    """A perfect wire with a fixed delay between `client` and `server`. `now` moves only from one due instant to the next."""

    def __init__(
        self,
        client: Drivable,
        server: Drivable,
        *,
        on_client: Callable[[Event], None] = lambda _: None,
        on_server: Callable[[Event], None] = lambda _: None,
        latency: float = 0.0,
        now: float = 0.0,
    ) -> None:
        self.now = now
        self._latency = latency
        self._client = _End(client, on_client)
        self._server = _End(server, on_server)
        self._ends = ((self._client, self._server), (self._server, self._client))
        for end, _ in self._ends:
            end.session.begin(now)
        self._flush()

    def run(self, until: float) -> None:
        """Let everything happen that is due up to and including `until`."""
        while (due := self._next()) is not None and due <= until:
            self.now = max(self.now, due)
            for end, _ in self._ends:
                if end.inbox and end.inbox[0][0] <= self.now:
                    self._deliver(end, end.inbox.popleft()[1])
                else:
                    wake = end.session.next_wake()
                    if wake is not None and wake <= self.now:
                        end.session.wake(self.now)
                self._flush()
        self.now = max(self.now, until)

    def act(self, action: Callable[[float], object]) -> None:
        """Do something to a session from outside, at the present instant."""
        action(self.now)
        self._flush()

    def cut(self, *, reset: bool = False) -> None:
        """Break the wire for both ends; what is on the way is lost."""
        for end, _ in self._ends:
            end.inbox.clear()
            self._end(end, RESET if reset else None)
        self._flush()

    @property
    def idle(self) -> bool:
        """Nothing will ever happen again by itself."""
        return self._next() is None

    def _next(self) -> float | None:
        due = [end.inbox[0][0] for end, _ in self._ends if end.inbox]
        due += [wake for end, _ in self._ends if (wake := end.session.next_wake()) is not None]
        return min(due, default=None)

    def _deliver(self, end: _End, item: bytes | Failure | None) -> None:
        if not end.open:
            return
        if isinstance(item, bytes):
            end.session.receive(item, self.now)
        else:
            self._end(end, item)

    def _end(self, end: _End, failure: Failure | None) -> None:
        if end.open:
            end.open = False
            end.session.receive_end(self.now, failure)

    def _flush(self) -> None:
        for end, other in self._ends:
            for item in end.session.outgoing():
                if not end.open:
                    break
                if isinstance(item, bytes):
                    other.inbox.append((self.now + self._latency, item))
                    continue
                other.inbox.append((self.now + self._latency, RESET if item is Signal.ABORT else None))
                if item is not Signal.HALF_CLOSE:
                    self._end(end, None)
            for event in end.session.events():
                end.on_event(event)
