"""What users call the SSID: read in any form it is pasted, judged offline, and never shown."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address

from probe.brokers.pocketoption.damage import (
    INVISIBLE,
    PHP_SESSION,
    Reading,
    describe_damage,
    describe_php_damage,
    describe_sign,
    find_frame,
    has_login,
    readings,
    trim,
)
from probe.brokers.pocketoption.php import PhpDamaged, read_php_array
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.model.intents import Login

RAW_TOKEN, MANGLED, WRONG_FRAME = "cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"
LONGEST = 64 * 1024
SHORTEST_SESSION = 10
RIGHTS = {"session": "trading", "sessionToken": "chart", "token": "guest"}
PLATFORMS = {1: "1, web", 2: "2, the usual one", 3: "3, mobile"}

COPY = (
    "In the browser's developer tools open Network, WS, the row of the trading host, Messages, and copy the whole "
    'outgoing message that begins 42["auth", and has session, isDemo and uid in it.'
)
USE_FILE = "Keep it in a file and give file:PATH, so that no shell can change it."

_UNREADABLE = re.compile("[\0\ud800-\udfff\ufffd]")
_NO_TOKEN_SIGN = re.compile(r"[^!-~]|[\"'`\\<>(){}\[\],;]")
_CHAT = re.compile(r"\[\W{0,9}user_init\b")
_QUOTEX = re.compile(r"\[\W{0,9}authorization\b")


def read_ssid(text: str) -> Credentials:
    """What a pasted SSID says, repaired where only one repair is possible; its warnings tell what was repaired.

    Raises:
        CredentialInvalid: it says what is wrong, where, and what to copy instead.
    """
    if len(text) > LONGEST:
        raise _mangled(f"it has {len(text)} characters; a frame has some hundred")
    if unreadable := _UNREADABLE.search(text):
        raise _unreadable(unreadable)
    pasted = trim(text)
    if not pasted:
        raise _mangled(
            f"it is empty: {len(text)} characters and nothing but white space" if text else "it is empty"
        )
    found = find_frame(pasted)
    if found is None:
        raise _not_a_login(pasted)
    if found.count > 1:
        raise _mangled(f"{found.count} login frames are in it, and which one is meant cannot be known")
    repairs = (*_trimmings(text), *found.repairs)
    refused: CredentialInvalid | None = None
    for reading in readings(found.body):
        try:
            return _judge(reading, repairs)
        except CredentialInvalid as problem:
            refused = refused or _with_repairs(problem, reading.repairs)
    raise refused or _mangled(describe_damage(found.body))


def is_pocketoption_frame(text: str) -> bool:
    """Whether this is, or once was, a login of PocketOption: enough to know the broker, not to use it."""
    text = text[:LONGEST]
    if has_login(text) or _CHAT.search(text):
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
        frame = '42["auth",' + json.dumps(event_payload, separators=(",", ":")) + "]"
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
    payload = reading.event[1] if len(reading.event) == 2 else None
    if reading.event[:1] != ["auth"] or not isinstance(payload, dict):
        raise _mangled('it has no object in braces behind "auth"')
    if unreadable := _UNREADABLE.search(reading.frame):
        raise _unreadable(unreadable)
    is_guest = "token" in payload and not {"session", "sessionToken"} & payload.keys()
    if "session" not in payload and not is_guest:
        raise _without_session(payload)
    token, php = _read_session(payload["token" if is_guest else "session"])
    warnings = [*repairs, *reading.repairs]

    account = Account.DEMO if is_guest else _claimed_account(payload)
    if account is None:
        raise _mangled("its isDemo is neither 0 nor 1" if "isDemo" in payload else "it has no isDemo")
    if account is Account.LIVE and php is None:
        warnings.append("isDemo is 0, a real account, but the session has not the form real accounts have")
    uid = payload.get("uid")
    user = _user(uid)
    if not user and not (is_guest and uid is None):
        raise _wrong_user(uid)
    if token in user:
        raise _mangled("its session is the user id once more")
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
    user_agent = None
    if php is not None:
        user_agent = _header_text(php.get("user_agent"))
        if user_agent is None:
            warnings.append("the session names no user agent that could be sent")
        facts += [
            ("IP address", _address(php.get("ip_address"))),
            ("user agent", _short_agent(user_agent or "")),
            ("last activity", _instant(php.get("last_activity"))),
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
    )


def _read_session(token: object) -> tuple[str, dict[object, object] | None]:
    """The session, and what PHP wrote into it if it is a real account's."""
    if not isinstance(token, str):
        raise _mangled("its session is not a text in quotes")
    if len(token) < SHORTEST_SESSION:
        raise _mangled(f"its session has {len(token)} characters; the shortest known has {SHORTEST_SESSION}")
    if PHP_SESSION.match(token):
        return token, _read_php_session(token)
    if odd := _NO_TOKEN_SIGN.search(token):
        raise _mangled(
            f"{describe_sign(odd[0])} at character {odd.start() + 1} of its session cannot be in one"
        )
    if token[:4].lower() == "a%3a":
        raise _mangled("its session is URL-encoded, as in a cookie, and does not decode to a whole one")
    return token, None


