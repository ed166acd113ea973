"""What answers show although they are answers, and what comparing two targets shows."""

import pytest

from probe.measure.freshness import STANDING
from probe.measure.reading import reference_of
from probe.measure.records import Cause, Incident, Login, Metric, Notice, Sample, SessionState
from probe.measure.reference import APART_SECONDS, Reference
from probe.model.events import (
    POLL,
    HeartbeatAnswered,
    HeartbeatSent,
    QuoteArrived,
    RequestExpired,
    Told,
)
from probe.model.failures import Blame
from probe.model.intents import Watch as Subscription
from probe.model.meanings import Effect, Figure, Figures, Trouble, Troubles
from tests.measure.watched import SYMBOL, ZERO_UTC, Played


def trouble(effect: Effect, code: str = "data.stale-ticks") -> Trouble:
    return Trouble(code=code, sentence="it is so", advice="Do this.", effect=effect, blame=Blame.BROKER)


def tell(played: Played, *rows: Trouble, about: str = "account") -> None:
    played.hear(Told(at=played.now, meaning=Troubles(about=about, rows=rows)))
    played.pass_time(1.0, ticking=played.watch.symbols)


@pytest.mark.parametrize(
    ("effect", "state", "cause", "login"),
    [
        (Effect.STALLS, SessionState.STALLED, Cause.STALLED, Login.ACCEPTED),
        (Effect.SHUTS_OUT, SessionState.STALLED, Cause.AUTH, Login.REJECTED),
        (Effect.DEGRADES, SessionState.DEGRADED, Cause.DEGRADED, Login.ACCEPTED),
        (Effect.NOTED, SessionState.STREAMING, None, Login.ACCEPTED),
    ],
)
def test_what_an_answer_shows_decides_although_prices_flow(
    effect: Effect, state: SessionState, cause: Cause | None, login: Login
) -> None:
    played = Played()
    played.stream(30.0)
    tell(played, trouble(effect))
    condition = played.watch.condition
    assert (condition.state, condition.cause, condition.login) == (state, cause, login)
    tell(played)
    assert played.state is SessionState.STREAMING
    incidents = [
        (each.code, each.blame, each.advice) for each in played.of(Incident) if each.ended_utc is None
    ]
    assert incidents == ([("data.stale-ticks", Blame.BROKER, "Do this.")] if cause else [])
    assert [each.code for each in played.of(Notice)] == ([] if cause else ["data.stale-ticks"])


def test_the_gravest_of_several_decides_and_one_that_goes_leaves_the_others() -> None:
    played = Played()
    played.stream(30.0)
    tell(played, trouble(Effect.DEGRADES, "data.gap"), about="price")
    tell(played, trouble(Effect.STALLS, "data.stale-ticks"), about="account")
    assert played.watch.condition.code == "data.stale-ticks"
    tell(played, about="account")
    assert played.watch.condition.code == "data.gap"
    tell(played, about="price")
    assert played.state is SessionState.STREAMING


def test_what_is_only_noted_is_noted_once() -> None:
    played = Played()
    played.stream(30.0)
    for _ in range(3):
        tell(played, trouble(Effect.NOTED))
    assert len(played.of(Notice)) == 1


def test_a_new_session_knows_nothing_of_the_troubles_before() -> None:
    played = Played()
    played.stream(30.0)
    tell(played, trouble(Effect.STALLS))
    played.end("tcp.refused")
    played.stream(5.0)
    assert played.state is SessionState.STREAMING


def test_figures_of_the_other_end_become_samples_with_their_place() -> None:
    played = Played()
    played.stream(5.0)
    rows = (Figure("access_rtt_seconds", 0.02, "eu-1"), Figure("feed_lag_seconds", 0.4))
    played.hear(Told(at=played.now, meaning=Figures(rows=rows)))
    played.pass_time(1.0)
    found = {each.metric: (each.value, each.endpoint) for each in played.of(Sample)}
    assert found[Metric.ACCESS_RTT] == (0.02, "eu-1")
    assert found[Metric.FEED_LAG] == (0.4, "eu")


def test_the_lightest_question_is_the_round_trip_that_the_score_is_made_of() -> None:
    played = Played()
    played.stream(5.0)
    for _ in range(4):
        played.hear(HeartbeatSent(at=played.now, name=POLL, due_at=played.now))
        played.now += 3.0
        played.hear(
            HeartbeatAnswered(at=played.now, name=POLL, due_at=played.now - 3, sent_at=played.now - 3)
        )
        played.tick()
    played.pass_time(65.0, ticking=[SYMBOL])
    latency = next(each for each in played.watch.score(played.now).components if each.name == "latency")
    assert (latency.points, latency.figure) == (0.0, "p95 3 s")
    assert {each.metric for each in played.of(Sample)} >= {Metric.POLL_RTT}


