"""A listen key is taken and never shown; an API key and its secret are not taken."""

import json

import pytest

from probe.brokers import broker_of_credential
from probe.brokers.bingx import BROKER
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount

KEY = "a8ea75681542e66f1a50a1616dd06ed77dab61baa0c296bca03a9b13ee5f2dd7"


def test_a_listen_key_is_kept_as_a_secret() -> None:
    credentials = BROKER.read_credentials(f" {KEY}\n")
    assert (credentials.token.reveal(), credentials.account) == (KEY, Account.NONE)
    assert KEY not in repr(credentials)


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        KEY[:-1],
        KEY + "0",
        KEY[:-1] + "g",
        KEY[:-1] + "٣",
        json.dumps({"key": "k" * 40, "secret": "s" * 40}),
    ],
)
def test_anything_else_is_refused_with_where_to_get_one_and_without_a_word_of_it(pasted: str) -> None:
    with pytest.raises(CredentialInvalid, match="POST /openApi/user/auth/userDataStream") as refused:
        BROKER.read_credentials(pasted)
    assert not pasted or pasted not in str(refused.value)


def test_digits_alone_tell_no_broker() -> None:
    account = SimulatedAccount(account=Account.DEMO, user="12345678", token="t" * 26)
    assert broker_of_credential(BROKER.write_credential(account)) is None
