from pathlib import Path

import pytest
import yaml

from tests.exporters.live.hurried import BY, durations, hurried, hurried_delivery
from tests.exporters.live.installed import ALERTS, DELIVERY, RECORDING, THRESHOLDS

RULES = """
groups:
- name: both
  interval: 30s
  rules:
  - record: a:b:rate5m
    expr: rate(a[5m]) / rate(b[1h30m] offset 15m)
  - record: a:mad
    expr: quantile_over_time(0.5, (abs(a - b))[6h:1m])
  - alert: Old
    expr: a{le="5"} > 60 and increase(b[10m]) > 5
    for: 2m
    keep_firing_for: 50s
"""


def test_every_duration_is_divided_and_nothing_else() -> None:
    after = yaml.safe_load(hurried(RULES))
    both = after["groups"][0]
    assert both["interval"] == "1s"
    assert [rule["expr"] for rule in both["rules"]] == [
        "rate(a[10s]) / rate(b[180s] offset 30s)",
        "quantile_over_time(0.5, (abs(a - b))[720s:2s])",
        'a{le="5"} > 60 and increase(b[20s]) > 5',
    ]
    assert (both["rules"][2]["for"], both["rules"][2]["keep_firing_for"]) == ("4s", "1667ms")
    assert durations(after) == [10.0, 180.0, 720.0, 4.0, 1.667, 20.0]


def test_a_window_never_gets_too_short_for_a_rate() -> None:
    after = yaml.safe_load(hurried(RULES, by=600))
    assert after["groups"][0]["rules"][0]["expr"] == "rate(a[5s]) / rate(b[9s] offset 1500ms)"


def test_a_threshold_is_changed_only_where_it_was_said_to_be() -> None:
    after = yaml.safe_load(hurried(RULES, {"Old": ("> 60", "> 2")}))
    assert after["groups"][0]["rules"][2]["expr"] == 'a{le="5"} > 2 and increase(b[20s]) > 5'


@pytest.mark.parametrize(
    ("thresholds", "problem"),
    [
        pytest.param({"Gone": ("> 60", "> 2")}, KeyError, id="no such alert"),
        pytest.param({"Old": ("> 61", "> 2")}, ValueError, id="no such piece"),
    ],
)
def test_a_change_that_fits_nothing_is_told(
    thresholds: dict[str, tuple[str, str]], problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        hurried(RULES, thresholds)


@pytest.mark.parametrize("file", [RECORDING, ALERTS], ids=lambda file: file.name)
def test_every_duration_of_the_real_rules_is_divided(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    before = durations(yaml.safe_load(text))
    after = durations(yaml.safe_load(hurried(text, THRESHOLDS if file == ALERTS else None)))
    assert before
    assert after == [pytest.approx(each / BY, abs=0.001) for each in before]


def test_all_alerts_come_to_one_webhook_and_soon() -> None:
    after = yaml.safe_load(hurried_delivery(DELIVERY.read_text(encoding="utf-8"), "http://127.0.0.1:9/"))
    urls = {hook["url"] for each in after["receivers"] for hook in each.get("webhook_configs", ())}
    assert urls == {"http://127.0.0.1:9/"}
    waits = {route["matchers"][0]: route.get("group_wait") for route in after["route"]["routes"]}
    assert waits['severity="page"'] == "333ms"
    nested = [each for route in after["route"]["routes"] for each in route.get("routes", ())]
    assert {each["repeat_interval"] for each in nested} == {"2880s", "720s"}
