"""The advanced suite: ten tests of what strains a session, and of what can be believed while it is strained."""

import asyncio
import gc
from collections import defaultdict
from itertools import pairwise
from math import sqrt

from probe.api.errors import NotConnected, OrderRejected, SessionLost, Unanswered
from probe.api.orders import OrderHandle, OrderResult, Outcome
from probe.api.session import Session
from probe.api.streams import Quote
from probe.measure.records import Metric
from probe.model.errors import ConfigError, LocalProtocolError
from probe.model.meanings import Direction
from probe.monitor.own import resident_megabytes
from probe.verify.bench import Bench
from probe.verify.content import (
    MONEY,
    OLD_PAGE,
    books,
    built_of,
    heard_in_minutes,
    is_built,
    operation,
    right_balance,
    right_candles,
    right_price,
)
from probe.verify.model import NO_REPLY, Evidence, Failed, Group, Need, Skip, Suite, Trial, expect

CYCLES, QUESTIONS = 5, 50
AT_ONCE = 8
MINUTES = 2
DISTINCT = 5  # prices in those minutes; a market that is open moves more often
ITERATIONS, LEAST_GROWTH = 50, 10.0  # megabytes
CONNECT, BALANCE, CANDLES, MESSAGE = 10.0, 2.0, 5.0, 1.0  # seconds, at most
LINES = (
    "delay:seconds=0.5",
    "jitter:seconds=0.5",
    "slice",
    "throttle",
)  # what a line does that is bad, and not broken
BREAKS = {"cut": 5.0, "reset": 5.0, "freeze": 45.0}  # for how long; a silent line is noticed late
ASSETS = 5
ORDERS, ORDERS_AT_ONCE, REAL_ORDERS = 20, 5, 2
DURATION, REAL_DURATION = 5, 60  # seconds
AMOUNT = 1.0
POLLED_WITHIN = 120.0  # a price, where several symbols are asked for in turn
RESTORED_WITHIN = 300.0  # five times the longest wait before it is tried again
FEWER, CHANCE = 0.8, 3.0  # of the most prices of a third; deviations, for prices come when they like
PACE = 10.0  # seconds between two sessions, below every limit of connections and requests


async def connection_stress(bench: Bench) -> Evidence:
    seconds = []
    for _ in range(CYCLES):
        began = bench.now
        async with bench.session() as session:
            right_price(bench, await bench.next_quote(session.quotes(bench.symbol)))
            seconds.append(bench.now - began)
    async with bench.session() as session:
        if bench.has_history:
            for _ in range(QUESTIONS):
                await session.round_trip()
                await bench.wait(0.1)
        told = session.statistics()
        expect(not told.disconnects, f"the session was lost while {QUESTIONS} questions were asked")
    await bench.wait(1.0)
    left = bench.there.counters.sessions_open
    expect(not left, f"{left} of {CYCLES + 1} sessions that were left are still open there", left_open=left)
    words = f"{CYCLES} sessions one after the other brought a price, the slowest after {max(seconds):.2f} s, and none was left open"
    return Evidence(words=words, figures={"cycles": CYCLES, "slowest_seconds": max(seconds)})


async def concurrent_operations(bench: Bench) -> Evidence:
    """Every answer goes to its own question."""
    symbols = _assets(bench)
    async with bench.session(symbols=symbols) as session:
        if bench.has_history:
            asked = [(symbol, period) for symbol in symbols for period in (60, 300)][:AT_ONCE]
            await session.batch(
                *(right_candles(bench, session, symbol, period=period) for symbol, period in asked)
            )
            words = f"{len(asked)} pages of {len(symbols)} symbols and two periods, asked for at once, each came to its question"
        elif bench.is_pushed:
            asked = [(symbol, 0) for symbol in symbols]
            await asyncio.gather(*(_first_price(bench, session, symbol) for symbol in symbols))
            words = f"prices of {len(symbols)} symbols, asked for at once, each came under its name"
        else:
            asked = [("the same", 0)] * AT_ONCE
            ask = session.balance if bench.has_account else session.assets
            told = await session.batch(*(ask(fresh=True) for _ in asked))
            same = all(answer.value == told[0].value for answer in told)
            expect(same, "questions asked at once got different answers")
            words = f"{len(asked)} times the same question at once got one answer"
    return Evidence(words=words, figures={"at_once": len(asked)})


