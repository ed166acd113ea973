"""PocketOption's hosts. Demo and real accounts live on separate clusters; sureness is explained in NOTES.md."""

from probe.model.endpoint import Account, Endpoint, Sureness

_PATH = "/socket.io/?EIO=4&transport=websocket"
_A, _B, _C = Sureness.CAPTURED, Sureness.AGREED, Sureness.CLAIMED

_HOSTS: tuple[tuple[str, str, Account, Sureness], ...] = (
    ("demo-eu", "demo-api-eu", Account.DEMO, _A),
    ("demo-guest", "try-demo-eu", Account.DEMO, _B),
    ("eu", "api-eu", Account.LIVE, _A),
    ("us-south", "api-us-south", Account.LIVE, _A),
    ("us-north", "api-us-north", Account.LIVE, _A),
    ("msk", "api-msk", Account.LIVE, _B),
    ("spb", "api-spb", Account.LIVE, _B),
    ("asia", "api-asia", Account.LIVE, _B),
    ("us2", "api-us2", Account.LIVE, _B),
    ("us3", "api-us3", Account.LIVE, _B),
    ("us4", "api-us4", Account.LIVE, _B),
    ("hk", "api-hk", Account.LIVE, _B),
    ("in", "api-in", Account.LIVE, _B),
    ("fr", "api-fr", Account.LIVE, _B),
    ("fr2", "api-fr2", Account.LIVE, _B),
    ("fin", "api-fin", Account.LIVE, _B),
    ("sc", "api-sc", Account.LIVE, _B),
    ("latam", "api-l", Account.LIVE, _B),
    ("cn", "api-c", Account.LIVE, _B),
    ("us", "api-us", Account.LIVE, _C),
    ("eu-west", "api-eu-west", Account.LIVE, _C),
)

DOMAINS = ("po.market", "pocketoption.com", "po.trade", "p.finance", "events-po.com", "chat-po.site")

ENDPOINTS = tuple(
    Endpoint(
        broker="pocketoption",
        region=region,
        url=f"wss://{host}.po.market{_PATH}",
        account=account,
        sureness=sureness,
    )
    for region, host, account, sureness in _HOSTS
)
