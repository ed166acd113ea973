"""What the answers of one session say together: each of them may be a success, and the whole still be wrong."""

import re
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from probe.brokers.mt5.answers import AccountState, Price, ServerTime
from probe.brokers.mt5.troubles import (
    HELD_UP,
    MALFORMED,
    NO_PRICES,
    OTHER_ACCOUNT,
    STALE,
    TERMINAL_DOWN,
    TOKEN,
    WORKERS,
    WRONG_ZONE,
    trouble,
)
from probe.model.meanings import Effect, Trouble

Rows = list[Trouble]

WARN_BEFORE = 1_800.0  # seconds before the token's end
OFFSETS = (-12.0, 14.0)  # hours; no place on Earth is outside
NEAR = 60.0  # seconds between the broker's clock and ours; a tick that is farther away is no news, or the offset is wrong
FROZEN_TIMES, FROZEN_PRICES = (
    2,
    6,
)  # looks in a row without a change: 40 s and 30 s, which no open night is long
MOST_STANDING = 12  # looks: a minute, and quiet nights have fewer that long
TRADES_ALWAYS = re.compile(r"(?:BTC|ETH|LTC|XRP)[A-Z]{3}")
TRADES_WEEKDAYS = re.compile(r"(?:(?:EUR|USD|GBP|JPY|CHF|AUD|NZD|CAD){2})")
DAY = 86_400.0
QUIET_HOURS = (
    20.75 * 3600,
    22.25 * 3600,
)  # UTC: between two days, and on Friday and Sunday the week's end and begin
SLOW, TIMES_USUAL, HELD = 1.0, 5.0, 2.0  # seconds, and times the usual; and what no way there takes
RECENT = 3  # of these, the slowest counts
TURNS = 3  # changes of direction in the count of sessions, as one counter does not make
CENT = 0.015


@dataclass(slots=True)
class _Symbol:
    price: Price | None = None
    unchanged: int = 0  # looks in a row


