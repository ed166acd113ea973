"""What whoever holds a session may do with it, whichever kind it is."""

from typing import Protocol

from probe.model.events import Phase, Traffic
from probe.model.intents import Intent
from probe.session.codec import DialectRules
from probe.session.transcript import Line


class Talking(Protocol):
    @property
    def phase(self) -> Phase: ...

    @property
    def traffic(self) -> Traffic: ...

    @property
    def rules(self) -> DialectRules | None:
        """How the other end behaves; None: nothing is known of it."""

    @property
    def goal(self) -> Phase:
        """It leaves when this phase is behind it."""

    @property
    def greeted_by(self) -> Phase:
        """When this phase is over the other end has said its first word."""

    @property
    def has_asked_all(self) -> bool:
        """Whether all that it asks by itself was asked once."""

    def transcript(self) -> list[Line]: ...

    def ask(self, intent: Intent, now: float) -> int | None: ...

    def ping(self, now: float) -> None: ...

    def leave(self, now: float) -> None: ...

    def give_up(self, now: float) -> None: ...
