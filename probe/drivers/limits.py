"""How far a driver goes along with the other end, and how it breaks off; the same in every runtime."""

import contextlib
import socket
import struct
import sys

from probe.model.failures import Failure

FLUSH_SECONDS = 3.0  # after a close, for bytes still unsent and for the other end's TLS goodbye
UNSENT_LIMIT = 4 * 1024 * 1024  # a peer that does not read must not grow our memory
GIVEN_UP = Failure(kind="local.timeout")

_RESET_WHEN_CLOSED = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # struct linger: on, 0 s


def peer_not_reading(unsent: int) -> Failure:
    detail = f"the other end does not read: {unsent} bytes could not be sent"
    return Failure(kind="session.peer-not-reading", detail=detail)


def reset_when_closed(sock: socket.socket) -> None:
    """Have the next close give up what is unsent, and let the other end know."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