@dataclass(slots=True)
class Watching:
    """One session's memory."""

    expected: str | None  # whose account it should be; None: the first one seen
    expires_at: float | None  # UTC
    account: AccountState | None = None
    loss: str = ""  # why the terminal gave no account when last asked, as a slug; empty: it gave one
    is_fickle: bool = False  # one token was refused and accepted
    counts: dict[str, int] = field(default_factory=dict)  # rows of each list when last seen
    missing: set[str] = field(default_factory=set)  # symbols that were not found when last asked
    skew: float | None = None  # the broker's clock in UTC against ours, by its newest ticks
    hears_broker: bool = False
    has_news: bool = False  # some price was known to be of now
    wants_alone: bool = (
        False  # it shall be seen how long /health takes when nothing else of ours is on its way
    )
    _alone: float | None = None  # so long
    _symbols: dict[str, _Symbol] = field(default_factory=dict)
    _time: ServerTime | None = None
    _time_unchanged: int = 0
    _health_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    _sessions: deque[int] = field(default_factory=lambda: deque(maxlen=10))

    # -- the way and the token -----------------------------------------------------------------------------------------

    @property
    def is_lost(self) -> bool:
        return bool(self.loss)

    def health(self, seconds: float, sessions: int | None) -> Rows:
        self._health_seconds.append(seconds)
        slowest = self._slowest()
        self.wants_alone = slowest == seconds  # now; what was slow before may be over
        if slowest is None:
            self._alone = None
        rows = self._held_up()
        if sessions is not None:
            self._sessions.append(sessions)
        if _turns(list(self._sessions)) >= TURNS:
            words = (
                "the gateway's count of sessions goes up and down as if several processes answered in turn"
            )
            rows.append(trouble(WORKERS, words, effect=Effect.NOTED))
        return rows

    def health_alone(self, seconds: float) -> Rows:
        """A way that is slow itself is slow for every question, and somebody else's news."""
        self.wants_alone, self._alone = False, seconds
        return self._held_up()

    def _held_up(self) -> Rows:
        slowest = self._slowest()
        if slowest is None or self._alone is None or self._alone > slowest / 2:
            return []
        words = f"/health, which asks nobody, took {slowest:.1f} s while the terminal was asked, and {self._alone:.2f} s alone"
        return [trouble(HELD_UP, words)]

    def _slowest(self) -> float | None:
        """Of the last, and never their mean: a loop that is blocked now and then is fast in between. None: as usual."""
        slowest, ordinary = max(list(self._health_seconds)[-RECENT:]), median(self._health_seconds)
        return slowest if slowest > HELD or slowest > max(SLOW, TIMES_USUAL * ordinary) else None

    def token(self, utc: float) -> Rows:
        rows = []
        if self.expires_at is not None and (left := self.expires_at - utc) < WARN_BEFORE:
            rows.append(
                trouble(TOKEN, f"the token expires in {max(left, 0.0) / 60:.0f} min", effect=Effect.DEGRADES)
            )
        if self.is_fickle:
            rows.append(
                trouble(
                    WORKERS, "the gateway refused this token and accepted it a moment later", certain=True
                )
            )
        return rows

    # -- the account ---------------------------------------------------------------------------------------------------

    def seen_account(self, state: AccountState) -> Rows:
        self.account, self.loss = state, ""
        if state.login == 0:
            return [trouble(TERMINAL_DOWN, "the terminal is logged in to no account: its login is 0")]
        self.expected = self.expected or str(state.login)
        if str(state.login) != self.expected:
            words = f"the gateway shows account {state.login}, and this session is about {self.expected}"
            return [trouble(OTHER_ACCOUNT, words, certain=True)]
        return [
            trouble(MALFORMED, f"the account contradicts itself: {words}") for words in _contradictions(state)
        ]

    # -- prices --------------------------------------------------------------------------------------------------------

    def seen_price(self, symbol: str, price: Price) -> tuple[bool, Rows]:
        """Whether it is known to be of now. One that stands still may be an old one: nothing in the answer says when it was
        made. So it counts only while the terminal is seen to hear its broker, and not for ever; the first one likewise."""
        memory = self._symbols.setdefault(symbol, _Symbol())
        is_first, before, memory.price = memory.price is None, memory.price, price
        if price.bid <= 0 or price.ask <= 0:
            return False, [trouble(NO_PRICES, f"{symbol} has no price: bid {price.bid:g}, ask {price.ask:g}")]
        is_same = before is not None and (before.bid, before.ask) == (price.bid, price.ask)
        memory.unchanged = memory.unchanged + 1 if is_same else 0
        rows = []
        if price.bid > price.ask:
            rows.append(
                trouble(
                    MALFORMED, f"{symbol} costs less than it brings: bid {price.bid:g}, ask {price.ask:g}"
                )
            )
        elif price.point > 0 and abs(round((price.ask - price.bid) / price.point) - price.spread) > 1:
            words = f"{symbol} has a spread of {price.spread:g} points, and its bid and ask say otherwise"
            rows.append(trouble(MALFORMED, words, effect=Effect.NOTED))
        is_doubtful = is_first or is_same
        is_news = not is_doubtful or (self.hears_broker and memory.unchanged < MOST_STANDING)
        self.has_news |= is_news
        return is_news, rows

    def knows(self, symbol: str) -> bool:
        return symbol in self._symbols

    def seen_time(self, told: ServerTime, utc: float) -> tuple[bool, Rows]:
        """Whether it is a tick's time that has advanced, so that it says something about now."""
        before, self._time = self._time, told
        if told.is_own_clock:  # the caller asks whether the terminal is there at all
            self._time_unchanged, self.hears_broker = 0, False
            return False, []
        advanced = before is not None and not before.is_own_clock and told.seconds > before.seconds
        is_same = before is not None and told.seconds == before.seconds
        self._time_unchanged = self._time_unchanged + 1 if is_same else 0
        if not OFFSETS[0] <= told.offset <= OFFSETS[1]:
            self.hears_broker = advanced
            return False, [
                trouble(WRONG_ZONE, f"the gateway believes the broker to be {told.offset:g} hours from UTC")
            ]
        ahead = told.seconds - told.offset * 3_600.0 - utc
        self.hears_broker = advanced
        if advanced and abs(ahead) < NEAR:
            self.skew = ahead if self.skew is None else max(self.skew, ahead)
        return advanced, []

    def standstill(self, utc: float) -> Rows:
        """Neither the newest tick nor a watched price has moved: a closed market, or a terminal that only remembers."""
        prices = [memory.unchanged for memory in self._symbols.values()]
        if self._time_unchanged < FROZEN_TIMES or not prices or min(prices) < FROZEN_PRICES:
            return []
        names = ", ".join(self._symbols)
        words = f"neither the terminal's newest tick nor the price of {names} moves any more, though all is answered"
        is_open = any(_surely_trades(name, utc) for name in self._symbols)
        return [trouble(STALE, words, effect=Effect.STALLS if is_open else Effect.NOTED)]


def _surely_trades(symbol: str, utc: float) -> bool:
    """Only what is open by its name alone, with a margin; holidays are not known here."""
    if TRADES_ALWAYS.match(symbol):
        return True
    day, second = (
        int(utc // DAY + 3) % 7,
        utc % DAY,
    )  # the first of January 1970 was a Thursday; 0 is a Monday
    begins, ends = (QUIET_HOURS[1], DAY) if day == 6 else (0.0, DAY if day < 4 else QUIET_HOURS[0])
    is_day = day != 5 and begins <= second < ends and not QUIET_HOURS[0] <= second <= QUIET_HOURS[1]
    return is_day and bool(TRADES_WEEKDAYS.match(symbol))


def _contradictions(state: AccountState) -> list[str]:
    """Equity against balance cannot be judged: the credit between them is not shown."""
    slack = CENT + 1e-3 * max(abs(state.equity), abs(state.margin))  # prices move between two fields
    words = []
    if abs(state.equity - state.margin - state.margin_free) > slack:
        words.append("its free margin is not equity less margin")
    if state.margin > 0:
        level = 100.0 * state.equity / state.margin
        if abs(level - state.margin_level) > 0.1 + 1e-2 * abs(level):
            words.append("its margin level is not equity in percent of margin")
    return words


def _turns(values: list[int]) -> int:
    steps = [after - before for before, after in pairwise(values) if after != before]
    return sum(a * b < 0 for a, b in pairwise(steps))
