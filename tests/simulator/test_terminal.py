import asyncio
import json
import math
from typing import Any

import pytest

from probe.model.credentials import Secret
from probe.model.errors import LocalProtocolError
from probe.simulator.floor import Floor
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from probe.simulator.terminal_books import BUY, SELL
from probe.simulator.terminal_shapes import (
    AccountInfo,
    OrderCheckResult,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
)
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply
from tests.simulator.desks import utc

OFFSET = 7200
DEAL = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}


class Clock:
    def __init__(self) -> None:
        self.now = utc("Wed 12:00")

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def far(clock: Clock) -> SimulatedTerminal:
    """Logged in to 1001, with a link to it."""
    accounts = {
        login: TerminalAccount(login=login, password=f"pass-{login}", server="Sim-Demo", balance=10_000.0)
        for login in (1001, 1002)
    }
    floor = Floor(seed=1, epoch=0.0, zone_seconds=0.0, skew_seconds=0.0)
    far = SimulatedTerminal(accounts=accounts, floor=floor, utc=clock, offset_seconds=OFFSET)
    assert far.call("initialize", login=1001, password="pass-1001", server="Sim-Demo") is True
    return far


def failed(far: SimulatedTerminal, function: str, *arguments: Any, **named: Any) -> int:
    """The error of a call that must fail, as calls do."""
    assert far.call(function, *arguments, **named) in (None, False)
    return far.last_error[0]


# -- faithful ----------------------------------------------------------------------------------------------------------


def test_named_tuples_have_the_packages_fields(far: SimulatedTerminal) -> None:
    shapes = (
        TerminalInfo,
        AccountInfo,
        Tick,
        TradePosition,
        TradeOrder,
        TradeDeal,
        SymbolInfo,
        OrderCheckResult,
    )
    assert [len(shape._fields) for shape in shapes] == [22, 28, 8, 19, 24, 18, 96, 9]
    symbol = far.call("symbol_info", "EURUSD")
    fields = symbol._fields
    assert [fields[place] for place in (0, 10, 31, 44, 83, 95)] == [
        "custom", "time", "bid", "point", "basis", "path",
    ]  # fmt: skip


def test_prices_are_the_floors_on_the_brokers_clock(far: SimulatedTerminal, clock: Clock) -> None:
    tick, info = far.call("symbol_info_tick", "EURUSD"), far.call("symbol_info", "EURUSD")
    assert 0 <= clock.now + OFFSET - tick.time_msc / 1000 < 1.5
    assert tick.time == tick.time_msc // 1000 == info.time
    assert (info.bid, info.ask, info.digits) == (tick.bid, tick.ask, 5)
    assert round((info.ask - info.bid) / info.point) == info.spread > 0


def test_the_money_agrees_with_itself(far: SimulatedTerminal, clock: Clock) -> None:
    for symbol, side in (("EURUSD", BUY), ("USDJPY", SELL), ("EURGBP", BUY), ("BTCUSD", SELL)):
        far.open_position(1001, symbol, 0.1, side=side)
    clock.now += 3_600
    account, positions = far.call("account_info"), far.call("positions_get")
    assert math.isclose(account.profit, sum(each.profit for each in positions), abs_tol=0.01)
    assert math.isclose(account.equity, account.balance + account.credit + account.profit, abs_tol=0.01)
    assert math.isclose(account.margin_free, account.equity - account.margin, abs_tol=0.01)
    assert math.isclose(account.margin_level, 100 * account.equity / account.margin, abs_tol=0.01)
    assert {each.profit == 0 for each in positions} == {False}
    # A tenth of a lot is ten thousand euros, of which the hundredth part is needed.
    only = SimulatedTerminal.call(far, "positions_get", symbol="EURUSD")[0]
    assert math.isclose(only.profit, (only.price_current - only.price_open) * 10_000, abs_tol=0.01)


def test_what_a_position_brought_is_in_the_balance_and_the_history(
    far: SimulatedTerminal, clock: Clock
) -> None:
    ticket = far.open_position(1001, "EURUSD", 1.0)
    clock.now += 3_600
    [position] = far.call("positions_get", ticket=ticket)
    far.close_position(1001, ticket)
    account, deals = far.call("account_info"), far.call("history_deals_get", 0, clock.now + OFFSET + 1)
    assert (account.balance, account.margin, account.margin_level) == (
        round(10_000.0 + position.profit, 2),
        0.0,
        0.0,
    )
    assert [(deal.type, deal.entry, deal.symbol) for deal in deals] == [
        (2, 0, ""),
        (0, 0, "EURUSD"),
        (1, 1, "EURUSD"),
    ]
    assert [deal.ticket for deal in far.call("history_deals_get", position=ticket)] == [
        deal.ticket for deal in deals[1:]
    ]
    assert far.call("history_deals_get", 0, 1) == ()


