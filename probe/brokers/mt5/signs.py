"""What a gateway's and a terminal's answers show of the failures that only they have, and what they rule out."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from probe.brokers.mt5.codes import AUTH_FAILED, IPC_TIMEOUT, NO_IPC
from probe.model.findings import Certainty, Sign, State
from probe.model.meanings import Effect, Trouble
from probe.session.signs import (
    Against,
    BrokerSign,
    Shown,
    always,
    either,
    if_certain,
    not_among,
    sign_of,
)

AT_ONCE = 1.0  # seconds; whoever waits for a terminal in vain waits longer
# Between asking and a working terminal: what fails here explains what is missing behind it.
_HOPS = (
    "mt5.bridge-down",
    "mt5.bridge-timeout",
    "mt5.ipc-timeout",
    "mt5.terminal-not-found",
    "mt5.no-ipc",
    "mt5.terminal-crashed",
    "mt5.gateway-up-terminal-down",
    "mt5.auth-failed",
    "mt5.auth-mode-unsupported",
    "mt5.version-mismatch",
    "mt5.no-server-connection",
)
_BEHIND = (
    "mt5.bridge-hang",
    "mt5.bridge-type-error",
    "mt5.ipc-contention",
    "mt5.no-prices",
    "mt5.symbol-not-selected",
    "mt5.history-none",
    "mt5.none-as-empty",
    "mt5.gateway-500",
)


def _entered(shown: Shown, _: Trouble) -> str:
    return "the gateway itself answered, its health check included" if shown.went_live else ""


def _account_shown(shown: Shown, _: Trouble) -> str:
    return "the account was shown when it was asked for" if "account" in shown.well else ""


def _prices(shown: Shown, _: Trouble) -> str:
    return "prices came from the same terminal" if shown.has_prices else ""


def _connected(shown: Shown, _: Trouble) -> str:
    return "the terminal says that it is connected to its broker" if "terminal" in shown.well else ""


def _selected(shown: Shown, _: Trouble) -> str:
    return "the terminal knows the symbol and shows it in its Market Watch" if "assets" in shown.well else ""


def _at_once(_: Shown, trouble: Trouble) -> str:
    after = trouble.after_seconds
    return f"it was told after {after:.2f} s" if after is not None and after < AT_ONCE else ""


def _late(_: Shown, trouble: Trouble) -> str:
    after = trouble.after_seconds
    return f"it was told only after {after:.0f} s" if after is not None and after >= AT_ONCE else ""


def _code(_: Shown, trouble: Trouble) -> str:
    """A terminal's own are below 0."""
    return (
        f"the terminal's own code is {trouble.told}" if trouble.told is not None and trouble.told < 0 else ""
    )


def _gave_up(_: Shown, trouble: Trouble) -> str:
    return f"the terminal's own code for that came: {IPC_TIMEOUT}" if trouble.told == IPC_TIMEOUT else ""


def _status(_: Shown, trouble: Trouble) -> str:
    return f"the status is {trouble.told}" if trouble.told is not None and trouble.told > 0 else ""


_FIELD = "the field itself was read, and says so"
_NO_GATEWAY = "the terminal was asked itself, without a gateway"

