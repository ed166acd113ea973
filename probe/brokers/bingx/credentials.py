"""An API key of BingX: nothing here needs one, for all that is read is public. It is taken, so that it is never shown."""

import hashlib
import json

from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Address
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount

FORM = 'Write it as {"key":"…","secret":"…"}, or leave it out: public market data needs none.'
KEYS = {"key", "secret"}


def read_credentials(pasted: str) -> Credentials:
    try:
        said = json.loads(pasted)
        if set(said) != KEYS or not all(isinstance(value, str) and value for value in said.values()):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise CredentialInvalid(
            "cfg.ssid-broken", "it is no JSON object with a key and a secret", FORM
        ) from None
    key, secret = Secret(said["key"]), Secret(said["secret"])
    return Credentials(
        broker="bingx", frame=Secret(pasted), token=key, account=Account.NONE, user=None, parts=(key, secret)
    )


def recognises(pasted: str) -> bool:
    try:
        read_credentials(pasted)
    except CredentialInvalid:
        return False
    return True


def write_credential(account: SimulatedAccount) -> str:
    """As long as the real ones."""
    key = hashlib.sha512(account.token.encode()).hexdigest()
    return json.dumps({"key": key[:86], "secret": key[::-1][:86]})


def request_headers(_: Credentials | None, __: Address) -> tuple[tuple[str, str], ...]:
    return ()
