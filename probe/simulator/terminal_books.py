"""What one account of a simulated terminal holds: money, positions, orders that wait, and the deals that were made."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from probe.simulator.terminal_quotes import TerminalQuotes, contract_size
from probe.simulator.terminal_shapes import TradeDeal, TradeOrder, TradePosition

BUY, SELL = 0, 1
_BALANCE_DEAL = 2
_IN, _OUT = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalAccount:
    login: int
    password: str = field(repr=False)
    server: str
    balance: float
    leverage: int = 100
    currency: str = "USD"
    company: str = "Simulated Markets Ltd."


class Book:
    """
    Args:
        clock: The broker's wall clock.
    """

    def __init__(
        self,
        account: TerminalAccount,
        quotes: TerminalQuotes,
        tickets: Iterator[int],
        clock: Callable[[], float],
    ) -> None:
        self.account, self.balance = account, account.balance
        self._quotes, self._tickets, self._clock = quotes, tickets, clock
        self._positions: dict[int, Any] = {}
        self._orders: dict[int, Any] = {}
        self.deals = [self._deal(_BALANCE_DEAL, _IN, 0, 0.0, 0.0, account.balance, "")]

    def open_position(self, symbol: str, volume: float, side: int, until: float) -> int:
        tick = self._quotes.tick(symbol, until)
        price = tick.ask if side == BUY else tick.bid
        ticket, now, now_msc = self._new()
        self._positions[ticket] = TradePosition(
            ticket, now, now_msc, now, now_msc, side, 0, ticket, 0, volume, price, 0.0, 0.0, price, 0.0, 0.0, symbol, "", ""
        )  # fmt: skip
        self.deals.append(self._deal(side, _IN, ticket, volume, price, 0.0, symbol))
        return ticket

    def close_position(self, ticket: int, until: float) -> None:
        it = self._current(self._positions.pop(ticket), until)
        self.balance = round(self.balance + it.profit, 2)
        side = SELL if it.type == BUY else BUY
        self.deals.append(self._deal(side, _OUT, ticket, it.volume, it.price_current, it.profit, it.symbol))

    def place_order(self, symbol: str, volume: float, price: float, kind: int) -> int:
        ticket, now, now_msc = self._new()
        self._orders[ticket] = TradeOrder(
            ticket, now, now_msc, 0, 0, 0, kind, 0, 2, 1, 0, 0, 0, 0, volume, volume, price, 0.0, 0.0, price, 0.0, symbol, "", ""
        )  # fmt: skip
        return ticket

    def positions(self, until: float) -> list[Any]:
        return [self._current(each, until) for each in self._positions.values()]

    def orders(self, until: float) -> list[Any]:
        return [
            each._replace(price_current=self._quotes.tick(each.symbol, until).ask)
            for each in self._orders.values()
        ]

    def sums(self, until: float) -> tuple[float, float, float]:
        """Profit of what is open, equity, margin."""
        positions = self.positions(until)
        profit = round(sum(each.profit for each in positions), 2)
        margin = round(sum(self.margin(each.symbol, each.volume, until) for each in positions), 2)
        return profit, round(self.balance + profit, 2), margin

    def margin(self, symbol: str, volume: float, until: float) -> float:
        worth = self._quotes.rate(symbol[:3], self.account.currency, until)
        return round(volume * contract_size(symbol) * worth / self.account.leverage, 2)

    def _current(self, position: Any, until: float) -> Any:
        symbol = position.symbol
        tick = self._quotes.tick(symbol, until)
        price = tick.bid if position.type == BUY else tick.ask
        moved = price - position.price_open if position.type == BUY else position.price_open - price
        worth = self._quotes.rate(symbol[3:], self.account.currency, until)
        profit = round(moved * position.volume * contract_size(symbol) * worth, 2)
        return position._replace(price_current=price, profit=profit)

    def _deal(
        self, kind: int, entry: int, position: int, volume: float, price: float, profit: float, symbol: str
    ) -> Any:
        ticket, now, now_msc = self._new()
        return TradeDeal(
            ticket, ticket if symbol else 0, now, now_msc, kind, entry, 0, position, 0, volume, price, 0.0, 0.0, profit,
            0.0, symbol, "", "",
        )  # fmt: skip

    def _new(self) -> tuple[int, int, int]:
        """A ticket, and the time in seconds and in milliseconds."""
        milliseconds = round(self._clock() * 1000)
        return next(self._tickets), milliseconds // 1000, milliseconds


def matching(symbols: Iterable[str], group: str) -> list[str]:
    """By masks with commas between them, of which those with ! leave out."""
    masks = [mask.strip() for mask in group.split(",")]
    wanted = [mask for mask in masks if not mask.startswith("!")]
    unwanted = [mask[1:] for mask in masks if mask.startswith("!")]
    return [
        symbol
        for symbol in symbols
        if any(fnmatchcase(symbol, mask) for mask in wanted)
        and not any(fnmatchcase(symbol, mask) for mask in unwanted)
    ]


def chosen(
    rows: list[Any], *, symbol: str = "", group: str = "", ticket: int = 0, position: int = 0
) -> tuple[Any, ...]:
    if group:
        symbols = set(matching({row.symbol for row in rows}, group))
        rows = [row for row in rows if row.symbol in symbols]
    return tuple(
        row
        for row in rows
        if (not symbol or row.symbol == symbol)
        and (not ticket or row.ticket == ticket)
        and (not position or row.position_id == position)
    )
