from dataclasses import replace
from typing import Any

import pytest

from probe.measure.health import health_score
from probe.measure.histogram import Histogram
from probe.measure.ledger import Ledger
from probe.measure.periods import BLOCK_MINUTES, BLOCKS, COUNTED, MINUTE, WINDOWS, Gathering, Lately, merged
from probe.measure.records import Cause, Metric, Period, SessionState
from tests.measure.test_health import FINE


def counts(each: int) -> dict[str, Any]:
    return dict.fromkeys(COUNTED, each)


def minute(number: int, bad: float = 0.0, observed: float = 60.0, score: float | None = None) -> Period:
    return Period(
        began_utc=number * MINUTE,
        seconds=MINUTE,
        target="one",
        observed_seconds=observed,
        bad_seconds={Cause.STALLED: bad} if bad else {},
        score=score,
    )


def test_merging_adds_counts_and_histograms_and_keeps_the_last_score() -> None:
    one = replace(
        minute(0, 5.0, score=90.0),
        histograms={Metric.WS_RTT: Histogram.of([0.1, 0.2])},
        **counts(1),
    )
    two = replace(
        minute(2, 7.0, score=50.0),
        bad_seconds={Cause.STALLED: 7.0, Cause.AUTH: 1.0},
        histograms={Metric.WS_RTT: Histogram.of([0.3]), Metric.APP_RTT: Histogram.of([1.0])},
        **counts(2),
    )
    both = merged([one, two])
    assert (both.began_utc, both.seconds, both.observed_seconds, both.score) == (0.0, 180.0, 120.0, 50.0)
    assert both.bad_seconds == {Cause.STALLED: 12.0, Cause.AUTH: 1.0}
    assert {name: getattr(both, name) for name in COUNTED} == dict.fromkeys(COUNTED, 3)
    assert {metric: each.count for metric, each in both.histograms.items()} == {
        Metric.WS_RTT: 3,
        Metric.APP_RTT: 1,
    }
    assert one.histograms[Metric.WS_RTT].count == 2


def test_gathering_tells_what_was_booked_since_it_began() -> None:
    ledger = Ledger(0.0)
    ledger.advance(30.0, Cause.AUTH, is_open=True)
    gathering = Gathering(30.0, ledger)
    ledger.advance(50.0, Cause.STALLED, is_open=True)
    ledger.advance(80.0, None, is_open=False)
    ledger.skip(90.0)
    gathering.counts["ticks"] += 4
    gathering.add(Metric.WS_RTT, 0.1)
    gathering.add(Metric.WS_RTT, 0.2)
    period = gathering.period("one", 90.0, ledger)
    assert (period.began_utc, period.seconds, period.ticks, period.score) == (30.0, 60.0, 4, None)
    assert (period.observed_seconds, period.unobserved_seconds) == (50.0, 10.0)
    assert (period.open_seconds, period.blind_seconds) == (20.0, 20.0)
    assert period.bad_seconds == {Cause.STALLED: 20.0}
    assert period.histograms[Metric.WS_RTT].count == 2


def test_a_clock_that_was_set_back_makes_no_negative_period() -> None:
    assert Gathering(100.0, Ledger(0.0)).period("one", 40.0, Ledger(0.0)).seconds == 0.0


def test_what_a_score_lost_is_told_with_the_seconds_that_were_judged_and_adds_up_to_100() -> None:
    ledger = Ledger(0.0)
    gathering = Gathering(0.0, ledger)
    ledger.advance(50.0, None, is_open=True)
    assert gathering.period("one", 60.0, ledger, health_score(replace(FINE, observed_seconds=10))).lost == {}
    score = health_score(replace(FINE, bad_seconds=30, beats_missed=3, state=SessionState.STALLED))
    period = gathering.period("one", 60.0, ledger, score)
    assert (period.score, period.judged_seconds) == (score.value, 50.0)
    assert set(period.lost) == {"availability", "errors", "cap"}
    assert score.value is not None
    assert sum(period.lost.values()) / 50 == pytest.approx(100 - score.value)
    twice = merged([period, replace(period, began_utc=60.0)])
    assert (twice.judged_seconds, twice.lost["errors"]) == (100.0, 2 * period.lost["errors"])