def test_candles_are_what_the_ticks_made(far: SimulatedTerminal, clock: Clock) -> None:
    rates = far.call("copy_rates_from_pos", "EURUSD", 1, 0, 3)
    assert [row["time"] for row in rates] == [clock.now + OFFSET - 60 * back for back in (3, 2, 1)]
    assert rates[-1]["close"] == far.call("symbol_info_tick", "EURUSD").bid
    assert [row for row in rates if not row["low"] <= row["open"] <= row["high"]] == []
    assert failed(far, "copy_rates_from_pos", "EURUSD", 7, 0, 3) == -2


def test_symbols_are_listed_from_eurusd_on_and_chosen_by_masks(far: SimulatedTerminal) -> None:
    names = [each.name for each in far.call("symbols_get")]
    assert (names[0], "BTCUSD" in names, far.call("symbols_total")) == ("EURUSD", True, len(names))
    chosen = {each.name for each in far.call("symbols_get", group="EUR*,!*JPY")}
    assert chosen == {name for name in names if name.startswith("EUR") and not name.endswith("JPY")}


def test_an_order_that_waits_is_listed(far: SimulatedTerminal) -> None:
    ticket = far.place_order(1001, "EURUSD", 0.2, 1.0)
    [order] = far.call("orders_get", symbol="EURUSD")
    assert (order.ticket, order.volume_current, order.price_open, far.call("orders_total")) == (
        ticket,
        0.2,
        1.0,
        1,
    )
    assert far.call("orders_get", symbol="USDJPY") == ()


# -- one terminal for all ----------------------------------------------------------------------------------------------


def test_who_logs_in_changes_the_account_for_all(far: SimulatedTerminal) -> None:
    assert far.call("login", 1002, password="pass-1002", server="Sim-Demo") is True
    assert (far.call("account_info").login, far.logged_in) == (1002, 1002)


@pytest.mark.parametrize(
    "wrong", [{"password": "pass-1001"}, {"server": "Other"}, {"password": ""}, {"login": 1003}]
)
def test_a_wrong_login_is_refused_and_changes_nothing(far: SimulatedTerminal, wrong: dict[str, Any]) -> None:
    right = {"login": 1002, "password": "pass-1002", "server": "Sim-Demo"}
    assert failed(far, "login", **right | wrong) == -6
    assert far.call("account_info").login == 1001


def test_after_shutdown_nothing_answers_until_it_is_initialised(far: SimulatedTerminal) -> None:
    assert (far.call("shutdown"), far.call("last_error")) == (None, (1, "Success"))
    assert (failed(far, "account_info"), failed(far, "login", 1001, "pass-1001")) == (-10004, -10004)
    assert (far.call("initialize"), far.call("account_info").login) == (True, 1001)


def test_a_call_after_a_failed_one_clears_the_error(far: SimulatedTerminal) -> None:
    assert failed(far, "symbol_info", "NOSUCH") == -4
    assert (far.call("symbol_info", "EURUSD").name, far.last_error) == ("EURUSD", (1, "Success"))


# -- what can be wrong -------------------------------------------------------------------------------------------------


def test_a_terminal_that_was_closed_answers_nothing_and_initialize_starts_it(far: SimulatedTerminal) -> None:
    far.process_running = False
    assert (failed(far, "account_info"), failed(far, "positions_get"), far.launches) == (-10004, -10004, 0)
    assert (far.call("initialize"), far.launches, far.process_running) == (True, 1, True)


def test_a_lost_broker_leaves_data_that_looks_alive(far: SimulatedTerminal, clock: Clock) -> None:
    far.connected = False
    seen = far.call("symbol_info_tick", "BTCUSD")
    clock.now += 600
    assert far.call("terminal_info").connected is False
    assert far.call("symbol_info_tick", "BTCUSD") == seen
    assert far.call("account_info").balance == 10_000.0
    far.connected = True
    assert far.call("symbol_info_tick", "BTCUSD").time >= seen.time + 599


def test_frozen_ticks_stand_still_though_it_is_connected(far: SimulatedTerminal, clock: Clock) -> None:
    far.frozen_since_utc = clock.now
    seen = far.call("symbol_info_tick", "BTCUSD")
    clock.now += 600
    assert (far.call("symbol_info_tick", "BTCUSD"), far.call("terminal_info").connected) == (seen, True)


def test_over_the_weekend_the_last_tick_of_friday_is_shown(far: SimulatedTerminal, clock: Clock) -> None:
    clock.now = utc("Sun 12:00")
    friday = clock.now - 38 * 3_600  # 22:00
    assert 0 <= friday + OFFSET - far.call("symbol_info_tick", "EURUSD").time_msc / 1000 < 1.5
    assert clock.now + OFFSET - far.call("symbol_info_tick", "BTCUSD").time_msc / 1000 < 1.5


def test_errors_are_scripted(far: SimulatedTerminal) -> None:
    far.call_error = (-10002, "IPC recv failed")
    assert (failed(far, "account_info"), failed(far, "version")) == (-10002, -10002)
    far.init_error = (-10005, "IPC timeout")
    assert (failed(far, "initialize"), far.last_error) == (-10005, (-10005, "IPC timeout"))


