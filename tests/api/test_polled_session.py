"""Sessions that ask instead of being told: what they know is answered, and what they do not know is said clearly."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from probe.api.errors import Unanswered
from probe.brokers import find_broker
from probe.measure.records import Metric
from probe.model.errors import ConfigError, UnsafeTarget
from tests.api.served import Served, serving, until

BROKERS = [find_broker("crypto"), find_broker("mt5")]


def polling(name: str, what: Callable[[Served], Awaitable[None]], *faults: str) -> None:
    broker = find_broker(name)
    serving(broker, what, *faults, at=broker.house.regions)


def symbol_of(at: Served) -> str:
    return at.broker.house.symbol or at.broker.default_symbol


@pytest.mark.parametrize("name", ["crypto", "mt5"])
def test_a_session_that_asks_is_used_like_any_other(name: str) -> None:
    async def what(at: Served) -> None:
        symbol = symbol_of(at)
        async with at.open(symbols=[symbol]) as session:
            stream = session.quotes(symbol)
            assert (await anext(stream)).symbol == symbol
            await until(lambda: session.silent_seconds is not None)
            balances = await asyncio.gather(*[session.balance(fresh=True) for _ in range(3)])
            assert len({each.value for each in balances}) == 1
            assert session.statistics().requests_answered >= 1

    polling(name, what)


def test_what_such_a_session_cannot_be_asked_is_said_with_what_it_can() -> None:
    async def what(at: Served) -> None:
        async with at.open(symbols=[symbol_of(at)]) as session:
            with pytest.raises(ConfigError, match=r"no AskHistory.*AskBalance"):
                await session.candles("BTC-USDT", 60, count=5)
            with pytest.raises(ConfigError, match="no AskOrders"):
                await session.orders(fresh=True)
            with pytest.raises(ConfigError, match=r"asks by itself.* Take the round trips of statistics\(\)"):
                await session.round_trip()
            await until(lambda: session.statistics().round_trips[Metric.APP_RTT].count)
            with pytest.raises(UnsafeTarget):
                await session.place_demo_order("BTC-USDT", "call", 1.0, 60)
            with pytest.raises(ConfigError, match="does not ask for prices of DOGE-USDT"):
                session.quotes("DOGE-USDT")
            assert session.is_live

    polling("crypto", what)


@pytest.mark.parametrize("name", ["mt5", "quotex"])
def test_a_step_of_this_machines_clock_is_no_step_of_the_brokers(name: str) -> None:
    async def what(at: Served) -> None:
        symbol = "EURUSD_otc" if name == "quotex" else symbol_of(at)
        async with at.open(symbols=[symbol]) as session:
            quotes = session.quotes(symbol)
            await anext(quotes)
            before = session.clock()
            assert before is not None
            holding, right = session._holding, session._holding.utc
            holding.utc = lambda: right() + 7200.0
            await anext(quotes)
            after = session.clock()
            assert after is not None
            assert after.broker_time == pytest.approx(before.broker_time, abs=60.0)

    polling(name, what)


def test_an_answer_that_shows_what_is_wrong_is_no_balance() -> None:
    async def what(at: Served) -> None:
        async with at.open(symbols=[symbol_of(at)]) as session:
            await at.simulator.board.switch_on("backend-database-failover")
            with pytest.raises(Unanswered, match="AskBalance"):
                await session.balance(fresh=True)

    polling("crypto", what)
