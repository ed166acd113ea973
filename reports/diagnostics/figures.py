"""What the figures of a report are: everything here is computed from a history, and from nothing else."""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from probe.measure.health import Grade, grade_of
from probe.measure.histogram import Histogram
from probe.measure.periods import merged
from probe.measure.records import Cause, Incident, Metric, Period, Trigger, ping_in
from probe.model.events import Phase
from probe.model.failures import Blame
from probe.model.findings import Certainty
from reports.diagnostics.facts import (
    Budget,
    Connecting,
    Health,
    Latency,
    PhaseFigures,
    Region,
    Side,
    Slot,
    Sums,
    Why,
)
from reports.diagnostics.history import SHORT_SECONDS, STALE_SECONDS, History, Try

T = TypeVar("T")
_Named = tuple[str | None, Certainty]
_NOT_NAMED: _Named = (None, Certainty.UNDETERMINED)
MOST_SLOTS = 400  # of a timeline: more are not told apart on a screen
SIDES: Mapping[Metric, Side] = {
    Metric.LOOP_LAG: Side.OWN,
    Metric.UPLINK_RTT: Side.NETWORK,
    Metric.TCP_RTT: Side.NETWORK,
    Metric.WS_RTT: Side.NETWORK,
    Metric.ACCESS_RTT: Side.NETWORK,
    Metric.BEAT_RTT: Side.BROKER,
    Metric.POLL_RTT: Side.BROKER,
    Metric.APP_RTT: Side.BROKER,
    Metric.SERVER_PROCESS: Side.BROKER,
    Metric.TERMINAL_PING: Side.BROKER,
    Metric.ORDER_RTT: Side.BROKER,
    Metric.FEED_LAG: Side.BROKER,
}  # and in this order
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
_DAYS = (1, 7, 30, 365)
_STEPS = (*(60.0 * each for each in _MINUTES), *(86_400.0 * each for each in _DAYS))


def whole_of(periods: Sequence[Period]) -> Period:
    return merged(periods) if periods else Period(began_utc=0.0, seconds=0.0, target="")


def sums_of(whole: Period, asked: float) -> Sums:
    return Sums(
        asked=asked,
        observed=whole.observed_seconds,
        unobserved=whole.unobserved_seconds,
        bad={cause: whole.bad_seconds[cause] for cause in Cause if whole.bad_seconds.get(cause)},
        open=whole.open_seconds,
        blind=whole.blind_seconds,
        longest_blind=whole.longest_blind_seconds,
    )


def budget_of(sums: Sums, objective: float, *, is_configured: bool) -> Budget:
    return Budget(
        objective=objective,
        is_configured=is_configured,
        allowed_seconds=(1 - objective) * sums.observed,
        spent_seconds=sums.bad_seconds,
    )


def health_of(whole: Period, periods: Sequence[Period], timeline: Sequence[Slot], until_utc: float) -> Health:
    judged = whole.judged_seconds
    mean = 100 - math.fsum(whole.lost.values()) / judged if judged > 0 else None
    score = periods[-1].score if is_up_to_date(periods, until_utc) else None
    return Health(
        score=score,
        grade=Grade.UNKNOWN if score is None else grade_of(score),
        mean=mean,
        mean_grade=Grade.UNKNOWN if mean is None else grade_of(mean),
        lowest=min((each.score for each in timeline if each.score is not None), default=None),
        judged_seconds=judged,
        lost=_most_first({part: points / judged for part, points in whole.lost.items()}),
    )


def is_up_to_date(periods: Sequence[Period], until_utc: float) -> bool:
    return bool(periods) and until_utc - periods[-1].at_utc <= STALE_SECONDS


def latencies(total: Mapping[Metric, Histogram]) -> tuple[Latency, ...]:
    return tuple(
        Latency(metric=metric, side=side, histogram=total[metric])
        for metric, side in SIDES.items()
        if metric in total and total[metric].count
    )


def connecting_of(history: History, whole: Period) -> Connecting:
    held = [each for each in history.tries if each.is_held]
    failures = Counter(each.failure for each in held if each.failure is not None)
    return Connecting(
        attempts=whole.connects + whole.connect_failures,
        failures=dict(failures.most_common()),
        disconnects=whole.disconnects,
        planned_disconnects=history.planned_disconnects,
        reconnects=sum(each.failure is None and each.trigger is not Trigger.START for each in held),
        phases=tuple(_phases(held)),
        whole=whole.histograms.get(Metric.CONNECT, Histogram()),
    )


def _phases(tries: Iterable[Try]) -> Iterator[PhaseFigures]:
    seconds: dict[str, list[float]] = {}
    ended: Counter[str] = Counter()
    for each in tries:
        for name, lasted in each.phases:
            seconds.setdefault(name, []).append(lasted)
        if each.failure is not None and each.phases:
            ended[each.phases[-1][0]] += 1
    for phase in Phase:
        if phase.value in seconds:
            yield PhaseFigures(
                phase=phase, seconds=_histogram(seconds[phase.value]), ended=ended[phase.value]
            )


