"""Polled sessions under any replies: no exception, one `Ended` and nothing after it, sound values, and the secret stays where
it belongs."""

import json
import re
from collections.abc import Callable
from math import isfinite

from probe.brokers import find_broker
from probe.measure.records import Metric
from probe.model.credentials import Credentials, redactor_for
from probe.model.endpoint import Account
from probe.model.events import Ended, Event, QuoteArrived, RequestAnswered, Told
from probe.model.failures import KINDS, Failure
from probe.model.meanings import Figures, Notice
from probe.session.broker import AccessPoint, SurveyPlan
from probe.session.polled import Answered, Asked, PolledSession, PollPlan
from probe.wire.calls import (
    Call,
    HttpCall,
    HttpReply,
    LookForProcess,
    NewLines,
    ProcessFound,
    ReadLines,
    Reply,
    TerminalCall,
    TerminalReply,
    Touch,
    Touched,
)
from tests.brokers.conforming import misfits
from tests.brokers.crypto.asked import lines as crypto_lines
from tests.brokers.mt5.asked import recorded as mt5_recorded
from tests.brokers.mt5.replied import ACCOUNT, INFO
from tests.fuzz.messages import PACKETS, SEPARATOR

UTC_AT_ZERO = 1_795_435_200.0  # a Monday
SECONDS = 16.0  # of pretend time
MOST_CALLS = 400
SECRET = "planted0secret0000000000000000000000000000A"
NO_REPLY = b"!"  # and the name of a failure
_MET = frozenset(metric.value for metric in Metric)

_CRYPTO = find_broker("crypto").read_credentials(json.dumps({"cookie": SECRET}))
_MT5 = find_broker("mt5").read_credentials(json.dumps({"token": SECRET, "expires": UTC_AT_ZERO + 1e6}))
_LOGIN = find_broker("mt5").web
assert _LOGIN is not None
assert _LOGIN.outright is not None
_PERSON = _LOGIN.read_login(json.dumps({"account": 12345678, "password": SECRET, "server": "Broker-Demo"}))
assert _PERSON is not None
# Who is asked: broker, base, symbols, credential.
_WHO: tuple[tuple[str, str, tuple[str, ...], Credentials | None], ...] = (
    ("crypto", "http://place.test", ("BTC-USDT", "ETH-USDT"), _CRYPTO),
    ("mt5", "http://place.test", ("EURUSD",), _MT5),
    ("mt5", "terminal://local", ("EURUSD", "BTCUSD"), _LOGIN.outright(_PERSON)),
    ("bingx", "https://place.test", ("BTC-USDT",), None),
)


def _http(body: object, status: int = 200, *headers: str) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    return "\n".join((str(status), *headers, "", text)).encode()


def _seed(who: int, *replies: bytes) -> bytes:
    return bytes([who]) + SEPARATOR.join(replies)


