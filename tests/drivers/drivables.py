"""Small scripted sessions: enough `Drivable` to see what a driver does with one."""

from collections.abc import Iterable

from probe.model.events import Ended, Event, PeerBeat, Phase, Traffic
from probe.model.failures import Failure
from probe.wire.drivable import Signal, Timers


class Scripted:
    """Says what it is given when it begins, remembers what it hears, and ends when it is told to."""

    def __init__(self, says: Iterable[bytes | Signal] = ()) -> None:
        self.says = list(says)
        self.received = bytearray()
        self.began_at: float | None = None
        self.end_told: list[Failure | None] = []
        self.timers = Timers()
        self.has_ended = False
        self._outgoing: list[bytes | Signal] = []
        self._events: list[Event] = []

    def begin(self, now: float) -> None:
        assert self.began_at is None
        self.began_at = now
        self.send(*self.says)

    def receive(self, item: bytes, now: float) -> None:
        assert self.began_at is not None
        assert now >= self.began_at
        self.received += item
        self.on_bytes(now)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self.end_told.append(failure)
        self.end(now, failure)

    def wake(self, now: float) -> None:
        due_at = self.timers.next()
        assert due_at is not None
        assert due_at <= now
        while (due := self.timers.pop_due(now)) is not None:
            self.on_timer(*due, now)

    def next_wake(self) -> float | None:
        return self.timers.next()

    def outgoing(self) -> list[bytes | Signal]:
        out, self._outgoing = self._outgoing, []
        return out

    def events(self) -> list[Event]:
        told, self._events = self._events, []
        return told

    # -- for the scripts

    def on_bytes(self, now: float) -> None:
        pass

    def on_timer(self, name: str, due: float, now: float) -> None:
        pass

    def send(self, *items: bytes | Signal) -> None:
        self._outgoing.extend(items)

    def beat(self, now: float) -> None:
        self._events.append(PeerBeat(at=now))

    def end(self, now: float, failure: Failure | None = None, *, last: Signal = Signal.CLOSE) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.timers.clear()
            self.send(last)
            self._events.append(Ended(at=now, phase=Phase.LIVE, failure=failure, traffic=Traffic()))


class Until(Scripted):
    """Leaves when it has heard so many bytes."""

    def __init__(self, says: Iterable[bytes | Signal], count: int, last: Signal = Signal.CLOSE) -> None:
        super().__init__(says)
        self.count, self.last = count, last

    def on_bytes(self, now: float) -> None:
        if len(self.received) >= self.count:
            self.end(now, last=self.last)


class Echo(Scripted):
    def receive(self, item: bytes, now: float) -> None:
        super().receive(item, now)
        self.send(item)


class Chatterbox(Scripted):
    """Talks as fast as it is allowed to, and listens to nobody."""

    sent = 0

    def begin(self, now: float) -> None:
        super().begin(now)
        self.timers.set("talk", now)

    def on_timer(self, name: str, due: float, now: float) -> None:
        self.send(bytes(65536))
        self.sent += 65536
        self.timers.set("talk", now + 1e-6)


class Lingering(Scripted):
    """Takes its time between being told of the end and ending, as a wire that delays does."""

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self.end_told.append(failure)
        self.timers.set("late", now + 0.05)

    def on_timer(self, name: str, due: float, now: float) -> None:
        self.send(b"late words")
        self.end(now, self.end_told[0])


class Alarm(Scripted):
    """Sets timers at these seconds after its beginning, notes when each rang, and leaves at the last."""

    def __init__(self, *after: float) -> None:
        super().__init__()
        self.after = after
        self.rang: list[tuple[float, float]] = []  # due, now

    def begin(self, now: float) -> None:
        super().begin(now)
        for after in self.after:
            self.timers.set(f"after {after}", now + after)

    def on_timer(self, name: str, due: float, now: float) -> None:
        self.rang.append((due, now))
        self.beat(now)
        if not len(self.timers):
            self.end(now)
