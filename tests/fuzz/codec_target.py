"""PocketOption's codec under any messages."""

from probe.brokers import pocketoption
from probe.brokers.pocketoption.codec import PocketOptionCodec
from probe.session.codec import Message
from tests.fuzz.codecs import DATES, check, seeds
from tests.fuzz.messages import PACKETS

_VARIANTS: list[list[Message]] = [
    ['42["updateStream",["EURUSD","1789230980123",1.25]]', '42["updateStream",[["E",1,2,3],["F",1,2]]]'],
    ['42["updateTime",1789230980]', '42["auth/success"]', '42["NotAuthorized",{"reason":"expired"}]'],
    ['42["successcancelPendingOrder",{"ticket":"t"}]', '42["failcancelPendingOrder",{"error":"E","ticket":"t"}]'],
    ['42["failopenPendingOrder",{"error":"OPEN_TIME"}]', '42["successupdatePending",[]]', '42["chafor",[["E",63]]]'],
    ['42["openOrder",{"asset":"E","amount":"10","action":"put","isDemo":"1","requestId":"buy","time":"60"}]'],
    ['42["openPendingOrder",{"openType":1,"amount":1,"asset":"E","openPrice":1.5,"timeframe":60,"command":1}]'],
    ['42["loadHistoryPeriod",{"asset":"E","index":null,"time":1733698782000,"offset":9000,"period":0}]'],
    ['42["subscribeSymbol","E"]', '42["unSubscribeSymbol","E"]', '42["subfor","E"]', '42["getBalance"]', '42["ps"]'],
    ['42["auth",{"sessionToken":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","uid":"123","isChart":1}]', '42["assets/load"]'],
]  # fmt: skip
SEEDS: list[bytes] = seeds(pocketoption, _VARIANTS)
_WORDS = (
    *("updateStream", "updateAssets", "updateHistoryNew", "loadHistoryPeriod", "successopenOrder", "chafor"),
    *("successcloseOrder", "updateClosedDeals", "openOrder", "openPendingOrder", "changeSymbol", "auth"),
    *(
        "asset",
        "symbol",
        "period",
        "index",
        "time",
        "data",
        "history",
        "candles",
        "price",
        "isDemo",
        "balance",
    ),
    *("session", "uid", "amount", "action", "call", "requestId", "closePrice", "openTimestamp", "command"),
    *DATES,
)
DICTIONARY: list[bytes] = [*PACKETS, *(f'"{word}"'.encode() for word in _WORDS)]


def run(data: bytes) -> None:
    check(PocketOptionCodec, data)
