"""Kestrel's messages, read and written by both ends: a line each, a word and its fields, with bars between them.

LOGIN|TOKEN|demo                          IN|USER, or NO|why
SUB|BTCUSD|60, UNSUB|BTCUSD               Q|BTCUSD|TIME|PRICE, as they come
PAST|BTCUSD|60|UNTIL|SECONDS|NUMBER       PAST|BTCUSD|60|NUMBER|TIME=PRICE,…|TIME=OPEN=HIGH=LOW=CLOSE,…
MONEY                                     MONEY|demo|AMOUNT
PING                                      PONG
OUT                                       OUT
"""

from collections.abc import Iterable, Sequence

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.events import Phase
from probe.model.intents import (
    AskBalance,
    AskHistory,
    Beat,
    Intent,
    Leave,
    Login,
    UnknownIntent,
    Unwatch,
    Watch,
)
from probe.model.meanings import (
    Admitted,
    Balance,
    BeatAnswered,
    Candle,
    Goodbye,
    History,
    Meaning,
    Quote,
    Quotes,
    Refused,
    Unrecognised,
)
from probe.session.codec import BeatRule, DialectRules, Message, Role
from probe.session.reading import number, seconds, text
from probe.session.socketio import NOT_AS_EXPECTED
from probe.wire.socketio import preview

PING = "PING"

RULES = DialectRules(
    path="/feed",
    query={},
    phases=(Phase.AUTHENTICATING, Phase.LIVE),
    speaks_first={Phase.AUTHENTICATING: Role.CLIENT},
    beats=(BeatRule(name=PING, interval=15.0, answered_within=10.0),),
    peer_beats=False,
)


class KestrelCodec:
    __slots__ = ()

    rules = RULES

    # -- the client's two translations -------------------------------------------------------------------------------

    def encode_intent(self, intent: Intent) -> list[Message]:
        match intent:
            case Login(frame=frame):
                return [frame.reveal()]
            case Watch(symbol=symbol, period=period):
                return [_line("SUB", symbol, period)]
            case Unwatch(symbol=symbol):
                return [_line("UNSUB", symbol)]
            case AskHistory():
                asked = intent
                return [_line("PAST", asked.symbol, asked.period, asked.until, asked.span, asked.index)]
            case AskBalance():
                return ["MONEY"]
            case Beat():
                return [PING]
            case Leave():
                return ["OUT"]
            case _:
                raise LocalProtocolError(f"Kestrel has no request for {type(intent).__name__}")

    def decode_meaning(self, message: Message) -> list[Meaning]:
        try:
            return [_told(text(message).split("|"))]
        except NOT_AS_EXPECTED as error:
            problem = f"a line does not look as expected ({type(error).__name__})"
            return [Unrecognised(problem=problem, preview=preview(message))]

    # -- the simulator's two -----------------------------------------------------------------------------------------

    def decode_intent(self, message: Message) -> list[Intent]:
        try:
            return [_asked(text(message).split("|"), text(message))]
        except NOT_AS_EXPECTED as error:
            return [UnknownIntent(problem=f"no request ({type(error).__name__})", preview=preview(message))]

    def encode_meaning(self, meaning: Meaning) -> list[Message]:
        match meaning:
            case Quotes(rows):
                return [_line("Q", *row) for row in rows]
            case History(symbol=symbol, period=period, index=index):
                number_of = "" if index is None else index
                past = _rows(meaning.ticks), _rows(meaning.candles)
                return [_line("PAST", symbol, period, number_of, *past)]
            case Admitted(user=user):
                return [_line("IN", user or "")]
            case Refused(reason=reason):
                return [_line("NO", reason)]
            case Balance(amount=amount, is_demo=is_demo):
                return [_line("MONEY", (Account.DEMO if is_demo else Account.LIVE).value, amount)]
            case BeatAnswered():
                return ["PONG"]
            case Goodbye():
                return ["OUT"]
            case _:
                raise LocalProtocolError(f"Kestrel has no message for {type(meaning).__name__}")


def _told(fields: Sequence[str]) -> Meaning:
    match fields:
        case ["Q", symbol, at, price]:
            return Quotes((Quote(symbol, seconds(at), number(price)),))
        case ["PAST", symbol, period, index, ticks, candles]:
            return History(
                symbol=symbol,
                period=int(period),
                index=int(index) if index else None,
                ticks=tuple((seconds(at), number(price)) for at, price in _columns(ticks)),
                candles=tuple(Candle(*map(number, row)) for row in _columns(candles)),
            )
        case ["IN", user]:
            return Admitted(user=user or None)
        case ["NO", reason]:
            return Refused(reason=reason)
        case ["MONEY", account, amount]:
            return Balance(amount=number(amount), is_demo=Account(account) is Account.DEMO)
        case ["PONG"]:
            return BeatAnswered()
        case ["OUT"]:
            return Goodbye(reason="OUT")
        case _:
            raise ValueError("no line of Kestrel's")


def _asked(fields: Sequence[str], line: str) -> Intent:
    match fields:
        case ["LOGIN", token, account]:
            return Login(frame=Secret(line), token=Secret(token), account=Account(account))
        case ["SUB", symbol, period]:
            return Watch(symbol=symbol, period=int(period))
        case ["UNSUB", symbol]:
            return Unwatch(symbol=symbol)
        case ["PAST", symbol, period, until, span, index]:
            return AskHistory(
                symbol=symbol,
                period=int(period),
                until=seconds(until),
                span=number(span),
                index=int(index),
            )
        case ["MONEY"]:
            return AskBalance()
        case ["PING"]:
            return Beat(name=PING)
        case ["OUT"]:
            return Leave()
        case _:
            raise ValueError("no line of a client's")


def _line(word: str, *fields: object) -> str:
    return "|".join((word, *map(str, fields)))


def _rows(rows: Iterable[Iterable[float]]) -> str:
    return ",".join("=".join(map(str, row)) for row in rows)


def _columns(rows: str) -> list[list[str]]:
    return [row.split("=") for row in rows.split(",")] if rows else []
