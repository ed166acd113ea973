"""Faults of a trading backend with a database and a broker behind it."""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from probe.faults.grammar import ParameterType, about
from probe.faults.paged import Entries, PageFault


@dataclass(frozen=True, kw_only=True)
class BackendFault(PageFault):
    brokers: ClassVar[tuple[str, ...]] = ("crypto",)
    of_sign_in: ClassVar[bool] = False


class Telling(Enum):
    """How much of an error its answer tells."""

    FULL = "full"
    TERSE = "terse"


@dataclass(frozen=True, kw_only=True)
class ErrorFault(BackendFault):
    """One that ends in status 500."""

    tells: Telling = field(default=Telling.FULL, metadata=about(Telling, "how much of the error is told"))


# -- the database ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NoServer(ErrorFault):
    """No database server can be selected. The cause of it stands in the driver's text."""

    cause: ClassVar[str]

    # The driver's own timeout for selecting a server, if nobody sets another.
    seconds: float = field(default=30.0, metadata=about(ParameterType.SECONDS, "how long a request hangs"))


@dataclass(frozen=True, kw_only=True)
class DatabaseDown(NoServer):
    cause = "[Errno 111] Connection refused"


@dataclass(frozen=True, kw_only=True)
class AllowListed(NoServer):
    cause = "SSL handshake failed: [SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error"


@dataclass(frozen=True, kw_only=True)
class HealthLies(DatabaseDown):
    seconds: float = field(default=5.0, metadata=about(ParameterType.SECONDS, "how long a request hangs"))


@dataclass(frozen=True, kw_only=True)
class DatabaseSlow(BackendFault):
    seconds: float = field(default=1.0, metadata=about(ParameterType.SECONDS, "how long each access takes"))


@dataclass(frozen=True, kw_only=True)
class PoolExhausted(ErrorFault):
    seconds: float = field(
        default=1.0, metadata=about(ParameterType.SECONDS, "how long a request waits for a connection")
    )
    timeouts: float = field(
        default=0.5, metadata=about(ParameterType.PROBABILITY, "the share of waits that end in an error")
    )


@dataclass(frozen=True, kw_only=True)
class Failover(ErrorFault): ...


# -- /health, documentation, errors ------------------------------------------------------------------------------------


class HealthDepth(Enum):
    CONSTANT = "constant"
    CHECKS = "checks"
    UNBOUNDED = "unbounded"  # checks, without a timeout of its own


@dataclass(frozen=True, kw_only=True)
class HealthForm(BackendFault):
    depth: HealthDepth = field(
        default=HealthDepth.CONSTANT, metadata=about(HealthDepth, "what /health looks at")
    )


@dataclass(frozen=True, kw_only=True)
class HealthHangs(BackendFault):
    seconds: float = field(default=30.0, metadata=about(ParameterType.SECONDS, "how long it takes"))


