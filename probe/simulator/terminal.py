"""A trading terminal: one account at a time over the floor's prices, with everything that can be wrong with it as attributes.

There is one state, whoever asks, as the real package has one for its whole process: who logs in changes the account for all,
and who shuts down does so for all. Times are the broker's wall clock written as if it were UTC.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from math import isclose
from pathlib import Path
from typing import Any, assert_never

from probe.drivers.terminal_child import plain
from probe.model.credentials import Secret
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure
from probe.simulator.floor import Floor
from probe.simulator.terminal_books import BUY, Book, TerminalAccount, chosen, matching
from probe.simulator.terminal_quotes import (
    SYMBOLS,
    VOLUME_MAX,
    VOLUME_MIN,
    VOLUME_STEP,
    Failed,
    TerminalQuotes,
)
from probe.simulator.terminal_shapes import (
    API_DISABLED,
    AUTH_FAILED,
    CALL_FAILED,
    INVALID_PARAMS,
    NO_IPC,
    NOT_FOUND,
    RETCODES,
    SUCCESS,
    AccountInfo,
    OrderCheckResult,
    TerminalInfo,
    TradeRequest,
)
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply

__all__ = ("JournalLine", "SimulatedTerminal", "TerminalAccount", "write_journal")

LINK_CALLS = ("initialize", "login", "shutdown")
HANG_CHECKED_EVERY = 0.02


class SimulatedTerminal:
    """
    Args:
        utc: The true time.
        offset_seconds: How far the broker's wall clock is from it.
    """

    def __init__(
        self,
        *,
        accounts: Mapping[int, TerminalAccount],
        floor: Floor,
        utc: Callable[[], float],
        offset_seconds: int = 7200,
    ) -> None:
        self.process_running = True
        self.init_error: tuple[int, str] | None = None
        self.call_error: tuple[int, str] | None = None
        self.call_seconds = 0.0
        self.hangs = False
        self.frozen_since_utc: float | None = None
        self.trade_allowed = True
        self.tradeapi_disabled = False
        self.account_trade_allowed = True
        self.trade_expert = True
        self.ping_last = 23_400  # microseconds
        self.retransmission = 0.0
        self.build = 5430
        self.logged_in: int | None = None
        self.hidden: set[str] = set()  # symbols that are not in its market watch
        self.launches = 0  # how often a call has started it
        self.last_error = SUCCESS
        self._quotes, self._utc = TerminalQuotes(floor, offset_seconds), utc
        self._lost_at: float | None = None
        self._is_linked = False  # between initialize and shutdown
        tickets = count(100_001)
        self._books = {
            login: Book(account, self._quotes, tickets, lambda: utc() + offset_seconds)
            for login, account in accounts.items()
        }
        self._turn = asyncio.Lock()
        self.functions: dict[str, Callable[..., Any]] = {
            "initialize": self._initialize,
            "login": self._login,
            "shutdown": self._shutdown,
            "version": lambda: (500, self.build, "20 Nov 2026"),
            "terminal_info": self._terminal_info,
            "account_info": self._account_info,
            "symbols_total": lambda: len(SYMBOLS),
            "symbols_get": lambda group="*": tuple(
                self._symbol_info(each) for each in matching(SYMBOLS, group)
            ),
            "symbol_info": self._symbol_info,
            "symbol_info_tick": self._tick,
            "symbol_select": self._symbol_select,
            "positions_get": lambda **only: chosen(self._mine().positions(self._until()), **only),
            "positions_total": lambda: len(self._mine().positions(self._until())),
            "orders_get": lambda **only: chosen(self._mine().orders(self._until()), **only),
            "orders_total": lambda: len(self._mine().orders(self._until())),
            "history_deals_get": self._history_deals,
            "history_deals_total": lambda *span: len(self._history_deals(*span)),
            "copy_rates_from_pos": lambda *asked: self._quotes.rates(*asked, until=self._until()),
            "order_check": self._order_check,
        }

    @property
    def connected(self) -> bool:
        """Whether it reaches the broker. If not, its data stays as it was, and can be asked for."""
        return self._lost_at is None

    @connected.setter
    def connected(self, value: bool) -> None:
        if value != self.connected:
            self._lost_at = None if value else self._utc()

    # -- as it is asked --------------------------------------------------------------------------------------------------

    async def ask(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        match call:
            case LookForProcess():
                return ProcessFound(running=self.process_running, detail="simulated")
            case TerminalCall():
                return await self._ask(call)
            case _:
                assert_never(call)

    async def close(self) -> None:
        pass

    async def _ask(self, call: TerminalCall) -> TerminalReply:
        async with self._turn:
            began_at = asyncio.get_running_loop().time()
            while self.hangs:  # noqa: ASYNC110 - whoever ends it sets an attribute
                await asyncio.sleep(HANG_CHECKED_EVERY)
            await asyncio.sleep(self.call_seconds)
            arguments = (_revealed(each) for each in call.arguments)
            named = {name: _revealed(each) for name, each in call.named.items()}
            value = plain(self.call(call.function, *arguments, **named))
            seconds = asyncio.get_running_loop().time() - began_at
            error, words = self.last_error
        return TerminalReply(value=value, error=error, error_text=words, seconds=seconds)

    def call(self, function: str, *arguments: Any, **named: Any) -> Any:
        """As the package does it: named tuples, None for what failed, and `last_error` says why."""
        if function == "last_error":
            return self.last_error
        if function not in self.functions:
            raise LocalProtocolError(f"the simulated terminal has no {function}")
        self.last_error = SUCCESS
        self._is_linked &= self.process_running
        try:
            if not self._is_linked and function not in ("initialize", "shutdown"):
                raise Failed(NO_IPC)
            if self.call_error is not None and function not in LINK_CALLS:
                raise Failed(self.call_error)
            return self.functions[function](*arguments, **named)
        except Failed as failed:
            self.last_error = failed.error
        except (TypeError, ValueError):
            self.last_error = INVALID_PARAMS
        return False if function in ("initialize", "login", "symbol_select") else None

    # -- what happens there ----------------------------------------------------------------------------------------------

    def open_position(self, login: int, symbol: str, volume: float, *, side: int = BUY) -> int:
        """Somebody trades there. Returns the ticket."""
        return self._books[login].open_position(symbol, volume, side, self._until())

    def close_position(self, login: int, ticket: int) -> None:
        self._books[login].close_position(ticket, self._until())

    def place_order(self, login: int, symbol: str, volume: float, price: float, *, kind: int = 2) -> int:
        """One that waits for its price; kind 2 is a buy limit. Returns the ticket."""
        return self._books[login].place_order(symbol, volume, price, kind)

    # -- the link to it --------------------------------------------------------------------------------------------------

    def _initialize(
        self,
        path: str = "",
        *,
        login: int = 0,
        password: str = "",
        server: str = "",
        timeout: int = 60_000,
        portable: bool = False,
    ) -> bool:
        if self.init_error is not None:
            raise Failed(self.init_error)
        if not self.process_running:
            self.launches += 1
            self.process_running = True
        self._is_linked = True
        return self._login(login, password=password, server=server) if login else True

    def _shutdown(self) -> None:
        self._is_linked = False

    def _login(self, login: int, password: str = "", server: str = "", timeout: int = 60_000) -> bool:
        book = self._books.get(login)
        is_known = book is not None and (
            password == book.account.password or (not password and login == self.logged_in)
        )
        if book is None or not is_known or server not in ("", book.account.server) or not self.connected:
            raise Failed(AUTH_FAILED)
        self.logged_in = login
        return True

    # -- what it knows ---------------------------------------------------------------------------------------------------

    def _terminal_info(self) -> Any:
        company = self._books[self.logged_in].account.company if self.logged_in else "Simulated Markets Ltd."
        return TerminalInfo(
            False, False, self.connected and self.logged_in is not None, False, self.trade_allowed, self.tradeapi_disabled,
            False, False, False, False, self.build, 100_000, 0, self.ping_last, 0.0, self.retransmission, company,
            "Simulated Terminal", "English", r"C:\Terminal", r"C:\Terminal\Data", r"C:\Terminal\Common",
        )  # fmt: skip

    def _account_info(self) -> Any:
        book = self._mine()
        account = book.account
        profit, equity, margin = book.sums(self._until())
        return AccountInfo(
            account.login, 0, account.leverage, 200, 0, self.account_trade_allowed, self.trade_expert, 2, 2, False,
            book.balance, 0.0, profit, equity, margin, round(equity - margin, 2),
            round(100 * equity / margin, 2) if margin else 0.0, 50.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            f"Account {account.login}", account.server, account.currency, account.company,
        )  # fmt: skip

    def _symbol_select(self, symbol: str, enable: bool = True) -> bool:  # noqa: FBT001, FBT002 - the package's own
        if symbol not in SYMBOLS:
            raise Failed(CALL_FAILED)
        (self.hidden.discard if enable else self.hidden.add)(symbol)
        return True

    def _symbol_info(self, symbol: str) -> Any:
        currency = "USD" if self.logged_in is None else self._books[self.logged_in].account.currency
        shown = symbol not in self.hidden
        return self._quotes.symbol_info(symbol, self._until(), shown=shown, currency=currency)

    def _tick(self, symbol: str) -> Any:
        if symbol in self.hidden:
            raise Failed(NOT_FOUND)
        return self._quotes.tick(symbol, self._until())

    def _until(self) -> float:
        """Ticks that came later were not seen."""
        return min(at for at in (self._utc(), self.frozen_since_utc, self._lost_at) if at is not None)

    def _history_deals(self, start: Any = 0, end: Any = None, **only: Any) -> tuple[Any, ...]:
        first, last = _seconds(start), float("inf") if end is None else _seconds(end)
        return chosen([each for each in self._mine().deals if first <= each.time <= last], **only)

    def _order_check(self, request: Mapping[str, Any]) -> Any:
        if self.tradeapi_disabled:
            raise Failed(API_DISABLED)
        now = self._account_info()
        symbol, volume = request.get("symbol", ""), request.get("volume", 0.0)
        needed = self._mine().margin(symbol, volume, self._until()) if symbol in SYMBOLS else 0.0
        code = self._retcode(symbol, volume, is_affordable=needed <= now.margin_free)
        margin = round(now.margin + needed, 2)
        empty = TradeRequest(0, 0, 0, "", 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, "", 0, 0)
        return OrderCheckResult(
            code, now.balance, now.equity, now.profit, margin, round(now.equity - margin, 2),
            round(100 * now.equity / margin, 2) if margin else 0.0, RETCODES[code], empty._replace(**request),
        )  # fmt: skip

    def _retcode(self, symbol: str, volume: float, *, is_affordable: bool) -> int:
        steps = volume / VOLUME_STEP
        wrong = {
            10027: not self.trade_allowed,
            10031: not self.connected,
            10026: not self.trade_expert,
            10017: not self.account_trade_allowed,
            10013: symbol not in SYMBOLS,
            10021: symbol in self.hidden,
            10014: not VOLUME_MIN <= volume <= VOLUME_MAX or not isclose(steps, round(steps), abs_tol=1e-6),
            10018: symbol in SYMBOLS and not self._quotes.is_open(symbol, self._utc()),
            10019: not is_affordable,
        }
        return next((code for code, is_so in wrong.items() if is_so), 0)

    def _mine(self) -> Book:
        if self.logged_in is None:
            raise Failed(CALL_FAILED)
        return self._books[self.logged_in]


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def _revealed(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value


# -- its journal -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    at: float  # seconds of the terminal's own wall clock, written as if it were UTC
    text: str
    source: str = "Network"
    level: int = 0  # 1: warning, 2: error
    code: str = "PE"


def write_journal(folder: Path, lines: Iterable[JournalLine]) -> None:
    """Append them to the files of their days."""
    for line in lines:
        moment = datetime.fromtimestamp(line.at, UTC)
        clock = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
        text = f"{line.code}\t{line.level}\t{clock}\t{line.source}\t{line.text}\r\n"
        with (folder / f"{moment:%Y%m%d}.log").open("ab") as file:
            file.write((text if file.tell() else "\ufeff" + text).encode("utf-16-le"))
