"""The log of another client, as a text: what it says of its failures, and the frames that it wrote down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from probe.model.errors import ConfigError
from probe.session.broker import Broker
from probe.session.overheard import Frame, OtherClient, overheard

MOST_BYTES = 16 * 1024 * 1024
_HIDES = re.compile(
    r"connect\(\) returned False|Failed to connect to any (?:WebSocket endpoint|of the provided URLs)"
    r"|Connection initialization timed out"
)
# What would be a reason, in whichever words.
_REASON = re.compile(
    r"\b[45]\d\d\b|certificate|refused|reset|timed out while|Errno|gaierror|Traceback|CLOSE \d|close code",
    re.IGNORECASE,
)
_CLOSED_WITH = re.compile(
    r"(?:\bclosed?\b|\bcode\b|\breceived\b|status_code)[^\d\n]{0,24}\b(1\d{3}|4\d{3})\b", re.IGNORECASE
)
_NO_CLOSE_FRAME = "no close frame received"
_PACKED_AS_TEXT = re.compile(r"can't decode byte 0x8b\b")
_BEGINS = re.compile(r"--- request header ---|= connection is CONNECTING")
# As transcripts of ours are written, as websockets writes them, and as websocket-client does.
_OURS = re.compile(r"(?:\A|\s)(?P<way>[CS]>) (?P<said>\S.*)\Z")
_WEBSOCKETS = re.compile(r"(?:\A|[\s:])(?P<way>[<>]) TEXT '(?P<said>.*)' \[\d+ bytes\]")
_TRACE = re.compile(
    r"\+\+(?P<way>Sent|Rcv) decoded: fin=1 opcode=(?P<kind>[12]) data=(?P<said>b(?P<q>['\"]).*(?P=q))\Z"
)
_BINARY, _MARKER = "(binary) ", "\\x04"
_SENT = ("C>", ">", "Sent")


def client_in(path: str, broker: Broker) -> OtherClient:
    """
    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError as problem:
        raise ConfigError(
            f"it cannot be read ({problem.strerror or problem})",
            where="--log",
            next_step="Give the file into which the other client writes its log.",
        ) from None
    return read_log(data.decode(errors="replace"), broker)


def read_log(text: str, broker: Broker) -> OtherClient:
    lines = text.splitlines()
    frames = list(_frames(lines))
    spoken = overheard(frames, broker.codec) if broker.has_socket and frames else ()
    # A frame may hold anything, so what stands in one is no word of the client's.
    own = "\n".join(line for line in lines if _frame(line) is None)
    hides = _HIDES.search(own)
    codes = [int(found[1]) for found in _CLOSED_WITH.finditer(own)]
    return OtherClient(
        hides=hides[0] if hides and not _REASON.search(own) else "",
        close_codes=tuple(dict.fromkeys([*codes, *([1006] if _NO_CLOSE_FRAME in own else [])])),
        reads_packed_as_text=_PACKED_AS_TEXT.search(own) is not None,
        connections=spoken,
    )


def _frames(lines: list[str]) -> Iterator[Frame]:
    for line in lines:
        if _BEGINS.search(line):
            yield Frame(is_sent=True, message=None)
        elif (frame := _frame(line)) is not None:
            yield frame


def _frame(line: str) -> Frame | None:
    found = _TRACE.search(line) or _WEBSOCKETS.search(line) or _OURS.search(line)
    if found is None:
        return None
    said: str | bytes = found["said"]
    if found.re is _TRACE:
        try:
            written = ast.literal_eval(found["said"])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        said = written if found["kind"] == "2" else written.decode(errors="replace")
    elif found.re is _OURS and found["said"].startswith(_BINARY):
        words = found["said"].removeprefix(_BINARY)
        said = b"\x04" * words.startswith(_MARKER) + words.removeprefix(_MARKER).encode(errors="replace")
    return Frame(is_sent=found["way"] in _SENT, message=said)
