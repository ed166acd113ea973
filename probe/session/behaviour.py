"""What a served session asks of those behind it: the counter, which knows accounts, prices and orders, and the way the broker
misbehaves."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from probe.model.intents import Intent, Login
from probe.model.meanings import Meaning
from probe.session.codec import Message
from probe.wire.websocket import CloseReceived, Ping, UpgradeRequested


class Desk(Protocol):
    """The broker's knowledge, for one connection."""

    def upgrade_headers(self, now: float) -> Sequence[tuple[str, str]]: ...

    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        """`Admitted` and what a broker pushes after it, or `Refused`, or nothing: silence."""

    def handle(self, intent: Intent, now: float) -> Sequence[Meaning]: ...

    def next_due(self) -> float | None: ...

    def due(self, now: float) -> Sequence[Meaning]:
        """What the broker says unasked by now: ticks, settled orders."""

    def leave(self, now: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An HTTP answer instead of the upgrade."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Silence:
    """No answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """No answer yet; ask again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseWith:
    code: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """End the transport without a close frame."""

    abort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Something nobody asked for, just now."""

    meaning: Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Messages that no codec would write."""

    messages: tuple[Message, ...]


Act = CloseWith | Drop | Say | Send


class Misbehaviour:
    """A broker that behaves. Faults override single methods; each may look at the time but never at a clock."""

    # "ignore", "serve" or "close": what becomes of events that come before the login; None: as the dialect says
    pre_auth_events: str | None = None

    def begin(self, now: float, rng: random.Random) -> None: ...

    def upgrade(self, request: UpgradeRequested, now: float) -> Refusal | Silence | Wait | None:
        return None

    def obeys(self, frame: Ping | CloseReceived, now: float) -> bool:
        """False: the WebSocket layer leaves that control frame unanswered."""
        return True

    def hears(self, intent: Intent, now: float) -> bool:
        """False: the broker acts as if that had never come."""
        return True

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        """What is said instead, each with its delay in seconds."""
        return ((0.0, meaning),)

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        """The last word over what goes out."""
        return messages

    def stays_after(self, meaning: Meaning) -> bool:
        """True: having refused or said goodbye, it leaves the connection open."""
        return False

    def next_due(self) -> float | None:
        return None

    def acts(self, now: float) -> Sequence[Act]:
        return ()
