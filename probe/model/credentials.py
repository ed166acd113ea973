"""Secrets as a type: nothing that formats, logs, copies to JSON or pickles a value can show one."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import NoReturn, Self
from urllib.parse import quote, quote_plus

from probe.model.endpoint import Account

MASK = "***"
_TOKEN_LOOK = re.compile(
    r"[0-9A-Za-z]{24,}|[0-9A-Za-z]{12,}\Z"
)  # 26 or 32 characters, the last one perhaps cut
_OF_URLS = str.maketrans("+/", "-_")
SHORTEST = 6  # pieces of a secret below this many characters tell nothing
SHORTEST_WORD = 3  # a whole secret below this many protects nothing; masking it would hide the text


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
class Bound:
    """What a broker wrote into a session about whom it is for."""

    address: str = ""
    last_used_utc: float | None = None
    has_unsendable_agent: bool = False  # it names a browser in letters that no request may carry


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
    user_agent: str | None = field(default=None, repr=False)  # the browser the session was made with
    parts: tuple[Secret, ...] = ()  # of the token, each as good as the whole
    cookies: tuple[tuple[str, Secret], ...] = field(
        default=(), repr=False
    )  # of the web session it belongs to
    bound: Bound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """What a person types on the broker's sign-in page. It opens nothing by itself: a session is made of it first."""

    broker: str
    user: Secret  # an e-mail address is nobody else's business
    password: Secret
    account: Account  # to be used once signed in
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the account in places where everybody may look."""
        return hashlib.sha256(self.user.reveal().strip().lower().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSession:
    """What signing in leaves behind: enough to open the socket, and to ask for a new token."""

    broker: str
    key: str  # of the login it was made with
    origin: str  # where; it is sent nowhere else
    token: Secret
    cookies: tuple[tuple[str, Secret], ...] = field(repr=False)
    user_agent: str = field(repr=False)  # of the browser that signed in; the session may be bound to it
    facts: tuple[tuple[str, str], ...] = ()  # name and value, safe to show


class Redactor:
    """Replaces known secrets in a text by ``***``, one that a cut left at the end included. A short one, as a PIN is, may
    be part of any word or number: it is replaced where no letter or digit touches it."""

    __slots__ = ("_values", "_words", "longest")

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            value = secret.reveal()
            escaped = json.dumps(value)[1:-1]
            forms |= {value, escaped, json.dumps(escaped)[1:-1], quote(value, safe="", errors="replace")}
            forms |= {escape(value), quote_plus(value, errors="replace")}  # as a page repeats it
            forms |= set(_in_base64(value.encode("utf-8", "surrogatepass")))
        longest_first = sorted(forms, key=len, reverse=True)
        self._values = tuple(form for form in longest_first if len(form) >= SHORTEST)
        words = [re.escape(form) for form in longest_first if SHORTEST_WORD <= len(form) < SHORTEST]
        self._words = re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])") if words else None
        self.longest = next((len(form) for form in longest_first if len(form) >= SHORTEST_WORD), 0)

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        if self._words is not None:
            text = self._words.sub(MASK, text)
        for value in self._values:
            tail = max(0, len(text) - len(value))
            while (tail := text.find(value[:SHORTEST], tail)) >= 0:
                if value.startswith(text[tail:]):
                    text = text[:tail] + MASK
                    break
                tail += 1
        return text

    def shorten(self, text: str, length: int) -> str:
        """Redacted, then cut. Only as much is read as a secret that begins within `length` can reach."""
        return self(text[: length + self.longest])[:length]


def _in_base64(value: bytes) -> Iterator[str]:
    """What of it shows at each of the three places where it can stand in something longer."""
    if len(value) < 2 * SHORTEST:
        return
    for before in range(3):
        shown = base64.b64encode(bytes(before) + value).decode()
        shown = shown[(0, 2, 3)[before] : (before + len(value)) * 8 // 6]
        yield shown
        yield shown.translate(_OF_URLS)


class StrangersRedactor(Redactor):
    """For the end that does not know its clients' secrets, only what a session id looks like."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(())
        self.longest = 64

    def __call__(self, text: str) -> str:
        return _TOKEN_LOOK.sub(MASK, text)


def redactor_for(credentials: Credentials | PasswordLogin | WebSession | None) -> Redactor:
    match credentials:
        case None:
            return Redactor(())
        case PasswordLogin():
            return Redactor((credentials.user, credentials.password))
        case WebSession():
            return Redactor((credentials.token, *_telling(value for _, value in credentials.cookies)))
        case Credentials():
            pieces = (*credentials.parts, *(value for _, value in credentials.cookies))
            return Redactor((credentials.frame, credentials.token, *_telling(pieces)))


def _telling(pieces: Iterable[Secret]) -> Iterator[Secret]:
    """Not the cookies that are settings: ``en`` or ``demo``."""
    return (piece for piece in pieces if len(piece.reveal()) >= SHORTEST)
