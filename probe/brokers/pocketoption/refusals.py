"""What is wrong with an SSID, in words that show nothing of it, and what to copy instead."""

import re
from collections.abc import Callable

from probe.model.errors import CredentialInvalid
from probe.session.damage import ASSIGNMENT, NO_TOKEN_SIGN, SHORTEST_TOKEN, STAND_INS

RAW_TOKEN, MANGLED, WRONG_FRAME = "cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"
COPY = (
    "In the browser's developer tools open Network, WS, the row of the trading host, Messages, and copy the whole "
    'outgoing message that begins 42["auth", and has session, isDemo and uid in it.'
)
USE_FILE = "Keep it in a file and give file:PATH, so that no shell can change it."

CHAT_LOGIN = re.compile(r"\[\W{0,9}user_init\b")
_QUOTEX_LOGIN = re.compile(r"\[\W{0,9}authorization\b")


def mangled(problem: str) -> CredentialInvalid:
    return CredentialInvalid(MANGLED, f"The SSID is damaged: {problem}", f"{COPY} {USE_FILE}")


def wrong_frame(problem: str) -> CredentialInvalid:
    return CredentialInvalid(
        WRONG_FRAME, f"This is not the login of PocketOption's trading socket: {problem}", COPY
    )


def raw_token(problem: str) -> CredentialInvalid:
    return CredentialInvalid(RAW_TOKEN, f"The SSID is only a part of the login: {problem}", COPY)


def wrong_user(uid: object) -> CredentialInvalid:
    if uid is None:
        return mangled("it has no uid, the user's number")
    if uid in (0, "0"):
        return raw_token("its uid is 0, as programs write when they were given the session alone")
    return mangled("its uid is not a positive whole number of at most 19 digits")


def without_session(payload: dict[str, object]) -> CredentialInvalid:
    if "sessionToken" in payload:
        return wrong_frame(
            "it has sessionToken instead of session, the login of the chart socket. The server accepts it without a "
            "word, but it may not trade, and asking for history gets no answer"
        )
    if "secret" in payload:
        return wrong_frame("it has secret instead of session, the login of the chat")
    return mangled(f"none of its {len(payload)} keys is session")


def not_a_login(text: str) -> CredentialInvalid:
    for pattern, refuse, problem in _OTHER_THINGS:
        if pattern.search(text):
            return refuse(problem)
    word = ASSIGNMENT.sub("", text).strip("\"'`")
    if len(word) < SHORTEST_TOKEN or NO_TOKEN_SIGN.search(word):
        return mangled(f'its {len(text)} characters hold no login, nothing that begins 42["auth",')
    return raw_token(f"it is a single word of {len(word)} characters, {_shape(word)}")


def _shape(word: str) -> str:
    if re.fullmatch(r"[0-9a-f]{32}", word):
        return "all hexadecimal digits, which may be a session id or the token of the chart socket"
    if re.fullmatch(r"[0-9a-z]+", word):
        return "lowercase letters and digits, as a demo session id has"
    return "letters, digits or signs"


# Tried in this order on a text without a login in it.
_OTHER_THINGS: tuple[tuple[re.Pattern[str], Callable[[str], CredentialInvalid], str], ...] = (
    (_QUOTEX_LOGIN, wrong_frame, "its event is authorization, which is Quotex's login (--broker quotex)"),
    (CHAT_LOGIN, wrong_frame, "its event is user_init, the login of the chat"),
    (
        re.compile(r"\A\W{0,9}4[2-6]\d*+-?\W{0,9}\["),
        wrong_frame,
        "it is a message of the socket, but its event is not auth",
    ),
    (
        re.compile(r"\A\W{0,9}(?:0\{|4[014](?:\{|\W*+\Z))"),
        wrong_frame,
        "it is a message that opens or ends a connection",
    ),
    *((pattern, mangled, problem) for pattern, problem in STAND_INS),
    (re.compile(r"\A[a-z]{2,6}://"), wrong_frame, "it is a URL"),
    (
        re.compile(r"\ba(?::\d{1,4}:\{|%3A\d{1,4}%3A%7B)|\bci_session\b", re.IGNORECASE),
        raw_token,
        "it is the session of a real account alone, as the cookie ci_session holds it",
    ),
    (
        re.compile(r"\b(?:PHPSESSID|cf_clearance|__cf_bm|_ga|_fbp)\b|\A[\w-]{1,60}=[^;]*+;"),
        wrong_frame,
        "it is a cookie of the web site",
    ),
    (
        re.compile(r"\b(?:session|isDemo|uid)\W{1,9}\w"),
        mangled,
        'keys of a login are in it, but not its beginning, 42["auth",{',
    ),
)
