"""Quotex: Socket.IO 2 over Engine.IO 3, entered with a token that its web pages hand out."""

from collections.abc import Mapping
from functools import partial

from probe.brokers.quotex.codec import QuotexCodec
from probe.brokers.quotex.credentials import (
    is_quotex_credential,
    read_credentials,
    request_headers,
    write_credential,
)
from probe.brokers.quotex.dialect import CHOICES, Dialect, rules_of
from probe.brokers.quotex.endpoints import DOMAINS, endpoints_of
from probe.brokers.quotex.house import ZONE_SECONDS, house_of
from probe.brokers.quotex.signin import WEB
from probe.model.intents import AskBalance, AskOrders, CancelPending
from probe.session.broker import Broker, KnownClient, Spoken


def speak(chosen: Mapping[str, str]) -> Spoken:
    dialect = Dialect(**chosen)
    rules = rules_of(dialect)
    return Spoken(
        rules=rules,
        codec=partial(QuotexCodec, dialect),
        house=house_of(dialect),
        endpoints=endpoints_of(rules),
    )


_USUAL = speak({})

BROKER = Broker(
    name="quotex",
    title="Quotex",
    rules=_USUAL.rules,
    codec=_USUAL.codec,
    endpoints=_USUAL.endpoints,
    zone_seconds=ZONE_SECONDS,
    default_symbol="EURUSD_otc",
    house=_USUAL.house,
    read_credentials=read_credentials,
    recognises=is_quotex_credential,
    request_headers=request_headers,
    write_credential=write_credential,
    unconfirmed=frozenset((AskBalance, AskOrders, CancelPending)),
    web=WEB,
    choices=CHOICES,
    speak=speak,
    domains=DOMAINS,
    clients=tuple(KnownClient(name=name) for name in ("pyquotex", "quotexpy", "quotexapi", "qxbroker")),
)
