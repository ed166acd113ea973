"""A Quotex session under any bytes after the greeting."""

from probe.session.codec import Message
from tests.fuzz.messages import joined
from tests.fuzz.sessions import GREETING, PAUSE, check, dictionary, seeds
from tests.pretending import QUOTEX

_SSID, _TOKEN = QUOTEX.ssid, QUOTEX.token


def _attached(name: str, payload: str) -> list[Message]:
    return [f'451-["{name}",{{"_placeholder":true,"num":0}}]', b"\4" + payload.encode()]


_LOGIN: list[Message] = [
    "40",
    '42["s_authorization"]',
    *_attached("s_balance/list", '{"liveBalance":0,"demoBalance":"10000.00"}'),
    *_attached("s_balance", '{"uid":7,"balance":10000,"isDemo":1}'),
]
_PURSES = _attached("s_balance/list", '{"liveBalance":0,"demoBalance":"1"}')
_TICK = _attached("quotes/stream", '[["EURUSD_otc",1790265979.214,1.08452,1]]')
_DOWN: list[list[Message]] = [
    [*_LOGIN, *_TICK, PAUSE * 3, "3", *_TICK, PAUSE * 3, "3", '42["unheardOf",{"x":1}]', PAUSE * 9],
    [*_LOGIN, *_attached("history/list/v2", '{"asset":"EURUSD_otc","period":60,"history":[[1,2,0]],"candles":[[1,2,3,4,5,6]]}')],
    [*_LOGIN, *_attached("history/load", '{"asset":"EURUSD_otc","index":42,"period":60,"data":[{"time":1,"price":2}]}'), "41"],
    [*_LOGIN, *_attached("s_orders/close", '{"profit":0,"deals":[]}'), '42["authorization/reject"]', "41"],
    [*_LOGIN, *_attached("s_balance", '{"balance":7,"isDemo":0}'), *_attached("s_balance/list", '{"demoBalance":"1"}'), *_PURSES],
    ["40", f'42["authorization/reject",{{"error":"no such session {_TOKEN}"}}]', "41"],
    [f'44{{"message":"who is {_TOKEN}"}}'],
    [*_LOGIN, f'42["{_TOKEN}"]', f'42["whoIs",["{_TOKEN}"', f"x{_TOKEN}", _TOKEN.encode(), f'42["depth/change","{_TOKEN}"]'],
    [*_LOGIN, GREETING, "2probe", "3probe", PAUSE, "40", PAUSE * 40],
]  # fmt: skip
_UP: list[list[Message]] = [
    [_SSID, "2", '42["tick"]', PAUSE * 4, "2probe", '42["instruments/update",{"asset":"EURUSD_otc","period":60}]', PAUSE],
    [_SSID, '42["orders/open",{"asset":"E","amount":1,"action":"call","isDemo":1,"requestId":7,"time":60,"optionType":100}]', "41"],
    [_SSID, '42["history/load",{"asset":"E","index":1,"time":1733698782,"offset":9,"period":60}]', "1"],
    [_SSID, '42["pending/create",{"openType":1,"amount":1,"asset":"E","openPrice":"1","timeframe":60,"command":"call"}]'],
    ["40", '42["balance/list"]', _SSID[:-9], _SSID.replace("authorization", "login"), '42["subfor","E"]', PAUSE * 30],
]  # fmt: skip
SEEDS: list[bytes] = seeds(QUOTEX, _DOWN, _UP)
DICTIONARY: list[bytes] = dictionary(
    QUOTEX, b'42["tick"]', b"2probe", joined(_TICK), joined(_LOGIN), joined(_PURSES)
)


def run(data: bytes) -> None:
    check(QUOTEX, data)
