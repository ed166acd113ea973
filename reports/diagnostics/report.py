"""The diagnostics report of some targets, made of what a store holds of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from probe.config.keys import keys_of
from probe.measure.histogram import Histogram
from probe.measure.periods import COUNTED
from probe.measure.records import Metric, Notice, Period
from probe.model.failures import Blame
from probe.store.pages import StorePages
from reports.diagnostics import figures, words
from reports.diagnostics.facts import Report, Sums, TargetReport, Told, Trust
from reports.diagnostics.history import History, history_of
from reports.diagnostics.symbols import symbols

USUAL_OBJECTIVE = cast(float, keys_of("targets.*")["objective"].default)


def report_of(
    store: StorePages,
    targets: Sequence[str],
    since_utc: float,
    until_utc: float,
    *,
    now_utc: float,
    objectives: Mapping[str, float],
) -> Report:
    """
    Args:
        objectives: Of the targets that a configuration names.

    Raises:
        StoreError: the store cannot be read.
    """
    with store.telling_damage():
        notices = store.events(Notice, since_utc, until_utc)
        found = []
        for target in targets:
            history = history_of(store, target, since_utc, until_utc, notices=notices)
            found.append(target_report(history, since_utc, until_utc, objectives.get(target)))
        own = [each for each in store.alerts(since_utc, until_utc) if each.target is None]
    return Report(
        made_utc=now_utc,
        since_utc=since_utc,
        until_utc=until_utc,
        verdict=words.verdict_over_all(found),
        targets=tuple(found),
        own_alerts=tuple(own),
        notices=tuple(_told(notices)),
    )


def target_report(
    history: History, since_utc: float, until_utc: float, objective: float | None
) -> TargetReport:
    whole = figures.whole_of(history.periods)
    sums = figures.sums_of(whole, until_utc - since_utc)
    budget = figures.budget_of(sums, objective or USUAL_OBJECTIVE, is_configured=objective is not None)
    timeline = figures.timeline_of(history.periods, since_utc, until_utc)
    blamed = figures.blamed_in(history.incidents, since_utc, until_utc)
    trust = _trust(history, whole, sums)
    expiries = [each.certificate_expires_utc for each in history.tries if each.certificate_expires_utc]
    is_up_to_date = figures.is_up_to_date(history.periods, until_utc)
    return TargetReport(
        target=history.target,
        verdict=words.verdict(sums, budget, _blame(sums, history, since_utc, until_utc)),
        sums=sums,
        budget=budget,
        health=figures.health_of(whole, history.periods, timeline, until_utc),
        incidents=tuple(history.incidents),
        blamed=blamed,
        why=figures.why_of(history.incidents, since_utc, until_utc),
        latency=figures.latencies(whole.histograms),
        regions=figures.regions_of(history),
        symbols=symbols(history.ticks, history.symbols),
        tick_gap=whole.histograms.get(Metric.TICK_GAP, Histogram()),
        connecting=figures.connecting_of(history, whole),
        alerts=tuple(history.alerts),
        advice=words.advice(
            history.incidents,
            trust,
            min(expiries) - until_utc if expiries else None,
            since_utc=since_utc,
            until_utc=until_utc,
        ),
        trust=trust,
        timeline=timeline,
        counts={name: getattr(whole, name) for name in COUNTED},
        state=history.last_state if is_up_to_date else None,
    )


def _blame(sums: Sums, history: History, since_utc: float, until_utc: float) -> Blame:
    """Whose fault most of what the commonest cause took was."""
    of_it = [each for each in history.incidents if each.cause is sums.commonest]
    return next(iter(figures.blamed_in(of_it, since_utc, until_utc)), Blame.UNKNOWN)


def _trust(history: History, whole: Period, sums: Sums) -> Trust:
    lag = whole.histograms.get(Metric.LOOP_LAG)
    own_lag_p99 = lag.quantile(0.99) if lag else None
    killed = sum(is_killed for _, is_killed in history.runs)
    used = (each.count for metric, each in whole.histograms.items() if metric is not Metric.LOOP_LAG)
    samples = sum(used) + whole.tainted
    return Trust(
        coverage=sums.coverage,
        samples=samples,
        tainted=whole.tainted,
        runs=len(history.runs),
        killed=killed,
        clock_steps=history.clock_steps,
        own_lag_p99=own_lag_p99,
        remarks=tuple(
            words.remarks(
                sums,
                samples=samples,
                tainted=whole.tainted,
                killed=killed,
                clock_steps=history.clock_steps,
                own_lag_p99=own_lag_p99,
                judged=whole.judged_seconds,
            )
        ),
    )


def _told(notices: Sequence[Notice]) -> Iterator[Told]:
    times = Counter(each.code for each in notices)
    last = {each.code: each for each in notices}
    for code, count in times.most_common():
        yield Told(code=code, times=count, last_utc=last[code].at_utc, sentence=last[code].sentence)