_STAMP = "2026-11-23T12:00:10Z"
_HEALTHY = _http({"status": "healthy", "timestamp": _STAMP, "checks": {"database": {"status": "up"}}})
_ME = _http({"id": "6740a1c2b3d4e5f601234567", "email": "ann.other@mail.example", "verified": True})
_TICKER = _http({"symbol": "BTC-USDT", "last_price": 91000.5, "source_time": _STAMP, "fetched_at": _STAMP})
_READS = [line.split(" ", 3) for line in crypto_lines("reads.txt")]
_BINGX = _http(
    {"code": 0, "msg": "", "data": {"serverTime": 1795435200000}}, 200, "X-RateLimit-Requests-Remain: 9"
)
_BINGX_TICKER = _http(
    {"code": 0, "data": [{"symbol": "BTC-USDT", "lastPrice": "1.5", "closeTime": 1795435200000}]}
)
_CONTRACTS = _http(
    {"code": 0, "data": [{"symbol": "BTC-USDT", "status": 1, "pricePrecision": 1, "displayName": "x"}]}
)
_NAMES = (
    "health",
    "account",
    "symbol",
    "server-time",
    "balance",
    "equity",
    "positions",
    "orders",
    "snapshot",
    "history",
)
_GATEWAY = [_http(mt5_recorded(name)) for name in _NAMES]
_TICK = {
    "time": 1795435200,
    "time_msc": 1795435200123,
    "bid": 1.1,
    "ask": 1.2,
    "last": 0.0,
    "volume": 0,
    "flags": 6,
}
_SYMBOL = {
    "trade_mode": 4,
    "digits": 5,
    "path": "Forex\\EURUSD",
    "description": "Euro",
    "spread": 3,
    "visible": True,
}
_VALUES: tuple[object, ...] = (INFO, ACCOUNT, _TICK, _SYMBOL, [], 42, True, None, False)
_TERMINAL = [json.dumps(each).encode() for each in _VALUES]
_BODIES = [
    *_READS,
    ["GET", "/", "401", f'{{"detail":"{SECRET}"}}'],
    ["GET", "/", "500", "Internal Server Error"],
]
_WORDS = (
    f'{{"detail":"no {SECRET}"}}',
    SECRET,
    "<title>Just a moment...</title>",
    '{"error":"100001 Signature"}',
)
_ERRORS = [_http(words, status) for words in _WORDS for status in (302, 401, 404, 429, 500, 502)]
_A_NUMBER = re.compile(rb"(?<=[:,\[ ])-?[0-9.]+(?=[,\]}])")
_STRANGE = (b"1e999", b"-1e308", b"9" * 400, b"null", b"true", b'"7"', b"[]", b"{}", b"-1", b'"NaN"')
_valid = [
    _seed(0, _HEALTHY, _http("{}", 404), _http("no", 400), _ME, _TICKER, _http(_BODIES[0][3]), _HEALTHY),
    _seed(0, _HEALTHY, _HEALTHY, _HEALTHY, _ME, _TICKER, _TICKER, *(_http(row[3], 200) for row in _READS)),
    _seed(0, _HEALTHY, _ME, *_ERRORS[:6]),
    _seed(1, *_GATEWAY),
    _seed(1, _GATEWAY[0], *_GATEWAY[:4], *_ERRORS[:4]),
    _seed(1, *[_GATEWAY[0]] * 3, _GATEWAY[1], _GATEWAY[2], _GATEWAY[3]),
    _seed(2, *_TERMINAL),
    _seed(2, _TERMINAL[0], _TERMINAL[1], *[_TERMINAL[2]] * 3),
    _seed(2, b"null", b"x" + NO_REPLY + b"terminal.silent", _TERMINAL[0]),
    _seed(3, _BINGX, _CONTRACTS, _BINGX_TICKER, _BINGX_TICKER),
    _seed(3, _BINGX, _http({"code": 100410, "msg": SECRET}), _BINGX_TICKER, _http("", 418)),
]
SEEDS: list[bytes] = [
    *_valid,
    *(seed[:1] + _A_NUMBER.sub(instead, seed[1:]) for seed in _valid for instead in _STRANGE),
    *(_seed(who, valid[1:], error) for who, valid in zip((0, 1, 3), (_valid[0], _valid[5], _valid[9]), strict=True) for error in _ERRORS),
]  # fmt: skip
DICTIONARY: list[bytes] = [
    *PACKETS,
    *(NO_REPLY + kind.encode() for kind in ("http.open-timeout", "terminal.silent", "session.tcp-reset", "http.closed", "tcp.refused")),
    *(str(word).encode() for word in (
        *("200\n\n", "204\n\n", "302\n", "401\n\n", "403\n\n", "429\n", "500\n\n", "503\n\n", "Retry-After: ", "Date: ", "Location: "),
        *("X-RateLimit-Reset: ", "X-Process-Time: ", "Server: nginx", "Set-Cookie: session=", "Content-Type: text/plain", "\n\n"),
        *("--5", "²", "٣", "1_0", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "inf", "nan", "1e400", "-0.0"),
        *('"detail":', '"code":', '"data":', '"status":', '"timestamp":', '"last_price":', '"source_time":', '"bid":', '"time":'),
        *("ann.other@mail.example", SECRET, SECRET[:20], "<html>", "Internal Server Error", "\x1b[2J", "\u202e", "\ud7ff"),
    )),
]  # fmt: skip


