"""What opens a gateway: a token, as JSON, judged offline and never shown."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import NoReturn

from probe.model.credentials import Credentials, PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account, Address
from probe.model.errors import CredentialInvalid
from probe.session.broker import SimulatedAccount
from probe.session.damage import describe_unfit
from probe.session.pasted import trim

USUAL_LENGTH = 43  # 32 random bytes, as secrets.token_urlsafe writes them
SIMULATED_SERVER = "Simulated-Demo"
MOST_DIGITS = 18  # of an account's number
_LONGEST_TOKEN = 1024
_TOKEN = re.compile(r"[!-~]+")
_TOKEN_KEYS = frozenset(("token", "expires", "account"))
_LOGIN_KEYS = frozenset(("account", "password", "server"))
_SECONDS = (1e9, 1e11)  # an instant of our times; more than that is milliseconds
_WRITE = (
    'Write {"token":"…"} with the session_token of the gateway\'s login (and, if known, its "expires"), '
    'or {"account":12345678,"password":"…","server":"…"}, in a file, and give file:PATH.'
)


def read_credentials(text: str) -> Credentials:
    """
    Raises:
        CredentialInvalid: it says what is wrong with it.
    """
    data = _object_in(text)
    if "password" in data:
        raise _damaged("it is a login, and a gateway is opened with the token that the login wins")
    token = data.get("token")
    if not isinstance(token, str):
        raise _damaged("its token is no text in quotes" if "token" in data else "it has no token")
    account = None if data.get("account") is None else str(_account_in(data))
    expires = None if data.get("expires") is None else read_instant(data["expires"])
    if data.get("expires") is not None and expires is None:
        raise _damaged("its expires is neither seconds since 1970 nor a time as 2026-11-22T02:13:02Z")
    return make_credentials(token, frame=trim(text), account=account, expires=expires)


def read_login(text: str) -> PasswordLogin | None:
    """The account, password and server in a JSON object; None: the text is no such thing.

    An empty one of them must never be sent: the public gateway takes its operator's own instead.

    Raises:
        CredentialInvalid: it is one, and something is wrong with it.
    """
    try:
        data = _object_in(text)
    except CredentialInvalid:
        if re.search(r"[\"']password[\"']\s{0,9}:", text[:4096]):
            raise
        return None
    if "password" not in data:
        return None
    account, password, server = _account_in(data), data["password"], data.get("server")
    if not isinstance(password, str) or not password.strip():
        raise _damaged("its password is empty, or no text in quotes")
    if not isinstance(server, str) or not server.strip():
        raise _damaged("its server is empty, or no text in quotes")
    if not (password + server).isprintable():
        raise _damaged("a line break or another sign that nobody can type is in its password or server")
    warnings = tuple(f"{key} in it is not sent" for key in sorted(data.keys() - _LOGIN_KEYS) if key.isascii())
    return PasswordLogin(
        broker="mt5",
        user=Secret(f"{account}@{server.strip()}"),
        password=Secret(password),
        account=Account.NONE,
        warnings=warnings,
    )


def write_login(account: SimulatedAccount) -> str:
    return json.dumps(
        {"account": int(account.user), "password": account.password, "server": SIMULATED_SERVER}
    )


def recognises(text: str) -> bool:
    """Whether it is an object of one of the two forms, whatever is wrong inside."""
    try:
        keys = _object_in(text).keys()
    except CredentialInvalid:
        return False
    return ("token" in keys and keys <= _TOKEN_KEYS) or keys >= _LOGIN_KEYS


def make_credentials(
    token: str, *, frame: str, account: str | None = None, expires: float | None = None
) -> Credentials:
    """
    Raises:
        CredentialInvalid: no header can carry that token.
    """
    if not token:
        raise _damaged("its token is empty")
    if len(token) > _LONGEST_TOKEN:
        raise _damaged(f"its token has {len(token)} characters; a gateway's has {USUAL_LENGTH}")
    if not _TOKEN.fullmatch(token):
        raise _damaged("a blank, a line break or a sign that no token has is in its token: the token alone")
    secret, warnings = Secret(token), tuple[str, ...]()
    if not re.fullmatch(rf"[\w-]{{{USUAL_LENGTH}}}", token, re.ASCII):
        warnings = (
            f"its token has {len(token)} characters; the public gateway's are {USUAL_LENGTH} letters, digits, - and _",
        )
    told = [
        ("account", account or ""),
        ("expires", write_instant(expires) if expires is not None else ""),
        ("token length", f"{len(token)} characters"),
        ("fingerprint", secret.fingerprint()),
    ]
    return Credentials(
        broker="mt5",
        frame=Secret(frame),
        token=secret,
        account=Account.NONE,
        user=account,
        facts=tuple((name, value) for name, value in told if value),
        warnings=warnings,
    )


def credentials_of(session: WebSession, _: Account) -> Credentials:
    """What signing in won. A gateway does not say whether an account is a demo."""
    facts = dict(session.facts)
    token = session.token.reveal()
    return make_credentials(
        token, frame=json.dumps({"token": token}), account=facts.get("account"), expires=expiry_of(facts)
    )


def expiry_of(facts: dict[str, str]) -> float | None:
    return read_instant(facts["expires"]) if "expires" in facts else None


def read_instant(given: object) -> float | None:
    """UTC seconds; a time without a zone is taken for UTC. None: it is no instant."""
    if isinstance(given, str):
        try:
            at = datetime.fromisoformat(given.strip())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given) if _SECONDS[0] <= given < _SECONDS[1] else None


def write_instant(utc_seconds: float) -> str:
    return datetime.fromtimestamp(utc_seconds, UTC).isoformat(timespec="seconds")


def request_headers(_: Credentials | None, _address: Address) -> tuple[tuple[str, str], ...]:
    return ()


def write_credential(account: SimulatedAccount) -> str:
    """A token of the public gateway's form."""
    digest = hashlib.sha256(account.token.encode()).digest()
    return json.dumps({"token": base64.urlsafe_b64encode(digest).decode().rstrip("=")})


def _object_in(text: str) -> dict[str, object]:
    if unfit := describe_unfit(text):
        raise _damaged(unfit)
    try:
        data = json.loads(trim(text), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _damaged("it is no JSON object, or not the whole of one") from None
    if not isinstance(data, dict):
        raise _damaged("it is JSON, but no object in braces")
    return data


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _account_in(data: dict[str, object]) -> int:
    """Zero would be the operator's own account. Numbers in quotes are what people write, too."""
    given = data.get("account")
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    if not re.fullmatch(rf"\d{{1,{MOST_DIGITS}}}", text, re.ASCII) or int(text) == 0:
        raise _damaged("its account is no whole number above 0" if "account" in data else "it has no account")
    return int(text)


def _damaged(problem: str) -> CredentialInvalid:
    return CredentialInvalid("cfg.ssid-mangled", f"The credential is damaged: {problem}", _WRITE)
