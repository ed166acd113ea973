"""The one client of Quotex that can be installed by name works against the simulator, over TLS 1.2, which it insists on."""

import math
from collections.abc import Callable
from typing import Any

import pytest

OTC = "EURUSD_otc"


@pytest.fixture
def found(result: Callable[[str], Any]) -> Any:
    return result("quotexpy")["found"]


def test_it_connects_and_reads_the_balance(found: Any) -> None:
    assert (found["connected"], found["balance"]) == (True, 10_000)


def test_it_reads_instruments_and_payouts(found: Any) -> None:
    """It takes the message with the word `call` or `put` in it for the catalogue."""
    payments = found["payments"]
    [of_otc] = [terms for label, terms in payments.items() if label.startswith("EUR/USD") and "OTC" in label]
    assert len(payments) > 50
    assert of_otc["open"] is True
    assert (0 < of_otc["payment"] <= 100, 0 < of_otc["turbo_payment"] <= 100) == (True, True)


def test_it_reads_recent_candles_and_pages(found: Any) -> None:
    page, recent = found["page"]["data"], found["recent"]
    assert (found["page"]["asset"], len(page), len(recent)) == (OTC, 60, 199)
    for candles in (page, recent):
        starts = sorted(candle["time"] for candle in candles)
        assert starts == [starts[0] + 60 * number for number in range(len(starts))]
        for candle in candles:
            assert candle["low"] <= min(candle["open"], candle["close"])
            assert candle["high"] >= max(candle["open"], candle["close"])


def test_it_receives_ticks_and_the_sentiment(found: Any) -> None:
    ticks, sentiment = found["ticks"], found["sentiment"]
    times = [tick["time"] for tick in ticks]
    assert times == sorted(times)
    assert {0.5 < tick["price"] < 2 for tick in ticks} == {True}
    assert sentiment["buy"] + sentiment["sell"] == 100


def test_its_order_is_taken_and_settled(found: Any) -> None:
    trade = found["trade"]
    order, (before, opened, settled) = trade["order"], trade["balances"]
    assert (trade["taken"], order["asset"], order["amount"], order["command"]) == (True, OTC, 10, 0)
    assert opened == before - 10
    gain = order["amount"] * order["percentProfit"] / 100
    assert any(math.isclose(settled, before + change) for change in (-10, 0, gain))


def test_an_order_beyond_its_balance_is_refused_for_lack_of_money(found: Any) -> None:
    assert found["refused"] == [False, "not_money"]
