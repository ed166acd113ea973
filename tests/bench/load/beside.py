"""`make bench-load`: our load client beside its peers, in one run, at the same work, against the same server.

Everything runs in a network namespace with loopback alone, the server on one core and who is measured on another. A cost is the CPU
time of a client's whole process tree divided by what the server counted, in the middle of windows of half a second; each round
measures everybody once and us twice, first and last. Shown are medians over the rounds.
"""

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.load.contenders import CONTENDERS, ECHO, IDLE, OURS, ROOT, Contender, Work
from tests.bench.load.ours import CLIENT_CORE, SERVER_CORE, Told

NAMESPACE = ("--net", "--pid", "--fork", "--kill-child", "--mount-proc")
WINDOW_SECONDS, WINDOWS = 0.5, 5
FEW, MANY = 10, 1000
READY_WITHIN = 60.0
TICKS_A_SECOND = 4000  # over 200 connections

# What is measured, what it is divided by, and the most that ours may be of the best peer's.
FIGURES = {
    "echo": ("CPU µs per echo", 0.75),
    "text": ("CPU µs per tick, one text", 1.0),
    "binary": ("CPU µs per tick, `451-` and attachment", 1.0),
    "idle": ("KiB per idle connection", None),
    "connect": ("CPU µs per connect", 1.25),
}
IDLE_AIM = 16.0


class NotReady(Exception):
    """A contender that did not do what it was started for."""


