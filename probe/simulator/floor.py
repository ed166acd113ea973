"""The trading floor: every instrument as the broker quotes it, in its hours and on the broker's clock.

Three times meet here. `now` is monotonic and comes from outside. `at` is UTC as the broker believes it to be; all
arithmetic is done in it. Broker time is `at` plus the broker's zone; it is what goes over the wire.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import shake_128
from math import ceil, inf, nextafter
from types import MappingProxyType

from probe.model.meanings import Asset, Assets, Candle, Signal, Signals
from probe.simulator.market import CATALOGUE, Hours, Instrument, is_open, next_change
from probe.simulator.prices import Candle as Bar
from probe.simulator.prices import PricePath, Tick

LONGEST_PERIOD = 86_400
SIGNALLED, SIGNAL_PERIODS = 5, (60, 300)  # so many symbols; seconds
_BAR_SECONDS = (86_400, 14_400, 3_600, 900, 300, 60, 30, 15, 5, 1)
_WEEK = 7 * 86_400
_LISTINGS_KEPT = (
    256  # who asks for all there are gets each once; a busy price path caches about half a megabyte
)

# Seconds between the knots that sentiment drifts between, and how much each of the two has to say of its 0 to 100.
_SENTIMENT = ((900, 0.7), (60, 0.3))

_BY_SYMBOL = {instrument.symbol: instrument for instrument in CATALOGUE}


class Listing:
    """One instrument: its price path, of which only the open hours can be seen."""

    __slots__ = ("_hours", "_path", "_zone", "instrument", "symbol")

    def __init__(self, instrument: Instrument, path: PricePath, zone_seconds: int) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self._hours = instrument.hours
        self._path = path
        self._zone = zone_seconds

    def is_open(self, at: float) -> bool:
        return self._hours is Hours.ALWAYS or is_open(self._hours, at)

    def last_open(self, at: float) -> float:
        """`at` itself if trade was open until then, else the last close."""
        if self.is_open(nextafter(at, -inf)):
            return at
        border = at - _WEEK
        while (change := next_change(self._hours, border)) < at:
            border = change
        return border

    def price_at(self, at: float) -> float:
        """The price of the last tick that could be seen at `at`."""
        return self._path.price_at(at if self.is_open(at) else nextafter(self.last_open(at), -inf))

    def ticks(self, start: float, end: float) -> list[Tick]:
        """The ticks with `start <= at < end`, ascending."""
        return [tick for span in self._open_spans(start, end) for tick in self._path.ticks(*span)]

    def next_tick(self, after: float) -> Tick:
        """The first tick with `at > after`."""
        tick = self._path.next_tick(after)
        while not self.is_open(tick.at):
            tick = self._path.next_tick(nextafter(next_change(self._hours, tick.at), -inf))
        return tick

    def candles_back(self, period: int, before: float, at: float) -> Iterator[Candle]:
        """Newest first and without end: the candles that start before the broker time `before`, as the ticks
        up to `at` made them. They are multiples of the period by the broker's clock; starts are broker time.
        """
        start = (ceil(before) - 1) // period * period
        while True:
            opened = start - self._zone
            bars = [
                bar
                for first, end in self._open_spans(opened, opened + period)
                for bar in self._bars(int(first), int(end), at)
            ]
            if bars:
                high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
                yield Candle(float(start), bars[0].open, high, low, bars[-1].close)
            start = (ceil(self.last_open(opened)) + self._zone - 1) // period * period

    def _open_spans(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        while start < end:
            change = min(next_change(self._hours, start), end)
            if self.is_open(start):
                yield start, change
            start = change

    def _bars(self, start: int, end: int, at: float) -> Iterator[Bar]:
        """The path's own bars that make up `start` to `end`, as far as `at`."""
        while start < end and start <= at:
            size = next(size for size in _BAR_SECONDS if start % size == 0 and start + size <= end)
            if start + size > at:
                running = self._path.running_candle(size, at)
                if running is not None:
                    yield running
                return
            yield from self._path.candles(size, start, start + 1)
            start += size


