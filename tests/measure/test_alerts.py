from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.measure.alert_rules import RULES, Comparison, Readings, Rule, Unit
from probe.measure.alerts import AlertEngine
from probe.measure.records import Alert, Severity

UTC = 1_790_000_000.0

SLOW = Rule(
    name="slow",
    severity=Severity.WARNING,
    readings=("rtt_p95_10m_seconds",),
    unit=Unit.SECONDS,
    threshold=0.5,
    clears_at=0.4,
    for_seconds=20,
    clear_seconds=10,
    says="pings take {figure} (limit {limit})",
    advise="Look.",
)


class Watched:
    """An engine that is looked at every five seconds."""

    def __init__(self, *rules: Rule, repeat_seconds: float = 3600.0) -> None:
        self.engine = AlertEngine(rules, repeat_seconds=repeat_seconds)
        self.now = 100.0

    def look(self, target: str | None = "demo", /, **readings: float | None) -> list[Alert]:
        return self.engine.evaluate(target, Readings(**readings), self.now, UTC + self.now)

    def told(self, seconds: float, target: str | None = "demo", /, **readings: float | None) -> list[str]:
        """What was told in the looks of the next seconds."""
        said = []
        for _ in range(round(seconds / 5)):
            self.now += 5
            said += [
                f"{alert.name} {'over' if alert.resolved_utc else alert.repeated}"
                for alert in self.look(target, **readings)
            ]
        return said


def test_an_alert_fires_when_its_condition_held_for_the_whole_time() -> None:
    watched = Watched(SLOW)
    assert watched.told(20, rtt_p95_10m_seconds=0.6) == []
    watched.now += 5
    assert watched.look(rtt_p95_10m_seconds=0.7) == [
        Alert(
            name="slow",
            target="demo",
            severity=Severity.WARNING,
            message="pings take 0.7 s (limit 0.5 s). Look.",
            value=0.7,
            threshold=0.5,
            fired_utc=UTC + watched.now,
        )
    ]


@pytest.mark.parametrize("gap", [0.5, None, float("nan")], ids=["not beyond", "not measured", "not a number"])
def test_one_look_without_the_condition_begins_the_wait_anew(gap: float | None) -> None:
    watched = Watched(SLOW)
    watched.told(20, rtt_p95_10m_seconds=0.6)
    assert watched.told(5, rtt_p95_10m_seconds=gap) == []
    assert watched.told(20, rtt_p95_10m_seconds=0.6) == []
    assert watched.told(5, rtt_p95_10m_seconds=0.6) == ["slow 0"]


def test_what_fires_is_told_once_and_again_at_every_repeat() -> None:
    watched = Watched(SLOW, repeat_seconds=600)
    assert watched.told(1830, rtt_p95_10m_seconds=0.6) == ["slow 0", "slow 1", "slow 2", "slow 3"]


def test_a_rule_may_have_its_own_repeat() -> None:
    watched = Watched(replace(SLOW, repeat_seconds=100.0))
    assert watched.told(130, rtt_p95_10m_seconds=0.6) == ["slow 0", "slow 1"]


def test_a_resolution_says_how_long_it_lasted() -> None:
    watched = Watched(SLOW)
    watched.told(60, rtt_p95_10m_seconds=0.6)
    assert watched.told(10, rtt_p95_10m_seconds=0.1) == []
    watched.now += 5
    (over,) = watched.look(rtt_p95_10m_seconds=0.1)
    assert (over.message, over.fired_utc, over.resolved_utc) == (
        "over after 50s: pings take 0.6 s (limit 0.5 s)",
        UTC + 125,
        UTC + 175,
    )
    assert watched.engine.active("demo") == ()


def test_between_the_two_limits_it_goes_on() -> None:
    watched = Watched(SLOW)
    assert watched.told(25, rtt_p95_10m_seconds=0.6) == ["slow 0"]
    assert watched.told(600, rtt_p95_10m_seconds=0.45) == []
    assert watched.told(15, rtt_p95_10m_seconds=0.4) == ["slow over"]
    assert watched.told(600, rtt_p95_10m_seconds=0.45) == []


def test_flapping_is_one_alert() -> None:
    watched = Watched(SLOW)
    said = watched.told(25, rtt_p95_10m_seconds=0.6)
    for _ in range(100):
        said += watched.told(10, rtt_p95_10m_seconds=0.1)
        said += watched.told(5, rtt_p95_10m_seconds=0.6)
    assert said == ["slow 0"]


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_no_data_neither_ends_an_alert_nor_repeats_it(nothing: float | None) -> None:
    watched = Watched(SLOW, repeat_seconds=60)
    watched.told(25, rtt_p95_10m_seconds=0.6)
    assert watched.told(7200, rtt_p95_10m_seconds=nothing) == []
    assert [alert.name for alert in watched.engine.active("demo")] == ["slow"]
    assert watched.told(5, rtt_p95_10m_seconds=0.6) == ["slow 1"]