class Client:
    """A contender's processes: in this namespace all but us and the server."""

    def __init__(self, contender: Contender, work: Work, apart: set[int]) -> None:
        started = contender.start(work)
        self._apart, self._log = apart, work.folder / "log.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", CLIENT_CORE, *started.command],
                cwd=work.folder,
                env={
                    **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                    "HOME": str(work.folder),
                    **started.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> list[Path]:
        found = (each for each in Path("/proc").iterdir() if each.name.isdigit())
        return [each for each in found if int(each.name) not in self._apart]

    def cpu_seconds(self) -> float:
        spent = 0
        for each in self.processes():
            for task in each.glob("task/*/schedstat"):
                with suppress(OSError):  # it ended meanwhile
                    spent += int(task.read_text().split()[0])
        return spent * 1e-9

    def private_kibibytes(self) -> float:
        found = 0
        for each in self.processes():
            with suppress(OSError):  # it ended meanwhile
                rollup = (each / "smaps_rollup").read_text()
                found += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return found

    def wait_until(self, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + READY_WITHIN
        while not ready():
            if time.monotonic() > until or self._process.poll() not in (None, 0):
                raise NotReady(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.005)

    def end(self) -> None:
        """All of it, also what made itself a daemon."""
        until = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < until:
            for each in left:
                with suppress(OSError):  # it ended meanwhile
                    os.kill(int(each.name), 9)
            with suppress(OSError):  # it ended meanwhile
                while os.waitpid(-1, os.WNOHANG)[0]:  # orphans are ours
                    pass
            time.sleep(0.02)


@contextmanager
def running(contender: Contender, what: str, connections: int) -> Iterator[tuple[Told, Client]]:
    with tempfile.TemporaryDirectory() as folder, Told(SERVER_CORE, "tests.bench.load.server") as server:
        work = Work(what=what, connections=connections, port=server.hear()["port"], folder=Path(folder))
        client = Client(contender, work, {os.getpid(), server.process.pid})
        try:
            yield server, client
        finally:
            client.end()


def echo(contender: Contender) -> dict[str, float]:
    with running(contender, ECHO, 50) as (server, client):
        client.wait_until(lambda: server.ask("counters")["live"] == 50)
        time.sleep(1)
        return {"echo": _cost(server, client, "answers")}


def push(contender: Contender) -> dict[str, float]:
    costs = {}
    with running(contender, IDLE, 200) as (server, client):
        client.wait_until(lambda: server.ask("counters")["live"] == 200)
        time.sleep(1)
        for kind in ("text", "binary") if contender.joins else ("text",):
            server.ask(f"push {TICKS_A_SECOND} {kind} spread")
            time.sleep(1)
            costs[kind] = _cost(server, client, "ticks")
    return costs


def connect(contender: Contender) -> dict[str, float]:
    """The slope between few and many, of memory and of CPU time: starting up is in neither."""
    with running(contender, IDLE, FEW) as (server, client):
        client.wait_until(lambda: server.ask("counters")["live"] == FEW)
        time.sleep(1)
        few = client.private_kibibytes()
    with running(contender, IDLE, MANY) as (server, client):
        client.wait_until(lambda: server.ask("counters")["live"] >= FEW)
        live, spent = server.ask("counters")["live"], client.cpu_seconds()
        client.wait_until(lambda: server.ask("counters")["live"] == MANY)
        cost = (client.cpu_seconds() - spent) / (MANY - live) * 1e6
        time.sleep(2)
        return {"idle": (client.private_kibibytes() - few) / (MANY - FEW), "connect": cost}


def _cost(server: Told, client: Client, counted: str) -> float:
    """Microseconds of CPU for each."""
    costs: list[float] = []
    for _ in range(WINDOWS):
        before, cpu = server.ask("counters"), client.cpu_seconds()
        time.sleep(WINDOW_SECONDS)
        after, spent = server.ask("counters"), client.cpu_seconds() - cpu
        count = after[counted] - before.get(counted, 0)
        if not count:
            raise NotReady(f"the server counted no {counted}")
        costs.append(spent / count * 1e6)
    return statistics.median(costs)


# -- all of them -------------------------------------------------------------------------------------------------------

Found = dict[str, dict[str, list[float]]]  # by contender and figure, one for each time


def measure(contenders: Sequence[Contender], rounds: int, benches: Sequence[str]) -> Found:
    found: Found = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for contender in (*contenders, OURS):
            for bench in (echo, push, connect):
                if bench.__name__ not in benches:
                    continue
                try:
                    costs = bench(contender)
                except NotReady as problem:
                    print(f"{contender.name} did not do its {bench.__name__}: {problem}", file=sys.stderr)
                    continue
                for figure, cost in costs.items():
                    found[contender.name][figure].append(cost)
                    print(
                        f"  round {number + 1}: {contender.name}: {FIGURES[figure][0]}: {cost:.1f}",
                        file=sys.stderr,
                    )
    return found


def table(contenders: Sequence[Contender], found: Found) -> Iterator[str]:
    yield "| client | " + " | ".join(title for title, _ in FIGURES.values()) + " | what it does not do |"
    yield "|---|" + "---|" * len(FIGURES) + "---|"
    for contender in contenders:
        cells = [_cell(found[contender.name].get(figure, [])) for figure in FIGURES]
        yield f"| {contender.name} | " + " | ".join(cells) + f" | {contender.does_not} |"
    yield ""
    yield "| figure | ours | best peer | ratio | aim | |"
    yield "|---|---|---|---|---|---|"
    for figure, (title, aim) in FIGURES.items():
        ours = found[OURS.name].get(figure)
        if not ours:
            continue
        mine = statistics.median(ours)
        if aim is None:
            yield f"| {title} | {mine:.1f} | | | ≤ {IDLE_AIM:g} | {_kept(mine <= IDLE_AIM)} |"
            continue
        peers = {
            each.name: found[each.name][figure]
            for each in contenders
            if not each.is_ours and found[each.name].get(figure)
        }
        if peers:
            best = min(peers, key=lambda name: statistics.median(peers[name]))
            ratio = mine / statistics.median(peers[best])
            yield (
                f"| {title} | {mine:.1f} | {statistics.median(peers[best]):.1f} ({best}) | {ratio:.2f} × | ≤ {aim:g} × |"
                f" {_kept(ratio <= aim)} |"
            )


def _cell(costs: Sequence[float]) -> str:
    return f"{statistics.median(costs):.1f} ({min(costs):.1f} to {max(costs):.1f})" if costs else ""


def _kept(is_kept: bool) -> str:
    return "kept" if is_kept else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load.beside", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="*", default=[], help="contenders whose name contains one of these words"
    )
    parser.add_argument("--benches", nargs="*", default=["echo", "push", "connect"])
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        isolated = [sys.executable, "-I", str(ROOT / "tests/clients/isolated.py")]
        ourselves = [sys.executable, "-m", "tests.bench.load.beside", *sys.argv[1:], "--inside"]
        os.execvp("unshare", ["unshare", *as_root, *NAMESPACE, *isolated, *ourselves])
    os.sched_setaffinity(0, {int(SERVER_CORE)})
    wanted = [
        each for each in CONTENDERS if not options.only or any(word in each.name for word in options.only)
    ]
    there = []
    for contender in wanted:
        if why := contender.missing():
            print(f"left out: {contender.name}: {why}")
        else:
            there.append(contender)
    found = measure(there, options.rounds, options.benches)
    print(f"{dt.datetime.now(dt.UTC).date()}, {options.rounds} rounds, ours twice in each")
    for line in table(there, found):
        print(line)


if __name__ == "__main__":
    main()
