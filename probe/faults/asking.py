"""Faults of what becomes of a client's requests: unheard, counted, taken for something else, or held against it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from probe.faults.grammar import ParameterType, about
from probe.faults.protocol import ClosingFault, LiveFault, ProtocolFault
from probe.model.intents import (
    AnswerBeat,
    Beat,
    Intent,
    Leave,
    Murmur,
    PlaceOrder,
    Watch,
    WatchSentiment,
)
from probe.model.meanings import BeatAnswered, BeatAsked, History, Meaning, OrdersClosed, Quotes

Said = Sequence[tuple[float, Meaning]]
_KEEPING_ALIVE = Beat | AnswerBeat | Leave


@dataclass(kw_only=True, eq=False)
class OrderIgnored(ProtocolFault):
    def hears(self, intent: Intent, now: float) -> bool:
        return not isinstance(intent, PlaceOrder)


@dataclass(kw_only=True, eq=False)
class Disowned(LiveFault):
    """Nothing but heartbeats goes on, in either direction."""

    def hears(self, intent: Intent, now: float) -> bool:
        return isinstance(intent, _KEEPING_ALIVE) or not self.began(now)

    def says(self, meaning: Meaning, now: float) -> Said:
        beats = isinstance(meaning, BeatAsked | BeatAnswered)
        return ((0.0, meaning),) if beats or not self.began(now) else ()


@dataclass(kw_only=True, eq=False)
class HalfSubscribed(ProtocolFault):
    """Other requests that name the symbol arm its subscription, as the browser's come in threes."""

    needs: int = field(
        default=2, metadata=about(ParameterType.COUNT, "other requests that must name the symbol", minimum=1)
    )
    _named: dict[str, set[str]] = field(default_factory=dict, init=False)

    def hears(self, intent: Intent, now: float) -> bool:
        match intent:
            case WatchSentiment(symbol=symbol):
                self._named.setdefault(symbol, set()).add("sentiment")
            case Murmur(name=name, payload={"asset": str(symbol)}) | Murmur(name=name, payload=str(symbol)):
                self._named.setdefault(symbol, set()).add(name)
            case Watch(symbol=symbol):
                self._named.setdefault(symbol, set())
            case _:
                pass
        return True

    def says(self, meaning: Meaning, now: float) -> Said:
        if not isinstance(meaning, Quotes):
            return ((0.0, meaning),)
        armed = tuple(row for row in meaning.rows if len(self._named.get(row.symbol, ())) >= self.needs)
        return ((0.0, Quotes(armed)),) if armed else ()


# -- history ------------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class StuckHistory(ProtocolFault):
    _first: dict[tuple[str, int], History] = field(default_factory=dict, init=False)

    def says(self, meaning: Meaning, now: float) -> Said:
        if isinstance(meaning, History) and meaning.index is not None:
            first = self._first.setdefault((meaning.symbol, meaning.period), meaning)
            meaning = replace(first, index=meaning.index)
        return ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class ShortHistory(ProtocolFault):
    rows: int = field(default=12, metadata=about(ParameterType.COUNT, "candles or ticks of a page at most"))

    def says(self, meaning: Meaning, now: float) -> Said:
        if isinstance(meaning, History):
            kept = slice(max(0, len(meaning.candles) - self.rows), None)
            ticks = slice(max(0, len(meaning.ticks) - self.rows), None)
            meaning = replace(meaning, candles=meaning.candles[kept], ticks=meaning.ticks[ticks])
        return ((0.0, meaning),)


# -- punishment ---------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class CloseAfterOrder(ClosingFault):
    def says(self, meaning: Meaning, now: float) -> Said:
        if isinstance(meaning, OrdersClosed):
            self.close_at = now
        return ((0.0, meaning),)


class Punishment(Enum):
    CLOSE = "close"
    IGNORE = "ignore"


@dataclass(kw_only=True, eq=False)
class RateLimit(ClosingFault):
    """Heartbeats are not counted."""

    limit: int = field(
        default=30, metadata=about(ParameterType.COUNT, "requests within the window", minimum=1)
    )
    window: float = field(
        default=60.0, metadata=about(ParameterType.SECONDS, "how long a request counts", minimum=0.1)
    )
    then: Punishment = field(
        default=Punishment.CLOSE, metadata=about(Punishment, "what becomes of one request more")
    )
    code: int = field(default=1008, metadata=about(ParameterType.COUNT, "the close code"))
    reason: str = "too many requests"
    _heard_at: deque[float] = field(default_factory=deque, init=False)

    def hears(self, intent: Intent, now: float) -> bool:
        if isinstance(intent, _KEEPING_ALIVE) or self.scene.live_at is None:
            return True
        while self._heard_at and self._heard_at[0] <= now - self.window:
            self._heard_at.popleft()
        if len(self._heard_at) < self.limit:
            self._heard_at.append(now)
            return True
        if self.then is Punishment.CLOSE:
            self.close_at = now
        return False
