"""How one live session is doing, in constant memory: what it answers, what it repeats, how its clock stands."""

from dataclasses import replace

from probe.measure.clocks import ClockOffset, clock_offset
from probe.model.endpoint import Account
from probe.model.events import (
    HeartbeatAnswered,
    HeartbeatMissed,
    RequestAnswered,
    RequestExpired,
    Surprise,
)
from probe.model.intents import AskHistory, Watch
from probe.model.meanings import Balance, Effect, History, Trouble, Troubles

TURN_SECONDS = 30.0  # counts cover the last one to two turns
ROUND_TRIPS = 3  # of the last ones the median is taken
CLOCK_TICKS = 20
FLOOD_RATE = (
    500.0  # messages a second; a busy login sees some hundreds once, a hundred symbols twice a second 200
)
SURPRISES, STRANGE_SECONDS = 3, 5.0  # fewer, or longer ago, say nothing
FROZEN_TICKS, FROZEN_SECONDS = 60, 60.0
_GRAVITY = list(Effect)


class Counts:
    """What a turn holds."""

    __slots__ = ("duplicates", "late_ticks", "messages", "surprises", "ticks")

    def __init__(self) -> None:
        self.ticks = self.duplicates = self.late_ticks = self.messages = self.surprises = 0


class _Feed:
    """One symbol's last tick, and since when its price has not moved."""

    __slots__ = ("broker_time", "price", "price_since", "same_price")

    def __init__(self, at: float, broker_time: float, price: float) -> None:
        self.broker_time, self.price, self.price_since, self.same_price = broker_time, price, at, 0


