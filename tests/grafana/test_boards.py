import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml

from grafana.boards.all import BOARDS
from grafana.boards.promql import rule, series
from grafana.build import HERE, dashboard
from grafana.rules.alerting import ALERTS
from probe.measure.metrics import FAMILIES
from probe.measure.records import Metric, SessionState
from tests.grafana.lint import lint, selectors
from tests.grafana.queries import panels, queries
from tests.grafana.strict import mistakes

Json = dict[str, Any]
MADE: dict[str, Json] = {board.uid: json.loads(dashboard(board)) for board in BOARDS}
each_board = pytest.mark.parametrize("board", MADE.values(), ids=MADE)

# Metrics that no panel shows, and why.
NOT_SHOWN = {
    "config_last_reload_successful": "an alert",
    "config_last_reload_success_timestamp_seconds": "an alert",
    "connect_successes": "the failures are shown",
    "credential_state": "an alert; the state timeline has it as auth_rejected",
    "endpoint_wins": "endpoint_selected shows it as it happens",
    "last_message_timestamp_seconds": "the age of prices is shown",
    "load_run": "which run it is does not change while it runs",
    "notifications": "the monitor's own alerts, where Prometheus does not alert",
    "notifications_failed": "an alert",
    "reconnect_backoff_seconds": "the state timeline has it as backoff",
    "series_refused": "an alert",
    "store_dropped_records": "an alert",
    "store_failing": "an alert",
    "targets_refused": "an alert",
    "tls": "on the status page",
    "uplink_up": "an alert",
}


@each_board
def test_a_board_is_valid_by_the_types_of_grafanas_own_sdk(board: Json) -> None:
    assert mistakes(board) == []


def changed(**at: Any) -> Callable[[Json], None]:
    """Sets what is at a path of keys, written with two underscores between them."""

    def change(board: Json) -> None:
        for path, value in at.items():
            *way, last = path.split("__")
            place: Any = board
            for key in way:
                place = place[int(key) if key.isdigit() else key]
            place[int(last) if last.isdigit() else last] = value

    return change


