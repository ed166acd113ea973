"""BingX: its public REST interface and its market WebSocket."""

from collections.abc import Mapping
from functools import partial

from probe.brokers.bingx.channels import CHANNELS
from probe.brokers.bingx.codec import CHOICES, RULES, BingxCodec, Dialect
from probe.brokers.bingx.credentials import (
    read_credentials,
    recognises,
    request_headers,
    write_credential,
)
from probe.brokers.bingx.endpoints import DOMAINS, ENDPOINTS
from probe.brokers.bingx.house import DEFAULT_SYMBOL, HOUSE, ZONE_SECONDS
from probe.brokers.bingx.rest import BingxSurvey
from probe.brokers.bingx.signs import SIGNS
from probe.model.intents import SellOrder, WatchSentiment, WatchSignals
from probe.session.broker import Broker, Spoken

SURVEYS = {"http": BingxSurvey, "https": BingxSurvey}


def speak(chosen: Mapping[str, str]) -> Spoken:
    return Spoken(
        rules=RULES,
        codec=partial(BingxCodec, Dialect(**chosen)),
        house=HOUSE,
        endpoints=ENDPOINTS,
        surveys=SURVEYS,
    )


BROKER = Broker(
    name="bingx",
    title="BingX",
    rules=RULES,
    codec=BingxCodec,
    endpoints=ENDPOINTS,
    zone_seconds=ZONE_SECONDS,
    default_symbol=DEFAULT_SYMBOL,
    house=HOUSE,
    read_credentials=read_credentials,
    recognises=recognises,
    request_headers=request_headers,
    write_credential=write_credential,
    choices=CHOICES,
    surveys=SURVEYS,
    public=frozenset(("ws", "wss", "http", "https", "tcp")),
    speak=speak,
    signs=SIGNS,
    channels=CHANNELS,
    lacks=dict.fromkeys(
        (SellOrder, WatchSentiment, WatchSignals), "a market stream tells prices, and nothing of that kind"
    ),
    domains=DOMAINS,
)
