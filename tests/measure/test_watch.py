"""The judge, event by event."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.measure.incidents import GOOD_FOR_SECONDS
from probe.measure.judge import STALL_OVER_SECONDS, START_GRACE_SECONDS, UNWOKEN_SECONDS
from probe.measure.records import (
    Attempt,
    Cause,
    Data,
    Disconnected,
    Incident,
    Login,
    Metric,
    Period,
    Sample,
    SessionState,
    StateChanged,
    Transport,
    Trigger,
)
from probe.model.events import (
    WEBSOCKET,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestExpired,
    Surprise,
    Told,
    Upgraded,
)
from probe.model.failures import Blame, CloseFacts, Failure
from tests.measure.watched import ASKED, HERE, SYMBOL, THERE, ZERO_UTC, Played, demo_balance


def test_a_session_counts_as_made_when_a_price_and_an_answer_came_and_not_before() -> None:
    played = Played()
    played.login()
    assert played.state is SessionState.AUTHENTICATING
    played.stream()
    assert (played.state, played.watch.tries.connects) == (SessionState.STREAMING, 1)
    condition = played.watch.condition
    assert (condition.transport, condition.login, condition.data, condition.cause) == (
        Transport.UP,
        Login.ACCEPTED,
        Data.FLOWING,
        None,
    )


def test_prices_without_an_answer_are_no_proof() -> None:
    played = Played()
    played.login()
    played.tick()
    played.pass_time(3.0, ticking=[SYMBOL])
    assert (played.state, played.watch.tries.connects) == (SessionState.AUTHENTICATING, 0)


def test_the_first_connection_has_its_grace_and_then_it_is_an_incident() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.pass_time(START_GRACE_SECONDS)
    assert (played.of(Incident), played.bad) == ([], {Cause.DISCONNECTED: START_GRACE_SECONDS})
    played.pass_time(0.5)
    assert [each.cause for each in played.of(Incident)] == [Cause.DISCONNECTED]


def test_connecting_takes_from_the_first_dial_to_flowing_data_however_many_attempts_that_are() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.end("tcp.refused")
    played.pass_time(10.0)
    played.stream(1.0)
    assert [each.value for each in played.of(Sample) if each.metric is Metric.CONNECT] == [10.0]


def test_a_second_connection_has_no_grace() -> None:
    played = Played()
    played.stream(2.0)
    played.end("session.closed-1006")
    assert [each.code for each in played.of(Incident)] == ["session.closed-1006"]


def test_nothing_is_bad_before_the_start() -> None:
    played = Played()
    played.pass_time(30.0)
    assert (played.bad, played.state, played.watch.ledger.availability) == ({}, SessionState.IDLE, 1.0)


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("session.closed-1006", Cause.DISCONNECTED), ("auth.revoked", Cause.AUTH), (None, Cause.DISCONNECTED)],
)
def test_seconds_without_a_session_go_to_why_it_ended(kind: str | None, cause: Cause) -> None:
    played = Played()
    played.stream(20.0)
    played.end(kind)
    played.pass_time(7.0)
    assert played.bad == {cause: 7.0}


def test_a_stall_takes_back_the_seconds_since_the_last_price_and_names_them_once() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(30.0)
    assert (played.state, played.bad) == (SessionState.STALLED, {Cause.STALLED: 30.0})
    incident = played.of(Incident)[0]
    assert (incident.cause, incident.code) == (Cause.STALLED, "session.silent-stall")
    assert incident.began_utc == ZERO_UTC + played.now - 30.0
    changed = [each for each in played.of(StateChanged) if each.condition.state is SessionState.STALLED]
    assert [each.at_utc - incident.began_utc for each in changed] == [4.5]


def test_an_incident_ends_when_it_became_good_and_is_told_five_seconds_later() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(20.0)
    good_from = played.now + 0.5
    played.pass_time(GOOD_FOR_SECONDS, ticking=[SYMBOL])
    assert played.of(Incident)[-1].ended_utc is None
    played.pass_time(0.5, ticking=[SYMBOL])
    assert played.of(Incident)[-1].ended_utc == ZERO_UTC + good_from


def test_what_gets_bad_again_within_five_seconds_is_the_same_incident_and_ends_later() -> None:
    played = Played()
    played.stream(60.0)
    played.end("session.closed-1006")
    played.pass_time(2.0)
    played.stream(3.0)
    played.end("session.closed-1006")
    played.pass_time(4.0)
    played.stream(GOOD_FOR_SECONDS + 1)
    ids = {each.id for each in played.of(Incident)}
    assert (len(ids), played.watch.incidents.open) == (1, None)
    over = played.of(Incident)[-1]
    assert over.ended_utc is not None
    assert over.ended_utc - over.began_utc == 9.0


def test_a_stall_is_nobodys_fault_until_something_says_that_the_connection_stands() -> None:
    played = Played()
    played.stream(60.0)
    assert not played.watch.doubts()
    played.pass_time(5.0)
    assert [played.watch.doubts(), played.watch.doubts()] == [True, False]
    [opened] = played.of(Incident)
    assert (opened.blame, "nothing else has come either" in opened.sentence) == (Blame.UNKNOWN, True)
    played.beat()
    known = played.of(Incident)[-1]
    assert (known.id, known.blame, known.code) == (opened.id, Blame.BROKER, opened.code)
    assert "the connection stands" in known.sentence
    played.pass_time(20.0)
    assert len(played.of(Incident)) == 2


def test_what_was_heard_before_the_next_price_was_due_says_nothing_of_a_stall() -> None:
    played = Played()
    played.stream(60.0)
    played.beat()
    played.pass_time(10.0)
    assert [each.blame for each in played.of(Incident)] == [Blame.UNKNOWN]


def test_a_session_that_is_found_dead_before_its_stall_was_blind_since_the_last_it_brought() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(3.0)
    played.end("session.half-open")
    played.pass_time(2.0)
    assert (played.bad, played.watch.ledger.blind) == ({Cause.DISCONNECTED: 5.0}, 5.0)
    played.stream(GOOD_FOR_SECONDS + 1)
    over = played.of(Incident)[-1]
    assert (over.began_utc, over.blind_seconds) == (ZERO_UTC + 160.0, 5.0)


def test_an_incident_without_a_name_takes_that_of_the_failure_that_names_it() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.pass_time(START_GRACE_SECONDS + 0.5)
    assert [(each.code, each.blame) for each in played.of(Incident)] == [
        ("session.disconnected", Blame.UNKNOWN)
    ]
    refused = Failure(kind="tcp.refused").facts
    played.end("tcp.refused")
    known = played.of(Incident)[-1]
    assert (known.code, known.blame, known.advice) == (refused.code, refused.blame, refused.advise)
    played.end("dns.nxdomain")
    assert played.of(Incident)[-1].code == refused.code


def test_who_never_connected_was_blind_while_the_market_was_open() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.pass_time(30.0)
    assert (played.watch.ledger.open, played.watch.ledger.blind) == (30.0, 30.0)


def test_whoever_is_left_while_good_again_had_an_incident_until_it_was_good() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(20.0)
    good_from = played.now + 0.5
    played.pass_time(3.0, ticking=[SYMBOL])
    played.watch.leave(played.now)
    assert played.of(Incident)[-1].ended_utc == ZERO_UTC + good_from


def test_a_market_that_may_well_be_quiet_is_neither_a_stall_nor_an_old_price() -> None:
    pauses_from = ZERO_UTC + 160.0
    played = Played(is_open=lambda symbol, utc: True if utc < pauses_from else None)
    played.stream(59.0)
    played.pass_time(300.0)
    assert (played.watch.condition.data, played.of(Incident)) == (Data.QUIET, [])
    assert played.watch.score(played.now).value == pytest.approx(100.0, abs=1.0)


def test_a_calm_target_is_looked_at_rarely_and_booked_always() -> None:
    looks: list[float] = []

    def is_open(symbol: str, utc: float) -> bool:
        looks.append(utc)
        return True

    played = Played(is_open=is_open)
    played.stream(30.0)
    looks.clear()
    played.pass_time(60.0, ticking=[SYMBOL])
    assert len(set(looks)) < 2 * 60.0 / 4  # each look asks also for the minute to come
    assert played.watch.ledger.open == played.watch.ledger.observed == 90.0


def test_a_minute_that_may_not_be_closed_now_is_closed_later() -> None:
    played = Played()
    played.stream(10.0)
    played.now += 4.0
    for may_close, closed in ((False, False), (True, True), (True, False)):
        played.now += 3.0
        assert played.watch.wake(played.now, due_at=played.now, may_close=may_close) is closed
    assert [each.seconds for each in played.of(Period)] == [pytest.approx(20.0)]


def test_a_stall_that_ends_for_moments_only_goes_on_for_the_alert() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(20.0)
    began = played.watch.stalled_since
    played.pass_time(STALL_OVER_SECONDS - 6.0, ticking=[SYMBOL])  # and 4.5 s until it is seen again
    assert (played.state, played.watch.stalled_since) == (SessionState.STREAMING, began)
    played.pass_time(20.0)
    assert (played.state, played.watch.stalled_since) == (SessionState.STALLED, began)
    played.pass_time(STALL_OVER_SECONDS + 0.5, ticking=[SYMBOL])
    assert played.watch.stalled_since is None


def test_a_stalled_session_is_left_after_a_minute_and_then_ever_more_rarely() -> None:
    played = Played()
    played.stream(60.0)
    asked = []
    for _ in range(2 * 300):
        played.pass_time(0.5)
        if (trigger := played.watch.remedy(played.now)) is not None:
            asked.append((played.now - 160.0, trigger))
    assert asked == [(60.0, Trigger.STALL), (120.0, Trigger.STALL), (240.0, Trigger.STALL)]


def test_a_stall_before_a_disconnect_does_not_end_the_next_session() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(50.0)
    played.end("session.half-open")
    played.pass_time(30.0)
    played.login()
    played.wake()
    assert (played.watch.remedy(played.now), played.watch.stalled_since) == (None, None)


def test_after_leaving_for_a_stall_the_seconds_stay_stalled() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(60.0)
    played.end(None)
    played.watch.waiting(played.now, played.now + 5.0, None)
    played.pass_time(5.0)
    assert played.bad == {Cause.STALLED: 65.0}
    assert (played.watch.down_since, played.watch.condition.code) == (None, None)


def test_a_session_that_was_opened_for_a_stall_has_its_own_time_before_the_next() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(60.0)
    assert played.watch.remedy(played.now) is Trigger.STALL
    played.end(None)
    played.watch.waiting(played.now, played.now + 100.0, None)
    played.pass_time(100.0)
    played.login()
    played.pass_time(119.5)
    assert played.watch.remedy(played.now) is None
    played.pass_time(0.5)
    assert played.watch.remedy(played.now) is Trigger.STALL


def test_a_first_price_has_its_own_ten_seconds_and_then_it_is_a_stall() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.pass_time(5.0)
    played.login()
    played.pass_time(9.5)
    assert played.of(Incident) == []
    played.pass_time(0.5)
    assert [each.cause for each in played.of(Incident)] == [Cause.STALLED]


def test_a_stall_does_not_count_once_we_leave() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(20.0)
    played.watch.leave(played.now)
    played.pass_time(3.0)
    assert played.bad == {Cause.STALLED: 20.0}
    assert [each.ended_utc for each in played.of(Incident)] == [None, ZERO_UTC + played.now - 3.0]


@pytest.mark.parametrize(
    ("login_follows", "words"),
    [(Phase.JOINING, "waiting for the login's answer"), (None, "opening the session")],
)
def test_who_has_nothing_to_log_in_with_waits_for_no_login(login_follows: Phase | None, words: str) -> None:
    played = Played(login_follows=login_follows)
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.hear(Upgraded(at=played.now, status=101, headers=()))
    played.hear(PhaseFinished(at=played.now, phase=Phase.JOINING, began_at=played.now))
    assert played.watch.condition.sentence == words


def test_a_rejected_login_stops_and_says_so() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.end("auth.refused")
    played.watch.stopped(played.now, Failure(kind="auth.refused"))
    played.pass_time(8.0)
    condition = played.watch.condition
    assert (condition.state, condition.login) == (SessionState.AUTH_REJECTED, Login.REJECTED)
    assert (played.bad, played.of(Incident)[0].blame) == ({Cause.AUTH: 8.0}, Blame.CREDENTIAL)


def test_what_we_leave_is_no_incident_and_no_bad_second() -> None:
    played = Played()
    played.stream(20.0)
    played.watch.leave(played.now)
    played.end(None)
    played.watch.stopped(played.now, None)
    played.pass_time(9.0)
    played.watch.close(played.now)
    assert (played.of(Incident), played.bad, played.state) == ([], {}, SessionState.STOPPED)
    assert [each.initiator for each in played.of(Disconnected)] == ["local"]


def test_the_score_of_what_we_left_is_the_one_before_we_left() -> None:
    played = Played()
    played.stream(100.0)
    before = played.watch.score(played.now).value
    played.watch.leave(played.now)
    played.end(None)
    played.watch.stopped(played.now, None)
    played.watch.close(played.now)
    assert before == pytest.approx(100.0, abs=1.0)
    assert played.of(Period)[-1].score == before


def test_how_late_we_were_is_told_of_the_moments_at_which_samples_were_taken() -> None:
    played = Played()
    played.stream(20.0)
    played.beat()
    played.watch.wake(played.now, due_at=played.now - 0.25)
    played.watch.wake(played.now, due_at=played.now - 0.4)
    played.watch.close(played.now)
    lags = [each.histograms[Metric.LOOP_LAG] for each in played.of(Period) if each.histograms]
    assert max(each.largest for each in lags) == pytest.approx(0.25)


# -- time that nobody watched ----------------------------------------------------------------------------------------


def test_a_wake_that_comes_late_leaves_the_time_unobserved() -> None:
    played = Played()
    played.stream(20.0)
    observed = played.watch.ledger.observed
    played.now += 300.0
    played.watch.wake(played.now, due_at=played.now - 299.5)
    assert (played.watch.ledger.observed, played.watch.ledger.unobserved) == (observed, 300.0)
    assert (played.state, played.bad, played.of(Incident)) == (SessionState.STREAMING, {}, [])


@pytest.mark.parametrize("first", ["tick", "beat", "wake"])
def test_whatever_comes_first_after_a_sleep_the_time_is_not_booked(first: str) -> None:
    played = Played()
    played.stream(20.0)
    played.now += 60.0
    match first:
        case "tick":
            played.tick()
        case "beat":
            at = played.now
            played.hear(HeartbeatAnswered(at=at, name=WEBSOCKET, due_at=at - 60, sent_at=at - 60))
        case _:
            pass
    played.watch.wake(played.now, due_at=played.now - 59.5)
    assert (played.watch.ledger.unobserved, played.bad, played.of(Incident)) == (60.0, {}, [])
    gaps = [each.histograms.get(Metric.TICK_GAP) for each in played.of(Period)]
    assert max(each.largest for each in gaps if each) < 1.0
    played.pass_time(20.0, ticking=[SYMBOL])
    assert (played.state, played.of(Incident)) == (SessionState.STREAMING, [])


def test_a_short_delay_is_observed() -> None:
    played = Played()
    played.stream(20.0)
    played.now += UNWOKEN_SECONDS - 2.0
    played.watch.wake(played.now, due_at=played.now - UNWOKEN_SECONDS + 2.5)
    assert played.watch.ledger.unobserved == 0.0


def test_a_clock_that_went_forward_was_a_suspended_machine() -> None:
    played = Played()
    played.stream(20.0)
    played.watch.clock_stepped(ZERO_UTC + 3600.0)
    played.pass_time(10.0, ticking=[SYMBOL])
    assert (played.watch.ledger.unobserved, played.bad) == (3600.0, {})


def test_a_clock_that_was_set_back_takes_nothing_and_minutes_go_on() -> None:
    played = Played()
    played.stream(20.0)
    played.watch.clock_stepped(ZERO_UTC - 3600.0)
    before = len(played.of(Period))
    played.pass_time(130.0, ticking=[SYMBOL])
    assert played.watch.ledger.unobserved == 0.0
    assert len(played.of(Period)) - before == 3
    assert all(each.seconds >= 0 for each in played.of(Period))


# -- samples ---------------------------------------------------------------------------------------------------------


def test_samples_taken_while_we_were_late_are_marked_and_left_out() -> None:
    played = Played()
    played.stream(20.0)
    played.beat(0.05)
    played.wake()
    played.now += 0.5
    played.beat(0.3)
    played.watch.wake(played.now, due_at=played.now - 0.2)
    taken = [each for each in played.of(Sample) if each.metric is Metric.WS_RTT]
    assert [each.tainted for each in taken] == [False, True]
    assert played.watch.measurements.tainted == 1
    assert played.watch.window(played.now).histograms[Metric.WS_RTT].count == 1


def test_a_heartbeat_that_we_sent_late_taints_what_it_measured() -> None:
    played = Played()
    played.stream(20.0)
    played.hear(HeartbeatSent(at=played.now, name=WEBSOCKET, due_at=played.now - 0.2))
    played.hear(HeartbeatAnswered(at=played.now, name=WEBSOCKET, due_at=played.now - 0.2, sent_at=played.now))
    played.pass_time(0.5)
    assert [each.tainted for each in played.of(Sample) if each.metric is Metric.WS_RTT] == [True]


def test_the_edge_is_not_blamed_before_the_kernels_figure_had_time_to_follow() -> None:
    played = Played()
    played.stream(1.0)

    def ping(rtt: float, kernel: float) -> Blame | None:
        played.watch.measured(played.now, Metric.TCP_RTT, kernel)
        played.watch.measured(played.now, Metric.APP_RTT, rtt * 1.1)
        played.beat(rtt)
        played.pass_time(20.0, ticking=[SYMBOL])
        blamed = played.watch.measurements.blamed()
        return blamed.blame if blamed else None

    assert [ping(0.05, 0.04) for _ in range(3)] == [None] * 3
    played.pass_time(60.0, ticking=[SYMBOL])
    slow = [ping(0.9, 0.1) for _ in range(12)]
    assert Blame.NETWORK in slow[:7]
    assert (Blame.EDGE in slow[:7], set(slow[8:])) == (False, {Blame.EDGE})


def test_another_endpoint_has_another_usual_time() -> None:
    played = Played()
    played.stream(1.0)
    for _ in range(40):
        played.watch.measurements.baseline.add(0.05)
    played.end("session.closed-1006")
    played.login(HERE)
    assert played.watch.measurements.baseline.median == 0.05
    played.end("session.closed-1006")
    played.login(THERE)
    assert played.watch.measurements.baseline.median is None


# -- whose fault, planned, on a beat ---------------------------------------------------------------------------------


def test_what_follows_our_own_lateness_is_blamed_on_us() -> None:
    played = Played()
    played.stream(60.0)
    played.now += 0.5
    played.watch.wake(played.now, due_at=played.now - 2.0)
    played.end("session.closed-1006")
    assert played.of(Incident)[0].blame is Blame.US


def test_a_hiccup_of_ours_that_no_verdict_hangs_on_is_not_to_blame() -> None:
    played = Played()
    played.stream(60.0)
    played.now += 0.5
    played.watch.wake(played.now, due_at=played.now - 0.2)
    assert played.watch.measurements.late_until == played.now
    played.end("session.closed-1006")
    assert played.of(Incident)[0].blame is not Blame.US


def test_with_our_own_line_down_nobody_else_is_blamed() -> None:
    played = Played()
    played.stream(60.0)
    played.watch.uplink = False
    played.end("session.closed-normal")
    assert played.of(Incident)[0].blame is Blame.NETWORK


def test_disconnects_on_a_beat_are_planned_and_their_rhythm_is_named() -> None:
    played = Played()
    for _ in range(6):
        played.stream(600.0)
        played.end("session.closed-1006")
        played.pass_time(1.0)
    assert [each.planned for each in played.of(Disconnected)] == [False] * 4 + [True] * 2
    assert played.of(Incident)[-1].planned
    assert played.of(Incident)[-1].pattern == "every 10 min ± 0"


@pytest.mark.parametrize(
    ("failure", "initiator", "planned"),
    [
        (
            Failure(kind="session.closed-normal", close=CloseFacts(received_code=1000, received_first=True)),
            "remote",
            True,
        ),
        (Failure(kind="session.goodbye"), "remote", True),
        (Failure(kind="auth.revoked"), "remote", False),
        (Failure(kind="session.tcp-reset"), "network", False),
        (Failure(kind="session.closed-1005", close=CloseFacts(received_first=True)), "remote", False),
    ],
)
def test_who_ended_it_and_whether_it_was_meant(failure: Failure, initiator: str, *, planned: bool) -> None:
    assert Played().watch.tries.disconnected(0.0, failure) == initiator
    played = Played()
    played.watch.tries.disconnected(0.0, failure)
    assert played.watch.tries.planned is planned


# -- degraded --------------------------------------------------------------------------------------------------------


def test_one_symbol_of_two_that_stops_is_degraded_and_both_are_a_stall() -> None:
    played = Played((SYMBOL, "GBPUSD_otc"))
    played.stream(60.0)
    played.pass_time(10.0, ticking=[SYMBOL])
    assert (played.state, played.watch.condition.code) == (SessionState.DEGRADED, "session.one-symbol-stall")
    played.pass_time(10.0)
    assert played.state is SessionState.STALLED


def test_a_closed_market_is_quiet_and_not_stalled() -> None:
    played = Played(is_open=lambda symbol, utc: False)
    played.login()
    played.answer()
    played.pass_time(300.0)
    assert (played.state, played.watch.condition.data) == (SessionState.STREAMING, Data.QUIET)


def test_a_request_that_expires_as_the_session_ends_says_nothing_of_its_own() -> None:
    played = Played()
    played.stream(60.0)
    played.hear(RequestExpired(at=played.now, request=1, intent=ASKED, sent_at=played.now - 10))
    played.end("session.closed-1006")
    assert [each.cause for each in played.of(Incident)] == [Cause.DISCONNECTED]


def test_a_balance_of_the_other_kind_of_account_is_told() -> None:
    played = Played()
    played.stream(1.0)
    played.hear(Told(at=played.now, meaning=demo_balance(is_demo=False)))
    assert played.watch.condition.code == "auth.demo-real-mismatch"
    played.hear(Told(at=played.now, meaning=demo_balance()))
    assert played.state is SessionState.STREAMING


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([], "session.silent-stall"),
        (
            [RequestExpired(at=165.0, request=1, intent=ASKED, sent_at=155.0)],
            "session.heartbeat-without-data",
        ),
        ([HeartbeatMissed(at=165.0, name=WEBSOCKET, sent_at=155.0)], "session.half-open"),
        ([Surprise(at=165.0, phase=Phase.LIVE, problem="what?", preview="")] * 3, "cfg.client-outdated"),
    ],
)
def test_what_else_is_known_of_a_stall_becomes_its_code(events: list[RequestExpired], code: str) -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(5.0)
    for event in events:
        played.hear(event)
    played.pass_time(0.5)
    assert (played.state, played.watch.condition.code) == (SessionState.STALLED, code)
    assert played.of(Incident)[-1].code == code


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([RequestExpired(at=162.0, request=1, intent=ASKED, sent_at=152.0)], "session.request-no-reply"),
        ([HeartbeatMissed(at=162.0, name=WEBSOCKET, sent_at=152.0)], "session.peer-stopped-ponging"),
        ([Surprise(at=162.0, phase=Phase.LIVE, problem="what?", preview="")] * 3, "cfg.client-outdated"),
    ],
)
def test_what_goes_wrong_with_a_calm_target_is_seen_with_the_next_waking(
    events: list[RequestExpired], code: str
) -> None:
    played = Played()
    played.stream(62.0)
    for event in events:
        played.hear(event)
    played.pass_time(0.5, ticking=[SYMBOL])
    assert (played.state, played.watch.condition.code) == (SessionState.DEGRADED, code)


def test_a_login_after_which_nothing_is_told_is_a_false_success() -> None:
    played = Played()
    played.login()
    played.pass_time(11.0)
    played.hear(RequestExpired(at=played.now, request=1, intent=ASKED, sent_at=played.now - 10))
    played.pass_time(0.5)
    assert played.watch.condition.code == "auth.false-success"


def test_what_was_observed_before_this_run_is_as_long_ago_as_it_is() -> None:
    played = Played()
    began_utc = played.watch.started_utc - 3600.0
    minute = Period(
        began_utc=began_utc,
        seconds=60.0,
        target="one",
        observed_seconds=60.0,
        bad_seconds={Cause.STALLED: 30.0},
    )
    played.watch.remember([minute], {})
    sums = played.watch.measurements.lately.sums
    assert (sums["30m"], sums["2h"]) == ((0.0, 0.0), (30.0, 60.0))


# -- the score -------------------------------------------------------------------------------------------------------


def test_the_score_changes_at_once_with_the_state() -> None:
    played = Played()
    played.stream(120.0)
    assert (played.watch.score(played.now).value or 0) > 90
    played.end("session.closed-1006")
    assert (played.watch.score(played.now).value or 100) <= 40


def test_what_never_streamed_scores_nothing() -> None:
    played = Played()
    played.watch.dialling(played.now, HERE, Trigger.START)
    played.pass_time(15.0)
    assert played.watch.score(played.now).value == 0.0


# -- anything at all -------------------------------------------------------------------------------------------------

STEPS = st.sampled_from(
    [
        "login", "stream", "tick", "answer", "beat", "late beat", "missed", "expired", "surprise", "lost", "left",
        "rejected", "waiting", "stopped", "wake", "sleep", "back", "forward", "leave", "attempt", "other symbol",
    ]
)  # fmt: skip


def play(played: Played, step: str) -> None:
    watch, now = played.watch, played.now
    match step:
        case "login":
            played.login()
        case "stream":
            played.stream()
        case "tick":
            played.tick()
        case "other symbol":
            played.hear(QuoteArrived(now, "unknown", 0.0, 0.0))
        case "answer":
            played.answer()
        case "beat":
            played.beat()
        case "late beat":
            played.hear(HeartbeatSent(at=now, name=WEBSOCKET, due_at=now - 1))
        case "missed":
            played.hear(HeartbeatMissed(at=now, name=WEBSOCKET, sent_at=now - 10))
        case "expired":
            played.hear(RequestExpired(at=now, request=1, intent=ASKED, sent_at=now - 10))
        case "surprise":
            played.hear(Surprise(at=now, phase=Phase.LIVE, problem="?", preview=""))
        case "lost":
            played.end("session.closed-1006")
        case "left":
            played.end(None)
        case "rejected":
            played.end("auth.refused")
        case "waiting":
            watch.waiting(now, now + 3.0, Failure(kind="tcp.refused"))
        case "stopped":
            watch.stopped(now, Failure(kind="auth.refused"))
        case "wake":
            played.wake()
        case "sleep":
            played.now += 90.0
            watch.wake(played.now, due_at=now)
        case "back" | "forward":
            watch.clock_stepped(ZERO_UTC + (7200.0 if step == "forward" else -7200.0))
        case "leave":
            watch.leave(now)
        case "attempt":
            failure = Failure(kind="tcp.refused")
            watch.attempted(
                Attempt(at_utc=ZERO_UTC + now, target="one", endpoint="eu", purpose="hold", failure=failure)
            )
        case _:
            raise AssertionError(step)


@settings(max_examples=150)
@given(st.lists(st.tuples(STEPS, st.floats(min_value=0.0, max_value=12.0)), max_size=40))
def test_whatever_is_told_in_whatever_order_every_second_is_booked_once(
    steps: list[tuple[str, float]],
) -> None:
    played = Played()
    began = played.now
    steps_forward = 0.0
    offset = ZERO_UTC
    for step, seconds in steps:
        if step in ("back", "forward"):
            new = ZERO_UTC + (7200.0 if step == "forward" else -7200.0)
            steps_forward += max(new - offset, 0.0)
            offset = new
        play(played, step)
        played.now += seconds
        played.watch.score(played.now)
    played.watch.close(played.now)
    ledger = played.watch.ledger
    assert ledger.observed + ledger.unobserved == pytest.approx(played.now - began + steps_forward)
    assert 0 <= sum(ledger.bad.values()) <= ledger.observed + 1e-6
    assert 0 <= ledger.blind <= ledger.open + 1e-6
    assert all(seconds >= 0 for seconds in ledger.bad.values())
    ended = [each for each in played.of(Incident) if each.ended_utc is not None]
    assert len({each.id for each in played.of(Incident)}) - len(ended) in (0, 1)
