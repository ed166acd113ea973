"""The last messages of a session: evidence for whoever asks what happened. Nothing leaves it unredacted."""

from collections import deque
from typing import NamedTuple

from probe.model.credentials import Redactor
from probe.session.codec import Message

KEPT_CHARACTERS = 256
# Where lines are written down as texts: before a binary message, and for what Engine.IO 3 puts before it.
BINARY, MARKER = "(binary) ", "\\x04"


class Line(NamedTuple):
    at: float
    direction: str  # ">" we said, "<" the peer said
    text: str
    binary: bool


def as_text(line: Line) -> str:
    mark = BINARY if line.binary else ""
    return f"{line.direction} {mark}{line.text.replace(chr(4), MARKER, 1)}"


class Transcript:
    """A ring. Short messages are kept as they are and redacted when read (the hot path pays one append); long ones are
    redacted, then cut: a secret that was cut first would not be recognised."""

    __slots__ = ("_ring", "redact")

    def __init__(self, *, keep: int, redact: Redactor) -> None:
        self._ring: deque[tuple[float, str, Message]] | None = deque(maxlen=keep) if keep else None
        self.redact = redact

    def note(self, at: float, direction: str, message: Message) -> None:
        if self._ring is None:
            return
        if len(message) > KEPT_CHARACTERS:
            beginning = message[: KEPT_CHARACTERS + 4 * self.redact.longest]
            shortened = self.redact.shorten(_text(beginning), KEPT_CHARACTERS)
            message = shortened.encode() if isinstance(message, bytes) else shortened
        self._ring.append((at, direction, message))

    def lines(self) -> list[Line]:
        return [
            Line(at, way, self.redact(_text(said)), isinstance(said, bytes))
            for at, way, said in self._ring or ()
        ]


def _text(message: Message) -> str:
    return message.decode("utf-8", "backslashreplace") if isinstance(message, bytes) else message
