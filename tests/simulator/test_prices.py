import os
import subprocess
import sys
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.simulator.market import CATALOGUE
from probe.simulator.prices import Candle, PricePath, Tick

NOW = 1_790_000_000
DAY = 86_400
PERIODS = (1, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 14_400, DAY)

seeds = st.integers(min_value=-(2**63), max_value=2**64)
instants = st.integers(min_value=-30 * 365 * DAY, max_value=100 * 365 * DAY)
bounded = settings(derandomize=True, deadline=None, max_examples=40)


def path(seed: int = 1, symbol: str = "EURUSD_otc") -> PricePath:
    return PricePath(seed=seed, symbol=symbol, digits=5, base=1.085, daily_volatility=0.005)


def candle_of(ticks: list[Tick], start: int) -> Candle:
    prices = [tick.price for tick in ticks]
    return Candle(start, prices[0], max(prices), min(prices), prices[-1])


def splits(prices: PricePath) -> int:
    """How many nodes were drawn so far: what a question costs, whatever the machine."""
    caches = (prices._day, prices._day_close, prices._children, prices._points, prices._leaf_ticks)
    return sum(cache.cache_info().misses for cache in caches)


@bounded
@given(seed=seeds, at=instants, period=st.sampled_from([p for p in PERIODS if p <= 900] + [7, 77, 301]))
def test_a_candle_is_what_its_ticks_did(seed: int, at: int, period: int) -> None:
    first = at // period * period
    expected = [
        candle_of(path(seed).ticks(start, start + period), start) for start in (first, first + period)
    ]
    assert path(seed).candles(period, first, first + 2 * period) == expected


@pytest.mark.parametrize("period", [3600, 3601, 14_400, DAY])
def test_a_long_candle_is_what_its_ticks_did(period: int) -> None:
    start = NOW // period * period
    assert path().candles(period, start, start + 1) == [candle_of(path().ticks(start, start + period), start)]


@bounded
@given(seed=seeds, at=instants)
def test_a_longer_candle_unites_the_shorter_ones(seed: int, at: int) -> None:
    prices = path(seed)
    start = at // DAY * DAY
    for long, short in ((DAY, 14_400), (14_400, 3600), (3600, 900), (900, 300), (300, 60), (60, 30), (30, 1)):
        parts = prices.candles(short, start, start + long)
        united = Candle(
            start, parts[0].open, max(c.high for c in parts), min(c.low for c in parts), parts[-1].close
        )
        assert prices.candles(long, start, start + long) == [united]