def test_a_symbol_outside_the_market_watch_has_no_price_until_it_is_chosen(far: SimulatedTerminal) -> None:
    far.hidden.add("GBPUSD")
    info = far.call("symbol_info", "GBPUSD")
    assert (info.select, info.bid, info.time, failed(far, "symbol_info_tick", "GBPUSD")) == (
        False,
        0.0,
        0,
        -4,
    )
    assert far.call("symbol_select", "GBPUSD", True) is True
    assert far.call("symbol_info_tick", "GBPUSD").bid > 0
    assert failed(far, "symbol_select", "NOSUCH", True) == -1


def test_nobody_logged_in_is_no_account(far: SimulatedTerminal) -> None:
    far.logged_in = None
    assert (failed(far, "account_info"), far.call("terminal_info").connected) == (-1, False)


# -- a dry run ---------------------------------------------------------------------------------------------------------


def test_an_order_that_would_be_taken_is_only_calculated(far: SimulatedTerminal) -> None:
    before = far.call("account_info")
    told = far.call("order_check", DEAL)
    assert (told.retcode, told.comment, told.request.symbol, told.request.volume) == (
        0,
        "Done",
        "EURUSD",
        0.1,
    )
    assert told.margin_free == round(told.equity - told.margin, 2) < before.margin_free
    assert (far.call("account_info"), far.call("positions_total")) == (before, 0)


@pytest.mark.parametrize(
    ("knobs", "request_", "code"),
    [
        ({"trade_allowed": False}, {}, 10027),
        ({"trade_expert": False}, {}, 10026),
        ({"account_trade_allowed": False}, {}, 10017),
        ({"connected": False}, {}, 10031),
        ({}, {"symbol": "NOSUCH"}, 10013),
        ({"hidden": {"EURUSD"}}, {}, 10021),
        ({}, {"volume": 0.015}, 10014),
        ({}, {"volume": 0.0}, 10014),
        ({}, {"volume": 50.0}, 10019),
    ],
)
def test_an_order_that_would_be_refused_is_told_why(
    far: SimulatedTerminal, knobs: dict[str, Any], request_: dict[str, Any], code: int
) -> None:
    for name, value in knobs.items():
        setattr(far, name, value)
    assert far.call("order_check", DEAL | request_).retcode == code


def test_a_closed_market_takes_no_order(far: SimulatedTerminal, clock: Clock) -> None:
    clock.now = utc("Sun 12:00")
    assert far.call("order_check", DEAL).retcode == 10018
    assert far.call("order_check", DEAL | {"symbol": "BTCUSD"}).retcode == 0


def test_the_forbidden_programming_interface_checks_no_order(far: SimulatedTerminal) -> None:
    far.tradeapi_disabled = True
    assert failed(far, "order_check", DEAL) == -8


def test_it_cannot_place_orders(far: SimulatedTerminal) -> None:
    with pytest.raises(LocalProtocolError, match="order_send"):
        far.call("order_send", DEAL)


# -- as a terminal that is asked ---------------------------------------------------------------------------------------


def asked(far: SimulatedTerminal, function: str, *arguments: object, **named: object) -> TerminalReply:
    said = asyncio.run(far.ask(TerminalCall(function=function, arguments=arguments, named=named)))
    assert isinstance(said, TerminalReply)
    return said


def test_its_answers_are_plain_data_with_the_error_of_the_same_call(far: SimulatedTerminal) -> None:
    assert asked(far, "login", 1002, password=Secret("pass-1002")).value is True
    account, nothing = asked(far, "account_info"), asked(far, "symbol_info_tick", "NOSUCH")
    assert (account.value["login"], account.error, account.error_text) == (1002, 1, "Success")
    assert (nothing.value, nothing.error) == (None, -4)
    symbols = asked(far, "symbols_get").value
    assert json.loads(json.dumps(symbols)) == symbols


def test_it_says_whether_it_runs(far: SimulatedTerminal) -> None:
    far.process_running = False
    assert asyncio.run(far.ask(LookForProcess())) == ProcessFound(running=False, detail="simulated")


def test_calls_queue_behind_a_slow_one(far: SimulatedTerminal) -> None:
    far.call_seconds = 0.05

    async def run() -> list[Any]:
        calls = [far.ask(TerminalCall(function="version")) for _ in range(3)]
        began_at = asyncio.get_running_loop().time()
        return [await asyncio.gather(*calls), asyncio.get_running_loop().time() - began_at]

    replies, seconds = asyncio.run(run())
    assert seconds >= 0.15
    assert min(reply.seconds for reply in replies) >= 0.05


def test_a_call_that_hangs_ends_when_the_fault_does(far: SimulatedTerminal) -> None:
    async def run() -> bool:
        far.hangs = True
        asking = asyncio.ensure_future(far.ask(TerminalCall(function="version")))
        done, _ = await asyncio.wait([asking], timeout=0.05)
        far.hangs = False
        await asking
        return not done

    assert asyncio.run(run()) is True


def test_no_account_shows_its_password(far: SimulatedTerminal) -> None:
    account = TerminalAccount(login=1, password="hunter-2", server="S", balance=1.0)
    assert "hunter-2" not in repr(account)
