"""Faults of an exchange: its REST side, and what it allows one connection of its stream."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar

from probe.faults.grammar import ParameterType, about
from probe.faults.paged import Entries, PageFault
from probe.faults.protocol import ProtocolFault
from probe.model.failures import Blame
from probe.model.intents import Intent, Unwatch, Watch
from probe.model.meanings import Effect, Trouble, Troubles
from probe.session.behaviour import Act, Say

ERROR_STATUSES = (200, 500, 503)


@dataclass(frozen=True, kw_only=True)
class ExchangeFault(PageFault):
    brokers: ClassVar[tuple[str, ...]] = ("bingx",)
    of_sign_in: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class ExchangeClockSkew(ExchangeFault):
    seconds: float = field(
        default=30.0,
        metadata=about(ParameterType.NUMBER, "how far its clock is ahead; negative: behind", minimum=-inf),
    )


@dataclass(frozen=True, kw_only=True)
class ExchangeError(ExchangeFault):
    code: int = field(default=100_500, metadata=about(ParameterType.COUNT, "the number inside", minimum=1))
    status: int = field(default=200, metadata=about(ParameterType.COUNT, "of HTTP: 200, 500 or 503"))
    path: str = field(
        default="", metadata=about(ParameterType.TEXT, "how the path must end; empty: any will do")
    )

    def __post_init__(self) -> None:
        if self.status not in ERROR_STATUSES:
            raise ValueError(f"an error comes with status 200, 500 or 503, not {self.status}")


@dataclass(frozen=True, kw_only=True)
class ExchangeOldCodes(ExchangeFault): ...


@dataclass(frozen=True, kw_only=True)
class ExchangeLimit(ExchangeFault):
    requests: int = field(default=500, metadata=about(ParameterType.COUNT, "allowed in ten seconds"))
    patience: int = field(
        default=10, metadata=about(ParameterType.COUNT, "refusals (429) before the ban (418)")
    )
    ban: float = field(default=300.0, metadata=about(ParameterType.SECONDS, "how long the ban lasts"))


@dataclass(frozen=True, kw_only=True)
class ExchangeSymbolOffline(ExchangeFault):
    symbol: str = field(default="BTC-USDT", metadata=about(ParameterType.TEXT, "which one"))


@dataclass(kw_only=True, eq=False)
class SubscriptionCap(ProtocolFault):
    """Where a stream goes quiet without a word, it is `StreamCap`."""

    cap: int = field(default=1, metadata=about(ParameterType.COUNT, "symbols of one connection", minimum=1))
    _watched: set[str] = field(default_factory=set, init=False)
    _refused: list[str] = field(default_factory=list, init=False)

    def hears(self, intent: Intent, now: float) -> bool:
        match intent:
            case Unwatch(symbol=symbol):
                self._watched.discard(symbol)
            case Watch(symbol=symbol) if symbol not in self._watched:
                if len(self._watched) >= self.cap:
                    self._refused.append(symbol)
                    return False
                self._watched.add(symbol)
            case _:
                pass
        return True

    def next_due(self) -> float | None:
        return self.scene.began_at if self._refused else None

    def acts(self, now: float) -> Sequence[Act]:
        refused, self._refused = self._refused, []
        return [Say(meaning=Troubles(about=f"subscription {each}", rows=(FULL,))) for each in refused]


FULL = Trouble(
    code="session.subscription-cap",
    sentence="one connection may not subscribe to more",
    advice="",
    effect=Effect.DEGRADES,
    blame=Blame.US,
)

EXCHANGE_FAULTS: Entries = {
    "exchange-clock-skew": (
        ExchangeClockSkew,
        "crypto.bingx-timestamp",
        "the time that the exchange tells is wrong",
    ),
    "exchange-error": (
        ExchangeError,
        "crypto.bingx-busy",
        "requests are answered with an error code, by default inside an HTTP 200",
    ),
    "exchange-old-codes": (
        ExchangeOldCodes,
        "",
        "futures speak the error codes from before October 2025",
    ),
    "exchange-limit": (
        ExchangeLimit,
        "http.429",
        "too many requests are refused with HTTP 429, and going on is answered with a ban (418)",
    ),
    "exchange-symbol-offline": (
        ExchangeSymbolOffline,
        "crypto.bingx-symbol-offline",
        "a symbol is taken off the exchange",
    ),
}
