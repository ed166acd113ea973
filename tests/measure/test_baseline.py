import random
import sys
from collections.abc import Sequence

from probe.measure.baseline import MINUTES_KEPT, MINUTES_NEEDED, Baseline


def fed(values: Sequence[float | None]) -> Baseline:
    baseline = Baseline()
    for value in values:
        baseline.add(value)
    return baseline


def test_half_an_hour_must_be_known_before_anything_is_usual() -> None:
    young = fed([0.05] * (MINUTES_NEEDED - 1) + [None] * 20)
    assert (young.median, young.mad) == (None, None)
    assert not young.is_anomalous(100.0)
    young.add(0.05)
    assert (young.median, young.mad) == (0.05, 0.0)
    assert young.is_anomalous(100.0)


def test_median_and_spread_are_those_of_the_minutes() -> None:
    baseline = fed([0.04, 0.05, 0.06] * 20)
    assert baseline.median == 0.05
    assert baseline.mad is not None
    assert abs(baseline.mad - 0.01) < 1e-12


def test_both_bounds_must_be_crossed() -> None:
    quiet = fed([0.05, 0.0505, 0.0495] * 20)  # 6 MAD are 0.053
    assert not quiet.is_anomalous(0.099)
    assert quiet.is_anomalous(0.101)
    wild = fed([0.01, 0.05, 0.09] * 20)  # 6 MAD are 0.29
    assert not wild.is_anomalous(0.28)
    assert wild.is_anomalous(0.30)


def test_a_bad_hour_does_not_become_the_usual() -> None:
    baseline = fed([0.05] * 240 + [3.0] * 60)
    assert baseline.median == 0.05
    assert baseline.is_anomalous(3.0)


def test_six_hours_are_remembered_and_no_more() -> None:
    moved = fed([0.05] * 1000 + [0.2] * MINUTES_KEPT)
    assert moved.median == 0.2
    assert len(moved._minutes) == 360
    assert sys.getsizeof(moved._minutes) < 4096


def test_minutes_without_a_measurement_push_old_ones_out() -> None:
    assert fed([0.05] * 100 + [None] * MINUTES_KEPT).median is None


def test_the_usual_is_not_anomalous() -> None:
    rng = random.Random(4)
    baseline = fed([rng.lognormvariate(-3, 0.2) for _ in range(MINUTES_KEPT)])
    assert not any(baseline.is_anomalous(rng.lognormvariate(-3, 0.2)) for _ in range(1000))
