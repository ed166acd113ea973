"""What is wrong with a credential, in words that show nothing of it, and what to copy instead."""

import re
from collections.abc import Callable

from probe.model.errors import CredentialInvalid
from probe.session.damage import ASSIGNMENT, NO_TOKEN_SIGN, SHORTEST_TOKEN, STAND_INS

RAW_TOKEN, MANGLED, WRONG_FRAME = "cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"
TOKEN_LENGTH = 40
COPY = (
    "In the browser's developer tools open Network, WS, the row of the host that begins ws2., Messages, and copy the "
    'whole outgoing message that begins 42["authorization", and has session and isDemo in it.'
)
USE_FILE = "Keep it in a file and give file:PATH, so that no shell can change it."
OTHER_BROKER = "its event is auth, which is another broker's login: --broker pocketoption"

_PICKLE = re.compile("\\A[\x80\udc80][\x02-\x05]")


def mangled(problem: str) -> CredentialInvalid:
    return CredentialInvalid(MANGLED, f"The SSID is damaged: {problem}", f"{COPY} {USE_FILE}")


def wrong_frame(problem: str) -> CredentialInvalid:
    return CredentialInvalid(WRONG_FRAME, f"This is not the login of Quotex's socket: {problem}", COPY)


def raw_token(problem: str) -> CredentialInvalid:
    return CredentialInvalid(RAW_TOKEN, f"The SSID is only a part of the login: {problem}", COPY)


def refuse_pickle(text: str) -> None:
    if _PICKLE.match(text):
        raise wrong_frame(
            "it is a pickle, as in quotexpy's .session.pkl. Reading one can run any program hidden in it, so it is never "
            "opened here"
        )


def not_a_login(text: str) -> CredentialInvalid:
    for pattern, refuse, problem in _OTHER_THINGS:
        if pattern.search(text):
            return refuse(problem)
    word = bare_word(text)
    if len(word) < SHORTEST_TOKEN or NO_TOKEN_SIGN.search(word):
        return mangled(f'its {len(text)} characters hold no login, nothing that begins 42["authorization",')
    return raw_token(
        f"it is a single word of {len(word)} characters; a token has {TOKEN_LENGTH} letters and digits"
    )


def bare_word(text: str) -> str:
    return ASSIGNMENT.sub("", text).strip("\"'`")


# Tried in this order on a text without a login in it.
_OTHER_THINGS: tuple[tuple[re.Pattern[str], Callable[[str], CredentialInvalid], str], ...] = (
    (re.compile(r"\[\W{0,9}(?:auth\b(?![/-])|user_init\b)"), wrong_frame, OTHER_BROKER),
    (
        re.compile(r"[\"']password[\"']\s{0,9}:"),
        wrong_frame,
        "it has a password in it, which signs in on the web page and not here: give it with --login",
    ),
    (
        re.compile(r"\A\W{0,9}4[2-6]\d*+-?\W{0,9}\["),
        wrong_frame,
        "it is a message of the socket, but its event is not authorization",
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
        wrong_frame,
        "it is the session of another broker: --broker pocketoption, with the whole frame",
    ),
    (
        re.compile(r"[\"'](?:cookies|user_agent|userAgent|csrf|ssid)[\"']\s{0,9}:"),
        mangled,
        "it looks like the session file of another program, but is not the whole of one",
    ),
    (
        re.compile(
            r"\b(?:laravel_session|remember_web_\w{1,60}|cf_clearance|__cf_bm|_ga)=|\A[\w-]{1,60}=[^;]*+;"
        ),
        wrong_frame,
        "it is a cookie of the web site, and the token is in none of them",
    ),
    (
        re.compile(r"\b(?:session|isDemo|tournamentId)\W{1,9}\w"),
        mangled,
        'keys of a login are in it, but not its beginning, 42["authorization",{',
    ),
)
