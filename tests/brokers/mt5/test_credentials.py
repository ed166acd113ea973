import json
from typing import Any

import pytest

from probe.brokers import all_brokers, broker_of_credential
from probe.brokers.mt5.credentials import read_credentials, read_login, recognises, write_credential
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount
from tests.brokers.mt5.asked import TOKEN

LOGIN = {"account": 12345678, "password": "correct horse", "server": "MetaQuotes-Demo"}


def said(text: str) -> str:
    with pytest.raises(CredentialInvalid) as raised:  # noqa: PT012 - whichever of the two it is for
        read_login(text)
        read_credentials(text)
    return str(raised.value)


def test_a_token_is_read_and_never_shown() -> None:
    read = read_credentials(json.dumps({"token": TOKEN}))

    assert (read.token.reveal(), read.account, read.user, read.warnings) == (TOKEN, Account.NONE, None, ())
    assert TOKEN not in repr(read)


@pytest.mark.parametrize(
    "expires",
    [1795313582, 1795313582.0, "2026-11-22T02:13:02Z", "2026-11-22T04:13:02+02:00", "2026-11-22T02:13:02"],
    ids=repr,
)
def test_the_end_of_a_token_is_kept_in_utc(expires: Any) -> None:
    read = read_credentials(json.dumps({"token": TOKEN, "expires": expires}))

    assert dict(read.facts)["expires"] == "2026-11-22T02:13:02+00:00"


def test_a_token_may_say_whose_account_it_opens() -> None:
    assert read_credentials(json.dumps({"token": TOKEN, "account": 12345678})).user == "12345678"


@pytest.mark.parametrize(
    "token",
    ["", " ", TOKEN + "\n", TOKEN + " ", f"Bearer {TOKEN}", "tök", "a\x00b", 7, None, ["x"], "x" * 2000],
)
def test_a_token_no_header_can_carry_is_refused_offline(token: Any) -> None:
    words = said(json.dumps({"token": token}))

    assert "token" in words
    assert TOKEN not in words


@pytest.mark.parametrize("expires", ["soon", True, 12, 1795313582000, [], "9999-99-99"], ids=repr)
def test_an_end_that_is_no_time_is_refused(expires: Any) -> None:
    assert "expires" in said(json.dumps({"token": TOKEN, "expires": expires}))


def test_a_token_of_another_length_is_taken_with_a_warning() -> None:
    assert "43" in read_credentials('{"token":"static-api-key"}').warnings[0]


def test_a_login_is_read_with_its_server() -> None:
    login = read_login(json.dumps(LOGIN))

    assert login is not None
    assert (login.user.reveal(), login.password.reveal()) == ("12345678@MetaQuotes-Demo", "correct horse")
    assert (login.broker, login.account, login.warnings) == ("mt5", Account.NONE, ())
    assert "correct horse" not in repr(login)


def test_an_account_in_quotes_is_an_account() -> None:
    login = read_login(json.dumps(LOGIN | {"account": "12345678"}))

    assert login is not None
    assert login.user.reveal() == "12345678@MetaQuotes-Demo"


@pytest.mark.parametrize(
    "account", [0, "0", "", -5, 5.5, 1e3, True, None, "12 3", "١٢٣", [1], 10**30], ids=repr
)
def test_an_account_that_would_open_the_operators_own_is_never_sent(account: Any) -> None:
    assert "account" in said(json.dumps(LOGIN | {"account": account}))


@pytest.mark.parametrize("key", ["password", "server"])
@pytest.mark.parametrize("value", ["", "   ", None, 7, "a\nb"])
def test_an_empty_password_or_server_is_never_sent(key: str, value: Any) -> None:
    assert key in said(json.dumps(LOGIN | {key: value}))


@pytest.mark.parametrize("missing", ["account", "server"])
def test_a_login_that_lacks_something_says_what(missing: Any) -> None:
    assert missing in said(json.dumps({name: value for name, value in LOGIN.items() if name != missing}))


def test_a_broken_login_is_still_a_login_and_quotes_nothing_of_it() -> None:
    words = said(json.dumps(LOGIN)[:-5])

    assert "correct" not in words
    assert "not the whole" in words


@pytest.mark.parametrize("text", ["", "[]", "hello", '42["auth",{"session":"x"}]', "{", "null"])
def test_other_texts_are_neither(text: str) -> None:
    assert read_login(text) is None
    assert not recognises(text)
    assert said(text)


def test_both_forms_are_recognised_and_nobody_elses() -> None:
    assert recognises(json.dumps({"token": TOKEN}))
    assert recognises(json.dumps({"token": TOKEN, "expires": 1795313582}))
    assert recognises(json.dumps(LOGIN))
    assert not recognises(json.dumps({"token": TOKEN, "cookies": "a=b"}))
    assert not recognises(json.dumps({"email": "a@b.c", "password": "x"}))
    assert not recognises(json.dumps({"key": "x", "secret": "y"}))


def test_no_other_broker_takes_these_for_its_own() -> None:
    for text in (json.dumps({"token": TOKEN}), json.dumps(LOGIN)):
        owner = broker_of_credential(text)
        assert owner is not None
        assert owner.name == "mt5"


def test_the_simulators_token_has_the_public_gateways_form() -> None:
    written = write_credential(SimulatedAccount(account=Account.NONE, user="1", token="demo"))

    assert read_credentials(written).warnings == ()
    assert [broker.name for broker in all_brokers() if broker.recognises(written)] == ["mt5"]


def test_a_redactor_hides_the_token_and_the_password() -> None:
    token, login = read_credentials(json.dumps({"token": TOKEN})), read_login(json.dumps(LOGIN))

    assert redactor_for(token)(f"x {TOKEN} y") == "x *** y"
    assert redactor_for(login)("x correct horse y") == "x *** y"
