"""What must be said of each fault of a crypto backend, of an exchange's REST side, and of an exchange's market stream."""

from typing import Any

from probe.brokers import find_broker
from probe.measure.records import Cause, SessionState
from tests.monitor.matrix import Row, Then
from tests.monitor.matrix_polled import LOST, WAY

_EXCHANGE = find_broker("bingx").house.regions
SWAP, SPOT, REST = ((region,) for region in _EXCHANGE)

_S = SessionState
_STALLED = dict[str, Any](states=(_S.STALLED,), cause=Cause.STALLED, alert="stream_stalled", held=130.0)
_DEGRADED = dict[str, Any](
    states=(_S.DEGRADED,), cause=Cause.DEGRADED, alert="error_budget_burn_1h", held=130.0
)
_LIMITED = _STALLED | {"states": (_S.DEGRADED, _S.STALLED)}  # refused, and then there are no prices
_REJECTED = dict[str, Any](
    states=(_S.STALLED, _S.AUTH_REJECTED),
    cause=Cause.AUTH,
    alert="auth_rejected",
    then=Then.STOPS,
    heals=False,
    held=90.0,
)
_ENDED = LOST | {"alert": "error_budget_burn_1h"}
_SILENT = _ENDED | {"states": (_S.STALLED, _S.BACKOFF)}
_OPENING = LOST | {"from_start": True}
_EVERYWHERE = _OPENING | {"alert": "all_endpoints_failing"}
_STRANGE = _DEGRADED | {"code": "cfg.client-outdated"}
TWO = ("BTC-USDT", "ETH-USDT")

BACKEND = (
    # the database
    Row(fault="backend-database-down", code="crypto.mongo-down", **_STALLED),
    Row(
        fault="backend-database-down",
        code="session.disconnected",
        **_STALLED | {"from_start": True, "states": (_S.AUTHENTICATING, _S.STALLED)},
        looks="a login that takes more than the ten seconds a first one may take; then the database, by /health",
    ),
    Row(fault="backend-database-allow-list", code="crypto.mongo-allow-list", **_STALLED),
    Row(fault="backend-database-failover", code="crypto.mongo-down", **_STALLED),
    Row(fault="backend-database-failover:tells=terse", code="crypto.mongo-down", **_STALLED),
    Row(fault="backend-database-slow", looks="slower, and not so slow that anything is late"),
    Row(fault="backend-pool-exhausted", code="crypto.mongo-pool", **_DEGRADED),
    # what it says of itself
    Row(fault="backend-health", looks="nothing: a constant /health is known"),
    Row(fault="backend-health-lies", code="crypto.health-lies", **_STALLED),
    Row(fault="backend-health-hangs", code="crypto.health-hangs", **_DEGRADED),
    Row(fault="backend-docs-exposed", from_start=True, looks="it is noted, and harms nobody now"),
    Row(fault="backend-traces", code="http.bad-gateway", **_DEGRADED),
    Row(fault="backend-busy", code="http.open-timeout", **_DEGRADED),
    # sessions
    Row(fault="backend-session-short:seconds=10s", code="crypto.session-expired", **_REJECTED),
    Row(fault="backend-restarted", code="crypto.session-secret", **_REJECTED),
    Row(
        fault="backend-many-secrets:share=0.3",
        code="crypto.session-secret",
        **_DEGRADED | {"held": 200.0},
        looks="a refusal that is taken back at once; where two follow each other the session seems to be over",
    ),
    # the broker behind it
    Row(fault="backend-fernet-key", code="crypto.fernet-key", **_DEGRADED),
    Row(fault="backend-broker-down", code="http.bad-gateway", **_STALLED),
    Row(fault="backend-broker-down:flaw=silent", code="http.bad-gateway", **_STALLED),
    Row(fault="backend-broker-limited", code="crypto.bingx-busy", **_STALLED),
    Row(fault="backend-broker-clock", code="crypto.bingx-timestamp", **_DEGRADED),
    Row(fault="backend-market-stale", code="data.stale-ticks", **_STALLED),
    Row(fault="backend-market-cached", code="data.cached-as-fresh", **_STALLED),
    Row(fault="backend-snapshots-stopped", code="data.stale-history", **_DEGRADED),
    # the limiter
    Row(
        fault="backend-limit",
        code="crypto.rate-limited-own",
        **_DEGRADED | {"from_start": True},
        looks="lowered under a running session it seems to be somebody else who uses it up",
    ),
    Row(
        fault="backend-limit-used-up@60s",
        code="crypto.rate-limited-shared",
        **_DEGRADED | {"held": 240.0},
        long=400.0,
        looks="in its first minute, which opens the session, it could be its own requests",
    ),
    # pages and bytes
    Row(fault="signin-challenge", code="http.cf-challenge", **_LIMITED),
    Row(fault="signin-slow", code="http.open-timeout", **_DEGRADED),
    *WAY,
    Row(fault="delay:seconds=1.5s", code="http.open-timeout", **_DEGRADED),
)

