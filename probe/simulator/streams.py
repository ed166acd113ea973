"""What one connection follows: prices and sentiment of symbols, each told when it falls due."""

from heapq import heapify, heappush, heapreplace
from itertools import count
from math import inf
from typing import Protocol

from probe.model.meanings import Meaning, Quote, Quotes, Sentiment, Signals
from probe.session.broker import HouseRules
from probe.simulator.floor import Floor, Listing
from probe.simulator.prices import Tick

SIGNALS_EVERY = 60.0
STALE_SECONDS = 5.0  # what is older is not told: a machine that slept must not be met by thousands


class _Feed(Protocol):
    """One thing after the other, each at its time."""

    def next_at(self, after: float) -> float:
        """Go on to the next one."""

    def told(self) -> Meaning: ...


class _Prices:
    __slots__ = ("_every", "_listing", "_tick", "_zone")

    def __init__(self, listing: Listing, zone: float, every: float | None) -> None:
        self._listing, self._zone, self._every = listing, zone, every

    def next_at(self, after: float) -> float:
        if self._every is None:
            self._tick = self._listing.next_tick(after)
        else:
            at = after + self._every
            self._tick = Tick(at, self._listing.price_at(at))
        return self._tick.at

    def told(self) -> Quotes:
        at, price = self._tick
        return Quotes((Quote(self._listing.symbol, at + self._zone, price),))


class _Sentiment:
    __slots__ = ("_at", "_every", "_floor", "_symbol")

    def __init__(self, symbol: str, floor: Floor, every: float, at: float) -> None:
        self._symbol, self._floor, self._every, self._at = symbol, floor, every, at

    def next_at(self, after: float) -> float:
        self._at = after + self._every
        return self._at

    def told(self) -> Sentiment:
        return Sentiment(rows=((self._symbol, self._floor.sentiment(self._symbol, self._at)),))


class _Signals:
    __slots__ = ("_at", "_floor", "_words")

    def __init__(self, floor: Floor, words: tuple[str, ...], at: float) -> None:
        self._floor, self._words, self._at = floor, words, at

    def next_at(self, after: float) -> float:
        self._at = after + SIGNALS_EVERY
        return self._at

    def told(self) -> Signals:
        return self._floor.signals(self._words, self._at)


class Streams:
    __slots__ = ("_floor", "_follows_signals", "_house", "_number", "_prices", "_queue", "_sentiments")

    def __init__(self, floor: Floor, house: HouseRules) -> None:
        self._floor = floor
        self._house = house
        self._prices: dict[str, _Prices] = {}  # least recently asked for first
        self._sentiments: dict[str, _Sentiment] = {}
        self._follows_signals = False
        self._queue: list[tuple[float, int, _Feed]] = []  # a heap
        self._number = count()

    def watch(self, symbol: str, at: float) -> None:
        if not self._floor.lists(symbol):
            return
        feed = self._prices.pop(symbol, None)
        if feed is None:
            feed = _Prices(self._floor.listing(symbol), self._floor.zone, self._house.prices_every)
            self._follow(feed, at)
        self._prices[symbol] = feed
        cap = self._house.stream_cap
        if cap is not None and len(self._prices) > cap:
            self.unwatch(next(iter(self._prices)))

    def unwatch(self, symbol: str) -> None:
        self._unfollow(self._prices.pop(symbol, None))

    def watch_sentiment(self, symbol: str, at: float) -> Sentiment | None:
        """What it is now; what it becomes is told later."""
        every = self._house.sentiment_every
        if every is None or not self._floor.lists(symbol):
            return None
        now = _Sentiment(symbol, self._floor, every, at)
        if symbol not in self._sentiments:
            self._sentiments[symbol] = feed = _Sentiment(symbol, self._floor, every, at)
            self._follow(feed, at)
        return now.told()

    def unwatch_sentiment(self, symbol: str) -> None:
        self._unfollow(self._sentiments.pop(symbol, None))

    def watch_signals(self, at: float) -> Signals | None:
        """What they are now; what they become is told every minute."""
        words = self._house.signal_words
        if not words:
            return None
        if not self._follows_signals:
            self._follows_signals = True
            self._follow(_Signals(self._floor, words, at), at)
        return self._floor.signals(words, at)

    def next_at(self) -> float:
        return self._queue[0][0] if self._queue else inf

    def due(self, at: float) -> list[tuple[float, Meaning]]:
        """What falls due by now, each with its time."""
        queue, oldest = self._queue, at - STALE_SECONDS
        told: list[tuple[float, Meaning]] = []
        while queue and queue[0][0] <= at:
            due_at, number, feed = queue[0]
            if due_at >= oldest:
                told.append((due_at, feed.told()))
            heapreplace(queue, (feed.next_at(max(due_at, oldest)), number, feed))
        return told

    def _follow(self, feed: _Feed, at: float) -> None:
        heappush(self._queue, (feed.next_at(at), next(self._number), feed))

    def _unfollow(self, feed: _Feed | None) -> None:
        if feed is not None:
            self._queue = [entry for entry in self._queue if entry[2] is not feed]
            heapify(self._queue)


def together(told: list[Meaning]) -> list[Meaning]:
    """Prices that follow each other, as one message."""
    joined: list[Meaning] = []
    for meaning in told:
        if isinstance(meaning, Quotes) and joined and isinstance(joined[-1], Quotes):
            joined[-1] = Quotes(joined[-1].rows + meaning.rows)
        else:
            joined.append(meaning)
    return joined
