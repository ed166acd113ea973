"""Where a run's time went."""

from dataclasses import replace

import pytest

from probe.load.bottleneck import Where, bottleneck
from probe.load.record import RunRecord
from probe.model.findings import Certainty
from tests.load.made import STAGES, plan, record


@pytest.mark.parametrize(
    ("fault", "where", "certainty", "says"),
    [
        ("", Where.NOTHING, Certainty.LIKELY, "answers, ticks, connects"),
        ("stall", Where.ANSWER, None, "Heartbeats grew with them"),
        ("slow-answer", Where.ANSWER, Certainty.LIKELY, "the way is clear"),
        ("slow-accept", Where.ACCEPT, Certainty.POSSIBLE, "Most of it was in upgrading"),
        ("full-queue", Where.ACCEPT, Certainty.CERTAIN, "a listen queue had no room"),
        ("slow-fan-out", Where.FAN_OUT, Certainty.LIKELY, "Answers over the same sessions did not grow"),
        ("far", Where.NETWORK, Certainty.POSSIBLE, "the way there and back"),
        (
            "slow-way",
            Where.NETWORK,
            Certainty.POSSIBLE,
            "In connecting, in which the server's program has no part",
        ),
        ("busy-generator", Where.GENERATOR, Certainty.CERTAIN, "of a core"),
    ],
)
@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 3, 4, 5))])
def test_the_place_that_was_slow_is_found(
    fault: str, where: Where, certainty: Certainty | None, says: str, seed: int
) -> None:
    found = bottleneck(record(plan(), *filter(None, [fault]), seed=seed))
    assert found.where is where
    assert certainty is None or found.certainty is certainty
    assert says in " ".join(found.evidence)


@pytest.mark.parametrize(("connects", "certainty"), [(True, Certainty.LIKELY), (False, Certainty.POSSIBLE)])
def test_a_server_that_stood_still_is_told_from_a_way_that_did_by_connects_of_the_same_moments(
    connects: bool, certainty: Certainty
) -> None:
    stood = record(plan(), "stall")
    if not connects:
        for moment in stood.timeline:
            moment.figures.connects.phases.clear()
    assert bottleneck(stood).certainty is certainty


def test_what_was_slow_for_a_moment_or_two_is_only_possible() -> None:
    """Connects come in twenty seconds of the drawn run; a tenth of these is two."""
    slow = record(
        replace(plan(), scenario=replace(plan().scenario, stages=(replace(STAGES[0], seconds=40, ramp=40),))),
        "slow-accept",
    )
    found = bottleneck(slow)
    assert (found.where, found.certainty) == (Where.ACCEPT, Certainty.LIKELY)


def test_an_empty_run_tells_nothing() -> None:
    found = bottleneck(RunRecord(plan()))
    assert (found.where, found.certainty) == (Where.UNKNOWN, Certainty.UNDETERMINED)


def test_a_run_that_is_invalid_because_something_is_missing_does_not_blame_the_generator() -> None:
    made = record(plan(), "slow-answer", lost_worker=58)
    assert not made.verdict.is_valid
    assert bottleneck(made).where is Where.ANSWER


def test_failed_connects_alone_point_at_accepting() -> None:
    made = record()
    made.total.connects.failed["ws.refused"] = 60
    found = bottleneck(made)
    assert (found.where, found.certainty) == (Where.ACCEPT, Certainty.POSSIBLE)
    assert "60 ws.refused" in found.evidence[0]
