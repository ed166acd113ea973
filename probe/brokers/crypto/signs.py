"""What a backend's answers show of the failures that only it has, and what they rule out."""

from collections.abc import Mapping
from functools import partial

from probe.model.findings import Sign
from probe.session.signs import (
    Against,
    BrokerSign,
    Shown,
    always,
    if_certain,
    if_priced,
    not_among,
    sign_of,
)

_NO_EXCHANGE = always("no code of the exchange came")
_OWN_CODE = always("the exchange's own code or words for this came, through the backend")
_ANSWERED = always("other routes were answered in time meanwhile")
_BY_DRIVER = if_certain("the words of the database's driver, or of /health, say which")
_STATED = if_certain("the refusal states a limit and its minute, which no ban does")
_BY_TLS = always("a TLS alert came from the database's side: internal error, which is 80")

_AGAINST: Mapping[str, Mapping[str, Against]] = {
    "crypto.health-lies": {
        "crypto.health-hangs": always("/health answered, and called itself well"),
        "crypto.fernet-key": always("what needs the database fails, with stored keys or without"),
        "crypto.mongo-pool": not_among("crypto.mongo-pool", "reads failed one after the other, and none for want of a connection"),
        "crypto.session-expired": not_among("crypto.session-expired", "reads break, and none is refused with 401"),
    },
    "crypto.health-hangs": {
        "host.event-loop-blocked": _ANSWERED,
        "http.open-timeout": _ANSWERED,
        "crypto.mongo-down": not_among("crypto.mongo-down", "reads that need the database are answered"),
    },
    "crypto.mongo-down": {
        "crypto.mongo-pool": _BY_DRIVER,
        "crypto.mongo-allow-list": _BY_DRIVER,
        "crypto.health-hangs": not_among("crypto.health-hangs", "reads that need the database fail, or /health names it"),
        "http.bad-gateway": always("the backend itself answers"),
    },
    "crypto.mongo-pool": {
        "crypto.mongo-down": always("a server was selected: the driver's words speak of waiting for a connection"),
        "crypto.health-hangs": always("it is reads that fail, and not /health"),
        "http.open-timeout": not_among("http.open-timeout", "routes without the database are not slow"),
    },
    "crypto.mongo-allow-list": {
        "crypto.mongo-down": _BY_TLS,
        "tls.version": _BY_TLS,
        "tls.eof-in-handshake": _BY_TLS,
        "tls.unknown-ca": _BY_TLS,
    },
    "crypto.session-secret": {
        "crypto.session-expired": if_certain("it was refused before its time"),
        "crypto.session-cookie": not_among("crypto.session-cookie", "the cookie was sent, and accepted before"),
        "mt5.gateway-401-random": always("it is a backend with cookies"),
    },
    "crypto.session-cookie": dict.fromkeys(
        ("crypto.session-secret", "crypto.session-expired", "auth.bad-credentials"),
        if_certain("signing in worked, and the cookie's own attributes keep it from being sent"),
    ),
    "crypto.session-expired": {
        "crypto.session-secret": if_certain("it ends at the time that its cookie tells"),
        "crypto.session-cookie": not_among("crypto.session-cookie", "the cookie was sent, and accepted before"),
        "mt5.gateway-401": always("it is a backend with cookies"),
    },
    "crypto.fernet-key": {
        "crypto.bingx-signature": _NO_EXCHANGE,
        "crypto.mongo-down": not_among("crypto.mongo-down", "what needs only the database is answered"),
        "crypto.health-lies": not_among("crypto.health-lies", "what needs only the database is answered"),
    },
    "crypto.rate-limited-own": {
        "crypto.rate-limited-shared": if_certain("at least half of the limit that it states was ours"),
        "http.ban-disguised": _STATED,
        "crypto.bingx-busy": _NO_EXCHANGE,
        "http.429": always("it is a backend that answers as one, its /health included"),
    },
    "crypto.rate-limited-shared": {
        "crypto.rate-limited-own": if_certain("less than half of the limit that it states was ours"),
        "http.ban-disguised": _STATED,
        "crypto.bingx-busy": _NO_EXCHANGE,
    },
    "crypto.bingx-signature": dict.fromkeys(
        ("crypto.bingx-timestamp", "crypto.bingx-permission", "auth.bad-credentials", "crypto.fernet-key"), _OWN_CODE
    ),
    "crypto.bingx-timestamp": dict.fromkeys(("crypto.bingx-symbol-offline", "crypto.bingx-signature"), _OWN_CODE),
    "crypto.bingx-ip-allow-list": dict.fromkeys(("crypto.bingx-permission", "auth.connection-cap"), _OWN_CODE)
    | {"geo.blocked": if_priced("calls without a key are answered")},
    "crypto.bingx-permission": dict.fromkeys(
        ("crypto.bingx-ip-allow-list", "crypto.bingx-symbol-offline", "crypto.bingx-signature"), _OWN_CODE
    ),
    "crypto.bingx-busy": {
        "crypto.rate-limited-own": not_among("crypto.rate-limited-own", "the backend's own limiter refused nothing"),
        "crypto.bingx-symbol-offline": not_among("crypto.bingx-symbol-offline", "nothing is said of a pair"),
    },
    "crypto.bingx-symbol-offline": dict.fromkeys(
        ("crypto.bingx-timestamp", "crypto.bingx-permission", "session.one-symbol-stall"), _OWN_CODE
    ),
}  # fmt: skip


def _sign(code: str, shown: Shown) -> Sign | None:
    trouble = shown.troubles.get(code)
    return sign_of(trouble, shown, _AGAINST[code]) if trouble else None


SIGNS: Mapping[str, BrokerSign] = {code: partial(_sign, code) for code in _AGAINST}
