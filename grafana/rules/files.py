"""The files that Prometheus and Alertmanager read, written from the tables."""

from typing import Any

import yaml

from grafana.rules.alerting import ALERTS, JOB, Alert
from grafana.rules.recording import GROUPS
from grafana.rules.routing import alertmanager
from probe.model.units import format_duration

RECORDING_FILE = "prometheus/tradeprobe-recording.rules.yml"
ALERTS_FILE = "prometheus/tradeprobe-alerts.rules.yml"
PROMETHEUS_FILE = "prometheus/prometheus.yml"
ALERTMANAGER_FILE = "alertmanager/alertmanager.yml"

_HEAD = (
    "# Made from grafana/rules/ by `python -m grafana.build`; a change here is lost when it is made again.\n"
)


def files(
    *,
    base_url: str = "https://tradeprobe.example/runbooks/",
    dashboards_url: str = "https://grafana.example/d/",
    exporter: str = "127.0.0.1:18480",
    alertmanager_at: str = "127.0.0.1:9093",
    webhook: str = "http://127.0.0.1:18490/alerts",
) -> dict[str, str]:
    """Path within grafana/, and text.

    Args:
        base_url: Where docs/runbooks/ is to be read; the alert's name and `.md` follow.
        dashboards_url: Where Grafana shows a dashboard; its uid follows.
        exporter: `listen` of [exporter].
        alertmanager_at: HOST:PORT.
        webhook: Who is told of alerts.
    """
    return {
        RECORDING_FILE: written(
            {
                "groups": [
                    {
                        "name": group.name,
                        "interval": group.interval,
                        "rules": [{"record": each.record, "expr": each.expr} for each in group.rules],
                    }
                    for group in GROUPS
                ]
            }
        ),
        ALERTS_FILE: written(
            {
                "groups": [
                    {
                        "name": "tradeprobe-alerts",
                        "interval": "15s",
                        "rules": [_alert(each, base_url, dashboards_url) for each in ALERTS],
                    }
                ]
            }
        ),
        PROMETHEUS_FILE: written(_prometheus(exporter, alertmanager_at)),
        ALERTMANAGER_FILE: written(alertmanager(webhook)),
    }


def written(made: dict[str, Any]) -> str:
    return _HEAD + yaml.dump(made, Dumper=_Plain, sort_keys=False, width=10_000, allow_unicode=True)


class _Plain(yaml.SafeDumper):
    """Without anchors: each place says what it means."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _alert(alert: Alert, base_url: str, dashboards_url: str) -> dict[str, Any]:
    made: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    if alert.for_seconds:
        made["for"] = format_duration(alert.for_seconds)
    if alert.keep_seconds:
        made["keep_firing_for"] = format_duration(alert.keep_seconds)
    of_target = "?var-target={{ $labels.target }}" if alert.of_target else ""
    return made | {
        "labels": {"severity": alert.severity} | ({"window": alert.window} if alert.window else {}),
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{base_url}{alert.name}.md",
            "dashboard_url": f"{dashboards_url}{alert.dashboard}{of_target}",
        },
    }


def _prometheus(exporter: str, alertmanager_at: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [each.removeprefix("prometheus/") for each in (RECORDING_FILE, ALERTS_FILE)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager_at]}]}]},
        "scrape_configs": [
            {"job_name": JOB, "static_configs": [{"targets": [exporter]}]},
            {
                "job_name": f"{JOB}-probe",  # a fresh connection for each scrape, so seldom
                "metrics_path": "/probe",
                "scrape_interval": "5m",
                "scrape_timeout": "30s",
                "http_sd_configs": [{"url": f"http://{exporter}/sd"}],
                "relabel_configs": [
                    {"source_labels": ["__meta_tradeprobe_target"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "target"},
                ],
            },
        ],
    }
