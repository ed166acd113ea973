"""Do prices come when they should: what every symbol is used to, whether its market is open, and who is overdue.

A feed that died in an open market is found within max(5 s, 3 × the learnt p99 gap) by a caller that looks twice a
second. Not judged is the first minute after an opening and the last before a closing: markets are not punctual.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import log
from typing import NamedTuple

from probe.measure.quiet import Quiet

LOOKS_EVERY = 0.5
LEAST, MOST = 5.0 - LOOKS_EVERY, 120.0
FIRST = 10.0  # a first tick after subscribing; also every one while too few gaps are known
POLLS = 3  # looks that found the same price as before: it may not have moved
STANDING = 60.0  # so long a price that is asked for may stand still before its habits are known
OPENING = CLOSING = 60.0
FEW, MANY = 20, 2000  # gaps: before the first nothing is learnt, at the second all weigh half
FEW_ASKED = 300  # there a long gap is rare and whole questions longer: three of those make a p99
_RELEARN = 50  # ticks
_LAG = 600.0  # a broker's list may say "open" that long after a market closed, and through a pause

_SLOW = 1.0  # shorter gaps need not be told apart: their limit is LEAST
_RATIO = 1.02
_BUCKETS = 192  # up to 44 s, beyond which the limit is MOST
_PER_LOG = 1 / log(_RATIO)


class Overdue(NamedTuple):
    symbol: str
    since: float  # its last tick, what `skip` took out left out; or since when a first one is awaited
    limit: float
    is_first: bool  # none came since the subscription, or since the market opened


class Freshness:
    """For the symbols of one target. Ask and look only while its session is open: time nobody looked in was not watched."""

    __slots__ = ("_calendar", "_every", "_looked", "_minute", "_minute_began", "_symbols", "_words")

    def __init__(self, is_open: Callable[[str, float], bool | None], every: float = 0.0) -> None:
        """`is_open` is the calendar: symbol and UTC seconds; None: it cannot tell. Prices that are asked for come every so
        many seconds at the most."""
        self._every = every
        self._calendar = is_open
        self._symbols: dict[str, _Symbol] = {}
        self._words: dict[str, bool | None] = {}
        self._looked = 0.0
        self._minute: int | None = None
        self._minute_began = 0.0

    def expect(self, symbol: str, now: float) -> None:
        """It was subscribed to."""
        if symbol not in self._symbols:
            self._symbols[symbol] = _Symbol(symbol, self._every)
        self._begin_anew(self._symbols[symbol], now)

    def pace(self, every: float) -> None:
        """This connection's prices come no faster."""
        if every != self._every:
            self._every = every
            for each in self._symbols.values():
                each.pace(every)

    def forget(self, symbol: str) -> None:
        self._symbols.pop(symbol, None)

    def restart(self, now: float) -> None:
        """A new connection: nothing came over it yet. What was learnt stays."""
        for each in self._symbols.values():
            self._begin_anew(each, now)

    def tick(self, symbol: str, now: float) -> float | None:
        """The gap since the tick before. None: it was not observed whole, or the market was not open through it."""
        found = self._symbols.get(symbol)
        if found is None:
            return None
        last, found.last = found.last, now
        if last is None or found.broken:
            found.broken = not found.open
            return None
        gap = now - last
        if gap < _SLOW:
            found.quick += 1
        else:
            found.add_slow(gap)
        found.relearn_in -= 1
        if found.relearn_in <= 0:
            found.learn()
        return gap

    def market(self, symbol: str, is_open: bool | None) -> None:  # noqa: FBT001 - a word, not a switch
        """What the broker says, also before the subscription. Kept for every symbol it is told of."""
        self._words[symbol] = is_open
        if symbol in self._symbols:
            self._symbols[symbol].heard = True

    def skip(self, began: float, ended: float) -> None:
        """We were late or suspended ourselves. To be told before the ticks that waited meanwhile."""
        for each in self._symbols.values():
            if ended > each.silent_since:
                since = each.silent_since + ended - max(began, each.silent_since)
                each.begin(since, each.patience if each.broken else 0.0, last=each.last)

    def overdue(self, now: float, now_utc: float) -> tuple[Overdue, ...]:
        """The look: to be taken twice a second."""
        self._looked = now
        self._watch_minutes(now, now_utc)
        late = []
        for each in self._symbols.values():
            self._notice(each, now_utc)
            was_open, each.open = each.open, self._is_expected(each, now_utc)
            if not each.open:
                each.begin(now, OPENING, last=each.last, watched=True)
                continue
            if not was_open:  # the look before may be longer ago
                each.begin(max(each.silent_since, now - LOOKS_EVERY), OPENING, last=each.last, watched=True)
            if now - each.silent_since >= each.least and each.relearn_in < _RELEARN:
                each.learn()  # what it is used to up to its very last gap: the promise is made of that
            if now >= each.due and self._is_expected(each, now_utc + CLOSING):
                is_first = each.broken and each.patience > 0
                late.append(Overdue(each.symbol, each.silent_since, each.patient_limit, is_first))
        return tuple(late)

    def due(self) -> float | None:
        """When to look again at the latest, if nothing comes and nothing opens or closes."""
        return min(
            (at for each in self._symbols.values() if each.open for at in each.looks if at > self._looked),
            default=None,
        )

    def age(self, symbol: str, now: float) -> float | None:
        """Since its last tick over this connection."""
        found = self._symbols.get(symbol)
        return None if found is None or found.last is None else now - found.last

    def last(self, symbol: str) -> float | None:
        """When its last tick over this connection came."""
        found = self._symbols.get(symbol)
        return None if found is None else found.last

    def limit(self, symbol: str) -> float:
        found = self._symbols.get(symbol)
        return FIRST if found is None else found.patient_limit

    def is_open(self, symbol: str, now_utc: float) -> bool | None:
        """None: nobody says."""
        found = self._symbols.get(symbol)
        if found is None:
            word = self._words.get(symbol)
            return self._calendar(symbol, now_utc) if word is None else word
        self._notice(found, now_utc)
        return self._says(found, now_utc)

    def is_expected(self, symbol: str, now_utc: float) -> bool:
        """Whether prices are to be expected now. Of a market whose hours are known, "nobody says" is a no."""
        found = self._symbols.get(symbol)
        if found is None:
            return self.is_open(symbol, now_utc) is not False
        self._notice(found, now_utc)
        return self._is_expected(found, now_utc)

    def any_open(self, now_utc: float) -> bool:
        """Whether prices of any symbol are to be expected now."""
        return any(self.is_expected(symbol, now_utc) for symbol in self._symbols)

    def learnt(self) -> dict[str, bytes]:
        """The habits of those symbols that no calendar knows, to be kept between runs."""
        return {each.symbol: each.quiet.to_bytes() for each in self._symbols.values() if each.quiet}

    def recall(self, learnt: Mapping[str, bytes]) -> None:
        """What `learnt` gave, for symbols that are expected.

        Raises:
            ValueError: the bytes are damaged.
        """
        for symbol in learnt.keys() & self._symbols.keys():
            self._symbols[symbol].quiet = Quiet.from_bytes(learnt[symbol])

    def _begin_anew(self, each: "_Symbol", now: float) -> None:
        # Whoever reconnects all the time because nothing comes must still learn that nothing ever comes at this hour.
        each.begin(now, each.first, watched=not self._ticked_this_minute(each))

    def _ticked_this_minute(self, each: "_Symbol") -> bool:
        return each.last is not None and each.last >= self._minute_began

    def _notice(self, each: "_Symbol", utc: float) -> None:
        """A word of the broker holds until the calendar changes its mind."""
        calendar = self._calendar(each.symbol, utc)
        if calendar is not each.calendar:
            each.calendar, each.is_word_old, each.last_then = calendar, True, each.last
        if each.heard:
            each.heard = False
            each.is_word_old = calendar is not True and self._calendar(each.symbol, utc - _LAG) is True
        if each.is_known is None:
            days = (self._calendar(each.symbol, utc + hours * 3600.0) for hours in range(0, 168, 6))
            each.is_known = any(answer is not None for answer in days)

    def _says(self, each: "_Symbol", utc: float) -> bool | None:
        word, calendar = self._words.get(each.symbol), self._calendar(each.symbol, utc)
        is_word_old = each.is_word_old or calendar is not each.calendar
        if word is False:
            # Prices that flow after the calendar opened the market prove an old "closed" wrong.
            return bool(is_word_old and calendar and each.last not in (None, each.last_then))
        if calendar or (word and not is_word_old):
            return True
        if calendar is None and each.quiet and each.quiet.is_quiet(utc):
            return False
        return calendar

    def _is_expected(self, each: "_Symbol", utc: float) -> bool:
        """Of a market whose hours are known, "nobody says" means that it may well be quiet."""
        says = self._says(each, utc)
        return not each.is_known if says is None else says

    def _watch_minutes(self, now: float, utc: float) -> None:
        minute = int(utc // 60)
        if minute == self._minute:
            return
        is_next = self._minute == minute - 1
        for each in self._symbols.values():
            if each.is_known is False:
                each.quiet = each.quiet or Quiet()
                if each.is_watched and is_next:
                    each.quiet.watched(utc - 60, ticked=self._ticked_this_minute(each))
            each.is_watched = is_next  # else we came in the middle of it
        self._minute, self._minute_began = minute, now


class _Symbol:
    """One symbol: since when it is silent, and the gaps it is used to (log-linear counts, the old ones fading)."""

    __slots__ = (
        "_few",
        "_limit",
        "_most",
        "_since",
        "_slow",
        "_unlearnt",
        "broken",
        "calendar",
        "first",
        "heard",
        "is_known",
        "is_watched",
        "is_word_old",
        "last",
        "last_then",
        "least",
        "open",
        "patience",
        "quick",
        "quiet",
        "relearn_in",
        "symbol",
    )

    def __init__(self, symbol: str, every: float) -> None:
        self.symbol = symbol
        self.patience = 0.0  # what the limit is at least while it is broken
        self._limit = 0.0
        self.pace(every)
        self.last: float | None = None  # tick over this connection
        self.broken = (
            True  # silence counts from `_since` and not from the last tick; the next gap is not learnt
        )
        self._since = 0.0
        self.open = True  # at the last look
        self.calendar: bool | None = None  # at the last look
        self.last_then: float | None = None  # when the calendar last changed
        self.heard = True  # the broker's word, not yet weighed
        self.is_word_old = False
        self.is_known: bool | None = None  # to the calendar; None: not asked yet
        self.is_watched = False  # through all of this minute
        self.quiet: Quiet | None = None
        self.quick = 0
        self.relearn_in = 1  # ticks
        self._slow: array[int] | None = None

    def pace(self, every: float) -> None:
        self.least = max(LEAST, POLLS * every)
        self.first = max(FIRST, (POLLS + 1) * every)
        self._most = max(MOST, 2 * POLLS * every)
        is_asked = every > 0
        self._few = FEW_ASKED if is_asked else FEW
        self._unlearnt = max(self.first, STANDING) if is_asked else self.first
        self.patience = max(self.patience, self.first)
        self._limit = max(self._limit, self._unlearnt)

    def begin(
        self, since: float, patience: float, *, last: float | None = None, watched: bool = False
    ) -> None:
        """Silence counts from here."""
        self.last, self.broken, self._since, self.patience = last, True, since, patience
        self.is_watched = self.is_watched and watched

    @property
    def silent_since(self) -> float:
        return self._since if self.broken or self.last is None else self.last

    @property
    def patient_limit(self) -> float:
        return max(self._limit, self.patience) if self.broken else self._limit

    @property
    def due(self) -> float:
        return self.silent_since + self.patient_limit

    @property
    def looks(self) -> tuple[float, ...]:
        """When something may be found out: what its last gaps taught, and that it is overdue."""
        return (self.due, self.silent_since + self.least) if self.relearn_in < _RELEARN else (self.due,)

    def add_slow(self, gap: float) -> None:
        if self._slow is None:
            self._slow = array("H", bytes(2 * _BUCKETS))
        self._slow[min(int(log(gap) * _PER_LOG), _BUCKETS - 1)] += 1

    def learn(self) -> None:
        slow = sum(self._slow) if self._slow else 0
        count = self.quick + slow
        p99 = self._p99(count) if slow * 100 > count else 0.0
        # The look comes up to LOOKS_EVERY late, and still within 3 × p99.
        learnt = min(2.8 * p99, 3 * p99 - LOOKS_EVERY)
        is_known = count >= self._few
        self._limit = min(max(self.least if is_known else self._unlearnt, learnt), self._most)
        if count >= MANY:
            self.quick //= 2
            self._slow = self._slow and array("H", _halved(self._slow))
        self.relearn_in = _RELEARN if is_known else 1

    def _p99(self, count: int) -> float:
        """Rounded down by up to 2 %, so that what is promised of it holds."""
        above = 0
        assert self._slow is not None  # noqa: S101 - asked only with slow gaps
        for bucket in reversed(range(_BUCKETS)):
            above += self._slow[bucket]
            if above * 100 > count:
                return float(_RATIO**bucket)
        return 0.0


def _halved(counts: Iterable[int]) -> Iterator[int]:
    """Odd ones are carried to the next, or lone counts would vanish all at once."""
    carried = 0
    for each in counts:
        half, carried = divmod(each + carried, 2)
        yield half
