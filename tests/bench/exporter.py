"""What a scrape costs: those who measure in the same process, and the machine. The scraper is a process of its own."""

import asyncio
import contextlib
import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from exporters.book import Book
from exporters.metrics_page import routes
from exporters.observer import Observer
from exporters.server import Server
from probe.brokers import find_broker
from probe.measure.metrics import FAMILIES
from probe.measure.records import Metric
from probe.model.endpoint import Endpoint
from probe.monitor.monitor import Monitor
from probe.monitor.own import resident_megabytes
from probe.monitor.wanted import ConnectMode, Wanted
from probe.simulator.run import Simulator
from tests.bench.figures import Figure
from tests.monitor.linked import regions
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual import travelling

ROUNDS, ROUND_SECONDS = 5, 8.0
WATCHED_SECONDS = 90.0
SCRAPED_EVERY = 0.5
ECHO_EVERY = 0.005
SCRAPER = """
import json, sys, time, urllib.request
url, every, times = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
took = []
for _ in range(times):
    began = time.perf_counter()
    ask = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"})
    with urllib.request.urlopen(ask) as reply:
        size = len(reply.read())
    took.append(time.perf_counter() - began)
    time.sleep(max(every - took[-1], 0))
print(json.dumps([*took, size]))
"""


def exporter() -> Iterator[Figure]:
    book = filled(5, 4, 10)
    none, scraped = [], []
    with served(book) as url:
        for _ in range(ROUNDS):
            none.append(asyncio.run(echoed()))
            with scraper(url, SCRAPED_EVERY, int(ROUND_SECONDS / SCRAPED_EVERY)):
                scraped.append(asyncio.run(echoed()))
    moved = statistics.median(each[1] for each in scraped) - statistics.median(each[1] for each in none)
    shown = "; ".join(
        f"{name}: p50 {p50:.2f}, p99 {p99:.2f}, max {largest:.1f} ms"
        for name, rows in (("unscraped", none), ("scraped", scraped))
        for p50, p99, largest in [tuple(map(statistics.median, zip(*rows, strict=True)))]
    )
    yield Figure(
        f"{book.series} series, scraped every 0.5 s: round trip p99 moves by", moved, "ms", 5.0, shown
    )
    for fleet in ((20, 4, 20), (200, 1, 2)):
        yield from _fleet(fleet)


def _fleet(fleet: tuple[int, int, int]) -> Iterator[Figure]:
    name = " × ".join(map(str, fleet))
    gc.collect()
    before = resident_megabytes() or 0.0
    book = filled(*fleet)
    with served(book) as url:
        gc.collect()
        memory = (resident_megabytes() or 0.0) - before
        began = time.process_time()
        with scraper(url, SCRAPED_EVERY, 10) as answer:
            pass
        cpu = (time.process_time() - began) / 10
        *took, size = answer
    note = f"{book.series} series, {size / 1e3:.0f} kB packed, {cpu * 1e3:.0f} ms of CPU; {memory:.0f} MB more than before its sessions were simulated"
    yield Figure(
        f"one scrape of {name} (targets × endpoints × symbols)", statistics.median(took), "s", 1.0, note
    )
    refused = filled(*fleet, max_series=5000)
    note = f"{refused.series} series"
    yield Figure(f"{name} with max_series as it is: series", refused.series, "", 5000, note)


def filled(targets: int, endpoints: int, symbols: int, max_series: int = 100_000) -> Book:
    """A book filled by an observer of monitored, simulated sessions."""
    return travelling.run(_watched(targets, endpoints, symbols, max_series))


async def _watched(targets: int, endpoints: int, symbols: int, max_series: int) -> Book:
    loop, broker = asyncio.get_running_loop(), find_broker("quotex")
    names = [f"r{number}" for number in range(endpoints)]
    book = Book(FAMILIES, max_series=max_series)
    with simulated_at(WEDNESDAY_NOON):
        async with Simulator([broker], regions=regions(*names, latency=0.005)) as simulator:
            floor = simulator.worlds[broker.name].floor
            at = tuple(
                Endpoint(
                    broker=broker.name,
                    region=each.region,
                    url=each.url,
                    account=each.account,
                    named_by_user=True,
                )
                for each in simulator.endpoints
            )[:endpoints]
            listed = floor.assets(WEDNESDAY_NOON)[0].rows
            tradable = [each.symbol for each in listed if each.is_open and each.symbol.endswith("_otc")]
            wanted = [
                Wanted(
                    name=f"target-{number}",
                    broker=broker,
                    endpoints=at,
                    key=simulator.key(at[0]),
                    symbols=tuple(tradable[:symbols]),
                    connect=ConnectMode.RACE,
                    proxy="none",
                    knock_every=10.0,
                )
                for number in range(targets)
            ]
            monitor = Monitor(wanted, utc=lambda: floor.at(loop.time()), rng=random.Random(1))
            observer = Observer(monitor, book, max_targets=targets)
            tasks = [asyncio.create_task(each) for each in (monitor.run(), observer.run())]
            await asyncio.sleep(WATCHED_SECONDS / 2)
            for watch in monitor.watches.values():  # as after sessions at each of them
                for endpoint in at:
                    for metric in (Metric.WS_RTT, Metric.APP_RTT, Metric.TCP_RTT, Metric.CONNECT):
                        watch.measured(loop.time(), metric, 0.02, endpoint=endpoint.region)
            await asyncio.sleep(WATCHED_SECONDS / 2)
            tasks[1].cancel()
            await asyncio.wait(tasks[1:])
            monitor.stop()
            await tasks[0]
    return book


@contextlib.contextmanager
def served(book: Book) -> Iterator[str]:
    server = Server(routes(book), host="127.0.0.1", port=0)
    host, port = asyncio.run(server.start())
    try:
        yield f"http://{host}:{port}/metrics"
    finally:
        asyncio.run(server.stop())


@contextlib.contextmanager
def scraper(url: str, every: float, times: int) -> Iterator[list[float]]:
    """Filled at its end: how long each took, and then the size of the last."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRAPER, url, str(every), str(times)], stdout=subprocess.PIPE, text=True
    ) as process:
        found: list[float] = []
        yield found
        output, _ = process.communicate(timeout=120)
        found.extend(json.loads(output))


async def echoed() -> tuple[float, float, float]:
    """Median, p99 and largest of round trips to ourselves, in milliseconds."""

    gone = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        gone.set()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    end, trips = time.perf_counter() + ROUND_SECONDS, []
    while (began := time.perf_counter()) < end:
        writer.write(b"ping")
        await reader.read(100)
        trips.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(ECHO_EVERY)
    writer.close()
    server.close()
    await gone.wait()
    trips.sort()
    return statistics.median(trips), trips[int(len(trips) * 0.99)], trips[-1]