def test_no_data_does_not_count_towards_the_end() -> None:
    watched = Watched(SLOW)
    watched.told(25, rtt_p95_10m_seconds=0.6)
    for _ in range(100):
        assert watched.told(10, rtt_p95_10m_seconds=0.1) == []
        assert watched.told(5, rtt_p95_10m_seconds=None) == []
    assert watched.told(15, rtt_p95_10m_seconds=0.1) == ["slow over"]


def test_a_rise_that_never_fired_ends_in_silence() -> None:
    watched = Watched(SLOW)
    watched.told(15, rtt_p95_10m_seconds=0.6)
    assert watched.told(600, rtt_p95_10m_seconds=0.1) == []


def test_targets_do_not_share_alerts_and_a_forgotten_one_starts_anew() -> None:
    watched = Watched(SLOW)
    assert watched.told(25, rtt_p95_10m_seconds=0.6) == ["slow 0"]
    assert watched.told(25, "other", rtt_p95_10m_seconds=0.6) == ["slow 0"]
    watched.engine.forget("demo")
    assert watched.engine.active("demo") == ()
    assert [alert.target for alert in watched.engine.active("other")] == ["other"]
    assert watched.told(25, rtt_p95_10m_seconds=0.6) == ["slow 0"]


def test_too_few_samples_are_no_measurement() -> None:
    watched = Watched(replace(SLOW, samples=("rtt_count_10m", 10.0)))
    assert watched.told(600, rtt_p95_10m_seconds=9.0, rtt_count_10m=9) == []
    assert watched.told(600, rtt_p95_10m_seconds=9.0) == []
    assert watched.told(25, rtt_p95_10m_seconds=9.0, rtt_count_10m=10) == ["slow 0"]
    assert watched.told(600, rtt_p95_10m_seconds=0.1, rtt_count_10m=9) == []


def test_every_reading_of_a_rule_must_be_beyond_its_limit() -> None:
    both = replace(SLOW, readings=("response_mean_10m_seconds", "response_median_10m_seconds"), for_seconds=0)
    watched = Watched(both)
    assert watched.told(60, response_mean_10m_seconds=9, response_median_10m_seconds=0.1) == []
    assert watched.told(60, response_mean_10m_seconds=9) == []
    assert watched.told(5, response_mean_10m_seconds=9, response_median_10m_seconds=8) == ["slow 0"]
    # One that is measured clear is enough for "not all of them".
    assert watched.told(15, response_median_10m_seconds=0.1) == ["slow over"]


@pytest.mark.parametrize(
    ("comparison", "beyond", "on_it"),
    [
        (Comparison.ABOVE, 0.51, 0.5),
        (Comparison.AT_LEAST, 0.5, 0.49),
        (Comparison.BELOW, 0.49, 0.5),
        (Comparison.OUTSIDE, -0.51, -0.5),
    ],
)
def test_each_comparison_knows_its_edge(comparison: Comparison, beyond: float, on_it: float) -> None:
    rule = replace(SLOW, comparison=comparison)
    assert rule.holds(Readings(rtt_p95_10m_seconds=beyond)) is True
    assert rule.holds(Readings(rtt_p95_10m_seconds=on_it)) is False
    assert rule.holds(Readings()) is None


def test_a_limit_in_multiples_of_a_reading_that_is_not_measured_is_not_measured() -> None:
    rule = replace(SLOW, times="error_budget")
    assert rule.holds(Readings(rtt_p95_10m_seconds=1.0)) is None
    assert rule.holds(Readings(rtt_p95_10m_seconds=1.0, error_budget=3.0)) is False
    assert rule.holds(Readings(rtt_p95_10m_seconds=1.6, error_budget=3.0)) is True


def test_a_rule_cannot_read_what_nobody_measures() -> None:
    with pytest.raises(ValueError, match="slow: no such reading: \\['rtt'\\]"):
        replace(SLOW, readings=("rtt",))


# -- one explains the other --------------------------------------------------------------------------------------------

CAUSE = replace(
    SLOW,
    name="cause",
    readings=("down_seconds",),
    threshold=0.0,
    clears_at=None,
    for_seconds=0.0,
    silences=frozenset({"slow"}),
)


def test_an_explained_alert_is_not_told_and_nor_is_its_end() -> None:
    watched = Watched(SLOW, CAUSE)
    assert watched.told(7200, rtt_p95_10m_seconds=0.6, down_seconds=1) == ["cause 0", "cause 1"]
    assert [alert.name for alert in watched.engine.active("demo")] == ["cause"]
    assert watched.told(15, rtt_p95_10m_seconds=0.1, down_seconds=0) == ["cause over"]


