from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.catalogue import entries
from probe.measure.health import Grade
from probe.measure.histogram import Histogram
from probe.measure.records import (
    Attempt,
    Cause,
    Metric,
    Notice,
    Period,
    Record,
    Trigger,
)
from probe.model.failures import Blame
from probe.model.findings import Certainty
from reports.diagnostics.facts import TargetReport
from reports.diagnostics.figures import MOST_SLOTS, timeline_of
from reports.diagnostics.terminal import lines_of
from reports.diagnostics.views import FORMS
from reports.diagnostics.words import NOTHING, UNKNOWN
from tests.reports.diagnostics.made import DAY, HOUR, MIDNIGHT, incident, kept, minute, minutes, verdict

Told = Callable[..., TargetReport]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    def told(
        records: Sequence[Record], since: float, until: float, objective: float | None = None
    ) -> TargetReport:
        objectives = {} if objective is None else {"one": objective}
        old = minute(MIDNIGHT - 400 * DAY)
        report = kept(tmp_path / "store.db", [*records, old], since, until, objectives)
        [target] = report.targets
        return target

    return told


def test_of_what_nobody_watched_nothing_good_is_said(told: Told) -> None:
    target = told([], MIDNIGHT, MIDNIGHT + HOUR)
    assert (target.verdict, target.sums.availability, target.budget.left) == (UNKNOWN, None, None)
    assert (target.health.grade, target.health.score, target.health.mean) == (Grade.UNKNOWN, None, None)
    assert target.trust.remarks == ("Nothing was observed.",)
    assert NOTHING not in target.advice


def test_a_single_minute_is_judged_as_what_it_is(told: Told) -> None:
    target = told([minute(MIDNIGHT, bad=6.0)], MIDNIGHT, MIDNIGHT + 60)
    assert target.verdict == (
        "The session was usable for 90.00 % of the 1 min that were watched, less than the objective of 99 %: 6 s were bad, "
        "because prices stopped."
    )
    assert (target.health.score, target.health.mean, target.health.lost) == (95.0, 95.0, {"errors": 5.0})


def test_whose_fault_it_was_is_told_of_what_took_most_of_the_time(told: Told) -> None:
    refused = {Cause.AUTH: 30.0, Cause.STALLED: 5.0}
    others = [incident(MIDNIGHT + each, MIDNIGHT + each + 2, blame=Blame.NETWORK) for each in (1, 4)]
    long = incident(MIDNIGHT + 20, MIDNIGHT + 50, cause=Cause.AUTH, blame=Blame.CREDENTIAL)
    target = told([minute(MIDNIGHT, bad_seconds=refused), *others, long], MIDNIGHT, MIDNIGHT + 60)
    assert target.verdict.endswith("mostly because the credential was refused (likely the credential).")


def test_all_is_well_only_if_all_was_watched(told: Told) -> None:
    whole = told(minutes(MIDNIGHT, 60), MIDNIGHT, MIDNIGHT + HOUR)
    assert (whole.verdict, whole.advice) == (
        "The session was usable for all of the 1 h that were watched.",
        (NOTHING,),
    )
    assert whole.trust.remarks == ()
    little = told([], MIDNIGHT, MIDNIGHT + 10 * HOUR)
    assert "that were watched (10.00 % of the period)" in little.verdict
    assert little.advice[0].startswith("Let the monitor run all the time")


def test_an_incident_over_midnight_and_over_the_edges_counts_with_what_lies_inside(told: Told) -> None:
    over_all = incident(MIDNIGHT - 2 * DAY, MIDNIGHT + 2 * DAY, blame=Blame.NETWORK)
    over_midnight = incident(MIDNIGHT - 60, MIDNIGHT + 30)
    before = incident(MIDNIGHT - 3 * HOUR, MIDNIGHT - 2 * HOUR)
    target = told([over_all, over_midnight, before], MIDNIGHT - 20, MIDNIGHT + 10)
    assert {each.id for each in target.incidents} == {over_all.id, over_midnight.id}
    assert target.blamed == {Blame.NETWORK: 30.0, Blame.BROKER: 30.0}
    target = told([], MIDNIGHT - HOUR, MIDNIGHT + HOUR)
    assert target.blamed == {Blame.NETWORK: 2 * HOUR, Blame.BROKER: 90.0}


