"""PromQL written from the table of metrics: a name, label or value that the table does not have is an error here."""

from dataclasses import dataclass

from grafana.rules.recording import RECORDINGS
from probe.measure.alert_rules import RULES, Rule
from probe.measure.metrics import FAMILIES, OTHER, Family, Kind
from probe.measure.records import Metric, SessionState

FAMILY: dict[str, Family] = {family.name: family for family in FAMILIES}
SHOWN = "$__rate_interval"  # the shortest stretch that has enough scrapes
ALL = "$__range"  # what the time picker says
CHOSEN = 'job=~"$job",instance=~"$instance"'
CHOSEN_TARGET = f'{CHOSEN},target=~"$target"'
BY_TARGET = ("job", "instance", "target")
# The round trip that costs the broker least: a ping's, or where there is none, that of the lightest question.
LIGHT = (Metric.WS_RTT.value, Metric.POLL_RTT.value)
STATES = tuple(state.value for state in SessionState)

_SUFFIXES = {Kind.HISTOGRAM: ("bucket", "sum", "count"), Kind.SUMMARY: ("sum", "count")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """`legend`: what a series is called, with `{{label}}`; `instant`: only its last value."""

    expr: str
    legend: str = "{{target}}"
    instant: bool = False
    exemplars: bool = False


def series(name: str, part: str = "", /, **labels: str) -> str:
    """The selector of a metric, of those that are chosen on the board.

    Args:
        part: bucket, sum or count, of histograms and summaries.
        labels: Their values.
    """
    family = FAMILY[name]
    if part not in _SUFFIXES.get(family.kind, ("",)):
        raise ValueError(f"{name}: a {family.kind.value} has no {part or 'plain series'}")
    known = {
        label.name: label.values and (*label.values, *((OTHER,) if label.has_other else ()))
        for label in family.labels
    }
    if family.kind is Kind.STATES:
        known[family.full_name] = family.states
    for label, value in labels.items():
        if label not in known:
            raise ValueError(f"{name}: has no label {label}")
        if known[label] and value not in known[label]:
            raise ValueError(f"{name}: {label} is never {value}")
    chosen = CHOSEN_TARGET if family.is_of_target else CHOSEN
    more = "".join(f',{label}="{value}"' for label, value in labels.items())
    return f"{family.full_name}{f'_{part}' if part else ''}{{{chosen}{more}}}"


def per_second(name: str, part: str = "") -> str:
    return f"rate({series(name, part)}[{SHOWN}])"


def grown(name: str, part: str = "", *, over: str = ALL) -> str:
    return f"increase({series(name, part)}[{over}])"


def counted(name: str) -> str:
    """What came within $__rate_interval, also of a series that began with it: increase() does not see its first step."""
    now, before = series(name), f"offset {SHOWN}"
    watched = f"{series('session_observed_seconds')} {before}"
    return f"clamp_min({now} - ({now} {before} or 0 * {now} and on (job, instance, target) {watched}), 0)"


def total(expr: str, *by: str) -> str:
    return f"sum by ({', '.join((*BY_TARGET, *by))}) ({expr})"


def mean(name: str, *by: str) -> str:
    """Of a histogram or a summary."""
    top, count = (total(grown(name, part, over=SHOWN), *by) for part in ("sum", "count"))
    return f"{top} / ({count} > 0)"


def quantile(q: float, name: str, *by: str, over: str = SHOWN) -> str:
    """Of a target's, and of what else is named; of the monitor's own metrics without target."""
    of = BY_TARGET if FAMILY[name].is_of_target else BY_TARGET[:2]
    buckets = per_second(name, "bucket") if over == SHOWN else grown(name, "bucket", over=over)
    return f"histogram_quantile({q}, sum by ({', '.join((*of, *by, 'le'))}) ({buckets}))"


def heat(*names: str) -> Query:
    """Of a heatmap: how many values each bucket got; of the first of these metrics that a target has."""
    grew = " or ".join(grown(name, "bucket", over=SHOWN) for name in names)
    exemplars = all(FAMILY[name].exemplars for name in names)
    return Query(expr=f"sum by (le) ({grew})", legend="{{le}}", exemplars=exemplars)


def state_number() -> str:
    """Of each target: the place in STATES of the state that holds."""
    name = FAMILY["session_state"].full_name
    terms = [f"{series('session_state', **{name: state})} * {number}" for number, state in enumerate(STATES)]
    return total(" or ".join(terms))


def light_round_trip(q: float, *, over: str = SHOWN) -> str:
    return " or ".join(quantile(q, name, "endpoint", over=over) for name in LIGHT)


def every_round_trip(q: float) -> str:
    """Each kind that a target has, named by the label `what`."""
    kinds = {
        family.name: family.name.removesuffix("_seconds").replace("_", " ")
        for family in FAMILIES
        if family.kind is Kind.HISTOGRAM and family.name in {metric.value for metric in Metric}
    }
    return " or ".join(
        f'label_replace({quantile(q, name, "endpoint")}, "what", "{words}", "", "")'
        for name, words in kinds.items()
    )


def recorded(name: str) -> str:
    """A target's series of the recording rules."""
    return f"{RECORDINGS[name].record}{{{CHOSEN_TARGET}}}"


def rule(name: str) -> Rule:
    """The alert rule whose threshold a panel draws."""
    return next(each for each in RULES if each.name == name)


def label_values(name: str, label: str, *matchers: str) -> str:
    family = FAMILY[name]
    if label not in {*family.label_names, "job", "instance"}:
        raise ValueError(f"{name}: has no label {label}")
    return f"label_values({family.full_name}{{{','.join(matchers)}}}, {label})"
