"""Whether the latency that is told is the true one: a server that adds exactly so much to each answer, and once stands still.

`python -m tests.bench.load.truth` puts `probe load`, and beside it Locust's own Socket.IO user, before the same server.

The server notes by this machine's monotonic clock when each question came and when its answer left. A question number k of a rate R
was due at the beginning plus k/R, and the beginning is the latest one by which no question came before it was due. So the truth is
known without our recorder: a little less than what a client can see, because an answer still has its way to go.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from probe.load.record import RunRecord
from probe.measure.histogram import Histogram
from tests.bench.load.ours import ROOT, SSID

QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}
ENDS_WITHIN = 60.0  # seconds beyond what was asked for
STALL_AFTER = 0.5  # of the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    connections: int
    rate: float  # over all
    seconds: float
    delay: float
    stall: float

    @property
    def how(self) -> str:
        return (
            f"{self.connections} connections, {self.rate:g}/s for {self.seconds:g} s, "
            f"{self.delay * 1000:g} ms and one stall of {self.stall:g} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the server's log says."""

    response: Histogram
    service: Histogram
    answered: int

    @classmethod
    def of(cls, log: Sequence[tuple[float, float]], rate: float) -> Self:
        came = sorted(log)
        began = min(at - number / rate for number, (at, _) in enumerate(came))
        return cls(
            response=Histogram.of(left - (began + number / rate) for number, (_, left) in enumerate(came)),
            service=Histogram.of(left - at for at, left in came),
            answered=len(came),
        )


class Server:
    """The lean server, in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.load.server"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._hear()["port"])

    def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/socket.io/?EIO=4&transport=websocket"


def of_ours(load: Load) -> tuple[RunRecord, Truth]:
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        scenario, record = Path(folder, "at-once.toml"), Path(folder, "record.json")
        scenario.write_text(
            f"""
            title = "All of it from the first second to the last."
            [operations]
            balance = 1
            [[stages]]
            name = "All"
            duration = "{load.seconds:g}s"
            """
        )
        command = [sys.executable, "-m", "probe", "load", server.url, "--broker", "pocketoption"]
        command += [
            "--ssid",
            "env:TRUTH_SSID",
            "--users",
            str(load.connections),
            "--rate",
            f"{load.rate:g}/s",
        ]
        command += ["--scenario", str(scenario), "--json", str(record), "--quiet"]
        told = _loaded(server, load, command, os.environ | {"TRUTH_SSID": SSID})
        if not record.exists():
            raise RuntimeError(f"the run ended without a record: {told.stdout}{told.stderr}")
        log = server.ask("log")["log"]
        return RunRecord.from_json(json.loads(record.read_text())), Truth.of(log, load.rate)


def _loaded(
    server: Server, load: Load, command: Sequence[str], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """The run, with a stall in its middle."""
    server.ask(f"delay {load.delay}")
    server.ask("log")
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until = time.monotonic() + ENDS_WITHIN
            while not server.ask("counters").get("answers") and process.poll() is None:
                if time.monotonic() > until:
                    raise RuntimeError("nothing was asked")
                time.sleep(0.05)
            time.sleep(load.seconds * STALL_AFTER)
            server.ask(f"stall {load.stall}")
            out, err = process.communicate(timeout=load.seconds + ENDS_WITHIN)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def of_locust(load: Load) -> tuple[Histogram, Truth]:
    """What Locust says with its own Socket.IO user, each of which waits for its answer before it asks again."""
    with Server() as server:
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(Path(__file__).with_name("peers") / "locust_paced.py"),
        ]
        command += ["--headless", "--users", str(load.connections), "--spawn-rate", str(load.connections)]
        command += ["--run-time", f"{load.seconds:g}s", "--json", "--loglevel", "ERROR"]
        environment = {"URL": f"http://127.0.0.1:{server.port}", "RATE": f"{load.rate / load.connections:g}"}
        told = _loaded(server, load, command, os.environ | environment)
        (asked,) = (each for each in json.loads(told.stdout) if each["name"] == "balance")
        found = Histogram.of(())
        for milliseconds, count in asked["response_times"].items():
            found.add(float(milliseconds) / 1000, count)
        return found, Truth.of(server.ask("log")["log"], load.rate)


def spread(histogram: Histogram) -> dict[str, float]:
    return {name: histogram.quantile(share) or 0.0 for name, share in QUANTILES.items()}


def in_milliseconds(histogram: Histogram) -> str:
    return ", ".join(f"{name} {seconds * 1000:,.1f} ms" for name, seconds in spread(histogram).items())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args(arguments)
    load = Load(
        connections=chosen.connections, rate=chosen.rate, seconds=chosen.seconds, delay=0.02, stall=2.0
    )
    print(load.how)
    record, truth = of_ours(load)
    asked = record.total.requests["balance"]
    (generator,) = record.total.generators.values()
    print(f"server's log, from due   {in_milliseconds(truth.response)} ({truth.answered} answers)")
    print(f"probe load, response     {in_milliseconds(asked.response)} ({asked.answered} answers)")
    print(f"server's log, from came  {in_milliseconds(truth.service)}")
    print(f"probe load, service      {in_milliseconds(asked.service)}")
    print(f"generator's loop         {in_milliseconds(generator.lag)} late; verdict {record.verdict.word}")
    found, truth = of_locust(load)
    print(f"Locust's contrib user    {in_milliseconds(found)} ({found.count} answers)")
    print(f"its server's log, came   {in_milliseconds(truth.service)} ({truth.answered} answers)")


if __name__ == "__main__":
    main()
