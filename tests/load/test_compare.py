"""Load runs held against each other. The runs are drawn: their level wanders, they warm up, and something bursts in."""

import json
import math
import statistics
from dataclasses import replace
from random import Random

import pytest

from probe.load.compare import Change, compare, compare_moments, for_few, obstacles
from probe.load.figures import Figures, Requests
from probe.load.record import RunRecord
from probe.measure.blocks import ALARM_LEVEL
from tests.load.made import plan, record

OPERATIONS = ("balance", "candles", "ping")
SHORT, LONG = 2, 20  # comparisons


def drawn(
    rng: Random,
    *,
    seconds: int = 30,
    asked: int = 20,
    usual: float = 0.003,
    alike: float = 0.8,
    wander: float = 0.2,
    bursts: float = 0.05,
    apart: float = 0.0,
    added: float = 0.0,
    failing: float = 0.0,
) -> list[Figures]:
    """
    Args:
        alike: How much of a second's level the next one keeps.
        wander: How far this level goes; of its own size.
        bursts: The share of seconds in which something begins that makes some answers up to 200 ms longer.
        apart: How far whole runs lie from each other.
    """
    moments, busy = [], 0
    level, whole = rng.gauss(0, wander), rng.gauss(0, apart)
    for second in range(seconds):
        level = alike * level + math.sqrt(1 - alike**2) * rng.gauss(0, wander)
        warming = 0.5 * math.exp(-second / 3)
        busy = busy - 1 if busy else rng.choice((1, 1, 2, 4)) if rng.random() < bursts else 0
        figures = Figures()
        for place, name in enumerate(OPERATIONS, 1):
            one = figures.requests[name] = Requests()
            for _ in range(asked):
                if rng.random() < failing:
                    one.failed["expired"] = one.failed.get("expired", 0) + 1
                    continue
                took = usual * place * math.exp(whole + level + warming + rng.gauss(0, 0.3)) + added
                one.answered += 1
                one.response.add(took + (rng.random() * 0.2 if busy and rng.random() < 0.3 else 0.0))
        moments.append(figures)
    return moments


KINDS: dict[str, dict[str, float]] = {
    "usual": {},
    "bursts": {"bursts": 0.15},
    "one burst in many runs": {"bursts": 0.01},
    "as good as nothing wanders": {"wander": 0.02, "bursts": 0.0},
    "two minutes": {"seconds": 120, "asked": 6},
}


def alarms_and_finds(kind: str, times: int) -> tuple[int, int]:
    alarms = found = 0
    for trial in range(times):
        rng = Random(f"{kind} {trial}")
        before, same, slower = (drawn(rng, added=added, **KINDS[kind]) for added in (0.0, 0.0, 0.01))  # type: ignore[arg-type]
        alarms += bool(compare_moments(before, same, rng=rng).worse)
        found += bool(compare_moments(before, slower, rng=rng).worse)
    return alarms, found