def run(data: bytes) -> None:
    broker, base, symbols, credentials = _WHO[data[0] % len(_WHO)] if data else _WHO[0]
    plan = SurveyPlan(
        base=base,
        symbols=symbols,
        utc_at_zero=UTC_AT_ZERO,
        credentials=credentials,
        access_points=(AccessPoint(name="a", host="192.0.2.1", port=443),),
        journal="/logs",
    )
    survey = find_broker(broker).surveys[base.partition(":")[0]](plan)
    session = PolledSession(
        survey=survey,
        credentials=credentials,
        plan=PollPlan(account=Account.NONE),
        redact=redactor_for(credentials),
    )
    talk = _Talk(session, base, data[1:].split(SEPARATOR))
    talk.until(SECONDS)
    talk.do(lambda: session.leave(talk.now))
    talk.until(SECONDS + 10)
    assert [type(event) for event in talk.told].count(Ended) == 1
    assert isinstance(talk.told[-1], Ended)
    assert session.next_wake() is None
    _sound(talk.told)
    if credentials is not None:
        shown = " ".join(map(repr, (*_words(talk.told), *(line.text for line in session.transcript()))))
        assert SECRET not in shown
        assert "ann.other@mail.example" not in shown


class _Talk:
    def __init__(self, session: PolledSession, base: str, replies: list[bytes]) -> None:
        self.now, self.told, self._session, self._base = 100.0, list[Event](), session, base
        self._replies, self._calls = replies, 0
        self.do(lambda: session.begin(self.now))

    def do(self, step: Callable[[], object]) -> None:
        step()
        while out := self._session.outgoing():
            for item in out:
                if isinstance(item, Asked):
                    self._calls += 1
                    assert self._calls < MOST_CALLS
                    reply = self._reply(item.call)
                    self._session.receive(Answered(number=item.number, reply=reply), self.now)
        self.told += self._session.events()

    def until(self, seconds: float) -> None:
        end = 100.0 + seconds
        while (due := self._session.next_wake()) is not None and due <= end:
            self.now = max(self.now, due)
            self.do(lambda: self._session.wake(self.now))
        self.now = end

    def _reply(self, call: Call) -> Reply:
        piece = self._replies[self._calls % len(self._replies)]
        if piece.startswith(NO_REPLY):
            kind = piece[1:].decode(errors="replace")
            return Failure(kind=kind if kind in KINDS else "http.open-timeout", detail=SECRET)
        match call:
            case HttpCall(url=url):
                assert url.startswith(self._base + "/")
                return _read(piece)
            case TerminalCall():
                return TerminalReply(
                    value=_value(piece), error=1 - len(piece) % 3, error_text=SECRET, seconds=0.01
                )
            case LookForProcess():
                return ProcessFound(running=(True, False, None)[len(piece) % 3])
            case ReadLines():
                lines = tuple(piece.decode(errors="replace").splitlines())
                return NewLines(file="20261123.log", lines=lines, is_first=self._calls < 9)
            case Touch():
                return Touched(address="192.0.2.1", seconds=0.1)


def _read(piece: bytes) -> HttpReply:
    head, _, body = piece.partition(b"\n\n")
    status, *lines = head.decode("latin-1").split("\n")
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    number = int(status) if re.fullmatch("[2-5][0-9][0-9]", status, re.ASCII) else 200
    return HttpReply(url="", status=number, headers=headers, body=body, seconds=0.1)


def _value(piece: bytes) -> object:
    try:
        return json.loads(piece)
    except (ValueError, RecursionError):
        return piece.decode(errors="replace")


def _sound(told: list[Event]) -> None:
    for event in told:
        match event:
            case QuoteArrived():
                assert isfinite(event.price)
                assert isfinite(event.broker_time)
            case Told(meaning=meaning) | RequestAnswered(answer=meaning):
                if not isinstance(meaning, Notice):
                    assert misfits(meaning) == [], meaning
                if isinstance(meaning, Figures):
                    assert {row.name for row in meaning.rows} <= _MET
            case _:
                pass


def _words(told: list[Event]) -> list[object]:
    """What is shown of a session; a name that an answer gives to a symbol or a server stands where names stand."""
    return [
        event
        for event in told
        if not isinstance(event, Told | RequestAnswered | QuoteArrived)
        or (isinstance(event, Told) and type(event.meaning).__name__ in ("Troubles", "Refused"))
    ]
