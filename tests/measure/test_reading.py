from dataclasses import fields

from probe.measure.alert_rules import Readings
from probe.measure.histogram import Histogram
from probe.measure.reading import readings_of, snapshot_of
from probe.measure.records import Attempt, Cause, Metric, SessionState
from probe.measure.snapshot import Quantiles, quantiles
from probe.model.events import RequestExpired, RequestSent
from probe.model.failures import Failure
from tests.measure.watched import ASKED, HERE, SYMBOL, THERE, ZERO_UTC, Played


def read(played: Played) -> Readings:
    return readings_of(played.watch, played.now, ZERO_UTC + played.now)


def attempt(played: Played, endpoint: str = "eu", *, status: int | None = None, failed: bool = True) -> None:
    played.watch.attempted(
        Attempt(
            at_utc=ZERO_UTC + played.now,
            target="one",
            endpoint=endpoint,
            purpose="hold",
            failure=Failure(kind="tcp.refused") if failed else None,
            http_status=status,
            certificate_expires_utc=ZERO_UTC + played.now + 86_400.0 if endpoint == "eu" else None,
        )
    )


def test_before_the_start_nothing_is_measured() -> None:
    assert read(Played()) == Readings()


def test_what_was_not_measured_is_none_and_not_nought() -> None:
    played = Played()
    played.stream(20.0)
    readings = read(played)
    unknown = {each.name for each in fields(readings) if getattr(readings, each.name) is None}
    assert unknown >= {
        "rtt_p95_10m_seconds",
        "rtt_anomalous",
        "certificate_seconds_left",
        "clock_skew_seconds",
    }
    assert "error_ratio_10m" in unknown
    assert unknown >= {"loop_lag_p99_5m_seconds", "memory_mb", "uplink_down"}
    assert (readings.rtt_count_10m, readings.down_seconds, readings.stalled_seconds) == (0.0, 0.0, 0.0)
    assert (readings.auth_rejected, readings.disconnected_seconds, readings.operations_10m) == (0.0, 0.0, 0.0)


def test_seconds_down_count_from_the_disconnect_and_not_from_what_was_bad_before() -> None:
    played = Played((SYMBOL, "GBPUSD_otc"))
    played.stream(60.0)
    played.pass_time(300.0, ticking=[SYMBOL])
    assert played.state is SessionState.DEGRADED
    played.end("session.closed-1006")
    played.pass_time(30.0)
    assert (read(played).disconnected_seconds, read(played).down_seconds) == (30.0, 30.0)


def test_down_is_nothing_while_no_market_is_open_and_disconnected_is() -> None:
    played = Played(is_open=lambda symbol, utc: False)
    played.login()
    played.answer()
    played.pass_time(10.0)
    played.end("session.closed-1006")
    played.pass_time(30.0)
    assert (read(played).disconnected_seconds, read(played).down_seconds) == (30.0, 0.0)


def test_a_stall_is_no_disconnect_also_while_it_is_answered_with_a_new_connection() -> None:
    played = Played()
    played.stream(60.0)
    played.pass_time(60.0)
    played.end(None)
    played.watch.waiting(played.now, played.now + 5.0, None)
    played.pass_time(5.0)
    readings = read(played)
    assert (readings.stalled_seconds, readings.disconnected_seconds, readings.down_seconds) == (
        65.0,
        0.0,
        0.0,
    )


def test_the_age_of_a_price_is_that_of_the_oldest_of_an_open_market() -> None:
    played = Played((SYMBOL, "EURUSD"), is_open=lambda symbol, utc: symbol == SYMBOL)
    played.stream(10.0)
    played.pass_time(4.0, ticking=["EURUSD"])
    assert read(played).tick_age_seconds == 4.0


def test_attempts_are_counted_over_ten_minutes_and_refusals_over_fifteen() -> None:
    played = Played()
    played.login()
    attempt(played, status=429)
    played.pass_time(12 * 60)
    attempt(played)
    attempt(played, failed=False)
    readings = read(played)
    assert (readings.attempts_10m, readings.failures_10m, readings.refusals_15m) == (2.0, 1.0, 1.0)
    played.pass_time(3 * 60 + 1)
    assert read(played).refusals_15m == 0.0


def test_connects_are_counted_over_an_hour() -> None:
    played = Played()
    played.stream(1.0)
    played.end("session.closed-1006")
    played.stream(1.0)
    assert read(played).reconnects_1h == 2.0
    played.pass_time(3601.0, ticking=[SYMBOL])
    assert read(played).reconnects_1h == 0.0


def test_ratios_are_of_what_was_sent() -> None:
    played = Played()
    played.stream(1.0)
    for number in range(4):
        played.hear(RequestSent(at=played.now, request=number, intent=ASKED))
    played.hear(RequestExpired(at=played.now, request=1, intent=ASKED, sent_at=played.now))
    readings = read(played)
    assert (readings.error_ratio_10m, readings.operations_10m, readings.responses_10m) == (0.25, 4.0, 1.0)
    assert readings.response_mean_10m_seconds is not None


def test_bad_seconds_are_read_as_a_share_of_the_observed_ones() -> None:
    played = Played()
    played.stream(59.5)
    played.pass_time(60.0)
    played.stream(1.0)
    readings = read(played)
    assert readings.bad_ratio_5m is not None
    assert readings.observed_5m_seconds is not None
    assert readings.bad_ratio_5m * readings.observed_5m_seconds > 0
    assert readings.error_budget is not None
    assert round(readings.error_budget, 6) == 0.001


def test_a_rejected_credential_is_read_so() -> None:
    played = Played()
    played.login()
    played.end("auth.refused")
    played.watch.stopped(played.now, Failure(kind="auth.refused"))
    assert read(played).auth_rejected == 1.0


def test_the_earliest_certificate_counts() -> None:
    played = Played()
    played.login()
    attempt(played, "us", failed=False)
    assert read(played).certificate_seconds_left is None
    attempt(played, failed=False)
    assert read(played).certificate_seconds_left == 86_400.0


def test_a_snapshot_says_how_everything_stands() -> None:
    played = Played((SYMBOL, "GBPUSD_otc"))
    played.stream(60.0)
    attempt(played)
    played.beat(0.05)
    played.pass_time(10.0, ticking=[SYMBOL])
    at_utc = ZERO_UTC + played.now
    snapshot = snapshot_of(played.watch, (HERE, THERE), (), played.now, at_utc)
    assert (snapshot.target, snapshot.endpoint, snapshot.condition.state) == (
        "one",
        "eu",
        SessionState.DEGRADED,
    )
    assert [(each.endpoint, each.selected, each.failures) for each in snapshot.endpoints] == [
        ("eu", True, 1),
        ("us", False, 0),
    ]
    assert [(each.symbol, each.stalled) for each in snapshot.symbols] == [
        (SYMBOL, False),
        ("GBPUSD_otc", True),
    ]
    assert snapshot.rtt[Metric.WS_RTT].count == 1
    assert (snapshot.attempts, snapshot.failures, snapshot.reconnects, snapshot.uplink) == (
        1,
        1,
        0,
        "not measured",
    )
    assert snapshot.bad_seconds[Cause.DEGRADED] > 0
    assert snapshot.budget_left is not None
    assert snapshot.budget_left < 0


def test_quantiles_of_nothing_are_none() -> None:
    assert quantiles(Histogram.of(())) == Quantiles(count=0)
