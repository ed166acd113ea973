"""Channels of what is told about markets: assets, candles, prices, sentiment, signals, and what can be computed of them."""

from itertools import pairwise
from math import ceil

from probe.api.streams import Quote
from probe.model.intents import WatchSentiment, WatchSignals
from probe.verify.bench import Bench
from probe.verify.content import built_of, heard_in_minutes, is_built, right_candles, right_price
from probe.verify.model import Evidence, Skip, expect
from probe.verify.trends import NEEDED, right_trends

QUOTES = 10
POLLED_WITHIN = 60.0
QUIET_FOR = 10.0  # seconds after nobody listens any more
PERIODS = (60, 300)
MINUTES = 2
MOODS = 3
MOOD_WITHIN = 10.0
SLACK = 3  # of a hundred, between the asking and the telling
SIGNAL_AGE = 120.0


async def assets(bench: Bench) -> Evidence:
    async with bench.session() as session:
        rows = (await session.assets()).value
    expect(rows, "there are none")
    symbols = {row.symbol for row in rows}
    expect(len(symbols) == len(rows), f"of {len(rows)} rows {len(rows) - len(symbols)} name a symbol again")
    odd = [row.symbol for row in rows if not 0 <= row.payout_percent <= 1000 or not row.symbol]
    expect(not odd, f"the pay-out of {', '.join(odd[:3])} is impossible")
    mine = next((row for row in rows if row.symbol == bench.symbol), None)
    expect(mine is not None, f"{bench.symbol} is not among them")
    open_ = sum(row.is_open for row in rows)
    if bench.simulator is not None:
        known = {row.symbol: row for row in bench.world.floor.assets(bench.world.floor.at(bench.now))[0].rows}
        wrong = [
            row.symbol
            for row in rows
            if (row.is_open, row.payout_percent)
            != (known[row.symbol].is_open, known[row.symbol].payout_percent)
        ]
        expect(symbols == known.keys() and not wrong, f"{len(wrong)} rows are not as the broker has them")
    words = f"{len(rows)} assets with their pay-outs, {open_} of them open"
    return Evidence(words=words, figures={"assets": len(rows), "open": open_})


async def candles(bench: Bench) -> Evidence:
    page = bench.broker.house.page_rows
    counts = {60: page * 2 + 10 if bench.simulator is not None else page + 10, 300: 20}
    async with bench.session() as session:
        told = {
            period: len(await right_candles(bench, session, bench.symbol, count=count, period=period))
            for period, count in counts.items()
        }
    words = ", ".join(f"{count} of {period} s" for period, count in told.items())
    pages = ceil(told[60] / page)
    return Evidence(
        words=f"{words}, in order and without a gap, the first in {pages} pages",
        figures={"candles": sum(told.values()), "pages": pages},
    )


async def live_prices(bench: Bench) -> Evidence:
    heard: list[Quote] = []
    symbols = bench.symbols[:2]
    async with bench.session(symbols=() if bench.is_pushed else symbols) as session:
        leave = session.subscribe(symbols[0], heard.append)
        stream = session.quotes(symbols[-1])
        told = [
            await bench.next_quote(stream, within=POLLED_WITHIN)
            for _ in range(QUOTES if bench.is_pushed else 2)
        ]
        await bench.until(lambda: heard, POLLED_WITHIN)
        for quote in (*told, *heard):
            right_price(bench, quote)
        for row in (told, heard):
            stamps = [quote.broker_time for quote in row]
            in_order = all(one < later for one, later in pairwise(stamps))
            expect(in_order or not bench.is_pushed, "prices come twice, or out of order")
        leave()
        stream.close()
        count = len(heard)
        if bench.is_pushed:
            await bench.wait(QUIET_FOR)
            expect(len(heard) == count, "prices are told to who does not listen any more")
    names = {quote.symbol for quote in told}
    expect(names == {symbols[-1]}, f"prices of {', '.join(sorted(names))} came as those of {symbols[-1]}")
    words = f"{count} prices of {symbols[0]} by callback, {len(told)} of {symbols[-1]} one by one, each of its time"
    return Evidence(words=words, figures={"called_back": count, "iterated": len(told)})


async def sentiment(bench: Bench) -> Evidence:
    _lack(bench, WatchSentiment)
    async with bench.session() as session:
        first = await session.sentiment(bench.symbol, within=MOOD_WITHIN)
        told = [first.value]
        before = first.at
        while len(told) < MOODS:
            await bench.wait(1.0)
            now = await session.sentiment(bench.symbol)
            if now.at != before:
                told.append(now.value)
                before = now.at
        expect(all(0 <= each <= 100 for each in told), f"it is {told} of a hundred")
        if bench.simulator is not None:
            is_ = bench.world.floor.sentiment(bench.symbol, bench.world.floor.at(bench.now))
            expect(
                abs(told[-1] - is_) <= SLACK,
                f"{told[-1]} of a hundred are told to buy, and {is_} do",
                told=told[-1],
                is_=is_,
            )
    words = f"{' then '.join(str(each) for each in told)} of a hundred buy {bench.symbol}"
    return Evidence(words=words, figures={"percent": told[-1], "told": len(told)})


async def candles_from_ticks(bench: Bench) -> Evidence:
    async with bench.session() as session:
        heard, whole = await heard_in_minutes(bench, session, MINUTES)
        theirs = (await session.candles(bench.symbol, 60, count=MINUTES, until=whole + MINUTES * 60)).value
    mine = built_of(heard, whole, whole + MINUTES * 60)
    expect(len(mine) == len(theirs) == MINUTES, f"{len(mine)} candles were built, {len(theirs)} are told")
    differing = [row.start for row in theirs if not is_built(bench, row, mine[row.start])]
    expect(
        not differing, f"{len(differing)} of {MINUTES} are not what the prices were", differing=len(differing)
    )
    words = f"{MINUTES} candles built of {len(heard)} prices are those that the broker tells"
    return Evidence(words=words, figures={"prices": len(heard), "candles": MINUTES, "differing": 0})


async def trading_signals(bench: Bench) -> Evidence:
    _lack(bench, WatchSignals)
    async with bench.session() as session:
        told = (await session.signals()).value
        listed = {row.symbol for row in (await session.assets()).value}
    expect(told.rows, "there are none")
    unknown = [row.symbol for row in told.rows if row.symbol not in listed]
    expect(not unknown, f"{', '.join(unknown[:3])} is no asset of this broker")
    said = [each for row in told.rows for each in row.said]
    expect(said and all(seconds > 0 for seconds, _ in said), "a signal is for no time at all")
    if told.at is not None:
        age = bench.utc() + bench.broker.zone_seconds - told.at
        expect(abs(age) < SIGNAL_AGE, f"they are {age:.0f} s old", age_seconds=age)
    if bench.simulator is not None:
        strange = {word for _, word in said} - {*bench.broker.house.signal_words}
        expect(not strange, f"{', '.join(sorted(strange))} is no word of this broker")
    words = f"{len(said)} about {len(told.rows)} symbols, such as {told.rows[0].symbol}: {said[0][1]!r} for {said[0][0]} s"
    return Evidence(words=words, figures={"symbols": len(told.rows), "signals": len(said)})


async def technical_indicators(bench: Bench) -> Evidence:
    async with bench.session() as session:
        rows = await right_candles(bench, session, bench.symbol, count=NEEDED)
    return right_trends(rows)


def _lack(bench: Bench, kind: type) -> None:
    if why := bench.broker.lacks.get(kind):
        raise Skip(f"{bench.broker.title} is not asked for it: {why}")
