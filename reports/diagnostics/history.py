"""What a store holds of one target in a period, as far as a report needs it: sums of hours, and of minutes where hours are cut."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from probe.measure.records import (
    Alert,
    Attempt,
    Disconnected,
    Incident,
    Notice,
    Period,
    StateChanged,
    Trigger,
)
from probe.model.events import Phase
from probe.model.failures import KINDS
from probe.store.pages import Page, StorePages
from probe.store.rows import HOUR

MOST_TICKS = 50_000  # of a target, the newest: enough for percentiles of every symbol
SHORT_SECONDS = 86_400.0  # a period up to here is read by the minute


class Try(NamedTuple):
    """One attempt to connect."""

    region: str
    is_held: bool  # for the session that is held, and not a knock, a race or a measurement
    trigger: Trigger | None
    phases: tuple[tuple[Phase, float], ...]
    failure: str | None  # the catalogue's slug
    certificate_expires_utc: float | None


class Stay(NamedTuple):
    """From then on the session was held in that region."""

    since_utc: float
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    target: str
    periods: Sequence[Period]  # oldest first
    of_one_region: Sequence[Period]  # the same time, cut finer where the session moved
    stays: Sequence[Stay]
    tries: Sequence[Try]
    planned_disconnects: int
    incidents: Sequence[Incident]
    alerts: Sequence[Alert]
    ticks: Page  # newest first: when, symbol, price, the broker's time
    symbols: Mapping[int | None, str]
    samples: int
    tainted: int
    runs: Sequence[bool]  # of a monitor: whether each ended without a word
    clock_steps: int
    last_state: str | None


def history_of(
    store: StorePages, target: str, since_utc: float, until_utc: float, *, notices: Sequence[Notice]
) -> History:
    """
    Raises:
        StoreError: the store cannot be read.
    """
    stays, tries, planned = _events(store, target, since_utc, until_utc)
    periods = _periods(store, target, since_utc, until_utc)
    last = store.last_state(target, until_utc)
    samples, tainted = store.samples_and_tainted(target, since_utc, until_utc)
    return History(
        target=target,
        periods=periods,
        of_one_region=_finer(store, periods, [each.since_utc for each in stays[1:]]),
        stays=stays,
        tries=tries,
        planned_disconnects=planned,
        incidents=store.incidents(since_utc, until_utc, target),
        alerts=store.alerts(since_utc, until_utc, target),
        ticks=store.newest_ticks(target, since_utc, until_utc, MOST_TICKS),
        symbols=store.words,
        samples=samples,
        tainted=tainted,
        runs=store.runs(since_utc, until_utc),
        clock_steps=sum(each.code == "clock.stepped" for each in notices),
        last_state=last[0].condition.state.value if last else None,
    )


def _periods(store: StorePages, target: str, since_utc: float, until_utc: float) -> list[Period]:
    """What begins in the period: whole hours, which are the sums of their minutes, and minutes before and after them."""
    if until_utc - since_utc <= SHORT_SECONDS:
        return store.periods(target, since_utc, until_utc)
    first, last = math.ceil(since_utc / HOUR) * HOUR, math.floor(until_utc / HOUR) * HOUR
    return [
        *store.periods(target, since_utc, first, "minute"),
        *store.periods(target, first, last, "hour"),
        *store.periods(target, last, until_utc, "minute"),
    ]


def _finer(store: StorePages, periods: Sequence[Period], moves: Sequence[float]) -> list[Period]:
    """Hours in which the session moved are told by their minutes."""
    cut: list[Period] = []
    for each in periods:
        is_moved = any(each.began_utc < move < each.at_utc for move in moves)
        minutes = store.periods(each.target, each.began_utc, each.at_utc, "minute") if is_moved else []
        cut += minutes or [each]
    return cut


def _events(
    store: StorePages, target: str, since_utc: float, until_utc: float
) -> tuple[list[Stay], list[Try], int]:
    """Where the session was, what was tried, and how many ends of sessions were announced."""
    before = [each.endpoint for each in store.last_state(target, since_utc) if each.endpoint is not None]
    stays = [Stay(since_utc, region) for region in before]
    tries: list[Try] = []
    planned = 0
    for page in store.pages("events", target, since_utc, until_utc):
        for at, kind, code, text in page:
            data = json.loads(text)
            region = data.get("endpoint")
            is_held = kind == Attempt.kind and data["purpose"] == "hold"
            is_placed = region is not None and (is_held or kind == StateChanged.kind)
            if is_placed and (not stays or stays[-1].region != region):
                stays.append(Stay(at, region))
            if kind == Attempt.kind:
                tries.append(_try(data, code, is_held=is_held))
            elif kind == Disconnected.kind:
                planned += bool(data.get("planned"))
    return stays, tries, planned


def _try(data: Mapping[str, Any], kind: str | None, *, is_held: bool) -> Try:
    slug = None
    if kind is not None:
        slug = data["failure"].get("slug") or (KINDS[kind].code if kind in KINDS else kind)
    return Try(
        region=data["endpoint"],
        is_held=is_held,
        trigger=Trigger(data["trigger"]) if data.get("trigger") else None,
        phases=tuple((Phase(each["phase"]), each["seconds"]) for each in data.get("phases", ())),
        failure=slug,
        certificate_expires_utc=data.get("certificate_expires_utc"),
    )
