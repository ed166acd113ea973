"""What can be wrong with a terminal that answers, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from probe.brokers.mt5 import codes
from probe.model.failures import Blame, Failure
from probe.model.meanings import Effect, Trouble

RESTRICTED = {0: "may not be traded", 3: "may only be closed"}  # trade modes


def malformed(function: str, what: str) -> Trouble:
    return Trouble(
        code="mt5.bridge-type-error",
        sentence=f"{function} was answered without a usable {what}",
        advice="Make bridge, Python package and terminal fit each other: one of them changes what the terminal says.",
        effect=Effect.DEGRADES,
        blame=Blame.US,
    )


def no_price(symbol: str) -> Trouble:
    return Trouble(
        code="mt5.no-prices",
        sentence=f"the terminal has no price of {symbol} yet",
        advice="Show the symbol in the terminal's Market Watch and wait for its first price.",
        effect=Effect.DEGRADES,
        blame=Blame.US,
    )


def slow_call(what: str, seconds: float, *, is_bridge: bool) -> Trouble:
    return Trouble(
        code="mt5.bridge-timeout" if is_bridge else "mt5.ipc-timeout",
        sentence=f"the terminal took {seconds:.1f} s for one answer ({what})",
        advice="See what keeps it or its machine busy, and who else asks it: it answers one question after the other.",
        effect=Effect.DEGRADES,
        blame=Blame.US,
    )


def about_symbol(symbol: str, info: Mapping[str, Any]) -> Iterator[Trouble]:
    mode = info.get("trade_mode")
    how = RESTRICTED.get(mode) if isinstance(mode, int) else None
    if how is not None:
        yield Trouble(
            code="mt5.trade-disabled",
            sentence=f"{symbol} {how} on this account",
            advice="Look for the tradable variant of the symbol, often one with a suffix.",
            effect=Effect.NOTED,
            blame=Blame.BROKER,
            certain=True,
        )
    if info.get("select") is False:
        yield Trouble(
            code="mt5.symbol-not-selected",
            sentence=f"{symbol} is not shown in the terminal's Market Watch, so its prices do not flow",
            advice="Show it there; that is not done from here, because it would change what the terminal shows.",
            effect=Effect.DEGRADES,
            blame=Blame.US,
            certain=True,
        )


def unreadable_journal(failure: Failure) -> Trouble:
    return Trouble(
        code=failure.facts.code,
        sentence=f"the terminal's journal cannot be read: {failure}",
        advice="Check the folder in the configuration and who may read it; all else is watched without it.",
        effect=Effect.NOTED,
        blame=Blame.US,
    )


NOT_RUNNING = Trouble(
    code="mt5.terminal-crashed",
    sentence="no terminal was seen running; nothing was called, because that would start one",
    advice="Start the terminal and log in there; if it ran before, see why it ended, and supervise its process.",
    effect=Effect.STALLS,
    blame=Blame.US,
    certain=True,
)
UNSEEN = Trouble(
    code="mt5.no-ipc",
    sentence="the bridge answers and is attached to no terminal; whether one runs cannot be seen from here, and attaching "
    "could start one, so that was not done",
    advice="Start the terminal, log in there, and have the bridge attach to it (initialize) once: each process has to itself.",
    effect=Effect.STALLS,
    blame=Blame.US,
    told=codes.NO_IPC,
)
NO_SYMBOLS = Trouble(
    code="mt5.no-prices",
    sentence="the terminal knows no symbols: it has not been synchronized with its broker",
    advice="Wait a minute; then see whether it is logged in and connected, and restart it.",
    effect=Effect.DEGRADES,
    blame=Blame.US,
)
NOT_CONNECTED = Trouble(
    code="mt5.no-server-connection",
    sentence="the terminal runs and is not connected to its broker: the prices and the money it shows are old",
    advice="See whether the broker's access servers can be reached and whether the broker is under maintenance; rescan the "
    "servers in the terminal, and update it if its build is old.",
    effect=Effect.STALLS,
    blame=Blame.UNKNOWN,
    certain=True,
)
NOT_LOGGED_IN = Trouble(
    code="mt5.auth-failed",
    sentence="the terminal is not logged in to any account",
    advice="Log in at the terminal; a demo account may also have expired.",
    effect=Effect.SHUTS_OUT,
    blame=Blame.US,
)
ALGO_OFF = Trouble(
    code="mt5.algo-off",
    sentence="algo trading is switched off in the terminal: orders of programs get 10027",
    advice="Press Algo Trading in the terminal's toolbar; it is off again after a restart unless it is allowed in Options.",
    effect=Effect.DEGRADES,
    blame=Blame.US,
    certain=True,
)
API_OFF = Trouble(
    code="mt5.algo-off",
    sentence="trading through the Python API is switched off in the terminal: orders get -8",
    advice="Untick the option that disables it under Options, Expert Advisors.",
    effect=Effect.DEGRADES,
    blame=Blame.US,
    certain=True,
)
READ_ONLY = Trouble(
    code="mt5.investor-password",
    sentence="the account may only be looked at: no order will be accepted",
    advice="If that is not meant so, log in with the master password; else the broker disabled the account.",
    effect=Effect.DEGRADES,
    blame=Blame.CREDENTIAL,
)
ROBOTS_OFF = Trouble(
    code="mt5.algo-off-server",
    sentence="the broker forbids robots on this account: orders of programs get 10026",
    advice="Ask the broker, or use another kind of account.",
    effect=Effect.DEGRADES,
    blame=Blame.BROKER,
    certain=True,
)
