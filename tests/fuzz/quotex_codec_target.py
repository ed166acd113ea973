"""Quotex's codec under any messages, in its default dialect and with every choice made otherwise."""

from probe.brokers import quotex
from probe.brokers.quotex import BROKER
from probe.session.codec import Message
from tests.fuzz.codecs import DATES, check, seeds
from tests.fuzz.messages import PACKETS

# Another form of the login is written anew, and in milliseconds the ticks of 1970 look like seconds: neither comes back.
OTHERWISE = BROKER.speaking(
    {
        choice.name: choice.others[-1]
        for choice in BROKER.choices
        if choice.name not in ("login", "quote_time")
    }
)

_VARIANTS: list[list[Message]] = [
    ['42["quotes/stream",["EURUSD","1790265979214",1.25]]', '42["quotes/stream",[["E",1,2,3,4],["F",1,2],["G",1,2,0]]]'],
    ['42["s_authorization",{"uid":7,"balance":"1.5","isDemo":1}]', '42["NotAuthorized",{"reason":"expired"}]'],
    ['42["authorization/reject"]', '42["s_balance/list",[{"isDemo":1,"balance":"5"},{"isDemo":0,"balance":0}]]'],
    ['42["f_orders/cancel",{"error":"E","ticket":"t"}]', '42["s_orders/cancel",{"ticket":"t"}]', '42["s_account/change"]'],
    ['42["f_pending/opened",{"error":null}]', '42["f_pending/create",{"error":"open_time_min"}]', '42["pending/list",[]]'],
    ['42["history/load",{"asset":"E","index":"7","period":1,"data":[{"time":1,"price":2},{"time":2,"price":"3"}]}]'],
    ['42["orders/open",{"asset":"E","amount":"10","action":"put","isDemo":"1","requestId":"buy","time":60,"optionType":1}]'],
    ['42["pending/create",{"openType":1,"amount":1,"asset":"E","openPrice":"1.5","timeframe":60,"command":1}]'],
    ['42["pending/create",{"openType":0,"amount":1,"asset":"E","openTime":"2026-01-01T00:00:00.000Z","timeframe":60,"command":"put"}]'],
    ['42["depth/follow","E"]', '42["subfor","E"]', '42["instruments/follow",{"asset":"E"}]', '42["demo/refill",5000]', "2probe"],
    ['42["account/change",{"demo":1,"tournamentId":7}]', '42["orders/cancel",{"id":"t"}]', '42["tick"]', '42["balance/list"]'],
    ['42["authorization",{"session":"0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c","isDemo":true,"isFastHistory":true}]'],
]  # fmt: skip
SEEDS: list[bytes] = seeds(quotex, _VARIANTS)
_WORDS = (
    *(
        "quotes/stream",
        "instruments/list",
        "history/list/v2",
        "history/load",
        "s_orders/open",
        "s_orders/close",
    ),
    *(
        "f_orders/open",
        "depth/change",
        "s_balance",
        "s_balance/list",
        "orders/open",
        "pending/create",
        "authorization",
    ),
    *(
        "asset",
        "period",
        "index",
        "time",
        "data",
        "history",
        "candles",
        "price",
        "isDemo",
        "balance",
        "demoBalance",
    ),
    *(
        "session",
        "uid",
        "amount",
        "action",
        "call",
        "requestId",
        "closePrice",
        "openTimestamp",
        "command",
        "deals",
    ),
    *(
        "2026-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59+23:59",
        "0001-01-01T00:00:00Z",
        "optionType",
        "openTime",
    ),
    *DATES,
)
DICTIONARY: list[bytes] = [*PACKETS, *(f'"{word}"'.encode() for word in _WORDS)]


def run(data: bytes) -> None:
    check(BROKER.codec, data)
    check(OTHERWISE.codec, data)
