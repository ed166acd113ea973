"""The alert rules as the user wants them: other thresholds, waits and severities, or without some of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from probe.measure.alert_rules import Rule, Unit
from probe.measure.records import Severity
from probe.model.errors import ConfigError, near_miss

TUNABLE = ("enabled", "threshold", "for", "severity")


def tuned(
    rules: Sequence[Rule], changes: Mapping[str, Mapping[str, object] | bool], *, where: str = "alerts.rules"
) -> tuple[Rule, ...]:
    """The rules with other thresholds; those that are set to False are left out.

    Raises:
        ConfigError: it names the key and the nearest one that there is.
    """
    by_name = {rule.name: rule for rule in rules}
    for name, change in changes.items():
        if name not in by_name:
            raise ConfigError(
                f"there is no alert rule {name!r}", where=where, suggestion=near_miss(name, by_name) or ""
            )
        here = f"{where}.{name}"
        wanted = {"enabled": change} if isinstance(change, bool) else change
        for key in wanted:
            if key not in TUNABLE:
                raise ConfigError(
                    f"an alert rule has no {key!r}", where=here, suggestion=near_miss(key, TUNABLE) or ""
                )
        by_name[name] = _tuned(by_name[name], wanted, here)
        enabled = wanted.get("enabled", True)
        if not isinstance(enabled, bool):
            raise ConfigError(f"{enabled!r} is neither true nor false", where=f"{here}.enabled")
        if not enabled:
            del by_name[name]
    return tuple(by_name.values())


def _tuned(rule: Rule, wanted: Mapping[str, object], here: str) -> Rule:
    changed: dict[str, Any] = {}
    if "threshold" in wanted:
        if rule.unit is Unit.FLAG:
            raise ConfigError(
                "it is so or it is not: there is no threshold",
                where=f"{here}.threshold",
                next_step="Set for or severity.",
            )
        threshold = _number(wanted["threshold"], f"{here}.threshold")
        # The distance at which it clears keeps its proportion.
        if rule.clears_at is not None:
            changed["clears_at"] = rule.clears_at / rule.threshold * threshold
        changed["threshold"] = threshold
    if "for" in wanted:
        changed["for_seconds"] = _number(wanted["for"], f"{here}.for")
    if "severity" in wanted:
        changed["severity"] = _severity(wanted["severity"], f"{here}.severity")
    return replace(rule, **changed)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ConfigError(f"{value!r} is not a number from 0 on", where=where)
    return float(value)


def _severity(value: object, where: str) -> Severity:
    known = {each.value: each for each in Severity}
    if isinstance(value, Severity):
        return value
    if not isinstance(value, str) or value not in known:
        raise ConfigError(
            f"{value!r} is no severity",
            where=where,
            suggestion=near_miss(str(value), known) or "",
            next_step=f"There are {', '.join(known)}.",
        )
    return known[value]