@bounded
@given(seed=seeds, at=instants, into=st.integers(0, 599_999), period=st.sampled_from([1, 5, 60, 300]))
def test_the_running_candle_is_what_the_ticks_did_up_to_now(
    seed: int, at: int, into: int, period: int
) -> None:
    now = at + into / 1000
    start = int(now // period) * period
    ticks = [tick for tick in path(seed).ticks(start, start + period) if tick.at <= now]
    assert path(seed).running_candle(period, now) == (candle_of(ticks, start) if ticks else None)


def test_the_running_candle_starts_with_its_first_tick_and_ends_as_the_complete_one() -> None:
    start = NOW // 60 * 60
    ticks = path().ticks(start, start + 60)
    assert path().running_candle(60, ticks[0].at - 0.001) is None
    assert path().running_candle(60, ticks[0].at) == candle_of(ticks[:1], start)
    assert path().running_candle(60, start + 59.999) == path().candles(60, start, start + 60)[0]


def test_candles_start_inside_the_asked_range_on_multiples_of_the_period() -> None:
    starts = [candle.start for candle in path().candles(60, NOW - 119, NOW + 61)]
    first = -(-(NOW - 119) // 60) * 60
    assert starts == [at for at in range(first, first + 600, 60) if at < NOW + 61]
    assert path().candles(60, 600, 600) == []


@bounded
@given(seed=seeds, at=instants)
def test_streamed_ticks_are_the_ticks_of_history(seed: int, at: int) -> None:
    history = path(seed).ticks(at, at + 90)
    stream = path(seed)
    last = at - 0.001
    for tick in history:
        assert stream.next_tick(last) == tick
        last = tick.at
    assert stream.next_tick(last).at >= at + 90


@bounded
@given(at=instants)
def test_the_price_is_that_of_the_last_tick(at: int) -> None:
    prices = path()
    before, *ticks = path().ticks(at - 1, at + 60)
    for tick in ticks:
        assert prices.price_at(tick.at) == tick.price
        assert prices.price_at(tick.at - 0.001) == before.price
        before = tick


def test_a_range_of_ticks_includes_its_start_and_not_its_end() -> None:
    first, second, third = path().ticks(NOW, NOW + 60)[:3]
    assert path().ticks(first.at, third.at) == [first, second]
    assert path().ticks(third.at, first.at) == []


@pytest.mark.parametrize("seed", range(4))
def test_ticks_come_at_the_measured_cadence(seed: int) -> None:
    ticks = path(seed).ticks(NOW, NOW + 3600)
    gaps = sorted(round(after.at - before.at, 3) for before, after in pairwise(ticks))
    count = len(gaps)
    assert sum(gaps) / count == pytest.approx(0.48, abs=0.01)
    assert gaps[count // 2] == pytest.approx(0.50, abs=0.01)
    assert gaps[count // 10] == pytest.approx(0.36, abs=0.03)
    assert gaps[count * 9 // 10] == pytest.approx(0.55, abs=0.03)
    assert gaps[0] > 0.1
    assert gaps[-1] == pytest.approx(0.73, abs=0.03)
    assert sum(0.45 <= gap <= 0.55 for gap in gaps) / count == pytest.approx(0.74, abs=0.03)
    repeats = sum(before.price == after.price for before, after in pairwise(ticks))
    assert repeats / count == pytest.approx(0.25, abs=0.03)


def test_repeats_do_not_depend_on_the_instrument() -> None:
    for instrument in CATALOGUE[::20]:
        prices = PricePath(
            seed=1,
            symbol=instrument.symbol,
            digits=instrument.digits,
            base=instrument.base_price,
            daily_volatility=instrument.daily_volatility,
        )
        ticks = prices.ticks(NOW, NOW + 1800)
        repeats = sum(before.price == after.price for before, after in pairwise(ticks))
        assert repeats / len(ticks) == pytest.approx(0.25, abs=0.04)


def test_times_are_whole_milliseconds_off_the_second_and_prices_have_the_asked_digits() -> None:
    ticks = path().ticks(NOW, NOW + 600)
    assert all(tick == (round(tick.at, 3), round(tick.price, 5)) for tick in ticks)
    assert sum(tick.at.is_integer() for tick in ticks) == 0


@pytest.mark.parametrize("seed", range(4))
def test_no_jump_betrays_a_border(seed: int) -> None:
    """Ticks move by about the day's volatility shared out over its slots, across midnight as well."""
    move = 1.085 * 0.005 / sqrt(2 * DAY)
    midnight = NOW // DAY * DAY
    for border in (midnight, midnight + 14_400, midnight + 3600, midnight + 900):
        jumps = [
            abs(after.price - before.price)
            for before, after in pairwise(path(seed).ticks(border - 900, border + 900))
        ]
        assert max(jumps) < 8 * move
        assert sqrt(sum(jump**2 for jump in jumps) / len(jumps)) == pytest.approx(move, rel=0.4)


@pytest.mark.parametrize("period", [60, 900, 3600, 14_400])
def test_candles_of_every_size_move_like_one_walk(period: int) -> None:
    """Volatility grows with the root of time: no level of the tree is flat or wild."""
    moves = [
        after.close - before.close
        for seed in range(4)
        for before, after in pairwise(path(seed).candles(period, NOW, NOW + 200 * period))
    ]
    expected = 1.085 * 0.005 * sqrt(period / DAY)
    assert sqrt(sum(move**2 for move in moves) / len(moves)) == pytest.approx(expected, rel=0.4)


def test_the_price_stays_around_its_base_for_centuries() -> None:
    prices = path()
    days = [prices.candles(DAY, at, at + 1)[0] for at in range(-200 * 365 * DAY, 300 * 365 * DAY, 200 * DAY)]
    assert min(day.low for day in days) > 1.085 * 0.9
    assert max(day.high for day in days) < 1.085 * 1.1


def test_a_price_of_a_single_point_stays_positive() -> None:
    prices = PricePath(seed=1, symbol="DUST", digits=1, base=0.1, daily_volatility=2.0)
    assert min(day.low for day in prices.candles(DAY, 0, 300 * DAY)) == 0.1
    assert min(tick.price for tick in prices.ticks(0, 3600)) >= 0.1


def test_seed_and_symbol_make_different_paths() -> None:
    pages = {tuple(prices.candles(60, NOW, NOW + 600)) for prices in (path(1), path(2), path(1, "EURUSD"))}
    assert len(pages) == 3


def test_the_order_of_questions_does_not_matter() -> None:
    asked_before = path()
    for at in (NOW + DAY, 0, NOW - 400 * DAY, NOW + 30):
        asked_before.ticks(at, at + 60)
        asked_before.candles(3600, at, at + DAY)
    assert asked_before.ticks(NOW, NOW + 60) == path().ticks(NOW, NOW + 60)
    assert asked_before.candles(300, NOW - DAY, NOW) == path().candles(300, NOW - DAY, NOW)


def test_the_path_is_the_same_in_another_process_and_stays_so() -> None:
    """The literal says so across machines and versions too: change it only with the path, knowingly."""
    script = (
        "from probe.simulator.prices import PricePath\n"
        "p = PricePath(seed=1, symbol='EURUSD_otc', digits=5, base=1.085, daily_volatility=0.005)\n"
        f"print([*p.candles(86400, {NOW}, {NOW} + 86400)[0]], [*p.next_tick({NOW})], p.price_at(5))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert outputs == {"[1790035200, 1.08638, 1.09722, 1.08588, 1.09311] [1790000000.072, 1.08583] 1.13427"}


def test_a_far_away_instant_costs_a_few_nodes() -> None:
    for at in (5, NOW - 50 * 365 * DAY + 5, NOW + 500 * 365 * DAY + 5):
        prices = path()
        prices.price_at(at)
        # Today's and yesterday's close, the day, six levels, slots and ticks of half a minute.
        assert splits(prices) <= 11


@pytest.mark.parametrize("period", PERIODS)
def test_a_page_of_history_costs_few_nodes(period: int) -> None:
    prices = path()
    page = prices.candles(period, (NOW // period - 150) * period, NOW // period * period)
    assert len(page) == 150
    assert splits(prices) <= 310


def test_walking_forward_draws_hardly_a_node_twice() -> None:
    prices = path()
    start = NOW // 3600 * 3600
    last = float(start)
    for _ in path().ticks(start, start + 3600):
        last = prices.next_tick(last).at
    assert start + 3599 < last < start + 3600
    # 120 half minutes with slots and ticks, 60 minutes, 12 + 4 + 1 + 2 longer nodes, the day.
    assert splits(prices) <= 240 + 60 + 19 + 3 + 15


def test_what_is_remembered_is_bounded() -> None:
    prices = path()
    for day in range(300):
        prices.price_at(NOW + day * DAY)
    caches = (prices._day, prices._day_close, prices._children, prices._points, prices._leaf_ticks)
    assert [cache.cache_info().currsize for cache in caches] == [64] * 5
