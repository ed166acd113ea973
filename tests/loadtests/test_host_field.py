"""Runs that are begun over Locust's page, one after the other: each goes where its Host field says, or the page says why not."""

import csv
import io
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from probe.simulator.apart import simulator_apart
from tests.loadtests.paged import locust_page

PATIENCE = 60.0
BROKERS = "wss://api-eu.po.market/socket.io/?EIO=4&transport=websocket"
PUBLIC = "a public broker is never put under load"


def until(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class LocustPage:
    def __init__(self, url: str) -> None:
        self._url = url

    def swarm(self, host: str) -> str:
        """Why not; nothing: it has begun."""
        form = {"user_count": "2", "spawn_rate": "2", "host": host}
        told = httpx.post(f"{self._url}/swarm", data=form, trust_env=False, timeout=PATIENCE).json()
        return "" if told["success"] else str(told["message"])

    def stop(self) -> None:
        httpx.post(f"{self._url}/stop", trust_env=False, timeout=PATIENCE).raise_for_status()

    def connects(self) -> int:
        """As Locust's own table has them."""
        told = httpx.get(f"{self._url}/stats/requests/csv", trust_env=False, timeout=PATIENCE).text
        rows = csv.DictReader(io.StringIO(told))
        return sum(int(row["Request Count"]) for row in rows if row["Name"] == "connect")


def test_each_run_goes_where_the_field_says_and_nothing_of_the_one_before_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulator_apart("pocketoption") as simulator, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        monkeypatch.setenv("LOAD_TEST_KEY", simulator.credential.reveal())
        other = f"ws://127.0.0.1:{elsewhere.getsockname()[1]}/"

        def sessions() -> tuple[int, int]:
            counted = simulator.counters()
            return counted.sessions_open, counted.sessions

        def opened(in_all: int) -> bool:
            return sessions() == (2, in_all)

        with locust_page("--target", simulator.url, "--ssid", "env:LOAD_TEST_KEY") as url:
            page = LocustPage(url)
            for number in (1, 2):
                assert page.swarm(simulator.url) == ""
                until(partial(opened, 2 * number))
                assert page.swarm(BROKERS).startswith(f"A run goes on, at {simulator.url}. Stop it")
                assert page.swarm(simulator.url) == ""  # as many as there are
                page.stop()
                assert sessions() == (0, 2 * number)
                assert page.connects() == 2

            assert PUBLIC in page.swarm(BROKERS)
            assert "its scheme is" in page.swarm("nonsense")

            assert page.swarm(other) == ""
            assert select.select([elsewhere], [], [], PATIENCE)[0] == [elsewhere]
            assert sessions() == (0, 4)


def test_who_says_at_the_start_that_a_broker_is_loaded_is_told_at_once_that_it_is_not() -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "locust",
            "-f",
            "loadtests/locustfile.py",
            "--web-port",
            "0",
            "--host",
            BROKERS,
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 2
    assert PUBLIC in ran.stderr
