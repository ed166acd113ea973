import json
import re
from pathlib import Path

import pytest
import yaml

from grafana.rules import files, recording
from grafana.rules.alerting import ALERTS, OF_ENGINE, alert_name
from grafana.rules.files import ALERTS_FILE, RECORDING_FILE
from probe.measure.alert_rules import RULES, Unit
from probe.measure.alerts import AlertEngine
from probe.measure.metrics import FAMILIES
from tests.grafana.names import complaints
from tests.grafana.promtool import ALERTS as MADE_ALERTS
from tests.grafana.promtool import RECORDINGS, Made
from tests.grafana.stories import STORIES, Story

GRAFANA = Path(__file__).parents[2] / "grafana"
OF_RULES = {(each.name, each.window): each.rule for each in OF_ENGINE}


@pytest.mark.parametrize("name", files())
def test_a_made_file_is_up_to_date(name: str) -> None:
    assert (GRAFANA / name).read_text() == files()[name], "run `python -m grafana.build`"


def test_files_are_made_for_an_address_of_ones_own() -> None:
    made = files(base_url="https://wiki.example/ops/", exporter="exporter:18480", webhook="http://hook:1/")
    assert "runbook_url: https://wiki.example/ops/TradeprobeSessionDown.md" in made[ALERTS_FILE]
    assert "exporter:18480" in made["prometheus/prometheus.yml"]
    assert "127.0.0.1" not in made["alertmanager/alertmanager.yml"]


# -- the same rules as the monitor's own ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("session_down", ("TradeprobeSessionDown", None)),
        ("error_budget_burn_3d", ("TradeprobeErrorBudgetBurn", "3d")),
    ],
)
def test_names_are_those_of_the_engine_in_camel_case(rule: str, expected: tuple[str, str | None]) -> None:
    assert alert_name(rule) == expected


def test_every_rule_of_the_engine_has_its_twin() -> None:
    made = [(rule["alert"], rule["labels"].get("window")) for rule in MADE_ALERTS]
    assert made[: len(RULES)] == [alert_name(rule.name) for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.name))
def test_a_twin_waits_and_ends_as_the_engine_does(rule: object) -> None:
    [alert] = [each for each in OF_ENGINE if each.rule is rule]
    assert alert.rule
    assert (alert.severity, alert.for_seconds, alert.keep_seconds) == (
        alert.rule.severity.value,
        alert.rule.for_seconds,
        alert.rule.clear_seconds,
    )
    if alert.rule.unit is not Unit.FLAG and alert.rule.threshold:
        assert f" {alert.rule.threshold:.10g}" in alert.expr


@pytest.mark.parametrize(
    "story",
    [each for each in STORIES if (each.alert, each.window) in OF_RULES and each.ends is None],
    ids=lambda story: str(story.name),
)
def test_the_engine_judges_a_story_as_prometheus_is_proven_to(story: Story) -> None:
    rule = OF_RULES[story.alert, story.window]
    assert rule
    engine, world, judged = AlertEngine([rule]), story.world(), {}
    about = None if rule.of_monitor else "a"
    for at in world.times:
        engine.evaluate(about, world.readings(at), float(at), float(at))
        judged[at / 60] = bool(engine.active(about))
    assert {minutes: judged[minutes] for minutes in story.fires} == dict(story.fires)


def test_every_alert_has_a_story_in_which_it_fires_and_one_moment_when_not() -> None:
    told = {(each.alert, each.window, fires) for each in STORIES for fires in each.fires.values()}
    asked = {(each.name, each.window, fires) for each in ALERTS for fires in (True, False)}
    assert asked - told == {("TradeprobeWatchdog", None, False)}  # it always does


# -- the names in the expressions ----------------------------------------------------------------------------------------


def _expressions() -> list[tuple[str, str]]:
    recorded = [(name, rule["expr"]) for name, rule in RECORDINGS.items()]
    return recorded + [
        (f"{each['alert']}{each['labels'].get('window', '')}", each["expr"]) for each in MADE_ALERTS
    ]


