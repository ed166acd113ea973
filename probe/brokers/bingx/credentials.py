"""A listen key of BingX: it opens the stream of an account for an hour, reads, and can do nothing else.

Whoever has the API key makes and renews it. The probe takes neither the API key nor its secret, which sign orders, too.
"""

import hashlib
import re

from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Address
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount

FORM = (
    "A listen key has 64 hex digits: make one with the API key, by POST /openApi/user/auth/userDataStream; the API key and "
    "its secret are never asked for. Without one there is the public market data."
)
_KEY = re.compile(r"[0-9A-Fa-f]{64}")


def read_credentials(pasted: str) -> Credentials:
    key = pasted.strip()
    if _KEY.fullmatch(key) is None:
        raise CredentialInvalid("cfg.ssid-mangled", "it is no listen key", FORM)
    return Credentials(broker="bingx", frame=Secret(key), token=Secret(key), account=Account.NONE, user=None)


def recognises(_: str) -> bool:
    """Digits alone could be anybody's token: the endpoint tells, or the user."""
    return False


def write_credential(account: SimulatedAccount) -> str:
    return hashlib.sha256(account.token.encode()).hexdigest()


def request_headers(_: Credentials | None, __: Address) -> tuple[tuple[str, str], ...]:
    return ()
