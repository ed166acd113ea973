"""Many monitored sessions in one process, the simulator in another: what they cost, and whether one is lost.

python -m tests.soak.sessions --sessions 1000 --minutes 10
"""

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from probe.brokers import find_broker
from probe.drivers.loop import run as run_loop
from probe.measure.histogram import Histogram
from probe.measure.records import Disconnected, Incident, Record
from probe.model.endpoint import Account, Endpoint
from probe.monitor.monitor import Common, Monitor
from probe.monitor.own import resident_megabytes
from probe.monitor.wanted import ConnectMode, Wanted

BROKER = "pocketoption"
LAG_EVERY = 0.01
RAMP_WITHIN = 90.0
SETTLED_AFTER = 120.0  # from all sessions streaming; the figures count from there
CORE_KIB = 5.5  # of a session without a monitor: make bench ARGS=idle_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    sessions: int
    seconds: float  # measured
    streaming: int  # at the end
    lost: int
    incidents: int
    ticks: int
    megabytes_before: float
    megabytes_settled: float
    megabytes_end: float
    lag_p99: float
    lag_largest: float
    idle_lag_p99: float  # of a process beside it that does nothing else
    cpu_seconds: float

    @property
    def growth(self) -> float:
        return self.megabytes_end / self.megabytes_settled - 1

    @property
    def kib_each(self) -> float:
        """Above what the session core takes."""
        return (self.megabytes_end - self.megabytes_before) * 1e6 / 1024 / self.sessions - CORE_KIB

    @property
    def cpu_share(self) -> float:
        return self.cpu_seconds / self.seconds

    def lines(self) -> Iterator[str]:
        yield f"{self.sessions} sessions for {self.seconds:.0f} s after settling, {self.ticks / self.seconds:,.0f} ticks/s"
        yield f"  streaming at the end  {self.streaming}, lost {self.lost}, incidents {self.incidents}"
        yield f"  resident memory       {self.megabytes_settled:.1f} MB settled, {self.megabytes_end:.1f} MB at the end ({self.growth:+.1%}; aim: 5 % at most)"
        yield f"  memory per session    {self.kib_each:.1f} KiB above the core's {CORE_KIB} (aim: 40 at most)"
        yield f"  event loop lag        p99 {self.lag_p99 * 1000:.1f} ms (aim: below 20), largest {self.lag_largest * 1000:.0f} ms"
        yield f"    of an idle process  p99 {self.idle_lag_p99 * 1000:.1f} ms at the same time: what the machine adds by itself"
        yield f"  CPU                   {self.cpu_share:.1%} of one core (aim: 25 % at most)"


@contextlib.contextmanager
def simulated() -> Iterator[tuple[Endpoint, str]]:
    """A simulator in a process of its own: an endpoint and its credential."""
    command = [sys.executable, "-m", "probe", "sim", BROKER, "--no-tls", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield (
                Endpoint(
                    broker=BROKER,
                    region=told["region"],
                    url=told["url"],
                    account=Account.DEMO,
                    named_by_user=True,
                ),
                told["credential"],
            )
        finally:
            process.terminate()


async def measured(
    sessions: int, seconds: float, settle_seconds: float, endpoint: Endpoint, credential: str
) -> Figures:
    broker = find_broker(BROKER)
    key = broker.read_credentials(credential)
    wanted = [
        Wanted(
            name=f"s{number}",
            broker=broker,
            endpoints=(endpoint,),
            key=key,
            symbols=(broker.default_symbol,),
            connect=ConnectMode.FALLBACK,
            proxy="none",
            knock_every=None,
        )
        for number in range(sessions)
    ]
    before = resident()
    monitor = Monitor(wanted, common=Common(keeps_ticks=False), rng=random.Random(1))
    lost: list[Disconnected] = []
    incidents: list[Incident] = []

    def note(record: Record) -> None:
        if isinstance(record, Disconnected):
            lost.append(record)
        elif isinstance(record, Incident):
            incidents.append(record)

    monitor.add_sink(note)
    running = asyncio.create_task(monitor.run())
    try:
        async with asyncio.timeout(RAMP_WITHIN):
            while streaming(monitor) < sessions:  # noqa: ASYNC110 - nothing tells when a thousand are
                await asyncio.sleep(0.5)
        all_since_utc = time.time()  # before, the simulator is what is slow
        await asyncio.sleep(settle_seconds)
        settled, ticks, cpu, began = resident(), total_ticks(monitor), time.process_time(), time.monotonic()
        with idle_process(seconds) as idle:
            lag = await lag_over(seconds)
            idle_lag_p99 = float(await asyncio.to_thread(idle.readline))
        return Figures(
            sessions=sessions,
            seconds=time.monotonic() - began,
            streaming=streaming(monitor),
            lost=len(lost),
            incidents=sum(each.began_utc >= all_since_utc for each in incidents),
            ticks=total_ticks(monitor) - ticks,
            megabytes_before=before,
            megabytes_settled=settled,
            megabytes_end=resident(),
            lag_p99=lag.quantile(0.99) or 0.0,
            lag_largest=lag.largest,
            idle_lag_p99=idle_lag_p99,
            cpu_seconds=time.process_time() - cpu,
        )
    finally:
        monitor.stop()
        await running


@contextlib.contextmanager
def idle_process(seconds: float) -> Iterator[IO[str]]:
    """It prints how late its timers came."""
    command = [sys.executable, "-m", "tests.soak.sessions", "--idle", str(seconds / 60)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            process.terminate()


async def lag_over(seconds: float) -> Histogram:
    """How late a timer of this loop comes."""
    loop, lag = asyncio.get_running_loop(), Histogram.of(())
    due, until = loop.time(), loop.time() + seconds
    while due < until:
        due += LAG_EVERY
        await asyncio.sleep(max(due - loop.time(), 0.0))
        late = loop.time() - due
        lag.add(max(late, 0.0))
        due = max(due, loop.time() - LAG_EVERY)
    return lag


def streaming(monitor: Monitor) -> int:
    return sum(condition.cause is None for condition in monitor.conditions().values())


def total_ticks(monitor: Monitor) -> int:
    return sum(monitor.ticks().values())


def resident() -> float:
    megabytes = resident_megabytes()
    if megabytes is None:
        raise RuntimeError("this system does not say how much memory is resident")
    return megabytes


def run(sessions: int, minutes: float, *, settle_seconds: float = SETTLED_AFTER) -> Figures:
    with simulated() as (endpoint, credential):
        return run_loop(measured(sessions, minutes * 60, settle_seconds, endpoint, credential))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--idle", type=float, metavar="MINUTES", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.idle is not None:
        print(asyncio.run(lag_over(chosen.idle * 60)).quantile(0.99))
        return
    print("\n".join(run(chosen.sessions, chosen.minutes).lines()))


if __name__ == "__main__":
    main()
