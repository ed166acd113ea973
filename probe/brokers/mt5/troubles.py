"""What can be wrong with a gateway that answers, as a table: what it does to a trader, whose business it is, what to do next."""

import re
from dataclasses import replace

from probe.brokers.mt5.answers import Complaint
from probe.model.failures import Blame
from probe.model.meanings import Effect, Trouble

IPC_SECONDS = (
    5.0  # without a connection to the terminal an error comes at once; so late, somebody gave up waiting
)

TERMINAL_DOWN = "mt5.gateway-up-terminal-down"
NONE_AS_EMPTY = "mt5.none-as-empty"
OTHER_ACCOUNT = "mt5.multi-terminal"
NO_BROKER = "mt5.no-server-connection"
LOGIN_REFUSED = "mt5.auth-failed"
BRIDGE_DOWN = "mt5.bridge-down"
STALE = "data.stale-ticks"
IPC_TIMEOUT = "mt5.ipc-timeout"
HELD_UP = "mt5.bridge-hang"
MALFORMED = "mt5.bridge-type-error"
NO_PRICES = "mt5.no-prices"
NO_SYMBOL = "mt5.symbol-not-selected"
WRONG_ZONE = "mt5.server-timezone"
TOKEN = "mt5.gateway-401"  # noqa: S105 - a slug
WORKERS = "mt5.gateway-401-random"
OUR_FORM = "mt5.gateway-422"
BRIDGE_TIMEOUT = "mt5.bridge-timeout"
CONTENTION = "mt5.ipc-contention"
ERROR = "mt5.gateway-500"
NO_ROUTE = "http.wrong-path"
OPEN_TO_ALL = "http.origin-or-ua"  # the nearest there is: about who may ask from where

_TABLE: dict[str, tuple[Effect, Blame, str]] = {
    TERMINAL_DOWN: (
        Effect.STALLS,
        Blame.EDGE,
        "Look at the terminal behind the gateway: start it, see that it is logged in, then restart the gateway, "
        "which does not reconnect by itself.",
    ),
    NONE_AS_EMPTY: (
        Effect.STALLS,
        Blame.EDGE,
        "Do not believe zeros and empty lists until the account is shown again: the gateway says so when it gets no "
        "answer from its terminal. Look at the terminal.",
    ),
    OTHER_ACCOUNT: (
        Effect.SHUTS_OUT,
        Blame.EDGE,
        "Somebody else logged in through the same gateway, which has one terminal for all: give each account a "
        "gateway and a terminal of its own, and do not trade through this one until the account is yours again.",
    ),
    NO_BROKER: (
        Effect.STALLS,
        Blame.BROKER,
        "The terminal runs and has no broker: look at its connection and its build; brokers refuse old ones and have "
        "maintenance at weekends.",
    ),
    LOGIN_REFUSED: (
        Effect.SHUTS_OUT,
        Blame.CREDENTIAL,
        "Look at the account that the gateway was given: the server's name first, then the password, then whether a "
        "demo account has ended.",
    ),
    BRIDGE_DOWN: (
        Effect.STALLS,
        Blame.EDGE,
        "Start the bridge beside the terminal; check its host, port and the address it listens on.",
    ),
    BRIDGE_TIMEOUT: (
        Effect.STALLS,
        Blame.EDGE,
        "Ask for the terminal's state before anything is repeated; let the bridge wait longer (sync_request_timeout) than "
        "the terminal, which takes up to 60 s.",
    ),
    CONTENTION: (
        Effect.DEGRADES,
        Blame.EDGE,
        "Run the gateway with one worker that asks the terminal one question after the other, and see whether the errors stop.",
    ),
    STALE: (
        Effect.NOTED,
        Blame.BROKER,
        "If the market is open, the terminal has lost its broker or gets no prices: look for 'No connection' in its "
        "corner. This gateway shows all of that alike; a bridge:// endpoint to the terminal tells it apart.",
    ),
    IPC_TIMEOUT: (
        Effect.STALLS,
        Blame.EDGE,
        "The terminal does not answer the gateway: look for an open dialog or an update in it, then the portable "
        "flag, the path and the Windows session of both.",
    ),
    HELD_UP: (
        Effect.DEGRADES,
        Blame.EDGE,
        "One call to the terminal holds up all others: see who logs in or asks for much at that time; the gateway "
        "should make such calls outside its event loop, with a deadline.",
    ),
    MALFORMED: (
        Effect.DEGRADES,
        Blame.EDGE,
        "Do not use this answer; the gateway and the package MetaTrader5 it runs on may not fit each other: "
        "look at the gateway's log and update it.",
    ),
    NO_PRICES: (
        Effect.DEGRADES,
        Blame.EDGE,
        "Show the symbol in the terminal's Market Watch and wait for its first tick.",
    ),
    NO_SYMBOL: (
        Effect.DEGRADES,
        Blame.US,
        "Write the symbol as the terminal's Market Watch does: small and capital letters count, and many brokers "
        "add a suffix (EURUSDm, XAUUSD.r).",
    ),
    WRONG_ZONE: (
        Effect.DEGRADES,
        Blame.EDGE,
        "The gateway took the broker's zone from an old tick when it logged in: its day and history are shifted until "
        "it logs in again while the market is open.",
    ),
    TOKEN: (
        Effect.SHUTS_OUT,
        Blame.CREDENTIAL,
        "Log in at the gateway again and give the new token; a token lives 24 hours and is gone when the gateway restarts.",
    ),
    WORKERS: (
        Effect.DEGRADES,
        Blame.EDGE,
        "The gateway runs as several processes, and each knows only the tokens it gave out itself: run it with one "
        "worker, or keep its sessions in a shared place.",
    ),
    OUR_FORM: (
        Effect.DEGRADES,
        Blame.US,
        "The gateway wants another form of question than the one known: it may be a newer version.",
    ),
    ERROR: (
        Effect.DEGRADES,
        Blame.EDGE,
        "The gateway hides the cause; its log at this minute knows it.",
    ),
    NO_ROUTE: (
        Effect.NOTED,
        Blame.UNKNOWN,
        "This gateway is another one than the known one; what it lacks cannot be watched.",
    ),
    OPEN_TO_ALL: (
        Effect.NOTED,
        Blame.EDGE,
        "Before others can reach this gateway, name the allowed origins, switch the documentation pages off, and "
        "see that every question about the account wants a token.",
    ),
}

