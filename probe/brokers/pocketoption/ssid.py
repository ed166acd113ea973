"""What users call the SSID: read in any form it is pasted, judged offline, and never shown."""

import json
import re
from datetime import UTC, datetime
from ipaddress import ip_address

from probe.brokers.pocketoption.damage import (
    FORM,
    PHP_SESSION,
    describe_damage,
    describe_php_damage,
    readings,
)
from probe.brokers.pocketoption.php import PhpDamaged, read_php_array
from probe.brokers.pocketoption.refusals import (
    CHAT_LOGIN,
    mangled,
    not_a_login,
    without_session,
    wrong_user,
)
from probe.model.credentials import Bound, Credentials, Secret
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.model.intents import Login
from probe.session.agents import header_text, short_agent
from probe.session.damage import (
    NO_TOKEN_SIGN,
    SHORTENED,
    SHORTEST_TOKEN,
    UNREADABLE,
    describe_sign,
    describe_unfit,
    describe_unreadable,
    is_shortened,
    with_repairs,
)
from probe.session.pasted import LONGEST, Reading, trim, trimmings

RIGHTS = {"session": "trading", "sessionToken": "chart", "token": "guest"}
PLATFORMS = {1: "1, web", 2: "2, the usual one", 3: "3, mobile"}


def read_ssid(text: str) -> Credentials:
    """What a pasted SSID says, repaired where only one repair is possible; its warnings tell what was repaired.

    Raises:
        CredentialInvalid: it says what is wrong, where, and what to copy instead.
    """
    if unfit := describe_unfit(text):
        raise mangled(unfit)
    pasted = trim(text)
    found = FORM.find(pasted)
    if found is None:
        raise not_a_login(pasted)
    if found.count > 1:
        raise mangled(f"{found.count} login frames are in it, and which one is meant cannot be known")
    repairs = (*trimmings(text), *found.repairs)
    refused: CredentialInvalid | None = None
    for reading in readings(found.body):
        try:
            return _judge(reading, repairs)
        except CredentialInvalid as problem:
            refused = refused or with_repairs(problem, reading.repairs)
    raise refused or mangled(describe_damage(found.body))


def is_pocketoption_frame(text: str) -> bool:
    """Whether this is, or once was, a login of PocketOption: enough to know the broker, not to use it."""
    text = text[:LONGEST]
    if FORM.is_in(text) or CHAT_LOGIN.search(text):
        return True
    is_object = trim(text).lstrip("\"'`“‘\\").startswith("{")
    return is_object and bool(
        re.search(r"\bsession(?:Token)?\b", text) and re.search(r"\b(?:uid|platform)\b", text)
    )


def read_login_frame(event_payload: object) -> Login | None:
    """The login that an ``auth`` event from the wire asks for."""
    if not isinstance(event_payload, dict):
        return None
    key = next((key for key in RIGHTS if isinstance(event_payload.get(key), str)), None)
    if key is None:
        return None
    try:
        frame = '42["auth",' + json.dumps(event_payload, separators=(",", ":"), allow_nan=False) + "]"
    except (ValueError, TypeError, RecursionError):
        return None
    return Login(
        frame=Secret(frame),
        token=Secret(event_payload[key]),
        account=Account.DEMO if key == "token" else _claimed_account(event_payload) or Account.NONE,
        user=_user(event_payload.get("uid")) or None,
        rights=RIGHTS[key],
        wants_fast_history=event_payload.get("isFastHistory") in (True, 1),
    )


# -- judging what could be read -----------------------------------------------------------------------------------------


