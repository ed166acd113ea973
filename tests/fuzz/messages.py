"""An input of bytes as a sequence of WebSocket messages, for targets that start above the frames."""

from collections.abc import Iterable

from probe.session.codec import Message

SEPARATOR = b"\x1e"
BINARY = b"\x02"

PACKETS: list[bytes] = [
    b"0", b"1", b"2", b"3", b"40", b"41", b"42", b"43", b"44", b"450-", b"451-", b"452-", b"4516-", b"4517-", b"2probe",
    b"40/,", b"/chat,", b'{"_placeholder":true,"num":0}', b'{"_placeholder":true,"num":1}', b'"sid"', b"\x04", b"\xff",
    SEPARATOR, BINARY, SEPARATOR + BINARY, b"[", b"]", b"{", b"}", b"[[", b"]]", b",", b":", b'"', b"\\", b" ", b"\n",
    b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1", b"0", b"1.5", b"1e18", b'"1"', b'""',
    b"\\ud800", b"\\ude00", b"\\u0000", b"\x00", b"[" * 40, b"[" * 990, b"]" * 40, b'{"":' * 300, b"9" * 400,
    b"9" * 5000, b'"' + b"a" * 300 + b'"', b"[]", b"{}", b"[[]]", b"\xed\xa0\x80", "\ufeff€😀".encode(),
]  # fmt: skip


def split(data: bytes) -> list[Message]:
    return [
        piece[1:] if piece.startswith(BINARY) else piece.decode(errors="replace")
        for piece in data.split(SEPARATOR)
    ]


def joined(messages: Iterable[Message]) -> bytes:
    return SEPARATOR.join(
        BINARY + message if isinstance(message, bytes) else message.encode() for message in messages
    )
