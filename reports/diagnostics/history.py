"""What a store holds of one target in a period, as far as a report needs it: sums of hours, and of minutes where hours are cut."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

from probe.measure.records import (
    PINGS,
    Alert,
    Disconnected,
    Incident,
    Notice,
    Period,
    Trigger,
)
from probe.model.failures import KINDS
from probe.store.pages import Page, StorePages
from probe.store.stretches import steps

MOST_TICKS = 50_000  # of a target, the newest: enough for percentiles of every symbol
SHORT_SECONDS = 86_400.0  # a period up to here is read by the minute
STALE_SECONDS = 180.0  # what ended earlier than so long before the end says nothing about the end
FINE_SECONDS = 60.0  # nothing finer is kept


class Try(NamedTuple):
    """One attempt to connect."""

    region: str
    is_held: bool  # for the session that is held, and not a knock, a race or a measurement
    trigger: Trigger | None  # of those that are held
    seconds: float
    phases: list[tuple[str, float]]  # the same
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
    finer: Sequence[Period]  # the same time, cut finer where the session moved
    stays: Sequence[Stay]
    tries: Sequence[Try]
    planned_disconnects: int
    incidents: Sequence[Incident]
    alerts: Sequence[Alert]
    ticks: Page  # newest first: when, symbol, price, the broker's time
    symbols: Mapping[int | None, str]
    runs: Sequence[tuple[float, bool]]  # of a monitor: when each began, and whether it ended without a word
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
    runs = store.runs(since_utc, until_utc)
    incidents = store.incidents(since_utc, until_utc, target)
    starts = [began for began, _ in runs]
    return History(
        target=target,
        periods=periods,
        finer=list(_finer(store, target, periods, [each.since_utc for each in stays[1:]])),
        stays=stays,
        tries=tries,
        planned_disconnects=planned,
        incidents=[_as_far_as_watched(each, periods, starts, until_utc) for each in incidents],
        alerts=store.alerts(since_utc, until_utc, target),
        ticks=store.newest_ticks(target, since_utc, until_utc, MOST_TICKS),
        symbols=store.words,
        runs=runs,
        clock_steps=sum(each.code == "clock.stepped" for each in notices),
        last_state=last[0].condition.state.value if last else None,
    )


def _periods(store: StorePages, target: str, since_utc: float, until_utc: float) -> list[Period]:
    """What begins in the period."""
    if until_utc - since_utc <= SHORT_SECONDS:
        return store.periods(target, since_utc, until_utc)
    return [
        each
        for step, begin, end in steps(since_utc, until_utc)
        for each in store.periods(target, begin, end, step)
    ]


def _as_far_as_watched(
    incident: Incident, periods: Sequence[Period], starts: Sequence[float], until_utc: float
) -> Incident:
    """Whose end nobody saw, because the monitor was killed, lasted until then as far as anybody knows."""
    if incident.ended_utc is not None:
        return incident
    next_start = min((each for each in starts if each > incident.began_utc), default=math.inf)
    watched = max((each.at_utc for each in periods if each.began_utc < next_start), default=-math.inf)
    if next_start == math.inf and until_utc - watched <= STALE_SECONDS:
        return incident
    return replace(incident, ended_utc=max(min(watched, next_start), incident.began_utc))


def _finer(
    store: StorePages, target: str, periods: Sequence[Period], moves: Sequence[float]
) -> Iterator[Period]:
    """Hours in which the session moved are told by their minutes."""

    def is_moved(period: Period) -> bool:
        first = bisect_right(moves, period.began_utc)
        return period.seconds > FINE_SECONDS and first < len(moves) and moves[first] < period.at_utc

    for moved, some in groupby(periods, key=is_moved):
        alike = list(some)
        if moved:
            yield from store.periods(target, alike[0].began_utc, alike[-1].at_utc, "minute", PINGS)
        else:
            yield from alike


def _events(
    store: StorePages, target: str, since_utc: float, until_utc: float
) -> tuple[list[Stay], list[Try], int]:
    """Where the session was, what was tried, and how many ends of sessions were announced."""
    before = [each.endpoint for each in store.last_state(target, since_utc) if each.endpoint is not None]
    stays = [Stay(since_utc, region) for region in before]
    tries: list[Try] = []
    planned = 0
    for page in store.pages("connections", target, since_utc, until_utc):
        # A page's JSON at once takes half the time; what is no object by itself is noticed.
        read = json.loads(f"[{','.join([text for *_, text in page])}]")
        for (at, kind, failure, _), data in zip(page, read, strict=True):
            if kind == Disconnected.kind:
                planned += bool(data.get("planned"))
                continue
            tries.append(_try(data, failure))
            region = tries[-1].region
            # Failures are kept for longer than successes, and alone would tell of a place where nothing was held.
            is_held = tries[-1].is_held and failure is None
            if is_held and (not stays or stays[-1].region != region):
                stays.append(Stay(at, region))
    return stays, tries, planned


def _try(data: Mapping[str, Any], kind: str | None) -> Try:
    slug, is_held = None, data["purpose"] == "hold"
    if kind is not None:
        slug = data["failure"].get("slug") or (KINDS[kind].code if kind in KINDS else kind)
    phases = data.get("phases", ())
    return Try(
        data["endpoint"],
        is_held,
        Trigger(data["trigger"]) if is_held and data.get("trigger") else None,
        sum([each["seconds"] for each in phases]),
        [(each["phase"], each["seconds"]) for each in phases] if is_held else [],
        slug,
        data.get("certificate_expires_utc"),
    )
