"""Quotex's credentials under any text: frames, bare tokens, session files, and logins with a password."""

import json
from urllib.parse import quote

from probe.brokers import quotex
from probe.brokers.quotex.signin import WEB
from probe.model.credentials import redactor_for
from probe.model.errors import CredentialInvalid
from tests.fuzz import credentials
from tests.fuzz.credentials import check, check_refusal, decoded
from tests.pretending import QUOTEX

_FRAME, _TOKEN = QUOTEX.ssid, QUOTEX.token
_OBJECT = _FRAME[len('42["authorization",') : -1]
_COOKIE, _REMEMBERED = "eyJpdiI6InBsYW50ZWQwIn0", "planted0cookie00000000001"
_EMAIL, _PASSWORD = "Planted.Someone@Example.org", 'planted0 "pass;wörd\\'
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_FILE: dict[str, object] = {
    "cookies": f"laravel_session={_COOKIE}; remember_web_ab={_REMEMBERED}; lang=en",
    "token": _TOKEN,
    "user_agent": _AGENT,
}
_OTHER_BROKERS = '42["auth",{"session":"k3vns0m3id0fthens7aaacqz9w","isDemo":1,"uid":12345678,"platform":2}]'
_LOGIN = {"email": _EMAIL, "password": _PASSWORD}

SEEDS: list[bytes] = [
    text.encode()
    for text in (
        _FRAME,
        _FRAME.replace("}]", ',"isFastHistory":true}]').replace(":1,", ": false, "),
        json.dumps(_FRAME),
        json.dumps(json.dumps(_FRAME)),
        quote(_FRAME),
        quote(quote(_FRAME)),
        _FRAME.replace('"', ""),
        _FRAME.replace('"', "'"),
        _FRAME.replace('"', "”"),
        _FRAME.replace("session", "Session").replace("authorization", "Authorization"),
        _FRAME[:-1],
        _FRAME[:-22],
        _FRAME.replace(_TOKEN[9:30], "…"),
        _OBJECT,
        f"ws.send('{_FRAME}');",
        _TOKEN,
        f"export QX_TOKEN='{_TOKEN}'",
        json.dumps(_FILE),
        json.dumps({_EMAIL: _FILE}, indent=2),
        json.dumps({_EMAIL: _FILE, "other@example.org": _FILE}),
        json.dumps({**_FILE, "token": "stale", "is_demo": False, "ssid": _FRAME}),
        json.dumps({**_FILE, "userAgent": _AGENT, "isDemo": 0}),
        f'window.settings = {{"token":"{_TOKEN}","csrf":"a;b","lang":"en"}};',
        "laravel_session=" + _COOKIE,
        json.dumps(_LOGIN),
        json.dumps({**_LOGIN, "account": "live"}, ensure_ascii=False),
        json.dumps({**_LOGIN, "isDemo": 0}),
        _OTHER_BROKERS,
        '42["tick"]',
        "wss://ws2.qxbroker.com/socket.io/?EIO=3&transport=websocket",
    )
] + [b"\x80\x04\x95K\0\0\0}"]  # the beginning of a pickle
DICTIONARY: list[bytes] = [
    *credentials.TOKENS,
    *(
        word.encode()
        for word in (
            *('"authorization"', "authorization", "%5B%22authorization%22", '"session":', '"tournamentId":0'),
            *('"token":', '"cookies":', '"user_agent":', '"userAgent":', '"ssid":', '"is_demo":', '"csrf":'),
            *('"email":', '"password":', '"account":', '"demo"', '"live"', "window.settings=", "a@b", "\u0085"),
            *(_TOKEN, _FRAME, _COOKIE, _EMAIL, f'{{"{_EMAIL}":', "a=b; ", "; =", "\r\nHost: x", "auth", "platform"),
        )
    ),
]  # fmt: skip
_OWN = credentials.own_words(quotex)


def run(data: bytes) -> None:
    text = decoded(data)
    check(QUOTEX, text, _OWN, (_TOKEN,))
    try:
        login = WEB.read_login(text)
    except CredentialInvalid as refused:
        check_refusal(refused, text, _OWN)
        return
    if login is None:
        return
    shown = f"{login} {login!r} {login.warnings} {login.key}"
    assert login.password.reveal() not in shown or len(login.password.reveal()) < 6
    assert login.user.reveal() not in shown
    assert login.user.reveal().split() == [login.user.reveal()]
    redactor_for(login)
