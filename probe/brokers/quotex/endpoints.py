"""Quotex's hosts. Demo and real accounts share one address; the login says which is meant. Sureness is explained in NOTES.md."""

from probe.brokers.quotex.credentials import MIRROR
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.session.codec import DialectRules

_HOSTS = (
    ("main", "ws2.qxbroker.com", Sureness.AGREED),
    ("mirror", f"ws2.{MIRROR}", Sureness.AGREED),  # for networks that block the main domain
    ("old", "ws.qxbroker.com", Sureness.CLAIMED),
)

DOMAINS = ("qxbroker.com", MIRROR, "quotex.com", "quotex.io")


def endpoints_of(rules: DialectRules) -> tuple[Endpoint, ...]:
    query = "&".join(f"{name}={value}" for name, value in rules.query.items())
    return tuple(
        Endpoint(
            broker="quotex",
            region=region,
            url=f"wss://{host}{rules.path}?{query}",
            account=account,
            sureness=sureness,
        )
        for account in (Account.DEMO, Account.LIVE)
        for region, host, sureness in _HOSTS
    )
