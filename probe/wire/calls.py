"""HTTP conversations as values: a flow yields what it wants done, is sent what came of it, and knows no socket.

A flow is a generator, so that one text of it runs under asyncio and in threads alike. It follows redirects itself, because
where a credential goes is its own decision, and it keeps its own cookies.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.wire.heads import Headers

R = TypeVar("R")


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


Flow: TypeAlias = Generator[HttpCall | Question, HttpReply | Secret | Failure | None, R]
