import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grafana.rules import files
from grafana.rules.alerting import ALERTS, Alert
from grafana.rules.files import ALERTS_FILE, PROMETHEUS_FILE, RECORDING_FILE
from tests.grafana.calm import calm
from tests.grafana.promtool import ALERTS as MADE_ALERTS
from tests.grafana.promtool import RECORDINGS, Made, bare, needed, prove, run, told
from tests.grafana.stories import STORIES
from tests.grafana.world import World


@pytest.fixture
def made(tmp_path: Path) -> Path:
    for name, text in files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_promtool_finds_nothing_wrong_with_the_rules(made: Path) -> None:
    done = run(
        "promtool", "check", "rules", "--lint=all", "--lint-fatal", RECORDING_FILE, ALERTS_FILE, cwd=made
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_promtool_finds_nothing_wrong_with_the_configuration(made: Path) -> None:
    done = run("promtool", "check", "config", PROMETHEUS_FILE, cwd=made)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    tests = {name: (bare(needed(found[0].alert), found[0].window), found) for name, found in told().items()}
    passed, said = prove(tmp_path, tests)
    assert set(tests) - passed == set(), said


def _without(rules: list[Made], gate: str) -> list[Made]:
    """Every rule without it."""
    return [rule | {"expr": rule["expr"].replace(gate, "")} for rule in rules]


def _gated() -> Iterator[tuple[str, Alert, str]]:
    for alert in ALERTS:
        for number, gate in enumerate(alert.gates):
            yield f"{alert.name}{alert.window or ''}.{number}", alert, gate


def test_no_alert_can_lose_a_gate_unnoticed(tmp_path: Path) -> None:
    stories, tests = told(), {}
    for name, alert, gate in _gated():
        rules = bare(needed(alert.name), alert.window)
        mutated = _without(rules, gate)
        assert mutated != rules, f"{name}: {gate!r} is in no expression"
        held_back = [
            each for each in stories[f"{alert.name}{alert.window or ''}"] if not each.fires[max(each.fires)]
        ]
        tests[name] = mutated, held_back
    passed, _ = prove(tmp_path, tests)
    assert {name: gate for name, _, gate in _gated() if name in passed} == {}


def test_what_is_told_has_the_figure_in_words(tmp_path: Path) -> None:
    """Annotations as Prometheus writes them, of one alert whose value is a time."""
    story = next(each for each in STORIES if each.says == "one symbol of two is silent")
    replied = prove(tmp_path, {"told": (needed(story.alert), [replace(story, fires={5: True})])})[1]
    assert "The oldest price of an open market is 3m 0s old (limit 1m). See which symbol it is;" in replied
    assert "a: tick stale" in replied


def _well_known(world: World) -> None:
    """Ten minutes, of which six seconds were bad and a minute was not watched; one end, and answers of which half are slow."""
    world.of_target("slo_objective_ratio", 0.98)
    world.of_target("session_observed_seconds_total", lambda at: at * 0.9)
    world.of_target("session_unobserved_seconds_total", lambda at: at * 0.1)
    world.of_target("session_bad_seconds_total", lambda at: at * 0.009, cause="stalled")
    world.of_target("connect_attempts_total", lambda at: float(at // 60), endpoint="eu")
    world.of_target("connect_successes_total", lambda at: float(at // 60 - at // 120), endpoint="eu")
    failed = {"endpoint": "eu", "phase": "connecting", "reason": "refused"}
    world.of_target("connect_failures_total", lambda at: float(at // 120) if at >= 120 else None, **failed)
    ended = {"endpoint": "eu", "initiator": "remote", "close_code": "1006"}
    world.of_target("disconnects_total", lambda at: 1.0 if at >= 300 else None, **ended)
    for part, value in (("sum", 0.25), ("count", 1.0)):
        name = f"connect_phase_duration_seconds_{part}"
        world.of_target(name, lambda at, v=value: at // 60 * v, endpoint="eu", phase="connecting")  # type: ignore[misc]
    world.observe("app_rtt_seconds", lambda at: [0.15, 0.3], target="a", endpoint="eu")


FIGURES = {
    "target:tradeprobe_error_budget_remaining:ratio": 0.5,
    "target:tradeprobe_session_unobserved_seconds_per_meant_seconds:ratio_rate1h": 0.1,
    "target:tradeprobe_connect_failures_per_attempts:ratio_rate1h": 0.5,
    "target:tradeprobe_disconnects:increase1h": 1,
    "target:tradeprobe_app_rtt_slow_per_all:ratio_rate5m": 0.5,
    "target_endpoint:tradeprobe_app_rtt_seconds:p50_rate5m": 0.2,
    "target_endpoint_phase:tradeprobe_connect_phase_duration_seconds:mean_rate1h": 0.25,
}


def test_a_recording_is_the_figure_that_its_name_says(tmp_path: Path) -> None:
    world = World(minutes=10, step=30)
    _well_known(world)
    asked = [
        {"expr": f"max(round({name}, 0.001))", "eval_time": "10m", "exp_samples": [{"value": figure}]}
        for name, figure in FIGURES.items()
    ]
    told = {"interval": "30s", "input_series": world.written(), "promql_expr_test": asked}
    rules = {"groups": [{"name": "tested", "rules": list(RECORDINGS.values())}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    (tmp_path / "test.yml").write_text(
        json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": [told]})
    )
    done = run("promtool", "test", "rules", "test.yml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


CALM: dict[str, World] = {
    "scraped every 15 s by two exporters": calm(step=15, instances=("m", "n")),
    "scraped every minute, asked, without TLS, store and uplink, and taken away": calm(
        step=60,
        without=(
            "ws_ping_rtt_seconds",
            "tls_cert_not_after_timestamp_seconds",
            "tls",
            "store_failing",
            "uplink_up",
        ),
        ends=35 * 60,
    ),
    "that is only listened to, with a clock that nobody knows": calm(
        step=30, without=("ws_ping_rtt_seconds", "poll_rtt_seconds", "requests", "clock_offset_seconds")
    ),
}


@pytest.mark.parametrize("name", CALM)
def test_of_a_calm_target_nothing_is_told_before_during_and_after_a_restart(
    tmp_path: Path, name: str
) -> None:
    """The exporter is away for a minute, and all of its counters begin anew."""
    assert _told_of(CALM[name], tmp_path) == set()


def _told_of(world: World, folder: Path) -> set[str]:
    """The alerts that fire at any time."""
    asked = {
        "interval": f"{world.step}s",
        "input_series": world.written(),
        "alert_rule_test": [
            {"eval_time": f"{minutes}m", "alertname": alert["alert"], "exp_alerts": []}
            for minutes in MOMENTS
            for alert in MADE_ALERTS
        ],
    }
    rules = [*RECORDINGS.values(), *MADE_ALERTS]
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "tested", "rules": rules}]}))
    told = {"rule_files": ["rules.yml"], "evaluation_interval": f"{max(30, world.step)}s", "tests": [asked]}
    (folder / "test.yml").write_text(json.dumps(told))
    done = run("promtool", "test", "rules", "test.yml", cwd=folder)
    return set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr)) - {"TradeprobeWatchdog"}


MOMENTS = (1, 5, 15, 19, 20, 21, 23, 31, 36, 40)
