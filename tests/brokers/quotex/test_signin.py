import json
import time
from dataclasses import replace
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers.quotex.credentials import BROWSER, request_headers
from probe.brokers.quotex.pages import Page
from probe.brokers.quotex.signin import PROMPT, WEB
from probe.model.credentials import PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account, Endpoint, read_url
from probe.model.errors import CredentialInvalid
from probe.model.failures import Failure, Speaker
from probe.wire.calls import HttpCall, HttpReply, Question
from tests.brokers.quotex.scripted import Came, Site, drive, redirect, reply, revealed

ORIGIN = "https://market-qx.trade"  # the mirror, because its name holds the word that tells success
TOKEN = "Vb3kQ9xTz1LmN7pRw5sYd2fGh8jKc4aEu6oSiXqB"
NEWER = "Zz9kQ9xTz1LmN7pRw5sYd2fGh8jKc4aEu6oSiXq0"
EMAIL, PASSWORD, PIN = "Someone@Example.org", "pa55-word;é", "918273"
FORM_TOKEN, FRESH_TOKEN = "form-token-planted-1", "form-token-planted-2"
SECRETS = (
    TOKEN,
    NEWER,
    EMAIL,
    EMAIL.lower(),
    PASSWORD,
    PIN,
    FORM_TOKEN,
    FRESH_TOKEN,
    "cookie-planted",
    "nick-planted",
)
LOGIN = PasswordLogin(broker="quotex", user=Secret(EMAIL), password=Secret(PASSWORD), account=Account.DEMO)
HTML = ("Content-Type", "text/html")

FORM = f"""<!doctype html><html><head><title>Log in</title></head><body>
<div id="tab-2"><form action="/en/sign-up/"><input name="email"></form></div>
<div id="tab-1"><form action="/en/sign-in/"><input type="hidden" name="_token" value="{FORM_TOKEN}">
<div><input name="email"></div><div><input name="password" type=password></div></form></div></body></html>"""
PIN_PAGE = f"""<title>Log in</title><p>Menu</p><main class="page auth__body"><p> Please enter the PIN-code
we've just sent to <b>{EMAIL.lower()}</b></p><form><input name=_token value="{FRESH_TOKEN}">
<input type=hidden name=keep_code value=1><input name=code></form></main>"""
SETTINGS = json.dumps({"token": TOKEN, "csrf": "c", "text": "a;b</p>"})
TRADE = f"""<html><head><title>Trading</title><script>var a = "window"; window.other = {{}};</script>
<script type="text/javascript">window.settings = {SETTINGS}; window.more = 1;</script></head></html>"""
DIGEST = {
    "id": 4711,
    "nickname": "nick-planted",
    "email": EMAIL,
    "country": "BR",
    "currencyCode": "USD",
    "demoBalance": "10000.00",
    "liveBalance": "0",
    "timeOffset": -10800,
    "token": TOKEN,
}
SOCKET = read_url("wss://ws2.qxbroker.com/")


def digest(**changed: object) -> HttpReply:
    return reply(json.dumps({"data": DIGEST | changed}))


def cookie(line: str) -> tuple[str, str]:
    return ("Set-Cookie", line)


def site(**changed: Came | list[Came]) -> Site:
    """The whole way in; names in `changed` are those of its pages."""
    pages: dict[str, Came | list[Came]] = {
        "warm_up": reply("", headers=(HTML, cookie("laravel_session=cookie-planted-1; path=/; httponly"))),
        "form": reply(FORM, headers=(HTML,)),
        "post": redirect("/en/trade", headers=(cookie("remember_web_ab=cookie-planted-2; Path=/"),)),
        "pin": redirect("/en/trade"),
        "trade": reply(TRADE),
        "demo": reply(TRADE),
        "digest": digest(),
    } | changed
    return Site(
        ORIGIN,
        {
            "GET /en/sign-in": pages["warm_up"],
            "GET /en/sign-in/modal/": pages["form"],
            "POST /en/sign-in/": pages["post"],
            "POST /en/sign-in/modal": pages["pin"],
            "GET /en/trade": pages["trade"],
            "GET /en/demo-trade": pages["demo"],
            "GET /api/v1/cabinets/digest": pages["digest"],
        }
        | {path: page for path, page in pages.items() if path.startswith("GET ")},
    )


