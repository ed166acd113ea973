"""Calls and replies as lines for whoever asks what happened: enough to judge by, and nothing about a person."""

import re
from collections.abc import Mapping, Sized
from typing import Any, assert_never

from probe.model.credentials import MASK, Secret
from probe.model.failures import Failure
from probe.wire.calls import (
    Call,
    HttpCall,
    HttpReply,
    LookForProcess,
    NewLines,
    ProcessFound,
    ReadLines,
    Reply,
    TerminalCall,
    TerminalReply,
    Touch,
    Touched,
)

SHOWN = 1024  # of a body, bytes
_EMAIL = re.compile(r"[\w.+%-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")


def without_addresses(text: str) -> str:
    """Whose account it is is nobody else's business."""
    return _EMAIL.sub(MASK, text) if "@" in text or "%40" in text else text


def line_of_call(call: Call) -> str:
    match call:
        case HttpCall(method=method, url=url):
            return f"{method} /{url.partition('://')[2].partition('/')[2]}"
        case TerminalCall(function=function, arguments=arguments):
            return f"{function}({', '.join(map(str, arguments))})"
        case Touch(host=host, port=port):
            return f"connect {host}:{port}"
        case ReadLines():
            return "read the journal"
        case LookForProcess():
            return "look for the terminal's process"
        case _:
            assert_never(call)


def line_of_reply(call: Call, reply: Reply, *, is_public: bool) -> str:
    """
    Args:
        is_public: It was asked about a market, not about an account.
    """
    match reply:
        case HttpReply(status=status, body=body):
            # What a credential opens is about a person. Of an error the words count.
            is_private = isinstance(call, HttpCall) and _is_signed(call) and not is_public
            if is_private and status < 400:
                return f"{status} ({len(body)} bytes)"
            return f"{status} {without_addresses(body[:SHOWN].decode('utf-8', 'backslashreplace'))}"
        case TerminalReply(value=None, error=error, error_text=words):
            return f"None ({error}, {words!r})"
        case TerminalReply(value=value):
            return without_addresses(f"{value}"[:SHOWN]) if is_public else _outlined(value)
        case Touched(address=address, seconds=seconds):
            return f"{address} {seconds * 1000:.1f} ms"
        case NewLines(lines=lines):
            return f"{len(lines)} lines"
        case ProcessFound(running=running, detail=detail):
            return f"running: {running} {detail}"
        case Failure():
            return without_addresses(str(reply))
        case _:
            assert_never(reply)


def _is_signed(call: HttpCall) -> bool:
    return any(isinstance(value, Secret) for _, value in call.headers)


def _outlined(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a record of {len(value)} values"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, Sized) else f"{value}"
