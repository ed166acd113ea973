"""What every driver does with a session: tells it of its end, writes what it says, and hands out its events.

Each driver adds its clock, how it writes, and what is to be seen to when all is told.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from probe.model.errors import LocalProtocolError
from probe.model.events import Ended, Event
from probe.model.failures import Failure
from probe.wire.drivable import Drivable, Signal

OnEvent = Callable[[Event], None]
S = TypeVar("S", bound=Drivable)


class Pumped(Protocol):
    """What a `Drivable` and a session of calls have in common."""

    def receive_end(self, now: float, failure: Failure | None) -> None: ...

    def outgoing(self) -> list[Any]: ...

    def events(self) -> list[Event]: ...


P = TypeVar("P", bound=Pumped)


class Pump(Generic[P]):
    """Base of the drivers' connections. An event's receiver may act on the connection; what comes of it is told when all
    events before are."""

    __slots__ = (
        "_acted",
        "_bug",
        "_end_told",
        "_ended",
        "_flushing",
        "_now",
        "_on_event",
        "_session",
        "_untold",
    )

    def __init__(self, session: P, on_event: OnEvent, clock: Callable[[], float]) -> None:
        self._session = session
        self._on_event = on_event
        self._now = clock
        self._flushing = False
        self._acted = False  # somebody used the session while its events were handed out
        self._untold: Iterator[Event] | None = None
        self._end_told = False
        self._ended: Ended | None = None
        self._bug: Exception | None = None

    # -- what differs --------------------------------------------------------------------------------------------------

    def _write_bytes(self, joined: list[bytes]) -> None:
        raise NotImplementedError

    def _obey(self, signal: Signal) -> None:
        raise NotImplementedError

    def _settle(self) -> None:
        """All is told for now."""
        raise NotImplementedError

    # -- what does not -------------------------------------------------------------------------------------------------

    def _tell_end(self, failure: Failure | None) -> None:
        if not self._end_told:
            self._end_told = True
            self._session.receive_end(self._now(), failure)
        self._flush()

    def _flush(self) -> None:
        if self._flushing:
            self._acted = True
            return
        self._flushing = True
        session, on_event = self._session, self._on_event
        try:
            while True:
                self._acted = False
                if outgoing := session.outgoing():
                    if len(outgoing) == 1 and type(outgoing[0]) is bytes:  # nearly always
                        self._write_bytes(outgoing)
                    else:
                        self._write(outgoing)
                if self._untold is not None:  # what an interruption left
                    for event in self._untold:
                        self._tell(event)
                    self._untold = None
                events = session.events()
                if len(events) == 1:  # nearly always
                    (event,) = events
                    if type(event) is Ended:
                        self._ended = event
                    on_event(event)
                elif events:
                    self._untold = iter(events)
                    for event in self._untold:
                        if type(event) is Ended:
                            self._ended = event
                        on_event(event)
                    self._untold = None
                if not self._acted:
                    break
        except Exception:  # a bug: the session is not used again
            raise
        except BaseException:  # an interruption waits until all is told: nobody may come by again
            self._flushing = False
            self._flush()
            raise
        self._flushing = False
        self._settle()

    def _tell(self, event: Event) -> None:
        if type(event) is Ended:
            self._ended = event
        self._on_event(event)

    def _write(self, outgoing: list[Any]) -> None:
        joined: list[bytes] = []
        for item in outgoing:
            if isinstance(item, Signal):
                self._write_bytes(joined)
                joined = []
                self._obey(item)
            else:
                joined.append(item)
        self._write_bytes(joined)

    def _outcome(self) -> Ended:
        """How it ended, now that the transport is gone."""
        if self._bug is not None:
            raise self._bug
        if self._ended is None:
            raise LocalProtocolError("the session was told of its end and did not end")
        return self._ended
