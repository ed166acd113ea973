"""For every alert: when it fires and when it does not, told as an exporter would show it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tests.grafana.world import HOUR, MINUTE, World

DAY = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`fires`: whether it does at these minutes. `ends`: the minute in which the target is taken away."""

    alert: str
    says: str
    fires: Mapping[float, bool]
    tell: Callable[[World], None]
    window: str | None = None
    step: int = 30
    ends: float | None = None
    instance: str | None = "m"  # that the alert names

    @property
    def name(self) -> str:
        return f"{self.alert}{self.window or ''}-{self.says.replace(' ', '-')}"

    def world(self) -> World:
        world = World(minutes=max(self.fires), step=self.step)
        self.tell(world)
        if self.ends is not None:
            world.end(int(self.ends * MINUTE))
        return world


STORIES: list[Story] = []


def story(
    alert: str,
    fires: Mapping[float, bool],
    *,
    window: str | None = None,
    step: int = 30,
    instance: str | None = "m",
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """The function's name says what happens."""

    def keep(tell: Callable[[World], None]) -> Callable[[World], None]:
        says = tell.__name__.strip("_").replace("_", " ")
        STORIES.append(
            Story(alert=alert, says=says, fires=fires, tell=tell, window=window, step=step, instance=instance)
        )
        return tell

    return keep


def _budget(world: World, bad_until: float, share: float) -> None:
    world.of_target("slo_objective_ratio", 0.99)
    world.of_target("session_observed_seconds_total", float)
    for cause in ("disconnected", "stalled"):
        world.of_target("session_bad_seconds_total", lambda at: min(at, bad_until) * share / 2, cause=cause)


# window: too early, enough, bad until, over (in minutes); scrapes that far apart in seconds
BURNS = {
    "1h": (2, 20, 30, 40, 30),
    "6h": (12, 30, 60, 96, 120),
    "1d": (50, 90, 300, 430, 600),
    "3d": (150, 240, 600, 970, 600),
}
for _window, (_early, _enough, _until, _over, _step) in BURNS.items():

    @story(
        "TradeprobeErrorBudgetBurn",
        {_early: False, _enough: True, _over: False},
        window=_window,
        step=_step,
    )
    def half_of_all_seconds_are_bad_for_a_while(world: World, until: int = _until) -> None:
        _budget(world, until * MINUTE, 0.5)

    @story("TradeprobeErrorBudgetBurn", {_enough: False, _until: False}, window=_window, step=_step)
    def as_much_is_bad_as_may_be(world: World) -> None:
        _budget(world, DAY, 0.009)


def _session(world: World, state: str, *, is_open: bool = True, since: int = 120, until: int = 360) -> None:
    world.state(lambda at: state if since <= at < until else "streaming")
    world.of_target("market_open", float(is_open))


@story("TradeprobeSessionDown", {1: False, 3: False, 5: True, 6: True, 9: False})
def waits_and_comes_back(world: World) -> None:
    _session(world, "backoff")


@story("TradeprobeSessionDown", {5: False, 6: False})
def market_is_closed(world: World) -> None:
    _session(world, "backoff", is_open=False)


@story("TradeprobeSessionDown", {5: False})
def stalled_is_another_alert(world: World) -> None:
    _session(world, "stalled")


@story("TradeprobeConnectionLost", {1: False, 2.5: False, 4: True, 9: False})
def lost_although_the_market_is_closed(world: World) -> None:
    _session(world, "connecting", is_open=False)


@story("TradeprobeAuthRejected", {1: False, 2: True, 9.5: True, 10.5: False})
def rejected_at_once_and_given_anew(world: World) -> None:
    _session(world, "auth_rejected")


@story("TradeprobeStreamStalled", {2.5: False, 4: True, 9: False})
def stalls_and_flows_again(world: World) -> None:
    _session(world, "stalled")


def _prices(world: World, *, silent_is_open: bool = True, state: str = "streaming") -> None:
    world.state(lambda at: state)
    world.of_target("market_open", 1.0)
    for symbol, until, is_open in (("EURUSD", 120, silent_is_open), ("GBPUSD", DAY, True)):
        world.of_target("symbol_open", float(is_open), symbol=symbol)
        world.of_target("last_tick_timestamp_seconds", lambda at, u=until: float(min(at, u)), symbol=symbol)  # type: ignore[misc]


@story("TradeprobeTickStale", {2: False, 3.5: False, 5: True, 20: True})
def one_symbol_of_two_is_silent(world: World) -> None:
    _prices(world)


@story("TradeprobeTickStale", {5: False, 20: False})
def its_own_market_is_closed(world: World) -> None:
    _prices(world, silent_is_open=False)


@story("TradeprobeTickStale", {5: False, 20: False})
def there_is_no_session(world: World) -> None:
    _prices(world, state="backoff")


def _reconnects(world: World, count: int) -> None:
    world.of_target("reconnects_total", lambda at: float(min(count, at // 120)), trigger="remote_close")
    world.of_target("reconnects_total", 0.0, trigger="stall")


@story("TradeprobeReconnectStorm", {30: False, 50: True, 59: True, 120: False})
def twenty_one_in_an_hour(world: World) -> None:
    _reconnects(world, 21)


@story("TradeprobeReconnectStorm", {50: False, 59: False})
def twenty_in_an_hour(world: World) -> None:
    _reconnects(world, 20)


def _attempts(world: World, endpoint: str, tries: int, failing: int) -> None:
    """One a minute from the third on, of which the first fail; the failures' series begins with the first of them."""

    def tried(at: int) -> int:
        return max(0, min(tries, at // 60 - 2))

    world.of_target("connect_attempts_total", lambda at: float(tried(at)), endpoint=endpoint)
    world.of_target(
        "connect_successes_total", lambda at: float(max(0, tried(at) - failing)), endpoint=endpoint
    )
    if failing:
        world.of_target(
            "connect_failures_total",
            lambda at: float(min(failing, at // 60 - 2)) if at >= 180 else None,
            endpoint=endpoint,
            phase="securing",
            reason="timeout",
        )


@story("TradeprobeAllEndpointsFailing", {3: False, 6: True, 10: True, 14: False})
def every_attempt_fails_at_both_until_the_ninth(world: World) -> None:
    _attempts(world, "eu", 30, 8)
    _attempts(world, "us", 2, 2)


@story("TradeprobeAllEndpointsFailing", {6: False, 11: False})
def one_endpoint_of_two_fails(world: World) -> None:
    _attempts(world, "eu", 8, 8)
    _attempts(world, "us", 1, 0)


@story("TradeprobeAllEndpointsFailing", {6: False, 11: False})
def two_attempts_are_too_few(world: World) -> None:
    _attempts(world, "eu", 2, 2)


def _refusals(world: World, code: str, count: int) -> None:
    world.of_target("connect_attempts_total", float, endpoint="eu")
    world.of_target("upgrade_responses_total", float, endpoint="eu", code="101")
    world.of_target(
        "upgrade_responses_total",
        lambda at: float(min(count, at // 60 - 2)) if at >= 180 else None,
        endpoint="eu",
        code=code,
    )


@story("TradeprobeUpgradeBlocked", {4: False, 6: True, 15: True, 25: False})
def three_times_forbidden(world: World) -> None:
    _refusals(world, "403", 3)


@story("TradeprobeUpgradeBlocked", {6: False, 15: False})
def two_times_forbidden(world: World) -> None:
    _refusals(world, "403", 2)


@story("TradeprobeUpgradeBlocked", {6: False, 15: False})
def an_answer_that_is_no_refusal(world: World) -> None:
    _refusals(world, "502", 9)


@story("TradeprobeRttHigh", {9: False, 15: True})
def one_ping_in_ten_is_slow(world: World) -> None:
    world.observe("ws_ping_rtt_seconds", lambda at: [0.05] * 9 + [0.6], target="a", endpoint="eu")


@story("TradeprobeRttHigh", {15: True})
def every_question_is_slow(world: World) -> None:
    world.observe("poll_rtt_seconds", lambda at: [0.7], target="a", endpoint="eu")


@story("TradeprobeRttHigh", {15: False, 25: False})
def all_are_just_fast_enough(world: World) -> None:
    world.observe("ws_ping_rtt_seconds", lambda at: [0.45, 0.49], target="a", endpoint="eu")


@story("TradeprobeRttHigh", {15: False, 25: False})
def nine_slow_pings_in_ten_minutes(world: World) -> None:
    world.observe("ws_ping_rtt_seconds", lambda at: [0.9] if at % 90 == 0 else [], target="a", endpoint="eu")


def _rhythm(world: World, usual: tuple[float, ...], then: tuple[float, ...], after: int) -> None:
    """One of `usual` for six minutes after another: longer than the window of a median."""
    world.observe(
        "ws_ping_rtt_seconds",
        lambda at: then if at > after * MINUTE else [usual[at // 360 % len(usual)]] * 5,
        target="a",
        endpoint="eu",
    )


@story("TradeprobeRttAnomalous", {31: False, 42: False, 56: True})
def far_slower_than_usual(world: World) -> None:
    _rhythm(world, (0.15,), (0.9,) * 5, 32)


@story("TradeprobeRttAnomalous", {54: False})
def slower_and_not_twice_as_slow(world: World) -> None:
    _rhythm(world, (0.15,), (0.15, 0.15, 0.25, 0.25, 0.25), 32)


@story("TradeprobeRttAnomalous", {58: False})
def such_slowness_is_usual(world: World) -> None:
    _rhythm(world, (0.02, 0.15, 0.4), (0.85,) * 5, 36)


@story("TradeprobeRttAnomalous", {38: False})
def too_little_is_known(world: World) -> None:
    _rhythm(world, (0.15,), (0.9,) * 5, 20)


def _certificates(world: World, days: int) -> None:
    for endpoint, left in (("eu", days), ("us", 90)):
        world.of_target("tls_cert_not_after_timestamp_seconds", float(left * DAY), endpoint=endpoint)


@story("TradeprobeCertificateExpiring", {50: False, 70: True})
def one_of_two_ends_in_ten_days(world: World) -> None:
    _certificates(world, 10)


@story("TradeprobeCertificateExpiring", {70: False})
def both_last_longer(world: World) -> None:
    _certificates(world, 15)


@story("TradeprobeClockSkewed", {9: False, 12: True})
def the_brokers_clock_is_behind(world: World) -> None:
    world.of_target("clock_offset_seconds", -3.0)


@story("TradeprobeClockSkewed", {12: False, 20: False})
def clocks_differ_a_little(world: World) -> None:
    world.of_target("clock_offset_seconds", 1.9)


def _messages(world: World, per_step: int, share: float) -> None:
    world.of_target("messages_received_total", lambda at: float(at // 30 * per_step))
    world.of_target("messages_not_understood_total", lambda at: at // 30 * per_step * share)


@story("TradeprobeProtocolChanged", {9: False, 25: True})
def one_message_in_fifty_is_unknown(world: World) -> None:
    _messages(world, 10, 0.02)


@story("TradeprobeProtocolChanged", {25: False, 40: False})
def one_message_in_two_hundred_is_unknown(world: World) -> None:
    _messages(world, 10, 0.005)


@story("TradeprobeProtocolChanged", {25: False, 40: False})
def too_few_messages(world: World) -> None:
    _messages(world, 2, 0.5)


def _requests(world: World, seconds: int, share: float) -> None:
    world.of_target("requests_total", lambda at: float(at // seconds))
    world.of_target("requests_expired_total", lambda at: at // seconds * share)


@story("TradeprobeHighErrorRate", {2: False, 11: True})
def one_answer_in_five_is_missing(world: World) -> None:
    _requests(world, 30, 0.2)


@story("TradeprobeHighErrorRate", {11: False})
def one_answer_in_twenty_is_missing(world: World) -> None:
    _requests(world, 30, 0.05)


@story("TradeprobeHighErrorRate", {11: False, 20: False})
def too_few_questions(world: World) -> None:
    _requests(world, 120, 0.5)


@story("TradeprobeSlowResponse", {1: False, 5: True})
def every_answer_takes_six_seconds(world: World) -> None:
    world.observe("app_rtt_seconds", lambda at: [6.0], target="a", endpoint="eu")


@story("TradeprobeSlowResponse", {5: False, 9: False})
def one_answer_takes_for_ever(world: World) -> None:
    world.observe("app_rtt_seconds", lambda at: [60.0] if at == 60 else [3.0], target="a", endpoint="eu")


@story("TradeprobeSlowResponse", {9: False})
def four_slow_answers_are_too_few(world: World) -> None:
    world.observe("app_rtt_seconds", lambda at: [6.0] if at % 120 == 0 else [], target="a", endpoint="eu")


@story("TradeprobeUplinkDown", {1: False, 2: False, 3: True, 9: True, 10: False})
def the_line_fails_and_comes_back(world: World) -> None:
    world.put("tradeprobe_uplink_up", lambda at: float(not 120 <= at < 210))


@story("TradeprobeMonitorOverloaded", {4: False, 7: True})
def the_loop_is_late(world: World) -> None:
    world.observe("event_loop_lag_seconds", lambda at: [0.01] * 9 + [0.2])


@story("TradeprobeMonitorOverloaded", {7: False})
def the_loop_is_a_little_late(world: World) -> None:
    world.observe("event_loop_lag_seconds", lambda at: [0.06, 0.09])


@story("TradeprobeHighMemory", {1: False, 3: True, 7: False})
def much_memory(world: World) -> None:
    world.put("process_resident_memory_bytes", lambda at: 600e6 if 120 <= at < 240 else 90e6)
    world.put("tradeprobe_build_info", 1.0, version="0", python_version="3")


@story("TradeprobeHighMemory", {3: False})
def much_memory_of_another_program(world: World) -> None:
    world.put("process_resident_memory_bytes", 600e6)


@story("TradeprobeNotificationsFailing", {5: False, 14: False, 25: True})
def one_fails_every_five_minutes(world: World) -> None:
    world.put("tradeprobe_notifications_failed_total", lambda at: float(at // 300), channel="phone")
    world.put("tradeprobe_notifications_failed_total", 0.0, channel="ops")


@story("TradeprobeNotificationsFailing", {14: False, 25: False})
def one_failed_once(world: World) -> None:
    world.put("tradeprobe_notifications_failed_total", lambda at: float(at >= 120), channel="phone")


@story("TradeprobeStoreFailing", {2.5: False, 4: True, 9: False})
def the_disk_is_full_for_a_while(world: World) -> None:
    world.put("tradeprobe_store_failing", lambda at: float(120 <= at < 360))


@story("TradeprobeExporterDown", {1: False, 4: True, 10: False})
def the_exporter_is_gone_for_a_while(world: World) -> None:
    world.put("up", lambda at: float(not 60 <= at < 420))


@story("TradeprobeExporterDown", {4: False})
def another_exporter_is_gone(world: World) -> None:
    world.put("up", 0.0, job="node")


@story("TradeprobeMetricsAbsent", {9: False, 12: True})
def nothing_is_watched(world: World) -> None:
    world.put("up", 1.0)


@story("TradeprobeMetricsAbsent", {12: False})
def something_is_watched(world: World) -> None:
    world.put("up", 1.0)
    world.of_target("session_observed_seconds_total", float)


@story("TradeprobeConfigReloadFailed", {2: False, 7: True, 12: False})
def a_mistake_and_its_repair(world: World) -> None:
    world.put("tradeprobe_config_last_reload_successful", lambda at: float(not 60 <= at < 600))


@story("TradeprobeSeriesRefused", {1: False, 9: True})
def series_are_refused(world: World) -> None:
    world.put("tradeprobe_series_refused_total", lambda at: float(max(0, at - 60)))
    world.put("tradeprobe_targets_refused", 0.0)


@story("TradeprobeSeriesRefused", {9: True})
def targets_are_refused(world: World) -> None:
    world.put("tradeprobe_series_refused_total", 0.0)
    world.put("tradeprobe_targets_refused", 3.0)


@story("TradeprobeSeriesRefused", {9: False})
def nothing_is_refused(world: World) -> None:
    world.put("tradeprobe_series_refused_total", 0.0)
    world.put("tradeprobe_targets_refused", 0.0)


@story("TradeprobeMetricsAbsent", {9: False, 12: True}, instance=None)
def nothing_is_scraped(world: World) -> None:
    world.put("up", 1.0, job="node")


@story("TradeprobeWatchdog", {0: True, 5: True}, instance=None)
def always(world: World) -> None:
    world.put("up", 0.0)


@story("TradeprobeMetricsAbsent", {9: False, 12: True})
def one_exporter_of_two_watches_nothing(world: World) -> None:
    world.put("up", 1.0)
    world.put("up", 1.0, instance="n")
    world.of_target("session_observed_seconds_total", float, instance="n")


@story("TradeprobeMetricsAbsent", {12: False})
def an_exporter_that_is_down_has_another_alert(world: World) -> None:
    world.put("up", 0.0)


def _taken_away(story: Story, minutes_kept: float) -> Story:
    """As soon as it fires."""
    last = min(minute for minute, fires in story.fires.items() if fires)
    over = last + minutes_kept + 4
    return replace(
        story,
        says=f"{story.says} and is taken away",
        fires={last - story.step / 60: True, over: False},
        ends=last,
    )


# Of those that look back over a window, and so at what is no more.
TAKEN_AWAY = {
    "TradeprobeReconnectStorm": 1.0,
    "TradeprobeAllEndpointsFailing": 1.5,
    "TradeprobeUpgradeBlocked": 1.0,
    "TradeprobeRttHigh": 5.5,
    "TradeprobeRttAnomalous": 5.0,
    "TradeprobeProtocolChanged": 1.0,
    "TradeprobeHighErrorRate": 1.0,
    "TradeprobeSlowResponse": 1.0,
}
STORIES += [
    _taken_away(next(each for each in STORIES if each.alert == name and True in each.fires.values()), kept)
    for name, kept in TAKEN_AWAY.items()
]
