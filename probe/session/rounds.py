"""How one broker is asked: what opens and enters a session, the questions that are asked again and again, and what they bring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from probe.model.credentials import Credentials
from probe.model.failures import Failure
from probe.model.intents import Intent, Murmur
from probe.model.meanings import Effect, Meaning, Trouble
from probe.session.codec import DialectRules
from probe.wire.calls import Asking

Said = Sequence[Meaning] | Failure  # what a question brought, or why it brought nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why a question brought nothing, and what its survey makes of that."""

    failure: Failure
    said: Sequence[Meaning]
    stands: bool = False  # other answers come, so the way is not in doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One kind of question, asked again and again."""

    name: str
    every: float
    ask: Callable[[float], Asking[Said | Explained]]  # is told the time
    intent: Intent | None = None  # what it counts as; None: something only this broker has
    is_beat: bool = False  # the lightest question: its round trip is the way's
    lane: str = "main"  # rounds of one lane wait for each other
    first_after: float = 0.0  # seconds after the login

    @property
    def counts_as(self) -> Intent:
        return self.intent or Murmur(name=self.name)

    def trouble_of(self, failure: Failure) -> Trouble:
        kind = failure.facts
        return Trouble(
            code=failure.code,
            sentence=f"{self.name}: {failure}",
            advice=kind.advise,
            effect=Effect.DEGRADES,
            blame=kind.blame,
        )


class Survey(Protocol):
    """How one broker is asked, for one session. May remember what it heard."""

    rules: DialectRules  # its phases are OPENING, AUTHENTICATING, LIVE

    def rounds(self) -> Sequence[Round]:
        """Asked for once, when the login is accepted."""

    def open(self, now: float) -> Asking[Said]:
        """What can be known without a credential. Ends the session if it brings a failure."""

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        """What it says holds `Admitted`, or `Refused`; a failure ends the session. Without credentials only where the rules
        need no login."""

    def leave(self) -> Asking[None] | None:
        """What is due to politeness."""
