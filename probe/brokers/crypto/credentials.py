"""What lets somebody in: the value of the session's cookie, or the e-mail address and password of which one is made."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime

from probe.brokers.crypto.cookie import VALUE, issued_at
from probe.model.credentials import Credentials, PasswordLogin, Secret
from probe.model.endpoint import Account, Address
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount
from probe.session.damage import SHORTENED, SHORTEST_TOKEN, UNREADABLE, describe_unfit, is_shortened
from probe.session.pasted import DECODER, trim

WRITE = 'Write it as {"cookie":"…"} with what stands behind the = sign, or as {"email":"…","password":"…"}.'
_PASTED_NAME = re.compile(r"(?:Cookie:\s*)?session=(?=[^=])")
_EMAIL = re.compile(r"\s*[^\s@]{1,250}@[^\s@]{1,250}\s*")


def read_credentials(text: str) -> Credentials:
    """
    Raises:
        CredentialInvalid: it says what is wrong, and what to write instead.
    """
    if unfit := describe_unfit(text):
        raise mangled(unfit)
    pasted = trim(text)
    data = _object(pasted)
    if data is None:
        if pasted.startswith("{"):
            raise mangled("it is no JSON object, or not the whole of one")
        raise CredentialInvalid("cfg.ssid-raw-token", "It is no JSON object", WRITE)
    if "cookie" not in data:
        raise CredentialInvalid("cfg.ssid-wrong-frame", "There is no cookie in it", WRITE)
    value = data["cookie"]
    if not isinstance(value, str):
        raise mangled("its cookie is no text in quotes")
    bare = _PASTED_NAME.sub("", value.strip(), count=1)
    warnings = ("the cookie's name stood before its value: left out",) if bare != value.strip() else ()
    if is_shortened(bare):
        raise mangled(SHORTENED)
    if not VALUE.fullmatch(bare):
        raise mangled("its cookie holds signs that no value of a cookie can hold")
    if len(bare) < SHORTEST_TOKEN:
        raise mangled(f"its cookie has {len(bare)} characters, and no session's is so short")
    return make_credentials(bare, warnings=warnings)


def read_login(text: str) -> PasswordLogin | None:
    """None: the text is no such thing.

    Raises:
        CredentialInvalid: it is one, and something is wrong with it.
    """
    data = _object(trim(text))
    if data is None or "password" not in data:
        return None
    email, password = data.get("email"), data["password"]
    if not isinstance(email, str) or not _EMAIL.fullmatch(email):
        raise mangled("its email is no e-mail address" if "email" in data else "it has no email")
    if not isinstance(password, str) or not password:
        raise mangled("its password is empty, or no text in quotes")
    if UNREADABLE.search(email + password):
        raise mangled(r"an escape in it stands for no character, such as \ud800 alone")
    return PasswordLogin(
        broker="crypto", user=Secret(email.strip()), password=Secret(password), account=Account.NONE
    )


def write_login(account: SimulatedAccount) -> str:
    return json.dumps({"email": account.email, "password": account.password})


def recognises(text: str) -> bool:
    """Only the cookie: an e-mail address with a password opens more brokers than this one."""
    data = _object(trim(text))
    return data is not None and isinstance(data.get("cookie"), str)


def make_credentials(
    cookie: str,
    *,
    cookies: tuple[tuple[str, Secret], ...] = (),
    facts: tuple[tuple[str, str], ...] = (),
    warnings: tuple[str, ...] = (),
) -> Credentials:
    secret = Secret(cookie)
    at = issued_at(cookie)
    told = [*facts, ("cookie length", f"{len(cookie)} characters"), ("fingerprint", secret.fingerprint())]
    if at is not None:
        told.insert(len(facts), ("issued", f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"))
    return Credentials(
        broker="crypto",
        frame=Secret(json.dumps({"cookie": cookie})),
        token=secret,
        account=Account.NONE,
        user=None,
        facts=tuple(told),
        warnings=warnings,
        cookies=cookies,
    )


def write_credential(account: SimulatedAccount) -> str:
    token = base64.urlsafe_b64encode(hashlib.sha256(account.token.encode()).digest()).decode().rstrip("=")
    return json.dumps({"cookie": token})


def request_headers(_credentials: Credentials | None, _address: Address) -> tuple[tuple[str, str], ...]:
    """None here: the survey writes its own."""
    return ()


def mangled(problem: str) -> CredentialInvalid:
    return CredentialInvalid("cfg.ssid-mangled", f"The credential is damaged: {problem}", WRITE)


def _object(text: str) -> dict[str, object] | None:
    try:
        data, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and not text[end:].strip() else None
