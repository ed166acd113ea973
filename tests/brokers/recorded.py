"""The literal frames in the brokers' transcripts/, which judge both halves of a codec."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from probe.session.codec import Message

BINARY = "(binary) "
MARKER = "\\x04"  # as transcripts write the byte that Engine.IO 3 puts before binary messages


def transcripts(broker: ModuleType) -> list[Path]:
    return sorted((Path(str(broker.__file__)).parent / "transcripts").glob("*.txt"))


def frames(path: Path, side: str) -> list[Message]:
    lines = [line[3:] for line in path.read_text().splitlines() if line.startswith(f"{side}> ")]
    return [_binary(line.removeprefix(BINARY)) if line.startswith(BINARY) else line for line in lines]


def _binary(line: str) -> bytes:
    marked = line.startswith(MARKER)
    return b"\x04" * marked + line.removeprefix(MARKER).encode()


def as_data(message: Message) -> object:
    """A frame with its JSON parsed, so that spaces do not matter."""
    if isinstance(message, bytes):
        return json.loads(message.removeprefix(b"\x04"))
    start = next((at for at, char in enumerate(message) if char in "[{"), len(message))
    return message[:start], json.loads(message[start:]) if start < len(message) else None


def captured(broker: ModuleType) -> list[tuple[str, str, Any]]:
    """Side, event and payload of every event in the transcripts."""
    return [event for path in transcripts(broker) for event in _events(path)]


def _events(path: Path) -> Iterator[tuple[str, str, Any]]:
    for side in "SC":
        name = ""
        for frame in frames(path, side):
            if isinstance(frame, bytes):
                yield side, name, as_data(frame)
            elif frame.startswith("451-"):
                name = json.loads(frame[4:])[0]
            elif frame.startswith("42"):
                said, *arguments = json.loads(frame[2:])
                yield side, said, arguments[0] if arguments else None
