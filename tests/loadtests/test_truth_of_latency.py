"""The latency that is told beside what the server itself noted."""

import pytest

from loadtests.generator import STEP
from probe.load.record import RunRecord
from tests.bench.load.truth import Load, Truth, of_ours, spread

ROUNDING = 1.02  # of two histograms, each of which knows a value to 0.8 %
NEAR = 1.05


def test_what_is_told_is_never_less_than_the_server_knows_nor_more_than_our_own_lateness_explains() -> None:
    record, truth = measured(Load(connections=5, rate=50, seconds=3.0, delay=0.02, stall=1.0))
    asked = record.total.requests["balance"]
    (generator,) = record.total.generators.values()
    # A loop that stands still is late for its own timer, and hears an answer late, by up to as much.
    late = generator.lag.largest + STEP
    for told, known in ((asked.response, truth.response), (asked.service, truth.service)):
        for name, seconds in spread(known).items():
            assert seconds / ROUNDING <= spread(told)[name] <= seconds * NEAR + late, name


@pytest.mark.long
@pytest.mark.alone
def test_p50_p99_and_the_largest_are_true_within_five_percent() -> None:
    record, truth = measured(Load(connections=50, rate=500, seconds=20.0, delay=0.02, stall=2.0))
    told = spread(record.total.requests["balance"].response)
    assert told == pytest.approx(spread(truth.response), rel=NEAR - 1)
    assert told["p99"] > 1.5  # of 20 s, two in which nothing is answered


def measured(load: Load) -> tuple[RunRecord, Truth]:
    record, truth = of_ours(load)
    asked = record.total.requests["balance"]
    # Of the last, a machine that is very busy may not bring the answers before the sessions leave.
    assert asked.answered <= truth.answered <= asked.due <= asked.answered + load.connections
    assert truth.response.largest > load.stall * 0.9
    return record, truth
