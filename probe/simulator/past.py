"""Past prices, as much of them as the house tells at a time."""

from collections.abc import Iterable
from itertools import islice, takewhile
from math import inf, nextafter

from probe.model.intents import AskHistory
from probe.model.meanings import Candle, History
from probe.session.broker import HouseRules
from probe.simulator.floor import LONGEST_PERIOD, Floor
from probe.simulator.prices import Tick

TICKS_UP_TO_PERIOD = 1  # history of such periods is raw ticks


def recent(symbol: str, period: int, *, floor: Floor, house: HouseRules, at: float) -> History | None:
    """The burst after a subscription. Its candles lag behind its ticks."""
    if not floor.lists(symbol) or not 0 < period <= LONGEST_PERIOD:
        return None
    listing = floor.listing(symbol)
    ticks = listing.ticks(listing.last_open(at) - house.recent_seconds, nextafter(at, inf))
    running = (at + floor.zone) // period * period
    candles = listing.candles_back(period, running - (house.candles_lag - 1) * period, at)
    return _history(symbol, period, None, floor.zone, ticks, islice(candles, house.recent_candles))


def page(asked: AskHistory, *, floor: Floor, house: HouseRules, at: float) -> History | None:
    if not floor.lists(asked.symbol) or asked.period > LONGEST_PERIOD:
        return None
    listing, zone = floor.listing(asked.symbol), floor.zone
    since = max(asked.until - asked.span, 0.0)
    until = min(asked.until, nextafter(at + zone, inf))  # what is now is known, what comes is not
    ticks: list[Tick] = []
    candles: Iterable[Candle] = ()
    if asked.period <= TICKS_UP_TO_PERIOD:
        ticks = listing.ticks(max(since, until - house.page_tick_seconds) - zone, until - zone)
    elif until > since:
        back = listing.candles_back(asked.period, until, at)
        candles = takewhile(lambda candle: candle.start >= since, islice(back, house.page_rows))
    return _history(asked.symbol, asked.period, asked.index, zone, ticks, candles)


def _history(
    symbol: str,
    period: int,
    index: int | None,
    zone: float,
    ticks: Iterable[Tick],
    newest_first: Iterable[Candle],
) -> History:
    return History(
        symbol=symbol,
        period=period,
        index=index,
        ticks=tuple((at + zone, price) for at, price in ticks),
        candles=tuple(newest_first)[::-1],
    )