def test_what_does_not_fire_yet_explains_nothing() -> None:
    watched = Watched(SLOW, replace(CAUSE, for_seconds=60.0))
    said = watched.told(65, rtt_p95_10m_seconds=0.6, down_seconds=1)
    assert said == ["slow 0", "cause 0"]


def test_an_explained_alert_is_told_when_it_outlives_its_cause() -> None:
    watched = Watched(SLOW, CAUSE)
    watched.told(60, rtt_p95_10m_seconds=0.6, down_seconds=1)
    assert watched.told(15, rtt_p95_10m_seconds=0.6, down_seconds=0) == ["cause over", "slow 0"]


def test_an_explained_alert_that_is_about_to_end_is_not_told_after_its_cause() -> None:
    watched = Watched(replace(SLOW, clear_seconds=60.0), CAUSE)
    watched.told(60, rtt_p95_10m_seconds=0.6, down_seconds=1)
    assert watched.told(120, rtt_p95_10m_seconds=0.1, down_seconds=0) == ["cause over"]


def test_the_end_of_what_was_told_is_told_also_when_it_is_explained_by_then() -> None:
    watched = Watched(SLOW, CAUSE)
    assert watched.told(25, rtt_p95_10m_seconds=0.6, down_seconds=0) == ["slow 0"]
    assert watched.told(5, rtt_p95_10m_seconds=0.6, down_seconds=1) == ["cause 0"]
    assert watched.told(15, rtt_p95_10m_seconds=0.1, down_seconds=1) == ["slow over"]


def test_a_target_does_not_explain_another_and_the_monitor_explains_all() -> None:
    ours = replace(CAUSE, name="ours", readings=("uplink_down",), unit=Unit.FLAG, of_monitor=True)
    watched = Watched(SLOW, CAUSE, ours)
    assert watched.told(5, "other", down_seconds=1) == ["cause 0"]
    assert watched.told(25, rtt_p95_10m_seconds=0.6) == ["slow 0"]
    (told,) = watched.look(None, uplink_down=1)
    assert (told.target, told.value, told.threshold) == (None, None, None)
    assert watched.told(60, "third", rtt_p95_10m_seconds=0.6) == []
    assert watched.told(60, "third", rtt_p95_10m_seconds=0.6, down_seconds=1) == ["cause 0"]


# -- the rules as they are ---------------------------------------------------------------------------------------------

