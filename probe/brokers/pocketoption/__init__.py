"""PocketOption: Socket.IO over Engine.IO 4, entered with a session string."""

from probe.brokers.pocketoption.codec import RULES, PocketOptionCodec
from probe.brokers.pocketoption.endpoints import DOMAINS, ENDPOINTS
from probe.brokers.pocketoption.house import HOUSE, ZONE_SECONDS, request_headers, write_credential
from probe.brokers.pocketoption.ssid import is_pocketoption_frame, read_ssid
from probe.model.intents import AskAssets, AskBalance, AskOrders, CancelPending, SellOrder, WatchSentiment
from probe.session.broker import Broker, KnownClient

BROKER = Broker(
    name="pocketoption",
    title="PocketOption",
    rules=RULES,
    codec=PocketOptionCodec,
    endpoints=ENDPOINTS,
    zone_seconds=ZONE_SECONDS,
    default_symbol="EURUSD_otc",
    house=HOUSE,
    read_credentials=read_ssid,
    recognises=is_pocketoption_frame,
    request_headers=request_headers,
    write_credential=write_credential,
    unconfirmed=frozenset((AskBalance, AskAssets, AskOrders, CancelPending)),
    lacks={
        SellOrder: "no public client and no capture has a request that ends an order early",
        WatchSentiment: "sources disagree whether `subfor` asks for sentiment or for prices; `chafor` is read where it comes",
    },
    domains=DOMAINS,
    clients=(
        KnownClient(
            name="pocketoptionapi-async",
            library="websockets",
            gone_since=(14,),
            why="calls connect() with extra_headers, which is gone since websockets 14",
        ),
        *(
            KnownClient(name=name)
            for name in ("pocketoptionapi2", "pocketoptionapi", "binaryoptionstoolsv2", "pocket-option")
        ),
    ),
)
