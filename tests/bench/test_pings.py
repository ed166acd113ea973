"""Reported round trips are the wire's, not our own work: compared with what the kernel stamped on the same pings."""

import statistics

import pytest

from probe.brokers import broker_names
from tests.bench.pings import compare


@pytest.mark.parametrize("name", broker_names())
@pytest.mark.parametrize(
    ("sessions", "seconds"), [(8, 1.8), pytest.param(60, 42.0, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_reported_ping_round_trips_agree_with_a_capture(name: str, sessions: int, seconds: float) -> None:
    try:
        pairs = compare(name, sessions, seconds)
    except PermissionError as problem:
        pytest.skip(str(problem))
    assert len(pairs) >= sessions
    assert (
        statistics.median(abs(told - true) for told, true in pairs) < 0.005
    )  # a figure is `make bench`'s to give
    assert all(told > 0 and true > 0 for told, true in pairs)
