"""What a receiver of OTLP gets is what /metrics shows, and no receiver can harm the sender."""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from queue import Empty, SimpleQueue

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporters.book import Book
from exporters.otlp import AT_ONCE, OtlpSender
from probe.measure.metrics import FAMILIES
from probe.model.credentials import Secret

PATIENCE = 15.0
SECRET = "planted0otlp0token"
OFTEN, SELDOM = 0.02, 3600.0  # seconds
Labels = frozenset[tuple[str, str]]
Series = dict[tuple[str, Labels], float]


class Receiver:
    """Answers as it is told to; None: never."""

    def __init__(self, port: int) -> None:
        self.url = Secret(f"http://127.0.0.1:{port}/{SECRET}/v1/metrics")
        self.status: int | None = 200
        self.came: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self.end = threading.Event()

    def next(self) -> ExportMetricsServiceRequest:
        path, body = self.came.get(timeout=PATIENCE)
        assert path == f"/{SECRET}/v1/metrics"
        request = ExportMetricsServiceRequest()
        request.ParseFromString(body)
        return request


@contextmanager
def receiver(status: int | None = 200) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiving.came.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            if receiving.status is None:
                receiving.end.wait(PATIENCE)
                return
            self.send_response(receiving.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiving = Receiver(server.server_port)
        receiving.status = status
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiving
        finally:
            receiving.end.set()
            server.shutdown()
            thread.join()


class Notes:
    def __init__(self) -> None:
        self._told: SimpleQueue[tuple[str, str]] = SimpleQueue()

    def __call__(self, code: str, sentence: str) -> None:
        self._told.put((code, sentence))

    def next(self) -> tuple[str, str]:
        return self._told.get(timeout=PATIENCE)

    def all(self) -> list[tuple[str, str]]:
        found = []
        while True:
            try:
                found.append(self._told.get_nowait())
            except Empty:
                return found


@contextmanager
def sending(book: Book, url: Secret, every: float, notes: Notes) -> Iterator[OtlpSender]:
    sender = OtlpSender(book, url, every, notes)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()


def filled() -> Book:
    """One of each kind."""
    book = Book(FAMILIES, max_series=5000)
    book.put("build", ("1.2.3", "3.11"), 1.0)
    book.put("uplink_up", (), 1.0)
    book.choose("session_state", ("demo",), "streaming")
    book.add("connect_failures", ("demo", "eu", "securing", "expired"), 3.0)
    book.begin("connect_attempts", ("demo", "eu"))
    for seconds in (0.004, 0.03, 0.03, 0.7, 99.0):
        book.observe("ws_ping_rtt_seconds", ("demo", "eu"), seconds, {"session": "7"})
    book.observe("ws_ping_rtt_seconds", ("other", "us"), 0.2)
    book.observe("connect_phase_duration_seconds", ("demo", "eu", "securing"), 0.25)
    book.observe("connect_phase_duration_seconds", ("demo", "eu", "securing"), 0.5)
    return book


def labels_of(attributes: Iterator[KeyValue] | list[KeyValue], **more: str) -> Labels:
    return frozenset({**{each.key: each.value.string_value for each in attributes}, **more}.items())


def told(metric: Metric) -> Series:
    """As the text format would say it."""
    found: Series = {}
    for point in metric.gauge.data_points:
        found[metric.name, labels_of(list(point.attributes))] = point.as_double
    for point in metric.sum.data_points:
        found[f"{metric.name}_total", labels_of(list(point.attributes))] = point.as_double
    for spread in metric.histogram.data_points:
        labels = labels_of(list(spread.attributes))
        found[f"{metric.name}_count", labels] = spread.count
        found[f"{metric.name}_sum", labels] = spread.sum
        bounds = [*map(repr, spread.explicit_bounds), "+Inf"]
        for bound, count in zip(bounds, accumulate(spread.bucket_counts), strict=True):
            if spread.explicit_bounds:
                found[f"{metric.name}_bucket", labels_of(list(spread.attributes), le=bound)] = count
    return found


def exposed(book: Book) -> Series:
    text = generate_latest(book).decode()  # type: ignore[no-untyped-call]
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


def test_what_is_sent_has_the_values_that_metrics_shows() -> None:
    book = filled()
    with receiver() as receiving, sending(book, receiving.url, OFTEN, Notes()):
        (resource,) = receiving.next().resource_metrics
    (scope,) = resource.scope_metrics
    sent: Series = {}
    for metric in scope.metrics:
        sent |= told(metric)
    assert sent == exposed(book)
    assert ("service.name", "tradeprobe") in labels_of(list(resource.resource.attributes))
    assert "service.version" in dict(labels_of(list(resource.resource.attributes)))
    by_name = {metric.name: metric for metric in scope.metrics}
    failures, rtt = by_name["tradeprobe_connect_failures"].sum, by_name["tradeprobe_ws_ping_rtt_seconds"]
    assert failures.is_monotonic
    assert failures.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    assert rtt.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    assert rtt.unit == "s"
    point = rtt.histogram.data_points[0]
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    assert not point.HasField("min")
    assert {each.as_double for each in point.exemplars} == {0.004, 0.03, 0.7, 99.0}
    assert labels_of(list(point.exemplars[0].filtered_attributes)) == {("session", "7")}


def test_many_series_come_in_pieces_that_lack_nothing() -> None:
    book = Book(FAMILIES, max_series=10_000)
    for number in range(2 * AT_ONCE):
        book.put("health_score", (f"target-{number}",), number)
        book.observe("ws_ping_rtt_seconds", (f"target-{number}", "eu"), number / AT_ONCE)
    sent: Series = {}
    with receiver() as receiving, sending(book, receiving.url, SELDOM, Notes()) as sender:
        sender.send()
        pieces = [receiving.next() for _ in range(receiving.came.qsize())]
    for piece in pieces:
        metrics = piece.resource_metrics[0].scope_metrics[0].metrics
        assert sum(_points(metric) for metric in metrics) <= AT_ONCE
        for metric in metrics:
            sent |= told(metric)
    assert sent == exposed(book)


def _points(metric: Metric) -> int:
    return sum(len(data.data_points) for data in (metric.gauge, metric.sum, metric.histogram))


def sent_by(sender: OtlpSender, receiving: Receiver) -> dict[tuple[str, str], tuple[float, int, int]]:
    """By name and target: the value, since when it counts, and when it was so."""
    sender.send()
    found = {}
    for _ in range(receiving.came.qsize()):
        for metric in receiving.next().resource_metrics[0].scope_metrics[0].metrics:
            for point in metric.sum.data_points:
                found[metric.name, target_of(point)] = (point.as_double, point.start_time_unix_nano, point.time_unix_nano)  # fmt: skip
            for spread in metric.histogram.data_points:
                found[metric.name, target_of(spread)] = (spread.count, spread.start_time_unix_nano, spread.time_unix_nano)  # fmt: skip
    return found


def target_of(point: NumberDataPoint | HistogramDataPoint) -> str:
    return dict(labels_of(list(point.attributes))).get("target", "")


@pytest.mark.parametrize("name", ["stalls", "reconnect_gap_seconds"])
def test_what_begins_anew_counts_since_the_last_sending_and_all_else_since_the_first(name: str) -> None:
    def count(target: str, times: int) -> None:
        for _ in range(times):
            (book.observe if name.endswith("seconds") else book.add)(name, (target,), 1.0)

    book = Book(FAMILIES, max_series=100)
    count("stays", 5)
    count("changes", 5)
    with receiver() as receiving, sending(book, receiving.url, SELDOM, Notes()) as sender:
        first = sent_by(sender, receiving)
        book.forget("changes")
        count("changes", 2)
        count("stays", 1)
        receiving.status = 500
        sent_by(sender, receiving)  # lost: whoever receives knows the first only
        receiving.status = 200
        second, third = sent_by(sender, receiving), sent_by(sender, receiving)
    name = f"tradeprobe_{name}"
    assert [each[name, "changes"][0] for each in (first, second, third)] == [5.0, 2.0, 2.0]
    assert [each[name, "stays"][0] for each in (first, second, third)] == [5.0, 6.0, 6.0]
    began, sent = first[name, "stays"][1:]
    assert [each[name, "stays"][1] for each in (second, third)] == [began, began]
    assert [each[name, "changes"][1] for each in (second, third)] == [sent, sent]


def test_the_last_values_are_sent_at_the_end() -> None:
    book = filled()
    with receiver() as receiving:
        with sending(book, receiving.url, SELDOM, Notes()):
            book.add("ticks", ("demo", "EURUSD"), 5.0)
        (resource,) = receiving.next().resource_metrics
    assert "tradeprobe_ticks" in {metric.name for metric in resource.scope_metrics[0].metrics}


def test_a_receiver_that_refuses_is_told_once_and_so_is_that_it_works_again(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    notes = Notes()
    with receiver(500) as receiving, sending(filled(), receiving.url, OFTEN, notes):
        code, sentence = notes.next()
        assert (code, "exporter.otlp" in sentence) == ("otlp.failing", True)
        for _ in range(3):
            receiving.next()
        assert notes.all() == []
        receiving.status = 200
        code, sentence = notes.next()
        assert code == "otlp.works"
    shown = "".join(capfd.readouterr()) + caplog.text + sentence
    assert SECRET not in shown


def test_a_receiver_that_is_gone_is_told_and_nobody_sees_its_address(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    notes = Notes()
    began = time.monotonic()
    sender = OtlpSender(filled(), Secret(f"http://127.0.0.1:{port}/{SECRET}"), SELDOM, notes)
    sender.start()
    sender.stop()
    assert time.monotonic() - began < PATIENCE
    assert SECRET not in "".join(capfd.readouterr()) + caplog.text + repr(vars(sender))


def test_a_receiver_that_never_answers_keeps_nobody_waiting_at_the_end() -> None:
    with receiver(None) as receiving:
        sender = OtlpSender(filled(), receiving.url, OFTEN, Notes())
        sender.start()
        receiving.next()  # now it waits for the answer
        began = time.monotonic()
        sender.stop()
        assert time.monotonic() - began < 5.0
        receiving.end.set()


def test_without_the_package_it_is_said_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.exporter'] = None\n"
        "from probe.model.errors import ConfigError\n"
        "try: import exporters.otlp\n"
        "except ConfigError as problem: print(problem)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "exporter.otlp" in said
    assert "pip install 'tradeprobe[otlp]'" in said
