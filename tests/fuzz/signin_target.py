"""Signing in and renewing under any pages: they end, in a session or a failure, and what was typed or won stays at the origin."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape
from math import inf
from urllib.parse import quote, quote_plus

from probe.brokers import quotex
from probe.brokers.quotex.signin import WEB
from probe.brokers.quotex.visitor import MOST_REDIRECTS, SHOWN
from probe.drivers.exchange import CallSettings, Exchange
from probe.model import failures
from probe.model.credentials import SHORTEST, PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account
from probe.model.failures import Failure
from probe.session import refusal
from probe.simulator.web import quotex_markup as markup
from probe.wire import calls
from probe.wire.calls import Flow, HttpCall, HttpReply, Question
from tests.fuzz.credentials import own_words
from tests.fuzz.messages import SEPARATOR

# The first byte says what is asked of the pages, and what of the person; replies follow, used in a circle.
SIGN_IN, WITHOUT_PIN, SILENTLY, RENEW = b"\0", b"\1", b"\2", b"\3"
NO_REPLY = "-"
ORIGIN = "https://market-qx.trade"  # the mirror, because its name holds the word that tells success
MOST_CALLS = 5 * MOST_REDIRECTS + 1

_EMAIL, _PASSWORD, _PIN = "Planted.Someone@Example.org", "planted0 \"Pass&w'rd<;é", "918273"
_TOKEN, _FORM = "planted0secret0token00000000000000000002", "planted0form0token000001"
_COOKIE = "planted0cookie0000000001"
_LOGIN = PasswordLogin(broker="quotex", user=Secret(_EMAIL), password=Secret(_PASSWORD), account=Account.DEMO)
_SESSION = WebSession(
    broker="quotex",
    key=_LOGIN.key,
    origin=ORIGIN,
    token=Secret(_TOKEN),
    cookies=(("laravel_session", Secret(_COOKIE)),),
    user_agent="Mozilla/5.0 (own)",
)
_OWN = own_words(quotex, refusal, failures, calls)
_SETTINGS = CallSettings()


def _reply(body: str = "", status: int = 200, *headers: str) -> bytes:
    return "\n".join((str(status), *headers, "", body)).encode()


def _to(location: str, status: int = 302) -> bytes:
    return _reply("", status, f"Location: {location}")


_WARM_UP = _reply("", 200, f"Set-Cookie: laravel_session={_COOKIE}; path=/; httponly")
_SHOWN = _reply(markup.sign_in_page("en", _FORM))
_TRADE = _reply(markup.trade_page("en", token=_TOKEN, form_token=_FORM))
_PIN_PAGE = _reply(markup.pin_page("en", _FORM, email=_EMAIL, password=_PASSWORD, refused=False))
_DIGEST = _reply(
    json.dumps(
        {"data": {"token": _TOKEN, "demoBalance": "10000.00", "timeOffset": -10800, "currencyCode": "USD"}}
    )
)
_ENTERED = (_WARM_UP, _SHOWN, _to("/en/trade"), _TRADE, _TRADE, _DIGEST)


def _written(secret: str) -> tuple[str, ...]:
    """As a page may repeat it."""
    return (
        secret,
        escape(secret),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
    )


_ECHOES = [
    _reply(f"<title>{word} {_EMAIL} {_PIN} {_COOKIE}</title><p class='hint--danger'>no {word}</p>", status)
    for word, status in zip(_written(_PASSWORD), (200, 500, 403, 200, 500), strict=True)
]


def _seed(flow: bytes, *replies: bytes) -> bytes:
    return flow + SEPARATOR.join(replies)


SEEDS: list[bytes] = [
    _seed(SIGN_IN, *_ENTERED),
    _seed(SIGN_IN, _SHOWN, _SHOWN, _TRADE, _DIGEST),
    _seed(SIGN_IN, _SHOWN, _SHOWN, _PIN_PAGE, _TRADE),
    _seed(SIGN_IN, _TRADE, _to("/en/trade", 308), _to("https://market-qx.trade/en/demo-trade?x", 303)),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _PIN_PAGE, _to("/en/trade"), _TRADE, _TRADE, _DIGEST),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _PIN_PAGE, _reply(markup.pin_page("en", _FORM, email="", password="", refused=True))),
    _seed(WITHOUT_PIN, _WARM_UP, _SHOWN, _PIN_PAGE),
    _seed(SILENTLY, _WARM_UP, _SHOWN, _PIN_PAGE),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _reply(markup.sign_in_page("en", _FORM, refused=True))),
    _seed(SIGN_IN, _WARM_UP, _reply(markup.region_page("en"))),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _to("/en/trade"), _reply(markup.trade_page_with_broken_settings("en"))),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _to("https://evil.example/en/trade", 307)),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _to("//evil.example:443/", 308), _to("/en/trade", 307), _to("?a=b#c", 301)),
    _seed(SIGN_IN, _reply("<title>Just a moment...</title>", 403, "cf-mitigated: challenge", "Server: cloudflare")),
    _seed(SIGN_IN, _reply("", 429, "Retry-After: 30")),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, NO_REPLY.encode()),
    *(_seed(SIGN_IN, _WARM_UP, _SHOWN, echo) for echo in _ECHOES),
    *(_seed(SIGN_IN, _WARM_UP, _SHOWN, _PIN_PAGE, echo) for echo in _ECHOES),
    _seed(SIGN_IN, _WARM_UP, _SHOWN, _PIN_PAGE, *_ECHOES, _reply(f"<script>window.settings={{}}</script>{_TOKEN}")),
    _seed(RENEW, _DIGEST),
    _seed(RENEW, _reply('{"message":"Unauthenticated."}', 401)),
    _seed(RENEW, _reply(f"<title>{_TOKEN} {_COOKIE}</title>", 500, "Set-Cookie: laravel_session=; Max-Age=0")),
    _seed(RENEW, _reply('{"data":{"token":""}}', 200, "Set-Cookie: a=1; Domain=market-qx.trade; expires=never")),
]  # fmt: skip
DICTIONARY: list[bytes] = [
    *(
        word.encode()
        for word in (
            *("200", "302", "307", "401", "404", "419", "500", NO_REPLY, "\n", "\n\n", "Location: ", "Server: ", "CF-RAY: "),
            *("Set-Cookie: ", "=", "; ", "Max-Age=0", "Domain=", "expires=Thu, 01 Jan 1970 00:00:00 GMT", "Date: ", "Retry-After: "),
            *("https://", "//", "market-qx.trade", "MARKET-QX.TRADE", "evil.example", "@", ":", ":443", ":80", "\\", "/en/trade"),
            *("?", "#", "%2f", "\x00", "\t", "\r", "\xa0", "\u2028", "http:", "javascript:", "[", "]", "..", "\ud7ff", "É"),
            *("<script>", "</script>", "window.settings = ", '{"token":"', '"}', '{"data":', "}", "[" * 2000, "1" * 5000, "1e999"),
            *('<input name="_token" value="', "<input name=keep_code>", "<title>", "</title>", "<!--", "<![CDATA[", "<!DOCTYPE"),
            *('<main class="auth__body"><p>', '<div id="tab-1">', "<form>", "<div>", "</div>", '<div class="hint--danger">'),
            *('<b class="modal-sign__not-avalible">', "&#xd800;", "&lt;", "\\ud800", "\x1b[2J", "\u202e", "<p>" * 500),
            *('"demoBalance":"', '"country":"', '"timeOffset":', '"csrf":"', "Just a moment", "cf-mitigated: challenge"),
            *(_EMAIL, _EMAIL.lower(), _PIN, _TOKEN, _FORM, _COOKIE, *_written(_PASSWORD)),
        )
    ),
    *(SEPARATOR, b"\xff", SIGN_IN, RENEW, _TRADE, _SHOWN, _PIN_PAGE, _DIGEST, *_ECHOES[:2]),
]  # fmt: skip


def run(data: bytes) -> None:
    flow = WEB.renew(_SESSION, ORIGIN) if data[:1] == RENEW else WEB.sign_in(_LOGIN, ORIGIN)
    replies = [_read(piece) for piece in data[1:].split(SEPARATOR)]
    secrets = {_TOKEN, _COOKIE} if data[:1] == RENEW else {_EMAIL, _PASSWORD}
    number = 0
    came: HttpReply | Failure | Secret | None = None
    while not isinstance(wanted := _next(flow, came), WebSession | Failure):
        if isinstance(wanted, Question):
            assert len(wanted.prompt) <= SHOWN
            _may_be_shown(wanted.prompt, secrets)
            came = {WITHOUT_PIN: None, SILENTLY: Failure(kind="local.timeout")}.get(data[:1], Secret(_PIN))
            secrets |= {_PIN} if isinstance(came, Secret) else set()
        else:
            _stays_at_the_origin(wanted)
            secrets |= set(_secrets_in(wanted))
            came = replies[number % len(replies)]
            number += 1
            assert number <= MOST_CALLS
    match wanted:
        case WebSession():
            assert WEB.credentials(wanted, Account.LIVE).token == wanted.token
            won = {wanted.token.reveal(), *(value.reveal() for _, value in wanted.cookies)}
            _may_be_shown(f"{wanted.facts}", secrets | won)
        case Failure():
            assert len(wanted.detail) < 1000
            _may_be_shown(f"{wanted} {wanted!r}", secrets)


def _next(
    flow: Flow[WebSession | Failure], came: HttpReply | Failure | Secret | None
) -> HttpCall | Question | WebSession | Failure:
    try:
        return flow.send(came)
    except StopIteration as end:
        result: WebSession | Failure = end.value
        return result


def _may_be_shown(said: str, secrets: Iterable[str]) -> None:
    assert said.isprintable()
    # A flipped bit can make such an escape end in the digit it was.
    said = re.sub(r"\\+x[0-9a-f]{2}", " ", said)
    for form in (form for secret in secrets for form in _written(secret)):
        assert form not in said or form in _OWN or len(form) < SHORTEST


def _read(piece: bytes) -> HttpReply | Failure:
    head, _, body = piece.partition(b"\n\n")
    status, *lines = head.decode("latin-1").split("\n")
    if status == NO_REPLY:
        return Failure(kind="tcp.timeout", detail="no answer")
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    number = int(status) if re.fullmatch("[1-9][0-9][0-9]", status) else 200
    return HttpReply(url="", status=number, headers=headers, body=body, seconds=0.1)


@lru_cache  # most begin with the same calls
def _stays_at_the_origin(call: HttpCall) -> None:
    """In the eyes of who sends it."""
    request = Exchange(call, _SETTINGS, inf).request
    assert (request.url.scheme, request.url.host, request.url.port) == ("https", "market-qx.trade", None)
    assert request.url.userinfo == b""
    names = [name.lower() for name, _ in call.headers]
    assert len(names) == len(set(names))
    for _, value in request.headers.raw:
        assert value.decode("ascii").isprintable()


def _secrets_in(call: HttpCall) -> Iterator[str]:
    for name, value in (*call.headers, *(call.form or ())):
        if isinstance(value, Secret):
            if name == "Cookie":
                yield from (pair.partition("=")[2] for pair in value.reveal().split("; "))
            else:
                yield value.reveal()
