"""Load runs that show a failure: `probe load` itself, against a simulator behind a door of ours that can misbehave.

python -m tests.doctor.loads NAME: plays one, and prints what was said of it as JSON; for namespaces and limits of its own.
"""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Self
from unittest import mock
from urllib.parse import urlsplit

import pytest

from probe.brokers import find_broker
from probe.cli import main
from probe.diagnose.case import Case
from probe.load.causes import load_case
from probe.load.record import RunRecord
from probe.model.findings import Certainty
from probe.simulator.apart import SimulatorApart, simulator_apart
from tests.doctor.alone import TOOLS
from tests.doctor.staging import Said, judged

ROOT = Path(__file__).resolve().parents[2]
BROKER = find_broker("pocketoption")
WITHIN = 90.0
REFUSAL = "HTTP/1.1 {}\r\nRetry-After: 60\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ALONE = "ip link set lo up"
NARROW = f"{ALONE} && echo 40000 40049 > /proc/sys/net/ipv4/ip_local_port_range"
BUSY = "while True: pass"
BUSY_MACHINE = ("load.generator-saturated", "host.cpu-starved", "host.event-loop-blocked")


class Door:
    """In front of a server, in a thread of its own.

    Args:
        backlog: Of its listener.
        a_second: It takes so many connections; None: as many as come.
        welcome: Connections; whoever comes after them is refused.
        refusal: With this status.
    """

    def __init__(
        self,
        port: int,
        *,
        backlog: int = 128,
        a_second: float | None = None,
        welcome: int | None = None,
        refusal: str = "",
    ) -> None:
        self._behind, self._a_second, self._welcome = port, a_second, welcome
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        self._came, self._refusal = 0, REFUSAL.format(refusal).encode()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN)
        self._listener.close()

    def close_all(self) -> None:
        """At once; the door stays open."""
        for each in list(self._open):
            self._loop.call_soon_threadsafe(each.transport.abort)

    def _run(self) -> None:
        self._listener.setblocking(False)
        taking = self._loop.create_task(self._take())
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for each in tasks:
            each.cancel()
        self._loop.run_until_complete(asyncio.gather(taking, *tasks, return_exceptions=True))
        self._loop.close()

    async def _take(self) -> None:
        passing = set()
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            self._came += 1
            passing.add(self._loop.create_task(self._pass(sock, self._came)))
            if self._a_second is not None:
                await asyncio.sleep(1 / self._a_second)

    async def _pass(self, sock: socket.socket, number: int) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        writers = [writer]
        try:
            if self._welcome is not None and number > self._welcome:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self._refusal)
                await writer.drain()
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._behind)
            writers.append(outer)
            self._open.add(writer)
            done, left = await asyncio.wait(
                [asyncio.create_task(_copy(reader, outer)), asyncio.create_task(_copy(inner, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in left:
                task.cancel()
            await asyncio.gather(*done, *left, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            for each in writers:
                each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


# -- runs --------------------------------------------------------------------------------------------------------------


@contextmanager
def server(**door: float | str) -> Iterator[tuple[SimulatorApart, Door, str]]:
    with simulator_apart(BROKER.name) as simulator:
        place = urlsplit(simulator.url)
        assert place.port
        with Door(place.port, **door) as before:  # type: ignore[arg-type]
            yield simulator, before, simulator.url.replace(f":{place.port}/", f":{before.port}/")


def loaded(
    url: str,
    simulator: SimulatorApart,
    *words: str,
    stages: str,
    meanwhile: Callable[[], object] | None = None,
    by: tuple[str, ...] = (),
) -> RunRecord:
    """
    Args:
        stages: Of the scenario, and what stands before them in its file.
        meanwhile: Done in another thread.
        by: A program that runs it.
    """
    with tempfile.TemporaryDirectory() as folder:
        scenario, kept = Path(folder, "played.toml"), Path(folder, "run.json")
        scenario.write_text(f'title = "Played."\n{stages}')
        typed = ["load", url, "--broker", BROKER.name, "--ssid", "env:LOADED_KEY", "--quiet"]
        typed += ["--scenario", str(scenario), "--json", str(kept), *words]
        key = {"LOADED_KEY": simulator.credential.reveal(), "TRADEPROBE_HOME": folder}
        other = threading.Thread(target=meanwhile or (lambda: None))
        other.start()
        if by:
            command = [*by, sys.executable, "-m", "probe", *typed]
            told = subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | key,
                capture_output=True,
                text=True,
                timeout=WITHIN,
                check=False,
            )
            said = told.stderr
        else:
            with (
                mock.patch.dict(os.environ, key),
                redirect_stdout(io.StringIO()),
                redirect_stderr(io.StringIO()) as err,
            ):
                main.run(typed)
            said = err.getvalue()
        other.join()
        assert kept.exists(), said
        return RunRecord.from_json(json.loads(kept.read_text("utf-8")))


def sessions(simulator: SimulatorApart, least: int) -> None:
    """Wait until so many are live."""
    until = time.monotonic() + WITHIN
    while simulator.counters().sessions_open < least:
        assert time.monotonic() < until, "they did not come"
        time.sleep(0.05)


def herd() -> RunRecord:
    """All clients lose the server in one moment, and our policy lets them come back a second or two later."""
    with server() as (simulator, door, url):

        def close_all() -> None:
            sessions(simulator, 30)
            time.sleep(1.5)  # until they know it themselves
            door.close_all()

        return loaded(url, simulator, "--users", "30", stages=_stage(6), meanwhile=close_all)


def planned_herd(jitter: str) -> RunRecord:
    upset = f'[[stages.upsets]]\nkind = "drop"\nshare = 1\nat = "1500ms"\njitter = "{jitter}"\n'
    with server() as (simulator, _, url):
        return loaded(url, simulator, "--users", "30", stages=_stage(8) + upset)


def banned(refusal: str = "429 Too Many Requests") -> RunRecord:
    with server(welcome=6, refusal=refusal) as (simulator, _, url):
        return loaded(url, simulator, "--users", "30", stages=_stage(3, ramp=2))


def stalled(*words: str) -> RunRecord:
    """The server's process stands still for a while."""
    with server() as (simulator, _, url):

        def stall() -> None:
            sessions(simulator, 5)
            time.sleep(1.0)
            os.kill(simulator.pid, signal.SIGSTOP)
            time.sleep(2.5)
            os.kill(simulator.pid, signal.SIGCONT)

        pace = 'pace = "50ms"\n'
        return loaded(url, simulator, "--users", "5", *words, stages=pace + _stage(9), meanwhile=stall)


def crowded() -> RunRecord:
    """More users in a moment than a listener with a short queue takes."""
    with server(backlog=1, a_second=3) as (simulator, _, url):
        return loaded(url, simulator, "--users", "15", stages=_stage(8))


def without_ports() -> RunRecord:
    with server() as (simulator, _, url):
        return loaded(url, simulator, "--users", "60", stages=_stage(4))


def without_handles() -> RunRecord:
    with server() as (simulator, _, url):
        by = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
        return loaded(url, simulator, "--users", "80", stages=_stage(4), by=by)


def beside_others() -> RunRecord:
    """One core for it, and for six programs that do nothing but use it."""
    with server() as (simulator, _, url), ExitStack() as stack:
        core = str(min(os.sched_getaffinity(0)))
        for _ in range(6):
            busy = subprocess.Popen(["taskset", "-c", core, sys.executable, "-c", BUSY])
            stack.callback(busy.wait)
            stack.callback(busy.kill)
        by = ("taskset", "-c", core)
        return loaded(url, simulator, "--users", "10", "--rate", "50/s", stages=_stage(8), by=by)


def fine() -> RunRecord:
    with server() as (simulator, _, url):
        return loaded(url, simulator, "--users", "10", "--rate", "40/s", stages=_stage(4, ramp=1))


def _stage(seconds: int, *, ramp: float = 0.0) -> str:
    ramped = f'ramp = "{ramp}s"\n' if ramp else ""
    return f'[operations]\nbalance = 1\n[[stages]]\nname = "All"\nduration = "{seconds}s"\n{ramped}'


RUNS: dict[str, Callable[[], RunRecord]] = {
    "crowded": crowded,
    "ports": without_ports,
}


def said_of(run: Callable[[], RunRecord], code: str) -> Callable[[], Said]:
    return lambda: judged(_calm(load_case(run()), code), BROKER, code)


def _calm(case: Case, code: str) -> Case:
    """How busy the machine is that the tests run on must not matter here, unless that is what was staged."""
    assert case.load
    limits = (each for each in case.load.limits if each.slug == code or each.slug not in BUSY_MACHINE)
    return replace(case, load=replace(case.load, limits=tuple(limits)))


def said_alone(name: str, setup: str, code: str) -> Callable[[], Said]:
    """In a network namespace of its own."""

    def play() -> Said:
        user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        script = f"({setup}) || exit 99; exec {sys.executable} -m tests.doctor.loads {name} {code}"
        told = subprocess.run(
            ["unshare", "--net", *user, "sh", "-c", script],
            cwd=ROOT, env=os.environ | {"PATH": TOOLS}, capture_output=True, text=True, timeout=WITHIN, check=False,
        )  # fmt: skip
        if told.returncode == 99:
            pytest.skip(f"no network namespace can be made here: {told.stderr.strip()}")
        assert told.returncode == 0, told.stderr
        verdicts, without = json.loads(told.stdout)
        return Said(verdicts=tuple((each, Certainty(word)) for each, word in verdicts), without=without)

    return play


if __name__ == "__main__":
    said = said_of(RUNS[sys.argv[1]], sys.argv[2])()
    print(json.dumps([[[code, sure.value] for code, sure in said.verdicts], said.without]))