def test_every_name_in_the_expressions_is_in_the_table_of_metrics() -> None:
    found = {
        name: list(complaints(expr, set(RECORDINGS), keeps_total=name.endswith(":sum")))
        for name, expr in _expressions()
    }
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize(
    ("expr", "complaint"),
    [
        ("rate(tradeprobe_reconects_total[5m])", "tradeprobe_reconects_total: no such metric"),
        ("rate(tradeprobe_reconnects[5m])", "tradeprobe_reconnects: no such metric"),
        ("rate(tradeprobe_app_rtt_seconds[5m])", "tradeprobe_app_rtt_seconds: no such metric"),
        ('tradeprobe_market_open{symbol="X"}', "tradeprobe_market_open: has no label symbol"),
        (
            'rate(tradeprobe_reconnects_total{trigger="mood"}[5m])',
            "tradeprobe_reconnects_total: trigger is never mood",
        ),
        (
            'tradeprobe_session_state{tradeprobe_session_state="well"}',
            "tradeprobe_session_state: tradeprobe_session_state is never well",
        ),
        (
            'rate(tradeprobe_app_rtt_seconds_bucket{le="0.3"}[5m])',
            "tradeprobe_app_rtt_seconds_bucket: le is never 0.3",
        ),
        ("tradeprobe_reconnects_total > 3", "tradeprobe_reconnects_total: outside of rate and increase"),
        ("rate(tradeprobe_market_open[5m])", "tradeprobe_market_open: no counter"),
        ("sum without (colour) (tradeprobe_market_open)", "nothing here has a label colour"),
        ("target:tradeprobe_mood:max > 1", "target:tradeprobe_mood:max: nothing records it"),
    ],
)
def test_a_wrong_name_is_found(expr: str, complaint: str) -> None:
    assert list(complaints(expr, set(RECORDINGS))) == [complaint]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_is_named_level_metric_operations(name: str) -> None:
    level, metric, operations = name.split(":")
    assert re.fullmatch(r"(instance|target)(_endpoint)?(_phase)?", level)
    assert metric.startswith("tradeprobe_")
    assert re.fullmatch(
        r"sum|max|ratio|anomalous|(ratio|mean|p\d\d)_rate\d+[mhd]|increase1h|(median|mad)_6h", operations
    )


@pytest.mark.parametrize(
    ("reading", "metric"),
    [
        ("rtt_p95_10m_seconds", "ws_ping_rtt_seconds"),
        ("rtt_p95_10m_seconds", "poll_rtt_seconds"),
        ("response_median_10m_seconds", "app_rtt_seconds"),
        ("loop_lag_p99_5m_seconds", "event_loop_lag_seconds"),
    ],
)
def test_a_threshold_of_a_quantile_is_a_bound_of_its_buckets(reading: str, metric: str) -> None:
    [rule] = [each for each in RULES if reading in each.readings]
    [family] = [each for each in FAMILIES if each.name == metric]
    assert rule.threshold in family.buckets


# -- what people are told ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alert", MADE_ALERTS, ids=lambda each: f"{each['alert']}{each['labels'].get('window', '')}"
)
def test_an_alert_tells_what_is_so_and_where_to_read_on(alert: Made) -> None:
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert notes["runbook_url"] == f"https://tradeprobe.example/runbooks/{alert['alert']}.md"
    for text in (notes["summary"], notes["description"]):
        assert re.search(r"(?<!{){(?!{)", text) is None  # a figure that nobody filled in
        assert text[0].isupper() or text.startswith("{{")
    assert notes["description"].endswith(".")


def test_a_flag_is_told_to_have_lasted_as_long_as_it_was_waited_for() -> None:
    [down] = [each for each in MADE_ALERTS if each["alert"] == "TradeprobeSessionDown"]
    assert down["annotations"]["description"].startswith("There has been no session for at least 2m, ")


def test_dashboards_that_are_linked_exist() -> None:
    linked = {each.dashboard for each in ALERTS}
    boards = GRAFANA / "dashboards"
    made = {json.loads(path.read_text())["uid"] for path in boards.glob("*.json")}
    assert linked - made == set()


def test_recordings_are_computed_before_what_stands_on_them() -> None:
    for group in yaml.safe_load(files()[RECORDING_FILE])["groups"]:
        names = [rule["record"] for rule in group["rules"]]
        for place, rule in enumerate(group["rules"]):
            assert [name for name in names[place + 1 :] if name in rule["expr"]] == []


def test_constants_of_recordings_name_what_is_recorded() -> None:
    named = {
        value
        for name, value in vars(recording).items()
        if name.isupper() and isinstance(value, str) and ":" in value
    }
    assert named - set(RECORDINGS) == set()
