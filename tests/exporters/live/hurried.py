"""A copy of the rules in which time goes faster: everything that is a duration is divided, and nothing else."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

BY = 30
EVALUATED = "1s"
# `rate()` needs two samples, and here is one a second: so short a window must not be shorter still.
SHORTEST = 5.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
RANGE = re.compile(rf"\[({DURATION})(?::({DURATION})?)?\]")
OFFSET = re.compile(rf"\boffset (-?)({DURATION})")


def seconds(text: str) -> float:
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def hurried(
    text: str,
    thresholds: Mapping[str, tuple[str, str]] | None = None,
    *,
    keep: Mapping[str, str] | None = None,
    by: int = BY,
) -> str:
    """The YAML of rules: `for`, `keep_firing_for`, ranges, subqueries and offsets divided; every group evaluated each second.

    Args:
        thresholds: By name (an alert's window after a space), a piece of the expression and what stands there instead: numbers that
            stand for a time, or for how often something happens in one.
        keep: By alert, the `keep_firing_for` that it has instead.

    Raises:
        KeyError: there is no such rule.
        ValueError: its expression does not have the piece exactly once.
    """
    rules = yaml.safe_load(text)
    left = dict(thresholds or {})
    for group in rules["groups"]:
        group["interval"] = EVALUATED
        for rule in group["rules"]:
            change = left.pop(named(rule), None)
            if change is not None:
                if rule["expr"].count(change[0]) != 1:
                    raise ValueError(f"{named(rule)} has {change[0]!r} not once: {rule['expr']}")
                rule["expr"] = rule["expr"].replace(*change)
            rule["expr"] = _expression(rule["expr"], by)
            _divide(rule, ("for", "keep_firing_for"), by)
            if named(rule) in (keep or {}):
                rule["keep_firing_for"] = (keep or {})[named(rule)]
    if left:
        raise KeyError(f"no such rules: {', '.join(sorted(left))}")
    return yaml.safe_dump(rules, sort_keys=False, width=1000)


def hurried_delivery(text: str, webhook: str, *, by: int = BY) -> str:
    """The YAML of Alertmanager: what it waits for is divided, and everything comes to one webhook."""
    config = yaml.safe_load(text)
    routes = [config["route"]]
    for route in routes:
        _divide(route, ("group_wait", "group_interval", "repeat_interval"), by)
        routes += route.get("routes", ())
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = webhook
    return yaml.safe_dump(config, sort_keys=False)


def named(rule: Mapping[str, Any]) -> str:
    """With its window, where there are several alerts of a name."""
    name = rule["alert"] if "alert" in rule else rule["record"]
    return " ".join(filter(None, (name, rule.get("labels", {}).get("window"))))


def durations(rules: Mapping[str, Any]) -> list[float]:
    """All of them, in seconds, in order."""
    found = []
    for group in rules["groups"]:
        for rule in group["rules"]:
            found += [seconds(rule[key]) for key in ("for", "keep_firing_for") if key in rule]
            found += [seconds(each[0]) for each in RANGE.findall(rule["expr"])]
    return found


def _divide(where: dict[str, Any], keys: Sequence[str], by: int) -> None:
    for key in keys:
        if key in where:
            where[key] = _written(seconds(where[key]) / by)


def _expression(text: str, by: int) -> str:
    def ranged(found: re.Match[str]) -> str:
        window = max(SHORTEST, seconds(found[1]) / by)
        if ":" not in found[0]:
            return f"[{_written(window)}]"
        step = "" if found[2] is None else _written(max(1.0, seconds(found[2]) / by))
        return f"[{_written(window)}:{step}]"

    def moved(found: re.Match[str]) -> str:
        return f"offset {found[1]}{_written(seconds(found[2]) / by)}"

    return OFFSET.sub(moved, RANGE.sub(ranged, text))


def _written(length: float) -> str:
    return f"{round(length * 1000)}ms" if length % 1 else f"{round(length)}s"
