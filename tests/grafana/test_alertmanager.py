import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.rules import files
from grafana.rules.alerting import ALERTS, OF_ENGINE, Alert, alert_name
from grafana.rules.files import ALERTMANAGER_FILE
from grafana.rules.routing import SEVERITIES
from probe.measure.alert_rules import RULES
from tests.exporters.live.hurried import seconds
from tests.grafana.promtool import ALERTS as MADE_ALERTS
from tests.grafana.promtool import run

CONFIG = yaml.safe_load(files()[ALERTMANAGER_FILE])
EXPLAINED = [(rule, silenced) for rule in RULES for silenced in sorted(rule.silences)]
AT = {"job": "tradeprobe", "instance": "m:1"}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "alertmanager.yml"
    path.write_text(files()[ALERTMANAGER_FILE])
    return str(path)


def test_amtool_finds_nothing_wrong(config: str) -> None:
    done = run("amtool", "check-config", config)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=TradeprobeSessionDown", "severity=page"), "page"),
        (("alertname=TradeprobeErrorBudgetBurn", "severity=ticket", "window=1d"), "ticket"),
        (("alertname=TradeprobeClockSkewed", "severity=warning"), "warning"),
        (("alertname=TradeprobeRttAnomalous", "severity=info"), "info"),
        (("alertname=TradeprobeWatchdog", "severity=none"), "nobody"),
        (("alertname=SomebodyElses",), "everything-else"),
    ],
)
def test_alerts_go_where_their_severity_says(config: str, labels: tuple[str, ...], receiver: str) -> None:
    done = run(
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={config}",
        f"--verify.receivers={receiver}",
        *labels,
    )
    assert (done.returncode, done.stdout.strip()) == (0, receiver)


def test_amtool_would_notice_a_wrong_route(config: str) -> None:
    done = run(
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={config}",
        "--verify.receivers=ticket",
        "severity=page",
    )
    assert done.returncode == 1


def test_every_severity_has_a_route() -> None:
    routed = {matcher for route in CONFIG["route"]["routes"] for matcher in route["matchers"]}
    assert routed == {f'severity="{each}"' for each in SEVERITIES}


def test_what_is_seldom_repeated_in_the_engine_is_so_here() -> None:
    told = {
        name: below["repeat_interval"]
        for route in CONFIG["route"]["routes"]
        for below in route.get("routes", ())
        for name in re.split(r"\|", re.sub(r'alertname=~?|"', "", below["matchers"][0]))
    }
    assert told == {
        "TradeprobeErrorBudgetBurn": "1d",
        "TradeprobeCertificateExpiring": "1d",
        "TradeprobeClockSkewed": "1d",
        "TradeprobeProtocolChanged": "1d",
        "TradeprobeRttAnomalous": "6h",
    }


def test_nothing_leaves_this_machine_and_no_secret_is_in_it() -> None:
    text = files()[ALERTMANAGER_FILE]
    assert set(re.findall(r"url: (\S+)", text)) == {"http://127.0.0.1:18490/alerts"}
    assert re.findall(r"(?i)password|token|secret|credentials|bearer", text) == []


# -- which alert silences which ------------------------------------------------------------------------------------------


def _matches(matchers: list[str], labels: dict[str, str]) -> bool:
    for matcher in matchers:
        found = re.fullmatch(r'(\w+)(=~?)"(.*)"', matcher)
        assert found, matcher
        value = labels.get(found[1], "")
        if not (re.fullmatch(found[3], value) if found[2] == "=~" else found[3] == value):
            return False
    return True


def silences(source: dict[str, str], target: dict[str, str]) -> bool:
    """As Alertmanager decides it: a rule matches both, the labels are equal, and none matches both sides."""
    return any(
        _matches(rule["source_matchers"], source)
        and _matches(rule["target_matchers"], target)
        and all(source.get(label) == target.get(label) for label in rule["equal"])
        and not (_matches(rule["target_matchers"], source) and _matches(rule["source_matchers"], target))
        for rule in CONFIG["inhibit_rules"]
    )


def _labels(alert: Alert, **more: str) -> dict[str, str]:
    labels: dict[str, Any] = {"alertname": alert.name, "severity": alert.severity, **AT}
    if alert.window:
        labels["window"] = alert.window
    if alert.of_target:
        labels["target"] = "a"
    return labels | more


def _alert(rule_name: str) -> Alert:
    [found] = [each for each in OF_ENGINE if (each.name, each.window) == alert_name(rule_name)]
    return found


@pytest.mark.parametrize(
    ("rule", "silenced"), EXPLAINED, ids=[f"{rule.name}-{name}" for rule, name in EXPLAINED]
)
def test_what_the_engine_silences_is_silenced_at_the_same_place_only(rule: Any, silenced: str) -> None:
    source, target = _labels(_alert(rule.name)), _labels(_alert(silenced))
    assert silences(source, target)
    assert not silences(source, target | {"instance": "other:1"})
    if "target" in source:
        assert not silences(source, target | {"target": "b"})


def test_nothing_else_is_silenced() -> None:
    meant = {(alert_name(rule.name), alert_name(name)) for rule, name in EXPLAINED}
    found = {
        ((source.name, source.window), (target.name, target.window))
        for source in ALERTS
        for target in ALERTS
        if source is not target and silences(_labels(source), _labels(target))
    }
    assert found == meant


def test_a_page_silences_lower_severities_of_its_own_name() -> None:
    page = _labels(_alert("session_down"))
    assert silences(page, page | {"severity": "warning"})
    assert not silences(page | {"severity": "warning"}, page)


def test_an_alert_that_silences_another_is_over_after_it() -> None:
    """By two evaluations of the group: the other's end must have reached Alertmanager before."""
    made = {(each["alert"], each["labels"].get("window")): each for each in MADE_ALERTS}
    short = {
        f"{source.name} {target.name}"
        for source in ALERTS
        for target in ALERTS
        if source is not target and silences(_labels(source), _labels(target))
        if not _kept(made[source.name, source.window]) >= _kept(made[target.name, target.window]) + 30
    }
    assert short == set()


def _kept(alert: dict[str, Any]) -> float:
    return seconds(alert.get("keep_firing_for", "0s"))
