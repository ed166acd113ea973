"""What a terminal's error codes and a trade server's return codes mean, in words: one table each, as the package 5.0.6231 has them."""

from dataclasses import dataclass, replace

from probe.model.failures import Blame
from probe.model.meanings import Effect, Trouble

SHOWN = 120  # characters of the terminal's own words
SUCCESS, NOT_FOUND, AUTH_FAILED, NO_IPC, IPC_TIMEOUT = 1, -4, -6, -10004, -10005


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """Why a call failed, as `last_error` says."""

    says: str
    advice: str
    slug: str
    effect: Effect = Effect.DEGRADES
    blame: Blame = Blame.US
    is_lost: bool = False  # the way to the terminal, not only this call
    certain: bool = False

    def trouble(self, function: str, code: int, text: str, after_seconds: float | None = None) -> Trouble:
        return Trouble(
            code=self.slug,
            sentence=f"{function} failed: {self.says} ({words(code, text)})",
            advice=self.advice,
            effect=self.effect,
            blame=self.blame,
            certain=self.certain,
            told=code,
            after_seconds=after_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeCode:
    """What the trade server, or the terminal in its place, says about an order."""

    says: str
    words: tuple[str, ...] = ()  # as the journal has it, in small letters, where that is known
    advice: str = ""
    slug: str | None = None  # None: it is about the order, not about the way there
    blame: Blame = Blame.BROKER


def _lost(says: str, advice: str, slug: str, *, certain: bool = False) -> LastError:
    return LastError(says=says, advice=advice, slug=slug, effect=Effect.STALLS, is_lost=True, certain=certain)


_RESTARTED = "See whether the terminal restarts or updates itself; if it stays away, start it again and supervise its process."
_UPDATE = "Update the terminal and the Python package; in containers pin both."

LAST_ERRORS: dict[int, LastError] = {
    -1: LastError(
        says="the terminal could not do it and gives no reason",
        advice="Look into the terminal's journal. This is no empty answer: what was asked for is not known.",
        slug="mt5.none-as-empty",
        blame=Blame.UNKNOWN,
    ),
    -2: LastError(
        says="the terminal calls the arguments wrong",
        advice="Check the spelling of the symbol, suffix included; if that is right, this is our mistake: report it.",
        slug="mt5.none-as-empty",
    ),
    -3: LastError(
        says="the terminal has no memory left for the answer",
        advice="Ask for less history, watch fewer symbols, and restart the terminal.",
        slug="mt5.none-as-empty",
    ),
    NOT_FOUND: LastError(
        says="the terminal has nothing of that kind",
        advice="Ask again in some 20 s: history is loaded only when it is asked for. Then check the name.",
        slug="mt5.history-none",
        blame=Blame.UNKNOWN,
    ),
    -5: LastError(
        says="terminal and Python package are of versions that do not fit",
        advice=_UPDATE,
        slug="mt5.version-mismatch",
        effect=Effect.STALLS,
        certain=True,
    ),
    AUTH_FAILED: LastError(
        says="the login was refused, or this terminal does not know the server's name",
        advice="Compare the server's name with the terminal's list first, then the password; the account may also be closed. "
        "Do not repeat it: brokers block addresses for failed logins.",
        slug="mt5.auth-failed",
        effect=Effect.SHUTS_OUT,
        blame=Blame.CREDENTIAL,
        certain=True,
    ),
    -7: LastError(
        says="the terminal is too old to know this call",
        advice=_UPDATE,
        slug="mt5.version-mismatch",
    ),
    -8: LastError(
        says="trading through the Python API is switched off in the terminal",
        advice="Untick the option that disables it under Options, Expert Advisors.",
        slug="mt5.algo-off",
        certain=True,
    ),
    -10000: _lost("the pipe to the terminal failed", _RESTARTED, "mt5.ipc-contention"),
    -10001: _lost("the terminal takes no questions any more", _RESTARTED, "mt5.terminal-crashed"),
    -10002: _lost("the terminal went away in the middle of the call", _RESTARTED, "mt5.terminal-crashed"),
    -10003: _lost(
        "no terminal was found, or it could not be started",
        "Install the terminal (the Python package is not one) for the user that runs this, 64 bit, and start it.",
        "mt5.terminal-not-found",
        certain=True,
    ),
    NO_IPC: _lost(
        "there is no connection to a terminal",
        "Start the terminal, log in there, and restart what runs beside it: each process that asks has to attach by itself, "
        "as the same user in the same session.",
        "mt5.no-ipc",
    ),
    IPC_TIMEOUT: _lost(
        "the terminal runs and does not answer",
        "Look for a dialog or an update in its window; then compare the portable flag, the path, and the user and session of both.",
        "mt5.ipc-timeout",
        certain=True,
    ),
}
_UNKNOWN = LastError(
    says="the terminal gives a reason that is not known here",
    advice="Look into the terminal's journal; this is no empty answer.",
    slug="mt5.none-as-empty",
    blame=Blame.UNKNOWN,
)
_SECOND_FACTOR = LastError(
    says="this account wants a one-time password or a certificate, which the package cannot give",
    advice="Log in by hand in the terminal, and leave the credential away: then it is only watched.",
    slug="mt5.auth-mode-unsupported",
    effect=Effect.SHUTS_OUT,
    blame=Blame.CREDENTIAL,
)


def last_error(code: int, text: str) -> LastError:
    """The words count where one code has several causes."""
    if "unsupported authorization mode" in text.lower():
        return _SECOND_FACTOR
    if code == -10003 and "pipe server" in text.lower():
        return LAST_ERRORS[IPC_TIMEOUT]
    if code == SUCCESS:  # the call failed, and an earlier or later one did not
        return replace(LAST_ERRORS[-1], says="the terminal returned nothing and calls it a success")
    return LAST_ERRORS.get(code, _UNKNOWN)


def words(code: int, text: str) -> str:
    """The terminal's own, fit to be shown."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:SHOWN])
    return f"{code}, {shown!r}"


_NO_PRICES = "Open the symbol in Market Watch and wait for its first price."
_RESTRICTED = "Look for the tradable variant of the symbol, and ask the broker why this one is restricted."
_BY_ITSELF = "Send it again with the current price."

TRADE_CODES: dict[int, TradeCode] = {
    10004: TradeCode(says="requote", words=("requote",), advice=_BY_ITSELF, slug="mt5.ping-high"),
    10006: TradeCode(says="the request was rejected", words=("rejected",)),
    10007: TradeCode(says="the trader cancelled it", words=("canceled by trader", "cancelled by trader"), blame=Blame.US),
    10008: TradeCode(says="the order was placed, which is not yet done"),
    10009: TradeCode(says="done"),
    10010: TradeCode(says="done in part"),
    10011: TradeCode(says="the request could not be processed", words=("processing error", "common error")),
    10012: TradeCode(
        says="the request ran out of time",
        words=("timeout", "request canceled by timeout"),
        advice="Ask for the order's state before sending it again: it may have been done.",
        slug="mt5.ping-high",
    ),
    10013: TradeCode(says="the request is not valid", words=("invalid request",), blame=Blame.US),
    10014: TradeCode(says="the volume is not valid", words=("invalid volume",), blame=Blame.US),
    10015: TradeCode(says="the price is not valid", words=("invalid price",), blame=Blame.US),
    10016: TradeCode(says="the stops are not valid", words=("invalid stops", "invalid s/l or t/p"), blame=Blame.US),
    10017: TradeCode(
        says="trading is disabled",
        words=("trade is disabled", "trade disabled"),
        advice="Look for the tradable variant of the symbol, and whether the account may trade (an investor password may not).",
        slug="mt5.trade-disabled",
    ),
    10018: TradeCode(
        says="the market is closed",
        words=("market is closed", "market closed"),
        advice="Wait for the opening.",
        slug="mt5.market-closed",
    ),
    10019: TradeCode(says="there is not enough money", words=("not enough money", "no money"), blame=Blame.US),
    10020: TradeCode(says="the price changed", words=("prices changed", "price changed"), advice=_BY_ITSELF),
    10021: TradeCode(
        says="there are no prices",
        words=("off quotes", "no prices"),
        advice=_NO_PRICES,
        slug="mt5.no-prices",
    ),
    10022: TradeCode(says="the expiration is not valid", words=("invalid expiration",), blame=Blame.US),
    10023: TradeCode(says="the order changed meanwhile", words=("order changed",)),
    10024: TradeCode(
        says="too many requests", words=("too many requests",), blame=Blame.US, advice="Send fewer orders."
    ),
    10025: TradeCode(says="nothing would change", words=("no changes",), blame=Blame.US),
    10026: TradeCode(
        says="the broker forbids robots on this account",
        words=("autotrading disabled by server", "auto trading disabled by server"),
        advice="Ask the broker, or use another kind of account.",
        slug="mt5.algo-off-server",
    ),
    10027: TradeCode(
        says="algo trading is switched off in the terminal",
        words=("autotrading disabled by client", "auto trading disabled by client"),
        advice="Press Algo Trading in the terminal's toolbar.",
        slug="mt5.algo-off",
        blame=Blame.US,
    ),
    10028: TradeCode(says="the request is locked for processing", words=("request locked", "locked")),
    10029: TradeCode(says="order or position is frozen", words=("frozen",)),
    10030: TradeCode(says="this way of filling is not supported", words=("unsupported filling mode",), blame=Blame.US),
    10031: TradeCode(
        says="the terminal has no connection to the trade server",
        words=("no connection",),
        advice="See whether the network or the broker is in trouble; have the terminal scan its servers again.",
        slug="mt5.no-server-connection",
        blame=Blame.UNKNOWN,
    ),
    10032: TradeCode(says="only real accounts may do that", words=("only real",), advice="Use a real account, or another symbol.", slug="mt5.wrong-account-type"),
    10033: TradeCode(says="the limit of pending orders is reached", words=("orders limit", "limit of pending orders")),
    10034: TradeCode(says="the limit of volume is reached", words=("volume limit",)),
    10035: TradeCode(says="the order's type is wrong or forbidden", words=("invalid order",), blame=Blame.US),
    10036: TradeCode(says="the position is closed already", words=("position closed", "position doesn't exist")),
    10038: TradeCode(says="more would be closed than is open", words=("invalid close volume",), blame=Blame.US),
    10039: TradeCode(says="there is a closing order already", words=("close order already exists",), blame=Blame.US),
    10040: TradeCode(says="the limit of positions is reached", words=("positions limit",)),
    10041: TradeCode(says="activating the order was rejected", words=("activation rejected",)),
    10042: TradeCode(says="only long positions are allowed", words=("only long", "long only"), advice=_RESTRICTED, slug="mt5.trade-disabled"),
    10043: TradeCode(says="only short positions are allowed", words=("only short", "short only"), advice=_RESTRICTED, slug="mt5.trade-disabled"),
    10044: TradeCode(says="positions may only be closed", words=("only position closing", "close only"), advice=_RESTRICTED, slug="mt5.trade-disabled"),
    10045: TradeCode(says="positions are closed in the order they were opened (FIFO)", words=("fifo",)),
    10046: TradeCode(says="hedging is prohibited", words=("hedge",)),
}  # fmt: skip


def trade_code(reason: str) -> TradeCode | None:
    """What the journal's words for a failed order stand for: of those that fit, the longest are meant."""
    reason = reason.lower()
    fitting = [
        (len(word), code) for code, each in TRADE_CODES.items() for word in each.words if word in reason
    ]
    return TRADE_CODES[max(fitting)[1]] if fitting else None
