"""Zone and skew of a broker's clock, from ticks that arrive late and never early."""

import random

import pytest

from probe.measure.clocks import clock_offset


@pytest.mark.parametrize("skew", [0.0, -3.5, 161.0, 12.25])
@pytest.mark.parametrize("zone", [0.0, 7200.0, -18000.0, 19800.0])
def test_zone_and_skew_are_told_apart_within_the_stated_uncertainty(zone: float, skew: float) -> None:
    rng = random.Random(1)
    delays = [0.04 + rng.expovariate(50) for _ in range(50)]
    found = clock_offset([zone + skew - delay for delay in delays], round_trip_seconds=0.08)
    assert found is not None
    assert found.zone_seconds == zone
    assert abs(found.skew_seconds - skew) <= found.uncertainty_seconds


def test_no_tick_is_no_estimate() -> None:
    assert clock_offset([], 0.1) is None


def test_a_single_tick_is_doubted_more_than_many() -> None:
    one, many = clock_offset([7200.0], 0.01), clock_offset([7200.0] * 50, 0.01)
    assert one is not None
    assert many is not None
    assert one.uncertainty_seconds > many.uncertainty_seconds == 0.005
