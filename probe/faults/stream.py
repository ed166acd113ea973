"""Stream faults as data: what may happen to bytes under way, whatever they mean.

A fault is immutable and shared by every connection it is done to. It answers four questions and keeps nothing; what is
under way is kept by the pipe (see ``pipe``) that asks them:

- when may a chunk that enters now leave (`ready_at`)?
- in pieces of what size, and when each of them (`piece_limit`, `leaves_at`)?
- what do the bytes turn into (`change`)?
- after how many bytes does the connection break, and how (`breaks_after`, `break_signal`, `break_failure`)?
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any, ClassVar

from probe.faults.grammar import (
    FaultKind,
    FaultOrder,
    FaultSpec,
    ParameterType,
    about,
    parameters_of,
)
from probe.model.failures import Failure, Speaker
from probe.wire.drivable import Signal

_THROTTLED_PIECE_SECONDS = 0.05  # a throttled chunk leaves in pieces of at most this much line time


class Flow(Enum):
    """Which way bytes travel, whichever side is looked at."""

    UP = "up"  # client to server
    DOWN = "down"  # server to client
    BOTH = "both"

    @property
    def opposite(self) -> "Flow":
        return {Flow.UP: Flow.DOWN, Flow.DOWN: Flow.UP, Flow.BOTH: Flow.BOTH}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """The fault that does nothing, and the base of those that do.

    It acts from `start` until `duration` later, in seconds since the connection began or the fault was switched on.
    When it stops acting, what it holds is let go in order.
    """

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = ""
    finding: ClassVar[str] = ""
    break_signal: ClassVar[Signal] = Signal.CLOSE
    break_failure: ClassVar[Failure | None] = None

    direction: Flow = field(
        default=Flow.BOTH, metadata=about(Flow, "up is client to server, down the other way")
    )
    share: float = field(
        default=1.0, metadata=about(ParameterType.PROBABILITY, "the share of connections it happens to")
    )
    start: float = 0.0
    duration: float | None = None

    def __post_init__(self) -> None:
        for parameter in parameters_of(type(self)):
            if problem := parameter.problem_with(getattr(self, parameter.name)):
                raise ValueError(f"{self.name}: {problem}")
        if self.start < 0 or (self.duration is not None and self.duration <= 0):
            raise ValueError(f"{self.name}: a fault starts at 0 or later and lasts more than 0 seconds")

    def concerns(self, flow: Flow) -> bool:
        return self.direction in (flow, Flow.BOTH)

    def ready_at(self, now: float, rng: Random) -> float:
        return now

    def piece_limit(self) -> int | None:
        return None

    def leaves_at(self, ready_at: float, last_left_at: float, size: int) -> float:
        """`size` is 0 for a signal, which takes no time on the line."""
        return ready_at

    def change(self, data: bytes, offset: int, rng: Random) -> bytes:
        return data

    def breaks_after(self) -> int | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(StreamFault):
    name: ClassVar[str] = "delay"
    summary: ClassVar[str] = "everything arrives later by a fixed time"

    seconds: float = field(
        default=0.2, metadata=about(ParameterType.SECONDS, "how much later, in each direction concerned")
    )

    def ready_at(self, now: float, rng: Random) -> float:
        return now + self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter(StreamFault):
    name: ClassVar[str] = "jitter"
    summary: ClassVar[str] = "each chunk arrives later by a random time, never before the one ahead of it"

    seconds: float = field(default=0.1, metadata=about(ParameterType.SECONDS, "the most a chunk is late"))

    def ready_at(self, now: float, rng: Random) -> float:
        return now + rng.uniform(0, self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(StreamFault):
    name: ClassVar[str] = "slice"
    summary: ClassVar[str] = "bytes arrive in small pieces with a pause between them"

    bytes: int = field(default=16, metadata=about(ParameterType.BYTES, "the largest piece", minimum=1))
    pause: float = field(
        default=0.001, metadata=about(ParameterType.SECONDS, "the least time between two pieces")
    )

    def piece_limit(self) -> int:
        return self.bytes

    def leaves_at(self, ready_at: float, last_left_at: float, size: int) -> float:
        return max(ready_at, last_left_at + (self.pause if size else 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(StreamFault):
    name: ClassVar[str] = "throttle"
    summary: ClassVar[str] = "the line carries only so many bytes a second"

    bytes_per_second: float = field(
        default=65536.0, metadata=about(ParameterType.RATE, "what it carries, each way", minimum=1)
    )

    def piece_limit(self) -> int:
        return max(1, int(self.bytes_per_second * _THROTTLED_PIECE_SECONDS))

    def leaves_at(self, ready_at: float, last_left_at: float, size: int) -> float:
        return max(ready_at, last_left_at) + size / self.bytes_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze(StreamFault):
    name: ClassVar[str] = "freeze"
    summary: ClassVar[str] = "nothing arrives until it ends, and nobody is told; what was held then comes"
    finding: ClassVar[str] = "session.half-open"

    def ready_at(self, now: float, rng: Random) -> float:
        return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt(StreamFault):
    name: ClassVar[str] = "corrupt"
    summary: ClassVar[str] = "bytes arrive with one bit flipped"
    finding: ClassVar[str] = "session.protocol-error"

    after: int = field(default=0, metadata=about(ParameterType.BYTES, "bytes left whole at first, each way"))
    probability: float = field(
        default=0.01, metadata=about(ParameterType.PROBABILITY, "of each later byte to be hit")
    )

    def change(self, data: bytes, offset: int, rng: Random) -> bytes:
        changed = bytearray(data)
        for place in range(max(0, self.after - offset), len(data)):
            if rng.random() < self.probability:
                changed[place] ^= 1 << rng.randrange(8)
        return bytes(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(StreamFault):
    name: ClassVar[str] = "cut"
    summary: ClassVar[str] = "the connection ends for both sides, without a goodbye"
    finding: ClassVar[str] = "session.closed-1006"

    after: int = field(
        default=0,
        metadata=about(ParameterType.BYTES, "bytes that pass one way before it happens; 0: at its start"),
    )

    def breaks_after(self) -> int:
        return self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Cut):
    name: ClassVar[str] = "reset"
    summary: ClassVar[str] = "the connection is reset for both sides"
    finding: ClassVar[str] = "session.tcp-reset"
    break_signal: ClassVar[Signal] = Signal.ABORT
    break_failure: ClassVar[Failure | None] = Failure(kind="session.tcp-reset", spoke_last=Speaker.REMOTE)


_CLASSES = (Delay, Jitter, Slice, Throttle, Freeze, Cut, Reset, Corrupt)

STREAM_FAULTS: Mapping[str, FaultSpec] = {
    fault.name: FaultSpec(
        name=fault.name,
        kind=FaultKind.STREAM,
        summary=fault.summary,
        parameters=parameters_of(fault),
        finding=fault.finding,
    )
    for fault in _CLASSES
}


def stream_fault(order: FaultOrder) -> StreamFault:
    """The fault an order for one of the `STREAM_FAULTS` asks for."""
    fault = next(each for each in _CLASSES if each.name == order.spec.name)
    values: dict[str, Any] = dict(order.values)
    return fault(**values, start=order.start, duration=order.duration)
