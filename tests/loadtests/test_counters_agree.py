"""What a run says it sent and heard, and what the simulator counted on its side, message by message.

Of a connection that was cut nobody knows how much of the last arrived, so both sides tell apart what went over those: the rest agrees
exactly, and of the cut ones no more arrived than was sent. A worker that a busy machine kept from telling its last in time is lost, which
the report says and calls INVALID: it then holds no more than the simulator does.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from probe.load.record import RunRecord
from probe.load.scenario import BUILT_IN
from probe.simulator.apart import SimulatorApart, simulator_apart
from probe.simulator.sessions import Counters

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
USERS = {"subscribe-flood": "2"}  # each asks for 181 pages of history at once, which take the simulator 2 s


def test_every_message_of_a_storm_and_of_expired_logins_is_counted_on_both_sides(tmp_path: Path) -> None:
    hold(
        tmp_path,
        {"reconnect-storm": ["--duration", "3s", "--workers", "2"], "auth-expiry": ["--duration", "3s"]},
    )


@pytest.mark.long
def test_every_message_of_every_scenario_is_counted_on_both_sides(tmp_path: Path) -> None:
    hold(tmp_path, {name: ["--duration", "5s"] for name in BUILT_IN})


@pytest.mark.long
def test_two_workers_together_count_what_the_simulator_does(tmp_path: Path) -> None:
    hold(tmp_path, {name: ["--duration", "5s", "--workers", "2", "--rate", "100/s"] for name in BUILT_IN})


def hold(folder: Path, scenarios: dict[str, list[str]]) -> None:
    def played(name: str) -> tuple[RunRecord, Counters]:
        return play(folder / f"{name}.json", name, *scenarios[name])

    with ThreadPoolExecutor(2) as pool:
        for name, (told, counted) in zip(scenarios, pool.map(played, scenarios), strict=True):
            agree(name, told, counted)


def agree(name: str, record: RunRecord, counted: Counters) -> None:
    told = record.total
    ours, theirs, cut = told.frames, counted.traffic, counted.cut
    assert ours.messages_received > 0, name
    if record.lost_workers:
        assert "worker-lost" in {reason.code for reason in record.verdict.reasons}, name
        assert ours.messages_sent <= theirs.messages_received + ours.cut_sent, name
        assert ours.messages_received <= theirs.messages_sent, name
        return
    assert told.connects.begun == counted.sessions, name
    assert ours.messages_sent - ours.cut_sent == theirs.messages_received - cut.messages_received, name
    assert ours.messages_received - ours.cut_received == theirs.messages_sent - cut.messages_sent, name
    assert cut.messages_received <= ours.cut_sent, name
    assert ours.cut_received <= cut.messages_sent, name
    upsets = [upset for stage in BUILT_IN[name].stages for upset in stage.upsets]
    if not upsets:
        assert (ours.cut_sent, ours.cut_received) == (0, 0), name


def play(record: Path, scenario: str, *more: str) -> tuple[RunRecord, Counters]:
    with simulator_apart("pocketoption") as simulator:
        command = [sys.executable, "-m", "probe", "load", simulator.url, "--broker", "pocketoption"]
        command += [
            "--ssid",
            "env:COUNTED_SSID",
            "--users",
            USERS.get(scenario, "8"),
            "--quiet",
            "--json",
            str(record),
        ]
        command += ["--scenario", scenario, *more]
        _run(command, simulator)
        return RunRecord.from_json(json.loads(record.read_text())), _counted(simulator)


def _run(command: Sequence[str], simulator: SimulatorApart) -> None:
    environment = os.environ | {"COUNTED_SSID": simulator.credential.reveal()}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode in (0, 4), ended.stderr  # 4: a busy machine is told as what it is


def _counted(simulator: SimulatorApart) -> Counters:
    """When it has heard of every end."""
    until = time.monotonic() + PATIENCE
    while (counted := simulator.counters()).sessions_open:
        assert time.monotonic() < until, counted
        time.sleep(0.05)
    return counted