def _read_php_session(session: str) -> dict[object, object]:
    values: dict[object, object] = {}
    end, damage = 0, ""
    try:
        values, end = read_php_array(session)
    except PhpDamaged as found:
        damage = describe_php_damage(found)
    if damage:
        raise _mangled(damage)
    if "session_id" not in values:
        raise _mangled("its session is a PHP array without a session_id")
    trailer = session[end:]
    if trailer and not re.fullmatch(r"[0-9a-f]{32,64}", trailer):
        raise _mangled(
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


def _instant(seconds: object) -> str:
    if type(seconds) is not int or not 0 < seconds < 4_102_444_800:  # the year 2100
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _header_text(value: object) -> str | None:
    """A text that may go into a request header: no line break can hide in it."""
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]{1,1024}", value) else None


def _short_agent(agent: str) -> str:
    """Browser and system, as ``Chrome 139, Windows NT 10.0``."""
    browser = next(
        (
            found
            for name in ("Edg", "OPR", "Firefox", "Chrome", "Safari")
            if (found := re.search(rf"{name}/(\d{{1,4}})", agent))
        ),
        None,
    )
    system = re.search(r"\(([^;)]{1,40})", agent)
    named = [browser[0].replace("/", " ")] if browser else []
    return ", ".join(named + ([system[1]] if system else [])) or agent[:40]


# -- what is wrong with it ----------------------------------------------------------------------------------------------


def _mangled(problem: str) -> CredentialInvalid:
    return CredentialInvalid(MANGLED, f"The SSID is damaged: {problem}", f"{COPY} {USE_FILE}")


def _wrong_frame(problem: str) -> CredentialInvalid:
    return CredentialInvalid(
        WRONG_FRAME, f"This is not the login of PocketOption's trading socket: {problem}", COPY
    )


def _raw_token(problem: str) -> CredentialInvalid:
    return CredentialInvalid(RAW_TOKEN, f"The SSID is only a part of the login: {problem}", COPY)


def _with_repairs(refused: CredentialInvalid, repairs: tuple[str, ...]) -> CredentialInvalid:
    also = f" (found after this: {'; '.join(repairs)})" if repairs else ""
    return CredentialInvalid(refused.code, refused.problem + also, refused.next_step)


def _unreadable(found: re.Match[str]) -> CredentialInvalid:
    match found[0]:
        case "\0":
            why = "is a zero byte, as in a file that Windows saved as Unicode (UTF-16): save it as UTF-8"
        case "\ufffd":
            why = "stands for a byte that was lost when the text was decoded"
        case _:
            why = "is half of a character pair (or a byte that is not UTF-8)"
    return _mangled(f"character {found.start() + 1} {why}")


def _wrong_user(uid: object) -> CredentialInvalid:
    if uid is None:
        return _mangled("it has no uid, the user's number")
    if uid in (0, "0"):
        return _raw_token("its uid is 0, as programs write when they were given the session alone")
    return _mangled("its uid is not a positive whole number of at most 19 digits")