MISTAKES: list[Callable[[Json], object]] = [
        changed(panelz=[]),
        changed(schemaVersion="39"),
        changed(panels__1__gridPos__w="12"),
        changed(panels__1__targets__0__exprr="1"),
        changed(panels__1__targets__0__exemplar="yes"),
        changed(panels__1__options__graphmode="area"),
        changed(panels__1__options__graphMode="areas"),
        changed(panels__1__fieldConfig__defaults__thresholds__steps__0__colour="red"),
        changed(panels__5__fieldConfig__defaults__custom__lineWidht=1),
        changed(templating__list__1__refresh=9),
        changed(annotations__list__0__tittleFormat="{{alertname}}"),
        lambda board: board["panels"][1].pop("type"),
        lambda board: board.pop("schemaVersion"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=range(len(MISTAKES)))
def test_a_misspelt_key_a_wrong_type_and_a_missing_key_are_found(mistake: Callable[[Json], object]) -> None:
    board = copy.deepcopy(MADE["tradeprobe-fleet"])
    mistake(board)
    assert len(mistakes(board)) > 0


@each_board
def test_a_board_keeps_the_rules_of_the_dashboard_linter(board: Json) -> None:
    assert lint(board) == []


def expr(text: str, *, instant: bool = False) -> Callable[[Json], None]:
    return changed(panels__1__targets__0__expr=text, panels__1__targets__0__instant=instant)


UP = series("session_up")
PLANTED: list[tuple[str, Callable[[Json], None]]] = [
    ("uneditable-dashboard", changed(editable=True)),
    ("uid", changed(uid="Fleet")),
    ("template-datasource-rule", changed(templating__list__0__name="prometheus")),
    ("template-datasource-rule", changed(templating__list__0__query="loki")),
    ("template-job-rule", changed(templating__list__1__multi=False)),
    ("template-job-rule", changed(templating__list__1__datasource={"type": "prometheus", "uid": "mine"})),
    ("template-instance-rule", changed(templating__list__2__allValue=".*")),
    ("template-instance-rule", changed(templating__list__2__label="instance")),
    ("template-target-rule", changed(templating__list__3__name="session")),
    ("template-label-promql-rule", changed(templating__list__1__query="label_values(nothing{}, job)")),
    ("template-label-promql-rule", changed(templating__list__1__query="up")),
    ("template-on-time-change-reload-rule", changed(templating__list__3__refresh=1)),
    ("alerts-drawn", changed(annotations__list=[])),
    ("linked", changed(links=[])),
    ("panel-id", changed(panels__2__id=2)),
    ("panel-datasource-rule", changed(panels__1__datasource=None)),
    ("panel-datasource-rule", changed(panels__1__targets__0__datasource={"type": "prometheus", "uid": "p"})),
    ("panel-title-description-rule", changed(panels__1__title="")),
    ("panel-title-description-rule", changed(panels__1__description="")),
    ("panel-units-rule", changed(panels__1__fieldConfig__defaults={})),
    ("panel-units-rule", changed(panels__1__fieldConfig__defaults__unit="sec")),
    ("panel-no-targets-rule", changed(panels__1__targets=[])),
    ("panel-without-plugin", changed(panels__1__type="grafana-polystat-panel")),
    ("target-job-rule", expr('tradeprobe_session_up{instance=~"$instance",target=~"$target"}')),
    ("target-job-rule", expr("tradeprobe_session_up")),
    ("target-instance-rule", expr('tradeprobe_session_up{job=~"$job",target=~"$target"}')),
    ("target-instance-rule", expr(UP.replace("$instance", "here"))),
    ("target-target-rule", expr('tradeprobe_session_up{job=~"$job",instance=~"$instance"}')),
    ("target-rate-interval-rule", expr(f"rate({series('requests')}[5m])")),
    ("target-rate-interval-rule", expr(f"rate({series('requests')}[$__range])", instant=True)),
    ("target-rate-interval-rule", expr(f"increase({series('requests')}[$__range])")),
    ("target-counter-agg-rule", expr(series("requests"))),
    ("target-counter-agg-rule", expr(f"max_over_time({series('requests')}[$__rate_interval])")),
    ("target-topk-instant", expr(f"topk(1, {UP})")),
    ("known-metrics", expr(UP.replace("session_up", "session_upp"))),
    ("known-metrics", expr(UP.replace("{", '{symbol="EURUSD",'))),
    ("known-labels", expr(f"sum by (job, venue) ({UP})")),
    ("known-labels", changed(panels__1__targets__0__legendFormat="{{venue}}")),
    ("layout", changed(panels__1__gridPos__w=5)),
    ("layout", changed(panels__1__gridPos__h=6)),
    ("layout", changed(panels__2__gridPos__x=0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "plant"), PLANTED, ids=[f"{name}-{number}" for number, (name, _) in enumerate(PLANTED)]
)
def test_the_linter_finds_what_is_planted(broken: str, plant: Callable[[Json], None]) -> None:
    board = copy.deepcopy(MADE["tradeprobe-fleet"])
    plant(board)
    assert broken in {name for name, _ in lint(board)}


def parsed(expressions: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """By Prometheus' own parser."""
    if which("promtool") is None:
        pytest.skip("promtool is not installed")
    rules = [{"record": f"query:{number}", "expr": each} for number, each in enumerate(expressions)]
    file = folder / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    command = ("promtool", "check", "rules", "--lint=none", file)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    expressions = [text for board in MADE.values() for _, text in queries(board)]
    said = parsed(expressions, tmp_path)
    assert (said.returncode, f"{len(expressions)} rules found" in said.stdout) == (0, True), said.stderr


def test_prometheus_would_refuse_a_query_that_is_none(tmp_path: Path) -> None:
    assert parsed([f"sum by (job ({UP})"], tmp_path).returncode == 1


def test_every_metric_is_on_a_board_or_it_is_said_why_not() -> None:
    asked = {name for board in MADE.values() for _, text in queries(board) for name, _ in selectors(text)}
    for family in FAMILIES:
        shown = any(re.fullmatch(rf"{family.full_name}(_bucket|_sum|_count)?", name) for name in asked)
        assert shown != (family.name in NOT_SHOWN), family.name


def test_every_alert_leads_to_a_board_that_is_there() -> None:
    assert {alert.dashboard for alert in ALERTS} <= MADE.keys()


def test_every_link_within_a_board_leads_to_a_board_that_is_there() -> None:
    linked = re.findall(r'"url": "/d/([a-z-]+)\?', json.dumps(list(MADE.values())))
    assert (set(linked), len(linked)) == ({"tradeprobe-session"}, 2)


def test_thresholds_are_those_of_the_alert_rules() -> None:
    drawn = {
        step["value"]
        for board in MADE.values()
        for panel in panels(board)
        for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    }
    for name in ("tick_stale", "rtt_high", "clock_skewed", "monitor_overloaded", "error_budget_burn_1h"):
        assert rule(name).threshold in drawn, name


def test_every_state_of_a_session_has_words_and_a_colour_on_the_timeline() -> None:
    timeline = next(
        panel for panel in panels(MADE["tradeprobe-session"]) if panel["type"] == "state-timeline"
    )
    [mapping] = timeline["fieldConfig"]["defaults"]["mappings"]
    words = [option["text"] for option in mapping["options"].values()]
    assert words == [state.value.replace("_", " ") for state in SessionState]
    for state in SessionState:
        assert f'tradeprobe_session_state="{state.value}"' in timeline["targets"][0]["expr"]


def test_exemplars_are_asked_for_where_the_metric_has_some() -> None:
    for board in MADE.values():
        for panel in panels(board):
            for target in panel["targets"]:
                is_light = any(
                    f"tradeprobe_{metric.value}_bucket" in target["expr"]
                    for metric in (Metric.WS_RTT, Metric.APP_RTT)
                )
                if is_light and not target["instant"] and "label_replace" not in target["expr"]:
                    assert target.get("exemplar"), panel["title"]


@pytest.mark.parametrize(
    ("name", "part", "labels"),
    [
        ("session_upp", "", {}),
        ("app_rtt_seconds", "", {}),
        ("session_up", "bucket", {}),
        ("session_up", "", {"symbol": "EURUSD"}),
        ("session_bad_seconds", "", {"cause": "weather"}),
    ],
)
def test_a_query_of_what_is_not_in_the_table_cannot_be_written(
    name: str, part: str, labels: dict[str, str]
) -> None:
    with pytest.raises((KeyError, ValueError)):
        series(name, part, **labels)


def test_the_folder_of_dashboards_is_what_grafana_is_given() -> None:
    assert sorted(path.stem for path in (HERE / "dashboards").iterdir()) == sorted(MADE)
