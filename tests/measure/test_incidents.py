from probe.measure.incidents import GOOD_FOR_SECONDS, Incidents
from probe.measure.records import Cause, Condition, Incident
from probe.model.failures import Blame

MINUTE = 60.0


def bad(
    incidents: Incidents, at: float, cause: Cause, sentence: str = "it broke", blind: float = 0.0
) -> Incident | None:
    condition = Condition(cause=cause, sentence=sentence, code=f"code.{cause.value}")
    return incidents.bad(
        at,
        condition,
        advice="wait",
        blame=Blame.BROKER,
        endpoint="eu",
        evidence=(),
        figures={},
        blind_before=blind,
    )


def test_an_incident_is_told_when_it_begins_and_when_it_ends() -> None:
    incidents = Incidents("demo")
    opened = bad(incidents, 100.0, Cause.STALLED)
    assert opened is not None
    assert (opened.ended_utc, opened.cause) == (None, Cause.STALLED)
    assert incidents.good(110.0, blind=10.0) is None
    closed = incidents.good(110.0 + GOOD_FOR_SECONDS, blind=10.0)
    assert closed is not None
    assert (closed.id, closed.began_utc, closed.ended_utc, closed.blind_seconds) == (
        opened.id,
        100.0,
        110.0,
        10.0,
    )
    assert incidents.open is None


def test_it_is_one_incident_that_gets_worse_not_two() -> None:
    incidents = Incidents("demo")
    first = bad(incidents, 100.0, Cause.DISCONNECTED, "the line broke")
    worse = bad(incidents, 130.0, Cause.AUTH, "the login was refused")
    assert first is not None
    assert worse is not None
    assert (worse.id, worse.began_utc, worse.cause) == (first.id, 100.0, Cause.AUTH)
    assert worse.sentence == "the line broke; then the login was refused"


def test_it_is_not_told_again_when_it_gets_better_or_stays() -> None:
    incidents = Incidents("demo")
    bad(incidents, 100.0, Cause.DISCONNECTED)
    assert bad(incidents, 101.0, Cause.DISCONNECTED) is None
    assert bad(incidents, 102.0, Cause.DEGRADED) is None


def test_a_moment_of_good_is_not_the_end() -> None:
    incidents = Incidents("demo")
    bad(incidents, 100.0, Cause.STALLED)
    assert incidents.good(101.0, blind=0.0) is None
    bad(incidents, 102.0, Cause.STALLED)
    assert incidents.good(101.0 + GOOD_FOR_SECONDS, blind=0.0) is None
    assert incidents.open is not None


def test_candles_are_missed_by_whole_minutes_without_prices() -> None:
    for began, ended, blind, missed in (
        (10.0, 50.0, 40.0, 0),
        (10.0, 130.0, 120.0, 1),
        (0.0, 120.0, 120.0, 2),
        (10.0, 1210.0, 0.0, 0),
    ):
        incidents = Incidents("demo")
        bad(incidents, began, Cause.STALLED, blind=7.0)
        over = incidents.end(ended, blind=7.0 + blind)
        assert over is not None
        assert (over.blind_seconds, over.candles_missed) == (blind, missed)


def test_the_newest_stands_first_and_old_ones_are_let_go() -> None:
    incidents = Incidents("demo")
    for number in range(50):
        bad(incidents, number * MINUTE, Cause.STALLED)
        incidents.end(number * MINUTE + 1, blind=0.0)
    bad(incidents, 51 * MINUTE, Cause.AUTH)
    shown = incidents.newest_first()
    assert [each.began_utc for each in shown[:3]] == [51 * MINUTE, 49 * MINUTE, 48 * MINUTE]
    assert len(shown) == 21
