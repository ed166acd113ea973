"""A run of several processes, of which one dies, one is of another version, and which somebody ends: what was told is kept, and it is said."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from probe.simulator.apart import simulator_apart

WITHIN = 90.0
OTHER_VERSION = """
from loadtests import plugin
plugin.version = lambda name: "0.0.1"
from loadtests.locustfile import Trader
"""


def eventually(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    until = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


def free_port() -> str:
    """Below those that the system gives to whoever asks for any, so that it is still free when the master comes."""
    chance = random.SystemRandom()
    while True:
        port = chance.randint(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, port = tmp_path_factory.mktemp("crew"), free_port()
    (folder / "other.py").write_text(OTHER_VERSION, "utf-8")

    def log(name: str) -> str:
        return (folder / name).read_text("utf-8")

    def told() -> str:
        return log("master") + log("other")

    def locust(name: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "locust", "--headless", "--only-summary", *words]
        command += ["--target", simulator.url, "--ssid", "env:LOAD_TEST_KEY", "--master-port", port]
        environment = os.environ | {
            "LOAD_TEST_KEY": simulator.credential.reveal(),
            "PYTHONPATH": str(Path.cwd()),
        }
        with (folder / name).open("wb") as written:
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=written)

    with simulator_apart("pocketoption") as simulator:
        words = ("--scenario", "soak", "-u", "4", "--rate", "40/s", "--processes", "2")
        where = ("--master-bind-port", port, "--load-json", str(folder / "record.json"))
        master = locust("master", "-f", "loadtests/locustfile.py", *words, *where)
        other = locust("other", "-f", str(folder / "other.py"), "--worker")
        try:
            eventually(lambda: simulator.counters().traffic.messages_received > 60, told)
            eventually(lambda: "version 0.0.1 of tradeprobe: it is not" in log("master"), told)
            workers = psutil.Process(master.pid).children()
            workers[0].kill()
            eventually(lambda: " was lost: " in log("master"), told)
            master.send_signal(signal.SIGTERM)
            codes = master.wait(WITHIN), other.wait(WITHIN)
        finally:
            for each in (master, other):
                each.kill()
                each.wait()
        eventually(lambda: not simulator.counters().sessions_open, lambda: "sessions are left open")
    record = json.loads(log("record.json"))
    return {"codes": codes, "record": record, "master": log("master"), "other": log("other")}


def test_the_worker_that_died_is_named_while_the_run_goes_on_and_in_its_verdict(run: Any) -> None:
    workers, codes = run["record"]["workers"], [each["code"] for each in run["record"]["reasons"]]
    assert "nothing is heard of it any more" in workers["lost"].values()
    assert codes.count("worker-lost") == len(workers["lost"])
    assert run["codes"][0] == 4


def test_what_it_had_told_is_kept_and_the_other_one_went_on(run: Any) -> None:
    figures = run["record"]["figures"]
    assert len(figures["generators"]) == 2
    assert all(each["answered"] > 0 for each in figures["operations"].values())
    assert figures["sessions"]["lost"] == {}


def test_the_worker_of_another_version_made_no_load_and_both_sides_say_why(run: Any) -> None:
    assert list(run["record"]["workers"]["refused"].values()) == ["0.0.1"]
    assert "other-version" in [each["code"] for each in run["record"]["reasons"]]
    assert "this worker is of version 0.0.1, and its master of " in run["other"]
    assert run["codes"][1] == 2


def test_nothing_ends_with_a_traceback(run: Any) -> None:
    assert "Traceback" not in run["master"] + run["other"]
    assert "proper args" not in run["master"] + run["other"]
