"""A seeded price path that can be read at any instant, in any order, and always tells one story.

Ticks, candles and the current price are pure functions of (seed, symbol, time), however far away the time
is, and they agree exactly: a candle is the first, highest, lowest and last price of the ticks inside it.

How. Time is cut into half-second slots, each with one price, counted in whole points (10**-digits). Slots
are the leaves of a tree: day, 4 h, 1 h, 15 min, 5 min, 1 min, 30 s. A node is the bar (open, high, low,
close) of its slots. Days come from a noise that needs no history; every other node is drawn by its parent,
which leads the price from its open over its two extremes to its close and cuts that way into children. So
the extremes are visited by construction, and any bar is a few draws below its day. A draw is a hash of
(seed, symbol, node): the same on every machine.

Each slot has one tick at a jittered time inside it. Now and then it comes late, or is said twice. The shares
are chosen so that the gaps are, within some hundredths of a second, those measured on a real feed: median
0.50 s, mean 0.48, p10 0.36, p90 0.55, max 0.73, about 74 % within 0.05 of 0.5 s; 25 % of ticks repeat the
price before.
"""

from bisect import bisect_left, bisect_right
from functools import lru_cache
from hashlib import shake_128
from math import inf, log, pi, sqrt
from typing import NamedTuple

_SLOTS = (172_800, 28_800, 7_200, 1_800, 600, 120, 60)  # in a node, by level
_LEAF_SLOTS = _SLOTS[-1]
_LEAF_SECONDS = _LEAF_SLOTS // 2
_CACHED = 64  # nodes of a kind; one walker needs one per level, the rest is for pages of history

# Out of 256: how often a slot repeats the last price, says it twice, or comes late.
_REPEAT = 56
_TWICE = 10
_LATE = 29

# A byte turned into noise of unit variance (logistic: tails fatter than normal, as returns have). Rounded, so
# that no platform's logarithm shows.
_NOISE = tuple(round(sqrt(3) / pi * log((byte + 0.5) / (255.5 - byte)), 3) for byte in range(256))


class Tick(NamedTuple):
    """One quoted price. `at` is UTC seconds, in whole milliseconds."""

    at: float
    price: float


class Candle(NamedTuple):
    """What the ticks of one period did. `start` is UTC seconds, a multiple of the period."""

    start: int
    open: float
    high: float
    low: float
    close: float


class _Bar(NamedTuple):
    open: int
    high: int
    low: int
    close: int


