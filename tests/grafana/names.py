"""Which metrics, labels and values a PromQL expression names, and whether the table of metrics has them."""

import re
from collections.abc import Iterator

from probe.measure.metrics import FAMILIES, Family, Kind

SCRAPED = {"up": set[str](), "process_resident_memory_bytes": set[str]()}  # every exporter of Python has them
EVERYWHERE = {"job", "instance", "kind", "__address__"}
_SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.SUMMARY: ("_sum", "_count")}
EXPOSED: dict[str, Family] = {
    f"{family.full_name}{suffix}": family
    for family in FAMILIES
    for suffix in _SUFFIXES.get(family.kind, ("",))
}

_STRING = r'"[^"]*"'
_SELECTED = re.compile(
    r"\b(?P<name>(?:tradeprobe_|process_|up\b)\w*)(?:\{(?P<matchers>[^}]*)\})?(?P<range>\[\w+\])?"
)
_MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({_STRING})")
_GROUPING = re.compile(r"\b(?:without|by|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RECORDED = re.compile(r"\b[a-z_]+:[a-z_]+:\w+")


def recorded_in(expr: str) -> set[str]:
    return set(_RECORDED.findall(expr))


_ONLY_THERE = ("absent", "unless on (job, instance)")  # its value is not looked at


def _family_labels(family: Family) -> set[str]:
    labels = set(family.label_names)
    if family.kind is Kind.HISTOGRAM:
        labels.add("le")
    if family.kind is Kind.STATES:
        labels.add(family.full_name)
    return labels


def _known_values(family: Family, label: str) -> set[str] | None:
    if label == "le":
        return {f"{bound:g}" for bound in family.buckets} | {"+Inf"}
    if label == family.full_name:
        return set(family.states)
    values = {each.name: each.values for each in family.labels}[label]
    return set(values) if values else None


def complaints(expr: str, recorded: set[str], *, keeps_total: bool = False) -> Iterator[str]:
    """What is wrong with the names in it. `keeps_total`: a counter may stand outside of rate and increase."""
    for name in recorded_in(expr) - recorded:
        yield f"{name}: nothing records it"
    expr = _RECORDED.sub("", expr)
    groupings = [label.strip() for found in _GROUPING.findall(expr) for label in found.split(",")]
    labels = set(EVERYWHERE) | ({"target", "endpoint", "le"})
    for found in _SELECTED.finditer(_GROUPING.sub("", expr)):
        name = found["name"]
        family = EXPOSED.get(name)
        if family is None:
            if name not in SCRAPED:
                yield f"{name}: no such metric"
            continue
        labels |= _family_labels(family)
        for label, _, text in _MATCHER.findall(found["matchers"] or ""):
            if label in EVERYWHERE:
                continue
            if label not in _family_labels(family):
                yield f"{name}: has no label {label}"
                continue
            known = _known_values(family, label)
            if known is not None and (wrong := set(text.strip('"').split("|")) - known):
                yield f"{name}: {label} is never {', '.join(sorted(wrong))}"
        before = expr[: expr.find(found[0])].rstrip("( ")
        is_counted = family.kind in {Kind.COUNTER, Kind.HISTOGRAM, Kind.SUMMARY}
        if is_counted and not found["range"] and not keeps_total and not before.endswith(_ONLY_THERE):
            yield f"{name}: outside of rate and increase"
        if not is_counted and found["range"] and not before.endswith("last_over_time"):
            yield f"{name}: no counter"
    for label in groupings:
        if label and label not in labels:
            yield f"nothing here has a label {label}"