EXCHANGE = (
    Row(fault="exchange-clock-skew", code="crypto.bingx-timestamp", **_DEGRADED),
    Row(fault="exchange-clock-skew:seconds=-30", code="crypto.bingx-timestamp", **_DEGRADED),
    Row(fault="exchange-error", code="crypto.bingx-busy", **_LIMITED),
    Row(fault="exchange-error:code=109500,status=503", code="crypto.bingx-busy", **_LIMITED),
    Row(
        fault="exchange-error:code=109418,path=quote/ticker",
        code="crypto.bingx-symbol-offline",
        **_STALLED,
    ),
    Row(fault="exchange-old-codes", looks="nothing: errors only have other numbers"),
    Row(fault="exchange-limit", looks="nothing: nobody asks so often"),
    Row(fault="exchange-limit:requests=0", code="http.429", **_LIMITED, looks="429, and then the ban"),
    Row(fault="exchange-symbol-offline", code="crypto.bingx-symbol-offline", **_STALLED),
    Row(fault="signin-challenge", code="http.cf-challenge", **_LIMITED),
    Row(fault="signin-slow", code="net.slow", **_DEGRADED),
    *WAY,
    Row(fault="delay:seconds=1.5s", code="net.slow", **_DEGRADED),
)

STREAM = (
    # the upgrade
    Row(fault="http-status", code="http.cf-challenge", **_OPENING),
    Row(fault="http-status:code=429,retry_after=20s", code="http.429", **_EVERYWHERE),
    Row(fault="silent-upgrade", code="http.open-timeout", **_EVERYWHERE),
    Row(fault="refuse", code="tcp.refused", **_EVERYWHERE),
    # the end
    Row(fault="close:at=0s", code="session.closed-normal", **_ENDED),
    Row(fault="goodbye:at=0s", code="session.closed-1005", **_ENDED, looks="it has no word for it"),
    Row(fault="drop:at=0s", code="session.closed-1006", **_ENDED),
    Row(fault="tcp-reset:at=0s", code="session.tcp-reset", **_ENDED),
    Row(fault="close-loop", code="session.closed-1005", **_ENDED),
    Row(fault="idle-kick", code="session.closed-normal", **_ENDED, looks="planned, and soon on a beat"),
    # heartbeats
    Row(fault="half-open:at=0s", code="session.half-open", **_SILENT),
    Row(
        fault="stop-pings",
        code="eio.ping-timeout",
        **_ENDED | {"alert": None},
        looks="a reconnect each time that the heartbeat is overdue",
    ),
    Row(fault="no-pong", code="session.peer-stopped-ponging", **_DEGRADED),
    # prices
    Row(fault="disowned:at=0s", code="auth.false-success", **_STALLED, looks="seen when it connects anew"),
    Row(
        fault="false-success",
        **_STALLED | {"code": "auth.false-success", "from_start": True, "held": 60.0},
    ),
    Row(fault="half-subscribed", code="session.silent-stall", **_STALLED),
    Row(fault="silent-stall:at=0s", code="session.silent-stall", **_STALLED),
    Row(fault="one-symbol-stall:at=0s", code="session.one-symbol-stall", symbols=TWO, **_DEGRADED),
    Row(fault="one-symbol-stall:at=0s", code="session.silent-stall", **_STALLED, looks="the only one"),
    Row(fault="stream-cap", code="session.one-symbol-stall", symbols=TWO, **_DEGRADED),
    Row(
        fault="subscription-cap",
        code="session.subscription-cap",
        symbols=TWO,
        **_DEGRADED | {"from_start": True},
        heals=False,
        looks="heard when it subscribes, so it stays until it connects anew",
    ),
    Row(fault="duplicate-ticks", code="data.duplicates", **_DEGRADED),
    Row(fault="out-of-order-ticks", code="data.out-of-order", **_DEGRADED),
    Row(fault="past-timestamps", code="data.out-of-order", **_DEGRADED),
    Row(fault="frozen-price", code="data.stale-ticks", **_DEGRADED),
    Row(fault="clock-jump:at=31s", code="data.clock-offset", **_DEGRADED, looks="once the clock is known"),
    Row(fault="clock-skew", code="data.clock-offset", **_DEGRADED | {"alert": "clock_skewed"}, long=800.0),
    # messages
    Row(fault="truncate-json", **_STRANGE),
    Row(fault="garbage:at=0s", **_STRANGE),
    Row(fault="binary-garbage:at=0s", **_STRANGE),
    Row(fault="big-message:at=0s", code="session.message-too-big", **LOST),
    Row(fault="flood:at=23s", code="session.slow-consumer", **_DEGRADED | {"held": 20.0}, long=200.0),
    # bytes
    Row(fault="delay", looks="slower"),
    Row(fault="delay:seconds=1.5s", code="net.slow", **_DEGRADED),
    Row(fault="jitter", looks="slower"),
    Row(fault="jitter:seconds=4s", code="net.slow", **_DEGRADED),
    Row(fault="slice", looks="nothing that anybody would notice"),
    Row(fault="throttle", looks="nothing that anybody would notice"),
    Row(fault="throttle:bytes_per_second=50", code="eio.ping-timeout", **_ENDED),
    Row(fault="freeze", code="session.half-open", **_SILENT | {"alert": "connection_lost"}),
    Row(fault="cut", code="session.closed-1006", **LOST),
    Row(fault="reset", code="session.tcp-reset", **LOST),
    Row(fault="corrupt", code="session.protocol-error", **LOST),
    Row(fault="connection-cap", looks="nothing: a session and a knock are two"),
)

NO_GREETING = "the upgrade is the greeting: there is none that could be spoilt"
NO_HISTORY = "this stream has no past to be asked for"
NO_ROWS = "its messages have no event's name and no rows"
SIGNING_IN = "met while somebody signs up or in; a session that stands goes on"
NOT_MET = {
    "backend-hash-broken": SIGNING_IN,
    "backend-mail": SIGNING_IN,
    "backend-cookie": SIGNING_IN,
    "backend-cookie-signed": SIGNING_IN,
    **dict.fromkeys(("slow", "no-open", "no-join", "connect-error", "beat-terms"), NO_GREETING),
    **dict.fromkeys(("stuck-history", "short-history", "history-unanswered", "rate-limit"), NO_HISTORY),
    **dict.fromkeys(
        ("interleave", "drop-attachment", "rename-event", "extra-element", "missing-element"), NO_ROWS
    ),
    "numbers-as-text": "futures write prices as texts anyway",
    **dict.fromkeys(
        ("order-unanswered", "order-late", "order-ignored", "close-after-order", "close-lost", "close-late"),
        "prices can be watched there, and nothing can be ordered",
    ),
    "balance-drift": "it shows no balance",
}
