"""How good the stream of each symbol was, of the ticks that are still kept."""

from collections.abc import Mapping

import pandas as pd

from probe.store.pages import Page
from reports.diagnostics.facts import Symbol


def symbols(ticks: Page, words: Mapping[int | None, str]) -> tuple[Symbol, ...]:
    """The busiest first. `ticks` are newest first: when, which symbol, price, the broker's time."""
    table = pd.DataFrame.from_records(ticks, columns=["at", "symbol", "price", "theirs"])[::-1]
    found = [_symbol(words[int(number)], each) for number, each in table.groupby("symbol", sort=True)]
    return tuple(sorted(found, key=lambda each: (-each.ticks, each.name)))


def _symbol(name: str, ticks: pd.DataFrame) -> Symbol:
    gaps = ticks["at"].diff().dropna()
    quantiles = gaps.quantile([0.5, 0.99], interpolation="higher") if len(gaps) else None
    newest_before = ticks["theirs"].cummax().shift()
    return Symbol(
        name=name,
        ticks=len(ticks),
        first_utc=float(ticks["at"].iloc[0]),
        last_utc=float(ticks["at"].iloc[-1]),
        gap_p50=None if quantiles is None else float(quantiles[0.5]),
        gap_p99=None if quantiles is None else float(quantiles[0.99]),
        gap_longest=float(gaps.max()) if len(gaps) else None,
        repeated=int(ticks.duplicated(["theirs", "price"]).sum()),
        out_of_order=int((ticks["theirs"] < newest_before).sum()),
    )
