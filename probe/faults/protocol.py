"""What a protocol fault is: a `Misbehaviour` with parameters that knows the scene it plays in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any, ClassVar

from probe.faults.grammar import ParameterType, about
from probe.session.behaviour import Act, CloseWith, Drop, Misbehaviour

_CLOSE_CODES = range(1000, 5000)
_LONGEST_REASON = 123
_NO_CODE, _NO_FRAME = 1005, 1006  # never on the wire: they say what was missing


@dataclass(slots=True, kw_only=True)
class Scene:
    """One session, as far as its faults know it."""

    began_at: float
    rng: Random
    live_at: float | None = None


@dataclass(kw_only=True, eq=False)
class ProtocolFault(Misbehaviour):
    """Each session gets one of its own, which may remember what it likes. It is only asked while it acts."""

    of_login: ClassVar[bool] = False  # it happens to logins, and so nowhere where nobody logs in
    for_all_alike: ClassVar[bool] = (
        False  # its time runs for all sessions together, not for each from its beginning
    )

    share: float = field(
        default=1.0, metadata=about(ParameterType.PROBABILITY, "the share of connections it happens to")
    )
    scene: Scene = field(init=False, repr=False)
    known: dict[str, list[Any]] = field(init=False, repr=False)  # shared by all sessions it happens to

    def stop(self) -> Sequence[Act]:
        """It acts no longer: what is left to be done."""
        return ()


@dataclass(kw_only=True, eq=False)
class LiveFault(ProtocolFault):
    """Begins some time after the login was accepted, so that the session was healthy before."""

    at: float = field(
        default=5.0, metadata=about(ParameterType.SECONDS, "when it begins, counted from the accepted login")
    )

    def begins_at(self) -> float | None:
        return None if self.scene.live_at is None else self.scene.live_at + self.at

    def began(self, now: float) -> bool:
        begins_at = self.begins_at()
        return begins_at is not None and now >= begins_at


@dataclass(kw_only=True, eq=False)
class ClosingFault(ProtocolFault):
    """Closes the connection when its time has come."""

    code: int = field(
        default=1005,
        metadata=about(ParameterType.COUNT, "the close code; 1005: none, 1006: not even a close frame"),
    )
    reason: str = ""
    close_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_close(self.code, self.reason)

    def next_due(self) -> float | None:
        return self.close_at

    def acts(self, now: float) -> Sequence[Act]:
        self.close_at = None
        return (end_with(self.code, self.reason),)


class Afterwards(Enum):
    """What becomes of the connection after the last word."""

    CLOSE = "close"
    STAY = "stay"


def check_close(code: int, reason: str = "") -> None:
    if code not in _CLOSE_CODES:
        raise ValueError(
            f"the close code must be between {_CLOSE_CODES[0]} and {_CLOSE_CODES[-1]}, not {code}"
        )
    if len(reason.encode()) > _LONGEST_REASON:
        raise ValueError(
            f"a close frame has room for {_LONGEST_REASON} bytes of words, not {len(reason.encode())}"
        )


def end_with(code: int, reason: str = "") -> Act:
    if code == _NO_FRAME:
        return Drop()
    return CloseWith(code=None if code == _NO_CODE else code, reason="" if code == _NO_CODE else reason)
