"""A connection that is made and left: nothing is said, for nothing is known of what is spoken there."""

from probe.model.errors import LocalProtocolError
from probe.model.events import Ended, Event, Phase, Traffic
from probe.model.failures import Failure
from probe.model.intents import Intent
from probe.session.core import DIALLING_PHASE_OF
from probe.session.transcript import Line
from probe.wire.drivable import Signal


class TouchingSession:
    """Ends as soon as there is a connection."""

    def __init__(self) -> None:
        self._phase = Phase.CONNECTING
        self._outgoing: list[bytes | Signal] = []
        self._events: list[Event] = []

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def traffic(self) -> Traffic:
        return Traffic()

    @property
    def rules(self) -> None:
        return None

    @property
    def goal(self) -> Phase:
        return Phase.CONNECTING

    @property
    def greeted_by(self) -> Phase:
        return Phase.CONNECTING

    @property
    def has_asked_all(self) -> bool:
        return True

    def transcript(self) -> list[Line]:
        return []

    def ask(self, intent: Intent, now: float) -> int | None:
        raise LocalProtocolError("nothing is ever asked over a connection that is only touched")

    def ping(self, now: float) -> None:
        """There is nothing to ping."""

    def leave(self, now: float) -> None:
        self._end(now, None)

    def give_up(self, now: float) -> None:
        self._end(now, None)

    def begin(self, now: float) -> None:
        self._end(now, None)

    def receive(self, item: bytes, now: float) -> None:
        """What it says before it is left is nobody's business."""

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self._end(now, failure)

    def wake(self, now: float) -> None:
        """There is nothing to wait for."""

    def next_wake(self) -> float | None:
        return None

    def outgoing(self) -> list[bytes | Signal]:
        out, self._outgoing = self._outgoing, []
        return out

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _end(self, now: float, failure: Failure | None) -> None:
        if self._phase is Phase.ENDED:
            return
        phase: Phase = self._phase
        if failure is not None:
            phase = DIALLING_PHASE_OF.get(failure.facts.layer, phase)
        self._phase = Phase.ENDED
        self._outgoing.append(Signal.CLOSE)
        self._events.append(Ended(at=now, phase=phase, failure=failure, traffic=Traffic()))