_AGAINST: Mapping[str, Mapping[str, Against]] = {
    "mt5.bridge-down": {
        "mt5.no-ipc": always("the connection to the bridge failed, so no code of a terminal came"),
        "mt5.bridge-hang": _at_once,
        "tcp.refused": _entered,
        "dns.no-address": _entered,
    },
    "mt5.bridge-timeout": {
        "mt5.ipc-timeout": always("no -10005 came: it was not the terminal that gave up"),
        "mt5.bridge-hang": either(_account_shown, _prices),
        "mt5.auth-failed": either(_account_shown, _prices),
    },
    "mt5.bridge-hang": {
        "mt5.bridge-down": either(_account_shown, _prices),
        "mt5.ipc-timeout": either(_account_shown, _prices),
        "mt5.bridge-timeout": either(_account_shown, _prices),
        "http.open-timeout": either(_account_shown, _prices),
    },
    "mt5.bridge-type-error": {
        "mt5.none-as-empty": always("something came, and it is neither None nor an empty list"),
        "mt5.version-mismatch": either(_account_shown, _prices),
    },
    "mt5.ipc-timeout": {
        "mt5.no-ipc": _late,
        "mt5.no-server-connection": either(_code, _late),
        "mt5.bridge-timeout": _gave_up,
        "mt5.version-mismatch": _gave_up,
    },
    "mt5.terminal-not-found": {"mt5.ipc-timeout": either(_at_once, _code), "mt5.no-ipc": _code},
    "mt5.no-ipc": {
        "mt5.ipc-timeout": _at_once,
        "mt5.ipc-contention": lambda shown, _: (
            "" if shown.has_prices else "only one call was made at a time, and none was answered"
        ),
        "mt5.bridge-down": _code,
        "mt5.terminal-crashed": if_certain("its process was seen running"),
    },
    "mt5.ipc-contention": {
        "mt5.multi-terminal": not_among("mt5.multi-terminal", "every account that was shown is the one asked for"),
        "mt5.bridge-hang": _at_once,
        "mt5.no-ipc": either(_account_shown, _prices),
    },
    "mt5.multi-terminal": {
        "auth.demo-real-mismatch": always("the account number itself is another one"),
        "mt5.none-as-empty": always("an account is shown, with its number"),
        "mt5.ipc-contention": always("the account was asked for by itself, one question at a time"),
    },
    "mt5.terminal-crashed": {
        "mt5.no-server-connection": always("no terminal answers that could have lost its broker"),
        "mt5.no-ipc": either(_code, always("the terminal's process was looked for, and is not there")),
        "mt5.terminal-not-found": lambda shown, _: "it answered earlier in this session" if shown.went_live else "",
    },
    "mt5.gateway-up-terminal-down": {
        "mt5.bridge-down": if_certain("the gateway says that its terminal is missing, and not a bridge"),
        "mt5.no-server-connection": always("the account is not shown, which a terminal without a broker remembers"),
        "mt5.none-as-empty": always("the account is refused openly, and nothing that came can be believed"),
        "data.market-closed": always("not even the account is shown"),
    },
    "mt5.auth-failed": {
        "mt5.auth-mode-unsupported": lambda _, trouble: (
            "the terminal's words speak of no second factor" if trouble.told == AUTH_FAILED else ""
        ),
        "mt5.no-server-connection": _connected,
        "auth.bad-credentials": always("it is a terminal that was logged in to"),
    },
    "mt5.auth-mode-unsupported": {"auth.2fa-pin": always("the terminal was asked, and no web page")},
    "mt5.version-mismatch": {
        "mt5.ipc-timeout": _code,
        "mt5.bridge-type-error": _code,
    },
    "mt5.investor-password": {
        "mt5.algo-off": not_among("mt5.algo-off", "the terminal's own flags allow trading by programs"),
        "mt5.trade-disabled": always("the flag is the account's, and holds for every symbol"),
        "mt5.algo-off-server": not_among("mt5.algo-off-server", "the account's flag for programs is on"),
    },
    "mt5.no-server-connection": {
        "mt5.gateway-up-terminal-down": if_certain("the terminal itself answered"),
        "data.market-closed": if_certain("the terminal says that it is not connected"),
        "data.stale-ticks": if_certain("the terminal says that it is not connected"),
        "mt5.auth-failed": not_among("mt5.auth-failed", "the login was not refused"),
    },
    "mt5.ping-high": {
        "mt5.bridge-hang": not_among("mt5.bridge-hang", "calls are answered at once"),
        "http.open-timeout": always(_NO_GATEWAY),
    },
    "mt5.algo-off": {
        "mt5.algo-off-server": if_certain(_FIELD + " of the terminal"),
        "mt5.investor-password": not_among("mt5.investor-password", "the account's own flag allows trading"),
        "mt5.trade-disabled": if_certain("the flag is the terminal's, and holds for every symbol"),
    },
    "mt5.algo-off-server": {
        "mt5.algo-off": not_among("mt5.algo-off", "the terminal's own flags allow trading by programs"),
        "mt5.investor-password": not_among("mt5.investor-password", "the account's own flag allows trading"),
        "mt5.trade-disabled": if_certain("the flag is the account's, and holds for every symbol"),
    },
    "mt5.trade-disabled": {
        "mt5.market-closed": if_certain("the symbol's trade mode forbids it at any hour"),
        "mt5.investor-password": not_among("mt5.investor-password", "the account's own flag allows trading"),
        "mt5.algo-off": not_among("mt5.algo-off", "the terminal's own flags allow trading by programs"),
    },
    "mt5.no-prices": {
        "mt5.symbol-not-selected": _selected,
        "mt5.no-server-connection": _connected,
        "mt5.market-closed": always("there is not even an old price"),
        "data.unknown-asset": _selected,
    },
    "mt5.symbol-not-selected": {
        "mt5.no-prices": if_certain(_FIELD),
        "mt5.history-none": always("it is the symbol itself that is asked for, and no history"),
        "data.unknown-asset": if_certain(_FIELD),
    },
    "mt5.history-none": {
        "mt5.symbol-not-selected": _prices,
        "mt5.none-as-empty": _code,
        "data.stale-history": always("no row came at all"),
        "mt5.server-timezone": if_certain("the same question was answered some seconds later"),
    },
    "mt5.none-as-empty": {
        "mt5.gateway-up-terminal-down": either(_account_shown, _prices),
        "mt5.history-none": always("the code is another one, or it is no history that is empty"),
        "mt5.multi-terminal": not_among("mt5.multi-terminal", "the account is the one asked for"),
    },
    "mt5.server-timezone": {
        "data.clock-offset": always("it is whole hours"),
        "host.clock-wrong": always("the offset is the one that the gateway tells, whatever this machine's clock says"),
        "data.stale-ticks": not_among("data.stale-ticks", "prices go on"),
    },
    "mt5.gateway-401-random": {
        "mt5.gateway-401": either(_account_shown, if_certain("the same token was accepted a moment later")),
        "mt5.gateway-up-terminal-down": always("what was refused was the token, with 401"),
        "crypto.session-secret": always("a gateway of MT5 answers, and tokens are asked for"),
    },
    "mt5.gateway-422": {
        "http.wrong-path": _status,
        "mt5.symbol-not-selected": _status,
        "mt5.gateway-401": _status,
    },
    "mt5.gateway-500": {
        "mt5.ipc-timeout": _at_once,
        "mt5.gateway-up-terminal-down": _account_shown,
        "http.bad-gateway": _status,
    },
}  # fmt: skip


