"""What BingX's own codes show, and what they rule out."""

from collections.abc import Mapping
from functools import partial

from probe.model.findings import Sign, State
from probe.session.signs import (
    Against,
    BrokerSign,
    Shown,
    always,
    either,
    if_certain,
    if_priced,
    if_told,
    sign_of,
)

_CODE = if_told("its own code, read together with its words, is")
_LISTED = always("its list of contracts says so")
_ENDED = always("the account's stream itself told that its key has expired")

_AGAINST: Mapping[str, Mapping[str, Against]] = {
    "crypto.bingx-200-with-error": dict.fromkeys(
        (
            "crypto.bingx-signature",
            "crypto.bingx-timestamp",
            "crypto.bingx-permission",
            "crypto.bingx-busy",
            "http.200-not-101",
        ),
        _CODE,
    ),
    "crypto.bingx-signature": dict.fromkeys(
        ("crypto.bingx-timestamp", "crypto.bingx-permission", "auth.bad-credentials"), _CODE
    )
    | {"crypto.fernet-key": always("the exchange was asked itself, without a backend")},
    "crypto.bingx-timestamp": dict.fromkeys(
        ("crypto.bingx-symbol-offline", "crypto.bingx-signature"),
        either(_CODE, always("the exchange's own time was asked for and compared")),
    ),
    "crypto.bingx-ip-allow-list": dict.fromkeys(("crypto.bingx-permission", "auth.connection-cap"), _CODE)
    | {"geo.blocked": if_priced("calls without a key are answered")},
    "crypto.bingx-permission": dict.fromkeys(
        ("crypto.bingx-ip-allow-list", "crypto.bingx-symbol-offline", "crypto.bingx-signature"), _CODE
    ),
    "crypto.bingx-busy": dict.fromkeys(("http.429", "crypto.bingx-symbol-offline"), _CODE)
    | {"crypto.rate-limited-own": always("the exchange was asked itself, without a backend")},
    "crypto.bingx-symbol-offline": dict.fromkeys(
        ("crypto.bingx-timestamp", "crypto.bingx-permission", "session.one-symbol-stall"),
        either(_CODE, _LISTED),
    )
    | {"data.unknown-asset": if_certain("its list has the pair, under this spelling")},
    "crypto.bingx-listen-key": dict.fromkeys(
        ("session.silent-stall", "session.max-lifetime", "auth.silent-after-connect"), _ENDED
    ),
}


def _sign(code: str, shown: Shown) -> Sign | None:
    trouble = shown.troubles.get(code)
    return sign_of(trouble, shown, _AGAINST[code]) if trouble else None


# -- what another client makes of its messages, by its log ---------------------------------------------------------------


def _packed(shown: Shown) -> Sign | None:
    if shown.client is None or not shown.client.reads_packed_as_text:
        return None
    excluded = {"session.protocol-error": "what it stumbled over are the first bytes of gzip (1f 8b)"}
    if shown.has_prices:
        excluded["cfg.client-outdated"] = "unpacked here, the same messages were understood"
    return Sign(
        evidence=("by its log the client took packed bytes for text (byte 0x8b)",),
        excluded=excluded,
        state=State.DEGRADED,
    )


def _unanswered(shown: Shown) -> Sign | None:
    talks = shown.client.connections if shown.client else ()
    mute = [each for each in talks if each.beats_asked and not each.beats_answered]
    if not mute:
        return None
    asked = sum(each.beats_asked for each in mute)
    pings = f"by its log the exchange asked {asked} times, and the client never answered"
    excluded = {
        "session.max-lifetime": pings,
        "session.we-stopped-ponging": "they were the exchange's own messages, and not pings of WebSocket",
        "crypto.bingx-gzip": "its messages could be read",
    }
    if any(each.prices for each in mute):
        excluded["session.idle-timeout"] = "prices were flowing"
    return Sign(evidence=(pings,), excluded=excluded, state=State.DEGRADED)


SIGNS: Mapping[str, BrokerSign] = {code: partial(_sign, code) for code in _AGAINST} | {
    "crypto.bingx-gzip": _packed,
    "crypto.bingx-ping": _unanswered,
}
