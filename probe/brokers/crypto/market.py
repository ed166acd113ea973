"""Prices that the backend passes on: whether they are new, how old they are, and whether their age can be believed."""

from dataclasses import dataclass
from typing import Any

from probe.brokers.crypto.reading import price_of, utc_of
from probe.model.failures import Blame
from probe.model.meanings import Effect, Figure, Figures, Meaning, Quote, Quotes, Trouble, Unrecognised

STALE_AFTER = 60.0  # seconds; the exchange speaks every second, and a quiet symbol every ten or so
SAME_AT_MOST = 4  # readings in a row of one price with new times; a price that trades moves sooner
CLOCK_NOTED, CLOCK_HARMS = 2.0, 5.0  # seconds; the exchange takes signed calls for 5 s


@dataclass(slots=True, kw_only=True)
class _Known:
    price: float
    source_at: float
    repeated: int = 0  # readings since the price moved, each with another time
    age: float = 0.0


class Market:
    def __init__(self) -> None:
        self.clock_offset = 0.0  # of the backend's clock against ours
        self._known: dict[str, _Known] = {}

    def read(self, symbol: str, body: Any, utc: float, preview: str) -> tuple[list[Meaning], bool]:
        """What is said of the market, and whether it is new."""
        data = body if isinstance(body, dict) else {}
        price, source_at, fetched_at = (
            price_of(data),
            utc_of(data.get("source_time")),
            utc_of(data.get("fetched_at")),
        )
        if price is None or source_at is None:
            what = "price" if price is None else "source_time, so its age cannot be known"
            return [Unrecognised(problem=f"the ticker of {symbol} has no {what}", preview=preview)], False
        known = self._known.get(symbol)
        is_new = known is None or (known.price, known.source_at) != (price, source_at)
        repeated = known.repeated + (source_at != known.source_at) if known and known.price == price else 0
        # By both clocks: either may be off, and the exchange's own is neither.
        age = utc + min(self.clock_offset, 0.0) - source_at
        self._known[symbol] = _Known(price=price, source_at=source_at, repeated=repeated, age=age)
        said: list[Meaning] = []
        if is_new:
            said.append(Quotes((Quote(symbol, source_at, price),)))
        if fetched_at is not None:
            said.append(Figures(rows=(Figure("feed_lag_seconds", fetched_at - source_at),)))
        return said, is_new

    def troubles(self) -> tuple[Trouble, ...]:
        rows = []
        old = {symbol: known.age for symbol, known in self._known.items() if known.age > STALE_AFTER}
        if old:
            worst = max(old, key=lambda symbol: old[symbol])
            rows.append(
                Trouble(
                    code="data.stale-ticks",
                    sentence=f"the backend answers, and the price it has of {worst} is {old[worst]:.0f} s old",
                    advice="Compare with the exchange itself: if that moves, the backend no longer fetches.",
                    effect=Effect.STALLS,
                    blame=Blame.BROKER,
                )
            )
        same = [symbol for symbol, known in self._known.items() if known.repeated >= SAME_AT_MOST]
        if same:
            rows.append(
                Trouble(
                    code="data.cached-as-fresh",
                    sentence=f"the price of {same[0]} stands still while its time moves on: it is a kept one with "
                    "the time of the request",
                    advice="Compare with the exchange itself; let the backend pass on the time of the source.",
                    effect=Effect.STALLS,
                    blame=Blame.BROKER,
                )
            )
        return tuple(rows)


def clock_trouble(offset: float, uncertainty: float) -> Trouble | None:
    """What it means that the backend's clock is so far ahead of ours."""
    off = abs(offset) - uncertainty
    if off <= CLOCK_NOTED:
        return None
    which = "ahead of" if offset > 0 else "behind"
    return Trouble(
        code="data.clock-offset",
        sentence=f"the backend's clock is {abs(offset):.1f} s {which} this machine's",
        advice="Compare both with a time server; if the backend's is wrong, the exchange will refuse its calls.",
        effect=Effect.DEGRADES if off > CLOCK_HARMS else Effect.NOTED,
        blame=Blame.UNKNOWN,
    )
