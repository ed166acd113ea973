"""The contract between a session and whoever runs it: bytes and time go in; bytes, events and the next wake-up come out."""

from enum import Enum
from typing import Protocol

from probe.model.events import Event
from probe.model.failures import Failure


class Signal(Enum):
    """What to do to the transport itself, in order with the bytes around it."""

    HALF_CLOSE = "half close"  # no more bytes from us; a transport that cannot half-close closes
    CLOSE = "close"  # flush, then close
    ABORT = "abort"  # drop everything now


class Drivable(Protocol):
    """Seven verbs. After every call that takes a time the driver writes all `outgoing` in order, hands out the
    `events`, and sets one timer to `next_wake`. That is all it knows."""

    def begin(self, now: float) -> None:
        """The transport is ready."""

    def receive(self, item: bytes, now: float) -> None: ...

    def receive_end(self, now: float, failure: Failure | None) -> None:
        """The transport ended, cleanly (None) or with a failure. May come before `begin`: dialling failed."""

    def wake(self, now: float) -> None:
        """Run every timer that is due."""

    def next_wake(self) -> float | None: ...

    def outgoing(self) -> list[bytes | Signal]: ...

    def events(self) -> list[Event]: ...


class Timers:
    """Named deadlines. Clearing them is one call, so that no closing phase can leave one behind."""

    __slots__ = ("_due", "earliest")

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self.earliest: float | None = None  # for whoever has no time for a call

    def set(self, name: str, at: float) -> None:
        due = self._due
        before = due.get(name)
        due[name] = at
        if self.earliest is None or at <= self.earliest:
            self.earliest = at
        elif before == self.earliest:
            self.earliest = min(due.values())

    def set_no_later(self, name: str, at: float) -> None:
        """Let it stand if it is earlier."""
        before = self._due.get(name)
        if before is None or at < before:
            self.set(name, at)

    def cancel(self, name: str) -> None:
        due = self._due.pop(name, None)
        if due is not None and due == self.earliest:
            self.earliest = min(self._due.values(), default=None)

    def clear(self) -> None:
        self._due.clear()
        self.earliest = None

    def next(self) -> float | None:
        return self.earliest

    def pop_due(self, now: float) -> tuple[str, float] | None:
        """Take out the earliest timer that is due: its name and when it should have fired."""
        if self.earliest is None or self.earliest > now:
            return None
        name = min(self._due, key=self._due.__getitem__)
        due = self._due.pop(name)
        self.earliest = min(self._due.values(), default=None)
        return name, due

    def __contains__(self, name: str) -> bool:
        return name in self._due

    def __len__(self) -> int:
        return len(self._due)
