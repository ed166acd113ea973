"""Locust itself, started as a person starts it: what it shows, what we record and what the simulator counted are the same."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from probe.simulator.apart import simulator_apart

WITHIN = 120.0
LOCUSTFILE = "loadtests/locustfile.py"
OWN_TASKS = '''
"""Somebody's own users."""

from collections import Counter

from locust import constant, events, task

from loadtests import PocketOptionUser
from probe.model.intents import AskBalance, AskOrders
from probe.model.meanings import Assets, OrderList

heard = Counter()


@events.request.add_listener
def hear(name, exception, response_time, context, **_):
    heard[f"{name} {exception}"] += 1
    assert response_time >= (context["answered"] - context["sent"]) * 1000 >= 0


@events.quitting.add_listener
def tell(**_):
    print("HEARD", __import__("json").dumps(heard))


class Trader(PocketOptionUser):
    wait_time = constant(0.2)

    def on_start(self):
        """Its session is opened by the first question."""
        told = self.expect(Assets)
        heard["assets"] += len(told.rows) > 100

    @task
    def look(self):
        assert self.ask(AskBalance(), name="money").is_demo
        self.ping()

    @task
    def orders(self):
        self.tell(AskOrders())
        self.expect(lambda meaning: isinstance(meaning, OrderList) and not meaning.closed, name="orders told")

    @task
    def ask_for_what_never_comes(self):
        self.expect(Assets, within=0.01, name="never")
        raise RuntimeError("the task ends where a step fails")
'''


def locust(*words: str, code: int = 0, **environment: str) -> str:
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", *words]
    ran = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=WITHIN, check=False
    )
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def rows(path: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """Locust's own: requests and failures, by type and name."""
    told = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return {(each["method"], each["name"]): (each["num_requests"], each["num_failures"]) for each in told}


@pytest.fixture(scope="module")
def by_two_workers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any], Path]:
    """The simulator's counters, our record and Locust's, of a run at a rate."""
    folder = tmp_path_factory.mktemp("workers")
    with simulator_apart("pocketoption") as simulator:
        locust(
            *("-f", LOCUSTFILE, "-u", "6", "-r", "6", "-t", "3s", "--processes", "2", "--rate", "40/s"),
            *("--target", simulator.url, "--ssid", "env:LOAD_TEST_KEY"),
            *("--master-bind-port", (port := free_port()), "--master-port", port),
            *("--json-file", str(folder / "locust"), "--load-json", str(folder / "ours.json")),
            LOAD_TEST_KEY=simulator.credential.reveal(),
        )
        counted = simulator.counters()
    return counted, json.loads((folder / "ours.json").read_text("utf-8")), folder / "locust"


def test_the_simulator_counted_the_same_messages_to_the_last_byte(by_two_workers: Any) -> None:
    counted, ours, _ = by_two_workers
    frames = ours["figures"]["frames"]
    assert counted.sessions == ours["figures"]["connects"]["opened"] == 6
    assert counted.sessions_open == 0
    assert (frames["messages_sent"], frames["messages_received"]) == (
        counted.traffic.messages_received,
        counted.traffic.messages_sent,
    )
    assert (frames["bytes_sent"], frames["bytes_received"]) == (
        counted.traffic.bytes_received,
        counted.traffic.bytes_sent,
    )


def test_nothing_fails_and_all_that_was_due_was_answered(by_two_workers: Any) -> None:
    _, ours, _ = by_two_workers
    operations = ours["figures"]["operations"]
    assert set(operations) == {"ping", "balance", "candles", "market_data"}
    assert all(each["due"] == each["sent"] == each["answered"] > 0 for each in operations.values())
    assert ours["figures"]["sessions"]["lost"] == {}
    assert ours["figures"]["sessions"]["left"] == 6
    assert len(ours["figures"]["generators"]) == 2


def test_locusts_own_statistics_say_the_same_over_all_workers(by_two_workers: Any) -> None:
    _, ours, theirs = by_two_workers
    operations = ours["figures"]["operations"]
    expected = {("session", "connect"): (6, 0)}
    for name, figures in operations.items():
        expected |= {(kind, name): (figures["answered"], 0) for kind in ("session", "service")}
    assert rows(theirs) == expected


@pytest.fixture(scope="module")
def with_own_tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, Any], Path]:
    """What a listener heard, our record and Locust's, of a run that starts its own simulator."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "theirs.py").write_text(OWN_TASKS, "utf-8")
    told = locust(
        *("-f", str(folder / "theirs.py"), "-u", "3", "-r", "3", "-t", "4s", "--exit-code-on-error", "0"),
        *("--json-file", str(folder / "locust"), "--load-json", str(folder / "ours.json")),
    )
    (heard,) = (line for line in told.splitlines() if line.startswith("HEARD "))
    return (
        json.loads(heard.removeprefix("HEARD ")),
        json.loads((folder / "ours.json").read_text("utf-8")),
        folder / "locust",
    )


def test_tasks_of_ones_own_ask_expect_and_tell(with_own_tasks: Any) -> None:
    _, ours, theirs = with_own_tasks
    operations = ours["figures"]["operations"]
    assert operations["money"]["answered"] > 0
    assert operations["ping"]["answered"] > 0
    assert operations["orders told"]["answered"] > 0
    assert list(operations["never"]["failed"]) == ["expired"]
    assert rows(theirs)["session", "never"] == (operations["never"]["due"],) * 2


def test_listeners_of_locusts_event_hear_of_each_request_once(with_own_tasks: Any) -> None:
    heard, ours, theirs = with_own_tasks
    assert heard.pop("assets") == 3
    operations = ours["figures"]["operations"]
    answered = {f"{name} None": each["answered"] for name, each in operations.items() if each["answered"]}
    failed = {
        f"{name} {kind}": count for name, each in operations.items() for kind, count in each["failed"].items()
    }
    assert heard == answered | failed
    assert rows(theirs)["session", "money"][0] == heard["money None"]


def test_importing_the_package_alone_patches_nothing() -> None:
    code = "import loadtests, sys; loadtests.LoadTestConfig; print({'locust', 'gevent'} & {*sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WITHIN, check=True
    )
    assert ran.stdout.strip() == "set()"
