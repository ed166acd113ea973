"""Faults of what a live session is told: ticks, stamps, balances and answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from probe.faults.grammar import ParameterType, about
from probe.faults.protocol import LiveFault, ProtocolFault
from probe.model.endpoint import Account
from probe.model.intents import Intent, PlaceOrder, Unwatch, Watch
from probe.model.meanings import Balance, BrokerClock, Meaning, OrderRejected, Quote, Quotes
from probe.session.behaviour import Act, Say

Said = Sequence[tuple[float, Meaning]]


@dataclass(kw_only=True, eq=False)
class Unsaid(ProtocolFault):
    """Never told, except in what follows the login at once."""

    matches: Callable[[Meaning], bool]

    def says(self, meaning: Meaning, now: float) -> Said:
        live_at = self.scene.live_at
        return () if live_at is not None and now > live_at and self.matches(meaning) else ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class Late(ProtocolFault):
    matches: Callable[[Meaning], bool]
    seconds: float = field(default=16.0, metadata=about(ParameterType.SECONDS, "how late the answer comes"))

    def says(self, meaning: Meaning, now: float) -> Said:
        return ((self.seconds if self.matches(meaning) else 0.0, meaning),)


# -- ticks --------------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class SilentStall(LiveFault):
    def says(self, meaning: Meaning, now: float) -> Said:
        return () if isinstance(meaning, Quotes) and self.began(now) else ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class OneSymbolStall(LiveFault):
    symbol: str = field(
        default="", metadata=about(ParameterType.TEXT, "which one; empty: the first that ticks")
    )

    def says(self, meaning: Meaning, now: float) -> Said:
        if not isinstance(meaning, Quotes):
            return ((0.0, meaning),)
        self.symbol = self.symbol or meaning.rows[0].symbol
        if not self.began(now):
            return ((0.0, meaning),)
        return _quotes(row for row in meaning.rows if row.symbol != self.symbol)


@dataclass(kw_only=True, eq=False)
class StreamCap(ProtocolFault):
    cap: int = field(
        default=1, metadata=about(ParameterType.COUNT, "symbols that tick; older ones go quiet", minimum=1)
    )
    _watched: list[str] = field(default_factory=list, init=False)  # the latest last

    def hears(self, intent: Intent, now: float) -> bool:
        if isinstance(intent, Watch | Unwatch) and intent.symbol in self._watched:
            self._watched.remove(intent.symbol)
        if isinstance(intent, Watch):
            self._watched.append(intent.symbol)
        return True

    def says(self, meaning: Meaning, now: float) -> Said:
        if not isinstance(meaning, Quotes):
            return ((0.0, meaning),)
        for row in meaning.rows:
            if row.symbol not in self._watched:  # since before the fault began
                self._watched.insert(0, row.symbol)
        return _quotes(row for row in meaning.rows if row.symbol in self._watched[-self.cap :])


@dataclass(kw_only=True, eq=False)
class DuplicateTicks(ProtocolFault):
    def says(self, meaning: Meaning, now: float) -> Said:
        return ((0.0, meaning),) * (2 if isinstance(meaning, Quotes) else 1)


@dataclass(kw_only=True, eq=False)
class OutOfOrderTicks(ProtocolFault):
    every: int = field(default=3, metadata=about(ParameterType.COUNT, "one in so many comes late", minimum=1))
    seconds: float = field(default=1.2, metadata=about(ParameterType.SECONDS, "how late"))
    _count: int = field(default=0, init=False)

    def says(self, meaning: Meaning, now: float) -> Said:
        self._count += isinstance(meaning, Quotes)
        late = isinstance(meaning, Quotes) and self._count % self.every == 0
        return ((self.seconds if late else 0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class PastTimestamps(ProtocolFault):
    every: int = field(
        default=5, metadata=about(ParameterType.COUNT, "one in so many is stamped in the past", minimum=1)
    )
    seconds: float = field(default=600.0, metadata=about(ParameterType.SECONDS, "how far in the past"))
    _count: int = field(default=0, init=False)

    def says(self, meaning: Meaning, now: float) -> Said:
        self._count += isinstance(meaning, Quotes)
        past = self._count % self.every == 0
        return ((0.0, shifted(meaning, -self.seconds) if past and isinstance(meaning, Quotes) else meaning),)


@dataclass(kw_only=True, eq=False)
class FrozenPrice(ProtocolFault):
    _prices: dict[str, float] = field(default_factory=dict, init=False)

    def says(self, meaning: Meaning, now: float) -> Said:
        if not isinstance(meaning, Quotes):
            return ((0.0, meaning),)
        return _quotes(
            row._replace(price=self._prices.setdefault(row.symbol, row.price)) for row in meaning.rows
        )


@dataclass(kw_only=True, eq=False)
class ClockSkew(ProtocolFault):
    seconds: float = field(
        default=161.0,
        metadata=about(ParameterType.NUMBER, "how far its clock is ahead; negative: behind", minimum=-inf),
    )

    def says(self, meaning: Meaning, now: float) -> Said:
        return ((0.0, shifted(meaning, self.seconds)),)


@dataclass(kw_only=True, eq=False)
class ClockJump(LiveFault):
    seconds: float = field(
        default=3600.0, metadata=about(ParameterType.NUMBER, "how far it jumps; negative: back", minimum=-inf)
    )

    def says(self, meaning: Meaning, now: float) -> Said:
        return ((0.0, shifted(meaning, self.seconds) if self.began(now) else meaning),)


def shifted(meaning: Meaning, seconds: float) -> Meaning:
    """What the broker's clock is read for, read from a wrong clock."""
    match meaning:
        case Quotes(rows):
            return Quotes(tuple(row._replace(broker_time=row.broker_time + seconds) for row in rows))
        case BrokerClock():
            return BrokerClock(seconds=meaning.seconds + seconds)
        case _:
            return meaning


def _quotes(rows: Iterable[Quote]) -> Said:
    left = tuple(rows)
    return ((0.0, Quotes(left)),) if left else ()


# -- the account --------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class BalanceDrift(ProtocolFault):
    amount: float = field(
        default=1.0,
        metadata=about(
            ParameterType.NUMBER, "what each balance but the first is further off by", minimum=-inf
        ),
    )
    _told: int = field(default=0, init=False)

    def says(self, meaning: Meaning, now: float) -> Said:
        if isinstance(meaning, Balance):
            meaning = replace(meaning, amount=meaning.amount + self._told * self.amount)
            self._told += 1
        return ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class DemoTradeCap(ProtocolFault):
    cap: int = field(default=1, metadata=about(ParameterType.COUNT, "demo orders a session may place"))
    error: str = field(
        default="MaxDemoTrades", metadata=about(ParameterType.TEXT, "the words of the rejection")
    )
    _placed: int = field(default=0, init=False)
    _rejected: list[OrderRejected] = field(default_factory=list, init=False)
    _due_at: float = field(default=0.0, init=False)

    def hears(self, intent: Intent, now: float) -> bool:
        if not isinstance(intent, PlaceOrder) or intent.account is not Account.DEMO:
            return True
        self._placed += 1
        if self._placed <= self.cap:
            return True
        self._due_at = now
        self._rejected.append(
            OrderRejected(
                error=self.error, request_id=intent.request_id, symbol=intent.symbol, amount=intent.amount
            )
        )
        return False

    def next_due(self) -> float | None:
        return self._due_at if self._rejected else None

    def acts(self, now: float) -> Sequence[Act]:
        rejected, self._rejected = self._rejected, []
        return [Say(meaning=each) for each in rejected]
