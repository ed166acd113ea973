"""BingX's hosts: public market data, so none belongs to an account. Sureness is explained in NOTES.md."""

from probe.model.endpoint import Account, Endpoint, Sureness

_A, _B = Sureness.CAPTURED, Sureness.AGREED

_URLS: tuple[tuple[str, str, Sureness], ...] = (
    ("swap", "wss://open-api-swap.bingx.com/swap-market", _A),
    ("spot", "wss://open-api-ws.bingx.com/market", _A),
    ("coin-m", "wss://open-api-cswap-ws.bingx.com/market", _B),
    ("vst", "wss://vst-open-api-ws.bingx.com/swap-market", _B),
    ("rest", "https://open-api.bingx.com", _A),
    ("rest-pro", "https://open-api.bingx.pro", _B),
    ("rest-vst", "https://open-api-vst.bingx.com", _A),
)

DOMAINS = ("bingx.com", "bingx.pro")

ENDPOINTS = tuple(
    Endpoint(broker="bingx", region=region, url=url, account=Account.NONE, sureness=sureness)
    for region, url, sureness in _URLS
)