def _assets(bench: Bench) -> tuple[str, ...]:
    """As many as the broker lets one session have."""
    return bench.symbols[: min(ASSETS, bench.broker.house.stream_cap or ASSETS)]


async def _first_price(bench: Bench, session: Session, symbol: str) -> Quote:
    stream = session.quotes(symbol)
    try:
        quote = await bench.next_quote(stream, within=POLLED_WITHIN)
    except Failed as failed:
        others = session.statistics().quotes
        raise (failed.taken_for("session.subscription-cap") if others else failed) from None
    finally:
        stream.close()
    expect(quote.symbol == symbol, f"a price of {quote.symbol} came as one of {symbol}")
    right_price(bench, quote)
    return quote


async def data_consistency(bench: Bench) -> Evidence:
    """Candles built of the prices that came are those that the broker tells."""
    async with bench.session() as session:
        seen, whole = await heard_in_minutes(bench, session, MINUTES)
        for quote in seen:
            right_price(bench, quote)
        times, prices = [quote.broker_time for quote in seen], {quote.price for quote in seen}
        came = len(times)
        expect(
            all(one < later for one, later in pairwise(times)),
            f"of {came} prices some came twice, or out of order",
            prices=came,
        )
        expect(
            len(prices) >= DISTINCT,
            f"{came} prices in {MINUTES} minutes, and only {len(prices)} different ones",
            prices=came,
            different=len(prices),
        )
        if not bench.has_history:
            words = f"{came} prices in order, {len(prices)} of them different; past prices cannot be asked for here"
            return Evidence(words=words, figures={"prices": came, "different": len(prices), "candles": 0})
        rows = (await session.candles(bench.symbol, 60, count=MINUTES, until=whole + MINUTES * 60)).value
        built = built_of(seen, whole, whole + MINUTES * 60)
    matching = sum(is_built(bench, row, built[row.start]) for row in rows if row.start in built)
    words = f"of {MINUTES} candles built of {came} prices {matching} are as the broker tells them"
    figures = {"prices": came, "different": len(prices), "candles": len(rows), "matching": matching}
    if matching < MINUTES:
        raise Failed(words, **figures).taken_for(OLD_PAGE)
    return Evidence(words=words, figures=figures)


async def error_handling(bench: Bench) -> Evidence:
    """What makes no sense is refused, in words, by us or by the broker; the session goes on."""
    refused = []
    async with bench.session() as session:
        for name, (symbol, period, count) in {
            "an unknown symbol": ("NO-SUCH-SYMBOL", 60, 5),
            "a period of 0 s": (bench.symbol, 0, 5),
            "more candles than there can be": (bench.symbol, 60, 10**6),
        }.items():
            try:
                rows = (await session.candles(symbol, period, count=count)).value
            except (ConfigError, LocalProtocolError, Unanswered):
                rows = ()
            expect(not rows, f"{name} brought {len(rows)} candles")
            refused.append(name)
        if bench.simulator is not None and bench.meets(Need.ORDERS):
            refused.append(await _unpayable(bench, session))
        expect(
            session.is_live and session.statistics().successes == 1,
            f"{', '.join(refused)}: one of them ended the session",
        )
        await operation(bench, session)
    return Evidence(
        words=f"{', '.join(refused)}: none had an effect, and the session goes on",
        figures={"refused": len(refused)},
    )


async def _unpayable(bench: Bench, session: Session) -> str:
    before = (await right_balance(bench, session)).amount
    name = "an order beyond the balance"
    try:
        handle = await session.place_demo_order(bench.symbol, Direction.CALL, before * 2 + 1, DURATION)
    except OrderRejected:
        await right_balance(bench, session)
        return name
    failed = Failed(f"{name} was not rejected", confirmed=handle.is_confirmed)
    raise failed if handle.is_confirmed else failed.taken_for(NO_REPLY)


