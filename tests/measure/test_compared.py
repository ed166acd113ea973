"""Periods held against each other. The histories are drawn; each kind is split at random, and is then held against a slower one."""

import math
from random import Random
from typing import Any

import pytest

from probe.measure.compared import Change, Comparison, Difference, compare
from probe.measure.histogram import Histogram
from probe.measure.pieces import HOUR
from probe.measure.records import Cause, Metric
from tests.measure.histories import HOURLY, changed, compared, history, split

KINDS: dict[str, dict[str, Any]] = {
    "quiet": {},
    "bursty": {"bursts": 0.01},
    "autocorrelated": {"alike": 0.97, "wander": 0.25},
    "days with a shape": {"count": 24 * 8, "daily": 0.4, **HOURLY},
    "days, and it wanders": {"count": 24 * 20, "alike": 0.9, "wander": 0.2, **HOURLY},
}
LONG = 100
CHANGED = (Change.WORSE, Change.BETTER)


def alarms(kind: str, times: int) -> int:
    found = 0
    for trial in range(times):
        rng = Random(f"{kind} {trial}")
        found += bool(compared(*split(rng, history(rng, **KINDS[kind]))).of(*CHANGED))
    return found


def finds(times: int) -> int:
    """A fifth more on a thousand samples of each side."""
    found = 0
    for trial in range(times):
        rng = Random(f"shift {trial}")
        before, after = (history(rng, count=334, added=added) for added in (0.0, 0.2))
        worse = compared(before, after).of(Change.WORSE)
        found += any(each.name == Metric.WS_RTT.value for each in worse)
    return found


def of(comparison: Comparison, name: str, quantile: float | None = None) -> Difference:
    (found,) = [each for each in comparison.differences if (each.name, each.quantile) == (name, quantile)]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_splits_of_one_history_are_not_told_as_a_change(kind: str) -> None:
    assert alarms(kind, 1) == 0


def test_a_fifth_more_is_found() -> None:
    assert finds(2) == 2