def regions_of(history: History) -> tuple[Region, ...]:
    used: dict[str, float] = {}
    bad: dict[str, float] = {}
    round_trips: dict[str, Histogram] = {}
    starts = [each.since_utc for each in history.stays]
    for each in history.finer:
        at_end = bisect_right(starts, each.at_utc)
        if not at_end:
            continue
        region = history.stays[at_end - 1].region
        used[region] = used.get(region, 0.0) + each.observed_seconds
        bad[region] = bad.get(region, 0.0) + sum(each.bad_seconds.values())
        # What lies in two regions is nobody's; before the first there was none.
        pings = ping_in(each.histograms)
        if pings is not None and max(bisect_right(starts, each.began_utc), 1) == at_end:
            round_trips.setdefault(region, Histogram()).merge(pings)
    tried: dict[str, list[Try]] = {}
    for attempt in history.tries:
        tried.setdefault(attempt.region, []).append(attempt)
    found = [
        Region(
            name=name,
            used_seconds=used.get(name, 0.0),
            bad_seconds=bad.get(name, 0.0),
            round_trips=round_trips.get(name, Histogram()),
            attempts=len(tried.get(name, ())),
            failures=sum(each.failure is not None for each in tried.get(name, ())),
            connect=_histogram([each.seconds for each in tried.get(name, ()) if not each.failure]),
        )
        for name in {*used, *tried}
    ]
    return tuple(sorted(found, key=lambda each: (-each.used_seconds, each.name)))


def blamed_in(incidents: Iterable[Incident], since_utc: float, until_utc: float) -> dict[Blame, float]:
    found: dict[Blame, float] = {}
    for each in incidents:
        found[each.blame] = found.get(each.blame, 0.0) + seconds_in(each, since_utc, until_utc)
    return _most_first(found)


def why_of(incidents: Iterable[Incident], since_utc: float, until_utc: float) -> tuple[Why, ...]:
    """Each incident's time goes to its first verdict, and to no other."""
    first: dict[_Named, list[float]] = defaultdict(list)
    beside: Counter[_Named] = Counter()
    for each in incidents:
        named: list[_Named] = [(one.code, one.certainty) for one in each.verdicts] or [_NOT_NAMED]
        first[named[0]].append(seconds_in(each, since_utc, until_utc))
        beside.update(named[1:])
    rows = (
        Why(
            code=code,
            certainty=certainty,
            incidents=len(first.get((code, certainty), ())),
            seconds=sum(first.get((code, certainty), ())),
            beside=beside[code, certainty],
        )
        for code, certainty in {**first, **beside}
    )
    return tuple(sorted(rows, key=lambda each: (-each.seconds, -each.incidents, each.code or "")))


def seconds_in(incident: Incident, since_utc: float, until_utc: float) -> float:
    """How much of it lies in the period; what has no end goes on until the end of it."""
    ended = until_utc if incident.ended_utc is None else min(incident.ended_utc, until_utc)
    return max(ended - max(incident.began_utc, since_utc), 0.0)


def timeline_of(periods: Sequence[Period], since_utc: float, until_utc: float) -> tuple[Slot, ...]:
    """The whole period in pieces that begin where a clock of UTC would have them, those without anything included."""
    finest = 60.0 if until_utc - since_utc <= SHORT_SECONDS else 3600.0
    step = next(
        (each for each in _STEPS if each >= finest and (until_utc - since_utc) / each <= MOST_SLOTS),
        _STEPS[-1],
    )
    of_slot: dict[float, list[Period]] = {}
    for each in periods:
        of_slot.setdefault(each.began_utc // step * step, []).append(each)
    slots = []
    at = since_utc // step * step
    while at < until_utc:
        slots.append(_slot(max(at, since_utc), min(at + step, until_utc), of_slot.get(at, [])))
        at += step
    return tuple(slots)


def _slot(began_utc: float, ended_utc: float, periods: Sequence[Period]) -> Slot:
    bad: dict[Cause, float] = {}
    for each in periods:
        for cause, seconds in each.bad_seconds.items():
            bad[cause] = bad.get(cause, 0.0) + seconds
    return Slot(
        began_utc=began_utc,
        seconds=ended_utc - began_utc,
        observed=sum(each.observed_seconds for each in periods),
        bad=bad,
        blind=sum(each.blind_seconds for each in periods),
        score=periods[-1].score if periods else None,
        disconnects=sum(each.disconnects for each in periods),
        ping=_pair([ping_in(each.histograms) for each in periods]),
        answer=_pair([each.histograms.get(Metric.APP_RTT) for each in periods]),
    )


def _pair(histograms: Sequence[Histogram | None]) -> tuple[float, float] | None:
    whole = Histogram()
    for each in histograms:
        if each is not None:
            whole.merge(each)
    low, high = whole.quantile(0.5), whole.quantile(0.95)
    return None if low is None or high is None else (low, high)


def _most_first(shares: Mapping[T, float]) -> dict[T, float]:
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def _histogram(values: Sequence[float]) -> Histogram:
    made = Histogram()
    made.add_all(values)
    return made