def signed_in(pages: Site, *, pin: str | None = None, login: PasswordLogin = LOGIN) -> WebSession:
    won = drive(WEB.sign_in(login, ORIGIN), pages, lambda _: Secret(pin) if pin is not None else None)
    assert isinstance(won, WebSession), won
    assert not any(secret in f"{won!r} {won.facts}" for secret in SECRETS)
    return won


def refused(pages: Site, *, pin: str | None = None, login: PasswordLogin = LOGIN) -> Failure:
    failure = drive(WEB.sign_in(login, ORIGIN), pages, lambda _: Secret(pin) if pin is not None else None)
    assert isinstance(failure, Failure), failure
    said = f"{failure} {failure!r} {failure.detail}"
    assert not any(secret in said for secret in SECRETS), said
    return failure


# -- the way in ---------------------------------------------------------------------------------------------------------


def test_signing_in_goes_the_way_a_browser_goes() -> None:
    pages = site()

    won = signed_in(pages)

    assert pages.trail == [
        "GET /en/sign-in",
        "GET /en/sign-in/modal/",
        "POST /en/sign-in/",
        "GET /en/trade",
        "GET /en/demo-trade",
        "GET /api/v1/cabinets/digest",
    ]
    assert (won.token.reveal(), won.key, won.user_agent) == (TOKEN, LOGIN.key, BROWSER)
    assert [(name, value.reveal()) for name, value in won.cookies] == [
        ("laravel_session", "cookie-planted-1"),
        ("remember_web_ab", "cookie-planted-2"),
    ]
    assert won.facts == (
        ("currency", "USD"),
        ("demo balance", "10000.00"),
        ("live balance", "0"),
        ("time offset", "-10800 s"),
        ("country", "BR"),
    )


def test_the_form_is_what_the_page_and_the_person_gave() -> None:
    pages = site()

    signed_in(pages)

    post = pages.calls[2]
    assert revealed(post.form) == {
        "_token": FORM_TOKEN,
        "email": EMAIL,
        "password": PASSWORD,
        "remember": "1",
    }
    headers = revealed(post.headers)
    assert (headers["Referer"], headers["Origin"]) == (f"{ORIGIN}/en/sign-in", ORIGIN)
    assert headers["Cookie"] == "laravel_session=cookie-planted-1"
    assert not any(secret in repr(pages.calls) for secret in SECRETS)


def test_every_call_names_one_browser_and_no_header_twice() -> None:
    pages = site()

    signed_in(pages)

    for call in pages.calls:
        names = [name.lower() for name, _ in call.headers]
        assert len(names) == len(set(names))
        assert revealed(call.headers)["User-Agent"] == BROWSER


def test_a_live_account_needs_no_other_page_than_the_one_signing_in_leads_to() -> None:
    pages = site()

    signed_in(pages, login=replace(LOGIN, account=Account.LIVE))

    assert pages.trail[3:] == ["GET /en/trade", "GET /api/v1/cabinets/digest"]


def test_the_digest_only_adds_to_what_was_won() -> None:
    for came in (
        reply("", 500),
        reply("", 401),
        reply("[1]"),
        Failure(kind="tcp.timeout"),
        digest(token=None),
    ):
        won = signed_in(site(digest=came))

        assert (won.token.reveal(), won.facts) == (TOKEN, ())


def test_the_newest_token_counts() -> None:
    assert signed_in(site(digest=digest(token=NEWER))).token.reveal() == NEWER


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"currencyCode": "evil<script>"}, "currency"),
        ({"demoBalance": "1e9"}, "demo balance"),
        ({"liveBalance": None}, "live balance"),
        ({"timeOffset": "x" * 100}, "time offset"),
        ({"country": [1]}, "country"),
    ],
)
def test_facts_that_cannot_be_true_are_left_out(changed: dict[str, object], expected: str) -> None:
    assert expected not in dict(signed_in(site(digest=digest(**changed))).facts)


def test_the_csrf_value_of_the_settings_stands_in_for_a_form_field() -> None:
    pages = site(form=reply(f'<script>window.settings={{"csrf":"{FORM_TOKEN}"}}</script>'))

    signed_in(pages)

    assert revealed(pages.calls[2].form)["_token"] == FORM_TOKEN


