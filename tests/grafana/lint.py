"""The rules of Grafana's dashboard-linter, under its names for them, and a few of our own."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from grafana_foundation_sdk.models import units

from grafana.rules.recording import RECORDINGS
from probe.measure.metrics import FAMILIES, Family, Kind
from tests.grafana.queries import LABEL_VALUES, panels, raw

Json = dict[str, Any]
Finding = tuple[str, str]  # the rule, and where

CORE = {"timeseries", "state-timeline", "heatmap", "bargauge", "table", "stat"}
UNITS = {value for name, value in vars(units).items() if name[0].isupper() and isinstance(value, str)}

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_RANGE = re.compile(r"(\w+)\(([^()\[]*)\[([^\]]+)\]")
# What came of a counter since a step ago: the one use beside rate and increase, for series that begin with an event.
_DIFFERENCE = re.compile(
    r"clamp_min\(([\w:]+\{[^}]*\}) - \(\1 offset \$__rate_interval or 0 \* \1"
    r" and on \(job, instance, target\) [\w:]+\{[^}]*\} offset \$__rate_interval\), 0\)"
)


@cache
def _known() -> dict[str, Family]:
    suffixes = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.SUMMARY: ("_sum", "_count")}
    return {
        f"{family.full_name}{suffix}": family
        for family in FAMILIES
        for suffix in suffixes.get(family.kind, ("",))
    }


@cache
def _labels() -> set[str]:
    made = {"job", "instance", "le", "alertname", "alertstate", "severity", "what"}
    return made.union(*(family.label_names for family in FAMILIES))


def selectors(expr: str) -> list[tuple[str, dict[str, str]]]:
    """Each metric and its matchers, as they are written."""
    return [
        (found[1], {label: f"{how}{value}" for label, how, value in _MATCHER.findall(found[2])})
        for found in _SELECTOR.finditer(expr)
    ]


def lint(board: Json) -> list[Finding]:
    return [*_board(board), *_panels(board), *_targets(board), *_layout(board)]


def _board(board: Json) -> Iterator[Finding]:
    if board.get("editable") is not False:
        yield "uneditable-dashboard", "editable"
    if not re.fullmatch(r"tradeprobe-[a-z-]{2,29}", board.get("uid", "")):
        yield "uid", board.get("uid", "none")
    variables = {each["name"]: each for each in board["templating"]["list"]}
    source = variables.get("datasource", {})
    if (source.get("type"), source.get("query"), source.get("label")) != (
        "datasource",
        "prometheus",
        "Data source",
    ):
        yield "template-datasource-rule", "datasource"
    for name in ("job", "instance", "target"):
        variable = variables.get(name, {})
        is_query = variable.get("type") == "query" and _from_chosen(variable)
        is_all = (
            all(variable.get(key) for key in ("multi", "includeAll")) and variable.get("allValue") == ".+"
        )
        if not is_query or variable.get("label") != name.title() or (name != "target" and not is_all):
            yield f"template-{name}-rule", name
    for name, variable in variables.items():
        if variable["type"] != "query":
            continue
        if variable.get("refresh") != 2:
            yield "template-on-time-change-reload-rule", name
        found = LABEL_VALUES.fullmatch(variable["query"])
        if not found or [each for each, _ in selectors(found[1]) if each not in _known()]:
            yield "template-label-promql-rule", name
    if not any("ALERTS" in each.get("expr", "") for each in board["annotations"]["list"]):
        yield "alerts-drawn", "annotations"
    if not any(link["type"] == "dashboards" and link["includeVars"] for link in board["links"]):
        yield "linked", "links"


def _from_chosen(thing: Json) -> bool:
    return bool(thing.get("datasource") == {"type": "prometheus", "uid": "${datasource}"})


def _panels(board: Json) -> Iterator[Finding]:
    numbers = [panel["id"] for panel in board["panels"]]
    if len(set(numbers)) < len(numbers):
        yield "panel-id", "panels"
    for panel in panels(board):
        where = panel.get("title") or f"panel {panel['id']}"
        if not panel.get("title") or not panel.get("description"):
            yield "panel-title-description-rule", where
        if not _from_chosen(panel) or not all(_from_chosen(target) for target in panel["targets"]):
            yield "panel-datasource-rule", where
        if panel.get("fieldConfig", {}).get("defaults", {}).get("unit") not in UNITS:
            yield "panel-units-rule", where
        if not panel["targets"]:
            yield "panel-no-targets-rule", where
        if panel["type"] not in CORE:
            yield "panel-without-plugin", where


def _targets(board: Json) -> Iterator[Finding]:
    for panel in panels(board):
        for target in panel["targets"]:
            yield from ((rule, panel["title"]) for rule in _wrong_with(target["expr"], target["instant"]))
            made = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            if set(made) - _labels() or (target["format"] == "heatmap" and made != ["le"]):
                yield "known-labels", panel["title"]
    for where, expr in raw(board):
        if any(not _exists(name, matchers) for name, matchers in selectors(expr)):
            yield "known-metrics", where


def _wrong_with(expr: str, instant: bool) -> Iterator[str]:
    for name, matchers in selectors(expr):
        for label in ("job", "instance"):
            if matchers.get(label) != f"=~${label}":
                yield f"target-{label}-rule"
        if name in _known() and _known()[name].is_of_target and matchers.get("target") != "=~$target":
            yield "target-target-rule"
    for function, _, window in _RANGE.findall(expr):
        if window != "$__rate_interval" and not (instant and function == "increase" and window == "$__range"):
            yield "target-rate-interval-rule"
    if not instant and re.search(r"\b(?:top|bottom)k\(", expr):
        yield "target-topk-instant"  # over time each that was first once would stay
    for found in re.finditer(r"(\w+\()?\w+_(?:total|bucket|sum|count)\{", _DIFFERENCE.sub("", expr)):
        if found[1] not in {"rate(", "increase("}:
            yield "target-counter-agg-rule"
    outside = re.sub(r'\{[^}]*\}|"[^"]*"', "", expr)
    named = re.findall(r"\b(?:by|on|group_left|without) \(([^)]*)\)", outside)
    if {label.strip() for each in named for label in each.split(",")} - _labels():
        yield "known-labels"
    if len(re.findall(r"[\w:]*\btradeprobe_\w+", outside)) > len(selectors(expr)):
        yield "target-job-rule"


def _exists(name: str, matchers: dict[str, str]) -> bool:
    if name in RECORDINGS or name == "ALERTS":
        return True
    if name not in _known():
        return False
    family = _known()[name]
    state = {family.full_name} if family.kind is Kind.STATES else set()
    return set(matchers) <= {"job", "instance", "le", *family.label_names, *state}


def _layout(board: Json) -> Iterator[Finding]:
    """Every line is full, nothing overlaps, and what stands beside each other is equally high."""
    places = [panel["gridPos"] for panel in board["panels"]]
    taken = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    if len(set(taken)) < len(taken):
        yield "layout", "panels overlap"
    for top in {at["y"] for at in places}:
        line = [at for at in places if at["y"] == top]
        if sum(at["w"] for at in line) != 24 or len({at["h"] for at in line}) > 1:
            yield "layout", f"the line at {top} is not full, or uneven"
    bottom = max(at["y"] + at["h"] for at in places)
    if len(set(taken)) != 24 * bottom:
        yield "layout", "a hole"
