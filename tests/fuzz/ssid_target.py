"""The SSID reader under any bytes: one kind of exception, no secret in what it says, and repairs that need no repair."""

import inspect
import json
from urllib.parse import quote_plus

from probe.brokers.pocketoption import damage, php, refusals, ssid
from probe.model.credentials import Credentials, Redactor
from probe.model.errors import CredentialInvalid
from probe.session import agents, pasted
from probe.session import damage as common_damage

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
    token.encode("utf-8", "surrogatepass")
    for token in (
        *"\"'`“”‘’\\[]{}:;,=#$%&\0\n\r\t ",
        *(
            "\\\\",
            '\\"',
            '""',
            '\\\\\\"',
            "\\u0000",
            "\\ud800",
            "\ufeff",
            "\u200b",
            "\u00a0",
            "\ud800",
            "\ufffd",
        ),
        *(
            "42",
            "451-",
            "42[",
            '42["auth",',
            "auth",
            "session",
            "sessionToken",
            "token",
            "secret",
            "isDemo",
            "uid",
        ),
        *("platform", "isFastHistory", "true", "false", "null", "NaN", "Infinity", "1e999", "-1", "0", "1.0"),
        *(
            "9" * 400,
            "9" * 5000,
            "[" * 2000,
            '{"a":' * 500,
            "a:4:{",
            "s:32:",
            's:10:"session_id";',
            "i:1;",
            "N;",
        ),
        *(
            "}]",
            "}",
            "a%3A4%3A%7B",
            "%22",
            "%FF",
            "+",
            "ci_session=",
            "env:",
            "...",
            "…",
            "fe80::1%\n",
            "é",
            "😀",
        ),
    )
]

_CODES = {"cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"}
_OWN_WORDS = "".join(
    inspect.getsource(module) for module in (ssid, damage, php, refusals, agents, pasted, common_damage)
)
_WINDOW = 12


def run(data: bytes) -> None:
    text = data.decode("utf-8", "ignore" if len(data) % 8 else "surrogateescape")
    ssid.is_pocketoption_frame(text)
    found = _read(text)
    if isinstance(found, CredentialInvalid):
        assert found.code in _CODES
        assert found.__context__ is None  # a JSON error in the chain would carry the whole text
        said = f"{found} {found!r}"
        assert said.isprintable()
        assert not _quotes(said, text)
        return
    shown = f"{found} {found!r} {found.facts} {found.warnings}"
    for secret in (found.token.reveal(), found.frame.reveal(), _SESSION_ID, _TRAILER):
        assert secret not in shown or secret in _OWN_WORDS
    assert shown.isprintable()
    assert not any(_quotes(warning, text) for warning in found.warnings)
    Redactor((found.frame, found.token))
    frame = found.frame.reveal()
    frame.encode()
    name, payload = json.loads(frame[2:])
    login = ssid.read_login_frame(payload)
    assert name == "auth"
    assert login is not None
    assert (login.token, login.account, login.user) == (found.token, found.account, found.user)
    again = ssid.read_ssid(frame)
    assert (again.frame, again.token, again.facts) == (found.frame, found.token, found.facts)
    assert set(again.warnings) <= set(found.warnings)  # a repaired frame needs no repair


def _read(text: str) -> Credentials | CredentialInvalid:
    try:
        return ssid.read_ssid(text)
    except CredentialInvalid as refused:
        return refused


def _quotes(said: str, text: str) -> bool:
    """Whether a message repeats a piece of the input that are not our own words."""
    pieces = {said[at : at + _WINDOW] for at in range(len(said) - _WINDOW + 1)}
    return any(piece in text and piece not in _OWN_WORDS for piece in pieces)
