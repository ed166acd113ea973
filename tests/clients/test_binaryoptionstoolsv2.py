"""A client that nobody here wrote works against the simulator, as it comes from the package index."""

from collections.abc import Callable
from typing import Any

import pytest

OTC = "EURUSD_otc"
BURST = ["auth", "assets/load", "indicator/load", "favorite/load", "price-alert/load", "getBalance"]


@pytest.fixture
def demo(result: Callable[[str], Any]) -> Any:
    return result("BinaryOptionsToolsV2, demo")["found"]


@pytest.fixture
def live(result: Callable[[str], Any]) -> Any:
    return result("BinaryOptionsToolsV2, live")["found"]


def test_it_reads_the_balance_of_a_demo_account(demo: Any) -> None:
    assert (demo["is_demo"], demo["balances"]) == (True, [50_000.0, 50_000.0])


def test_it_reads_the_balance_of_a_real_account(live: Any) -> None:
    assert (live["is_demo"], live["balances"]) == (False, [1_000.0, 1_000.0])


def test_it_reads_assets_and_payouts(demo: Any) -> None:
    assert (OTC in demo["active"], 0 < demo["payout"] <= 100) == (True, True)


def test_it_makes_the_requests_of_the_page_once_a_real_login_names_the_server(live: Any) -> None:
    assert live["asked"] == [*BURST, "changeSymbol", "subfor"]


def test_it_receives_ticks(demo: Any) -> None:
    ticks = demo["ticks"]
    times = [tick["timestamp"] for tick in ticks]
    assert [tick["symbol"] for tick in ticks] == [OTC] * 5
    assert times == sorted(times)
    assert all(0.5 < float(tick["close"]) < 2 for tick in ticks)


def test_it_sees_the_clock_of_the_broker(demo: Any) -> None:
    assert demo["clock_ahead"] == pytest.approx(7200, abs=3)


def test_it_reads_candles(demo: Any) -> None:
    candles = demo["candles"]
    starts = [candle["time"] for candle in candles]
    assert len(candles) == 10
    assert starts == list(range(starts[0], starts[0] + 600, 60))
    for candle in candles:
        assert candle["low"] <= min(candle["open"], candle["close"])
        assert candle["high"] >= max(candle["open"], candle["close"])


def test_its_orders_are_taken_and_settled(demo: Any) -> None:
    trade = demo["trade"]
    profits = [float(order["profit"]) for order in trade["orders"]]
    settled = pytest.approx(50_000 + sum(profits))
    assert trade["opened"] == [49_983.0, 49_983.0]
    assert profits == [pytest.approx(profit_by_prices(order)) for order in trade["orders"]]
    assert [order["result"] for order in trade["orders"]] == [word(profit) for profit in profits]
    assert trade["settled"] == [settled, settled]


def profit_by_prices(order: dict[str, Any]) -> float:
    moved = float(order["closePrice"]) - float(order["openPrice"])
    gained = -moved if order["command"] else moved
    amount = float(order["amount"])
    if gained == 0:
        return 0.0
    return amount * order["percentProfit"] / 100 if gained > 0 else -amount


def word(profit: float) -> str:
    if profit == 0:
        return "draw"
    return "win" if profit > 0 else "loss"


def test_after_a_lost_connection_ticks_come_again_from_a_server_that_serves_early_requests(demo: Any) -> None:
    after = demo["after early requests were served"]
    assert (len(after["ticks"]), after["is_connected"]) == (3, True)
    assert after["balances"] == demo["trade"]["settled"]


def test_after_a_lost_connection_it_waits_in_silence_for_a_server_that_ignores_early_requests(
    demo: Any,
) -> None:
    """It subscribes before it has logged in, and not again. Of the stream it says nothing; the account goes on."""
    after = demo["after early requests were ignored"]
    assert (after["ticks"], after["is_connected"]) == ([], True)
    assert after["balances"] == demo["trade"]["settled"]
