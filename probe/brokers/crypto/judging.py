"""What the backend's answers, taken together, say is wrong: its database, the broker behind it, its /health, its sessions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from probe.model.failures import Blame
from probe.model.meanings import Effect, Trouble

NEEDS_DATABASE = frozenset(("me", "portfolio", "snapshots", "positions", "strategies", "trades"))
ASKS_BROKER = frozenset(("ticker", "broker"))
SLOW_HEALTH = 2.0  # seconds; what it looks at should have a timeout of one or two
ALL_FAIL = 3  # reads in a row: then it is not one broken route
# Seconds for which what /health says holds; when a read fails it is asked at once.
BELIED_AFTER, LOOKED_AFTER = 10.0, 2.0
_GRAVITY = list(Effect)
_PART = "part of the backend fails with status 500"
_POOL = "crypto.mongo-pool"  # some requests wait for nothing: /health may have been lucky
_DOWN = ("crypto.mongo-down", "crypto.mongo-allow-list")

# What stands in the words of errors, and what it says. The first that is found counts.
_CAUSES = (
    (re.compile(r"TLSV1_ALERT_INTERNAL_ERROR|SSL handshake failed"), "crypto.mongo-allow-list"),
    (
        re.compile(r"WaitQueueTimeoutError|connection pool paused|checking out a connection"),
        "crypto.mongo-pool",
    ),
    (
        re.compile(r"ServerSelectionTimeoutError|AutoReconnect|NotPrimaryError|NotWritablePrimary"),
        "crypto.mongo-down",
    ),
    (re.compile(r"\bInvalidToken\b|Fernet key must be"), "crypto.fernet-key"),
    (re.compile(r"\b100001\b|Signature verification failed"), "crypto.bingx-signature"),
    (re.compile(r"\b100419\b"), "crypto.bingx-ip-allow-list"),
    (re.compile(r"\b(?:100004|100414)\b"), "crypto.bingx-permission"),
    (
        re.compile(r"\b(?:100490|109418|109425)\b|restricted from API trading"),
        "crypto.bingx-symbol-offline",
    ),
    (re.compile(r"\b100421\b|timestamp mismatch"), "crypto.bingx-timestamp"),
    (re.compile(r"\b(?:100410|109429|100500|109500)\b|system is busy"), "crypto.bingx-busy"),
)

# By code: what is so, what to do, and what it does to whoever wants to trade.
_TEXTS: dict[str, tuple[str, str, Effect]] = {
    "crypto.mongo-down": (
        "the backend does not reach its database",
        "Look at the database and the way to it, and give its driver a shorter timeout than 30 s.",
        Effect.STALLS,
    ),
    "crypto.mongo-allow-list": (
        "the database's cluster refuses the backend's address with a TLS alert",
        "Add the backend's public address to the cluster's access list.",
        Effect.STALLS,
    ),
    "crypto.mongo-pool": (
        "all connections of the backend to its database are in use, and requests wait for one",
        "Look for long queries and leaked cursors, and let the pool fit the number of requests.",
        Effect.DEGRADES,
    ),
    "crypto.health-lies": (
        "/health says that all is well, and what needs the database fails",
        "Let /health look at every dependency, with a timeout of its own of 1 or 2 s.",
        Effect.STALLS,
    ),
    "crypto.health-hangs": (
        "/health itself is slow or does not answer, and the rest is fine",
        "Limit what /health looks at to 1 or 2 s, or a process that is fine will be restarted.",
        Effect.DEGRADES,
    ),
    "crypto.fernet-key": (
        "whatever needs the stored keys of the broker breaks, and the rest is fine",
        "Restore the old key of the encryption (MultiFernet to rotate); else the keys must be entered again.",
        Effect.STALLS,
    ),
    "crypto.bingx-busy": (
        "the broker behind the backend limits it or calls itself busy",
        "Wait; if it repeats, see whether it follows the backend's own rate of requests.",
        Effect.STALLS,
    ),
    "crypto.bingx-timestamp": (
        "the broker refuses the time of the backend's signed calls",
        "Synchronise the clock of the backend's machine.",
        Effect.STALLS,
    ),
    "crypto.bingx-signature": (
        "the broker refuses the signature of the backend's calls",
        "Enter the broker's key and secret again, without white space.",
        Effect.STALLS,
    ),
    "crypto.bingx-ip-allow-list": (
        "the broker refuses the backend's address",
        "Add the backend's public address to the key's list at the broker.",
        Effect.STALLS,
    ),
    "crypto.bingx-permission": (
        "the broker's key may not do this",
        "Allow trading for this product at the broker, or accept that it only reads.",
        Effect.DEGRADES,
    ),
    "crypto.bingx-symbol-offline": (
        "the broker has taken the symbol off",
        "Take another symbol or wait; nothing on this side can be mended.",
        Effect.STALLS,
    ),
    "http.bad-gateway": (
        "the backend answers, and the broker behind it cannot be reached",
        "Look at the broker's own status and at the backend's way to it; the backend itself is well.",
        Effect.STALLS,
    ),
    "http.open-timeout": (
        "every route of the backend is slow",
        "Look for work that holds its event loop (hashing passwords, mail) and at its processor.",
        Effect.DEGRADES,
    ),
}


def trouble(code: str, evidence: str = "", *, certain: bool = False) -> Trouble:
    sentence, advice, effect = _TEXTS[code]
    said = f"{sentence} ({evidence})" if evidence else sentence
    return Trouble(
        code=code, sentence=said, advice=advice, effect=effect, blame=Blame.BROKER, certain=certain
    )


def _broken(what: str, evidence: str) -> Trouble:
    """The backend itself, and not the broker behind it."""
    return replace(
        trouble("http.bad-gateway"),
        sentence=f"{what} ({evidence})",
        advice="Look for the request's id in the backend's log.",
        effect=Effect.DEGRADES,
    )


def cause_in(words: str) -> str | None:
    return next((code for look, code in _CAUSES if look.search(words)), None)


class Outcome(Enum):
    FINE = "fine"
    BROKEN = "broken"  # status 500
    SILENT = "silent"  # no answer in time
    BROKER_GONE = "no broker"  # 502 or 504
    BROKER_BUSY = "busy broker"  # 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of the last request of one route."""

    outcome: Outcome
    at: float
    since: float = 0.0  # it has been so
    seconds: float = 0.0
    evidence: str = ""
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What /health says."""

    at: float
    seconds: float
    says_well: bool = True
    checks: tuple[tuple[str, bool], ...] = ()  # name of a dependency, and whether it is up
    uptime: float | None = None
    cause: str | None = None

    def is_down(self, name: str) -> bool:
        return (name, False) in self.checks

    @property
    def waited_for_what_is_down(self) -> bool:
        return any(not is_up for _, is_up in self.checks)

    def belies(self, seen: Seen) -> bool:
        """Whether it called well what failed at the same time."""
        return self.says_well and -LOOKED_AFTER < seen.at - self.at < BELIED_AFTER


class Backend:
    """Everything that was last seen of it."""

    def __init__(self) -> None:
        self.health: Health | None = None  # its last answer
        self.health_silent_since: float | None = None
        self._seen: dict[str, Seen] = {}
        self._failing = 0  # reads that need the database, in a row
        self._was_fine = self._lies = False
        self._slow: str | None = None  # what a slow /health was found to mean

    def hear(self, health: Health) -> None:
        self.health, self.health_silent_since = health, None

    def see(self, route: str, seen: Seen) -> None:
        before = self._seen.get(route)
        since = before.since if before and before.outcome is seen.outcome else seen.at
        self._seen[route] = replace(seen, since=since)
        if route not in NEEDS_DATABASE:
            return
        if seen.outcome is not Outcome.FINE:
            self._failing += 1
            return
        self._failing, self._was_fine = 0, True
        self._seen = {name: each for name, each in self._seen.items() if each.cause not in _DOWN}
        if route != "me":  # it is asked once, and says nothing of now
            self._seen.pop("me", None)

    def forget_broken(self) -> None:
        """They were a limiter's."""
        self._seen = {route: seen for route, seen in self._seen.items() if seen.outcome is not Outcome.BROKEN}

    def troubles(self) -> tuple[Trouble, ...]:
        kept: dict[str, Trouble] = {}  # of a kind what harms most
        for row in (*self._of_database(), *self._of_broker(), *self._of_speed()):
            if row.code not in kept or _GRAVITY.index(row.effect) < _GRAVITY.index(kept[row.code].effect):
                kept[row.code] = row
        return tuple(kept.values())

    def _of_database(self) -> Iterator[Trouble]:
        needing = [
            seen for route, seen in self._seen.items() if route in NEEDS_DATABASE or seen.cause in _DOWN
        ]
        failing = [seen for seen in needing if seen.outcome is not Outcome.FINE]
        evidence = next((seen.evidence for seen in failing), "")
        causes = dict.fromkeys(seen.cause for seen in failing if seen.cause)
        health, silent_since = self.health, self.health_silent_since
        looks = health is not None and ("database", True) in health.checks  # it may have come back since
        by_word = not looks and any(cause in _DOWN for cause in causes)
        is_down = by_word or not (self._was_fine and self._failing < ALL_FAIL)
        caught = any(health.belies(seen) for seen in failing) if health and _POOL not in causes else False
        self._lies = bool(failing) and is_down and (self._lies or caught)
        if health and health.is_down("database"):
            own = health.cause or next(iter(causes), None) or "crypto.mongo-down"
            yield trouble(own, "/health says so", certain=own == "crypto.mongo-down")
        elif silent_since is not None and failing and is_down:
            yield trouble("crypto.mongo-down", "/health does not answer either")
        elif silent_since is not None and self._answers_since(silent_since):
            yield trouble("crypto.health-hangs", "no answer in time", certain=True)
        elif self._lies and health and health.says_well:
            yield trouble("crypto.health-lies", evidence, certain=True)
        elif not causes and any(seen.outcome is Outcome.BROKEN for seen in failing):
            yield _broken(_PART, evidence)
        elif health and not health.says_well:
            yield _broken("the backend calls itself unhealthy", "/health")
        for cause in causes:
            yield trouble(cause, evidence, certain=True)

    def _of_broker(self) -> Iterator[Trouble]:
        asking = {route: seen for route, seen in self._seen.items() if route in ASKS_BROKER}
        has_prices = "ticker" in asking and asking["ticker"].outcome is Outcome.FINE
        failing = [seen for seen in asking.values() if seen.outcome is not Outcome.FINE]
        for seen in failing:
            if (found := self._of_call(seen)) is not None:
                # What asks in the user's name fails; prices, which anybody may ask for, come all the same.
                yield replace(found, effect=Effect.DEGRADES) if has_prices else found
        if self.health and self.health.is_down("broker") and not failing:
            found = trouble("http.bad-gateway", "/health says so")
            yield replace(found, effect=Effect.DEGRADES) if has_prices else found

    def _of_call(self, seen: Seen) -> Trouble | None:
        if seen.cause:
            return trouble(seen.cause, seen.evidence, certain=True)
        match seen.outcome:
            case Outcome.BROKER_BUSY:
                return trouble("crypto.bingx-busy", seen.evidence)
            case Outcome.BROKER_GONE:
                return trouble("http.bad-gateway", seen.evidence)
            case Outcome.BROKEN:
                works = self._answers_since(seen.since)
                return trouble("crypto.fernet-key", seen.evidence) if works else _broken(_PART, seen.evidence)
            case _:
                return None

    def _of_speed(self) -> Iterator[Trouble]:
        health = self.health
        if health is None or health.seconds < SLOW_HEALTH or health.waited_for_what_is_down:
            self._slow = None
            return
        others = [seen for seen in self._seen.values() if seen.at >= health.at - health.seconds]
        if others:  # else what it meant before
            is_alone = any(seen.outcome is Outcome.FINE and seen.seconds < SLOW_HEALTH for seen in others)
            self._slow = "crypto.health-hangs" if is_alone else "http.open-timeout"
        if self._slow and self.health_silent_since is None:
            yield trouble(self._slow, f"it took {health.seconds:.1f} s")

    def stands(self) -> bool:
        """Whether anything at all answers."""
        return self.health_silent_since is None or self._answers_since(self.health_silent_since)

    def _answers_since(self, at: float) -> bool:
        return any(seen.outcome is Outcome.FINE and seen.at >= at for seen in self._seen.values())