# -- the PIN ------------------------------------------------------------------------------------------------------------


def test_a_pin_is_asked_for_in_the_words_of_the_page_and_sent_with_its_fresh_token() -> None:
    pages, asked = site(post=reply(PIN_PAGE)), []

    def answer(question: Question) -> Secret:
        asked.append(question.prompt)
        return Secret(f" {PIN[:3]} {PIN[3:]}\n")

    won = drive(WEB.sign_in(LOGIN, ORIGIN), pages, answer)

    assert isinstance(won, WebSession)
    assert asked == ["Please enter the PIN-code we've just sent to ***"]
    post = pages.calls[3]
    assert pages.trail[3] == "POST /en/sign-in/modal"
    assert revealed(post.form) == {
        "_token": FRESH_TOKEN,
        "email": EMAIL,
        "password": PASSWORD,
        "remember": "1",
        "keep_code": "1",
        "code": PIN,
    }
    assert revealed(post.headers)["Referer"] == f"{ORIGIN}/en/sign-in/modal"


def test_a_pin_page_without_words_is_asked_about_in_ours() -> None:
    page = f'<input name="keep_code"><input name="_token" value="{FRESH_TOKEN}">'
    asked = []

    drive(WEB.sign_in(LOGIN, ORIGIN), site(post=reply(page)), lambda question: asked.append(question.prompt))

    assert asked == [PROMPT]


@pytest.mark.parametrize("pin", [None, "", " \n"])
def test_a_pin_nobody_gives_ends_the_sign_in(pin: str | None) -> None:
    pages = site(post=reply(PIN_PAGE))

    assert refused(pages, pin=pin).kind == "login.pin-wanted"
    assert pages.trail[-1] == "POST /en/sign-in/"


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (f'<div class="hint hint--danger">Wrong PIN {PIN}</div>', "it says 'Wrong PIN ***'"),
        ("", "it asks for a PIN again"),
    ],
)
def test_a_wrong_pin_is_told_from_a_missing_one(hint: str, words: str) -> None:
    failure = refused(site(post=reply(PIN_PAGE), pin=reply(PIN_PAGE + hint)), pin=PIN)

    assert failure.kind == "login.pin-refused"
    assert words in failure.detail


def test_a_short_pin_is_not_repeated_either() -> None:
    hint = '<div class="hint--danger">4711 is wrong</div>'

    failure = refused(site(post=reply(PIN_PAGE), pin=reply(PIN_PAGE + hint)), pin="4711")

    assert "it says '*** is wrong'" in failure.detail


SPOKEN = 'Pa55 "word&<;\u00e9'  # with a sign for every way of writing it


@pytest.mark.parametrize(
    "written",
    [SPOKEN, escape(SPOKEN), quote(SPOKEN), quote_plus(SPOKEN), json.dumps(SPOKEN)[1:-1]],
    ids=["as it is", "in HTML", "in an address", "in a form", "in JSON"],
)
@pytest.mark.parametrize("status", [200, 500])
def test_a_title_that_repeats_the_password_does_not_make_us_show_it(written: str, status: int) -> None:
    page = reply(f"<title>who has {written}</title>", status)

    failure = refused(site(post=page), login=replace(LOGIN, password=Secret(SPOKEN)))

    assert "page title 'who has ***'" in failure.detail


def test_a_host_that_repeats_the_password_does_not_make_us_show_it() -> None:
    pages = site(post=redirect("https://Pa55Word.evil.example/"))

    failure = refused(pages, login=replace(LOGIN, password=Secret("Pa55Word")))

    assert "it leads to https://***.evil.example" in failure.detail


def test_a_balance_that_repeats_the_pin_does_not_make_us_show_it() -> None:
    pages = site(post=reply(PIN_PAGE), digest=digest(demoBalance=PIN))

    assert dict(signed_in(pages, pin=PIN).facts)["demo balance"] == "***"


@pytest.mark.parametrize("status", [200, 403])
def test_a_title_that_repeats_a_short_pin_does_not_make_us_show_it(status: int) -> None:
    pages = site(post=reply(PIN_PAGE), pin=reply("<title>4711 of pa4711ss</title>", status))

    failure = refused(pages, pin="4711", login=replace(LOGIN, password=Secret("pa4711ss")))

    assert "page title '*** of ***'" in failure.detail


