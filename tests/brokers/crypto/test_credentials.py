import json
import random

import pytest

from probe.brokers import broker_of_credential, find_broker
from probe.brokers.crypto.credentials import read_credentials, read_login, recognises
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount
from tests.brokers.crypto.asked import COOKIE

LOGIN = json.dumps({"email": "a@b.co", "password": "pa55-word-planted"})


def test_a_cookie_is_read_and_shown_nowhere() -> None:
    found = read_credentials(json.dumps({"cookie": COOKIE}))
    assert found.token.reveal() == COOKIE
    assert found.account is Account.NONE
    assert COOKIE not in f"{found!r}{found.facts}"
    assert read_credentials(found.frame.reveal()).frame == found.frame


def test_a_cookie_pasted_with_its_name_is_repaired() -> None:
    found = read_credentials(json.dumps({"cookie": f"session={COOKIE}"}))
    assert found.token.reveal() == COOKIE
    assert found.warnings == ("the cookie's name stood before its value: left out",)


def test_a_signed_cookie_tells_when_it_was_issued() -> None:
    found = read_credentials(json.dumps({"cookie": "eyJ1c2VyX2lkIjogIjEifQ==.agEXPQ.abcdefghijklmnop"}))
    assert dict(found.facts)["issued"] == "2026-05-10 23:39 UTC"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "cfg.ssid-mangled"),
        (COOKIE, "cfg.ssid-raw-token"),
        ('{"cookie":', "cfg.ssid-mangled"),
        ('{"token":"x"}', "cfg.ssid-wrong-frame"),
        ('{"cookie": 5}', "cfg.ssid-mangled"),
        ('{"cookie": "short"}', "cfg.ssid-mangled"),
        ('{"cookie": "cut-in-the-mid..."}', "cfg.ssid-mangled"),
        ('{"cookie": "two; cookies=in-it-planted"}', "cfg.ssid-mangled"),
        ('{"cookie": "line\\r\\nX: planted-header"}', "cfg.ssid-mangled"),
        ('{"cookie": "' + "[" * 99 + '\\ud800"}', "cfg.ssid-mangled"),
        ("[" * 60_000, "cfg.ssid-raw-token"),
    ],
)
def test_what_is_no_cookie_is_refused_without_quoting_it(text: str, code: str) -> None:
    with pytest.raises(CredentialInvalid) as refused:
        read_credentials(text)
    assert refused.value.code == code
    assert refused.value.__context__ is None
    assert "planted" not in str(refused.value)


def test_a_password_is_read_and_its_damage_told() -> None:
    login = read_login(LOGIN)
    assert login is not None
    assert (login.user.reveal(), login.password.reveal()) == ("a@b.co", "pa55-word-planted")
    assert read_login('{"cookie":"x"}') is None
    for damaged in (
        '{"email":"nobody","password":"x"}',
        '{"password":"x"}',
        '{"email":"a@b.co","password":""}',
    ):
        with pytest.raises(CredentialInvalid):
            read_login(damaged)


def test_only_the_cookie_tells_the_broker() -> None:
    assert recognises(json.dumps({"cookie": COOKIE}))
    found = broker_of_credential(json.dumps({"cookie": COOKIE}))
    assert found is not None
    assert found.name == "crypto"
    assert broker_of_credential(LOGIN) is None
    for other in (LOGIN, '{"token":"x"}', '{"cookies":"a=b","token":"x"}', "", '42["auth",{"session":"x"}]'):
        assert not recognises(other)


def test_the_simulators_credential_is_read_back() -> None:
    broker = find_broker("crypto")
    account = SimulatedAccount(account=Account.NONE, user="1", token=f"{random.Random(1).getrandbits(64):x}")
    text = broker.write_credential(account)
    assert recognises(text)
    assert json.loads(read_credentials(text).frame.reveal()) == json.loads(text)
