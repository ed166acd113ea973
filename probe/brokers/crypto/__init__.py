"""A crypto trading backend with accounts, strategies and a broker behind it: polled over HTTP, entered with a session's cookie."""

from collections.abc import Mapping

from probe.brokers.crypto.channels import channels_of
from probe.brokers.crypto.credentials import read_credentials, recognises, request_headers, write_credential
from probe.brokers.crypto.dialect import CHOICES, Dialect, rules_of
from probe.brokers.crypto.signin import web_of
from probe.brokers.crypto.signs import SIGNS
from probe.brokers.crypto.survey import surveyor
from probe.model.endpoint import Account
from probe.session.broker import Broker, HouseRules, Region, Spoken
from probe.session.codec import no_codec
from probe.session.coins import COINS

_HOUSE = HouseRules(
    after_login=(),
    regions=(Region(name="backend", account=Account.NONE, scheme="http", path=""),),
    lifts=("backend-limit:limit=1000000",),
    market="coins",
    listings=COINS,
)


def speak(chosen: Mapping[str, str]) -> Spoken:
    dialect = Dialect(**chosen)
    survey = surveyor(dialect)
    return Spoken(
        rules=rules_of(dialect),
        codec=no_codec,
        house=_HOUSE,
        endpoints=(),
        surveys={"http": survey, "https": survey},
        web=web_of(dialect),
        channels=channels_of(dialect),
    )


_USUAL = speak({})

BROKER = Broker(
    name="crypto",
    title="Crypto backend",
    rules=_USUAL.rules,
    codec=no_codec,
    endpoints=(),
    zone_seconds=0.0,
    default_symbol="BTC-USDT",
    house=_USUAL.house,
    read_credentials=read_credentials,
    recognises=recognises,
    request_headers=request_headers,
    write_credential=write_credential,
    web=_USUAL.web,
    choices=CHOICES,
    surveys=_USUAL.surveys,
    speak=speak,
    signs=SIGNS,
    channels=_USUAL.channels,
)