def _judge(reading: Reading, repairs: tuple[str, ...]) -> Credentials:
    if reading.event[:1] != ["auth"]:
        raise mangled('its event is almost, but not exactly, "auth"')
    payload = reading.event[1] if len(reading.event) == 2 else None
    if not isinstance(payload, dict):
        raise mangled('"auth" is not followed by one object in braces')
    if bad := UNREADABLE.search(reading.frame):
        raise mangled(describe_unreadable(bad))
    is_guest = "token" in payload and not {"session", "sessionToken"} & payload.keys()
    if "session" not in payload and not is_guest:
        raise without_session(payload)
    token, php = _read_session(payload["token" if is_guest else "session"])
    warnings = [*repairs, *reading.repairs]

    account = Account.DEMO if is_guest else _claimed_account(payload)
    if account is None:
        raise mangled("its isDemo is neither 0 nor 1" if "isDemo" in payload else "it has no isDemo")
    if account is Account.LIVE and php is None:
        warnings.append("isDemo is 0, a real account, but the session has not the form real accounts have")
    uid = payload.get("uid")
    user = _user(uid)
    if not user and not (is_guest and uid is None):
        raise wrong_user(uid)
    if token in user:
        raise mangled("its session is the user id once more")
    platform = payload.get("platform")
    platform_words = PLATFORMS.get(platform, "") if type(platform) is int else ""
    if not platform_words and not is_guest:
        warnings.append("platform is missing" if platform is None else "platform is none of 1, 2 and 3")

    if is_guest:
        form = "guest token, no account behind it"
    elif php is not None:
        form = "PHP session of a real account"
    else:
        form = f"{'demo' if account is Account.DEMO else 'opaque'} id, {len(token)} characters"
    facts = [
        ("account", "demo, by its own claim" if account is Account.DEMO else "real, by its own claim"),
        ("user id", user),
        ("platform", platform_words),
        ("session form", form),
    ]
    user_agent = bound = None
    if php is not None:
        user_agent = header_text(php.get("user_agent"))
        if user_agent is None:
            warnings.append("the session names no user agent that could be sent")
        address, last_used = _address(php.get("ip_address")), _last_used(php.get("last_activity"))
        is_lost = user_agent is None and bool(php.get("user_agent"))
        bound = Bound(address=address, last_used_utc=last_used, has_unsendable_agent=is_lost)
        facts += [
            ("IP address", address),
            ("user agent", short_agent(user_agent or "")),
            ("last activity", "" if last_used is None else _instant(last_used)),
        ]
    secret = Secret(token)
    facts += [("session length", f"{len(token)} characters"), ("fingerprint", secret.fingerprint())]
    return Credentials(
        broker="pocketoption",
        frame=Secret(reading.frame),
        token=secret,
        account=account,
        user=user or None,
        facts=tuple((name, value) for name, value in facts if value),
        warnings=tuple(warnings),
        user_agent=user_agent,
        parts=_parts(token, php),
        bound=bound,
    )


def _parts(token: str, php: dict[object, object] | None) -> tuple[Secret, ...]:
    """Of a PHP session, what lets somebody in by itself."""
    if php is None:
        return ()
    trailer = token[token.rfind("}") + 1 :]
    return tuple(Secret(part) for part in (str(php["session_id"]), trailer) if part)


def _read_session(token: object) -> tuple[str, dict[object, object] | None]:
    """The session, and what PHP wrote into it if it is a real account's."""
    if not isinstance(token, str):
        raise mangled("its session is not a text in quotes")
    if len(token) < SHORTEST_TOKEN:
        raise mangled(f"its session has {len(token)} characters; the shortest known has {SHORTEST_TOKEN}")
    if PHP_SESSION.match(token):
        return token, _read_php_session(token)
    if is_shortened(token):
        raise mangled(SHORTENED)
    if odd := NO_TOKEN_SIGN.search(token):
        raise mangled(
            f"{describe_sign(odd[0])} at character {odd.start() + 1} of its session cannot be in one"
        )
    if token[:4].lower() == "a%3a":
        raise mangled("its session is URL-encoded, as in a cookie, and does not decode to a whole one")
    return token, None


def _read_php_session(session: str) -> dict[object, object]:
    values: dict[object, object] = {}
    end, damage = 0, ""
    try:
        values, end = read_php_array(session)
    except PhpDamaged as found:
        damage = describe_php_damage(found)
    if damage:
        raise mangled(damage)
    if "session_id" not in values:
        raise mangled("its session is a PHP array without a session_id")
    trailer = session[end:]
    if trailer and not re.fullmatch(r"[0-9a-f]{32,64}", trailer):
        raise mangled(
            f"{len(trailer)} characters follow the session's closing brace; there should be 32 hexadecimal digits"
        )
    return values


def _claimed_account(payload: dict[str, object]) -> Account | None:
    flag = payload.get("isDemo")
    if type(flag) not in (int, bool) or flag not in (0, 1):
        return None
    return Account.DEMO if flag else Account.LIVE


def _user(uid: object) -> str:
    """The user id as text; empty when it cannot be one."""
    if type(uid) is int and 0 < uid < 10**19:
        return str(uid)
    return uid if isinstance(uid, str) and re.fullmatch(r"[1-9][0-9]{0,18}", uid) else ""


def _address(value: object) -> str:
    if not isinstance(value, str) or "%" in value:  # behind a % anything may stand
        return ""
    try:
        return str(ip_address(value))
    except ValueError:
        return ""


def _last_used(seconds: object) -> float | None:
    if type(seconds) is not int or not 0 < seconds < 4_102_444_800:  # the year 2100
        return None
    return float(seconds)


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
