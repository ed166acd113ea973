"""Who looks on while something is odd with a target, and can say then what it may be."""

from typing import Protocol

from probe.measure.records import Recognised
from probe.model.endpoint import Endpoint
from probe.model.events import Event
from probe.model.failures import Failure


class Onlooker(Protocol):
    def dialling(self, at: float, endpoint: Endpoint) -> None: ...

    def event(self, event: Event) -> None:
        """Only while something is odd, and of what may be so."""

    def failed(self, at: float, failure: Failure) -> None:
        """Why the last attempt came to nothing, be it one whose events nobody told."""

    def verdicts(self, now: float) -> tuple[Recognised, ...] | None:
        """On all that happened since all was well, what broke first before what broke later; None: there is no time for it
        now."""

    def all_is_well(self) -> None:
        """What was seen so far is of no use any more."""


class NoOnlooker:
    """Nobody asks for more than a code."""

    def dialling(self, at: float, endpoint: Endpoint) -> None:
        pass

    def event(self, event: Event) -> None:
        pass

    def failed(self, at: float, failure: Failure) -> None:
        pass

    def verdicts(self, now: float) -> tuple[Recognised, ...] | None:
        return ()

    def all_is_well(self) -> None:
        pass
