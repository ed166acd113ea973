"""PocketOption's SSID in all its dialects, the PHP-serialised session included, under any bytes."""

import json
from urllib.parse import quote_plus

from probe.brokers import pocketoption
from tests.fuzz import credentials
from tests.fuzz.credentials import check, decoded
from tests.pretending import POCKETOPTION

_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
_SESSION_ID, _TRAILER = "5f3c09d1b27e4a8860aa17c3e4d29b51", "b7e01c66f2a94d3c8810d5e6fa7392c4"
_PHP = (
    f'a:4:{{s:10:"session_id";s:32:"{_SESSION_ID}";s:10:"ip_address";s:11:"203.0.113.7";'
    f's:10:"user_agent";s:{len(_AGENT)}:"{_AGENT}";s:13:"last_activity";i:1732926685;}}{_TRAILER}'
)
_DEMO = (
    '42["auth",{"session":"k3vns0m3id0fthens7aaacqz9w","isDemo":1,"uid":12345678,"platform":2,'
    '"isFastHistory":true,"isOptimized":true}]'
)
_REAL = "42" + json.dumps(["auth", {"session": _PHP, "isDemo": 0, "uid": 12345678, "platform": 2}])

SEEDS: list[bytes] = [
    text.encode()
    for text in (
        _DEMO,
        _REAL,
        json.dumps(_DEMO),
        json.dumps(json.dumps(_REAL)),
        _REAL.replace('\\"', '"'),
        _DEMO.replace('"', ""),
        _DEMO.replace('"', "'"),
        _DEMO.replace('"', "”"),
        _DEMO[10:-1],
        f"ws.send('{_DEMO}');",
        _REAL.replace(_PHP, "x").replace('"x', '"' + quote_plus(_PHP)),
        _PHP,
        "ci_session=" + quote_plus(_PHP),
        "k3vns0m3id0fthens7aaacqz9w",
        '42["auth",{"sessionToken":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","uid":"123","lang":"en","isChart":1}]',
        '42["auth",{"token":"guest8f7e6d5c4b3a","balance":50000,"isFastHistory":true}]',
        '42["user_init",{"id":1,"secret":"9c8b7a6d5e4f3021"}]',
        '42["authorization",{"session":"Zq81mmBx07","isDemo":1,"tournamentId":0}]',
        "SSID=" + _DEMO,
    )
]
DICTIONARY: list[bytes] = [
    *credentials.TOKENS,
    *(
        word.encode()
        for word in (
            *('42["auth",', "auth", "sessionToken", "platform", "isFastHistory", "a:4:{", "s:32:", "i:1;", "N;"),
            *('s:10:"session_id";', "a%3A4%3A%7B", "ci_session=", "fe80::1%\n"),
        )
    ),
]  # fmt: skip
_OWN = credentials.own_words(pocketoption)


def run(data: bytes) -> None:
    check(POCKETOPTION, decoded(data), _OWN, (_SESSION_ID, _TRAILER))
