"""Every headline figure again, in SQL over the tables, and by sorting the values themselves."""

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

from probe.measure.records import Metric, Period
from probe.store.pages import StorePages
from reports.diagnostics.facts import TargetReport
from reports.diagnostics.report import USUAL_OBJECTIVE, report_of
from tests.reports.diagnostics.histories import Lived, histories

MINUTES = "FROM minutes WHERE began_utc >= :since AND began_utc < :until"
EVENTS = "FROM events WHERE at_utc >= :since AND at_utc < :until"
TICKS = "FROM ticks JOIN words ON words.id = symbol WHERE at_utc >= :since AND at_utc < :until"
BAD = "+".join(f"ifnull(sum(bad_{each}), 0)" for each in ("disconnected", "auth", "stalled", "degraded"))


@settings(max_examples=40)
@given(histories())
def test_every_headline_figure_is_what_sql_says(lived: Lived) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        lived.keep(path)
        with closing(StorePages(path)) as pages:
            report = report_of(
                pages,
                pages.targets(),
                lived.since_utc,
                lived.until_utc,
                now_utc=lived.until_utc,
                objectives={},
            )
        with closing(sqlite3.connect(path)) as store:
            for target in report.targets:
                _is_what_sql_says(target, store, lived)


def _is_what_sql_says(target: TargetReport, store: sqlite3.Connection, lived: Lived) -> None:
    span = {"since": lived.since_utc, "until": lived.until_utc}

    def ask(query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = store.execute(query, span).fetchone()
        return row

    observed, unobserved, open_, blind, longest, bad = ask(
        "SELECT ifnull(sum(observed_seconds), 0), ifnull(sum(unobserved_seconds), 0), ifnull(sum(open_seconds), 0),"
        f" ifnull(sum(blind_seconds), 0), ifnull(max(longest_blind_seconds), 0), {BAD} {MINUTES}"
    )
    sums = target.sums
    assert (sums.observed, sums.unobserved, sums.open) == pytest.approx((observed, unobserved, open_))
    assert (sums.blind, sums.longest_blind, sums.bad_seconds) == pytest.approx((blind, longest, bad))
    assert sums.availability == (None if not observed else pytest.approx(max(1 - bad / observed, 0)))
    assert sums.coverage == pytest.approx(min(observed / (lived.until_utc - lived.since_utc), 1))
    allowed = (1 - USUAL_OBJECTIVE) * observed
    assert target.budget.left == (None if not allowed else pytest.approx(1 - bad / allowed))

    judged, lost = ask(
        f"SELECT ifnull(sum(judged_seconds), 0), ifnull(sum(lost_errors + lost_cap), 0) {MINUTES}"
    )
    assert target.health.mean == (None if not judged else pytest.approx(100 - lost / judged))
    assert math.fsum(target.health.lost.values()) == pytest.approx(lost / judged if judged else 0)

    connects, failed, ended = ask(
        f"SELECT ifnull(sum(connects), 0), ifnull(sum(connect_failures), 0), ifnull(sum(disconnects), 0) {MINUTES}"
    )
    connecting = target.connecting
    assert (connecting.attempts, connecting.disconnects) == (connects + failed, ended)
    held = f"{EVENTS} AND kind = 'attempt' AND data ->> 'purpose' = 'hold'"
    assert sum(connecting.failures.values()) == ask(f"SELECT count(*) {held} AND code IS NOT NULL")[0]
    assert (
        connecting.reconnects
        == ask(f"SELECT count(*) {held} AND code IS NULL AND data ->> 'trigger' <> 'start'")[0]
    )
    assert (
        connecting.planned_disconnects
        == ask(f"SELECT count(*) {EVENTS} AND kind = 'disconnect' AND data ->> 'planned' = 1")[0]
    )
    assert {each.name: (each.attempts, each.failures) for each in target.regions} == {
        name: (attempts, failures)
        for name, attempts, failures in store.execute(
            f"SELECT data ->> 'endpoint', count(*), count(code) {EVENTS} AND kind = 'attempt' GROUP BY 1",
            span,
        )
    }

    within = "FROM incidents WHERE began_utc < :until AND ifnull(ended_utc >= :since, 1)"
    assert len(target.incidents) == ask(f"SELECT count(*) {within}")[0]
    assert target.blamed == pytest.approx(
        {
            each: seconds
            for each in target.blamed
            for (seconds,) in store.execute(
                "SELECT sum(min(ifnull(ended_utc, :until), :until) - max(began_utc, :since))"
                f" {within} AND data ->> 'blame' = :blame",
                span | {"blame": each.value},
            )
        }
    )
    first = "data ->> '$.verdicts[0].code', ifnull(data ->> '$.verdicts[0].certainty', 'undetermined')"
    time = "sum(min(ifnull(ended_utc, :until), :until) - max(began_utc, :since))"
    named = {(each.code, each.certainty.value): each for each in target.why}
    rows = store.execute(f"SELECT {first}, count(*), {time} {within} GROUP BY 1, 2", span).fetchall()
    assert {key: each.incidents for key, each in named.items() if each.incidents} == {
        (code, certainty): count for code, certainty, count, _ in rows
    }
    assert {(code, certainty): seconds for code, certainty, _, seconds in rows} == pytest.approx(
        {key: each.seconds for key, each in named.items() if each.incidents}
    )
    verdicts = f"SELECT count(*) FROM (SELECT data {within}), json_each(data, '$.verdicts')"
    assert sum(each.incidents + each.beside for each in target.why if each.code) == ask(verdicts)[0]
    assert target.trust.tainted == ask(f"SELECT ifnull(sum(tainted), 0) {MINUTES}")[0]
    _symbols_are_what_sql_says(target, store, span)
    _percentiles_are_those_of_the_values(target, lived)


def _symbols_are_what_sql_says(
    target: TargetReport, store: sqlite3.Connection, span: dict[str, float]
) -> None:
    rows = store.execute(
        f"""SELECT word, count(*), max(gap), sum(theirs < newest), min(at_utc), max(at_utc) FROM (
            SELECT word, at_utc, broker_time AS theirs,
                at_utc - lag(at_utc) OVER (PARTITION BY symbol ORDER BY at_utc, n) AS gap,
                max(broker_time) OVER (PARTITION BY symbol ORDER BY at_utc, n
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest {TICKS}) GROUP BY word""",
        span,
    )
    assert {
        each.name: (each.ticks, each.gap_longest, each.out_of_order, each.first_utc, each.last_utc)
        for each in target.symbols
    } == {
        name: (count, gap if gap is None else pytest.approx(gap), older or 0, first, last)
        for name, count, gap, older, first, last in rows
    }
    repeated = dict(
        store.execute(
            f"SELECT word, count(*) - count(DISTINCT broker_time || ' ' || price) {TICKS} GROUP BY word", span
        )
    )
    assert {each.name: each.repeated for each in target.symbols} == repeated


def _percentiles_are_those_of_the_values(target: TargetReport, lived: Lived) -> None:
    periods = [each for each in lived.records if isinstance(each, Period)]
    inside = [each for each in periods if lived.since_utc <= each.began_utc < lived.until_utc]
    told = {each.metric: each.histogram for each in target.latency}
    counted = sum(each.histograms[Metric.WS_RTT].count for each in inside if each.histograms)
    assert (told[Metric.WS_RTT].count if told else 0) == counted
    if told:
        assert told[Metric.WS_RTT].largest == max(
            each.histograms[Metric.WS_RTT].largest for each in inside if each.histograms
        )