# -- refusals -----------------------------------------------------------------------------------------------------------

TAB = '<div id="tab-1"><form><div>E-mail</div><div><div>{}</div></div></form></div>'


@pytest.mark.parametrize(
    "page",
    [
        FORM.replace("</form></div></body>", '<div class="hint hint--danger">{}</div></form></div></body>'),
        '<div class="input-control-cabinet__hint">{}</div>',
        TAB,
    ],
)
@pytest.mark.parametrize("way", ["at once", "by a redirect"])
def test_refused_credentials_are_told_in_the_words_of_the_page(page: str, way: str) -> None:
    told = reply(page.replace("{}", f"No account {EMAIL} &amp; {PASSWORD}\n  found"))
    warm_up = site().pages["GET /en/sign-in"]
    assert isinstance(warm_up, HttpReply)
    pages = (
        site(post=told) if way == "at once" else site(post=redirect("/en/sign-in"), warm_up=[warm_up, told])
    )

    failure = refused(pages)

    assert failure.kind == "login.refused"
    assert "answer to the password: it says 'No account *** & *** found'" in failure.detail


def test_words_of_a_page_are_shortened_and_made_printable() -> None:
    failure = refused(site(post=reply(f'<p class="hint--danger">\x1b[2J{"no " * 5000}</p>')))

    assert failure.detail.isprintable()
    assert len(failure.detail) < 300


@pytest.mark.parametrize("where", ["form", "post"])
def test_a_region_page_is_named_with_its_title(where: str) -> None:
    page = (
        '<title>Quotex</title><div class="modal-sign__not-avalible"><div class="modal-sign__not-avalible__title">'
        "Not available<br>in your region</div></div>"
    )

    failure = refused(site(**{where: reply(page)}))

    assert failure.kind == "login.region"
    assert "it says 'Not available in your region'" in failure.detail


CHALLENGE = "<html><head><title>Just a moment...</title></head></html>"
EDGE = (("Server", "cloudflare"), ("CF-RAY", "8f1e2d3c4b5a6978-FRA"))


@pytest.mark.parametrize("stage", ["warm_up", "form", "post", "demo"])
@pytest.mark.parametrize(
    "page",
    [
        reply(CHALLENGE, 403, (*EDGE, ("cf-mitigated", "challenge"))),
        reply("", 403, (("CF-Mitigated", "challenge"),)),
        reply(CHALLENGE, 200, EDGE),
        reply(CHALLENGE, 503, EDGE),
    ],
    ids=["header and title", "header", "200", "503"],
)
def test_a_challenge_is_known_at_every_stage(stage: str, page: HttpReply) -> None:
    failure = refused(site(**{stage: page}))

    assert (failure.kind, failure.http_status) == ("http.cf-challenge", page.status)


@pytest.mark.parametrize(
    ("page", "kind", "words"),
    [
        (reply("", 429, (("Retry-After", "30"),)), "http.429", "sign-in form: HTTP 429"),
        (reply("<title>Bad gateway</title>", 502, EDGE), "http.bad-gateway", "page title 'Bad gateway'"),
        (reply("", 403), "http.403", "sign-in form: HTTP 403"),
        (reply("", 404), "login.page-changed", "sign-in form: HTTP 404"),
        (reply("", 419), "login.page-changed", "sign-in form: HTTP 419"),
        (
            reply("<title>Maintenance</title><form></form>"),
            "login.page-changed",
            "sign-in form: it has no form token (_token); what came is /en/sign-in/modal/, page title 'Maintenance'",
        ),
        (Failure(kind="tls.unknown-ca", detail="x"), "tls.unknown-ca", "sign-in form: x"),
        (Failure(kind="dns.nxdomain"), "dns.nxdomain", "sign-in form"),
    ],
)
def test_a_failed_stage_is_named_with_what_came_instead(page: Came, kind: str, words: str) -> None:
    failure = refused(site(form=page))

    assert failure.kind == kind
    assert words in failure.detail


