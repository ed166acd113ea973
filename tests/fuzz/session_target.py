"""A PocketOption session under any bytes after the greeting."""

from probe.session.codec import Message
from tests.fuzz.messages import joined
from tests.fuzz.sessions import GREETING, PAUSE, check, dictionary, seeds
from tests.pretending import POCKETOPTION, SSID, TOKEN


def _attached(name: str, payload: str) -> list[Message]:
    return [f'451-["{name}",{{"_placeholder":true,"num":0}}]', payload.encode()]


_LOGIN: list[Message] = [
    '40{"sid":"k3Vn"}',
    *_attached("successauth", '{"id":"5f3759df"}'),
    *_attached("successupdateBalance", '{"isDemo":1,"balance":50000}'),
]
_TICK = _attached("updateStream", '[["EURUSD_otc",1789230980.123,1.14362]]')
_DOWN: list[list[Message]] = [
    [*_LOGIN, *_TICK, "2", PAUSE * 3, *_TICK, "2", '42["unheardOf",{"x":1}]', PAUSE * 9],
    [*_LOGIN, *_attached("updateHistoryNewFast", '{"asset":"EURUSD_otc","period":60,"history":[[1,2]],"candles":[]}')],
    [*_LOGIN, *_attached("loadHistoryPeriodFast", '{"asset":"EURUSD_otc","index":42,"period":60,"data":[]}'), "41"],
    [*_LOGIN, *_attached("successcloseOrder", '{"profit":0,"deals":[]}'), '42["NotAuthorized"]', "41"],
    [*_LOGIN, *_attached("successupdateBalance", '{"isDemo":0,"balance":7}'), *_attached("updateBalance", '{"isDemo":1,"balance":7}')],
    ['40{"sid":"k3Vn"}', f'42["NotAuthorized",{{"reason":"no such session {TOKEN}"}}]', "41"],
    [f'44{{"message":"who is {TOKEN}"}}'],
    [*_LOGIN, f'42["{TOKEN}"]', f'42["whoIs",["{TOKEN}"', f"x{TOKEN}", TOKEN.encode(), f'42["chafor","{TOKEN}"]'],
    [*_LOGIN, GREETING, '44"late"', PAUSE, "40", PAUSE * 40],
]  # fmt: skip
_UP: list[list[Message]] = [
    ["40", SSID, '42["ps"]', "3", PAUSE * 4, "3", '42["changeSymbol",{"asset":"EURUSD_otc","period":60}]', PAUSE],
    ["40", SSID, '42["openOrder",{"asset":"E","amount":1,"action":"call","isDemo":1,"requestId":7,"time":60}]', "41"],
    ["40", SSID, '42["loadHistoryPeriod",{"asset":"E","index":1,"time":1733698782,"offset":9,"period":60}]', "1"],
    ["40", SSID, '42["openPendingOrder",{"openType":1,"amount":1,"asset":"E","openPrice":1,"timeframe":60,"command":1}]'],
    ["40", '42["getBalance"]', SSID[:-9], SSID.replace("auth", "login"), '42["subfor","E"]', PAUSE * 30],
]  # fmt: skip
SEEDS: list[bytes] = seeds(POCKETOPTION, _DOWN, _UP)
DICTIONARY: list[bytes] = dictionary(
    POCKETOPTION, b'42["ps"]', b'40{"sid":"k3Vn"}', joined(_TICK), joined(_LOGIN)
)


def run(data: bytes) -> None:
    check(POCKETOPTION, data)