async def benchmarks(bench: Bench) -> Evidence:
    began = bench.now
    async with bench.session() as session:
        connect = bench.now - began
        figures: dict[str, float] = {"connection_time": connect}
        if bench.has_account:
            fresh = not bench.is_pushed
            figures["avg_balance_time"] = (
                sum([await bench.timed(session.balance(fresh=fresh)) for _ in range(5)]) / 5
            )
        if bench.has_history:
            figures["candles_retrieval_time"] = await bench.timed(
                right_candles(bench, session, bench.symbol, count=100)
            )
        stream = session.quotes(bench.symbol)
        right_price(bench, await bench.next_quote(stream, within=POLLED_WITHIN))
        await bench.wait(bench.lasting(pretended=65.0, real=25.0))
        message = session.statistics().round_trips[Metric.WS_RTT]
        expect(message.count, "no keep-alive was answered, so nothing is known of the time a message takes")
        figures["avg_message_time"] = message.p50 or 0.0
    limits = {
        "connection_time": CONNECT,
        "avg_balance_time": BALANCE,
        "candles_retrieval_time": CANDLES,
        "avg_message_time": MESSAGE,
    }
    words = ", ".join(
        f"{name.replace('_', ' ')} {seconds:.3f} s (at most {limits[name]:g} s)"
        for name, seconds in figures.items()
    )
    expect(all(seconds < limits[name] for name, seconds in figures.items()), words, **figures)
    return Evidence(words=words, figures=figures)


