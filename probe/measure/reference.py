"""Two targets that should show the same prices: whose fault it is when one of them does not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from probe.measure.complaints import Complaint
from probe.measure.condition import SILENT
from probe.measure.records import Condition, Data
from probe.measure.vitals import Vitals
from probe.model.failures import Blame

APART = 0.005  # of the price; feeds of one market differ by far less
APART_SECONDS = 30.0  # so long, for a fast market moves between two looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How the other one stands now."""

    name: str
    data: Data
    prices: Mapping[str, float]
    apart_since: float | None = None  # the prices of both differ by more than they may


def compared(stalled: Condition, reference: Reference | None) -> Condition:
    """Nothing comes here: does it come there?"""
    if reference is None:
        return stalled
    match reference.data:
        case Data.FLOWING:
            words = f"{reference.name} has prices, so they are lost behind this one"
            code = "data.stale-ticks" if stalled.code == SILENT else stalled.code
            return replace(stalled, sentence=f"{stalled.sentence}; {words}", code=code)
        case Data.STALLED:
            words = f"{reference.name} has none either, so it is not this one's fault"
            return replace(stalled, sentence=f"{stalled.sentence}; {words}")
        case _:
            return stalled


def apart(vitals: Vitals, reference: Reference | None, now: float) -> Complaint | None:
    """Both flow, and show different prices."""
    if reference is None or reference.apart_since is None or now - reference.apart_since < APART_SECONDS:
        return None
    symbol, share = farthest(vitals, reference)
    if symbol is None:
        return None
    return Complaint(
        code="data.cached-as-fresh",
        sentence=f"the price of {symbol} has differed from that of {reference.name} by up to {share:.1%} "
        f"for {now - reference.apart_since:.0f} s",
        advice="One of the two shows old prices as new ones: compare both with a third source before you trade on them.",
        blame=Blame.BROKER,
    )


def farthest(vitals: Vitals, reference: Reference) -> tuple[str | None, float]:
    """The symbol whose prices differ most, if they differ by more than they may, and by how much."""
    symbol: str | None = None
    most = APART
    for name, theirs in reference.prices.items():
        ours = vitals.price(name)
        if ours is None or not theirs:
            continue
        share = abs(ours / theirs - 1)
        if share > most:
            symbol, most = name, share
    return symbol, most
