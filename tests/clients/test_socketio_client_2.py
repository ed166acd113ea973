"""The client of Engine.IO 3 opens Quotex sessions: it does the pinging, and takes one byte off binary messages."""

from collections.abc import Callable
from typing import Any

import pytest

OTC = "EURUSD_otc"
INDEX = 179520000000


@pytest.fixture
def found(result: Callable[[str], Any]) -> Any:
    return result("socket.io-client 2")["found"]


def test_it_joins_and_logs_in_and_reads_both_balances(found: Any) -> None:
    """Another client trades with the demo money meanwhile, with 10 in all."""
    purses = {"liveBalance": 1_000, "demoBalance": pytest.approx(10_000, abs=10)}
    assert (found["admitted"], found["balances"]) == ([None], [purses])


def test_its_ping_is_answered(found: Any) -> None:
    assert 0 < found["pong_seconds"] < 5


def test_every_payload_was_an_attachment(found: Any) -> None:
    assert found["types"] == ["bytes", "undefined"]  # the verdict on the login has none


def test_it_reads_instruments(found: Any) -> None:
    rows = {row[1]: row for row in found["instruments"]}
    assert len(rows) > 50
    assert (rows[OTC][3], rows[OTC][14]) == ("currency", True)
    assert 0 < rows[OTC][5] <= 100


def test_a_subscription_is_answered_with_what_came_before_its_ticks(found: Any) -> None:
    recent, ticks = found["recent"], found["ticks"]
    story = [*(tick[:2] for tick in recent["history"]), *(tick[1:3] for tick in ticks)]
    assert (recent["asset"], recent["period"]) == (OTC, 60)
    assert [(tick[0], len(tick), tick[3] in (0, 1)) for tick in ticks] == [(OTC, 4, True)] * len(ticks)
    assert story == sorted(story)
    assert {0.5 < price < 2 for _, price in story} == {True}


def test_recent_candles_come_as_open_close_high_low(found: Any) -> None:
    candles = found["recent"]["candles"]
    starts = sorted(candle[0] for candle in candles)
    assert len(starts) == 199
    assert starts == [starts[0] + 60 * number for number in range(len(starts))]
    assert [row for row in candles if row[3] != max(row[1:5]) or row[4] != min(row[1:5])] == []


def test_a_page_of_candles_is_answered_by_its_index(found: Any) -> None:
    [page] = found["page"]
    starts = [candle["time"] for candle in page["data"]]
    assert (page["asset"], page["index"], page["period"]) == (OTC, INDEX, 60)
    assert starts == [starts[0] + 60 * number for number in range(60)]


def test_it_reads_the_sentiment(found: Any) -> None:
    assert {(symbol, 0 <= percent <= 100) for symbol, percent in found["depth"]} == {(OTC, True)}


def test_it_leaves_with_a_goodbye(result: Callable[[str], Any]) -> None:
    assert result("socket.io-client 2")["last_words"][-1] == "41"
