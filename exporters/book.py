"""All series that are exported, with hard bounds. One loop writes, and any thread reads meanwhile."""

import re
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import isfinite

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

from probe.measure.histogram import Histogram
from probe.measure.metrics import OTHER, PREFIX, Family, Kind, Label

LONGEST = 120  # characters of a label's value
LONGEST_EXEMPLAR = 128  # of all its names and values, says OpenMetrics
Labels = tuple[str, ...]
_SUMMED = (Kind.HISTOGRAM, Kind.SUMMARY)
_SUFFIX = {Kind.COUNTER: "_total", Kind.INFO: "_info"}


class _Child:
    """The series of one combination of labels. `counts`: of each bucket, the last without bound; a summary has that one only.

    `shown`: each line up to its value: its name's suffix, what its labels have besides, and both as they are written.
    """

    __slots__ = ("counts", "exemplars", "labels", "shown", "state", "value")

    def __init__(self, family: Family, labels: Labels, value: float, state: str) -> None:
        self.labels = dict(zip(family.label_names, labels, strict=True))
        self.value = value  # the sum, where there are counts
        self.state = state
        self.counts = [0] * (len(family.buckets) + 1) if family.kind in _SUMMED else []
        self.exemplars: list[Exemplar | None] = [None] * len(self.counts) if family.exemplars else []
        name = f"{PREFIX}{family.name}"
        self.shown = [
            (f"{name}{suffix}", more, f"{name}{suffix}{_written({**self.labels, **more})} ")
            for suffix, more in _lines(family)
        ]

    def now(self, family: Family) -> Iterator[tuple[tuple[str, dict[str, str], str], float, Exemplar | None]]:
        exemplars = self.exemplars.copy()  # before the counts: none of a value that is not counted yet
        exemplars += [None] * (len(self.shown) - len(exemplars))
        return zip(self.shown, self._values(family), exemplars, strict=True)

    def _values(self, family: Family) -> Sequence[float]:
        match family.kind:
            case Kind.HISTOGRAM:
                total, counts = self.value, list(accumulate(self.counts))
                return (*counts, counts[-1], total)
            case Kind.SUMMARY:
                return (self.counts[0], self.value)
            case Kind.STATES:
                held = self.state  # read once: it may change meanwhile
                return [float(state == held) for state in family.states]
            case _:
                return (self.value,)


def _lines(family: Family) -> list[tuple[str, dict[str, str]]]:
    """The suffix and the further label of each series of one child."""
    match family.kind:
        case Kind.HISTOGRAM:
            edges = [*(repr(float(bound)) for bound in family.buckets), "+Inf"]
            return [*(("_bucket", {"le": edge}) for edge in edges), ("_count", {}), ("_sum", {})]
        case Kind.SUMMARY:
            return [("_count", {}), ("_sum", {})]
        case Kind.STATES:
            return [("", {f"{PREFIX}{family.name}": state}) for state in family.states]
        case _:
            return [(_SUFFIX.get(family.kind, ""), {})]


def _written(labels: Mapping[str, str]) -> str:
    escaped = (
        (name, value.replace("\\", r"\\").replace('"', r"\""))  # control characters there are none
        for name, value in labels.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}" if labels else ""


