"""Every meaning and intent a codec can write, as values that the wire can carry.

Times are whole milliseconds before the year 2100, opening and closing times of a schedule, candles and settlements
whole seconds; prices and amounts are not negative; an open order has neither closing price nor profit. What differs from
broker to broker (greetings, logins, notices, beats) is added by the broker's own test.
"""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from probe.model import intents, meanings
from probe.model.endpoint import Account
from probe.model.meanings import Asset, Candle, Direction, OptionKind, Order, PendingOrder, Quote

Strategies = dict[type, SearchStrategy[object]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # UTF-8 has no lone surrogates
SYMBOLS = st.sampled_from(["EURUSD", "EURUSD_otc", "#AAPL_otc", "ADA-USD_otc"]) | TEXTS
NUMBERS = st.integers(0, 10**9) | st.floats(0, 1e9)
PRICES = NUMBERS
TIMES = st.integers(0, 4_102_444_800_000).map(lambda milliseconds: milliseconds / 1000)
SECONDS = st.integers(1, 4_102_444_800)
PERIODS = st.sampled_from([1, 5, 60, 300, 3600, 86400])
PERCENT = st.integers(0, 100)
DIRECTIONS = st.sampled_from(Direction)
REQUEST_IDS = TEXTS | st.integers(-(2**63), 2**63 - 1)
USERS = st.integers(1, 10**12).map(str)

TICKS = st.lists(st.tuples(TIMES, PRICES), max_size=4).map(tuple)
CANDLES = st.lists(st.builds(Candle, SECONDS, PRICES, PRICES, PRICES, PRICES), max_size=4)
ASSETS = st.builds(
    Asset,
    id=st.integers(0, 10**6),
    symbol=SYMBOLS,
    label=TEXTS,
    kind=TEXTS,
    digits=st.integers(0, 10),
    payout_percent=PERCENT,
    is_otc=st.booleans(),
    is_open=st.booleans(),
    opens_or_closes_at=st.none() | SECONDS,
)
OPEN_ORDERS = st.builds(
    Order,
    id=TEXTS,
    symbol=SYMBOLS,
    direction=DIRECTIONS,
    amount=NUMBERS,
    opened_at=TIMES,
    closes_at=SECONDS,
    open_price=PRICES,
    payout_percent=PERCENT,
    is_demo=st.booleans(),
    request_id=st.none() | REQUEST_IDS,
    user=st.none() | USERS,
)
CLOSED_ORDERS = st.builds(
    replace, OPEN_ORDERS, close_price=st.floats(1e-9, 1e9), profit=st.floats(-1e9, 1e9, allow_nan=False)
)
ORDERS = st.lists(OPEN_ORDERS | CLOSED_ORDERS, max_size=3).map(tuple)
PENDING_FIELDS = {
    "symbol": SYMBOLS,
    "direction": DIRECTIONS,
    "amount": NUMBERS,
    "duration": PERIODS,
    "min_payout_percent": PERCENT,
}
PENDING_ORDERS = st.builds(PendingOrder, ticket=TEXTS, **PENDING_FIELDS, open_at=SECONDS) | st.builds(
    PendingOrder, ticket=TEXTS, **PENDING_FIELDS, open_price=PRICES
)

MEANINGS: Strategies = {
    meanings.Quotes: st.builds(
        meanings.Quotes, st.lists(st.builds(Quote, SYMBOLS, TIMES, PRICES), min_size=1, max_size=4).map(tuple)
    ),
    meanings.Balance: st.builds(meanings.Balance, amount=NUMBERS, is_demo=st.none() | st.booleans()),
    meanings.Assets: st.builds(meanings.Assets, rows=st.lists(ASSETS, max_size=3).map(tuple)),
    meanings.History: st.builds(
        meanings.History,
        symbol=SYMBOLS,
        period=PERIODS,
        index=st.none() | st.integers(-(2**63), 2**63 - 1),
        ticks=TICKS,
        candles=CANDLES.map(sorted).map(tuple),
    ),
    meanings.OrderOpened: st.builds(meanings.OrderOpened, order=OPEN_ORDERS),
    meanings.OrderRejected: st.builds(
        meanings.OrderRejected,
        error=TEXTS,
        request_id=st.none() | REQUEST_IDS,
        symbol=st.none() | SYMBOLS,
        amount=st.none() | NUMBERS,
    ),
    meanings.OrdersClosed: st.builds(
        meanings.OrdersClosed, orders=st.lists(CLOSED_ORDERS, max_size=3).map(tuple)
    ),
    meanings.OrderList: st.builds(meanings.OrderList, orders=ORDERS, closed=st.booleans()),
    meanings.PendingPlaced: st.builds(meanings.PendingPlaced, order=PENDING_ORDERS),
    meanings.PendingCancelled: st.builds(meanings.PendingCancelled, ticket=TEXTS),
    meanings.PendingRejected: st.builds(meanings.PendingRejected, error=TEXTS, ticket=st.none() | TEXTS),
    meanings.PendingFailed: st.builds(meanings.PendingFailed, error=TEXTS, ticket=st.none() | TEXTS),
    meanings.PendingList: st.builds(
        meanings.PendingList, orders=st.lists(PENDING_ORDERS, max_size=3).map(tuple)
    ),
    meanings.BrokerClock: st.builds(meanings.BrokerClock, seconds=TIMES),
    meanings.Sentiment: st.builds(
        meanings.Sentiment, rows=st.lists(st.tuples(SYMBOLS, PERCENT), max_size=3).map(tuple)
    ),
}

# Said of answers by whoever polls; no socket has messages for them.
POLLED_MEANINGS = (meanings.Troubles, meanings.Figures)

INTENTS: Strategies = {
    intents.AskBalance: st.builds(intents.AskBalance),
    intents.AskAssets: st.builds(intents.AskAssets),
    intents.AskOrders: st.builds(intents.AskOrders),
    intents.Watch: st.builds(intents.Watch, symbol=SYMBOLS, period=st.just(0) | PERIODS),
    intents.Unwatch: st.builds(intents.Unwatch, symbol=SYMBOLS),
    intents.WatchSignals: st.builds(intents.WatchSignals),
    intents.AskHistory: st.builds(
        intents.AskHistory,
        symbol=SYMBOLS,
        period=st.just(0) | PERIODS,
        until=TIMES,
        span=NUMBERS,
        index=st.integers(-(2**63), 2**63 - 1),
    ),
    intents.PlaceOrder: st.builds(
        intents.PlaceOrder,
        symbol=SYMBOLS,
        direction=DIRECTIONS,
        amount=NUMBERS,
        duration=PERIODS,
        request_id=REQUEST_IDS,
        account=st.sampled_from([Account.DEMO, Account.LIVE]),
    ),
    intents.PlacePending: st.builds(intents.PlacePending, **PENDING_FIELDS, open_at=SECONDS)
    | st.builds(intents.PlacePending, **PENDING_FIELDS, open_price=PRICES),
    intents.CancelPending: st.builds(intents.CancelPending, ticket=TEXTS),
    intents.Leave: st.builds(intents.Leave),
}

# What some brokers have no message for.
RARE_MEANINGS: Strategies = {
    meanings.Purses: st.tuples(st.none() | NUMBERS, st.none() | NUMBERS)
    .filter(lambda held: held != (None, None))
    .map(lambda held: meanings.Purses(demo=held[0], live=held[1])),
    meanings.OrderSold: st.builds(meanings.OrderSold, ticket=TEXTS),
    meanings.SaleRejected: st.builds(meanings.SaleRejected, error=TEXTS, ticket=st.none() | TEXTS),
    meanings.AccountChosen: st.builds(meanings.AccountChosen),
    meanings.AccountNotChosen: st.builds(meanings.AccountNotChosen, error=TEXTS),
}
RARE_INTENTS: Strategies = {
    intents.WatchSentiment: st.builds(intents.WatchSentiment, symbol=SYMBOLS),
    intents.UnwatchSentiment: st.builds(intents.UnwatchSentiment, symbol=SYMBOLS),
    intents.SellOrder: st.builds(intents.SellOrder, ticket=TEXTS),
    intents.ChooseAccount: st.builds(
        intents.ChooseAccount,
        account=st.sampled_from([Account.DEMO, Account.LIVE]),
        tournament=st.integers(0, 10**9),
    ),
}
# Options that end at an instant; how long that is from now is not said.
INSTANT_ORDERS = st.builds(
    intents.PlaceOrder,
    symbol=SYMBOLS,
    direction=DIRECTIONS,
    amount=NUMBERS,
    duration=st.just(0),
    request_id=REQUEST_IDS,
    account=st.sampled_from([Account.DEMO, Account.LIVE]),
    option=st.sampled_from([OptionKind.CLOCK, OptionKind.TURBO]),
    closes_at=SECONDS,
)

# Of a transport with Engine.IO: payloads travel as they are, times in milliseconds.
ENGINE_MEANINGS: Strategies = {
    meanings.Welcome: st.builds(
        meanings.Welcome,
        sid=TEXTS,
        ping_interval=st.integers(1000, 600_000).map(lambda milliseconds: milliseconds / 1000),
        ping_timeout=st.integers(1000, 600_000).map(lambda milliseconds: milliseconds / 1000),
        max_payload=st.none() | st.integers(0, 2**40),
    ),
    meanings.Joined: st.builds(meanings.Joined, sid=st.none() | TEXTS),
    meanings.JoinRefused: st.builds(meanings.JoinRefused, message=TEXTS),
    meanings.BeatAsked: st.builds(meanings.BeatAsked, payload=TEXTS),
    meanings.BeatAnswered: st.builds(meanings.BeatAnswered, payload=TEXTS),
    meanings.Goodbye: st.just(meanings.Goodbye(reason="41")),
}
ENGINE_INTENTS: Strategies = {
    intents.Join: st.builds(intents.Join),
    intents.AnswerBeat: st.builds(intents.AnswerBeat, payload=TEXTS),
}
