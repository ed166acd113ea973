"""What lets somebody in: read in any form it is pasted or kept by other programs, judged offline, and never shown."""

import json
import re
from dataclasses import replace
from urllib.parse import unquote_plus

from probe.brokers.quotex.cookies import Cookies, cookie_header
from probe.brokers.quotex.files import Kept, claimed_account, read_kept
from probe.brokers.quotex.refusals import (
    OTHER_BROKER,
    TOKEN_LENGTH,
    bare_word,
    mangled,
    not_a_login,
    refuse_pickle,
    wrong_frame,
)
from probe.model.credentials import Credentials, Redactor, Secret
from probe.model.endpoint import Account, Address
from probe.model.errors import CredentialInvalid
from probe.model.intents import Login
from probe.session.agents import short_agent
from probe.session.broker import SimulatedAccount
from probe.session.damage import (
    NO_TOKEN_SIGN,
    SHORTENED,
    SHORTEST_TOKEN,
    UNREADABLE,
    describe_damage,
    describe_sign,
    describe_unfit,
    describe_unreadable,
    is_shortened,
    with_repairs,
)
from probe.session.pasted import LONGEST, QUOTES, FrameForm, Reading, trim, trimmings

EVENT = "authorization"
ORIGIN = "https://qxbroker.com"
MIRROR = "market-qx.trade"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"

FORM = FrameForm(
    EVENT, login_keys=("session",), text_keys=("session",), whole={"isDemo": r"\d", "tournamentId": "0"}
)
_KEYS = {key.lower(): key for key in ("session", "isDemo", "tournamentId")}
_MISSPELT_EVENT = re.compile(rf"(\[\s*+\\*+[{QUOTES}]{{0,2}})authorization(?=[{QUOTES}\\,\s])", re.IGNORECASE)
_KEY = re.compile(
    rf"([{{,]\s*+\\*+[{QUOTES}]{{0,2}})({'|'.join(_KEYS)})(?=\\*+[{QUOTES}]{{0,2}}\s*+:)", re.IGNORECASE
)
_URL_ENCODED = re.compile(
    r"%(?:25)?5B\W{0,9}(?:%(?:25)?22)?authorization|%(?:25)?7B(?:%(?:25)?22)?session", re.IGNORECASE
)
_TOKEN = re.compile(rf"[0-9A-Za-z]{{{TOKEN_LENGTH}}}")
_OTHERS_KEY = re.compile(r"\b(?:uid|platform)\b")
_ASSUMED = (
    "it does not say which account, so demo is assumed; for the real one give the frame with isDemo 0: "
    '42["authorization",{"session":"…","isDemo":0,"tournamentId":0}]'
)


def read_credentials(text: str) -> Credentials:
    """What a pasted credential says, repaired where only one repair is possible; its warnings tell what was repaired.

    Raises:
        CredentialInvalid: it says what is wrong, where, and what to copy instead.
    """
    refuse_pickle(text)
    if unfit := describe_unfit(text):
        raise mangled(unfit)
    pasted = trim(text)
    kept = read_kept(pasted)
    if kept is not None:
        return _from_file(kept)
    if _TOKEN.fullmatch(word := bare_word(pasted)):
        return make_credentials(word, Account.DEMO, warnings=(_ASSUMED,), claim="assumed")
    pasted, repairs = _as_written(pasted)
    return _read_frame(pasted, (*trimmings(text), *repairs))


def is_quotex_credential(text: str) -> bool:
    """Whether this is, or once was, a login of Quotex: enough to know the broker, not to use it."""
    text = text[:LONGEST]
    if FORM.is_in(text) or _MISSPELT_EVENT.search(text) or _URL_ENCODED.search(text):
        return True
    if not trim(text).lstrip("\"'`“‘\\").startswith(("{", "window.settings")):
        return False
    if _OTHERS_KEY.search(text):
        return False
    if re.search(r"\bsession\b", text, re.IGNORECASE):
        return re.search(r"\b(?:isDemo|tournamentId)\b", text, re.IGNORECASE) is not None
    return bool(re.search(r"\btoken\b", text) and re.search(r"\b(?:cookies|csrf)\b", text))


def read_login_event(payload: object) -> Login | None:
    """The login that an ``authorization`` event from the wire asks for."""
    if not isinstance(payload, dict) or not isinstance(payload.get("session"), str):
        return None
    try:
        frame = _write(payload)
    except (ValueError, TypeError, RecursionError):
        return None
    return Login(
        frame=Secret(frame),
        token=Secret(payload["session"]),
        account=claimed_account(payload.get("isDemo")) or Account.NONE,
        tournament=_tournament(payload) or 0,
        wants_fast_history=payload.get("isFastHistory") in (True, 1),
    )


def request_headers(credentials: Credentials | None, address: Address) -> tuple[tuple[str, str], ...]:
    """Origin and a browser's name are asked for; cookies help where the edge has seen them before."""
    agent = (credentials.user_agent if credentials else None) or BROWSER
    origin = f"https://{MIRROR}" if address.host.endswith(f".{MIRROR}") else ORIGIN
    headers = [("Origin", origin), ("User-Agent", agent)]
    if credentials and credentials.cookies:
        headers.append(("Cookie", cookie_header(credentials.cookies).reveal()))
    return tuple(headers)


def write_credential(account: SimulatedAccount) -> str:
    """The frame a browser would have sent for this account."""
    return write_frame(account.token, account.account)


def write_frame(token: str, account: Account) -> str:
    return _write({"session": token, "isDemo": int(account is not Account.LIVE), "tournamentId": 0})