class PricePath:
    """The price of one symbol at all times.

    Args:
        seed: Another seed gives another market.
        symbol: Another symbol gives another path in the same market.
        digits: Decimals of a price.
        base: The price that the path wanders around.
        daily_volatility: Typical change from day to day, as a share of `base`.
    """

    def __init__(
        self, *, seed: int | str, symbol: str, digits: int, base: float, daily_volatility: float
    ) -> None:
        self._key = f"{seed}/{symbol}"
        self._unit: int = 10**digits
        self._base: float = base * self._unit
        self._volatility = daily_volatility
        self._move: float = self._base * daily_volatility / sqrt(_SLOTS[0])  # of one slot, in points
        self._phase_ms = 25 + self._draw("phase", 0, 1)[0] * 75 // 256
        self._day_close = lru_cache(_CACHED)(self._draw_day_close)
        self._day = lru_cache(_CACHED)(self._draw_day)
        self._children = lru_cache(_CACHED)(self._draw_children)
        self._points = lru_cache(_CACHED)(self._draw_points)
        self._leaf_ticks = lru_cache(_CACHED)(self._draw_ticks)

    def ticks(self, start: float, end: float) -> list[Tick]:
        """The ticks with `start <= at < end`, ascending."""
        found: list[Tick] = []
        for leaf in range(int(start // _LEAF_SECONDS), int(end // _LEAF_SECONDS) + 1):
            ticks = self._leaf_ticks(leaf)
            found += ticks[bisect_left(ticks, (start,)) : bisect_left(ticks, (end,))]
        return found

    def next_tick(self, after: float) -> Tick:
        """The first tick with `at > after`."""
        leaf = int(after // _LEAF_SECONDS)
        ticks = self._leaf_ticks(leaf)
        position = bisect_right(ticks, (after, inf))
        return ticks[position] if position < len(ticks) else self._leaf_ticks(leaf + 1)[0]

    def price_at(self, at: float) -> float:
        """The price of the last tick at or before `at`."""
        leaf, offset = divmod(self._last_slot(at), _LEAF_SLOTS)
        return self._points(leaf)[offset] / self._unit

    def candles(self, period: int, first: int, last: int) -> list[Candle]:
        """The complete candles of `period` seconds with `first <= start < last`, ascending."""
        return [
            self._candle(start, 2 * start, 2 * (start + period))
            for start in range(-(-first // period) * period, last, period)
        ]

    def running_candle(self, period: int, now: float) -> Candle | None:
        """The candle around `now` as its ticks up to `now` made it; None before its first tick."""
        start = int(now // period) * period
        end = self._last_slot(now) + 1
        return self._candle(start, 2 * start, end) if end > 2 * start else None

    def _last_slot(self, at: float) -> int:
        """The slot of the last tick at or before `at`."""
        leaf = int(at // _LEAF_SECONDS)
        ticks = self._leaf_ticks(leaf)
        position = bisect_right(ticks, (at, inf))
        return int(ticks[position - 1].at * 2 // 1) if position else leaf * _LEAF_SLOTS - 1

    def _candle(self, start: int, first_slot: int, end_slot: int) -> Candle:
        bars: list[_Bar] = []
        slot = first_slot
        while slot < end_slot:
            bar, size = self._widest_bar(slot, end_slot)
            bars.append(bar)
            slot += size
        unit = self._unit
        high = max(bar.high for bar in bars)
        low = min(bar.low for bar in bars)
        return Candle(start, bars[0].open / unit, high / unit, low / unit, bars[-1].close / unit)

    def _widest_bar(self, slot: int, end: int) -> tuple[_Bar, int]:
        """The largest bar that begins at `slot` and does not pass `end`, with its number of slots."""
        for level, size in enumerate(_SLOTS):
            if slot % size == 0 and slot + size <= end:
                return self._bar(level, slot // size), size
        leaf, offset = divmod(slot, _LEAF_SLOTS)
        points = self._points(leaf)[offset : offset + end - slot]
        return _Bar(points[0], max(points), min(points), points[-1]), len(points)

    def _bar(self, level: int, index: int) -> _Bar:
        if level == 0:
            return self._day(index)
        parent, child = divmod(index, _SLOTS[level - 1] // _SLOTS[level])
        return self._children(level - 1, parent)[child]

    def _draw(self, what: str, index: int, size: int) -> bytes:
        return shake_128(f"{self._key}/{what}/{index}".encode()).digest(size)

    def _draw_day_close(self, day: int) -> int:
        """Noise on lattices of 1, 2, 4 … 64 days: it wanders like a walk, but is bounded, without history."""
        drift = 0.0
        for octave in range(7):
            span = 1 << octave
            knot, into = divmod(day, span)
            left, right = (
                int.from_bytes(self._draw(f"octave-{octave}", at, 2)) / 32768 - 1 for at in (knot, knot + 1)
            )
            # Uniform knots times sqrt(span), over all octaves: 0.87 makes the change of a day deviate by 1.
            drift += 0.87 * sqrt(span) * (left + (right - left) * into / span)
        drift *= self._volatility
        return max(1, round(self._base * (1 + drift if drift > 0 else 1 / (1 - drift))))

    def _draw_day(self, day: int) -> _Bar:
        close, before = self._day_close(day), self._day_close(day - 1)
        repeat, noise, above, below = self._draw("day", day, 4)
        low, high = min(close, before), max(close, before)
        reach = 0.5 * self._base * self._volatility
        low = max(1, low - self._reach(reach, below))
        high += self._reach(reach, above)
        return _Bar(self._step(before, 0.0, repeat, noise, low, high), high, low, close)

    def _draw_children(self, level: int, index: int) -> tuple[_Bar, ...]:
        parent = self._bar(level, index)
        size = _SLOTS[level + 1]
        count = _SLOTS[level] // size
        draw = iter(self._draw(f"level-{level}", index, 4 + 5 * count))
        turns = _turns(parent, next(draw), next(draw), next(draw), next(draw))
        # The shares of `spread` below are tuned: volatility then grows with the root of time on every level.
        spread = self._move * sqrt(size)
        children: list[_Bar] = []
        open_ = parent.open
        for child in range(count):
            wobble, above, below, repeat, noise = (next(draw) for _ in range(5))
            close = parent.close
            if child < count - 1:
                aim = _between(parent, turns, (child + 1) / count) + 0.5 * spread * _NOISE[wobble]
                close = min(parent.high, max(parent.low, round(aim)))
            high = min(parent.high, max(open_, close) + self._reach(0.4 * spread, above))
            low = max(parent.low, min(open_, close) - self._reach(0.4 * spread, below))
            for when, price in turns:
                if int(when * count) == child:
                    high, low = max(high, price), min(low, price)
            children.append(_Bar(open_, high, low, close))
            open_ = self._step(close, 0.0, repeat, noise, parent.low, parent.high)
        return tuple(children)

    def _draw_points(self, leaf: int) -> list[int]:
        bar = self._bar(len(_SLOTS) - 1, leaf)
        draw = self._draw("leaf", leaf, 4 + 2 * _LEAF_SLOTS)
        (first, first_price), (second, second_price) = _turns(bar, *draw[:4])
        # Inner slots, and two different ones, so that open and close keep theirs.
        first_slot = 1 + int(first * (_LEAF_SLOTS - 3))
        second_slot = max(first_slot + 1, 1 + int(second * (_LEAF_SLOTS - 3)))
        points = [bar.open]
        aims = ((first_slot, first_price), (second_slot, second_price), (_LEAF_SLOTS - 1, bar.close))
        for aim_slot, aim in aims:
            for slot in range(len(points), aim_slot):
                drift = (aim - points[-1]) / (aim_slot - slot + 1)
                repeat, noise = draw[4 + 2 * slot], draw[5 + 2 * slot]
                points.append(self._step(points[-1], drift, repeat, noise, bar.low, bar.high))
            points.append(aim)
        return points

    def _draw_ticks(self, leaf: int) -> list[Tick]:
        draw = self._draw("ticks", leaf, 3 * _LEAF_SLOTS)
        start_ms = leaf * _LEAF_SECONDS * 1000 + self._phase_ms
        ticks: list[Tick] = []
        for slot, points in enumerate(self._points(leaf)):
            event, jitter, size = draw[3 * slot : 3 * slot + 3]
            at_ms = start_ms + 500 * slot + jitter * 41 // 256 - 20
            price = points / self._unit
            if event < _TWICE:
                ticks.append(Tick(at_ms / 1000, price))
                at_ms += 140 + size * 221 // 256
            elif event < _TWICE + _LATE:
                at_ms += 60 + size * 131 // 256
            ticks.append(Tick(at_ms / 1000, price))
        return ticks

    def _reach(self, spread: float, draw: int) -> int:
        return 1 + int(spread * abs(_NOISE[draw]))

    def _step(self, price: int, drift: float, repeat: int, noise: int, low: int, high: int) -> int:
        """The next slot's price.

        Repeats are decided, not left to rounding, so their share does not depend on the digits. Where the way
        is steep there are none: what they leave undone would have to be made up in one jump.
        """
        if low == high or (repeat < _REPEAT and abs(drift) <= 1 + 3 * self._move):
            return price
        moved = min(high, max(low, price + round(drift + self._move * _NOISE[noise])))
        if moved != price:
            return moved
        return price - 1 if price == high or (noise & 1 and price > low) else price + 1


def _turns(bar: _Bar, swap: int, *weights: int) -> tuple[tuple[float, int], tuple[float, int]]:
    """When (as a share of the bar's time) and at which price the bar reaches its two extremes.

    Time is shared out by the distance to go, so that no leg is much steeper than the others.
    """
    low_first = abs(bar.open - bar.low) + abs(bar.high - bar.close) < (
        abs(bar.open - bar.high) + abs(bar.low - bar.close)
    )
    if swap < 24:
        low_first = not low_first
    first, second = (bar.low, bar.high) if low_first else (bar.high, bar.low)
    slack = 1 + 0.1 * (bar.high - bar.low)
    legs = [
        (slack + distance) * (256 + weight)
        for distance, weight in zip(
            (abs(first - bar.open), abs(second - first), abs(bar.close - second)), weights, strict=True
        )
    ]
    return (legs[0] / sum(legs), first), ((legs[0] + legs[1]) / sum(legs), second)


def _between(bar: _Bar, turns: tuple[tuple[float, int], tuple[float, int]], when: float) -> float:
    """The straight way from open over both turns to close, at the share `when` of the bar's time."""
    left, left_price = 0.0, bar.open
    for right, right_price in (*turns, (1.0, bar.close)):
        if when <= right:
            return left_price + (right_price - left_price) * (when - left) / (right - left)
        left, left_price = right, right_price
    raise AssertionError(f"{when} is not a share of the bar's time")
