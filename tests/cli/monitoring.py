"""`probe monitor` as a process of its own, and a simulated broker that counts who comes."""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from probe.model.endpoint import Account
from probe.simulator.run import Simulator

PATIENCE = 60.0  # to start can take twenty seconds where much else runs
ENDS_WITHIN = 5.0
PROBE = (sys.executable, "-m", "probe", "monitor")
Line = dict[str, Any]


def environment(home: Path, more: dict[str, str] | None = None) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TRADEPROBE_")}
    return {**own, "TRADEPROBE_HOME": str(home), "NO_PROXY": "*", **(more or {})}


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def told(self) -> list[Line]:
        return [json.loads(line) for line in self.out.splitlines()]


def state_of(line: Line) -> str:
    return str(line["condition"]["state"]) if line["kind"] == "state" else ""


def watch(home: Path, *arguments: str, stdin: str = "", more: dict[str, str] | None = None) -> Ran:
    """Until it ends by itself."""
    began = time.monotonic()
    process = subprocess.run(
        [*PROBE, *arguments], cwd=home, env=environment(home, more), input=stdin,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Ran(process.returncode, process.stdout, process.stderr, time.monotonic() - began)


class Running:
    """One that is still at it; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(
                target=self._read, args=(process.stdout, self.out, self._lines.put), daemon=True
            ),
            threading.Thread(target=self._read, args=(process.stderr, self.err, lambda _: None), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, kept: list[str], tell: Callable[[str], None]) -> None:
        for line in stream:
            kept.append(line)
            tell(line)

    def line(self, wanted: Callable[[Line], object]) -> Line:
        """The next JSON line that is so."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line: Line = json.loads(self._lines.get(timeout=max(deadline - time.monotonic(), 0.0)))
            except queue.Empty:
                raise AssertionError("".join(self.out[-20:] + self.err[-20:])) from None
            if wanted(line):
                return line

    def state(self, target: str, state: str) -> Line:
        return self.line(lambda line: state_of(line) == state and line["target"] == target)

    def streaming(self, *targets: str) -> None:
        left = set(targets)
        while left:
            left.discard(self.line(lambda line: state_of(line) == "streaming")["target"])

    def notice(self, code: str) -> str:
        return str(self.line(lambda line: line["kind"] == "notice" and line["code"] == code)["sentence"])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> Ran:
        began = time.monotonic()
        self.send(number)
        return self.ended(began)

    def ended(self, began: float) -> Ran:
        code = self.process.wait(PATIENCE)
        seconds = time.monotonic() - began
        for reader in self._readers:
            reader.join(PATIENCE)
        return Ran(code, "".join(self.out), "".join(self.err), seconds)


@contextmanager
def watching(
    home: Path,
    *arguments: str,
    more: dict[str, str] | None = None,
    command: Sequence[str] = PROBE,
    stdin: IO[str] | None = None,
) -> Iterator[Running]:
    with subprocess.Popen(
        [*command, *arguments], cwd=home, env=environment(home, more), stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Running(process)
        finally:
            process.kill()


class Served:
    """A simulated broker in a thread."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        (self.endpoint, *_) = [e for e in simulator.plain_endpoints() if e.account is Account.DEMO]
        self.url, self.ssid = self.endpoint.url, simulator.credential(self.endpoint).reveal()

    @property
    def sessions(self) -> int:
        """Ever opened."""
        return self._simulator.counters.sessions


@contextmanager
def served(*faults: str) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    up: queue.SimpleQueue[Simulator | Exception] = queue.SimpleQueue()
    down = asyncio.Event()

    async def serve() -> None:
        try:
            async with Simulator(["pocketoption"], faults=faults) as simulator:
                up.put(simulator)
                await down.wait()
        except Exception as problem:
            up.put(problem)
            raise

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        simulator = up.get(timeout=PATIENCE)
        if isinstance(simulator, Exception):
            raise simulator
        yield Served(simulator)
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(PATIENCE)
        loop.close()
