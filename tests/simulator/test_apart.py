"""A simulator in a process of its own, from its start to its end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from probe.brokers import find_broker
from probe.cli import sim
from probe.model.errors import ConfigError
from probe.simulator.apart import SimulatorApart, simulator_apart

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
PARENT = """
import json, signal
from probe.simulator.apart import simulator_apart
with simulator_apart("bingx") as simulator:
    print(json.dumps([simulator.pid, simulator.url]), flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorApart]:
    with simulator_apart("pocketoption", faults=["delay:seconds=0.01"], seed=7) as started:
        yield started


def is_there(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while is_there(pid):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.02)


def test_it_says_where_it_is_and_what_opens_it(simulator: SimulatorApart) -> None:
    assert simulator.url.startswith("ws://127.0.0.1:")
    assert (
        find_broker("pocketoption").read_credentials(simulator.credential.reveal()).account
        is simulator.endpoint.account
    )
    assert simulator.counters().sessions == 0
    assert not simulator.ended()


def test_faults_are_switched_on_and_off_while_it_runs(simulator: SimulatorApart) -> None:
    number = simulator.switch_on("silent-stall:at=1s")
    assert number == 2
    simulator.switch_off(number)
    with pytest.raises(ConfigError, match="not switched on"):
        simulator.switch_off(number)
    with pytest.raises(ConfigError, match="there is no fault 'nonsense'"):
        simulator.switch_on("nonsense")


def test_its_key_is_in_no_argument_and_no_environment(simulator: SimulatorApart) -> None:
    seen = psutil.Process(simulator.pid)
    told = json.dumps([seen.cmdline(), seen.environ(), repr(simulator)])
    assert simulator.key.reveal() not in told
    assert simulator.token.reveal() not in told
    assert len(simulator.key.reveal()) >= 32


def test_what_it_cannot_be_is_said_in_its_own_words() -> None:
    with (
        pytest.raises(ConfigError, match="there is no fault 'nonsense'"),
        simulator_apart("bingx", faults=["nonsense"]),
    ):
        pass


def test_it_ends_when_whoever_started_it_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as parent:
        try:
            assert parent.stdout is not None
            pid, _ = json.loads(parent.stdout.readline())
            assert is_there(pid)
        finally:
            parent.kill()
    until_gone(pid)


@pytest.mark.parametrize("line", [b"", b"\n", b"short\n", b"k" * 31])
def test_without_a_key_it_does_not_start(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    monkeypatch.setattr(sim, "STANDARD_INPUT", read_end)
    os.write(write_end, line)
    os.close(write_end)
    try:
        with pytest.raises(ConfigError, match="the first line of standard input is no key"):
            sim._read_key()
    finally:
        os.close(read_end)
