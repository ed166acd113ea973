"""The exposition of a monitored session, in time that does not wait. Run as a program it writes the golden files anew."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from unittest import mock

from prometheus_client import Metric as Exposed
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporters.book import Book
from exporters.load import LoadBook
from exporters.observer import Observer
from probe.load.record import RunRecord
from probe.measure.metrics import FAMILIES
from probe.measure.records import Metric
from probe.monitor.monitor import Common, Monitor
from probe.monitor.own import Own
from tests.load import made
from tests.monitor.matrix import Course, course
from tests.monitor.matrix_coins import REST
from tests.virtual.travelling import run

GOLDEN = Path(__file__).parent / "golden"
KEPT = Own(delivered={"hook": (3, 1)}, store_failing=False, store_dropped=0)
SETTLES, GOES_ON = 35.0, 90.0


@asynccontextmanager
async def observed(
    broker: str, *faults: str, max_series: int = 5000, max_targets: int = 64, **changes: object
) -> AsyncIterator[tuple[Course, Book, Observer]]:
    """Watched with a control address, an alert channel and a history."""
    answering = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    common = Common(control=answering.sockets[0].getsockname())
    made = partial(Monitor, common=common, own=lambda: KEPT)
    book = Book(FAMILIES, max_series=max_series)
    book.put("config_last_reload_successful", (), 1)
    book.put("config_last_reload_success_timestamp_seconds", (), 1.0)
    with mock.patch("tests.monitor.matrix.Monitor", made):
        async with course(broker, *faults, **changes) as one:  # type: ignore[arg-type]
            observer = Observer(one.monitor, book, max_targets=max_targets)
            observing = asyncio.create_task(observer.run())
            try:
                yield one, book, observer
            finally:
                observing.cancel()
                with suppress(asyncio.CancelledError):
                    await observing
                answering.close()


@asynccontextmanager
async def exported(broker: str, *faults: str, **changes: object) -> AsyncIterator[tuple[Course, Book]]:
    async with observed(broker, *faults, **changes) as (one, book, _):  # type: ignore[arg-type]
        yield one, book


async def _dropped() -> Book:
    async with exported("pocketoption", tls=True, symbols=("EURUSD_otc", "GBPUSD_otc")) as (one, book):
        await asyncio.sleep(SETTLES)
        await one.simulator.board.switch_on("drop:at=0s")
        await asyncio.sleep(5.0)
        await one.simulator.board.switch_off(1)
        await asyncio.sleep(GOES_ON)
    return book


async def _stalled() -> Book:
    async with exported("quotex") as (one, book):
        await asyncio.sleep(GOES_ON)
        await one.simulator.board.switch_on("silent-stall:at=0s")
        await asyncio.sleep(20.0)
    return book


async def _gateway() -> Book:
    async with exported("mt5", at=None) as (one, book):
        await asyncio.sleep(GOES_ON)
        watch = one.monitor.watches["one"]
        for metric in (Metric.ORDER_RTT, Metric.TERMINAL_PING, Metric.ACCESS_RTT, Metric.SERVER_PROCESS):
            watch.measured(one.loop.time(), metric, 0.02)  # what a terminal's journal says
        await asyncio.sleep(5.0)
    return book


async def _polled() -> Book:
    async with exported("bingx", at=REST) as (_, book):
        await asyncio.sleep(GOES_ON)
    return book


def load_record() -> RunRecord:
    """Of a load test that never was, in which something of everything went wrong."""
    record = RunRecord(the_plan := made.plan(), simulated=True)
    for part in made.slices(the_plan, "busy-generator", lost_worker=20, seconds=50):
        record.add(part)
    total = record.total
    total.connects.failed["tcp.refused"] = 3
    total.sessions.lost["session.tcp-reset"] = 2
    total.ticks["EURUSD_otc"].first.add(0.3)
    total.generators["worker-1"].refused["connections"] = 4
    record.lost_workers["worker-2"] = "it was ended"
    return record


async def _load() -> Book:
    filled = LoadBook(load_record(), target="staging", endpoint="eu")
    filled.fill_now()
    return filled.book


SCENES: dict[str, Callable[[], Awaitable[Book]]] = {
    "dropped": _dropped,
    "stalled": _stalled,
    "gateway": _gateway,
    "polled": _polled,
    "load": _load,
}


def families(book: Book) -> list[Exposed]:
    """As whoever scrapes it understands it."""
    return list(text_string_to_metric_families(openmetrics(book).decode()))  # type: ignore[no-untyped-call]


def masked(found: Iterable[Exposed]) -> str:
    lines: dict[str, None] = {}
    for family in found:
        lines[f"# HELP {family.name} {family.documentation}"] = None
        lines[f"# TYPE {family.name} {family.type} {family.unit}".rstrip()] = None
        for sample in family.samples:
            names = ",".join(sorted(sample.labels))
            lines[f"{sample.name}{{{names}}}"] = None
    return "\n".join([*lines, ""])


def golden(scene: str) -> Path:
    return GOLDEN / f"{scene}.txt"


async def of_scene(scene: str) -> Book:
    return await SCENES[scene]()


if __name__ == "__main__":
    for each in SCENES:
        golden(each).write_text(masked(families(run(of_scene(each)))))
