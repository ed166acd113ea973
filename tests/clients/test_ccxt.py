"""ccxt, which many trade BingX with, works against the simulator: REST of three families, both streams, and an account's."""

from collections.abc import Callable
from typing import Any

import pytest

SWAP, SPOT, COIN = "BTC/USDT:USDT", "BTC/USDT", "BTC/USD:BTC"


@pytest.fixture
def found(result: Callable[[str], Any]) -> Any:
    return result("ccxt")["found"]


def test_it_reads_the_clock_and_the_markets(found: Any) -> None:
    assert abs(found["ahead"]) < 2_000
    assert found["markets"] == {SWAP: True, SPOT: True, COIN: True}


def test_it_reads_tickers_candles_and_books(found: Any) -> None:
    prices = found["prices"]
    assert {10_000 < prices[symbol] < 500_000 for symbol in (SWAP, SPOT, COIN)} == {True}
    starts = [candle[0] for candle in found["candles"]]
    assert starts == [starts[0] + 60_000 * number for number in range(5)]
    bid, ask = found["book"]
    assert bid < ask


def test_it_reads_an_error_inside_of_a_success(found: Any) -> None:
    assert "109425" in found["refused"]


def test_it_receives_tickers_of_futures_and_spot(found: Any) -> None:
    for market in ("swap", "spot"):
        times = [at for at, _ in found[market]]
        assert times == sorted(times)
        assert {price > 0 for _, price in found[market]} == {True}


def test_it_answers_the_pings_of_both_streams(found: Any) -> None:
    assert (found["sessions"], set(found["answers"])) == (2, {"Pong"})


def test_it_receives_what_an_account_holds_with_a_listen_key_it_made_and_renewed(found: Any) -> None:
    (first, held), (second, held_then) = found["balances"]
    assert (held, held_then, found["renewed"]) == (50_000.0, 50_000.0, True)
    assert 4_000 < second - first < 7_000