def test_the_same_thing_gives_no_alarm_and_ten_milliseconds_more_are_found() -> None:
    alarms, found = alarms_and_finds("usual", SHORT)
    assert (alarms, found) == (0, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_one_alarm_in_twenty_at_most_and_ten_milliseconds_more_are_always_found(kind: str) -> None:
    alarms, found = alarms_and_finds(kind, LONG)
    print(f"{kind}: {alarms} alarms and {found} finds of {LONG}")
    assert (alarms <= LONG / 20, found) == (True, LONG)


def test_a_shift_is_told_with_its_noise_and_its_direction() -> None:
    rng = Random(3)
    before, after = drawn(rng, wander=0.02, bursts=0.0), drawn(rng, wander=0.02, bursts=0.0, added=0.01)
    (median, *_), (back, *_) = (
        compare_moments(one, other, rng=rng).shifts for one, other in ((before, after), (after, before))
    )
    assert (median.name, median.quantile, median.change, back.change) == (
        "response of balance",
        0.5,
        Change.SLOWER,
        Change.FASTER,
    )
    assert median.before == pytest.approx(0.003, rel=0.1)
    assert median.after == pytest.approx(0.013, rel=0.1)
    assert median.noise is not None
    assert 0.001 < median.noise < 0.003


def test_what_nobody_would_act_on_is_the_same_however_sure_it_is() -> None:
    rng = Random(4)
    before, after = drawn(rng, wander=0.0, bursts=0.0), drawn(rng, wander=0.0, bursts=0.0, added=0.0009)
    shifts = compare_moments(before, after, rng=rng).shifts
    assert {each.change for each in shifts} - {Change.UNKNOWN} == {Change.SAME}


def test_more_failures_are_an_alarm_too() -> None:
    rng = Random(5)
    comparison = compare_moments(drawn(rng), drawn(rng, failing=0.2), rng=rng)
    assert [(each.name, each.change) for each in comparison.worse] == [
        (f"failures of {name}", Change.MORE) for name in OPERATIONS
    ]


def test_percentiles_of_few_values_are_not_judged() -> None:
    rng = Random(6)
    few = compare_moments(drawn(rng, asked=2), drawn(rng, asked=2), rng=rng)
    assert {each.quantile for each in few.shifts if each.change is Change.UNKNOWN} == {0.9, 0.99, None}
    short = compare_moments(drawn(rng, seconds=5), drawn(rng, seconds=5, added=1.0), rng=rng)
    assert not short.is_judged
    assert not compare_moments([], [], rng=rng).is_judged


def test_repeated_baselines_show_how_far_runs_lie_apart() -> None:
    """Three kinds of luck; alone, the two runs know nothing of it."""
    rng = Random(9)
    before, *baselines = (
        drawn(rng, usual=usual, wander=0.02, bursts=0.0) for usual in (0.02, 0.03, 0.022, 0.028, 0.035)
    )
    after = drawn(rng, usual=0.032, wander=0.02, bursts=0.0)
    alone = compare_moments(before, after, rng=rng)
    with_more = compare_moments(before, after, baselines=baselines, rng=rng)
    assert (bool(alone.worse), bool(with_more.worse), with_more.baselines) == (True, False, 4)
    much = drawn(rng, usual=0.2, wander=0.02, bursts=0.0)
    assert compare_moments(before, much, baselines=baselines, rng=rng).worse


def test_where_two_histograms_lie_furthest_apart_is_told() -> None:
    rng = Random(8)
    before, after = drawn(rng, wander=0.0, bursts=0.0), drawn(rng, wander=0.0, bursts=0.0, added=0.05)
    distance = compare_moments(before, after, rng=rng).distances[0]
    assert distance.name == "response of balance"
    assert (round(distance.share_before, 6), round(distance.share_after, 6)) == (1.0, 0.0)
    assert 0.005 < distance.seconds < 0.06


def test_limits_are_widened_as_student_says() -> None:
    normal = statistics.NormalDist().inv_cdf(1 - ALARM_LEVEL / 2)
    # Two-sided quantiles at 1 %, from any table.
    for freedom, student in ((4, 4.604), (7, 3.499), (15, 2.947), (30, 2.750)):
        assert for_few(freedom) * normal == pytest.approx(student, rel=0.02)


def test_records_are_compared_also_after_they_were_written_and_at_different_widths() -> None:
    small = plan(users=60, rate=40.0)
    before, after = record(small, seed=1), record(small, seed=2, added=0.01)
    read = RunRecord.from_json(json.loads(json.dumps(after.to_json())))
    assert compare(before, read, rng=Random(1)) == compare(before, after, rng=Random(1))
    read.timeline._halve()
    assert read.timeline.width == 2
    assert {"response of balance"} <= {each.name for each in compare(before, read, rng=Random(1)).worse}


def test_what_makes_a_comparison_impossible_is_said() -> None:
    small = plan(users=60, rate=40.0)
    before = record(small)
    other = replace(small, run="other", url="ws://127.0.0.1:9/", seed=5)
    assert obstacles({"A": before, "B": record(other)}) == []
    fewer = record(plan(users=30, rate=None))
    assert obstacles({"A": before, "B": fewer}) == [
        "B had another plan than A: users was 60, and 30 in B",
        "B had another plan than A: rate was 40.0, and none in B",
    ]
    (length,) = [
        each for each in obstacles({"A": before, "B": record(small, seconds=40)}) if "went for" in each
    ]
    assert length == "A went for 60 s, and B for 40 s"
    (invalid, *_) = obstacles({"A": before, "B": record(small, "busy-generator")})
    assert invalid.startswith("B is INVALID, so its figures are not the server's: ")
