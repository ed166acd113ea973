"""How the simulated BingX behaves around its protocol."""

from probe.brokers.bingx.account import EXPIRED
from probe.model.endpoint import Account
from probe.model.meanings import Notice
from probe.session.broker import HouseRules, Region
from probe.session.coins import COINS

ZONE_SECONDS = 0.0
DEFAULT_SYMBOL = "BTC-USDT"

# What is no wish about a symbol, and that its answer is due.
REQUEST, ANSWERS = "request", "answers"

LISTINGS = COINS

HOUSE = HouseRules(
    after_login=("clock", "balance"),
    again_every=5.0,
    token_ended=EXPIRED,
    murmur_answers={REQUEST: Notice(name=ANSWERS)},
    prices_every=1.0,
    connection_cap=60,
    lifts=("connection-cap:cap=1000000",),
    recent_seconds=5.0,  # an acknowledgement carries the time, which the newest tick knows
    recent_candles=0,
    listings=LISTINGS,
    market="coins",
    regions=(
        Region(name="swap", account=Account.NONE, latency=0.005, path="/swap-market"),
        Region(name="spot", account=Account.NONE, latency=0.005, path="/market"),
        Region(name="rest", account=Account.NONE, latency=0.005, scheme="http", path=""),
    ),
)
