"""Alertmanager: who is told of what how often, and which alert explains another, from the same table as the alerts."""

from itertools import groupby
from typing import Any

from grafana.rules.alerting import ALERTS, OF_ENGINE, Alert
from probe.measure.alert_rules import Rule
from probe.model.units import format_duration

Made = dict[str, Any]

_OF_TARGET, _OF_MONITOR = ["job", "instance", "target"], ["job", "instance"]
_REPEAT = 3600.0  # where a rule says nothing else; as in the monitor's own engine
_WAITS = {"page": "10s", "ticket": "5m", "warning": "30s", "info": "5m"}


def alertmanager(webhook: str) -> Made:
    return {
        "route": {
            "receiver": "everything-else",
            "group_by": [*_OF_TARGET, "alertname"],
            "group_wait": "30s",
            "group_interval": "1m",
            "repeat_interval": format_duration(_REPEAT),
            "routes": [
                {"matchers": ['severity="none"'], "receiver": "nobody"},
                *(_route(severity) for severity in _WAITS),
            ],
        },
        "inhibit_rules": inhibitions(),
        "receivers": [
            {"name": "nobody"},
            *(
                {"name": name, "webhook_configs": [{"url": webhook, "send_resolved": True}]}
                for name in (*_WAITS, "everything-else")
            ),
        ],
    }


def _route(severity: str) -> Made:
    route: Made = {
        "matchers": [f'severity="{severity}"'],
        "receiver": severity,
        "group_wait": _WAITS[severity],
    }
    seldom = [
        (each.rule.repeat_seconds, each.name)
        for each in OF_ENGINE
        if each.severity == severity and each.rule and each.rule.repeat_seconds not in {None, _REPEAT}
    ]
    routes = [
        {
            "matchers": [_any_of("alertname", sorted({name for _, name in names}))],
            "receiver": severity,
            "repeat_interval": format_duration(seconds or 0),
        }
        for seconds, names in groupby(sorted(seldom), key=lambda each: each[0])
    ]
    return route | ({"routes": routes} if routes else {})


def inhibitions() -> list[Made]:
    return [
        *(_inhibition(each, each.rule) for each in OF_ENGINE if each.rule and each.rule.silences),
        {
            "source_matchers": ['severity="page"', 'alertname=~"Tradeprobe.+"'],
            "target_matchers": ['severity=~"ticket|warning|info"'],
            "equal": [*_OF_TARGET, "alertname"],
        },
    ]


def _inhibition(source: Alert, rule: Rule) -> Made:
    silenced = [each for each in OF_ENGINE if each.rule and each.rule.name in rule.silences]
    matchers = [_any_of("alertname", sorted({each.name for each in silenced}))]
    if source.window:  # it silences the same alert over a longer time
        matchers.append(_any_of("window", [each.window or "" for each in silenced]))
    return {
        "source_matchers": _chosen(source),
        "target_matchers": matchers,
        "equal": _OF_TARGET if source.of_target else _OF_MONITOR,
    }


def _chosen(alert: Alert) -> list[str]:
    named = [f'alertname="{alert.name}"']
    return [*named, f'window="{alert.window}"'] if alert.window else named


def _any_of(label: str, values: list[str]) -> str:
    return f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'


SEVERITIES = ("none", *_WAITS)
if unknown := {each.severity for each in ALERTS} - set(SEVERITIES):
    raise ValueError(f"severities that nobody is told of: {unknown}")