def test_the_wait_that_a_server_asks_for_is_kept() -> None:
    assert refused(site(post=reply("", 429, (("Retry-After", "30"),)))).retry_after_seconds == 30.0


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (reply("<title>Hm</title>"), "no script in it assigns window.settings; what came is /en/demo-trade"),
        (reply("<script>window.settings = {token: 1};</script>"), "is no JSON"),
        (reply("<script>window.settings = [1];</script>"), "is no object"),
        (reply('<script>window.settings = {"token": null};</script>'), "window.settings holds no token"),
        (reply('<script>window.settings = {"token": "a b"};</script>'), "window.settings holds no token"),
        (reply(f"<script>window.settings = {'[' * 10_000}</script>"), "is no JSON"),
        (redirect("/en/sign-in"), "what came is /en/sign-in"),
    ],
)
def test_a_trade_page_without_a_token_says_what_is_missing(page: Came, words: str) -> None:
    failure = refused(site(demo=page))

    assert failure.kind == "login.page-changed"
    assert failure.detail.startswith("trade page: ")
    assert words in failure.detail


def test_an_answer_that_is_neither_success_nor_error_is_a_changed_page() -> None:
    """The host's own name holds the word that tells success; only the path counts."""
    failure = refused(site(post=reply("<title>Welcome</title>")))

    assert failure.kind == "login.page-changed"
    assert "answer to the password: it leads to no trade page and says nothing of why" in failure.detail


# -- redirects and cookies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://evil.example/en/trade", "https://evil.example"),
        ("//evil.example/en/trade", "https://evil.example"),
        ("https://www.market-qx.trade/en/trade", "https://www.market-qx.trade"),
        ("http://market-qx.trade/en/trade", "http://market-qx.trade over unencrypted http"),
        ("http://market-qx.trade:443/en/trade", "http://market-qx.trade:443 over unencrypted http"),
        ("https://market-qx.trade:80/en/trade", "https://market-qx.trade:80"),
        ("https://market-qx.trade:8443/en/trade", "https://market-qx.trade:8443"),
        (f"https://{EMAIL.lower()}@market-qx.trade/en/trade", "https://market-qx.trade"),
        ("javascript:alert(1)", "an address that is none"),
        ("https://[", "an address that is none"),
        ("/en/trade\x00", "https://market-qx.trade"),
    ],
)
@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_to_elsewhere_gets_neither_form_nor_cookies(
    location: str, where: str, status: int
) -> None:
    pages = site(post=redirect(location, status))

    failure = refused(pages)

    assert failure.kind == "http.redirect"
    assert (
        failure.detail == f"answer to the password: it leads to {where}, where nothing of the login is sent"
    )
    assert pages.trail[-1] == "POST /en/sign-in/"


@pytest.mark.parametrize(
    ("status", "method", "has_form"),
    [(301, "GET", False), (302, "GET", False), (303, "GET", False), (307, "POST", True)],
)
def test_a_redirect_within_the_host_is_followed_as_browsers_do(
    status: int, method: str, has_form: bool
) -> None:
    pages = site(post=redirect(f"{ORIGIN.upper().replace('HTTPS', 'https')}/pt/trade?x=1#top", status))
    pages.pages[f"{method} /pt/trade"] = reply(TRADE)

    won = drive(
        WEB.sign_in(LOGIN, ORIGIN),
        lambda call: pages(replace(call, url=call.url.replace(ORIGIN[8:].upper(), ORIGIN[8:]))),
    )

    assert isinstance(won, WebSession)
    assert pages.trail[3] == f"{method} /pt/trade?x=1"
    assert (pages.calls[3].form is not None) is has_form


@pytest.mark.parametrize("origin", [ORIGIN, f"{ORIGIN}:443"])
@pytest.mark.parametrize("location", [f"{ORIGIN}/en/trade", f"{ORIGIN}:443/en/trade"])
def test_a_redirect_may_name_the_schemes_own_port(origin: str, location: str) -> None:
    pages = site(post=redirect(location))

    won = drive(
        WEB.sign_in(LOGIN, origin), lambda call: pages(replace(call, url=call.url.replace(":443", "")))
    )

    assert isinstance(won, WebSession)


def test_redirects_in_a_circle_come_to_an_end() -> None:
    pages = site(warm_up=redirect("/en/sign-in"))

    assert refused(pages).detail == "sign-in page: 8 redirects led to no page"
    assert len(pages.calls) == 8


