import json

import pytest

from probe.brokers.crypto.cookie import issued, issued_at, unsendable
from probe.brokers.crypto.dialect import Dialect
from probe.brokers.crypto.signin import web_of
from probe.model.credentials import PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account, Endpoint
from probe.model.failures import Failure
from probe.model.meanings import Effect
from probe.wire.calls import Flow, HttpCall, HttpReply
from tests.brokers.crypto.asked import BASE, SLOW, Came, Watched, lines, pages, recorded, reply

EMAIL, PASSWORD = "a@b.co", "pa55-word-planted"
LOGIN = PasswordLogin(broker="crypto", user=Secret(EMAIL), password=Secret(PASSWORD), account=Account.NONE)
WEB = web_of(Dialect())
DEFAULT, PRODUCTION, CLEARED = lines("cookies.txt")
SIGNED_IN = reply(recorded("POST", "/signin", 200), set_cookie=PRODUCTION)


def drive(flow: Flow[WebSession | Failure], *replies: Came) -> tuple[WebSession | Failure, list[HttpCall]]:
    calls: list[HttpCall] = []
    came: Came | None = None
    coming = iter(replies)
    while True:
        try:
            call = flow.send(came)
        except StopIteration as end:
            outcome: WebSession | Failure = end.value
            return outcome, calls
        assert isinstance(call, HttpCall)
        calls.append(call)
        came = next(coming)


def won(answer: HttpReply = SIGNED_IN) -> WebSession:
    session, _ = drive(WEB.sign_in(LOGIN, BASE), answer)
    assert isinstance(session, WebSession)
    return session


def test_a_password_becomes_a_cookie_and_its_attributes_are_facts() -> None:
    session, (call,) = drive(WEB.sign_in(LOGIN, BASE), SIGNED_IN)
    assert isinstance(session, WebSession)
    assert (call.method, call.url) == ("POST", f"{BASE}/signin")
    assert call.json == {"email": Secret(EMAIL), "password": Secret(PASSWORD)}
    assert session.token.reveal().startswith("eyJ1c2Vy")
    assert dict(session.facts) == {
        "cookie attributes": "path=/; max-age=1209600; httponly; samesite=none; secure",
        "cookie lives": "14 days",
    }
    credentials = WEB.credentials(session, Account.NONE)
    assert credentials.token == session.token
    assert session.token.reveal() not in f"{session!r}{credentials!r}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(recorded("POST", "/signin", 401), 401), "login.refused"),
        (reply(recorded("POST", "/signin", 403), 403), "login.refused"),
        (reply({"detail": "Not Found"}, 404), "login.page-changed"),
        (reply({"detail": [{"msg": "Field required"}]}, 422), "login.page-changed"),
        (reply({"detail": "Too many requests"}, 429, retry_after="60"), "http.429"),
        (reply("Internal Server Error", 500), "http.other-status"),
        (reply("", 302, location="https://elsewhere.test/"), "http.redirect"),
        (reply({"message": "Signed in"}), "login.page-changed"),
        (reply({"message": "Signed in"}, set_cookie=CLEARED), "login.page-changed"),
        (SLOW, "http.open-timeout"),
    ],
)
def test_why_no_session_came_is_told_without_the_password(answer: Came, kind: str) -> None:
    outcome, _ = drive(WEB.sign_in(LOGIN, BASE), answer)
    assert isinstance(outcome, Failure)
    assert outcome.kind == kind
    assert PASSWORD not in str(outcome)


def test_words_that_repeat_the_password_are_cut_out() -> None:
    outcome, _ = drive(WEB.sign_in(LOGIN, BASE), reply({"detail": f"wrong: {PASSWORD}"}, 401))
    assert "wrong: ***" in str(outcome)


def test_a_cookie_of_another_name_is_named() -> None:
    outcome, _ = drive(WEB.sign_in(LOGIN, BASE), reply({}, set_cookie="sid=abcdefghijklmnop; path=/"))
    assert "but sid: choose its name" in str(outcome)
    outcome, _ = drive(
        web_of(Dialect(cookie_name="sid")).sign_in(LOGIN, BASE),
        reply({}, set_cookie="sid=abcdefghijklmnop; path=/"),
    )
    assert isinstance(outcome, WebSession)


def test_a_session_is_renewed_by_the_password_alone() -> None:
    outcome, calls = drive(WEB.renew(won(), BASE))
    assert isinstance(outcome, Failure)
    assert (outcome.kind, calls) == ("login.stale-token", [])


def test_the_origin_keeps_what_stands_before_the_paths() -> None:
    endpoint = Endpoint(broker="crypto", region="x", url="http://b.test:8000/api/", account=Account.NONE)
    assert WEB.origin(endpoint) == "http://b.test:8000/api"


@pytest.mark.parametrize(
    ("line", "base", "effect"),
    [
        (PRODUCTION, BASE, None),
        (DEFAULT, BASE, Effect.NOTED),  # it would also go out unencrypted
        (DEFAULT, "http://backend.test", None),
        (PRODUCTION, "http://backend.test", Effect.DEGRADES),
        (f"{PRODUCTION}; domain=app.test", BASE, Effect.DEGRADES),
        (PRODUCTION.replace("path=/;", "path=/signin;"), BASE, Effect.DEGRADES),
        (DEFAULT.replace("httponly; ", ""), BASE, Effect.NOTED),
    ],
)
def test_attributes_that_keep_browsers_out_are_told(line: str, base: str, effect: Effect | None) -> None:
    session = won(reply({}, set_cookie=line))
    credentials = WEB.credentials(session, Account.NONE)
    watched = Watched(pages(), credentials=credentials, base=base).run(5.0)
    assert [(row.code, row.effect) for row in watched.troubles()] == [
        ("crypto.session-cookie", effect) for _ in range(effect is not None)
    ]


def test_a_session_whose_time_is_over_has_expired_for_certain() -> None:
    session = won(reply({}, set_cookie="session=0123456789abcdef; Max-Age=60; path=/; httponly; secure"))
    served = pages()
    watched = Watched(served, credentials=WEB.credentials(session, Account.NONE)).run(59.0)
    assert watched.codes() == ["crypto.session-expired"]  # soon
    served |= dict.fromkeys(served.keys() - {"health"}, reply({"detail": "Not authenticated"}, 401))
    watched.run(100.0)
    assert watched.failure == "auth.revoked"
    assert watched.ever()["crypto.session-expired"].certain


def test_cookies_are_read_as_they_are_set() -> None:
    set_, cleared = (issued(reply("", set_cookie=line), "session") for line in (DEFAULT, CLEARED))
    assert set_ is not None
    assert set_.value is not None
    assert (set_.max_age, issued_at(set_.value.reveal())) == (1_209_600.0, 1_769_356_144.0)
    assert cleared is not None
    assert cleared.value is None
    assert issued(reply("", set_cookie="other=1"), "session") is None
    assert unsendable({"samesite": "none"}, BASE) == "SameSite=None without Secure"


def test_a_body_of_the_sign_in_holds_its_secrets_as_such() -> None:
    _, (call,) = drive(WEB.sign_in(LOGIN, BASE), SIGNED_IN)
    assert PASSWORD not in repr(call)
    assert json.dumps(call.json, default=lambda secret: secret.reveal()).count(PASSWORD) == 1
