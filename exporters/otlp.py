"""The same series by OTLP: turned into the SDK's own types and sent by its exporter, in a thread of its own."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import islice, pairwise
from typing import Any

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

from probe.model.credentials import Secret
from probe.model.errors import ConfigError

try:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Exemplar as SentExemplar
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        Gauge,
        Histogram,
        HistogramDataPoint,
        Metric,
        MetricExportResult,
        MetricsData,
        NumberDataPoint,
        ResourceMetrics,
        ScopeMetrics,
        Sum,
    )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
except ImportError:
    raise ConfigError(
        "what sends metrics by OTLP is not installed",
        where="exporter.otlp",
        next_step="Install it: pip install 'tradeprobe[otlp]'. Or leave this setting out.",
    ) from None

WITHIN = 10.0  # seconds for one sending, what it tries again included; never more than lie between two
ENDS_WITHIN = 1.0
_CHATTY = ("opentelemetry.exporter.otlp.proto.http", "urllib3")  # their lines would show the URL
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}
AT_ONCE = 100  # points in a request, and a moment's pause after it: what is measured meanwhile needs the interpreter, too
PAUSE = 0.005
Labels = tuple[tuple[str, str], ...]
Point = NumberDataPoint | HistogramDataPoint


class OtlpSender:
    """
    Args:
        url: Where to; it may hold a token.
        note: Takes a code and a sentence, in the sender's thread, when sending begins to fail and when it works again.
    """

    def __init__(
        self,
        source: Collector,
        url: Secret,
        every: float,
        note: Callable[[str, str], object],
    ) -> None:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._source, self._every, self._note = source, every, note
        self._exporter = OTLPMetricExporter(endpoint=url.reveal(), timeout=max(1.0, min(WITHIN, every)))
        self._resource = Resource({"service.name": "tradeprobe", "service.version": version("tradeprobe")})
        self._beginnings = Beginnings(time.time_ns())
        self._failed = 0  # in a row
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_sending, name="otlp", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends once more, if that can be done in a moment."""
        self._stop.set()
        self._thread.join(ENDS_WITHIN)
        self._exporter.shutdown()

    def _keep_sending(self) -> None:
        while not self._stop.wait(self._every):
            self.send()
        self.send()

    def send(self) -> None:
        now_ns = time.time_ns()
        is_sent = all(map(self._export, batches(self._source.collect(), self._beginnings, now_ns)))
        self._beginnings.looked(now_ns, at_all=is_sent)
        if is_sent:
            if self._failed:
                self._note(
                    "otlp.works", f"metrics are sent by OTLP again; {self._failed} times they were not"
                )
            self._failed = 0
            return
        self._failed += 1
        if self._failed == 1 and not self._stop.is_set():
            self._note(
                "otlp.failing",
                "the metrics could not be sent by OTLP: the receiver of exporter.otlp is gone, too slow or refuses them. "
                "It is tried again each time, and said once when it works",
            )

    def _export(self, metrics: Sequence[Metric]) -> bool:
        scope = ScopeMetrics(scope=InstrumentationScope("tradeprobe"), metrics=metrics, schema_url="")
        data = MetricsData([ResourceMetrics(self._resource, [scope], schema_url="")])
        is_sent = self._exporter.export(data) is MetricExportResult.SUCCESS
        time.sleep(PAUSE)
        return is_sent


class Beginnings:
    """Since when each series counts. One that is new, or has fallen because its target is another, begins after what was sent
    before: with the old beginning it would be a total that falls."""

    def __init__(self, now_ns: int) -> None:
        self._sent_ns = now_ns
        self._known: dict[tuple[str, Labels], tuple[int, float]] = {}
        self._found: dict[tuple[str, Labels], tuple[int, float]] = {}

    def of(self, name: str, labels: Labels, value: float) -> int:
        began_ns, before = self._known.get((name, labels), (self._sent_ns, 0.0))
        if value < before:
            began_ns = self._sent_ns
        self._found[name, labels] = began_ns, value
        return began_ns

    def looked(self, now_ns: int, *, at_all: bool) -> None:
        """`at_all`: and all of them were sent; those that were not found are no more."""
        if at_all:
            self._known, self._sent_ns = self._found, now_ns
        else:
            self._known |= self._found
        self._found = {}


