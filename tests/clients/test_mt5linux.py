"""mt5linux 1.0.11, client and server, works over the fake package, and our own client agrees with it."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def found(run_once: Callable[..., tuple[str, Any]]) -> Any:
    return run_once("mt5linux_inside", most_seconds=45)[1]


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
