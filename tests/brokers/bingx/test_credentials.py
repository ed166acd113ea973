"""An API key is taken whole, never shown, and not needed."""

import json
import re

import pytest

from probe.brokers import broker_of_credential
from probe.brokers.bingx import BROKER
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount

KEY = {"key": "k" * 40, "secret": "s" * 40}


def test_a_key_and_its_secret_are_kept_as_secrets() -> None:
    credentials = BROKER.read_credentials(json.dumps(KEY))
    assert (credentials.token.reveal(), credentials.account) == (KEY["key"], Account.NONE)
    assert [part.reveal() for part in credentials.parts] == list(KEY.values())
    assert all(value not in repr(credentials) for value in KEY.values())


@pytest.mark.parametrize(
    "pasted",
    ["", "{}", "[]", "null", '{"key":"a"}', '{"key":"a","secret":""}', '{"key":1,"secret":2}', "[" * 99_999],
)
def test_anything_else_is_refused_with_the_way_to_write_it(pasted: str) -> None:
    with pytest.raises(CredentialInvalid, match=re.escape('{"key":"…","secret":"…"}')):
        BROKER.read_credentials(pasted)


def test_the_simulators_key_is_recognised_as_this_brokers() -> None:
    account = SimulatedAccount(account=Account.DEMO, user="12345678", token="t" * 26)
    assert broker_of_credential(BROKER.write_credential(account)) is BROKER
