"""What a session is told, held against what is so: the simulator's own books where there are some, and else against itself."""

from collections.abc import Sequence
from itertools import groupby, islice, pairwise
from math import isclose

from probe.api.session import Session
from probe.api.streams import Quote
from probe.model.credentials import Credentials
from probe.model.endpoint import Account
from probe.model.meanings import Balance, Candle
from probe.verify.bench import Bench
from probe.verify.model import Failed, expect

# Seconds that a price may be old, or from the future; who asks for prices sees them that much later.
OLD, OLD_ASKED, FUTURE = 5.0, 60.0, 2.0
STAMPED_WITHIN = 0.002  # a stamp is rounded on its way
MONEY, PRICE = 0.005, 1e-6  # how far two amounts may be apart, and two prices for their size
SPREAD = 0.002  # of a price that was not told with its own time
PAGE = 10
OLD_PAGE = "data.stale-history"


async def right_balance(bench: Bench, session: Session) -> Balance:
    """
    Raises:
        Failed: it is of the wrong kind of account, no amount, or another one than the simulator's.
    """
    balance = (await session.balance()).value
    is_demo = {Account.DEMO: True, Account.LIVE: False}.get(bench.endpoint.account)
    said = (
        "a demo account"
        if balance.is_demo
        else "a live account"
        if balance.is_demo is False
        else "no account"
    )
    expect(
        is_demo is None or balance.is_demo is is_demo,
        f"the balance is said to be of {said}",
        is_demo=balance.is_demo,
    )
    expect(balance.amount >= 0, f"the balance is {balance.amount:g}", balance=balance.amount)
    known = books(bench)
    if known is not None:
        words = f"the balance is said to be {balance.amount:.2f}, and the broker's books have {known:.2f}"
        expect(abs(balance.amount - known) < MONEY, words, balance=balance.amount, in_the_books=known)
    return balance


def books(bench: Bench) -> float | None:
    """What the simulated broker holds for this account. None: it keeps no such books."""
    key = bench.wanted.key
    if bench.simulator is None or not bench.is_pushed or not isinstance(key, Credentials):
        return None
    purses = bench.world.find(key.token)
    if purses is None or bench.endpoint.account not in purses:
        return None
    purse = purses[bench.endpoint.account]
    purse.settle(bench.world.floor.at(bench.now))
    return purse.balance().amount


def right_price(bench: Bench, quote: Quote) -> None:
    """
    Raises:
        Failed: it is old, from the future, or was never a price of this symbol.
    """
    at = quote.broker_time - bench.broker.zone_seconds
    age = quote.at_utc - at
    oldest = OLD if bench.is_pushed else OLD_ASKED
    words = (
        f"a price of {quote.symbol} came {age:.1f} s after its own stamp"
        if age > 0
        else f"a price of {quote.symbol} came {-age:.1f} s before its own stamp"
    )
    expect(-FUTURE <= age <= oldest, words, age_seconds=age)
    expect(quote.price > 0, f"a price of {quote.symbol} is {quote.price:g}", price=quote.price)
    if bench.simulator is None:
        return
    listing, since = bench.world.floor.listing(quote.symbol), STAMPED_WITHIN if bench.is_pushed else oldest
    prices = [listing.price_at(at), *(tick.price for tick in listing.ticks(at - since, at + STAMPED_WITHIN))]
    slack = quote.price * (PRICE if bench.is_pushed else SPREAD)
    is_one = min(prices) - slack <= quote.price <= max(prices) + slack
    expect(is_one, f"{quote.price:g} was no price of {quote.symbol} at that time", price=quote.price)


async def right_candles(
    bench: Bench, session: Session, symbol: str, count: int = PAGE, period: int = 60
) -> tuple[Candle, ...]:
    """The last `count` that are over.

    Raises:
        Failed: they are not as many, not one after the other, impossible, or others than the simulator's.
    """
    now = bench.utc() + bench.broker.zone_seconds
    until = now // period * period
    rows = (await session.candles(symbol, period, count=count, until=until)).value
    try:
        _look_at(rows, count, period, f"of {count} candles of {symbol}", may_lack=bench.simulator is None)
        if bench.simulator is not None:
            back = bench.world.floor.listing(symbol).candles_back(
                period, until, bench.world.floor.at(bench.now)
            )
            theirs = tuple(islice(back, count))[::-1]
            wrong = sum(not same_candle(row, known) for row, known in zip(rows, theirs, strict=True))
            expect(
                not wrong, f"of {count} candles of {symbol} {wrong} are not what the prices were", wrong=wrong
            )
    except Failed as failed:
        raise failed.taken_for(OLD_PAGE) from None
    return rows


def _look_at(rows: Sequence[Candle], count: int, period: int, about: str, *, may_lack: bool) -> None:
    """
    Args:
        may_lack: A market that is real has minutes without a price.
    """
    came = len(rows)
    expect(came == count or (may_lack and rows), f"{about} {came} came", asked=count, came=came)
    whole = all(row.low <= min(row.open, row.close) and row.high >= max(row.open, row.close) for row in rows)
    expect(whole, f"{about} some have a price above their highest or below their lowest")
    steps = {later.start - row.start for row, later in pairwise(rows)}
    in_order = all(step > 0 and step % period == 0 for step in steps) and (may_lack or steps <= {period})
    told = ", ".join(f"{step:g} s" for step in sorted(steps))
    expect(in_order, f"{about} some are missing, or come twice", steps=told)


async def heard_in_minutes(bench: Bench, session: Session, minutes: int) -> tuple[list[Quote], float]:
    """Every price until so many whole minutes are over, and when the first of these began by the broker's clock."""
    heard: list[Quote] = []
    leave = session.subscribe(bench.symbol, heard.append)
    now = bench.utc() + bench.broker.zone_seconds
    whole = (now // 60 + 1) * 60
    await bench.wait(whole - now + minutes * 60 + 2.0)
    leave()
    return heard, whole


def built_of(quotes: Sequence[Quote], since: float, until: float) -> dict[float, Candle]:
    """One-minute candles by their start."""
    inside = [quote for quote in quotes if since <= quote.broker_time < until]
    candles = {}
    for start, group in groupby(inside, key=lambda quote: quote.broker_time // 60 * 60):
        prices = [quote.price for quote in group]
        candles[start] = Candle(start, prices[0], max(prices), min(prices), prices[-1])
    return candles


def is_built(bench: Bench, theirs: Candle, built: Candle) -> bool:
    """Of a real broker's prices some may not have been told: those that were lie within its candle."""
    if bench.simulator is not None:
        return same_candle(theirs, built)
    return theirs.low <= built.low and built.high <= theirs.high


def same_candle(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(isclose(mine, theirs, rel_tol=PRICE) for mine, theirs in zip(one, other, strict=True))


async def operation(bench: Bench, session: Session) -> float:
    """The question that this broker answers, with its answer looked at. Seconds until it came.

    Raises:
        Failed, Unanswered, NotConnected, SessionLost: no right answer came.
    """
    began = bench.now
    if bench.has_history:
        await right_candles(bench, session, bench.symbol)
    elif bench.is_pushed:
        stream = session.quotes(bench.symbol)
        right_price(bench, await bench.next_quote(stream))
        stream.close()
    elif not bench.has_account:
        expect((await session.assets(fresh=True)).value, "the list of what is traded is empty")
    else:
        answer = (await session.balance(fresh=True)).value
        expect(answer.amount >= 0, f"the balance is {answer.amount:g}", balance=answer.amount)
    return bench.now - began