def test_an_incidents_time_goes_to_its_first_verdict_and_the_others_stand_beside_it(told: Told) -> None:
    reset, slow = verdict("session.tcp-reset"), verdict("session.slow-consumer", Certainty.POSSIBLE)
    records = [
        incident(MIDNIGHT, MIDNIGHT + 30, verdicts=(reset, slow)),
        incident(MIDNIGHT + 100, MIDNIGHT + 120, verdicts=(reset,)),
        incident(MIDNIGHT + 200, MIDNIGHT + 205, verdicts=(verdict("session.tcp-reset", Certainty.LIKELY),)),
        incident(MIDNIGHT + 300, MIDNIGHT + 400),
    ]
    target = told([*minutes(MIDNIGHT, 60), *records], MIDNIGHT + 10, MIDNIGHT + HOUR)
    assert [
        (each.code, each.certainty, each.incidents, each.seconds, each.beside) for each in target.why
    ] == [
        (None, Certainty.UNDETERMINED, 1, 100.0, 0),
        ("session.tcp-reset", Certainty.CERTAIN, 2, 40.0, 0),
        ("session.tcp-reset", Certainty.LIKELY, 1, 5.0, 0),
        ("session.slow-consumer", Certainty.POSSIBLE, 0, 0.0, 1),
    ]


@pytest.mark.parametrize("form", [".html", ".md"])
def test_why_it_was_stands_in_every_form(form: str, tmp_path: Path) -> None:
    found = (verdict("session.tcp-reset"),)
    records: list[Record] = [*minutes(MIDNIGHT, 60), incident(MIDNIGHT, MIDNIGHT + 30, verdicts=found)]
    report = kept(tmp_path / "store.db", records, MIDNIGHT, MIDNIGHT + HOUR)
    title = entries()["session.tcp-reset"].title
    said = FORMS[form](report)
    assert title.partition("`")[0] in said
    assert "Why, by the evidence" in said
    assert "  why          session.tcp-reset (certain): 1 incident, 30 s" in [*lines_of(report)]


@pytest.mark.parametrize("form", [".html", ".md"])
def test_of_incidents_in_which_nothing_was_recognised_nothing_is_said(form: str, tmp_path: Path) -> None:
    records: list[Record] = [*minutes(MIDNIGHT, 60), incident(MIDNIGHT, MIDNIGHT + 30)]
    report = kept(tmp_path / "store.db", records, MIDNIGHT, MIDNIGHT + HOUR)
    assert "Why, by the evidence" not in FORMS[form](report)
    assert not [each for each in lines_of(report) if each.startswith("  why")]


def test_an_incident_whose_end_nobody_saw_lasted_as_long_as_somebody_watched(tmp_path: Path) -> None:
    path, period = tmp_path / "store.db", (MIDNIGHT, MIDNIGHT + 2 * HOUR)
    began = incident(MIDNIGHT + 300, None)
    [goes_on] = kept(path, [*minutes(MIDNIGHT, 10), began], MIDNIGHT, MIDNIGHT + 660).targets
    assert (goes_on.incidents, goes_on.blamed) == ((began,), {Blame.BROKER: 360.0})
    [killed] = kept(path, minutes(MIDNIGHT + HOUR, 60), *period, run_utc=MIDNIGHT + HOUR).targets
    assert (killed.trust.killed, killed.blamed) == (1, {Blame.BROKER: 300.0})
    assert [each.ended_utc for each in killed.incidents] == [MIDNIGHT + 600]
    [stopped] = kept(path, [incident(MIDNIGHT + 7000, None)], MIDNIGHT, MIDNIGHT + DAY).targets
    assert stopped.incidents[-1].ended_utc == MIDNIGHT + 2 * HOUR


def test_days_that_begin_and_end_within_an_hour_are_the_sum_of_exactly_their_minutes(told: Told) -> None:
    records = [*minutes(MIDNIGHT, 120), *minutes(MIDNIGHT + 2 * DAY, 120)]
    target = told(records, MIDNIGHT + 25 * 60, MIDNIGHT + 2 * DAY + 95 * 60)
    assert target.sums.observed == (95 + 95) * 60
    target = told([], MIDNIGHT, MIDNIGHT + 2 * DAY)
    assert target.sums.observed == 120 * 60


