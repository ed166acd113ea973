import json
from typing import Any

import pytest

from probe.brokers.mt5.signin import WEB
from probe.model.credentials import Secret, WebSession
from probe.model.endpoint import Account, Endpoint
from probe.model.failures import Failure, Retry
from probe.wire.calls import HttpCall
from tests.brokers.mt5.asked import BASE, TOKEN, detail, page, recorded, reply

DATE = (("date", "Sat, 21 Nov 2026 02:13:02 GMT"),)
PASSWORD = "correct horse"


def sign_in(answer: Any) -> tuple[Any, list[Any]]:
    """What came of it, and the calls."""
    login = WEB.read_login(
        json.dumps({"account": 12345678, "password": PASSWORD, "server": "MetaQuotes-Demo"})
    )
    assert login is not None
    flow, calls = WEB.sign_in(login, BASE), []
    try:
        calls.append(next(flow))
        while True:
            calls.append(flow.send(answer))
    except StopIteration as end:
        return end.value, calls


def test_a_login_is_one_post_of_three_fields_and_names_no_program() -> None:
    won, calls = sign_in(reply(recorded("login"), headers=DATE))

    assert isinstance(won, WebSession)
    [call] = calls
    assert isinstance(call, HttpCall)
    assert (call.method, call.url) == ("POST", f"{BASE}/api/v1/login")
    assert call.json == {
        "account_number": 12345678,
        "password": Secret(PASSWORD),
        "server": "MetaQuotes-Demo",
    }
    assert PASSWORD not in repr(call)


def test_what_is_won_opens_the_gateway_and_says_when_it_ends() -> None:
    won, _ = sign_in(reply(recorded("login"), headers=DATE))
    credentials = WEB.credentials(won, Account.NONE)

    assert (credentials.token.reveal(), credentials.user, credentials.account) == (
        TOKEN,
        "12345678",
        Account.NONE,
    )
    assert dict(credentials.facts)["expires"] == "2026-11-22T02:13:02+00:00"
    assert (won.origin, won.cookies) == (BASE, ())


def test_without_a_date_nobody_knows_when_a_token_ends() -> None:
    won, _ = sign_in(reply(recorded("login")))

    assert "expires" not in dict(won.facts)


@pytest.mark.parametrize(("name", "status"), [("login-refused-first", 500), ("login-refused-later", 401)])
def test_a_refusal_of_either_version_is_never_tried_again(name: str, status: int) -> None:
    failure, calls = sign_in(reply(recorded(name), status))

    assert (failure.kind, failure.facts.retry, len(calls)) == ("login.refused", Retry.STOP, 1)
    assert "Check credentials and server" in failure.detail


def test_a_late_refusal_is_the_terminals_and_not_the_passwords() -> None:
    failure, _ = sign_in(reply(recorded("login-refused-first"), 500, seconds=60.2))

    assert "60 s" in failure.detail
    assert "IPC timeout" in failure.detail


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(recorded("login-incomplete"), 422), "login.page-changed"),
        (detail(404, "Not Found"), "http.wrong-path"),
        (detail(503, "MT5 service temporarily unavailable: x"), "http.bad-gateway"),
        (page(503, "503 Service Temporarily Unavailable"), "http.bad-gateway"),
        (page(504, "504 Gateway Time-out"), "http.bad-gateway"),
        (page(200, "Welcome"), "login.page-changed"),
        (reply({}, 429), "http.429"),
        (reply(b"", 307, (("location", "http://elsewhere.test/"),)), "http.redirect"),
        (reply([]), "login.page-changed"),
        (reply({"session_token": 7}), "login.page-changed"),
        (reply({"session_token": "a b"}), "login.page-changed"),
        (reply(recorded("login") | {"account_number": 99}), "login.page-changed"),
        (Failure(kind="http.open-timeout"), "http.open-timeout"),
    ],
)
def test_what_is_no_login_is_named(answer: Any, kind: str) -> None:
    failure, calls = sign_in(answer)

    assert (failure.kind, len(calls)) == (kind, 1)
    assert "POST /api/v1/login" in failure.detail


def test_a_gateway_that_repeats_the_password_does_not_make_us_show_it() -> None:
    failure, _ = sign_in(detail(401, f"no such password: {PASSWORD}"))

    assert PASSWORD not in repr(failure)
    assert "***" in failure.detail


def test_a_token_cannot_be_renewed_and_nothing_is_asked() -> None:
    session, _ = sign_in(reply(recorded("login")))
    with pytest.raises(StopIteration) as end:
        next(WEB.renew(session, BASE))

    assert end.value.value.kind == "login.stale-token"


def test_a_gateway_below_a_path_is_signed_in_at_below_that_path() -> None:
    endpoint = Endpoint(broker="mt5", region="x", url="https://g.test/broker/1/?a=b", account=Account.NONE)

    assert WEB.origin(endpoint) == "https://g.test/broker/1"
