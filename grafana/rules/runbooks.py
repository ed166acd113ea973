"""The head of each alert's page in docs/runbooks/, made from the tables: `python -m grafana.rules.runbooks` renews them all.

What stands below the head is written by hand.
"""

from pathlib import Path

from grafana.rules.alerting import ALERTS, OF_ENGINE, Alert, alert_name
from probe.measure.alert_rules import Comparison, Rule, Unit
from probe.model.units import format_duration

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
END = "<!-- The lines above are made from the tables. -->"
NAMES = tuple(dict.fromkeys(alert.name for alert in ALERTS))


def head(name: str) -> str:
    alerts = [alert for alert in ALERTS if alert.name == name]
    lines = [
        f"# {name}",
        "",
        "| severity | window | threshold | must last | over when clear for |",
        "|---|---|---|---|---|",
        *(_row(alert) for alert in alerts),
        "",
    ]
    rules = [alert.rule.name for alert in alerts if alert.rule]
    if rules:
        lines += [f"In the monitor's own engine: {_listed(rules)} ([alerts](../alerts.md)).", ""]
    silenced = {alert_name(each)[0] for alert in alerts if alert.rule for each in alert.rule.silences}
    if silenced - {name}:
        lines += [f"It silences {_links(silenced - {name})}.", ""]
    by = {each.name for each in OF_ENGINE if each.rule and {*rules} & each.rule.silences}
    if by - {name}:
        lines += [f"It is not told while one of these fires: {_links(by - {name})}.", ""]
    lines += ["```promql", "\n\n".join(alert.expr for alert in alerts), "```", "", END]
    return "\n".join([*lines, ""])


def _row(alert: Alert) -> str:
    cells = (
        alert.severity,
        alert.window or "–",
        _threshold(alert.rule) if alert.rule else "–",
        format_duration(alert.for_seconds) if alert.for_seconds else "–",
        format_duration(alert.keep_seconds) if alert.keep_seconds else "at once",
    )
    return f"| {' | '.join(cells)} |"


def _threshold(rule: Rule) -> str:
    if rule.unit is Unit.FLAG or not rule.threshold:
        return "–"
    sign = {Comparison.OUTSIDE: "±"}.get(rule.comparison, rule.comparison.value)
    if rule.times:
        return f"{sign} {rule.threshold:g} × {rule.times.replace('_', ' ')}"
    return f"{sign} {rule.words(rule.threshold)}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


def _links(names: set[str]) -> str:
    return ", ".join(f"[{each}]({each}.md)" for each in sorted(names))


def page(name: str, text: str) -> str:
    """With its head renewed."""
    return f"{head(name)}\n{text.partition(END)[2].lstrip()}"


if __name__ == "__main__":
    for each in NAMES:
        path = FOLDER / f"{each}.md"
        path.write_text(page(each, path.read_text(encoding="utf-8")), encoding="utf-8")