def cookies_after(*lines: str, headers: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
    set_by = tuple(cookie(line) for line in lines)
    won = signed_in(site(form=reply(FORM, headers=(*headers, *set_by))))
    return {
        name: value.reveal() for name, value in won.cookies if not value.reveal().startswith("cookie-planted")
    }


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a=1", "b=2; Domain=market-qx.trade"], {"a": "1", "b": "2"}),
        (["a=1; domain=.market-qx.trade", "a=2; Max-Age=60"], {"a": "2"}),
        (["a=1; Domain=evil.example", "b=2; Domain=x.market-qx.trade"], {}),
        (["a=1", "a=; Max-Age=0"], {}),
        (["a=1", "a=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"], {}),
        (["a=1", "a=2; expires=Tue, 01 Jan 2030 00:00:00 GMT"], {"a": "2"}),
        (["a=1", "a=2; expires=Mon, 01 Jan 2024 00:00:00 GMT"], {}),
        (["a=1; expires=Mon, 01 Jan 2024 00:00:00 GMT; max-age=9"], {"a": "1"}),
        (["a=1; expires=never"], {"a": "1"}),
        (["a=b=c; Secure", "nonsense", "=x", "b\x00=1", "c=é", ""], {"a": "b=c"}),
        (["laravel_session=; Max-Age=-1"], {}),
    ],
)
def test_cookies_are_kept_and_deleted_as_the_server_says(lines: list[str], expected: dict[str, str]) -> None:
    assert cookies_after(*lines, headers=(("Date", "Sat, 01 Nov 2025 12:00:00 GMT"),)) == expected


def test_a_server_that_sets_cookies_without_end_does_not_fill_our_memory() -> None:
    assert len(cookies_after(*(f"c{number}=1" for number in range(500)))) == 63


# -- renewal ------------------------------------------------------------------------------------------------------------

SESSION = WebSession(
    origin="https://qxbroker.com",
    broker="quotex",
    key=LOGIN.key,
    token=Secret(TOKEN),
    cookies=(("laravel_session", Secret("cookie-planted-1")),),
    user_agent="Mozilla/5.0 (own)",
)


def renewed(came: Came) -> tuple[WebSession | Failure, Site]:
    pages = site(digest=came)
    won = drive(WEB.renew(SESSION, ORIGIN), pages)
    assert not any(secret in f"{won!r} {won}" for secret in SECRETS)
    return won, pages


@pytest.mark.parametrize("token", [TOKEN, NEWER])
def test_a_renewal_is_one_call_with_the_cookies_of_the_session(token: str) -> None:
    came = replace(digest(token=token), headers=(cookie("laravel_session=cookie-planted-9"),))

    won, pages = renewed(came)

    assert isinstance(won, WebSession)
    assert (won.token.reveal(), won.key, won.user_agent) == (token, LOGIN.key, "Mozilla/5.0 (own)")
    assert won.cookies == (("laravel_session", Secret("cookie-planted-9")),)
    assert pages.trail == ["GET /api/v1/cabinets/digest"]
    headers = revealed(pages.calls[0].headers)
    assert (headers["Cookie"], headers["User-Agent"], headers["Accept"]) == (
        "laravel_session=cookie-planted-1",
        "Mozilla/5.0 (own)",
        "application/json",
    )


@pytest.mark.parametrize(
    ("came", "kind"),
    [
        (reply('{"message":"Unauthenticated."}', 401), "login.signed-out"),
        (reply('{"message":"Unauthenticated."}'), "login.signed-out"),
        (redirect("/en/sign-in"), "login.signed-out"),
        (reply(CHALLENGE, 403, (("cf-mitigated", "challenge"),)), "http.cf-challenge"),
        (reply("", 429), "http.429"),
        (reply("", 404), "login.page-changed"),
        (reply("<html>"), "login.page-changed"),
        (reply("[" * 100_000), "login.page-changed"),
        (reply('{"data":{"token":""}}'), "login.page-changed"),
        (reply('{"data":[]}'), "login.page-changed"),
        (reply(b"\xff\xfe"), "login.page-changed"),
        (Failure(kind="tcp.refused", spoke_last=Speaker.REMOTE), "tcp.refused"),
    ],
)
def test_a_renewal_that_fails_says_why(came: Came, kind: str) -> None:
    failure, _ = renewed(came)

    assert isinstance(failure, Failure)
    assert failure.kind == kind
    assert failure.detail.startswith("account digest")


