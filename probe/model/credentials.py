"""Secrets as a type: nothing that formats, logs, copies to JSON or pickles a value can show one."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, Self
from urllib.parse import quote

from probe.model.endpoint import Account

MASK = "***"
SHORTEST = 6  # pieces of a secret below this many characters tell nothing


class Secret:
    """A value that shows as ``***`` everywhere. `reveal()` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def fingerprint(self) -> str:
        """Six hex digits to tell two secrets apart without showing either."""
        return hashlib.sha256(self._value.encode("utf-8", "surrogatepass")).hexdigest()[:6]

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (s.reveal().encode("utf-8", "surrogatepass") for s in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is never pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a broker's login needs, with what could be read from it offline."""

    broker: str
    frame: Secret  # sent as it is when the session logs in
    token: Secret  # the part of it that must never be seen
    account: Account  # what the credential claims; only the server's word counts
    user: str | None
    facts: tuple[tuple[str, str], ...] = ()  # name and value, safe to show
    warnings: tuple[str, ...] = ()
    user_agent: str | None = None  # the browser the session was made with
    parts: tuple[Secret, ...] = ()  # of the token, each as good as the whole


class Redactor:
    """Replaces known secrets in a text by ``***``, one that a cut left at the end included."""

    __slots__ = ("_values",)

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            value = secret.reveal()
            escaped = json.dumps(value)[1:-1]
            forms |= {value, escaped, json.dumps(escaped)[1:-1], quote(value, safe="", errors="replace")}
        self._values = tuple(sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        for value in self._values:
            for kept in range(min(len(value) - 1, len(text)), SHORTEST - 1, -1):
                if text.endswith(value[:kept]):
                    text = text[:-kept] + MASK
                    break
        return text


def redactor_for(credentials: Credentials | None) -> Callable[[str], str]:
    return Redactor((credentials.frame, credentials.token, *credentials.parts)) if credentials else str
