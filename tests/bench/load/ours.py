"""What our own load client costs: CPU and memory for each echo, tick, idle connection and connect.

`python -m tests.bench.load.ours` prints the figures; the same module is the client process (`… client WHAT COUNT PORT`). Costs
are the client's CPU time over a steady window, divided by what the server counted, median of three windows: wall time would
measure the neighbours.
"""

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[3]
SERVER_CORE, CLIENT_CORE = "0", "1"
WINDOW_SECONDS = 0.5
WINDOWS = 9
SSID = '42["auth",{"session":"abcdefghijklmnopqrstuvwxyz","isDemo":1,"uid":12345,"platform":2,"isFastHistory":true}]'


class Told:
    """A process that answers lines with lines of JSON."""

    def __init__(self, core: str, *module: str) -> None:
        command = ["taskset", "-c", core, sys.executable, "-m", *module]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.hear()

    def cpu_seconds(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) * 1e-9

    def kernel_share(self) -> float:
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return int(system) / max(1, int(user) + int(system))

    def private_bytes(self) -> int:
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        (kibibytes,) = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
        return int(kibibytes) * 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def per_count(client: Told, server: Told, counted: str) -> tuple[float, float]:
    """Microseconds of CPU for each, and how many a second."""
    costs, rates = [], []
    for _ in range(WINDOWS):
        before, cpu, began = server.ask("counters"), client.cpu_seconds(), time.monotonic()
        time.sleep(WINDOW_SECONDS)
        after, spent, took = server.ask("counters"), client.cpu_seconds() - cpu, time.monotonic() - began
        count = after[counted] - before.get(counted, 0)
        costs.append(spent / count * 1e6)
        rates.append(count / took)
    return statistics.median(costs), statistics.median(rates)


def pair(what: str, count: int) -> Iterator[tuple[Told, Told, dict[str, Any]]]:
    with Told(SERVER_CORE, "tests.bench.load.server") as server:
        port = server.hear()["port"]
        with Told(CLIENT_CORE, "tests.bench.load.ours", "client", what, str(count), str(port)) as client:
            yield client, server, client.hear()


def yardstick() -> float:
    """Microseconds of a piece of work that every aim here was set beside, when it took 2.2."""
    tick = b'[["EURUSD_otc",1789230980.123,1.14362]]'
    return min(timeit.repeat(lambda: json.loads(tick), number=2000, repeat=50)) / 2000 * 1e6


def echo() -> None:
    for client, server, _ in pair("echo", 50):
        time.sleep(1)
        cost, rate = per_count(client, server, "answers")
        print(
            f"echo, 50 connections, closed loop: {cost:.1f} us, {rate:,.0f}/s, kernel {client.kernel_share():.2f}",
            flush=True,
        )


def push(kind: str, manner: str) -> None:
    for client, server, _ in pair("push", 200):
        server.ask(f"push 4000 {kind} {manner}")
        time.sleep(1)
        cost, rate = per_count(client, server, "ticks")
        print(
            f"tick as {kind}, {manner}, 200 connections: {cost:.1f} us at {rate:,.0f}/s, kernel {client.kernel_share():.2f}",
            flush=True,
        )


def memory() -> None:
    few, many = 10, 1010
    found = []
    for count in (few, many):
        for client, _, _ in pair("idle", count):
            time.sleep(2)
            found.append(client.private_bytes())
    print(
        f"idle connection: {(found[1] - found[0]) / (many - few) / 1024:.1f} KiB (base {found[0] / 2**20:.1f} MiB)",
        flush=True,
    )


def connect() -> None:
    costs = []
    for _ in range(3):
        for _, _, told in pair("connect", 1000):
            costs.append(told["cpu_seconds"] / 1000 * 1e6)
    print(f"connect to live: {statistics.median(costs):.0f} us", flush=True)


# -- the client process ------------------------------------------------------------------------------------------------


def client(what: str, count: int, port: int) -> None:
    """As in a load test: sessions that tell the recorder, each with a greenlet of its own that is parked, and slices cut once a
    second. Locust's own part, a user object and its greenlet's frames, is not in it."""
    import gevent
    import gevent.event

    from loadtests.fleet import Fleet
    from loadtests.guard import Guard, guard
    from loadtests.session import Common, LoadSession
    from probe.brokers import find_broker
    from probe.drivers.dial import DialPlan
    from probe.load.permission import Caps, Limits
    from probe.load.recorder import Recorder
    from probe.model.endpoint import Account, Endpoint
    from probe.model.intents import AskBalance

    broker, balance = find_broker("pocketoption"), AskBalance()
    query = "&".join(f"{name}={value}" for name, value in broker.rules.query.items())
    url = f"ws://127.0.0.1:{port}{broker.rules.path}?{query}"
    endpoint = Endpoint(broker=broker.name, region="bench", url=url, account=Account.DEMO, named_by_user=True)
    recorder, rng = Recorder(time.monotonic(), "bench"), random.Random(1)

    uncapped = Guard()  # it is this machine's own server, and what it can do is the question
    uncapped._limits = Limits(here=Caps(connections=count, rate=1e9, seconds=3600.0))
    uncapped.take_share(count, 1e9, inf)

    def stop(bug: Exception) -> None:
        raise SystemExit(f"{bug!r}")

    common = Common(
        broker=broker,
        endpoint=endpoint,
        credentials=broker.read_credentials(SSID),
        dial=DialPlan(address=endpoint.address, resolve=guard().resolve),
        guard=uncapped,
        recorder=recorder,
        fleet=Fleet(recorder, rng),
        rng=rng,
        symbols=(),
        on_bug=stop,
    )
    sessions = [LoadSession(common, reopens=False) for _ in range(count)]
    waiting = iter(sessions)
    is_up = gevent.event.Event()

    def user() -> None:
        for session in waiting:  # fifty at a time
            session.open()
        is_up.wait()

    def ask(session: LoadSession) -> None:
        session.put(balance, "balance", time.monotonic(), lambda answer, failure: ask(session))

    began = time.process_time()
    greenlets = [gevent.spawn(user) for _ in range(min(50, count))]
    while len(common.fleet.live) < count:
        gevent.sleep(0.01)
    spent = time.process_time() - began
    greenlets += [gevent.spawn(is_up.wait) for _ in range(count - len(greenlets))]
    gevent.sleep(0.1)
    gc.collect()
    gc.freeze()
    print(json.dumps({"cpu_seconds": spent}), flush=True)
    if what == "echo":
        for session in sessions:
            ask(session)
    while True:
        gevent.sleep(1)
        recorder.cut(time.monotonic())


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        os.sched_setaffinity(0, {int(CLIENT_CORE)})
        wanted = sys.argv[1:]
        for name, bench in (
            ("echo", echo),
            ("text-spread", lambda: push("text", "spread")),
            ("binary-spread", lambda: push("binary", "spread")),
            ("text-rounds", lambda: push("text", "rounds")),
            ("binary-rounds", lambda: push("binary", "rounds")),
            ("memory", memory),
            ("connect", connect),
        ):
            if not wanted or name in wanted:
                bench()
                print(f"    a yardstick of 2.2 us took {yardstick():.1f} us", flush=True)