def test_a_cookie_that_was_taken_back_is_still_not_shown() -> None:
    took_back = cookie("laravel_session=; Max-Age=0")

    failure, _ = renewed(reply("<title>cookie-planted-1</title>", 500, (took_back,)))

    assert isinstance(failure, Failure)
    assert "page title '***'" in failure.detail


def test_a_session_becomes_a_credential_of_the_chosen_account() -> None:
    won = signed_in(site())

    read = WEB.credentials(won, Account.LIVE)

    assert read.frame.reveal() == f'42["authorization",{{"session":"{TOKEN}","isDemo":0,"tournamentId":0}}]'
    assert (read.token, read.account, read.cookies) == (won.token, Account.LIVE, won.cookies)
    assert read.facts[:2] == (("account", "real, as chosen"), ("currency", "USD"))
    assert request_headers(read, SOCKET)[1:] == (
        ("User-Agent", BROWSER),
        ("Cookie", "laravel_session=cookie-planted-1; remember_web_ab=cookie-planted-2"),
    )


# -- what is asked of a person, and of an address -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "account"),
    [
        ({}, Account.DEMO),
        ({"account": "demo"}, Account.DEMO),
        ({"account": "Live"}, Account.LIVE),
        ({"isDemo": 0}, Account.LIVE),
        ({"isDemo": True}, Account.DEMO),
    ],
)
def test_an_email_and_a_password_are_a_login(extra: dict[str, object], account: Account) -> None:
    text = json.dumps({"email": f" {EMAIL}", "password": " spaced "} | extra)

    login = WEB.read_login(f"\ufeff{text}\n")

    assert login is not None
    assert (login.user.reveal(), login.password.reveal(), login.account) == (EMAIL, " spaced ", account)
    assert EMAIL not in repr(login)


@pytest.mark.parametrize(
    "text", ["", TOKEN, "{}", '{"email":"a@b"}', '42["authorization",{"session":"x"}]', "password: x", "[1]"]
)
def test_other_texts_are_no_login(text: str) -> None:
    assert WEB.read_login(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"password":"pa55-word"}', "it has no email"),
        ('{"email":"nobody","password":"pa55-word"}', "its email is no e-mail address"),
        ('{"email":"a@b\\r\\n","password":""}', "its password is empty, or no text in quotes"),
        ('{"email":"a@b","password":55}', "its password is empty, or no text in quotes"),
        ('{"email":"a@b","password":"pa55-word","account":"both"}', "its account is neither demo nor live"),
        ('{"email":"a@b","password":"pa55-word","isDemo":2}', "its isDemo is neither 0 nor 1"),
        ('{"email":"a@b","password":"pa55-word"', "it is no JSON object, or not the whole of one"),
        ('{"email":"a@b","password":"pa55-word"} {}', "it is no JSON object, or not the whole of one"),
        ('{"email":"a@b","password":"pa55-w\udc80rd"}', "is half of a character pair"),
        ('{"email":"a\\ud800@b","password":"pa55-word"}', "an escape in it stands for no character"),
        ('{"email":"a@b","password":"pa55-word\\u0000"}', "an escape in it stands for no character"),
    ],
)
def test_a_damaged_login_is_refused_in_words_without_it(text: str, words: str) -> None:
    with pytest.raises(CredentialInvalid) as refusal:
        WEB.read_login(text)

    assert words in refusal.value.problem
    assert refusal.value.__context__ is None
    assert "pa55" not in f"{refusal.value} {refusal.value!r}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://ws2.qxbroker.com/socket.io/?EIO=3&transport=websocket", "https://qxbroker.com"),
        ("wss://ws.qxbroker.com/socket.io/", "https://qxbroker.com"),
        ("wss://ws2.sim.test:8443/", "https://sim.test:8443"),
        ("wss://localhost:9001/", "https://localhost:9001"),
        ("ws://127.0.0.1:9001/socket.io/", "http://127.0.0.1:9001"),
        ("ws://[::1]:9001/", "http://[::1]:9001"),
        ("ws://ws2/", "http://ws2"),
        ("wss://ws20.example/", "https://ws20.example"),
    ],
)
def test_the_pages_of_a_socket_are_at_its_host_without_the_label(url: str, expected: str) -> None:
    assert WEB.origin(Endpoint(broker="quotex", region="x", url=url, account=Account.DEMO)) == expected