def _without_session(payload: dict[str, object]) -> CredentialInvalid:
    if "sessionToken" in payload:
        return _wrong_frame(
            "it has sessionToken instead of session, the login of the chart socket. The server accepts it without a "
            "word, but it may not trade, and asking for history gets no answer"
        )
    if "secret" in payload:
        return _wrong_frame("it has secret instead of session, the login of the chat")
    return _mangled(f"none of its {len(payload)} keys is session")


def _trimmings(text: str) -> list[str]:
    inner = trim(text)
    around = text[: text.index(inner)] + text[text.index(inner) + len(inner) :]
    trimmings = []
    if mark := next((sign for sign in around if sign in INVISIBLE), ""):
        trimmings.append(f"an invisible sign at its beginning or end (U+{ord(mark):04X}) was left out")
    if around.strip(INVISIBLE):
        trimmings.append("white space or a line end around it was left out")
    return trimmings


def _not_a_login(text: str) -> CredentialInvalid:
    for pattern, refuse, problem in _OTHER_THINGS:
        if pattern.search(text):
            return refuse(problem)
    word = _ASSIGNMENT.sub("", text).strip("\"'`")
    if len(word) < SHORTEST_SESSION or _NO_TOKEN_SIGN.search(word):
        return _mangled(f'its {len(text)} characters hold no login, nothing that begins 42["auth",')
    return _raw_token(f"it is a single word of {len(word)} characters, {_shape(word)}")


def _shape(word: str) -> str:
    if re.fullmatch(r"[0-9a-f]{32}", word):
        return "all hexadecimal digits, which may be a session id or the token of the chart socket"
    if re.fullmatch(r"[0-9a-z]+", word):
        return "lowercase letters and digits, as a demo session id has"
    return "letters, digits or signs"


_ASSIGNMENT = re.compile(r"\A(?:export |set |\$env:)?[A-Za-z_][A-Za-z0-9_]{0,40} ?[=:] ?")

# Tried in this order on a text without a login in it.
_OTHER_THINGS: tuple[tuple[re.Pattern[str], Callable[[str], CredentialInvalid], str], ...] = (
    (_QUOTEX, _wrong_frame, "its event is authorization, which is Quotex's login (--broker quotex)"),
    (_CHAT, _wrong_frame, "its event is user_init, the login of the chat"),
    (
        re.compile(r"\A\W{0,9}4[2-6]\d*+-?\W{0,9}\["),
        _wrong_frame,
        "it is a message of the socket, but its event is not auth",
    ),
    (
        re.compile(r"\A\W{0,9}(?:0\{|4[014](?:\{|\W*+\Z))"),
        _wrong_frame,
        "it is a message that opens or ends a connection",
    ),
    (
        re.compile(r"\A(?:env|file|keyring):"),
        _mangled,
        "it is a reference (env:, file:, keyring:) and not what stands there",
    ),
    (
        re.compile(r"\A(?:\$\{?[\w:]{1,60}\}?|%\w{1,60}%)\Z"),
        _mangled,
        "it is the name of a variable that nothing replaced",
    ),
    (re.compile(r"\A[a-z]{2,6}://"), _wrong_frame, "it is a URL"),
    (
        re.compile(r"\ba(?::\d{1,4}:\{|%3A\d{1,4}%3A%7B)|\bci_session\b", re.IGNORECASE),
        _raw_token,
        "it is the session of a real account alone, as the cookie ci_session holds it",
    ),
    (
        re.compile(r"\b(?:PHPSESSID|cf_clearance|__cf_bm|_ga|_fbp)\b|\A[\w-]{1,60}=[^;]*+;"),
        _wrong_frame,
        "it is a cookie of the web site",
    ),
    (
        re.compile(r"\b(?:session|isDemo|uid)\W{1,9}\w"),
        _mangled,
        'keys of a login are in it, but not its beginning, 42["auth",{',
    ),
)
