"""What must be said of each fault of a gateway over a trading terminal."""

from typing import Any

from probe.measure.records import Cause, SessionState
from tests.monitor.matrix import Row, Then
from tests.monitor.matrix_polled import LOST, WAY

_S = SessionState
_STALLED = dict[str, Any](states=(_S.STALLED,), cause=Cause.STALLED, alert="stream_stalled", held=90.0)
_DEGRADED = dict[str, Any](
    states=(_S.DEGRADED,), cause=Cause.DEGRADED, alert="error_budget_burn_1h", held=90.0
)
_REFUSED = _STALLED | {
    "states": (_S.DEGRADED, _S.STALLED)
}  # each question by itself, then there are no prices
_SILENT = LOST | {"states": (_S.STALLED, _S.BACKOFF, _S.CONNECTING), "held": 120.0}
_ENTRANCE = LOST | {"from_start": True}

ROWS = (
    # the terminal behind it
    Row(fault="gateway-variant", looks="nothing: it is known"),
    Row(fault="gateway-variant:v=v0,auth=403", looks="nothing: it is known"),
    Row(fault="gateway-terminal-closed", code="mt5.gateway-up-terminal-down", **_STALLED),
    Row(
        fault="gateway-broker-down",
        code="data.stale-ticks",
        **_STALLED,
        looks="first only that prices stay away",
    ),
    Row(
        fault="gateway-broker-down",
        code="data.stale-ticks",
        **_STALLED | {"from_start": True, "long": 400.0},
        looks="lost before anybody looked: logged in, and never a price",
    ),
    Row(fault="gateway-frozen-feed", code="data.stale-ticks", **_STALLED),
    Row(
        fault="gateway-account-switched",
        code="mt5.multi-terminal",
        **_STALLED | {"cause": Cause.AUTH},
        looks="the numbers of somebody else: no prices to be believed",
    ),
    Row(fault="gateway-other-logged-out", code="mt5.gateway-up-terminal-down", **_STALLED),
    Row(fault="gateway-blocked", code="mt5.bridge-hang", **_DEGRADED),
    Row(fault="gateway-ipc-timeout", code="mt5.ipc-timeout", **_STALLED),
    Row(
        fault="gateway-ipc-timeout:seconds=60s",
        code="http.open-timeout",
        **_SILENT,
        looks="mt5.bridge-hang while the session stands; then no new one opens, and whose fault that is cannot be seen",
    ),
    Row(fault="gateway-algo-off", looks="nothing: only whoever asks the terminal itself sees it"),
    Row(fault="gateway-investor", looks="nothing: only whoever asks the terminal itself sees it"),
    # its sessions
    Row(
        fault="gateway-tokens-lost",
        states=(_S.STALLED, _S.AUTH_REJECTED),
        cause=Cause.AUTH,
        code="mt5.gateway-401",
        alert="auth_rejected",
        then=Then.STOPS,
        heals=False,
    ),
    Row(
        fault="gateway-tokens-lost",
        states=(_S.AUTH_REJECTED,),
        cause=Cause.AUTH,
        code="mt5.gateway-401",
        alert="auth_rejected",
        then=Then.STOPS,
        from_start=True,
        heals=False,
        looks="an old token at a new gateway",
    ),
    Row(fault="gateway-workers", code="mt5.gateway-401-random", **_DEGRADED),
    # what it answers
    Row(fault="gateway-bad-offset", code="mt5.server-timezone", **_DEGRADED),
    Row(fault="gateway-long-history", from_start=True, looks="a note: nobody reads so long a list"),
    Row(fault="gateway-nginx-503", code="http.bad-gateway", **_REFUSED),
    Row(fault="gateway-nginx-504", code="http.bad-gateway", **_REFUSED),
    Row(
        fault="gateway-nginx-504:seconds=30s",
        code="http.open-timeout",
        **_SILENT,
        looks="nobody waits so long for it",
    ),
    Row(fault="gateway-html", code="http.200-not-101", **_REFUSED),
    Row(fault="gateway-html", code="http.200-not-101", **_ENTRANCE),
    Row(fault="gateway-redirect", code="http.redirect", **_REFUSED),
    Row(fault="gateway-drip", code="http.open-timeout", **_SILENT),
    Row(fault="gateway-big-body", code="session.message-too-big", **_REFUSED),
    Row(fault="gateway-endless-body", code="session.message-too-big", **_REFUSED),
    Row(fault="gateway-invalid-utf8", code="http.200-not-101", **_REFUSED),
    Row(fault="gateway-wild-numbers", code="http.200-not-101", **_REFUSED),
    Row(fault="gateway-wild-numbers:kind=digits", code="http.200-not-101", **_REFUSED),
    # pages
    Row(fault="signin-challenge", code="http.cf-challenge", **_REFUSED),
    Row(fault="signin-challenge", code="http.cf-challenge", **_ENTRANCE),
    Row(fault="signin-slow", code="net.slow", **_DEGRADED),
    # bytes and connections
    *WAY,
    Row(
        fault="corrupt", code="http.not-http", **LOST, looks="what is damaged first is the head of an answer"
    ),
    Row(
        fault="delay:seconds=1.5s",
        code="net.slow",
        **_DEGRADED,
        looks="and no blocked loop: all is slow alike",
    ),
)

NOT_MET = dict.fromkeys(
    (
        "signin-form-missing", "signin-pin", "signin-refused", "signin-region-blocked", "signin-settings-missing",
        "signin-stale-token", "signin-expired",
    ),
    "met while signing in, not by a session",
) | dict.fromkeys(("tls-certificate", "tls-version"), "the same for every broker")  # fmt: skip