# What gateways say, and what it means; first match counts.
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"IPC timeout|-10005|mt5 call timed out|did not answer in time", IPC_TIMEOUT),
        (r"no connection to its broker", NO_BROKER),
        (r"logged in to another account", OTHER_ACCOUNT),
        (r"does not accept this gateway's account", LOGIN_REFUSED),
        (r"cannot be reached|Errno (?:111|104|-2|-5)\b", BRIDGE_DOWN),
        (r"result expired", BRIDGE_TIMEOUT),
        (r"-10000\b", CONTENTION),
        (r"queue depth|too many requests wait", HELD_UP),
        (r"no price has moved", STALE),
        (r"has no attribute|not JSON serializable|\bnumpy\b|netref|makes no sense", MALFORMED),
        (
            r"retrieve account information|get account info|to (?:re)?connect to MT5|not initialized",
            TERMINAL_DOWN,
        ),
        (
            r"not running|does not answer|not logged in|no account logged in|mt5 service|IPC|-1000[1-4]",
            TERMINAL_DOWN,
        ),
    )
)


_CERTAIN = (TERMINAL_DOWN, IPC_TIMEOUT, NO_BROKER, OTHER_ACCOUNT, LOGIN_REFUSED, BRIDGE_DOWN, BRIDGE_TIMEOUT)


def trouble(code: str, sentence: str, *, certain: bool = False, effect: Effect | None = None) -> Trouble:
    usual, blame, advice = _TABLE[code]
    return Trouble(
        code=code, sentence=sentence, advice=advice, effect=effect or usual, blame=blame, certain=certain
    )


def trouble_of(what: str, said: Complaint) -> Trouble:
    """What the gateway's own words for an error mean."""
    return replace(_trouble_of(what, said), told=said.status, after_seconds=said.seconds)


def _trouble_of(what: str, said: Complaint) -> Trouble:
    words = f"{what} is answered with HTTP {said.status}, {said.words!r}"
    if said.status < 400:
        sentence = f"{what} is answered with a success that cannot be read: {said.words}"
        return replace(trouble(MALFORMED, sentence), code=said.kind)
    if said.is_refusal:
        return trouble(TOKEN, words)
    if said.status == 404:
        return trouble(NO_ROUTE, words)
    if said.status < 500:
        return trouble(OUR_FORM, words)
    code = next((code for pattern, code in _WORDS if pattern.search(said.words)), ERROR)
    if code in (ERROR, TERMINAL_DOWN) and said.seconds >= IPC_SECONDS:
        code, words = IPC_TIMEOUT, f"{words}, after {said.seconds:.0f} s"
    if code is TERMINAL_DOWN:
        words = f"the gateway runs, but its terminal does not: {words}"
    found = trouble(code, words, certain=code in _CERTAIN)
    if "has no attribute" in said.words:  # of the public gateway's first version, once a position is open
        return replace(found, sentence=words + ": it fails as soon as a position is open")
    return found
