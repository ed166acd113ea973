"""Where Kestrel is, and how the simulated one behaves around its protocol."""

from probe.model.endpoint import Account, Endpoint, Sureness
from probe.session.broker import HouseRules

DOMAINS = ("kestrel.example",)

ENDPOINTS = tuple(
    Endpoint(
        broker="kestrel",
        region=region,
        url=f"wss://{region}.kestrel.example/feed",
        account=account,
        sureness=Sureness.CLAIMED,
    )
    for region, account in (("demo", Account.DEMO), ("eu", Account.LIVE), ("us", Account.LIVE))
)

HOUSE = HouseRules(
    after_login=("balance",),
    # Its names for what the simulator quotes: both are traded around the clock.
    listings={"BTCUSD": "BTCUSD", "EURUSD_24": "EURUSD_otc"},
)