def batches(families: Iterable[Family], beginnings: Beginnings, now_ns: int) -> Iterator[list[Metric]]:
    """Every family that has series, in as many pieces as it takes."""
    batch: list[Metric] = []
    size = 0
    for family in families:
        points = _points_of(family, beginnings, now_ns)
        while found := list(islice(points, AT_ONCE - size)):
            batch.append(_metric(family, found))
            size += len(found)
            if size >= AT_ONCE:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _points_of(family: Family, beginnings: Beginnings, now_ns: int) -> Iterator[Point]:
    match family.type:
        case "counter":
            return _numbers(_named(family, "_total"), now_ns, beginnings)
        case "histogram" | "summary":
            return _distributions(family, now_ns, beginnings)
        case _:
            return _numbers(family.samples, now_ns)


def _metric(family: Family, points: list[Any]) -> Metric:
    total, name = AggregationTemporality.CUMULATIVE, family.name
    data: Sum | Gauge | Histogram
    match family.type:
        case "counter":
            data = Sum(points, aggregation_temporality=total, is_monotonic=True)
        case "histogram" | "summary":
            data = Histogram(points, aggregation_temporality=total)
        case (
            _
        ):  # a state that holds is 1, and so is what is known about a target; `_info` belongs to the name
            name, data = family.samples[0].name, Gauge(points)
    return Metric(name, family.documentation, _UNITS.get(family.unit, ""), data)


def _named(family: Family, suffix: str) -> Iterator[Sample]:
    name = f"{family.name}{suffix}"
    return (sample for sample in family.samples if sample.name == name)


def _numbers(samples: Iterable[Sample], now_ns: int, beginnings: Beginnings | None = None) -> Iterator[Point]:
    for sample in samples:
        began_ns = beginnings.of(sample.name, _key(sample.labels), sample.value) if beginnings else 0
        yield NumberDataPoint(
            attributes=sample.labels,
            start_time_unix_nano=min(began_ns, now_ns),  # clocks are also set back
            time_unix_nano=now_ns,
            value=float(sample.value),
        )


def _distributions(family: Family, now_ns: int, beginnings: Beginnings) -> Iterator[Point]:
    """Of a summary, which has no buckets here, there is one that holds everything."""
    buckets: defaultdict[Labels, list[tuple[float, Sample]]] = defaultdict(list)
    for sample in _named(family, "_bucket"):
        labels = dict(sample.labels)
        bound = float(labels.pop("le"))
        buckets[_key(labels)].append((bound, sample))
    sums = {_key(sample.labels): sample.value for sample in _named(family, "_sum")}
    no_extremes: Any = None  # they are not known, and the SDK's types do not say that this is possible
    for count in _named(family, "_count"):
        key = _key(count.labels)
        inside = sorted(buckets[key], key=lambda each: each[0])
        totals = [0, *(int(sample.value) for _, sample in inside)]
        yield HistogramDataPoint(
            attributes=count.labels,
            start_time_unix_nano=min(beginnings.of(family.name, key, count.value), now_ns),
            time_unix_nano=now_ns,
            count=int(count.value),
            sum=sums[key],
            bucket_counts=[after - before for before, after in pairwise(totals)] or [int(count.value)],
            explicit_bounds=[bound for bound, _ in inside[:-1]],
            min=no_extremes,
            max=no_extremes,
            exemplars=_exemplars([sample.exemplar for _, sample in inside if sample.exemplar], now_ns),
        )


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _exemplars(found: Sequence[Exemplar], now_ns: int) -> list[SentExemplar]:
    return [
        SentExemplar(
            filtered_attributes=each.labels,
            value=float(each.value),
            time_unix_nano=now_ns if each.timestamp is None else int(float(each.timestamp) * 1e9),
        )
        for each in found
    ]
