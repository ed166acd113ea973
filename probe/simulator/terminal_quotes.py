"""What a simulated terminal shows of the market: symbols, their last ticks, candles, and what a currency is worth.

`until` is UTC: nothing that came later is shown.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from probe.simulator.floor import Floor
from probe.simulator.market import CATALOGUE, Instrument, Kind
from probe.simulator.terminal_shapes import INVALID_PARAMS, NOT_FOUND, TIMEFRAMES, SymbolInfo, Tick

SYMBOLS: Mapping[str, Instrument] = {
    each.symbol: each
    for each in sorted(
        CATALOGUE, key=lambda each: each.symbol != "EURUSD"
    )  # the first one is asked for the time
    if not each.is_otc and (each.kind is Kind.CURRENCY or each.symbol in ("BTCUSD", "ETHUSD", "XAUUSD"))
}
VOLUME_MIN, VOLUME_MAX, VOLUME_STEP = 0.01, 100.0, 0.01
_CONTRACT = {Kind.CURRENCY: 100_000.0, Kind.COMMODITY: 100.0, Kind.CRYPTOCURRENCY: 1.0}
_FOLDER = {Kind.CURRENCY: "Forex", Kind.COMMODITY: "Metals", Kind.CRYPTOCURRENCY: "Coins"}
_SEEN_WITHIN = 10.0  # seconds; ticks are half a second apart
_MOST_RATES = 10_000


class Failed(Exception):
    """Of a call; `error` is what the package's last error says then."""

    def __init__(self, error: tuple[int, str]) -> None:
        self.error = error


class TerminalQuotes:
    def __init__(self, floor: Floor, offset_seconds: int) -> None:
        self._floor, self._offset = floor, offset_seconds

    def is_open(self, symbol: str, utc: float) -> bool:
        return self._floor.listing(symbol).is_open(utc)

    def tick(self, symbol: str, until: float) -> Any:
        instrument, listing = _instrument(symbol), self._floor.listing(symbol)
        seen = listing.last_open(until)
        last = listing.ticks(seen - _SEEN_WITHIN, seen)[-1]
        at = round((last.at + self._offset) * 1000)
        bid = round(last.price, instrument.digits)
        ask = round(bid + _spread(instrument) * 10.0**-instrument.digits, instrument.digits)
        return Tick(at // 1000, bid, ask, 0.0, 0, at, 6, 0.0)

    def symbol_info(self, symbol: str, until: float, *, shown: bool, currency: str) -> Any:
        instrument = _instrument(symbol)
        tick = self.tick(symbol, until) if shown else Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
        point = 10.0**-instrument.digits
        value = round(contract_size(symbol) * point * self.rate(symbol[3:], currency, until), 5)
        told = {
            "select": shown,
            "visible": shown,
            "time": tick.time,
            "digits": instrument.digits,
            "spread": _spread(instrument) if shown else 0,
            "spread_float": True,
            "trade_mode": 4,  # full
            "trade_exemode": 2,  # market
            "filling_mode": 1,
            "order_mode": 127,
            "expiration_mode": 15,
            "point": point,
            "trade_tick_size": point,
            "trade_contract_size": contract_size(symbol),
            "volume_min": VOLUME_MIN,
            "volume_max": VOLUME_MAX,
            "volume_step": VOLUME_STEP,
            "currency_base": symbol[:3],
            "currency_profit": symbol[3:],
            "currency_margin": symbol[:3],
            "description": instrument.label,
            "name": symbol,
            "path": f"{_FOLDER[instrument.kind]}\\{symbol}",
        }
        told |= dict.fromkeys(("bid", "bidhigh", "bidlow"), tick.bid)
        told |= dict.fromkeys(("ask", "askhigh", "asklow"), tick.ask)
        told |= dict.fromkeys(("trade_tick_value", "trade_tick_value_profit", "trade_tick_value_loss"), value)
        return SymbolInfo(**told)

    def rates(
        self, symbol: str, timeframe: int, start: int, number: int, *, until: float
    ) -> list[dict[str, float]]:
        """Candles, oldest first; `start` counts them back from the running one."""
        instrument = _instrument(symbol)
        if timeframe not in TIMEFRAMES or start < 0 or number < 1:
            raise Failed(INVALID_PARAMS)
        period, zone = TIMEFRAMES[timeframe], int(self._floor.zone)
        candles = self._floor.listing(symbol).candles_back(period, until + zone, until)
        rows = [
            {
                "time": int(each.start) - zone + self._offset,
                "open": each.open,
                "high": each.high,
                "low": each.low,
                "close": each.close,
                "tick_volume": 2 * period,
                "spread": _spread(instrument),
                "real_volume": 0,
            }
            for each in islice(candles, start, start + min(number, _MOST_RATES))
        ]
        return rows[::-1]

    def rate(self, currency: str, into: str, until: float) -> float:
        return self._dollars(currency, until) / self._dollars(into, until) if currency != into else 1.0

    def _dollars(self, currency: str, until: float) -> float:
        if currency == "USD":
            return 1.0
        if currency + "USD" in SYMBOLS:
            return self._floor.listing(currency + "USD").price_at(until)
        return 1 / self._floor.listing("USD" + currency).price_at(until)


def contract_size(symbol: str) -> float:
    return _CONTRACT[_instrument(symbol).kind]


def _spread(instrument: Instrument) -> int:
    """In points; any mixture will do."""
    return 6 + instrument.id % 9


def _instrument(symbol: str) -> Instrument:
    if symbol not in SYMBOLS:
        raise Failed(NOT_FOUND)
    return SYMBOLS[symbol]
