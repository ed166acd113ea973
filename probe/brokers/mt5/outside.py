"""What a gateway shows to anybody: whether it is one, which one, and what it gives away. Four questions, once."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from probe.brokers.mt5.answers import Body, Complaint, Unreadable, read_health, read_paths
from probe.brokers.mt5.asking import Answer, Asker, Stopped
from probe.brokers.mt5.troubles import OPEN_TO_ALL, trouble, trouble_of
from probe.model.failures import Failure, Speaker
from probe.model.meanings import Effect, Notice, Troubles
from probe.session.refusal import kind_of_status
from probe.wire.calls import Asking

ACCOUNT = "/api/v1/account"
STRANGER = "https://stranger.example"  # an origin that nobody would allow by name


class Variant(Enum):
    """Versions that answer the same situation with different statuses."""

    EARLY = "the public gateway's first version"
    LATER = "the public gateway's later version"
    CLOSED = "a gateway that tells strangers nothing, as tradeprobe's own does"
    OTHER = "another gateway with the same paths"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    variant: Variant = Variant.OTHER
    title: str = ""
    paths: frozenset[str] = frozenset()  # none: it does not say
    refuses_with: int | None = None  # a question without a token; None: not seen
    is_open: bool = False  # it answers such a question
    lets_any_page_in: bool = False

    def has(self, name: str) -> bool:
        """Whether it can be asked for that, as far as it says."""
        ours = {
            path.removeprefix("/api/v1/").partition("/")[0]
            for path in self.paths
            if path.startswith("/api/v1/")
        }
        return not ours or name in ours or name == "health"

    def told(self) -> tuple[Notice, Troubles]:
        payload: Mapping[str, object] = {
            "variant": self.variant.value,
            "title": self.title,
            "paths": len(self.paths),
            "without a token": "answers" if self.is_open else self.refuses_with,
        }
        rows = []
        if self.is_open:
            words = "the gateway shows the account to anybody, without a token"
            rows.append(trouble(OPEN_TO_ALL, words, certain=True, effect=Effect.DEGRADES))
        if self.lets_any_page_in:
            words = "any web page may ask this gateway in a visitor's name (CORS for every origin, with credentials)"
            rows.append(
                trouble(OPEN_TO_ALL, words + ("; its documentation is open, too" if self.paths else ""))
            )
        elif self.paths:
            rows.append(trouble(OPEN_TO_ALL, "the gateway's documentation is open to anybody"))
        return Notice(name="gateway", payload=payload), Troubles(about="gateway", rows=tuple(rows))


def look_around(asker: Asker) -> Asking[Outside]:
    """
    Raises:
        Stopped: there is no gateway.
    """
    health = yield from asker.get("/health", ("Origin", STRANGER))
    _read_or_stop(health)
    healthz = yield from _perhaps(asker, "/healthz")
    described = yield from _perhaps(asker, "/openapi.json")
    title, paths = "", frozenset[str]()
    if isinstance(described, Body):
        with suppress(Unreadable):
            title, paths = read_paths(described.data)
    bare = yield from _perhaps(asker, ACCOUNT)
    if isinstance(bare, Complaint) and bare.status in (404, 405):
        words = f"HTTP {bare.status}, so something else than a gateway answers here"
        raise _nothing(ACCOUNT, "http.wrong-path", bare.status, words)
    lets_any_page_in = False
    if isinstance(health, Body):
        origin, shares = (
            health.reply.header(f"access-control-allow-{name}") for name in ("origin", "credentials")
        )
        lets_any_page_in = origin in ("*", STRANGER) and shares == "true"
    return Outside(
        variant=_variant(healthz, title, paths, lets_any_page_in=lets_any_page_in),
        title=title,
        paths=paths,
        refuses_with=bare.status if isinstance(bare, Complaint) and bare.is_refusal else None,
        is_open=isinstance(bare, Body),
        lets_any_page_in=lets_any_page_in,
    )


def _variant(healthz: Answer | None, title: str, paths: frozenset[str], *, lets_any_page_in: bool) -> Variant:
    """Both public versions let every page in."""
    if title and title != "MT5 REST API":
        return Variant.OTHER
    if isinstance(healthz, Body) or "/scan" in paths:
        return Variant.LATER
    if not (isinstance(healthz, Complaint) and healthz.status == 404):
        return Variant.OTHER
    return Variant.EARLY if lets_any_page_in else Variant.CLOSED


def _perhaps(asker: Asker, path: str) -> Asking[Answer | None]:
    """None: a page or a proxy answered, which is no news about the rest. A way that is lost ends the look."""
    try:
        return (yield from asker.get(path))
    except Stopped as stopped:
        if stopped.failure.http_status is None:
            raise
        return None


def _read_or_stop(health: Answer) -> None:
    if isinstance(health, Complaint):
        if trouble_of("/health", health).certain:  # it speaks of its terminal, as only a gateway does
            return
        words = health.words if health.kind else f"HTTP {health.status}, {health.words!r}"
        raise _nothing("/health", health.kind or kind_of_status(health.status), health.status, words)
    try:
        read_health(health.data)
    except Unreadable as problem:
        words = f"it is JSON, but not a gateway's: {problem}"
        raise _nothing("/health", "http.200-not-101", health.reply.status, words) from None


def _nothing(path: str, kind: str, status: int, words: str) -> Stopped:
    detail = f"GET {path}: {words}; is this the base URL of an MT5 gateway, with the path before /health if there is one?"
    return Stopped(Failure(kind=kind, spoke_last=Speaker.REMOTE, detail=detail, http_status=status))
