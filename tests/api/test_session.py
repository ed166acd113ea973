"""Over real sockets, against both simulated brokers."""

import asyncio
import contextlib
import gc
from dataclasses import replace
from typing import Any

import pytest
import structlog

from probe.api.errors import (
    ConnectionFailed,
    NotConnected,
    OrderRejected,
    SaleRejected,
    SessionClosed,
    SessionLost,
    Unanswered,
)
from probe.api.orders import OrderHandle, OrderResult, Outcome
from probe.api.session import HOLD_INDEX
from probe.api.streams import Quote
from probe.drivers.aio import Connection
from probe.measure.records import Metric
from probe.model.endpoint import Account
from probe.model.errors import ConfigError, UnsafeTarget
from probe.model.events import RequestAnswered
from probe.model.intents import Intent
from probe.model.meanings import Candle, Direction, History
from probe.model.meanings import OrderRejected as Rejected
from probe.monitor.link import Link
from probe.session.broker import Region
from tests.api.served import OTHER, SYMBOL, Served, serving, until
from tests.monitor.linked import Place, regions
from tests.pretending import POCKETOPTION, QUOTEX, Known


def test_every_question_is_answered_and_says_its_age(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            balance = await session.balance()
            assert balance.value.is_demo is True
            assert balance.value.amount >= 10_000.0
            told = balance.at
            await asyncio.sleep(5)
            assert (await session.balance()).at == told
            assert (await session.balance()).age_seconds >= 5
            fresh = await session.balance(fresh=True)
            assert fresh.value == balance.value
            assert fresh.age_seconds == 0
            assert fresh.rtt_seconds is not None
            assets = await session.assets()
            assert SYMBOL in {asset.symbol for asset in assets.value}
            assert (await session.orders()).value == ()
            assert 0 <= await session.round_trip() < 1

    serving(known.broker, what)


def test_candles_come_in_as_many_pages_as_they_need(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open(symbols=[SYMBOL]) as session:
            await until(session.clock)
            count = known.broker.house.page_rows * 2 + 10
            answer = await session.candles(SYMBOL, 60, count=count)
            starts = [candle.start for candle in answer.value]
            assert len(starts) == count
            assert starts == [starts[0] + 60 * number for number in range(count)]
            part = await session.candles(SYMBOL, 60, span=600, until=starts[-1])
            assert [candle.start for candle in part.value] == starts[-11:-1]
            for fraction in (0.0, 0.5):  # a candle that begins in the second that is asked for is not lost
                part = await session.candles(SYMBOL, 60, count=5, until=starts[-1] + fraction)
                ends = len(starts) - (0 if fraction else 1)
                assert [candle.start for candle in part.value] == starts[ends - 5 : ends]

    serving(known.broker, what)


@pytest.mark.parametrize(("period", "span"), [(1, 60.0), (60, -1.0), (60, 1e9)])
def test_candles_that_cannot_be_are_refused_before_anything_is_sent(period: int, span: float) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            with pytest.raises(ConfigError):
                await session.candles(SYMBOL, period, span=span)
            assert session.statistics().requests_answered == 0

    serving(POCKETOPTION.broker, what)


def test_what_is_not_answered_is_an_error_and_never_an_empty_answer(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            with pytest.raises(Unanswered, match="AskHistory"):
                await session.candles("NOSUCH", 60, count=5)
            assert session.statistics().requests_expired >= 1

    serving(known.broker, what)


def test_an_order_tells_how_it_ended(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            before = (await session.balance()).value.amount
            order = await session.place_demo_order(SYMBOL, "call", 10.0, 60)
            assert order.is_confirmed
            assert [each.id for each in (await session.orders()).value] == [order.order and order.order.id]
            result = await order.result()
            assert result.outcome in (Outcome.WON, Outcome.LOST, Outcome.DRAW)
            assert result.profit is not None
            after = (await session.balance()).value.amount
            assert after == pytest.approx(before + result.profit)
            assert (await session.orders()).value == ()

    serving(known.broker, what)


@pytest.mark.parametrize(
    ("profit", "outcome"), [(8.2, Outcome.WON), (0.0, Outcome.DRAW), (-10.0, Outcome.LOST)]
)
def test_a_draw_is_no_loss(profit: float, outcome: Outcome) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            order = await session.place_demo_order(SYMBOL, "put", 10.0, 600)
            assert order.order is not None
            order.note(replace(order.order, profit=profit, close_price=1.0), closed=True)
            assert (await order.result()).outcome is outcome

    serving(POCKETOPTION.broker, what)


def test_an_order_that_is_refused_says_so_in_the_brokers_words(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            with pytest.raises(OrderRejected):
                await session.place_demo_order(SYMBOL, "call", 10_000_000.0, 60)

    serving(known.broker, what)


def test_what_nobody_confirmed_is_unconfirmed() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            order = await session.place_demo_order(SYMBOL, "call", 10.0, 3600)
            assert (await order.result(timeout=1)).outcome is Outcome.UNCONFIRMED
        closed_at = asyncio.get_running_loop().time()
        assert await order.result() == OrderResult(outcome=Outcome.UNCONFIRMED, order=order.order)
        assert asyncio.get_running_loop().time() == closed_at  # nobody is left who could tell

    serving(POCKETOPTION.broker, what)


def test_orders_of_two_sessions_in_the_same_second_are_not_taken_for_each_other() -> None:
    async def what(at: Served) -> None:
        async with at.open() as one, at.open() as other:
            first = await one.place_demo_order(SYMBOL, "call", 10.0, 60)
            second = await other.place_demo_order(SYMBOL, "call", 10.0, 60)
            assert first.asked.request_id != second.asked.request_id
            assert first.order is not None
            theirs = replace(first.order, id="theirs", direction=Direction.PUT)
            assert not OrderHandle(first.asked).is_about(theirs)

    serving(POCKETOPTION.broker, what)


def test_a_refusal_that_names_no_order_is_taken_for_none_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            answers = [Rejected(error="no"), Rejected(error="no")]

            async def ask(intent: Intent) -> RequestAnswered:
                await asyncio.sleep(1)
                return RequestAnswered(at=0.0, request=1, intent=intent, answer=answers.pop(), sent_at=0.0)

            monkeypatch.setattr(session._holding, "ask", ask)
            first, second = await asyncio.gather(
                *(session.place_demo_order(SYMBOL, "call", 10.0, 60) for _ in range(2)),
                return_exceptions=True,
            )
            assert isinstance(first, OrderHandle)
            assert not first.is_confirmed
            assert isinstance(second, OrderRejected)

    serving(POCKETOPTION.broker, what)


@pytest.mark.parametrize(
    ("amount", "duration"), [(float("nan"), 60), (float("inf"), 60), (-1.0, 60), (1.0, 0)]
)
def test_what_no_broker_could_mean_is_not_sent(amount: float, duration: int) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            with pytest.raises(ConfigError, match="above 0"):
                await session.place_demo_order(SYMBOL, "call", amount, duration)
            with pytest.raises(ConfigError, match="'up' is no direction"):
                await session.place_demo_order(SYMBOL, "up", 1.0, 60)

    serving(POCKETOPTION.broker, what)


def test_closing_that_is_cancelled_still_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            monkeypatch.setattr(session._holding._link, "stop", lambda: None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await session.close()
            running = session._holding._running
            assert running is not None
            await asyncio.wait({running}, timeout=1)
            assert running.done()

    serving(POCKETOPTION.broker, what)


def test_an_order_can_be_sold_before_its_end_where_there_is_such_a_request() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            before = (await session.balance()).value.amount
            order = await session.place_demo_order(SYMBOL, "call", 10.0, 600)
            await session.sell_demo_order(order)
            assert (await order.result()).outcome is Outcome.SOLD
            assert (await session.orders()).value == ()
            assert (await session.balance()).value.amount != before - 10.0
            with pytest.raises(SaleRejected, match="goes on until its end"):
                await session.sell_demo_order(order)

    serving(QUOTEX.broker, what)


def test_where_there_is_no_request_for_it_nothing_is_sent_and_the_reason_is_told() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            order = await session.place_demo_order(SYMBOL, "call", 10.0, 600)
            with pytest.raises(ConfigError, match="no public client"):
                await session.sell_demo_order(order)
            with pytest.raises(ConfigError, match="subfor"):
                await session.sentiment(SYMBOL)

    serving(POCKETOPTION.broker, what)


def test_an_order_that_nobody_confirmed_cannot_be_sold() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            order = await session.place_demo_order(SYMBOL, "call", 10.0, 600)
            assert not order.is_confirmed
            with pytest.raises(ConfigError, match="has no number"):
                await session.sell_demo_order(order)

    serving(QUOTEX.broker, what, "order-ignored")


def test_sentiment_is_asked_for_once_and_told_from_then_on() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            first = await session.sentiment(SYMBOL)
            assert 0 <= first.value <= 100
            sent = session.statistics().traffic.messages_sent
            await asyncio.sleep(5)
            later = await session.sentiment(SYMBOL)
            assert later.at > first.at
            assert session.statistics().traffic.messages_sent - sent <= 3  # keep-alives

    serving(QUOTEX.broker, what)


def test_signals_are_told_in_the_brokers_own_words(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            told = (await session.signals()).value
            words = {word for row in told.rows for _, word in row.said}
            assert words <= set(known.broker.house.signal_words)
            assert {row.symbol for row in told.rows} <= {row.symbol for row in (await session.assets()).value}
            await asyncio.sleep(65)
            assert (await session.signals()).value.at != told.at

    serving(known.broker, what)


def test_what_is_followed_and_not_told_is_unanswered() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            with pytest.raises(Unanswered, match="WatchSignals"):
                await session.signals()

    serving(QUOTEX.broker, what, "false-success")


def test_no_order_goes_to_a_real_account(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            assert session.account is Account.LIVE
            with pytest.raises(UnsafeTarget):
                await session.place_demo_order(SYMBOL, "call", 1.0, 60)

    serving(known.broker, what, at=(Region(name="real", account=Account.LIVE, latency=0.0),))


def test_quotes_come_by_callback_and_by_iteration(known: Known) -> None:
    async def what(at: Served) -> None:
        heard: list[Quote] = []
        async with at.open() as session:
            end = session.subscribe(SYMBOL, heard.append)
            taken = []
            async for quote in session.quotes(SYMBOL):
                taken.append(quote)
                if len(taken) == 5:
                    break
            assert taken == heard[:5]
            end()
            gc.collect()
            assert session._holding._sinks == {}
            await asyncio.sleep(2)
            count = len(heard)
            await asyncio.sleep(10)
            assert len(heard) == count

    serving(known.broker, what)


def test_a_slow_consumer_loses_the_oldest_and_is_told_how_many() -> None:
    async def what(at: Served) -> None:
        everything: list[Quote] = []
        async with at.open() as session:
            session.subscribe(SYMBOL, everything.append)
            quotes = session.quotes(SYMBOL, size=3)
            await until(lambda: len(everything) >= 10)
            first = await anext(quotes)
            lost = len(everything) - 3
            assert first == everything[lost]._replace(lost_before=lost)
            assert quotes.lost == lost
            assert (await anext(quotes)).lost_before == 0

    serving(POCKETOPTION.broker, what)


def test_a_callback_that_fails_ends_alone() -> None:
    async def what(at: Served) -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def fail(quote: Quote) -> None:
            raise RuntimeError("mine")

        async with at.open() as session:
            session.subscribe(SYMBOL, fail)
            quotes = session.quotes(SYMBOL)
            for _ in range(3):
                await anext(quotes)
            assert [str(each["exception"]) for each in told] == ["mine"]

    serving(POCKETOPTION.broker, what)


def test_iteration_ends_when_the_session_is_closed_and_fails_when_it_is_lost(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            quotes = session.quotes(SYMBOL)
        assert [quote async for quote in quotes] == []
        with pytest.raises(SessionClosed):
            await session.balance()
        async with at.open() as session:
            quotes = session.quotes(SYMBOL)
            await anext(quotes)
            await at.simulator.board.switch_on("drop@0s")
            with pytest.raises(SessionLost) as lost:
                async for _ in quotes:
                    pass
            assert lost.value.advice
            with pytest.raises(SessionLost):
                await session.balance()

    serving(known.broker, what)


def test_a_session_that_is_lost_comes_back_with_its_subscriptions(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open(reconnect=True, symbols=[SYMBOL]) as session:
            quotes = session.quotes(OTHER)
            await anext(quotes)
            number = await at.simulator.board.switch_on("drop@0s")
            await until(lambda: not session.is_live)
            with pytest.raises(NotConnected):
                await session.round_trip()
            await at.simulator.board.switch_off(number)
            while quotes._queue._items:
                await anext(quotes)
            await session.ready(timeout=600)
            assert (await anext(quotes)).symbol == OTHER
            assert session.connections == 2
            statistics = session.statistics()
            assert (statistics.disconnects, statistics.reconnects) == (1, 1)
            assert statistics.since_last_disconnect_seconds is not None

    serving(known.broker, what)


def test_statistics_add_up(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open(symbols=[SYMBOL]) as session:
            await asyncio.sleep(120)
            await session.round_trip()
            told = session.statistics()
            assert (told.attempts, told.successes, told.failures, told.disconnects) == (1, 1, 0, 0)
            assert told.first_connect_seconds == told.last_connect_seconds is not None
            assert told.uptime_seconds == told.current_uptime_seconds
            assert told.uptime_seconds >= 120
            assert told.round_trips[Metric.WS_RTT].count >= 5
            assert told.round_trips[Metric.APP_RTT].p95 is not None
            assert told.requests_answered == 1
            assert told.quotes > 100
            assert told.traffic.messages_received > told.quotes / 2
            assert (
                told.rates["bytes_received_per_second"] == told.traffic.bytes_received / told.uptime_seconds
            )
            assert [each.what for each in told.last_events] == ["dialling", "connected"]
            clock = session.clock()
            assert clock is not None
            assert clock.offset.zone_seconds == known.broker.zone_seconds
            assert clock.age_seconds < 10

    serving(known.broker, what)


def test_a_failed_connection_is_one_error_with_cause_and_advice(known: Known) -> None:
    async def what(at: Served) -> None:
        with pytest.raises(ConnectionFailed) as failed:
            async with at.open():
                pass
        assert failed.value.failure.kind == "auth.refused"
        assert failed.value.advice in str(failed.value)
        assert at.token not in str(failed.value) + repr(failed.value)

    serving(known.broker, what, "auth-refused")


def test_a_server_that_says_nothing_is_given_up_in_time(known: Known) -> None:
    async def what(at: Served) -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionFailed) as failed:
            async with at.open(timeout=4):
                pass
        assert failed.value.failure.kind == "local.timeout"
        assert asyncio.get_running_loop().time() - began < 8

    serving(known.broker, what, "silent-upgrade")


def test_another_region_is_tried_when_the_first_is_out(known: Known) -> None:
    async def what(at: Served) -> None:
        await Place(at.simulator, at.broker, 1).spoil("near", "refuse")
        async with at.open(connect="fallback") as session:
            assert session.region is not None
            told = session.statistics()
            assert (told.attempts, told.failures, told.successes) == (2, 1, 1)

    serving(known.broker, what, at=regions("near", "far"))


def test_questions_of_one_batch_leave_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = Connection._write_bytes

    def count(self: Connection[Any], joined: list[bytes]) -> None:
        if joined and hasattr(self._session, "ask"):
            written.append(len(joined))
        write(self, joined)

    monkeypatch.setattr(Connection, "_write_bytes", count)

    async def what(at: Served) -> None:
        async with at.open() as session:
            await asyncio.sleep(3)
            written.clear()
            for _ in range(10):
                await session.round_trip()
            alone = len(written)
            written.clear()
            await session.batch(*(session.round_trip() for _ in range(10)))
            assert (alone, len(written)) == (10, 1)

    serving(POCKETOPTION.broker, what)


def test_what_is_cancelled_while_opening_leaves_nothing(known: Known) -> None:
    async def what(at: Served) -> None:
        async def hold() -> None:
            async with at.open():
                await asyncio.sleep(1000)

        for seconds in (0.0, 0.01, 0.3, 5.0):
            task = asyncio.create_task(hold())
            await asyncio.sleep(seconds)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    serving(known.broker, what)


def test_settings_of_the_environment_hold_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    made = Link.__init__

    def note(self: Link, *arguments: Any, **named: Any) -> None:
        seen.update(named)
        made(self, *arguments, **named)

    monkeypatch.setattr(Link, "__init__", note)
    monkeypatch.setenv("TRADEPROBE_MAX_RETRIES", "2")
    monkeypatch.setenv("TRADEPROBE_TIMEOUT", "3s")
    monkeypatch.setenv("TRADEPROBE_DEBUG", "true")

    async def what(at: Served) -> None:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionFailed):
            async with at.open(reconnect=True):
                pass
        assert asyncio.get_running_loop().time() - began < 6

    serving(POCKETOPTION.broker, what, "silent-upgrade")
    assert (seen["max_retries"], seen["phase_deadline"]) == (2, 3.0)


def test_the_log_is_as_loud_as_was_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def what(at: Served) -> None:
        async with at.open():
            pass

    for level, lines in (("warning", 0), ("info", 1)):
        structlog.reset_defaults()
        monkeypatch.setenv("TRADEPROBE_LOG_LEVEL", level)
        serving(POCKETOPTION.broker, what)
        assert capsys.readouterr().err.count("session_ended") == lines


def test_no_figure_and_no_name_shows_the_credential(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open(symbols=[SYMBOL]) as session:
            await asyncio.sleep(10)
            shown = repr(session) + repr(session.statistics()) + repr(await session.balance()) + session.name
            assert at.token not in shown
            assert at.token not in repr(vars(session._holding))

    serving(known.broker, what)


def test_an_option_that_does_not_exist_is_no_option() -> None:
    async def what(at: Served) -> None:
        with pytest.raises(TypeError, match="did you mean 'region'"):
            async with at.open(regoin="near"):
                pass
        async with at.open(region=None, symbols=None, dialect=None, ca=None) as session:
            assert session.is_live

    serving(POCKETOPTION.broker, what)


def test_candles_beyond_what_was_asked_for_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(*asked: object) -> tuple[History, float]:
        rows = tuple(Candle(start, 1.0, 1.0, 1.0, 1.0) for start in (540.0, 600.0, 660.0, 720.0))
        return History(symbol=SYMBOL, period=60, index=1, candles=rows), 0.5

    async def what(at: Served) -> None:
        async with at.open() as session:
            monkeypatch.setattr(session, "_page", page)
            answer = await session.candles(SYMBOL, 60, span=120, until=720)
            assert [candle.start for candle in answer.value] == [600.0, 660.0]
            assert answer.rtt_seconds == 0.5

    serving(POCKETOPTION.broker, what)


def test_questions_about_one_second_are_told_apart(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            asked: list[int] = []
            ask = session._holding.ask

            async def note(intent: Any) -> Any:
                asked.append(intent.index)
                return await ask(intent)

            session._holding.ask = note  # type: ignore[method-assign]
            now = session._broker_now()
            answers = await session.batch(
                *(session.candles(SYMBOL, 60, span=60.0 * number, until=now) for number in range(1, 100))
            )
            assert len(set(asked)) == 99
            assert HOLD_INDEX not in {index % 100 for index in asked}
            assert [len(answer.value) for answer in answers] == sorted(len(a.value) for a in answers)

    serving(known.broker, what)
