"""mt5linux 1.0.11, client and server, works over the fake package, and our own client agrees with it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.isolated import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not (ROOT / ".venv-clients" / ".ready").exists():
        pytest.skip("the clients are not installed; `make clients` does it")
    command = [sys.executable, "-m", "tests.clients.mt5linux_inside"]
    outcome = run(command, home=tmp_path_factory.mktemp("home"), cwd=ROOT, most_seconds=45)
    assert (outcome.status, outcome.cut_short) == (0, ""), outcome.output
    return json.loads(outcome.output.splitlines()[-1])


def test_its_client_sees_the_life_of_a_terminal(found: Any) -> None:
    theirs = found["theirs"]
    assert theirs["before"] == [None, [-10004, "No IPC connection"]]
    assert (theirs["begun"], theirs["entered"], theirs["connected"]) == (True, True, True)
    assert theirs["refused"] == [False, [-6, "Terminal: Authorization failed"]]
    assert (theirs["ended"], theirs["after"]) == (None, [None, [-10004, "No IPC connection"]])


def test_its_client_reads_account_prices_and_deals(found: Any) -> None:
    theirs = found["theirs"]
    bid, ask, time_msc = theirs["tick"]
    assert theirs["account"] == [1001, 10_000.0, "Fake-Demo"]
    assert 0 < bid < ask
    assert time_msc > 1_700_000_000_000
    assert (theirs["deals"], theirs["positions"]) == ([[2, 10_000.0]], [])


def test_our_client_agrees_with_its_server(found: Any) -> None:
    assert found["ours"] == {
        "running": True,
        "begun": True,
        "entered": True,
        "login": 1002,
        "symbols": found["theirs"]["symbols"],
        "rates": 5,
    }
