from collections.abc import Iterable
from functools import cache
from itertools import islice, takewhile
from math import ceil

import pytest

from probe.model.meanings import Candle
from probe.simulator.floor import Floor
from probe.simulator.prices import Tick
from tests.simulator.desks import NOON, ZONE, utc

DAY = 86_400.0


def a_floor(*, epoch: float = NOON, zone_seconds: float = ZONE) -> Floor:
    return Floor(seed=7, epoch=epoch, zone_seconds=zone_seconds, skew_seconds=0.0)


# Apple closes in it and opens again, gold pauses for an hour.
SEEN_FROM, SEEN_TO = utc("Mon 17:30"), utc("Tue 13:41") + 23.456


@cache
def seen(symbol: str) -> list[Tick]:
    return a_floor().listing(symbol).ticks(SEEN_FROM, SEEN_TO)


def candles_of(ticks: Iterable[Tick], period: int) -> list[Candle]:
    """What anybody who had seen these ticks would draw."""
    prices: dict[float, list[float]] = {}
    for tick in ticks:
        prices.setdefault((tick.at + ZONE) // period * period, []).append(tick.price)
    return [Candle(start, seen[0], max(seen), min(seen), seen[-1]) for start, seen in prices.items()]


@pytest.mark.parametrize("symbol", ["EURUSD_otc", "#AAPL", "XAUUSD"])
@pytest.mark.parametrize("period", [7, 60, 3_600, 5_400, 14_400, 86_400])
def test_candles_are_what_the_visible_ticks_make_them(symbol: str, period: int) -> None:
    oldest = ceil((SEEN_FROM + ZONE) / period) * period
    back = a_floor().listing(symbol).candles_back(period, SEEN_TO + ZONE, SEEN_TO)
    told = list(takewhile(lambda candle: candle.start >= oldest, islice(back, 500)))[::-1]
    expected = candles_of([tick for tick in seen(symbol) if tick.at + ZONE >= oldest], period)
    assert told == expected[-500:]


@pytest.mark.parametrize("zone_seconds", [0, 7_200, -12_600, 20_700])
def test_candles_begin_at_multiples_of_their_period_by_the_brokers_clock(zone_seconds: int) -> None:
    listing = a_floor(zone_seconds=zone_seconds).listing("EURUSD_otc")
    starts = [candle.start for candle in islice(listing.candles_back(14_400, NOON + zone_seconds, NOON), 10)]
    assert [start % 14_400 for start in starts] == [0.0] * 10
    assert NOON + zone_seconds - 14_400 <= starts[0] < NOON + zone_seconds


def test_a_candle_that_runs_holds_only_what_was_quoted_so_far() -> None:
    listing = a_floor().listing("EURUSD_otc")
    for at in (NOON + 1.2, NOON + 17.3, NOON + 59.999):
        candle = next(listing.candles_back(60, at + ZONE, at))
        assert [candle] == candles_of(listing.ticks(NOON, at), 60)


def test_a_candle_around_a_pause_holds_what_came_before_it_until_trade_goes_on() -> None:
    gold, pause = a_floor(zone_seconds=0).listing("XAUUSD"), utc("Mon 21:00")
    before = [tick.price for tick in gold.ticks(pause - 3_600, pause)]
    candle = next(gold.candles_back(14_400, pause + 1_800, pause + 1_800))
    expected = Candle(pause - 3_600, before[0], max(before), min(before), before[-1])
    assert candle == expected


def test_no_tick_is_quoted_while_the_market_is_closed() -> None:
    listing = a_floor().listing("EURUSD")
    close, opening = utc("Fri 22:00"), utc("Sun 22:00") + 7 * DAY
    told = [tick.at for tick in listing.ticks(close - 2, opening + 2)]
    assert [at for at in told if close <= at < opening] == []
    assert {at < close for at in told} == {True, False}
    assert listing.next_tick(close + 100).at == min(at for at in told if at >= opening)


def test_the_price_of_a_closed_market_is_that_of_its_last_tick() -> None:
    listing, close = a_floor().listing("EURUSD"), utc("Fri 22:00")
    last = listing.ticks(close - 5, close)[-1].price
    assert {listing.price_at(at) for at in (close, close + 100, close + DAY)} == {last}


def test_the_last_open_moment_is_now_or_the_last_close() -> None:
    listing = a_floor().listing("EURUSD")
    opening, close = utc("Sun 22:00"), utc("Fri 22:00")
    moments = [opening, opening + 1, close, close + 1, opening + 7 * DAY]
    assert [listing.last_open(at) for at in moments] == [close - 7 * DAY, opening + 1, close, close, close]


def test_what_is_due_at_a_time_is_due_when_that_time_has_come() -> None:
    floor = a_floor(epoch=NOON + 0.123456789)
    ticks = floor.listing("EURUSD_otc").ticks(NOON, NOON + 600)
    assert [floor.at(floor.due(tick.at)) for tick in ticks] == [tick.at for tick in ticks]


def test_the_catalogue_is_built_once_until_a_market_opens_or_closes() -> None:
    floor = a_floor()
    first, until = floor.assets(NOON)
    assert floor.assets(until - 0.001)[0] is first
    assert until == utc("Tue 13:30")
    second, _ = floor.assets(until)
    changed = {
        old.symbol for old, new in zip(first.rows, second.rows, strict=True) if old.is_open != new.is_open
    }
    assert "#AAPL" in changed
    assert "EURUSD" not in changed


def test_an_asset_says_in_broker_time_when_its_market_changes() -> None:
    assets = {asset.symbol: asset for asset in a_floor().assets(NOON)[0].rows}
    apple, euro, otc = (assets[symbol] for symbol in ("#AAPL", "EURUSD", "EURUSD_otc"))
    assert (apple.is_open, apple.opens_or_closes_at) == (False, utc("Tue 13:30") + ZONE)
    assert (euro.is_open, euro.opens_or_closes_at) == (True, utc("Fri 22:00") + ZONE)
    assert (otc.is_open, otc.opens_or_closes_at) == (True, None)


def test_only_the_catalogue_is_listed() -> None:
    floor = a_floor()
    assert [floor.lists(symbol) for symbol in ("#AAPL", "#NOBODY")] == [True, False]