def test_what_costs_most_is_to_be_done_first(told: Told) -> None:
    often = [incident(MIDNIGHT + 60 * each, MIDNIGHT + 60 * each + 5) for each in range(3)]
    long = incident(MIDNIGHT + 600, MIDNIGHT + 700, code="auth.expired", advice="Log in again.")
    target = told([*minutes(MIDNIGHT, 60), *often, long], MIDNIGHT, MIDNIGHT + HOUR)
    assert target.advice == (
        "1 time, 1 min 40 s in all: Log in again. [auth.expired]",
        "3 times, 15 s in all: Look at the broker's page. [session.silent-stall]",
    )


def test_a_clock_that_was_set_back_makes_no_coverage_above_all(told: Told) -> None:
    stepped = Notice(at_utc=MIDNIGHT + 600, code="clock.stepped", sentence="the clock went back by 300 s")
    target = told([*minutes(MIDNIGHT, 10), *minutes(MIDNIGHT + 301, 10), stepped], MIDNIGHT, MIDNIGHT + 901)
    assert (target.sums.observed, target.trust.coverage, target.trust.clock_steps) == (1200.0, 1.0, 1)
    assert any("was set 1 time" in each for each in target.trust.remarks)


def test_what_was_seen_long_before_the_end_says_nothing_about_the_end(told: Told) -> None:
    target = told(minutes(MIDNIGHT, 60), MIDNIGHT, MIDNIGHT + 2 * HOUR)
    assert (target.health.score, target.health.grade, target.state) == (None, Grade.UNKNOWN, None)
    assert target.health.mean == 95.0


def test_an_objective_of_the_configuration_counts(told: Told) -> None:
    records = [minute(MIDNIGHT, bad=6.0)]
    assert "less than the objective of 99 %" in told(records, MIDNIGHT, MIDNIGHT + 60).verdict
    target = told([], MIDNIGHT, MIDNIGHT + 60, objective=0.8)
    assert "as the objective of 80 % allows" in target.verdict
    assert target.budget.is_configured
    assert target.budget.left == pytest.approx(0.5)


def test_round_trips_belong_to_the_region_in_which_the_session_was(told: Told) -> None:
    def at(began_utc: float, seconds: float) -> Period:
        return minute(began_utc, histograms={Metric.WS_RTT: Histogram.of([seconds])})

    def moved(at_utc: float, region: str) -> Attempt:
        return Attempt(at_utc=at_utc, target="one", endpoint=region, purpose="hold", trigger=Trigger.STALL)

    records: list[Record] = [
        *(at(MIDNIGHT + 60.0 * each, 0.1 if each < 30 or each >= 150 else 0.3) for each in range(180)),
        moved(MIDNIGHT + 1, "eu"),
        moved(MIDNIGHT + 1830, "us"),
        replace(moved(MIDNIGHT + 2000, "eu"), purpose="knock"),
        moved(MIDNIGHT + 9030, "eu"),  # and none in the hour between
    ]
    for until in (MIDNIGHT + 3 * HOUR, MIDNIGHT + 2 * DAY):  # by the minute, and by the hour
        eu, us = sorted(told(records, MIDNIGHT, until).regions, key=lambda each: each.name)
        records = []
        assert (eu.used_seconds, us.used_seconds) == (3600.0, 7200.0)
        # Of a minute in which it moved they are nobody's.
        assert (eu.round_trips.count, eu.round_trips.largest) == (59, 0.1)
        assert (us.round_trips.count, us.round_trips.smallest) == (119, 0.3)


@given(st.floats(MIDNIGHT, MIDNIGHT + DAY), st.floats(1, 800 * DAY))
def test_a_timeline_is_the_whole_period_without_a_gap_and_not_too_fine(since: float, lasts: float) -> None:
    slots = timeline_of([], since, since + lasts)
    assert slots[0].began_utc == since
    assert slots[-1].began_utc + slots[-1].seconds == pytest.approx(since + lasts)
    for one, other in pairwise(slots):
        assert one.began_utc + one.seconds == pytest.approx(other.began_utc)
        assert other.began_utc % 60 == 0
    assert len(slots) <= MOST_SLOTS + 2


def test_every_minute_lies_in_one_slot_of_the_timeline(told: Told) -> None:
    records = [replace(each, bad_seconds={Cause.AUTH: 1.0}) for each in minutes(MIDNIGHT - HOUR, 120)]
    target = told(records, MIDNIGHT - HOUR, MIDNIGHT + HOUR)
    assert sum(each.observed for each in target.timeline) == target.sums.observed == 7200.0
    assert sum(each.bad[Cause.AUTH] for each in target.timeline) == target.sums.bad_seconds == 120.0
