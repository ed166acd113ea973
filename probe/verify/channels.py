"""The channels suite: every channel and operation that clients of these brokers advertise, one by one, its content looked at.

What is pushed over a socket is tried in one way for all brokers. What is asked over HTTP differs from broker to broker and stands
as flows in the brokers' own folders. What a protocol does not have is said with its reason.
"""

from probe.verify.channel_access import (
    authentication,
    input_validation,
    rate_limits,
    reconnection,
    session_persistence,
    tls_policy,
)
from probe.verify.channel_http import http_trials
from probe.verify.channel_market import (
    assets,
    candles,
    candles_from_ticks,
    live_prices,
    sentiment,
    technical_indicators,
    trading_signals,
)
from probe.verify.channel_orders import buy, sell
from probe.verify.model import Group, Need, Suite, Trial

_TRADED = frozenset((Need.SOCKET, Need.ACCOUNT))

SUITE = Suite(
    name="channels",
    trials=(
        Trial(
            name="Authentication",
            promise="The right credential opens a session, and one that was never given out is refused as that.",
            run=authentication,
            group=Group.CONNECTIVITY,
            needs=frozenset((Need.ACCOUNT,)),
        ),
        Trial(
            name="Session persistence",
            promise="A session is kept for its owner only, used again, and never again once it was rejected.",
            run=session_persistence,
            group=Group.RELIABILITY,
            needs=frozenset((Need.PAGES,)),
        ),
        Trial(
            name="Reconnection",
            promise="A line that breaks is made again, and what was listened to goes on by itself.",
            run=reconnection,
            group=Group.RELIABILITY,
            needs=frozenset((Need.SIMULATOR, Need.SOCKET)),
        ),
        Trial(
            name="TLS policy",
            promise="Encryption is verified, the least version is kept to, and what was agreed on is told.",
            run=tls_policy,
            group=Group.CONNECTIVITY,
        ),
        Trial(
            name="Rate limits",
            promise="Questions, orders and connections leave no faster than their limits let them, and that is counted.",
            run=rate_limits,
            group=Group.RELIABILITY,
            within=600.0,
        ),
        Trial(
            name="Input validation",
            promise="What nobody can mean is refused before anything is sent, and the rest by the broker in words.",
            run=input_validation,
            group=Group.RELIABILITY,
            needs=_TRADED,
        ),
        Trial(
            name="Assets",
            promise="What can be traded is told, with pay-outs and hours.",
            run=assets,
            group=Group.CONNECTIVITY,
            needs=_TRADED,
        ),
        Trial(
            name="Candles",
            promise="Past prices come in as many pages as they take, in order and without a gap.",
            run=candles,
            group=Group.CONNECTIVITY,
            needs=frozenset((Need.HISTORY,)),
        ),
        Trial(
            name="Live prices",
            promise="Prices come by callback and one by one, each of its symbol and time, until nobody listens.",
            run=live_prices,
            group=Group.CONNECTIVITY,
        ),
        Trial(
            name="Sentiment",
            promise="How many buy is told as it changes.",
            run=sentiment,
            group=Group.CONNECTIVITY,
            needs=_TRADED,
        ),
        Trial(
            name="Buy",
            promise="Orders are confirmed and settled as prices and pay-outs say, and the balance follows to the cent.",
            run=buy,
            group=Group.CONNECTIVITY,
            needs=frozenset((Need.ORDERS,)),
        ),
        Trial(
            name="Sell before the end",
            promise="An order that is sold is open no more, and cannot be sold again.",
            run=sell,
            group=Group.CONNECTIVITY,
            needs=frozenset((Need.ORDERS,)),
        ),
        Trial(
            name="Candles from ticks",
            promise="Candles built of the prices that came are those that the broker tells.",
            run=candles_from_ticks,
            group=Group.RELIABILITY,
            needs=frozenset((Need.HISTORY,)),
        ),
        Trial(
            name="Trading signals",
            promise="The broker's advice is understood: symbols, times ahead, and its own words.",
            run=trading_signals,
            group=Group.CONNECTIVITY,
            needs=_TRADED,
        ),
        Trial(
            name="Technical indicators",
            promise="Indicators over exported candles are what they must be.",
            run=technical_indicators,
            group=Group.RELIABILITY,
            needs=frozenset((Need.HISTORY,)),
        ),
        *http_trials(),
    ),
)