NAMES = tuple(each.name for each in fields(Readings))
NOTHING: dict[str, float | None] = dict.fromkeys(NAMES, 0.0)
HEALTHY = NOTHING | {
    "error_budget": 0.01,
    "observed_5m_seconds": 300,
    "observed_30m_seconds": 1800,
    "observed_2h_seconds": 7200,
    "observed_6h_seconds": 21600,
    "attempts_10m": 4,
    "rtt_p95_10m_seconds": 0.1,
    "rtt_count_10m": 30,
    "certificate_seconds_left": 60 * 86400.0,
    "messages_10m": 2000,
    "operations_10m": 20,
    "responses_10m": 20,
    "memory_mb": 80,
}
BURNT = {f"bad_ratio_{window}": 0.5 for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")}


def first_told(seconds: float, target: str | None = "demo", /, **readings: float | None) -> list[str]:
    watched = Watched(*RULES, repeat_seconds=1e9)
    # Each told once.
    return list(
        dict.fromkeys(each.split()[0] for each in watched.told(seconds, target, **HEALTHY | readings))
    )


@pytest.mark.parametrize("target", ["demo", None])
def test_healthy_readings_raise_nothing_in_a_day(target: str | None) -> None:
    assert first_told(86400, target) == []


@pytest.mark.parametrize("target", ["demo", None])
def test_nothing_measured_raises_nothing(target: str | None) -> None:
    assert Watched(*RULES).told(7200, target) == []


@pytest.mark.parametrize(
    ("readings", "expected", "after"),
    [
        (BURNT, ["error_budget_burn_1h"], 0),
        (BURNT | {"bad_ratio_5m": 0.0}, ["error_budget_burn_6h"], 0),
        (BURNT | {"bad_ratio_5m": 0.0, "bad_ratio_30m": 0.0}, ["error_budget_burn_1d"], 0),
        ({"bad_ratio_3d": 0.02, "bad_ratio_6h": 0.02}, ["error_budget_burn_3d"], 0),
        (BURNT | {"observed_5m_seconds": 60}, ["error_budget_burn_6h"], 0),
        ({"down_seconds": 1}, ["session_down"], 120),
        ({"disconnected_seconds": 1}, ["connection_lost"], 60),
        ({"auth_rejected": 1, "down_seconds": 900, **BURNT}, ["auth_rejected"], 0),
        ({"stalled_seconds": 1, "tick_age_seconds": 90}, ["stream_stalled"], 60),
        ({"tick_age_seconds": 61}, ["tick_stale"], 60),
        ({"reconnects_1h": 21}, ["reconnect_storm"], 0),
        ({"failures_10m": 4, "refusals_15m": 4}, ["all_endpoints_failing"], 0),
        ({"failures_10m": 3, "refusals_15m": 3}, ["upgrade_blocked"], 0),
        ({"failures_10m": 2, "attempts_10m": 2}, [], 0),
        ({"rtt_p95_10m_seconds": 0.51}, ["rtt_high"], 600),
        ({"rtt_anomalous": 1}, ["rtt_anomalous"], 900),
        ({"certificate_seconds_left": 13.9 * 86400}, ["certificate_expiring"], 3600),
        ({"certificate_seconds_left": -5}, ["certificate_expiring"], 3600),
        ({"clock_skew_seconds": -2.1}, ["clock_skewed"], 600),
        ({"surprise_ratio_10m": 0.011}, ["protocol_changed"], 600),
        ({"error_ratio_10m": 0.11}, ["high_error_rate"], 0),
        ({"response_mean_10m_seconds": 6, "response_median_10m_seconds": 6}, ["slow_response"], 0),
        ({"response_mean_10m_seconds": 6, "response_median_10m_seconds": 1}, [], 0),
    ],
)
def test_each_rule_of_a_target_fires_when_it_should(
    readings: dict[str, float | None], expected: list[str], after: float
) -> None:
    assert first_told(after, **readings) == []
    assert first_told(after + 5, **readings) == expected


@pytest.mark.parametrize(
    ("readings", "expected", "after"),
    [
        ({"loop_lag_p99_5m_seconds": 0.11}, ["monitor_overloaded"], 300),
        ({"memory_mb": 501}, ["high_memory"], 0),
        ({"uplink_down": 1, "notifications_failed_15m": 3}, ["uplink_down"], 30),
        ({"notifications_failed_15m": 1}, ["notifications_failing"], 900),
        ({"store_failing": 1}, ["store_failing"], 60),
    ],
)
def test_each_rule_of_the_monitor_fires_when_it_should(
    readings: dict[str, float | None], expected: list[str], after: float
) -> None:
    assert first_told(after, None, **readings) == []
    assert first_told(after + 5, None, **readings) == expected


def test_while_our_own_line_is_down_no_broker_is_blamed() -> None:
    watched, said = Watched(*RULES, repeat_seconds=1e9), []
    for _ in range(200):
        said += watched.look(None, uplink_down=1)
        said += watched.look(**HEALTHY | {"down_seconds": 1, "disconnected_seconds": 1, "failures_10m": 0})
        watched.now += 5
    assert [alert.name for alert in said] == ["uplink_down"]
    for _ in range(80):
        said += watched.look(None, uplink_down=0)
        said += watched.look(**HEALTHY | {"down_seconds": 1, "disconnected_seconds": 1})
        watched.now += 5
    assert [alert.name for alert in said] == ["uplink_down", "uplink_down", "session_down"]


@pytest.mark.parametrize("target", [None, "demo"])
def test_a_session_that_comes_back_after_its_cause_is_not_told_to_be_down(target: str | None) -> None:
    watched, said = Watched(*RULES, repeat_seconds=1e9), []
    cause = "uplink_down" if target is None else "auth_rejected"
    for is_so, looks, down_seconds in ((1, 200, 900.0), (0, 24, 1000.0), (0, 80, 0.0)):
        for _ in range(looks):
            said += watched.look(None, **{cause: is_so} if target is None else {"uplink_down": 0})
            own = {} if target is None else {cause: is_so}
            said += watched.look(**HEALTHY | own | {"down_seconds": down_seconds})
            watched.now += 5
    assert [alert.name for alert in said] == [cause, cause]


values = st.none() | st.sampled_from([0.0, 1.0, 50.0, 1e6, float("nan")])


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), values), max_size=60))
def test_whatever_is_read_each_end_follows_a_beginning(looks: list[dict[str, float | None]]) -> None:
    watched, open_ones = Watched(*RULES, repeat_seconds=300), set[tuple[str | None, str]]()
    for readings in looks:
        for target in (None, "demo"):
            for alert in watched.look(target, **HEALTHY | readings):
                key = (target, alert.name)
                assert (key in open_ones) == (alert.resolved_utc is not None or alert.repeated > 0)
                open_ones ^= {key} if alert.repeated == 0 or alert.resolved_utc is not None else set()
            assert {(target, each.name) for each in watched.engine.active(target)} == {
                key for key in open_ones if key[0] == target
            }
        watched.now += 60