def _word(words: Sequence[str], change: float) -> str:
    if change == 0:
        return words[len(words) // 2]
    return words[-1] if change > 0 else words[0]


class Floor:
    """All listings, and the clock.

    Args:
        seed: Another seed gives another market.
        epoch: UTC seconds at monotonic 0. Of this century: then `due` loses no digit, and what is due at a time
            is due at the time that `due` names.
        zone_seconds: How far the broker's clock is meant to be from UTC.
        listings: The broker's names for some of the catalogue, where it has its own.
        skew_seconds: How wrong it is besides.
    """

    def __init__(
        self,
        *,
        seed: int | str,
        epoch: float,
        zone_seconds: float,
        skew_seconds: float,
        listings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.zone = zone_seconds
        self.listing = lru_cache(_LISTINGS_KEPT)(self._list)
        self._seed = seed
        self._epoch = epoch
        self._believed_epoch = epoch + skew_seconds
        self._instruments = {
            name: replace(_BY_SYMBOL[listed], symbol=name, is_otc=False) for name, listed in listings.items()
        } or _BY_SYMBOL
        self._assets: Assets | None = None
        self._assets_until = -inf

    def lists(self, symbol: str) -> bool:
        return symbol in self._instruments

    def utc(self, now: float) -> float:
        """The true time."""
        return self._epoch + now

    def at(self, now: float) -> float:
        return self._believed_epoch + now

    def due(self, at: float) -> float:
        """The monotonic time at which it is `at`."""
        return at - self._believed_epoch

    def assets(self, at: float) -> tuple[Assets, float]:
        """The catalogue, and when it will be another: a market opens or closes."""
        if self._assets is None or at >= self._assets_until:
            self._assets = Assets(
                rows=tuple(self._asset(instrument, at) for instrument in self._instruments.values())
            )
            self._assets_until = min(next_change(hours, at) for hours in Hours)
        return self._assets, self._assets_until

    def sentiment(self, symbol: str, at: float) -> int:
        """The share of buyers in percent. As with prices, every instant has its own, whoever asks in what order."""
        percent = 0.0
        for seconds, weight in _SENTIMENT:
            knot, into = divmod(at, seconds)
            left, right = (
                shake_128(f"{self._seed}/{symbol}/sentiment-{seconds}/{int(where)}".encode()).digest(1)[0]
                for where in (knot, knot + 1)
            )
            percent += weight * 100 / 255 * (left + (right - left) * into / seconds)
        return round(percent)

    def signals(self, words: Sequence[str], at: float) -> Signals:
        """To go on as the price did: `words` are from "sell" to "buy"."""
        rows = []
        for symbol in list(self._instruments)[:SIGNALLED]:
            listing = self.listing(symbol)
            price = listing.price_at(at)
            said = tuple(
                (period, _word(words, price - listing.price_at(at - period))) for period in SIGNAL_PERIODS
            )
            rows.append(Signal(symbol, said, price))
        return Signals(at=at + self.zone, rows=tuple(rows))

    def _asset(self, instrument: Instrument, at: float) -> Asset:
        changes_at = next_change(instrument.hours, at)
        return Asset(
            id=instrument.id,
            symbol=instrument.symbol,
            label=instrument.label,
            kind=instrument.kind.value,
            digits=instrument.digits,
            payout_percent=instrument.payout_percent,
            is_otc=instrument.is_otc,
            is_open=is_open(instrument.hours, at),
            opens_or_closes_at=None if changes_at == inf else changes_at + self.zone,
        )

    def _list(self, symbol: str) -> Listing:
        instrument = self._instruments[symbol]
        path = PricePath(
            seed=self._seed,
            symbol=symbol,
            digits=instrument.digits,
            base=instrument.base_price,
            daily_volatility=instrument.daily_volatility,
        )
        return Listing(instrument, path, int(self.zone))
