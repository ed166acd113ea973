"""MetaTrader 5: a REST gateway over a terminal, the terminal itself, and the broker's access servers."""

from probe.brokers.mt5.channels import CHANNELS
from probe.brokers.mt5.credentials import read_credentials, recognises, request_headers, write_credential
from probe.brokers.mt5.gateway import RULES, GatewaySurvey
from probe.brokers.mt5.signin import WEB
from probe.brokers.mt5.signs import SIGNS
from probe.brokers.mt5.terminal import TerminalSurvey
from probe.model.endpoint import Account
from probe.session.broker import Broker, HouseRules, KnownClient, Region
from probe.session.codec import no_codec

# Of the makers of the terminal, behind whose names access servers are found, and where a gateway's /docs gets its scripts.
DOMAINS = (
    "metaquotes.net",
    "metaquotes.com",
    "metatrader5.com",
    "metatrader4.com",
    "mql5.com",
    "cdn.jsdelivr.net",
)

BROKER = Broker(
    name="mt5",
    title="MT5",
    rules=RULES,
    codec=no_codec,
    endpoints=(),  # everybody runs a gateway of their own
    zone_seconds=0.0,
    default_symbol="EURUSD",
    house=HouseRules(
        after_login=(),
        regions=(Region(name="gateway", account=Account.NONE, scheme="http", path=""),),
        symbol="BTCUSD",
    ),
    public=frozenset(("bridge", "terminal", "tcp")),
    read_credentials=read_credentials,
    recognises=recognises,
    request_headers=request_headers,
    write_credential=write_credential,
    web=WEB,
    journals=True,
    touches=True,
    signs=SIGNS,
    channels=CHANNELS,
    domains=DOMAINS,
    clients=(KnownClient(name="metatrader5"), KnownClient(name="mt5linux")),
    surveys={
        "http": GatewaySurvey,
        "https": GatewaySurvey,
        "bridge": TerminalSurvey,
        "terminal": TerminalSurvey,
    },
)
