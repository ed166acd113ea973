"""What is exported of a load test is what its record says."""

import random
import socket
import threading
import time

import httpx
import pytest
from prometheus_client import Metric as Exposed
from prometheus_client.parser import text_string_to_metric_families

from exporters.book import Book
from exporters.load import LoadBook, exporting_load
from probe.load.figures import Figures, Generator, Requests, Slice, Ticks
from probe.load.mergeable import Level
from probe.load.plan import SearchBy, SearchPlan
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram
from probe.measure.metrics import FAMILIES, OF_LOAD, PREFIX, Family, Kind
from probe.model.errors import ConfigError
from tests.exporters.exported import families, load_record
from tests.load import made

BUCKETS = {family.name: family.buckets for family in FAMILIES if family.kind is Kind.HISTOGRAM}


def series(found: list[Exposed], name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """Of samples with these labels: the values of the others, and the sample's."""
    return {
        tuple(
            value for label, value in sample.labels.items() if label not in {"target", *labels}
        ): sample.value
        for each in found
        for sample in each.samples
        if sample.name == f"{PREFIX}{name}" and labels.items() <= sample.labels.items()
    }


def value(book: Book, name: str, **labels: str) -> float | None:
    (*found,) = series(families(book), name, **labels).values()
    assert len(found) < 2
    return found[0] if found else None


@pytest.mark.parametrize("family", [each for each in OF_LOAD if each.buckets], ids=lambda each: each.name)
def test_bounds_of_load_tests_divide_exactly(family: Family) -> None:
    name, more = family.name, dict.fromkeys(family.label_names[1:], "one")
    rng = random.Random(7)
    values = [10 ** rng.uniform(-5, 1.5) for _ in range(5000)]
    book = Book(FAMILIES, max_series=1000)
    book.spread(name, ("one", *more.values()), Histogram.of(values))
    counted = {key[-1]: count for key, count in series(families(book), f"{name}_bucket", **more).items()}
    for bound in family.buckets:
        assert counted[repr(float(bound))] == sum(each < bound for each in values)
    assert counted["+Inf"] == len(values)
    assert value(book, f"{name}_sum") == pytest.approx(sum(values))


@pytest.mark.parametrize("name", ["tick_interarrival_seconds", "reconnect_gap_seconds"])
def test_the_monitors_bounds_are_off_by_less_than_a_percent(name: str) -> None:
    rng = random.Random(8)
    values = [10 ** rng.uniform(-3, 3) for _ in range(5000)]
    book = Book(FAMILIES, max_series=100)
    book.spread(name, ("one",), Histogram.of(values))
    counted = {key[-1]: count for key, count in series(families(book), f"{name}_bucket").items()}
    for bound in BUCKETS[name]:
        least, most = (sum(each < bound * by for each in values) for by in (0.992, 1.008))
        assert least <= counted[repr(float(bound))] <= most


def test_the_same_counts_stand_on_the_page_and_in_the_record() -> None:
    record = RunRecord(the_plan := made.plan())
    for part in made.slices(the_plan, "stall", seconds=46):
        record.add(part)
    filled = LoadBook(record, target="staging", endpoint="eu")
    filled.fill_now()
    found, total = families(filled.book), record.total
    for name, each in total.requests.items():
        outcomes = {"answered": each.answered, **each.failed}
        told = series(found, "load_requests_total", operation=name)
        assert told == {("expired",): 0} | {(outcome,): count for outcome, count in outcomes.items()}
        assert series(found, "load_requests_due_total", operation=name) == {(): each.due}
        for kind in ("response", "service", "lateness"):
            whole: Histogram = getattr(each, kind)
            assert series(found, f"load_{kind}_seconds_count", operation=name) == {(): whole.count}
            (summed,) = series(found, f"load_{kind}_seconds_sum", operation=name).values()
            assert summed == pytest.approx(whole.total)
    assert series(found, "ticks_total") == {(name,): each.arrived for name, each in total.ticks.items()}
    assert series(found, "messages_sent_total") == {(): total.frames.messages_sent}
    assert series(found, "received_bytes_total") == {(): total.frames.bytes_received}
    assert series(found, "connect_attempts_total") == {("eu",): total.connects.begun}
    assert series(found, "load_sessions_live") == {(): total.sessions.live.last}
    assert series(found, "load_stage") == {("Reconnect storm",): 1.0}
    assert series(found, "load_remaining_seconds") == {(): 14.0}
    states = {word: float(record.verdict.word == word.upper()) for word in ("valid", "invalid")}
    assert series(found, "load_verdict") == {(word,): held for word, held in states.items()}
    holds = {each.threshold.text: float(bool(each.holds)) for each in record.thresholds}
    assert series(found, "load_threshold_holds") == {(text,): held for text, held in holds.items()}


def test_what_is_not_known_has_no_series() -> None:
    book = LoadBook(RunRecord(made.plan(rate=None)), target="staging", endpoint="eu")
    book.fill_now()
    there = {each.name.removeprefix(PREFIX) for each in families(book.book)}
    for name in (
        "load_verdict",
        "load_stage",
        "load_sessions_live",
        "load_wanted_rate",
        "load_response_seconds",
    ):
        assert name not in there
    search = SearchPlan(by=SearchBy.USERS, most=10)
    book = LoadBook(RunRecord(made.plan(search=search)), target="staging", endpoint="eu")
    book.fill_now()
    assert value(book.book, "load_remaining_seconds") is None


def test_a_stage_that_is_over_and_a_reason_that_holds_no_longer_are_gone() -> None:
    record = RunRecord(made.plan())
    filled = LoadBook(record, target="staging", endpoint="eu")
    for stage in range(2):
        figures = Figures(ticks={"EURUSD": Ticks(arrived=100)})
        figures.generators["alone"] = Generator(dropped_samples=1, cpu_seconds=0.1, wall_seconds=1.0)
        record.add(Slice(second=stage, stage=stage, figures=figures))
        filled.fill_now()
        assert list(series(families(filled.book), "load_stage")) == [(made.STAGES[stage].name,)]
        assert ("samples-dropped",) in series(families(filled.book), "load_verdict_reason")
    record.total.generators["alone"].dropped_samples = 0
    filled.fill_now()
    assert ("samples-dropped",) not in series(families(filled.book), "load_verdict_reason")


def test_the_number_of_series_is_bounded_whatever_the_run_is_made_of() -> None:
    record = RunRecord(made.plan())
    figures = Figures(ticks={f"S{number}": Ticks(arrived=1) for number in range(500)})
    for number in range(200):
        one = figures.requests[f"operation {number}"] = Requests(due=1, answered=1)
        one.failed = {f"kind {number} {kind}": 1 for kind in range(50)}
        for durations in (one.response, one.service, one.lateness):
            durations.add(0.01)
        figures.generators[f"worker {number}"] = Generator(lag=Histogram.of([0.001]))
    record.add(Slice(second=0, stage=0, figures=figures))
    filled = LoadBook(record, target="staging", endpoint="eu", max_series=3000)
    filled.fill_now()
    assert filled.book.series <= 3000
    refused = value(filled.book, "series_refused_total")
    assert refused is not None and refused > 0  # noqa: PT018 - it is there


def test_a_failure_that_no_connection_has_is_counted_as_ours() -> None:
    record = RunRecord(made.plan())
    figures = Figures()
    figures.connects.begun = 6
    figures.connects.failed = {"refused": 2, "auth.refused": 3, "tcp.refused": 1}
    figures.sessions.live = Level(1.0, 1.0, 1.0)
    record.add(Slice(second=0, stage=0, figures=figures))
    filled = LoadBook(record, target="staging", endpoint="eu")
    filled.fill_now()
    told = series(families(filled.book), "connect_failures_total")
    assert {key: count for key, count in told.items() if count} == {
        ("eu", "connecting", "internal"): 2,
        ("eu", "authenticating", "auth_expired"): 3,
        ("eu", "connecting", "refused"): 1,
    }


def test_it_is_served_while_the_record_grows() -> None:
    """And no name of the target leaks what an address may hold."""
    record = load_record()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said: list[str] = []
    target = "wss://user:planted-4471@staging.example/socket.io/?token=planted-4471"
    with exporting_load(
        record, listen=f"127.0.0.1:{port}", target=target, endpoint="eu", tell=said.append, warn=pytest.fail
    ) as fill:
        assert said == [f"serving http://127.0.0.1:{port}/metrics to this machine only"]
        now = time.monotonic()
        for extra in range(3):
            record.total.frames.messages_sent = 10_000 + extra
            fill(now + 10 * (extra + 1))
            page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
            found = list(text_string_to_metric_families(page.text))
            assert series(found, "messages_sent_total") == {(): 10_000 + extra}
            assert "planted-4471" not in page.text
        foreign = httpx.get(
            f"http://127.0.0.1:{port}/metrics", headers={"Host": "evil.example"}, trust_env=False
        )
        assert foreign.status_code == 421
    assert not any(each.name == "exporter" for each in threading.enumerate())


def test_an_address_that_is_taken_is_said_in_words() -> None:
    record = RunRecord(made.plan())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match="something else listens there"),
            exporting_load(
                record, listen=listen, target="one", endpoint="eu", tell=pytest.fail, warn=pytest.fail
            ),
        ):
            pass
