"""The Socket.IO clients of two languages open a session on Engine.IO 4 and read its attachments."""

from collections.abc import Callable
from typing import Any

import pytest

OTC = "EURUSD_otc"
INDEX = 173369878255


@pytest.fixture(params=["python-socketio", "socket.io-client 4"])
def found(request: pytest.FixtureRequest, result: Callable[[str], Any]) -> Any:
    return result(request.param)["found"]


def test_a_real_account_is_told_its_server_and_its_balance(result: Callable[[str], Any]) -> None:
    found = result("python-socketio")["found"]
    assert found["admitted"] == [{"serverName": "tradeprobe-sim"}]
    assert found["balances"] == [{"isDemo": 0, "balance": 1_000.0}]


def test_a_demo_account_is_told_its_user_and_its_balance(result: Callable[[str], Any]) -> None:
    """Another client trades on the same account meanwhile, with 17 in all."""
    found = result("socket.io-client 4")["found"]
    assert [login.keys() for login in found["admitted"]] == [{"id"}]
    assert found["balances"][0] == {"isDemo": 1, "balance": pytest.approx(50_000, abs=17)}


def test_every_payload_was_an_attachment(found: Any) -> None:
    assert found["types"] == ["bytes"]


def test_the_catalogue_begins_with_the_row_that_clients_know_it_by(found: Any) -> None:
    assert (found["assets"][0], OTC in found["assets"], len(found["assets"]) > 100) == ("#AAPL", True, True)


def test_a_subscription_is_answered_with_what_came_before_its_ticks(found: Any) -> None:
    recent, ticks = found["recent"], found["ticks"]
    story = [*recent["history"], *(tick[1:] for tick in ticks)]
    assert (recent["asset"], recent["period"]) == (OTC, 60)
    assert [tick[0] for tick in ticks] == [OTC] * len(ticks)
    assert story == sorted(story)
    assert {0.5 < price < 2 for _, price in story} == {True}


def test_recent_candles_come_newest_first_as_open_close_high_low(found: Any) -> None:
    candles = found["recent"]["candles"]
    starts = [candle[0] for candle in candles]
    assert len(starts) >= 98
    assert starts == list(range(int(starts[0]), int(starts[-1]) - 1, -60))
    assert [row for row in candles if row[3] != max(row[1:]) or row[4] != min(row[1:])] == []


def test_a_page_of_candles_is_answered_by_its_index_and_ends_with_the_newest_tick(found: Any) -> None:
    [page] = found["page"]
    starts = [candle["time"] for candle in page["data"]]
    assert (page["asset"], page["index"], page["period"]) == (OTC, INDEX, 60)
    assert starts == list(range(int(starts[0]), int(starts[0]) + 3_600, 60))
    assert 0 <= found["ticks"][-1][1] - starts[-1] < 120


def test_javascript_leaves_with_a_goodbye(result: Callable[[str], Any]) -> None:
    assert result("socket.io-client 4")["last_words"][-1] == "41"