async def memory(bench: Bench) -> Evidence:
    """What is left of it is not kept for ever."""
    if resident_megabytes() is None:
        raise Skip("this system does not say how much memory is used")

    async def iterate(times: int) -> None:
        for number in range(times):
            async with bench.session() as session:
                await operation(bench, session)
                if number == 0:
                    right_price(
                        bench, await bench.next_quote(session.quotes(bench.symbol), within=POLLED_WITHIN)
                    )
            await bench.wait(PACE)

    await iterate(ITERATIONS // 5)  # caches and imports are no growth
    gc.collect()
    before, tasks = resident_megabytes() or 0.0, len(asyncio.all_tasks())
    await iterate(ITERATIONS)
    gc.collect()
    grown, left = (resident_megabytes() or 0.0) - before, len(asyncio.all_tasks()) - tasks
    words = f"{ITERATIONS} sessions one after the other: {grown:+.1f} MB, and {left} tasks left"
    figures = {"iterations": ITERATIONS, "memory_growth_megabytes": grown, "tasks_left": left}
    expect(grown < LEAST_GROWTH and left <= 0, words, **figures)
    return Evidence(words=words, figures=figures)


async def network_resilience(bench: Bench) -> Evidence:
    """What a bad line does, one after the other: slow ones must not lose the session, broken ones must give it back."""
    async with bench.session(reconnect=True) as session:
        right_price(bench, await bench.next_quote(session.quotes(bench.symbol)))
        for line in LINES:
            async with bench.fault(line):
                await bench.wait(10.0)
                await operation(bench, session)
            expect(
                session.statistics().disconnects == 0,
                f"the session was lost on a line with {line}",
                fault=line,
            )
            await bench.wait(5.0)
        recovery = {}
        for line, lasts in BREAKS.items():
            async with bench.fault(line):
                await bench.wait(lasts)
            began = bench.now
            await _works_again(bench, session, line)
            recovery[line] = bench.now - began
        lost = session.statistics().disconnects
    words = f"a line with {', '.join(LINES)} lost nothing; after {', '.join(recovery)} all was well within {max(recovery.values()):.1f} s"
    return Evidence(
        words=words,
        figures={"lines": len(LINES), "losses": lost, "slowest_recovery_seconds": max(recovery.values())},
    )


async def _works_again(bench: Bench, session: Session, line: str, within: float = RESTORED_WITHIN) -> None:
    until = bench.now + within
    while bench.now < until:
        try:
            await session.ready(until - bench.now)
            await operation(bench, session)
            stream = session.quotes(bench.symbol)
            right_price(bench, await bench.next_quote(stream, within=POLLED_WITHIN))
            stream.close()
        except (NotConnected, Unanswered, TimeoutError):
            await bench.wait(1.0)
        except SessionLost as lost:
            raise Failed(f"after {line} the session was given up: {lost.cause}", fault=line) from None
        else:
            return
    raise Failed(f"after {line} nothing worked for {within:g} s", fault=line)


async def long_session(bench: Bench) -> Evidence:
    """Nobody asks for anything; what comes by itself goes on coming."""
    lasts = bench.lasting(pretended=1800.0, real=120.0)
    arrivals: list[float] = []
    async with bench.session() as session:
        session.subscribe(bench.symbol, lambda _: arrivals.append(bench.now))
        while bench.now - (arrivals[0] if arrivals else bench.now) < lasts and session.is_live:
            await bench.wait(10.0)
            is_early = (session.statistics().current_uptime_seconds or 0.0) < POLLED_WITHIN
            expect(arrivals or is_early, f"no price came in the first {POLLED_WITHIN:g} s")
        told = session.statistics()
        expect(
            session.is_live and told.successes == 1, f"the session was lost after {told.uptime_seconds:.0f} s"
        )
        await operation(bench, session)
    thirds: defaultdict[int, int] = defaultdict(int)
    for at in arrivals:
        thirds[int((at - arrivals[0]) // (lasts / 3))] += 1
    counts = [thirds[part] for part in range(3)]  # what came after them is not a third's
    words = f"{told.uptime_seconds / 60:.0f} minutes, {len(arrivals)} prices, by thirds {', '.join(map(str, counts))}"
    by_chance = CHANCE * sqrt(max(counts))
    expect(min(counts) + by_chance > FEWER * max(counts), words, prices=len(arrivals))
    answered = told.round_trips[Metric.WS_RTT].count
    return Evidence(
        words=words,
        figures={"seconds": told.uptime_seconds, "prices": len(arrivals), "keep_alives_answered": answered},
    )


async def multi_asset(bench: Bench) -> Evidence:
    symbols = _assets(bench) if bench.simulator is not None else bench.symbols
    async with bench.session(symbols=symbols) as session:
        if bench.simulator is None and bench.is_pushed and bench.has_account:
            symbols = tuple(row.symbol for row in (await session.assets()).value if row.is_open)[
                : len(_assets(bench)) + 3
            ]
        if len(symbols) < 2:
            raise Skip("only one symbol was named, and nothing says which others there are")
        quotes = await asyncio.gather(*(_first_price(bench, session, symbol) for symbol in symbols))
        pages = (
            [await right_candles(bench, session, symbol) for symbol in symbols] if bench.has_history else []
        )
    words = f"a price of each of {len(quotes)} symbols" + (
        f", and {sum(map(len, pages))} candles" if pages else ""
    )
    return Evidence(words=words, figures={"symbols": len(quotes), "candles": sum(map(len, pages))})


async def rapid_trading(bench: Bench) -> Evidence:
    """Each order is confirmed, settled by the price at its end, and booked."""
    simulated = bench.simulator is not None
    orders, duration = (ORDERS, DURATION) if simulated else (REAL_ORDERS, REAL_DURATION)
    results: list[OrderResult] = []
    async with bench.session() as session:
        before = (await right_balance(bench, session)).amount
        while len(results) < orders:
            at_once = min(ORDERS_AT_ONCE if simulated else 1, orders - len(results))
            placed = [await _placed(bench, session, duration) for _ in range(at_once)]
            results += [await _settled(bench, handle) for handle in placed]
        await bench.wait(1.0)
        after = (await right_balance(bench, session)).amount
        counted = sum(result.profit or 0.0 for result in results)
        words = f"the balance went from {before:.2f} to {after:.2f}, and the orders add up to {counted:+.2f}"
        expect(
            abs(after - before - counted) < MONEY * orders, words, before=before, after=after, profit=counted
        )
        known = books(bench)
        expect(
            known is None or abs(known - after) < MONEY,
            f"the broker's books have {known}",
            in_the_books=known,
        )
    ends = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in ends.items() if count)
    figures = {
        "orders": orders,
        "won": ends[Outcome.WON],
        "lost": ends[Outcome.LOST],
        "draw": ends[Outcome.DRAW],
        "profit": counted,
    }
    return Evidence(
        words=f"{orders} orders: {told}, and the balance moved by their {counted:+.2f}", figures=figures
    )


async def _placed(bench: Bench, session: Session, duration: int) -> OrderHandle:
    handle = await session.place_demo_order(bench.symbol, bench.rng.choice(list(Direction)), AMOUNT, duration)
    if not handle.is_confirmed:
        raise Failed("an order was not confirmed, and may stand").taken_for(NO_REPLY)
    return handle


async def _settled(bench: Bench, handle: OrderHandle) -> OrderResult:
    result = await handle.result()
    order, profit = result.order, result.profit
    if order is None or profit is None or order.close_price is None:
        told = Failed("an order was confirmed, and how it ended was not told", outcome=result.outcome.value)
        raise told.taken_for("data.gap")
    moved = (order.close_price - order.open_price) * (1 if order.direction is Direction.CALL else -1)
    due = 0.0 if moved == 0 else order.amount * order.payout_percent / 100 if moved > 0 else -order.amount
    words = f"an order of {order.amount:g} from {order.open_price:g} to {order.close_price:g} brought {profit:+.2f}, and {due:+.2f} was due"
    expect(abs(profit - due) < MONEY, words, profit=profit, due=due)
    if bench.simulator is not None:
        at = order.closes_at - bench.broker.zone_seconds
        price = bench.world.floor.listing(order.symbol).price_at(at)
        expect(
            price == order.close_price,
            f"an order was closed at {order.close_price:g}, and the price was {price:g}",
        )
    return result


SUITE = Suite(
    name="advanced",
    trials=(
        Trial(
            name="Connection Stress Test",
            promise="Sessions opened and closed in quick succession all work, and none is left behind.",
            run=connection_stress,
            group=Group.CONNECTIVITY,
            needs=frozenset({Need.SIMULATOR}),
        ),
        Trial(
            name="Concurrent Operations Test",
            promise="Questions asked at once each get their own answer.",
            run=concurrent_operations,
            group=Group.PERFORMANCE,
            needs=frozenset({Need.SIMULATOR}),
        ),
        Trial(
            name="Data Consistency Test",
            promise="Prices come in order and move, and the broker's candles are those that they make.",
            run=data_consistency,
            group=Group.RELIABILITY,
            within=900.0,
        ),
        Trial(
            name="Error Handling Test",
            promise="What makes no sense has no effect, and does not end the session.",
            run=error_handling,
            group=Group.RELIABILITY,
            needs=frozenset({Need.SIMULATOR}),
        ),
        Trial(
            name="Performance Benchmarks",
            promise="Connecting takes less than 10 s, a balance 2 s, candles 5 s, a message there and back 1 s.",
            run=benchmarks,
            group=Group.PERFORMANCE,
        ),
        Trial(
            name="Memory Usage Test",
            promise="Fifty sessions one after the other leave neither memory nor tasks behind.",
            run=memory,
            group=Group.PERFORMANCE,
            needs=frozenset({Need.SIMULATOR}),
            within=1200.0,
        ),
        Trial(
            name="Network Resilience Test",
            promise="A bad line does not lose a session, and one that breaks gives it back.",
            run=network_resilience,
            group=Group.RELIABILITY,
            needs=frozenset({Need.SIMULATOR}),
            within=1800.0,
        ),
        Trial(
            name="Long-Running Session Test",
            promise="A session of which nobody asks anything brings as many prices at its end as at its beginning.",
            run=long_session,
            group=Group.RELIABILITY,
            within=5000.0,
        ),
        Trial(
            name="Multi-Asset Operations Test",
            promise="Prices and candles of several symbols come side by side.",
            run=multi_asset,
            group=Group.PERFORMANCE,
        ),
        Trial(
            name="Rapid Trading Simulation",
            promise="Orders are confirmed, settled by the price at their end, and booked.",
            run=rapid_trading,
            group=Group.PERFORMANCE,
            needs=frozenset({Need.ORDERS}),
            within=900.0,
        ),
    ),
)