def _sign(code: str, shown: Shown) -> Sign | None:
    trouble = shown.troubles.get(code)
    if trouble is None or _is_explained(code, shown):
        return None
    sign = sign_of(trouble, shown, _AGAINST.get(code, {}))
    return replace(sign, state=_state(trouble, shown), at_most=_at_most(code, trouble))


def _is_explained(code: str, shown: Shown) -> bool:
    """By something nearer that is broken."""
    nearer = _HOPS if code in _BEHIND else _HOPS[: _HOPS.index(code)] if code in _HOPS else ()
    return any(hop in shown.troubles and shown.troubles[hop].effect.state is State.FAILED for hop in nearer)


def _state(trouble: Trouble, shown: Shown) -> State:
    """What only degrades a gateway with many symbols is all there is to whoever wants one."""
    if trouble.code in _NO_PRICE and not shown.has_prices:
        return State.FAILED
    # It may be meant so: a failure only to whoever wants to trade, and that is what was asked.
    return State.DEGRADED if trouble.code in _NO_ORDERS else trouble.effect.state


_NO_PRICE = (
    "mt5.no-prices",
    "mt5.symbol-not-selected",
    "mt5.ipc-contention",
    "mt5.bridge-type-error",
    "mt5.gateway-500",
    "mt5.gateway-422",
    "mt5.bridge-hang",
)
_NO_ORDERS = ("mt5.algo-off", "mt5.algo-off-server", "mt5.investor-password", "mt5.trade-disabled")


def _at_most(code: str, trouble: Trouble) -> Certainty:
    if code == "mt5.history-none" and not trouble.certain:
        return Certainty.POSSIBLE
    is_read = trouble.certain or trouble.told in (IPC_TIMEOUT, NO_IPC, AUTH_FAILED)
    return Certainty.LIKELY if code in _DOUBTFUL and not is_read else Certainty.CERTAIN


# The catalogue calls them certain only where the other end itself says so.
_DOUBTFUL = (
    "mt5.bridge-timeout",
    "mt5.version-mismatch",
    "mt5.ping-high",
    "mt5.ipc-timeout",
    "mt5.bridge-type-error",
    "mt5.none-as-empty",
    "mt5.server-timezone",
    "mt5.gateway-401-random",
)


def _token(shown: Shown) -> Sign | None:
    """Refused at the entrance, on every connection; or over by its own date, and then it is not presented at all."""
    code, failure = "mt5.gateway-401", shown.failure
    if failure is None or failure.code != code:
        return _sign(code, shown)
    status = failure.http_status
    how = (
        f"the status is {status}"
        if status
        else "it was not presented, because its own date says that it is over"
    )
    excluded = {
        "mt5.auth-failed": f"nobody asked the broker: {how}",
        "http.401": "the health check answered as a gateway of MT5 does",
    }
    if status != 403:
        excluded["http.403-origin"] = how
        excluded["mt5.gateway-401-random"] = (
            "every connection of its own was refused as well" if status else how
        )
    return Sign(
        evidence=(str(failure),), excluded=excluded, at_most=Certainty.LIKELY if status else Certainty.CERTAIN
    )


def _hang(shown: Shown) -> Sign | None:
    """A bridge that takes a connection and then says nothing at all; or calls that wait for one another."""
    code, failure = "mt5.bridge-hang", shown.failure
    if failure is None or failure.code != code:
        return _sign(code, shown)
    nothing = "nothing at all came from the bridge, neither a code nor an end"
    return Sign(
        evidence=(str(failure),),
        excluded={
            "mt5.bridge-down": "the bridge's port took the connection",
            "mt5.ipc-timeout": nothing,
            "mt5.bridge-timeout": nothing,
            "http.open-timeout": "the bridge was asked itself, without a gateway",
        },
        at_most=Certainty.LIKELY,
    )


def _passing(code: str, shown: Shown) -> Sign | None:
    """It comes and goes, and that tells what it is."""
    trouble = shown.passed.get(code)
    if trouble is None or code in shown.troubles:
        return _sign(code, shown)
    trouble = replace(trouble, effect=Effect.DEGRADES, certain=True)
    return _sign(code, replace(shown, troubles={**shown.troubles, code: trouble}))


SIGNS: Mapping[str, BrokerSign] = {
    **{code: partial(_sign, code) for code in (*_AGAINST, "mt5.wrong-account-type", "mt5.market-closed")},
    "mt5.gateway-401": _token,
    "mt5.bridge-hang": _hang,
    "mt5.ipc-contention": partial(_passing, "mt5.ipc-contention"),
    "mt5.history-none": partial(_passing, "mt5.history-none"),
}