def make_credentials(
    token: str,
    account: Account,
    *,
    frame: str = "",
    cookies: Cookies = (),
    user_agent: str | None = None,
    facts: tuple[tuple[str, str], ...] = (),
    warnings: tuple[str, ...] = (),
    claim: str = "by its own claim",
) -> Credentials:
    secret = Secret(token)
    kind = "demo" if account is Account.DEMO else "real"
    told = [
        ("account", f"{kind}, {claim}"),
        *facts,
        ("cookies", f"{len(cookies)}, of the web session" if cookies else ""),
        (
            "user agent",
            Redactor((secret,))(short_agent(user_agent or "")),
        ),  # some paste it into the wrong field
        ("token length", f"{len(token)} characters"),
        ("fingerprint", secret.fingerprint()),
    ]
    return Credentials(
        broker="quotex",
        frame=Secret(frame or write_frame(token, account)),
        token=secret,
        account=account,
        user=None,
        facts=tuple((name, value) for name, value in told if value),
        warnings=warnings,
        user_agent=user_agent,
        cookies=cookies,
    )


# -- judging what could be read -----------------------------------------------------------------------------------------


def _from_file(kept: Kept) -> Credentials:
    if kept.frame:
        inside = _read_frame(*_as_written(kept.frame), kept)
        return replace(inside, warnings=(*kept.warnings, *inside.warnings))
    warnings = (*kept.warnings, *_judge_token(kept.token), *(() if kept.account else (_ASSUMED,)))
    return make_credentials(
        kept.token,
        kept.account or Account.DEMO,
        cookies=kept.cookies,
        user_agent=kept.user_agent,
        warnings=warnings,
        claim="by its own claim" if kept.account else "assumed",
    )


def _read_frame(text: str, repairs: tuple[str, ...], kept: Kept | None = None) -> Credentials:
    found = FORM.find(text)
    if found is None:
        raise not_a_login(text)
    if found.count > 1:
        raise mangled(f"{found.count} login frames are in it, and which one is meant cannot be known")
    if not FORM.is_in(text) and _OTHERS_KEY.search(text):
        raise wrong_frame(OTHER_BROKER)
    refused: CredentialInvalid | None = None
    for reading in FORM.readings(found.body):
        try:
            return _judge(reading, (*repairs, *found.repairs), kept)
        except CredentialInvalid as problem:
            refused = refused or with_repairs(problem, reading.repairs)
    raise refused or mangled(describe_damage(found.body))


def _as_written(text: str) -> tuple[str, tuple[str, ...]]:
    """The text in which a frame can be looked for, and what had to be done for it."""
    repairs = []
    if not FORM.is_in(text) and _URL_ENCODED.search(text):
        while _URL_ENCODED.search(text):
            text = unquote_plus(text)
        repairs.append("it was URL-encoded: decoded")
    if not FORM.is_in(text) and _MISSPELT_EVENT.search(text):
        text = _MISSPELT_EVENT.sub(rf"\1{EVENT}", text)
        repairs.append("its event was not in small letters: put right")
    written = [found[2] for found in _KEY.finditer(text)]
    if len({key.lower() for key in written}) == len(written) and set(written) - set(_KEYS.values()):
        text = _KEY.sub(lambda found: found[1] + _KEYS[found[2].lower()], text)
        repairs.append("capital and small letters of its keys were mixed up: put right")
    return text, tuple(repairs)


def _judge(reading: Reading, repairs: tuple[str, ...], kept: Kept | None) -> Credentials:
    if reading.event[:1] != [EVENT]:
        raise mangled(f'its event is almost, but not exactly, "{EVENT}"')
    payload = reading.event[1] if len(reading.event) == 2 else None
    if not isinstance(payload, dict):
        raise mangled(f'"{EVENT}" is not followed by one object in braces')
    if bad := UNREADABLE.search(reading.frame):
        raise mangled(describe_unreadable(bad))
    if "session" not in payload:
        raise mangled(f"none of its {len(payload)} keys is session")
    token = payload["session"]
    if not isinstance(token, str):
        raise mangled("its session is not a text in quotes")
    warnings = [*repairs, *reading.repairs, *_judge_token(token)]
    account = claimed_account(payload.get("isDemo"))
    if account is None:
        raise mangled("its isDemo is neither 0 nor 1" if "isDemo" in payload else "it has no isDemo")
    tournament = _tournament(payload)
    if tournament is None:
        warnings.append("tournamentId is no whole number")
    return make_credentials(
        token,
        account,
        frame=reading.frame,
        cookies=kept.cookies if kept else (),
        user_agent=kept.user_agent if kept else None,
        facts=(("tournament", str(tournament)),) if tournament else (),
        warnings=tuple(warnings),
    )


def _judge_token(token: str) -> tuple[str, ...]:
    if is_shortened(token):
        raise mangled(SHORTENED)
    if len(token) < SHORTEST_TOKEN:
        raise mangled(f"its session has {len(token)} characters; the shortest known has {TOKEN_LENGTH}")
    if odd := NO_TOKEN_SIGN.search(token):
        raise mangled(
            f"{describe_sign(odd[0])} at character {odd.start() + 1} of its session cannot be in one"
        )
    if _TOKEN.fullmatch(token):
        return ()
    return (f"its session has {len(token)} characters; those known are {TOKEN_LENGTH} letters and digits",)


def _tournament(payload: dict[str, object]) -> int | None:
    """None: what stands there is no tournament."""
    number = payload.get("tournamentId", 0)
    return number if type(number) is int and 0 <= number < 10**18 else None


def _write(payload: dict[str, object]) -> str:
    return "42" + json.dumps([EVENT, payload], separators=(",", ":"), allow_nan=False)