@pytest.mark.long
def test_of_a_hundred_splits_of_one_history_five_at_most_are_told_as_a_change() -> None:
    found = {kind: alarms(kind, LONG // len(KINDS)) for kind in KINDS}
    print(f"of {LONG // len(KINDS)} each: {found}")
    assert sum(found.values()) <= 5


@pytest.mark.long
def test_a_fifth_more_on_a_thousand_samples_is_found_in_95_of_a_hundred() -> None:
    found = finds(LONG)
    print(f"found: {found} of {LONG}")
    assert found >= 95


def test_a_difference_is_told_with_its_interval_and_its_direction() -> None:
    rng = Random(3)
    one, other = history(rng), history(rng, added=0.2)
    slower, faster = (of(compared(*each), Metric.WS_RTT.value, 0.5) for each in ((one, other), (other, one)))
    assert (slower.change, faster.change) == (Change.WORSE, Change.BETTER)
    assert slower.relative is not None
    assert slower.absolute is not None
    assert 0.1 < slower.relative.least < 0.2 < slower.relative.most < 0.35
    assert slower.absolute.by == pytest.approx(slower.relative.by * slower.before)
    assert slower.before == pytest.approx(0.03, rel=0.05)
    assert slower.samples == (1998, 1998)


@pytest.mark.parametrize(("spread", "added"), [(0.01, 0.2), (0.05, 0.2), (0.3, 1.0)])
def test_what_does_not_overlap_is_told_most_clearly(spread: float, added: float) -> None:
    rng = Random(15)
    one, other = (history(rng, count=60, spread=spread, added=each) for each in (0.0, added))
    slower = of(compared(one, other), Metric.WS_RTT.value, 0.5)
    assert (slower.change, slower.relative is not None) == (Change.WORSE, True)
    assert slower.relative is not None
    assert added / 2 < slower.relative.least < added < slower.relative.most < 2 * added


def test_the_same_is_compared_alike_every_time() -> None:
    whole = history(Random(4), count=100)
    assert compared(whole[:50], whole[50:]) == compared(whole[:50], whole[50:])


def test_connections_that_are_lost_more_often_are_worse_in_every_way() -> None:
    rng = Random(5)
    comparison = compared(history(rng, drops=0.0), history(rng, drops=0.2))
    worse = {each.name for each in comparison.of(Change.WORSE)}
    assert {"good_seconds", "blind_seconds", "disconnects_per_day"} <= worse
    good = of(comparison, "good_seconds")
    assert good.absolute is not None
    assert good.before == 1.0
    assert -1.0 <= good.absolute.least < good.absolute.by < good.absolute.most < 0


def test_some_drops_that_all_came_late_may_be_chance() -> None:
    rng = Random(6)
    whole = history(rng, drops=0.0)
    for place in (400, 480, 560, 640):
        whole[place] = changed(whole[place], disconnects=1, bad_seconds={Cause.DISCONNECTED: 30.0})
    comparison = compared(whole[:333], whole[333:])
    assert comparison.of(*CHANGED) == []
    drops = of(comparison, "disconnects_per_day")
    assert drops.absolute is not None
    assert drops.absolute.least == 0.0
    assert drops.absolute.most > drops.absolute.by > 10


def test_none_at_all_may_still_be_some() -> None:
    whole = history(Random(7), drops=0.0)
    drops = of(compared(whole[:333], whole[333:]), "disconnects_per_day")
    assert drops.absolute is not None
    assert (drops.absolute.by, drops.absolute.least) == (0.0, 0.0)
    assert drops.absolute.most == pytest.approx(3 / (333 / 1440))


def test_what_nobody_would_act_on_is_the_same_however_sure_it_is() -> None:
    rng = Random(8)
    comparison = compared(history(rng, spread=0.02), history(rng, spread=0.02, added=0.03))
    shift = of(comparison, Metric.WS_RTT.value, 0.5)
    assert shift.relative is not None
    assert (shift.relative.least > 0, shift.change) == (True, Change.SAME)


def test_what_was_on_its_way_already_is_no_change() -> None:
    whole = [
        changed(each, histograms={Metric.WS_RTT: Histogram.of([0.03 * math.exp(place / 600 + noise)] * 3)})
        for place, each in enumerate(history(Random(9)))
        for noise in (Random(place).gauss(0, 0.4),)
    ]
    assert compared(whole[:333], whole[333:]).of(*CHANGED) == []


def test_what_only_one_side_has_is_not_compared() -> None:
    whole = history(Random(10), drops=0.0)
    before = [changed(each, histograms={Metric.WS_RTT: each.histograms[Metric.WS_RTT]}) for each in whole]
    comparison = compared(before[:333], whole[333:])
    assert {each.name for each in comparison.differences if each.quantile} == {Metric.WS_RTT.value}


def test_hours_that_only_one_side_has_are_left_out() -> None:
    """Every night is slow, and of the second side there are nights only."""
    rng = Random(11)
    pieces = [
        (hour % 24, period)
        for hour, period in enumerate(history(rng, count=24 * 8, step=HOUR, values=40, spread=0.1, added=0.0))
    ]
    nights = [
        (hour, changed(period, histograms={Metric.WS_RTT: Histogram.of([0.3 + 0.01 * rng.random()] * 40)}))
        if hour < 8
        else (hour, period)
        for hour, period in pieces
    ]
    before, after = nights[: 24 * 4], [each for each in nights[24 * 4 :] if each[0] < 8]
    median = of(compare(before, after, rng=rng), Metric.WS_RTT.value, 0.5)
    assert median.change is Change.SAME
    assert median.before == pytest.approx(0.305, rel=0.02)


@pytest.mark.parametrize("minutes", [0, 1, 5, 7])
def test_a_side_with_next_to_nothing_is_not_judged(minutes: int) -> None:
    whole = history(Random(12), count=60)
    comparison = compare(
        [(0, each) for each in whole[:minutes]], [(0, each) for each in whole[minutes:]], rng=Random(1)
    )
    assert not comparison.is_judged
    assert {each.change for each in comparison.differences} <= {Change.UNKNOWN}


def test_percentiles_of_few_values_are_not_judged() -> None:
    whole = history(Random(13), count=120, values=1)
    comparison = compared(whole[:60], whole[60:])
    assert {of(comparison, Metric.WS_RTT.value, each).change for each in (0.95, 0.99)} == {Change.UNKNOWN}
    assert of(comparison, Metric.WS_RTT.value, 0.5).change is not Change.UNKNOWN


def test_noise_that_would_hide_a_doubling_is_told() -> None:
    rng = Random(14)
    whole = history(rng, count=40, spread=3.0, drops=0.0)
    comparison = compared(whole[:20], whole[20:])
    assert of(comparison, Metric.WS_RTT.value, 0.5).change is Change.NOISY
    assert not comparison.is_judged