# -- hostile pages ------------------------------------------------------------------------------------------------------

SCRAPS = st.sampled_from(
    [
        *"<>/\"'=;&! \n\0é",
        *("<!--", "-->", "<![CDATA[", "<![x[", "]]>", "<?", "<!DOCTYPE", "&#x110000;", "&amp"),
        *(
            "<script>",
            "</script>",
            "window.settings",
            "=",
            '{"token":',
            f'"{NEWER}"',
            "}",
            "[" * 2000,
            "1" * 5000,
        ),
        *('<input name="_token" value="abcdefghij">', "<input name=keep_code>", '<div id="tab-1">', "<form>"),
        *("<main class=auth__body>", "<p>", "</p>", "<div>", "</div>", '<div class="hint--danger">', "word"),
        *('<b class="modal-sign__not-avalible">', '<b class="modal-sign__not-avalible__title">', "<title>"),
    ]
)
BODIES = st.binary(max_size=200) | st.lists(SCRAPS, max_size=30).map(lambda scraps: "".join(scraps).encode())
LOCATIONS = st.sampled_from(["/en/trade", "/en/sign-in", "//x", "https://[", "", "?", "\x00", "é"]) | st.text(
    max_size=20
)
REPLIES = st.builds(
    lambda body, status, headers: reply(body, status, tuple(headers)),
    BODIES,
    st.sampled_from([200, 200, 200, 200, 204, 302, 307, 401, 403, 404, 419, 429, 500, 999]),
    st.lists(
        st.tuples(st.just("Location"), LOCATIONS)
        | st.tuples(
            st.just("Set-Cookie"),
            st.text(max_size=30)
            | st.sampled_from(["a=1", "a=; expires=x, 99 y", "a=1; max-age=" + "9" * 5000]),
        )
        | st.tuples(st.just("Retry-After"), st.text("0123456789², ", max_size=12)),
        max_size=3,
    ),
)


@given(replies=st.lists(REPLIES, min_size=1, max_size=5), data=st.data())
@settings(max_examples=200)
def test_whatever_pages_come_signing_in_ends_in_a_session_or_a_failure(
    replies: list[HttpReply], data: st.DataObject
) -> None:
    calls = 0
    good = site()

    def respond(call: HttpCall) -> Came:
        nonlocal calls
        calls += 1
        assert calls < 60
        if data.draw(st.booleans()):
            path = call.url.removeprefix(ORIGIN).partition("?")[0]
            page = good.pages.get(f"{call.method} {path}")
            return page if isinstance(page, HttpReply) else reply("")
        return replies[calls % len(replies)]

    for flow in (WEB.sign_in(LOGIN, ORIGIN), WEB.renew(SESSION, ORIGIN)):
        won = drive(flow, respond, lambda _: Secret(PIN))
        assert isinstance(won, WebSession | Failure)
        said = f"{won} {won!r}"
        assert said.isprintable()
        assert not any(secret in said for secret in SECRETS if secret != NEWER)  # which only the pages know


HALF = 512 * 1024
HOSTILE = [
    "<" * HALF,
    "<a" * (HALF // 2),
    "<!--" * (HALF // 4),
    "<p>" * (HALF // 3),
    "<main class=auth__body>" + "<p>" * 19_000,
    "</b>" * (HALF // 4),
    "<div>" * 5_000 + "</b>" * (HALF // 5),
    "<div a='" * (HALF // 8),
    "<script>" + "</" * (HALF // 2),
    "<script>" + "window.settings={" * (HALF // 17) + "</script>",
    '<script>window.settings={"a":[' + "1," * (HALF // 2) + "</script>",
    "<script>window.settings" + " " * HALF + "</script>",
    "&#" * (HALF // 2) + ";",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_longest_hostile_pages_are_read_in_linear_time(text: str) -> None:
    started = time.thread_time()
    page = Page(text.encode())
    page.form_token()
    page.wants_pin()
    page.pin_prompt()
    page.error()
    page.region_block()

    assert time.thread_time() - started < 3.0  # a quadratic reader takes minutes