class Vitals:
    __slots__ = (
        "_differences",
        "_feeds",
        "_next_turn",
        "_tails",
        "_turned_at",
        "_turns",
        "_utc_at_zero",
        "_zone",
        "answered_at",
        "balance",
        "beat_missed_at",
        "first_data_at",
        "flooded_since",
        "heard_at",
        "is_watch_expired",
        "live_at",
        "peer_beats",
        "request_expired",
        "request_expired_at",
        "round_trips",
        "skew",
        "strange",
        "strange_at",
        "troubles",
    )

    def __init__(self, now: float, utc_at_zero: float) -> None:
        self.live_at = self.heard_at = now  # whatever came, prices apart
        self.peer_beats = 0
        self._utc_at_zero = utc_at_zero
        self._turns = (Counts(), Counts())  # this one, the one before
        self._next_turn = now + TURN_SECONDS
        self._feeds: dict[str, _Feed] = {}
        self._differences: list[float] = []  # broker time minus ours, of this turn's first ticks
        self._zone: float | None = None  # of the first of them: a clock that jumps by an hour changes no zone
        self._turned_at = now
        self.flooded_since: float | None = None
        self.skew: ClockOffset | None = None
        self.answered_at: float | None = None  # any request
        self.first_data_at: float | None = None
        self.beat_missed_at: float | None = None  # and not answered since
        self.request_expired_at: float | None = None  # and none answered since
        self.request_expired = ""
        self.is_watch_expired = False
        self._tails: tuple[float, ...] = ()  # how much the last two pages of the past lacked at their end
        self.round_trips: list[float] = []
        self.balance: Balance | None = None
        self.strange = ""  # the last surprise in words
        self.strange_at: float | None = None
        self.troubles: dict[str, tuple[Trouble, ...]] = {}  # by what showed them

    # -- what happens ------------------------------------------------------------------------------------------------

    def tick(self, at: float, symbol: str, broker_time: float, price: float) -> None:
        counts = self._turns[0]
        counts.ticks += 1
        feed = self._feeds.get(symbol)
        if feed is None:
            self._feeds[symbol] = _Feed(at, broker_time, price)
            return
        if self.is_watch_expired:
            self.request_expired_at, self.is_watch_expired = None, False
        if price != feed.price:
            feed.price, feed.price_since, feed.same_price = price, at, 0
        elif broker_time == feed.broker_time:
            counts.duplicates += 1
        else:
            feed.same_price += 1
        if broker_time < feed.broker_time:
            counts.late_ticks += 1
        feed.broker_time = broker_time  # not the latest one: a clock that was set back is wrong once
        if len(self._differences) < CLOCK_TICKS:
            self._differences.append(broker_time - (self._utc_at_zero + at))

    def beat_answered(self, event: HeartbeatAnswered, *, is_ping: bool) -> None:
        self.beat_missed_at, self.heard_at = None, event.at
        if is_ping:
            self.round_trips = [*self.round_trips[1 - ROUND_TRIPS :], event.rtt_seconds]

    def beat_missed(self, event: HeartbeatMissed) -> None:
        self.beat_missed_at = event.at

    def answered(self, event: RequestAnswered) -> None:
        self.answered_at = self.heard_at = event.at
        if not isinstance(event.intent, Watch):
            self.request_expired_at = None
        if isinstance(event.answer, History) and isinstance(event.intent, AskHistory):
            newest = max((row[0] for row in (*event.answer.ticks, *event.answer.candles)), default=None)
            feed = self._feeds.get(event.intent.symbol)
            # A closed market makes no candles: a page can only lack what ticked.
            if newest is not None and feed is not None:
                age = min(event.intent.until, feed.broker_time) - newest
                self._tails = (*self._tails[-1:], age)

    def expired(self, event: RequestExpired) -> None:
        self.request_expired_at = event.at
        self.request_expired = type(event.intent).__name__
        self.is_watch_expired = isinstance(event.intent, Watch)  # prices are its answer

    def surprised(self, event: Surprise) -> None:
        self._turns[0].surprises += 1
        self.strange, self.strange_at, self.heard_at = event.problem, event.at, event.at

    def told(self, troubles: Troubles) -> list[Trouble]:
        """Those worth a note that were not known yet."""
        known = {each.code for rows in self.troubles.values() for each in rows}
        if troubles.rows:
            self.troubles[troubles.about] = troubles.rows
        else:
            self.troubles.pop(troubles.about, None)
        return [each for each in troubles.rows if each.effect is Effect.NOTED and each.code not in known]

    def clock_stepped(self, utc_at_zero: float) -> None:
        self._utc_at_zero, self._differences, self.skew = utc_at_zero, [], None

    def turn(self, now: float, messages: int) -> None:
        """Called about twice a second; `messages`: received since the last call."""
        self._turns[0].messages += messages
        if messages <= FLOOD_RATE * (now - self._turned_at):
            self.flooded_since = None
        elif self.flooded_since is None:
            self.flooded_since = self._turned_at
        self._turned_at = now
        if now < self._next_turn:
            return
        self._next_turn = now + TURN_SECONDS
        self._turns = (Counts(), self._turns[0])
        if self._differences:
            found = clock_offset(self._differences, min(self.round_trips, default=0.0))
            if found is not None:
                self._zone = found.zone_seconds if self._zone is None else self._zone
                skew = found.zone_seconds + found.skew_seconds - self._zone
                self.skew = replace(found, zone_seconds=self._zone, skew_seconds=skew)
            self._differences = []

    # -- what that says ----------------------------------------------------------------------------------------------

    def lately(self, name: str) -> int:
        """A count over the last one to two turns."""
        return int(getattr(self._turns[0], name)) + int(getattr(self._turns[1], name))

    def is_strange(self, now: float) -> bool:
        """Messages come that are not understood."""
        is_recent = self.strange_at is not None and now - self.strange_at <= STRANGE_SECONDS
        return is_recent and self.lately("surprises") >= SURPRISES

    @property
    def history_tail_age(self) -> float | None:
        """What pages of the past lack at their end. Two of them: of a market that just opened the first lacks a weekend."""
        return min(self._tails) if len(self._tails) > 1 else None

    def frozen(self, now: float) -> tuple[str, float] | None:
        """A symbol that ticks and does not move, and for how long."""
        for symbol, feed in self._feeds.items():
            if feed.same_price >= FROZEN_TICKS and now - feed.price_since >= FROZEN_SECONDS:
                return symbol, now - feed.price_since
        return None

    @property
    def gravest(self) -> Trouble | None:
        """Of all that answers showed, what harms most."""
        rows = [each for rows in self.troubles.values() for each in rows if each.effect is not Effect.NOTED]
        return min(rows, key=lambda each: _GRAVITY.index(each.effect), default=None)

    def price(self, symbol: str) -> float | None:
        feed = self._feeds.get(symbol)
        return None if feed is None else feed.price

    def last(self, symbol: str) -> tuple[float, float] | None:
        """The broker's time of its last tick, and the price."""
        feed = self._feeds.get(symbol)
        return None if feed is None else (feed.broker_time, feed.price)

    def contradicts(self, account: Account) -> str | None:
        """What the server says about the account, if it is not what the credential says."""
        said = self.balance.is_demo if self.balance else None
        if said is None or account is Account.NONE or said == (account is Account.DEMO):
            return None
        return "demo" if said else "live"
