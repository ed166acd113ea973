"""Faults that end a live session, or leave it standing and dead."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from probe.faults.grammar import ParameterType, about
from probe.faults.opening import REFUSAL
from probe.faults.protocol import Afterwards, ClosingFault, LiveFault, ProtocolFault, check_close, end_with
from probe.model.intents import Beat, Intent
from probe.model.meanings import Goodbye, Meaning, Refused
from probe.session.behaviour import Act, Drop, Say
from probe.session.codec import Message
from probe.wire.websocket import CloseReceived, Ping

_KICK_CODE = 1000


@dataclass(kw_only=True, eq=False)
class Blow(LiveFault):
    """Strikes once."""

    _struck: bool = field(default=False, init=False)

    def next_due(self) -> float | None:
        return None if self._struck else self.begins_at()

    def acts(self, now: float) -> Sequence[Act]:
        self._struck = True
        return (self.blow(),)

    def blow(self) -> Act:
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class Close(Blow):
    code: int = field(
        default=1000,
        metadata=about(ParameterType.COUNT, "the close code; 1005: none, 1006: not even a close frame"),
    )
    reason: str = field(default="", metadata=about(ParameterType.TEXT, "the close frame's words"))

    def __post_init__(self) -> None:
        check_close(self.code, self.reason)

    def blow(self) -> Act:
        return end_with(self.code, self.reason)


@dataclass(kw_only=True, eq=False)
class End(Blow):
    abort: bool = False

    def blow(self) -> Act:
        return Drop(abort=self.abort)


@dataclass(kw_only=True, eq=False)
class KickedElsewhere(Blow):
    of_login = True

    reason: str = field(default=REFUSAL, metadata=about(ParameterType.TEXT, "the words"))

    def blow(self) -> Act:
        return Say(meaning=Refused(reason=self.reason))


@dataclass(kw_only=True, eq=False)
class Farewell(Blow):
    then: Afterwards = field(
        default=Afterwards.CLOSE, metadata=about(Afterwards, "whether the server closes the connection too")
    )

    def blow(self) -> Act:
        return Say(meaning=Goodbye(reason="41"))

    def stays_after(self, meaning: Meaning) -> bool:
        return isinstance(meaning, Goodbye) and self.then is Afterwards.STAY


@dataclass(kw_only=True, eq=False)
class CloseLoop(ClosingFault):
    soonest: float = field(
        default=0.3, metadata=about(ParameterType.SECONDS, "the shortest life of a session")
    )
    latest: float = field(default=2.2, metadata=about(ParameterType.SECONDS, "the longest"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.latest < self.soonest:
            raise ValueError(f"latest ({self.latest:g} s) is sooner than soonest ({self.soonest:g} s)")

    def begin(self, now: float, rng: Random) -> None:
        self.close_at = self.scene.began_at + rng.uniform(self.soonest, self.latest)


@dataclass(kw_only=True, eq=False)
class IdleKick(ProtocolFault):
    silence: float = field(
        default=10.0,
        metadata=about(ParameterType.SECONDS, "without a keep-alive from the client, and it is closed"),
    )
    sweep: float = field(
        default=5.0, metadata=about(ParameterType.SECONDS, "how often that is looked at", minimum=0.1)
    )
    _beat_at: float = field(default=0.0, init=False)
    _sweep_at: float = field(default=0.0, init=False)

    def begin(self, now: float, rng: Random) -> None:
        self._beat_at, self._sweep_at = now, now + self.sweep

    def hears(self, intent: Intent, now: float) -> bool:
        if isinstance(intent, Beat):
            self._beat_at = now
        return True

    def next_due(self) -> float | None:
        return self._sweep_at

    def acts(self, now: float) -> Sequence[Act]:
        self._sweep_at = now + self.sweep
        return (end_with(_KICK_CODE),) if now - self._beat_at > self.silence else ()


@dataclass(kw_only=True, eq=False)
class NoPong(ProtocolFault):
    def obeys(self, frame: Ping | CloseReceived, now: float) -> bool:
        return not isinstance(frame, Ping)


@dataclass(kw_only=True, eq=False)
class HalfOpen(LiveFault):
    def obeys(self, frame: Ping | CloseReceived, now: float) -> bool:
        return not self.began(now)

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        return [] if self.began(now) else messages
