"""Kestrel: lines of text over a WebSocket, entered with a login line."""

from kestrel_probe.codec import RULES, KestrelCodec
from kestrel_probe.credentials import read_credentials, recognises, write_credential
from kestrel_probe.house import DOMAINS, ENDPOINTS, HOUSE
from probe.model.credentials import Credentials
from probe.model.endpoint import Address
from probe.session.broker import Broker


def request_headers(_: Credentials | None, __: Address) -> tuple[tuple[str, str], ...]:
    return (("Origin", "https://kestrel.example"),)


BROKER = Broker(
    name="kestrel",
    title="Kestrel",
    rules=RULES,
    codec=KestrelCodec,
    endpoints=ENDPOINTS,
    zone_seconds=0.0,
    default_symbol="BTCUSD",
    house=HOUSE,
    read_credentials=read_credentials,
    recognises=recognises,
    request_headers=request_headers,
    write_credential=write_credential,
    domains=DOMAINS,
)
