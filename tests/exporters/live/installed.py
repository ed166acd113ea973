"""Prometheus with the hurried rules, Alertmanager and a webhook, put together as in grafana/."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grafana.rules.recording import PING_USUAL, RECONNECTS
from tests.exporters.live.hurried import hurried, hurried_delivery
from tests.exporters.live.programs import (
    Alertmanager,
    Json,
    Prometheus,
    Webhook,
    alertmanager,
    checked,
    prometheus,
    webhook,
)

GRAFANA = Path(__file__).parents[3] / "grafana"
RECORDING = GRAFANA / "prometheus" / "tradeprobe-recording.rules.yml"
ALERTS = GRAFANA / "prometheus" / "tradeprobe-alerts.rules.yml"
SCRAPING = GRAFANA / "prometheus" / "prometheus.yml"
LISTEN = "127.0.0.1:18480"  # in it
DELIVERY = GRAFANA / "alertmanager" / "alertmanager.yml"
JOB = "tradeprobe"
EACH_SECOND = {"scrape_interval": "1s", "scrape_timeout": "1s"}

# What stands for seconds, or for how often something happens in a time, and is no duration to PromQL.
THRESHOLDS: Mapping[str, tuple[str, str]] = {
    # observed seconds, divided like all others
    "TradeprobeErrorBudgetBurn 1h": (">= 150", ">= 5"),
    "TradeprobeErrorBudgetBurn 6h": (">= 900", ">= 30"),
    "TradeprobeErrorBudgetBurn 1d": (">= 3600", ">= 120"),
    "TradeprobeErrorBudgetBurn 3d": (">= 10800", ">= 360"),
    # A price comes every second or so, hurried or not: not two but five.
    "TradeprobeTickStale": ("> 60", "> 5"),
    # Messages in the window, divided like it.
    "TradeprobeProtocolChanged": (">= 100", ">= 4"),
    # A session waits some seconds before it connects again, hurried or not.
    "TradeprobeReconnectStorm": ("> 20", "> 2"),
}
RECORDED_THRESHOLDS: Mapping[str, tuple[str, str]] = {
    # Half an hour of pings is known after ten evaluations.
    PING_USUAL: (">= 60", ">= 10"),
    # Two minutes, when divided, would be longer than the story.
    RECONNECTS: ("[1h]", "[20m]"),
}
# A session needs as long as ever to come back, and nothing that is explained is told meanwhile.
KEEP: Mapping[str, str] = {"TradeprobeAuthRejected": "20s", "TradeprobeUplinkDown": "20s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    prometheus: Prometheus
    alertmanager: Alertmanager
    hook: Webhook


@contextmanager
def installed(folder: Path, scraped: Sequence[Json]) -> Iterator[Installation]:
    """
    Args:
        scraped: Prometheus' `scrape_configs`.
    """
    (folder / RECORDING.name).write_text(
        hurried(RECORDING.read_text(encoding="utf-8"), RECORDED_THRESHOLDS), encoding="utf-8"
    )
    (folder / ALERTS.name).write_text(
        hurried(ALERTS.read_text(encoding="utf-8"), THRESHOLDS, keep=KEEP), encoding="utf-8"
    )
    checked("promtool", "check", "rules", folder / RECORDING.name, folder / ALERTS.name)
    with (
        webhook() as hook,
        alertmanager(folder, hurried_delivery(DELIVERY.read_text(encoding="utf-8"), hook.url)) as manager,
    ):
        config = {
            "global": {"evaluation_interval": "1s", **EACH_SECOND},
            "rule_files": [RECORDING.name, ALERTS.name],
            "scrape_configs": list(scraped),
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager.address]}]}]},
        }
        with prometheus(folder, config) as running:
            yield Installation(prometheus=running, alertmanager=manager, hook=hook)