def test_a_blind_stretch_over_several_minutes_is_as_long_in_each_as_it_has_become() -> None:
    ledger = Ledger(0.0)

    def told(until: float, *stretches: tuple[float, Cause | None]) -> float:
        gathering = Gathering(until - MINUTE, ledger)
        for end, cause in stretches:
            ledger.advance(end, cause, is_open=True)
        return gathering.period("one", until, ledger).longest_blind_seconds

    assert told(60.0, (50.0, None), (60.0, Cause.STALLED)) == 10.0
    assert told(120.0, (100.0, Cause.STALLED), (110.0, None), (120.0, Cause.AUTH)) == 50.0
    assert told(180.0, (140.0, Cause.AUTH), (180.0, None)) == 30.0
    assert told(240.0, (240.0, None)) == 0.0


def test_lately_is_a_quarter_of_an_hour_in_blocks_and_what_is_being_filled() -> None:
    lately = Lately()
    for number in range(BLOCK_MINUTES * (BLOCKS + 1) + 2):
        lately.add(
            replace(minute(number, bad=1.0), histograms={Metric.WS_RTT: Histogram.of([0.001 * number])})
        )
    assert lately.filling is not None
    assert lately.past is not None
    assert (lately.filling.seconds, lately.filling.bad_seconds) == (120.0, {Cause.STALLED: 2.0})
    assert (lately.past.began_utc, lately.past.seconds) == (BLOCK_MINUTES * MINUTE, 3 * 300.0 + 120.0)
    assert lately.past.bad_seconds == {Cause.STALLED: 17.0}
    assert lately.past.histograms[Metric.WS_RTT] == Histogram.of([0.001 * number for number in range(5, 22)])


@pytest.mark.parametrize("name", WINDOWS)
def test_every_window_holds_its_minutes_and_no_others(name: str) -> None:
    lately, minutes = Lately(), WINDOWS[name]
    assert lately.sums[name] == (0.0, 0.0)
    lately.add(minute(0, bad=30.0))
    assert lately.sums[name] == (30.0, 60.0)
    for number in range(1, minutes):
        lately.add(minute(number))
    assert lately.sums[name] == (30.0, 60.0 * minutes)
    for number in range(minutes, minutes + 10):
        lately.add(minute(number))
    assert lately.sums[name][0] == 0.0


def test_minutes_between_two_runs_are_not_skipped() -> None:
    lately = Lately()
    lately.add(minute(0, bad=30.0))
    lately.add(minute(3))
    assert (lately.sums["5m"], lately.past) == ((30.0, 120.0), merged([minute(0, bad=30.0), minute(3)]))
    lately.skip_to(8 * MINUTE)
    assert (lately.sums["5m"], lately.sums["30m"]) == ((0.0, 60.0), (30.0, 120.0))
    lately.skip_to(60 * MINUTE)
    assert (lately.past, lately.filling, lately.sums["1h"]) == (None, None, (30.0, 120.0))
    lately.add(minute(10**6))
    assert (lately.past, lately.sums["3d"]) == (minute(10**6), (0.0, 60.0))


def test_minutes_that_were_not_observed_count_as_what_they_were() -> None:
    lately = Lately()
    lately.add(minute(0, bad=10.0, observed=20.0))
    lately.add(minute(1, observed=0.0))
    assert lately.sums["5m"] == (10.0, 20.0)


def test_of_gaps_between_prices_lately_keeps_nothing() -> None:
    lately = Lately()
    lately.add(
        replace(
            minute(0), histograms={metric: Histogram.of([0.5]) for metric in (Metric.TICK_GAP, Metric.WS_RTT)}
        )
    )
    assert lately.past is not None
    assert set(lately.past.histograms) == {Metric.WS_RTT}
