"""Faults of the messages themselves: torn, mixed up, renamed, meaningless, too big, too many."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from probe.faults.ending import Blow
from probe.faults.grammar import ParameterType, about
from probe.faults.protocol import LiveFault, ProtocolFault
from probe.model.meanings import (
    Assets,
    Balance,
    History,
    Meaning,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    Quotes,
)
from probe.session.behaviour import Act, Send
from probe.session.codec import Message
from probe.session.phases import STEP_OF, Step
from probe.wire.socketio import read_json, write_json

_LONGEST_HELD = 1.0
_FLOOD_BATCH = 0.05
_EVENT_NAME = re.compile(r'(\["[^"]+)(?=")')
_ENGINE_3_MARK = b"\x04"


def _has_attachment(messages: list[Message]) -> bool:
    return len(messages) > 1 and isinstance(messages[0], str) and isinstance(messages[-1], bytes)


@dataclass(kw_only=True, eq=False)
class Interleave(ProtocolFault):
    """Holds back attachments until something else was sent, at most a second; after every fourth none is owed."""

    _held: list[Message] = field(default_factory=list, init=False)
    _release_at: float = field(default=0.0, init=False)
    _count: int = field(default=0, init=False)

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        held, self._held = self._held, []
        if not _has_attachment(messages):
            return [*messages, *held]
        self._count += 1
        header, *attachments = messages
        if self._count % 4 == 0:
            return [header, *held, *attachments]
        self._held = attachments
        self._release_at = now + _LONGEST_HELD
        return [header, *held]

    def next_due(self) -> float | None:
        return self._release_at if self._held else None

    def acts(self, now: float) -> Sequence[Act]:
        return self.stop()

    def stop(self) -> Sequence[Act]:
        held, self._held = self._held, []
        return (Send(messages=tuple(held)),) if held else ()


@dataclass(kw_only=True, eq=False)
class EveryNth(ProtocolFault):
    """Hits one in so many of the broker's events, never the handshake."""

    every: int = field(
        default=10, metadata=about(ParameterType.COUNT, "one event in so many is hit", minimum=1)
    )
    _count: int = field(default=0, init=False)

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        if STEP_OF[type(meaning)] is not Step.TELL:
            return messages
        self._count += 1
        return messages if self._count % self.every else self.hit(messages)

    def hit(self, messages: list[Message]) -> list[Message]:
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class DropAttachment(EveryNth):
    def hit(self, messages: list[Message]) -> list[Message]:
        return messages[:1] if _has_attachment(messages) else messages


@dataclass(kw_only=True, eq=False)
class TruncateJson(EveryNth):
    def hit(self, messages: list[Message]) -> list[Message]:
        *rest, last = messages
        return [*rest, last[: len(last) // 2]]


# -- drift --------------------------------------------------------------------------------------------------------------


class Topic(Enum):
    TICKS = "ticks"
    BALANCE = "balance"
    ASSETS = "assets"
    HISTORY = "history"
    ORDERS = "orders"


_MEANINGS: dict[Topic, type | tuple[type, ...]] = {
    Topic.TICKS: Quotes,
    Topic.BALANCE: Balance,
    Topic.ASSETS: Assets,
    Topic.HISTORY: History,
    Topic.ORDERS: (OrderOpened, OrderRejected, OrdersClosed, OrderList),
}


@dataclass(kw_only=True, eq=False)
class RenameEvent(ProtocolFault):
    of: Topic = field(default=Topic.TICKS, metadata=about(Topic, "which events"))
    suffix: str = field(default="V2", metadata=about(ParameterType.TEXT, "what is added to their names"))

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        header = messages[0] if messages else b""
        if not isinstance(meaning, _MEANINGS[self.of]) or not isinstance(header, str):
            return messages
        return [_EVENT_NAME.sub(lambda name: name[1] + self.suffix, header, count=1), *messages[1:]]


class RowTopic(Enum):
    TICKS = "ticks"
    ASSETS = "assets"


@dataclass(kw_only=True, eq=False)
class RowDrift(ProtocolFault):
    """Rows are lists whose elements have meaning by their place."""

    of: RowTopic = field(default=RowTopic.TICKS, metadata=about(RowTopic, "which rows"))
    longer: bool

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        if not isinstance(meaning, _MEANINGS[Topic(self.of.value)]) or not _has_attachment(messages):
            return messages
        return [*messages[:-1], _rewritten(messages[-1], self._drift)]

    def _drift(self, rows: object) -> object:
        if not isinstance(rows, list):
            return rows
        return [[*row, 0] if self.longer else row[:-1] for row in rows]


@dataclass(kw_only=True, eq=False)
class NumbersAsText(ProtocolFault):
    of: Topic = field(default=Topic.TICKS, metadata=about(Topic, "which events"))

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        if not isinstance(meaning, _MEANINGS[self.of]) or not _has_attachment(messages):
            return messages
        return [*messages[:-1], _rewritten(messages[-1], _as_text)]


def _rewritten(attachment: Message, change: Callable[[object], object]) -> Message:
    """As it was if another fault has torn it."""
    data = attachment.encode() if isinstance(attachment, str) else attachment
    mark = _ENGINE_3_MARK if data.startswith(_ENGINE_3_MARK) else b""
    try:
        value = read_json(data.removeprefix(mark).decode())
    except ValueError:
        return attachment
    return mark + write_json(change(value)).encode()


def _as_text(value: object) -> object:
    match value:
        case bool() | None:
            return value
        case int() | float():
            return write_json(value)
        case list():
            return [_as_text(item) for item in value]
        case dict():
            return {key: _as_text(item) for key, item in value.items()}
        case _:
            return value


# -- what nobody can read -----------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class Noise(LiveFault):
    """Sends, between what it should, what means nothing."""

    every: float = field(
        default=2.0, metadata=about(ParameterType.SECONDS, "between two such messages", minimum=0.01)
    )
    binary: bool
    _last_at: float | None = field(default=None, init=False)

    def next_due(self) -> float | None:
        return self.begins_at() if self._last_at is None else self._last_at + self.every

    def acts(self, now: float) -> Sequence[Act]:
        self._last_at = now
        noise = b"\xff" + self.scene.rng.randbytes(40)
        return (Send(messages=(noise if self.binary else f"<{noise.hex()}>",)),)


@dataclass(kw_only=True, eq=False)
class BigMessage(Blow):
    size: int = field(default=20_000_000, metadata=about(ParameterType.BYTES, "how big", minimum=1))

    def blow(self) -> Act:
        return Send(messages=("x" * self.size,))


@dataclass(kw_only=True, eq=False)
class Flood(LiveFault):
    rate: float = field(default=1000.0, metadata=about(ParameterType.RATE, "messages a second", minimum=1))
    size: int = field(default=1000, metadata=about(ParameterType.BYTES, "of each"))
    _last_at: float | None = field(default=None, init=False)

    def next_due(self) -> float | None:
        return self.begins_at() if self._last_at is None else self._last_at + self._pause

    def acts(self, now: float) -> Sequence[Act]:
        self._last_at = now
        return (Send(messages=("x" * self.size,) * round(self.rate * self._pause)),)

    @property
    def _pause(self) -> float:
        return max(_FLOOD_BATCH, 1 / self.rate)