class _Table:
    """The children of one family, and which values each of its labels has at each target."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.children: dict[Labels, _Child] = {}
        self.known: dict[tuple[int, str], set[str]] = {}
        self.target_at = family.label_names.index("target") if family.is_of_target else None
        self.cost = len(_lines(family))  # series of one child

    def target_of(self, labels: Labels) -> str:
        return "" if self.target_at is None else labels[self.target_at]

    def bounded(self, labels: Labels) -> Labels | None:
        """None: a value is one too many, and no `other` takes it."""
        found = list(labels)
        for at, label in enumerate(self.family.labels):
            if label.bound is None or self._fits(at, label, labels):
                continue
            if not label.has_other:
                return None
            found[at] = OTHER
        return tuple(found)

    def _fits(self, at: int, label: Label, labels: Labels) -> bool:
        if label.values:
            return labels[at] in label.values
        known = self.known.get((at, self.target_of(labels)), set())
        return labels[at] in known or len(known) < (label.bound or 0)

    def keep(self, labels: Labels, value: float, state: str) -> _Child:
        """With what it shows from the beginning: it is read as soon as it is there."""
        for at, label in enumerate(self.family.labels):
            if label.most is not None and labels[at] != OTHER:
                self.known.setdefault((at, self.target_of(labels)), set()).add(labels[at])
        child = self.children[labels] = _Child(self.family, labels, value, state)
        return child

    def drop(self, labels: Labels) -> bool:
        """Whether there was such a child. A value that no other child has leaves room for another."""
        if self.children.pop(labels, None) is None:
            return False
        target = self.target_of(labels)
        others = [each for each in self.children if self.target_of(each) == target]
        for at, value in enumerate(labels):
            if all(each[at] != value for each in others):
                self.known.get((at, target), set()).discard(value)
        return True

    def header(self) -> Metric:
        family = self.family
        return Metric(f"{PREFIX}{family.name}", family.help, family.kind.value, family.unit)

    def metric(self) -> Metric:
        metric = self.header()
        for child in list(self.children.values()):
            for (name, more, _), value, exemplar in child.now(self.family):
                metric.samples.append(Sample(name, {**child.labels, **more}, value, None, exemplar))
        return metric

    def lines(self, *, exemplars: bool) -> Iterator[str]:
        for child in list(self.children.values()):
            for (_, _, text), value, exemplar in child.now(self.family):
                yield f"{text}{value}{_example(exemplar) if exemplar and exemplars else ''}\n"


def _example(exemplar: Exemplar) -> str:
    return f" # {_written(exemplar.labels)} {exemplar.value} {exemplar.timestamp}"


class Book(Collector):
    """Labels are values in the order of the family's.

    Args:
        families: Those that it can hold; `series` and `series_refused`, its own, among them.
        max_series: What would need more is left out and counted.
    """

    def __init__(self, families: Iterable[Family], *, max_series: int) -> None:
        self._tables = {family.name: _Table(family) for family in families}
        self._max = max_series
        self._count = 0
        self._shown = self._refused = None
        self._refused = self._child("series_refused", ())
        self._shown = self._child("series", ())
        self._counted()

    # -- writing: in one loop ----------------------------------------------------------------------------------------

    def begin(self, name: str, labels: Labels) -> None:
        self._child(name, labels)

    def add(self, name: str, labels: Labels, amount: float = 1) -> None:
        if amount >= 0 and (child := self._child(name, labels)) is not None:
            child.value += amount

    def put(self, name: str, labels: Labels, value: float | None) -> None:
        """A counter never falls. None: it is not known, or no more; then there is no such series."""
        if value is None:
            self._drop(name, labels)
            return
        if not isfinite(value):
            return
        grows = self._tables[name].family.kind is Kind.COUNTER
        child = self._child(name, labels, value=max(float(value), 0.0) if grows else float(value))
        if child is not None and (value > child.value or not grows):
            child.value = float(value)

    def observe(
        self, name: str, labels: Labels, value: float, exemplar: Mapping[str, str] | None = None
    ) -> None:
        child = self._child(name, labels)
        if child is None or not 0 <= value < float("inf"):  # the sum of a histogram must not fall
            return
        at = bisect_left(self._tables[name].family.buckets, value)
        child.counts[at] += 1
        child.value += value
        if (
            exemplar
            and child.exemplars
            and sum(map(len, (*exemplar, *exemplar.values()))) <= LONGEST_EXEMPLAR
        ):
            shown = {key: clean(text) for key, text in exemplar.items()}
            child.exemplars[at] = Exemplar(shown, value, time.time())

    def spread(self, name: str, labels: Labels, durations: Histogram) -> None:
        """All values that a histogram or summary has so far, in place of those it had.

        A bound that is an edge of the finer buckets divides exactly, but that a value of just this length counts beyond it. Any
        other bound is taken at its nearest edge, which is off it by 0.8 % at the most.
        """
        child = self._child(name, labels)
        if child is None:
            return
        bounds = self._tables[name].family.buckets
        counts = [0] * len(child.counts)
        for begins, ends, count in durations.buckets():
            counts[bisect_left(bounds, (begins + ends) / 2)] += count
        child.counts, child.value = counts, max(child.value, durations.total)

    def choose(self, name: str, labels: Labels, state: str) -> None:
        if state not in self._tables[name].family.states:
            raise ValueError(f"{name} has no state {state!r}")
        if (child := self._child(name, labels, state=state)) is not None:
            child.state = state

    def forget(self, target: str) -> None:
        target = clean(target)
        for table in self._tables.values():
            if table.target_at is None:
                continue
            for labels in [each for each in table.children if table.target_of(each) == target]:
                del table.children[labels]
                self._count -= table.cost
            for key in [each for each in table.known if each[1] == target]:
                del table.known[key]
        self._counted()

    # -- reading: from any thread ------------------------------------------------------------------------------------

    @property
    def series(self) -> int:
        return self._count

    def collect(self) -> Iterator[Metric]:
        return (table.metric() for table in self._tables.values() if table.children)

    def written(self, *, exemplars: bool) -> Iterator[tuple[Metric, Iterator[str]]]:
        """Each family without its samples, and these as lines; the library's own writing takes ten times as long."""
        for table in self._tables.values():
            if table.children:
                yield table.header(), table.lines(exemplars=exemplars)

    # -- how ---------------------------------------------------------------------------------------------------------

    def _child(self, name: str, labels: Labels, *, value: float = 0.0, state: str = "") -> _Child | None:
        table = self._tables[name]
        child = table.children.get(labels)
        return child if child is not None else self._new(table, tuple(map(clean, labels)), value, state)

    def _new(self, table: _Table, labels: Labels, value: float, state: str) -> _Child | None:
        bounded = table.bounded(labels)
        child = None if bounded is None else table.children.get(bounded)
        if child is not None:
            return child
        if bounded is None or self._count + table.cost > self._max:
            if self._refused is not None:
                self._refused.value += 1
            return None
        child = table.keep(bounded, value, state)
        self._count += table.cost
        self._counted()
        return child

    def _drop(self, name: str, labels: Labels) -> None:
        table = self._tables[name]
        if table.drop(tuple(map(clean, labels))):
            self._count -= table.cost
            self._counted()

    def _counted(self) -> None:
        if self._shown is not None:
            self._shown.value = self._count


def clean(text: str) -> str:
    """As a label's value: printable, short, and of an address only the host."""
    if "://" in text:
        text = re.split(r"[/?#\\]", text.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    return "".join(each if each.isprintable() else "?" for each in text[:LONGEST])
