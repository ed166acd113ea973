"""Signing in and renewing under any pages: they end, in a session or a failure, and what was typed or won stays at the origin."""

import json
from collections.abc import Iterator
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
from probe.wire.calls import HttpCall, HttpReply, Question
from tests.fuzz.credentials import own_words
from tests.fuzz.messages import SEPARATOR

# The first byte says what is asked of the pages, and what of the person; replies follow, used in a circle.
SIGN_IN, WITHOUT_PIN, SILENTLY, RENEW = b"\0", b"\1", b"\2", b"\3"
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
    return secret, escape(secret), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]


_ECHOES = [
    _reply(f"<title>{word} {_EMAIL} {_PIN} {_COOKIE}</title><p class='hint--danger'>no {word}</p>", status)
    for word in _written(_PASSWORD)
    for status in (200, 500)
]


def _seed(flow: bytes, *replies: bytes) -> bytes:
    return flow + SEPARATOR.join(replies)


SEEDS: list[bytes] = [
    _seed(SIGN_IN, *_ENTERED),
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
    _seed(SIGN_IN, _reply("", 429, "Retry-After: 30"), b"-"),
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
            *("200", "302", "307", "401", "404", "419", "500", "-", "\n", "\n\n", "Location: ", "Server: ", "CF-RAY: "),
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
    said, number = "", 0
    came: HttpReply | Failure | Secret | None = None
    while True:
        try:
            wanted = flow.send(came)
        except StopIteration as end:
            won = end.value
            break
        if isinstance(wanted, Question):
            assert len(wanted.prompt) <= SHOWN
            said += wanted.prompt
            came = {WITHOUT_PIN: None, SILENTLY: Failure(kind="local.timeout")}.get(data[:1], Secret(_PIN))
            secrets |= {_PIN} if isinstance(came, Secret) else set()
        else:
            _stays_at_the_origin(wanted)
            secrets |= set(_secrets_in(wanted))
            came = replies[number % len(replies)]
            number += 1
            assert number <= MOST_CALLS
    match won:
        case WebSession():
            assert WEB.credentials(won, Account.LIVE).token == won.token
            secrets |= {won.token.reveal(), *(value.reveal() for _, value in won.cookies)}
            said += f"{won.facts}"
        case Failure():
            assert len(won.detail) < 1000
            said += f"{won} {won!r}"
        case _:
            raise AssertionError(won)
    assert said.isprintable()
    for form in (form for secret in secrets for form in _written(secret)):
        assert form.lower() not in said.lower() or form in _OWN or len(form) < SHORTEST, form


def _read(piece: bytes) -> HttpReply | Failure:
    head, _, body = piece.partition(b"\n\n")
    status, *lines = head.decode("latin-1").split("\n")
    if not (status.isascii() and status.isdigit() and 100 <= int(status[:9]) <= 999):
        return Failure(kind="tcp.timeout", detail="no answer")
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    return HttpReply(url="", status=int(status), headers=headers, body=body, seconds=0.1)


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