def test_prices_that_are_asked_for_may_be_the_same_a_few_times() -> None:
    played = Played(data_every=5.0)
    played.stream()
    played.pass_time(STANDING - 1.0)
    before = played.state
    played.pass_time(1.0)
    assert (before, played.state) == (SessionState.STREAMING, SessionState.STALLED)


def compared(theirs: float | None) -> Played:
    """A target whose prices stop; its reference shows this price now."""
    one, other = Played(), Played()
    for each in (one, other):
        each.stream(30.0)
    for _ in range(60):
        one.pass_time(0.5)
        other.pass_time(0.5, ticking=[] if theirs is None else [SYMBOL])
        one.watch.reference = reference_of(one.watch, other.watch, None, one.now)
    return one


def test_who_alone_has_no_prices_has_lost_them() -> None:
    condition = compared(1.0).watch.condition
    assert condition.code == "data.stale-ticks"
    assert condition.sentence.endswith("; one has prices, so they are lost behind this one")


def test_where_the_reference_has_none_either_it_is_not_this_ones_fault() -> None:
    condition = compared(None).watch.condition
    assert condition.code == "session.silent-stall"
    assert condition.sentence.endswith("; one has none either, so it is not this one's fault")


def test_prices_apart_for_long_are_old_ones_shown_as_new() -> None:
    one, other = Played(), Played()
    for each in (one, other):
        each.stream(30.0)
    since: float | None = None
    states = {}
    for turn in range(100):
        for each, price in ((one, 1.0), (other, 1.02)):
            each.now += 0.5
            # Both move; they do not meet.
            each.hear(QuoteArrived(each.now, SYMBOL, ZERO_UTC + each.now, price + turn * 1e-5))
            each.wake()
        found = reference_of(one.watch, other.watch, since, one.now)
        assert found is not None
        one.watch.reference, since = found, found.apart_since
        states[turn / 2] = one.watch.condition.code
    first = min(at for at, code in states.items() if code == "data.cached-as-fresh")
    assert APART_SECONDS <= first <= APART_SECONDS + 2
    assert "2.0%" in one.watch.condition.sentence


def test_a_reference_that_is_not_looked_at_says_nothing() -> None:
    one, other = Played(), Played()
    one.stream(30.0)
    found = reference_of(one.watch, other.watch, 1.0, one.now)
    assert found == Reference(name="one", data=other.watch.condition.data, prices={}, apart_since=None)


def test_a_trouble_that_answers_showed_explains_why_prices_stay_away() -> None:
    played = Played()
    played.stream(30.0)
    tell(played, trouble(Effect.DEGRADES, "http.429"))
    played.pass_time(60.0)
    condition = played.watch.condition
    assert (condition.state, condition.code) == (SessionState.STALLED, "http.429")
    assert condition.sentence.endswith("while answers show why: it is so")
    assert played.of(Incident)[-1].advice == "Do this."


def test_what_stalls_by_its_answers_is_compared_with_the_reference_too() -> None:
    one, other = Played(), Played()
    for each in (one, other):
        each.stream(30.0)
    tell(one, trouble(Effect.STALLS, "crypto.mongo-down"))
    for _ in range(60):
        one.pass_time(0.5)
        other.pass_time(0.5, ticking=[SYMBOL])
        one.watch.reference = reference_of(one.watch, other.watch, None, one.now)
    condition = one.watch.condition
    assert condition.code == "crypto.mongo-down"
    assert condition.sentence.endswith("; one has prices, so they are lost behind this one")


def test_a_connection_whose_prices_come_slower_is_given_its_time() -> None:
    played = Played()
    played.stream()
    played.watch.freshness.pace(5.0)
    played.pass_time(STANDING - 1.0)
    before = played.state
    played.pass_time(1.0)
    assert (before, played.state) == (SessionState.STREAMING, SessionState.STALLED)


def test_prices_are_the_answer_to_a_subscription_that_was_never_acknowledged() -> None:
    played = Played()
    played.stream(30.0)
    played.hear(
        RequestExpired(at=played.now, request=1, intent=Subscription(symbol=SYMBOL), sent_at=played.now - 10)
    )
    played.pass_time(1.0, ticking=[SYMBOL])
    assert played.state is SessionState.STREAMING
