"""What is demanded of a connection is held against what was measured, and against nothing else."""

import pytest

from probe.diagnose.facts import Facts
from probe.diagnose.limits import Held, Limits, connect_seconds, held, tick_age_seconds
from probe.diagnose.verdict import Asked
from probe.measure.clocks import ClockOffset
from probe.model.events import Phase, PhaseFinished, Told
from probe.model.meanings import Admitted

ASKED = Asked(login=True, symbol="EURUSD")


def clock(skew: float) -> ClockOffset:
    return ClockOffset(zone_seconds=7200.0, skew_seconds=skew, uncertainty_seconds=0.1, samples=5)


def way(*phases: Phase) -> Facts:
    facts = Facts()
    for at, phase in enumerate(phases):
        facts.add(PhaseFinished(phase=phase, began_at=float(at), at=at + 0.5))
    return facts


def test_connecting_is_all_from_the_look_up_to_the_login_and_not_signing_in() -> None:
    facts = way(Phase.SIGNING_IN, Phase.RESOLVING, Phase.CONNECTING, Phase.AUTHENTICATING, Phase.CLOSING)
    assert connect_seconds(facts, ASKED) is None  # nobody said that the login is accepted
    facts.add(Told(at=9.0, meaning=Admitted()))
    assert connect_seconds(facts, ASKED) == 1.5


@pytest.mark.parametrize(
    ("skew", "market_open", "age"),
    [
        (-6.0, None, 6.0),
        (-6.0, True, 6.0),
        (0.05, None, 0.0),
        (30.0, None, None),  # from the future: a clock is wrong, and the age not known
        (-6.0, False, None),
    ],
)
def test_a_price_is_as_old_as_its_stamp_says(
    skew: float, market_open: bool | None, age: float | None
) -> None:
    asked = Asked(login=True, symbol="EURUSD", market_open=market_open)
    assert tick_age_seconds(Facts(), asked, clock(skew)) == age


def test_without_a_price_there_is_no_age() -> None:
    assert tick_age_seconds(Facts(), ASKED, None) is None


def test_only_what_was_asked_for_is_held_against_anything() -> None:
    assert list(held(Limits(), Facts(), ASKED, clock(-6.0), None)) == []
    limits = Limits(connect_seconds=1.0, tick_age_seconds=5.0, score=80.0)
    found = list(held(limits, Facts(), ASKED, clock(-6.0), None))
    assert [(each.name, each.holds) for each in found] == [
        ("max-connect", None),
        ("max-tick-age", False),
        ("min-score", None),
    ]


def test_a_limit_that_is_just_reached_holds() -> None:
    assert Held(name="max-connect", limit=1.0, value=1.0, sentence="").holds
    assert not Held(name="max-connect", limit=1.0, value=1.001, sentence="").holds
    assert Held(name="min-score", limit=80.0, value=80.0, sentence="").holds
    assert not Held(name="min-score", limit=80.0, value=79.9, sentence="").holds