@dataclass(frozen=True, kw_only=True)
class DocsExposed(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class Traces(BackendFault): ...


class Work(Enum):
    EVERYTHING = "everything"
    SIGN_IN = "sign-in"


@dataclass(frozen=True, kw_only=True)
class BusyLoop(BackendFault):
    seconds: float = field(
        default=3.0, metadata=about(ParameterType.SECONDS, "how long nothing else is done")
    )
    by: Work = field(default=Work.EVERYTHING, metadata=about(Work, "which requests cost so much"))


# -- sign-up, sign-in, sessions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HashBroken(ErrorFault): ...


class MailFlaw(Enum):
    SLOW = "slow"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class MailTrouble(BackendFault):
    flaw: MailFlaw = field(default=MailFlaw.REFUSED, metadata=about(MailFlaw, "what becomes of the mail"))
    seconds: float = field(default=10.0, metadata=about(ParameterType.SECONDS, "how slow a slow one is"))


class CookieFlaw(Enum):
    SECURE = "secure"
    PATH = "path"
    DOMAIN = "domain"


@dataclass(frozen=True, kw_only=True)
class CookieUnsendable(BackendFault):
    flaw: CookieFlaw = field(
        default=CookieFlaw.SECURE, metadata=about(CookieFlaw, "the attribute that keeps it from being sent")
    )


@dataclass(frozen=True, kw_only=True)
class SignedCookie(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class ShortSessions(BackendFault):
    seconds: float = field(default=60.0, metadata=about(ParameterType.SECONDS, "how long a session lasts"))


@dataclass(frozen=True, kw_only=True)
class Restarted(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class ManySecrets(BackendFault):
    share: float = field(
        default=0.5, metadata=about(ParameterType.PROBABILITY, "the share of requests another worker gets")
    )


# -- the broker behind it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KeyLost(ErrorFault): ...


class BrokerFlaw(Enum):
    DOWN = "down"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class BrokerUnreachable(BackendFault):
    flaw: BrokerFlaw = field(default=BrokerFlaw.DOWN, metadata=about(BrokerFlaw, "how it fails"))
    seconds: float = field(
        default=10.0, metadata=about(ParameterType.SECONDS, "how long a silent one is waited for")
    )


@dataclass(frozen=True, kw_only=True)
class BrokerLimited(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class BrokerClock(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class StaleMarket(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class CachedMarket(BackendFault): ...


@dataclass(frozen=True, kw_only=True)
class SnapshotsStopped(BackendFault):
    age: float = field(
        default=3600.0, metadata=about(ParameterType.SECONDS, "how old the newest is already at first")
    )


# -- the limiter -------------------------------------------------------------------------------------------------------


class LimitForm(Enum):
    """What counts requests, and so what a refusal looks like."""

    PER_ROUTE = "per-route"  # slowapi's default limits
    SHARED = "shared"  # its application limits
    HEADERS = "headers"  # its default limits, with headers
    SLIDING = "sliding"  # a middleware of one's own
    SLIDING_500 = "sliding-500"  # the same, but raising where it must not
    NGINX = "nginx"


@dataclass(frozen=True, kw_only=True)
class Limit(BackendFault):
    form: LimitForm = field(default=LimitForm.SLIDING, metadata=about(LimitForm, "what counts the requests"))
    limit: int = field(
        default=5, metadata=about(ParameterType.COUNT, "requests per minute and address", minimum=1)
    )


@dataclass(frozen=True, kw_only=True)
class LimitUsedUp(BackendFault):
    share: float = field(
        default=0.5, metadata=about(ParameterType.PROBABILITY, "the share of requests that find it used up")
    )


BACKEND_FAULTS: Entries = {
    "backend-database-down": (
        DatabaseDown,
        "crypto.mongo-down",
        "no database: requests hang, then fail with its driver's words",
    ),
    "backend-database-allow-list": (
        AllowListed,
        "crypto.mongo-allow-list",
        "the database's cluster drops the backend's address: a TLS alert from every shard",
    ),
    "backend-database-failover": (
        Failover,
        "crypto.mongo-down",
        "the database has no primary: requests fail at once",
    ),
    "backend-database-slow": (DatabaseSlow, "", "every access to the database takes long"),
    "backend-pool-exhausted": (
        PoolExhausted,
        "crypto.mongo-pool",
        "all connections to the database are in use: requests wait, some for nothing",
    ),
    "backend-health": (HealthForm, "", "/health in another form"),
    "backend-health-lies": (
        HealthLies,
        "crypto.health-lies",
        "no database, and /health says healthy",
    ),
    "backend-health-hangs": (
        HealthHangs,
        "crypto.health-hangs",
        "/health waits for a dependency that does not answer; all else is fine",
    ),
    "backend-docs-exposed": (DocsExposed, "", "the documentation is open in production"),
    "backend-traces": (
        Traces,
        "http.bad-gateway",
        "portfolio and trades break, and the answer shows the traceback",
    ),
    "backend-busy": (BusyLoop, "http.open-timeout", "requests keep the processor busy, and all others wait"),
    "backend-hash-broken": (
        HashBroken,
        "http.bad-gateway",
        "passwords can be neither hashed nor checked since a dependency was updated",
    ),
    "backend-mail": (MailTrouble, "", "the mail with the code comes late, not at all, or cannot be sent"),
    "backend-cookie": (
        CookieUnsendable,
        "crypto.session-cookie",
        "signing in works, but its cookie has an attribute with which clients do not send it back",
    ),
    "backend-cookie-signed": (
        SignedCookie,
        "",
        "sessions are signed cookies: after signing out, an old one still opens",
    ),
    "backend-session-short": (ShortSessions, "crypto.session-expired", "sessions end early"),
    "backend-restarted": (
        Restarted,
        "crypto.session-secret",
        "the backend was restarted with a new secret: earlier sessions are unknown",
    ),
    "backend-many-secrets": (
        ManySecrets,
        "crypto.session-secret",
        "every worker has a secret of its own: a session is known to some of them",
    ),
    "backend-fernet-key": (
        KeyLost,
        "crypto.fernet-key",
        "the key of the stored broker credentials is lost: what needs them fails",
    ),
    "backend-broker-down": (
        BrokerUnreachable,
        "http.bad-gateway",
        "the broker cannot be reached: market data and trades fail",
    ),
    "backend-broker-limited": (
        BrokerLimited,
        "crypto.bingx-busy",
        "the broker limits the backend: market data and trades fail",
    ),
    "backend-broker-clock": (
        BrokerClock,
        "crypto.bingx-timestamp",
        "the backend's clock is off: the broker refuses what is signed",
    ),
    "backend-market-stale": (
        StaleMarket,
        "data.stale-ticks",
        "market data stand still, and so does their time",
    ),
    "backend-market-cached": (
        CachedMarket,
        "data.cached-as-fresh",
        "market data stand still, and are stamped with the time of the request",
    ),
    "backend-snapshots-stopped": (
        SnapshotsStopped,
        "data.stale-history",
        "the task that writes portfolio snapshots has died",
    ),
    "backend-limit": (Limit, "crypto.rate-limited-own", "another limiter than 100 requests per minute"),
    "backend-limit-used-up": (
        LimitUsedUp,
        "crypto.rate-limited-shared",
        "others behind the same address have used up the limit",
    ),
}
