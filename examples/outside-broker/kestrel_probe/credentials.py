"""Kestrel's login line, as its page sends it: `LOGIN|TOKEN|demo`."""

import re

from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount

_LINE = re.compile(r"LOGIN\|([0-9A-Za-z]{20,64})\|(demo|live)")


def read_credentials(pasted: str) -> Credentials:
    line = pasted.strip()
    found = _LINE.fullmatch(line)
    if found is None:
        raise CredentialInvalid(
            "cfg.ssid-mangled",
            "it is no login line of Kestrel's",
            "Copy the first message that its page sends: LOGIN, a token of 20 to 64 letters and digits, and demo or live.",
        )
    token, account = Secret(found[1]), Account(found[2])
    return Credentials(
        broker="kestrel",
        frame=Secret(line),
        token=token,
        account=account,
        user=None,
        facts=(("account", f"{account.value}, by its own claim"), ("fingerprint", token.fingerprint())),
    )


def recognises(text: str) -> bool:
    return text.lstrip().startswith("LOGIN|")


def write_credential(account: SimulatedAccount) -> str:
    return f"LOGIN|{account.token}|{account.account.value}"
