"""How the simulated BingX behaves around its protocol."""

from probe.model.endpoint import Account
from probe.session.broker import HouseRules, Region

ZONE_SECONDS = 0.0
DEFAULT_SYMBOL = "BTC-USDT"

# Its names for what the catalogue has, all of it quoted around the clock.
LISTINGS = {
    "BTC-USDT": "BTCUSD",
    "ETH-USDT": "ETHUSD",
    "LTC-USDT": "LTCUSD",
    "BCH-USDT": "BCHUSD",
    "DASH-USDT": "DASHUSD",
    "LINK-USDT": "LNKUSD",
} | {
    f"{base}-USDT": f"{base}-USD_otc"
    for base in ("ADA", "AVAX", "BNB", "DOGE", "DOT", "MATIC", "SOL", "TON", "TRX")
}

HOUSE = HouseRules(
    after_login=(),
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
