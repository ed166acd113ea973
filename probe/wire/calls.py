"""Conversations of questions and answers as values: a flow yields what it wants done, is sent what came of it, and knows no
socket.

A flow is a generator, so that one text of it runs under asyncio and in threads alike. It follows redirects itself, because
where a credential goes is its own decision, and it keeps its own cookies.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.wire.heads import Headers

R = TypeVar("R")
LONGEST_NUMBER = 40  # digits; no price, id or time has more, and reading thousands of them takes seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One request. Secrets are revealed by whoever sends it, and nowhere else."""

    method: str
    url: str
    headers: tuple[tuple[str, str | Secret], ...] = ()
    form: tuple[tuple[str, str | Secret], ...] | None = None  # sent URL-encoded
    json: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    url: str
    status: int
    headers: Headers
    body: bytes
    seconds: float  # from sending the request to the end of the body
    complete: bool = True  # False: the body was longer than anybody needs, and cut

    def header(self, name: str) -> str:
        """The first of that name, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something only a person can answer, such as the PIN the broker mailed. The answer is sent in as a Secret."""

    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalCall:
    """One function of a trading terminal's own programming interface, by its name there."""

    function: str
    arguments: tuple[object, ...] = ()
    named: Mapping[str, object] = field(default_factory=dict)  # values may be Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalReply:
    """What it returned, as JSON would hold it: named tuples are mappings, None is the terminal's word for "failed"."""

    value: Any
    error: int  # its last error code, asked for at once
    error_text: str
    seconds: float  # the call alone, where it is made


@dataclass(frozen=True, slots=True, kw_only=True)
class LookForProcess:
    """Whether the terminal runs on this machine; asked before any call, for some calls would start it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFound:
    running: bool | None  # None: it cannot be seen from here
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Connect by TCP, say nothing, leave."""

    name: str  # of the place, as configured
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    address: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLines:
    """What was added to the newest file of a folder's daily logs since it was last asked."""

    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLines:
    file: str  # its name, which may hold the date
    lines: tuple[str, ...]
    is_first: bool  # the file was opened just now: these lines are its newest, not all that is in it
    skipped: int = 0  # lines that were too many to read


Flow: TypeAlias = Generator[HttpCall | Question, HttpReply | Secret | Failure | None, R]

Call = HttpCall | TerminalCall | LookForProcess | Touch | ReadLines
Reply = HttpReply | TerminalReply | ProcessFound | Touched | NewLines | Failure
Asking: TypeAlias = Generator[Call, Reply, R]  # what a polled session runs


class NotJson(Exception):
    """The words say why."""


def read_json(reply: HttpReply) -> Any:
    """The body as JSON.

    Raises:
        NotJson: it is cut, no UTF-8, no JSON, holds NaN or a number of absurd length, or is nested too deeply.
    """
    if not reply.complete:
        raise NotJson("the body is longer than any answer should be")

    def number(text: str) -> float:
        raise NotJson(f"it holds {text}, which is no number in JSON")

    def integer(text: str) -> int:
        if len(text) > LONGEST_NUMBER:
            raise NotJson(f"it holds a number of {len(text)} digits")
        return int(text)

    def decimal(text: str) -> float:
        if len(text) > 10 * LONGEST_NUMBER:
            raise NotJson(f"it holds a number of {len(text)} digits")
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise NotJson("it holds a number that is too large")
        return value

    try:
        text = reply.body.decode("utf-8")
        return json.loads(text, parse_constant=number, parse_int=integer, parse_float=decimal)
    except UnicodeDecodeError:
        raise NotJson("the body is no UTF-8") from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except ValueError as problem:
        start = reply.body[:1]
        words = (
            "it is a page (HTML)"
            if start == b"<"
            else "the body is empty"
            if not reply.body
            else str(problem)
        )
        raise NotJson(words) from None
