"""BingX's streams, of the market and of an account, read and written by both ends. Where each frame was seen is in NOTES.md
and transcripts/."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from probe.brokers.bingx.account import EXPIRED, read_event, write_balance, write_expired
from probe.brokers.bingx.codes import Sort, sort_of, trouble_of
from probe.brokers.bingx.frames import pack, unpack
from probe.brokers.bingx.house import ANSWERS, LISTINGS, REQUEST
from probe.brokers.bingx.payloads import CHANNELS, read_channel, write_channel
from probe.model.credentials import Redactor
from probe.model.errors import LocalProtocolError
from probe.model.events import Phase
from probe.model.intents import AnswerBeat, Intent, Leave, Login, Murmur, UnknownIntent, Unwatch, Watch
from probe.model.meanings import (
    Admitted,
    Balance,
    BeatAsked,
    BrokerClock,
    Goodbye,
    History,
    Meaning,
    Notice,
    Quote,
    Quotes,
    Refused,
    Trouble,
    Troubles,
    Unrecognised,
)
from probe.session.broker import DialectChoice
from probe.session.codec import DialectRules, Message, Role
from probe.session.reading import number, text
from probe.session.socketio import NOT_AS_EXPECTED
from probe.wire.socketio import PREVIEW, preview, quoted, read_json, write_json

RULES = DialectRules(
    path="/",  # /swap-market and /market
    query={},
    phases=(Phase.AUTHENTICATING, Phase.LIVE),
    speaks_first={Phase.AUTHENTICATING: Role.CLIENT},  # it brought its key with the request
    login_in_query="listenKey",
    beats=(),
    peer_beats=True,
    ping_interval=5.0,
    ping_timeout=10.0,
    asks_history=False,
    needs_login=False,
    greets=False,
)

REPEATED = 100205  # what was asked for is subscribed already
NO_CONTENT, ILLEGAL, BAD_KEY = 100204, 100400, 100401
TOO_MANY = {"swap": 80403, "spot": 100416}
SUBSCRIPTION = "subscription "  # and the symbol: what a trouble is about
MOST_TOPICS = 200  # of one connection
_CHINA = timezone(timedelta(hours=8))  # in whose time pings are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One value for each of `CHOICES`."""

    heartbeat: str = "swap"
    ack: str = "new"


CHOICES = (
    DialectChoice(
        name="heartbeat",
        default="swap",
        others=("spot",),
        reason="USDT futures send the word Ping and write prices as texts; spot and Coin-M send JSON with an id and spot "
        "writes numbers. The newer description accepts the word everywhere, so what is heard is read in either form.",
    ),
    DialectChoice(
        name="ack",
        default="new",
        others=("old",),
        reason="Subscriptions are acknowledged with an empty message in older captures, with SUCCESS and a time in newer.",
    ),
)


class BingxCodec:
    __slots__ = (
        "_asked", "_channels", "_count", "_dialect", "_is_entering", "_owed", "_redact", "_told_at", "_unacknowledged",
    )  # fmt: skip

    rules = RULES

    def __init__(self, dialect: Dialect | None = None) -> None:
        self._dialect = dialect or Dialect()
        self._count = 0  # of our requests, or of our pings
        self._asked: dict[str, Watch | Unwatch] = {}  # by the id of the request
        self._is_entering = False  # with a key of which nothing was heard yet
        self._redact = Redactor(())
        # Of the served end: the ids of requests, and the channels asked for, by symbol; the newest time that was told.
        self._unacknowledged: dict[str, list[str]] = {}
        self._channels: dict[str, list[str]] = {}
        self._owed: list[object] = []  # answers that no price or account has a part in
        self._told_at = 0.0

    # -- broker to client --------------------------------------------------------------------------------------------

    def decode_meaning(self, message: Message) -> list[Meaning]:
        shown = message
        try:
            shown = unpack(message)
            if shown == "Ping":
                return [BeatAsked()]
            return self._told(read_json(shown))
        except NOT_AS_EXPECTED as error:
            said = str(error)
            detail = f": {said}" if len(said) <= PREVIEW / 2 else ""
            problem = f"a message does not look as expected ({type(error).__name__}{detail})"
            return [Unrecognised(problem=problem, preview=preview(shown))]

    def _told(self, said: Any) -> list[Meaning]:
        if "ping" in said:
            time = said.get("time")
            beat = BeatAsked(payload=_beat(text(said["ping"]), "" if time is None else text(time)))
            # Where this heartbeat is spoken no account is told unasked: that a key was not refused by now is its only proof.
            return [*self._entered(), beat]
        topic, data = said.get("dataType"), said.get("data")
        if topic and data is not None and not said.get("code"):
            told = read_channel(text(topic), data)
            problem = f"nothing is known about the topic {quoted(topic)}"
            return told or [Unrecognised(problem=problem, preview=write_json(said)[:PREVIEW])]
        if "code" in said:
            return self._acknowledged(said)
        told = read_event(text(said["e"]), said)
        return told if said["e"] == EXPIRED else [*self._entered(), *told]

    def _entered(self) -> list[Meaning]:
        was_entering, self._is_entering = self._is_entering, False
        return [Admitted()] if was_entering else []

    def _acknowledged(self, said: Any) -> list[Meaning]:
        code, number_of = int(number(said["code"])), said.get("id")
        words = self._redact.shorten(str(said.get("msg") or ""), PREVIEW)
        asked = self._asked.pop(number_of, None) if isinstance(number_of, str) else None
        if self._is_entering and not asked and sort_of(code, words) in (Sort.KEY, Sort.PERMISSION):
            return [Refused(reason=f"the listen key is refused (code {code}{': ' if words else ''}{words})")]
        about = f"{SUBSCRIPTION}{asked.symbol}" if asked else "subscriptions"
        if code not in (0, REPEATED):
            return [Troubles(about=about, rows=(trouble_of(code, words, about),))]
        match asked:
            case Watch(symbol=symbol, period=period):
                return [History(symbol=symbol, period=period, index=None), Troubles(about=about)]
            case Unwatch():
                return [Troubles(about=about)]
            case None:
                return [Notice(name="acknowledgement")]

    def encode_meaning(self, meaning: Meaning) -> list[Message]:
        as_text = self._dialect.heartbeat == "swap"
        match meaning:
            case BeatAsked(payload=payload):
                return [pack("Ping" if as_text else write_json(self._ping(payload)))]
            case Quotes(rows=rows):
                self._told_at = max([self._told_at, *(row.broker_time for row in rows)])
                return [pack(write_json(said)) for row in rows for said in self._pushed(row, as_text=as_text)]
            case History(symbol=symbol, index=None, ticks=ticks):
                self._told_at = max([self._told_at, *(at for at, _ in ticks)])
                numbers = self._unacknowledged.pop(symbol, [])
                return [pack(write_json(self._answer(each))) for each in numbers]
            case Notice(name=name) if name == ANSWERS:
                owed, self._owed = self._owed, []
                return [pack(write_json(each)) for each in owed]
            case Notice(name=name, payload=str(key)) if name == EXPIRED:
                return [pack(write_json(write_expired(key, self._told_at)))]
            case BrokerClock(seconds=at):
                self._told_at = max(self._told_at, at)
                return []
            case Balance():  # on spot, and with it Coin-M, nothing of an account comes unasked
                return (
                    [pack(write_json(each)) for each in write_balance(meaning, self._told_at)]
                    if as_text
                    else []
                )
            case Refused(reason=reason):
                return [pack(write_json({"code": BAD_KEY, "msg": reason}))]
            case Troubles(about=about, rows=(Trouble(code="session.subscription-cap"), *_)):
                numbers = self._unacknowledged.pop(about.removeprefix(SUBSCRIPTION), [])
                return [pack(write_json(self._over_the_limit(each))) for each in numbers]
            case Admitted() | Goodbye():
                return []  # it has no words for these
            case _:
                raise LocalProtocolError(f"BingX has no message for {type(meaning).__name__}")

    def _ping(self, payload: str) -> dict[str, str]:
        if not payload:
            self._count += 1
            told = datetime.fromtimestamp(self._told_at, UTC).astimezone(_CHINA)
            payload = _beat(
                f"{self._count:032x}", told.isoformat(timespec="milliseconds").replace("+08:00", "+0800")
            )
        name, _, time = payload.partition(" ")
        return {"ping": name, "time": time}

    def _pushed(self, quote: Quote, *, as_text: bool) -> list[object]:
        return [
            {
                "code": 0,
                "dataType": f"{quote.symbol}@{channel}",
                "data": write_channel(channel, quote, as_text=as_text),
            }
            for channel in self._channels.get(quote.symbol, ["ticker"])
        ]

    def _answer(self, number_of: str, code: int = 0, words: str = "") -> object:
        if self._dialect.ack == "old":
            return {"id": number_of, "code": code, "msg": words}
        at = round(self._told_at * 1000)
        return {"code": code, "id": number_of, "msg": words or "SUCCESS", "timestamp": at}

    def _over_the_limit(self, number_of: str) -> object:
        words = "the number of topics exceeds the limit of one connection"
        return self._answer(number_of, TOO_MANY[self._dialect.heartbeat], words)

    # -- client to broker --------------------------------------------------------------------------------------------

    def encode_intent(self, intent: Intent) -> list[Message]:
        match intent:
            case Watch(symbol=symbol) | Unwatch(symbol=symbol):
                self._count += 1
                number_of = str(UUID(int=self._count, version=4))
                self._asked[number_of] = intent
                wish = "sub" if isinstance(intent, Watch) else "unsub"
                return [write_json({"id": number_of, "reqType": wish, "dataType": f"{symbol}@ticker"})]
            case AnswerBeat(payload=""):
                return ["Pong"]
            case AnswerBeat(payload=payload):
                name, _, time = payload.partition(" ")
                return [write_json({"pong": name, "time": time})]
            case Login(token=token):  # it went with the request
                self._is_entering, self._redact = True, Redactor((token,))
                return []
            case Leave():
                return []
            case _:
                raise LocalProtocolError(f"BingX's market stream has no request for {type(intent).__name__}")

    def decode_intent(self, message: Message) -> list[Intent]:
        if message == "Pong":
            return [AnswerBeat()]
        try:
            return self._wish(read_json(text(message)))
        except NOT_AS_EXPECTED as error:
            return [UnknownIntent(problem=f"no request ({type(error).__name__})", preview=preview(message))]

    def _wish(self, said: Any) -> list[Intent]:
        if "pong" in said:
            return [AnswerBeat(payload=_beat(text(said["pong"]), text(said.get("time") or "")))]
        number_of, wish = text(said["id"]), said.get("reqType", "sub")  # spot clients leave it out
        symbol, _, channel = text(said["dataType"]).partition("@")
        if channel not in CHANNELS or wish not in ("sub", "unsub"):
            return [self._owe(number_of, ILLEGAL, "illegal argument")]
        if symbol not in LISTINGS:
            return [self._owe(number_of, NO_CONTENT, "no content")]
        channels = self._channels.setdefault(symbol, [])
        if wish == "unsub":
            if channel in channels:
                channels.remove(channel)
            acknowledgement = self._owe(number_of)
            return [acknowledgement] if channels else [Unwatch(symbol=symbol), acknowledgement]
        if channel not in channels:
            if sum(map(len, self._channels.values())) >= MOST_TOPICS:
                self._owed.append(self._over_the_limit(number_of))
                return [Murmur(name=REQUEST)]
            channels.append(channel)
        self._unacknowledged.setdefault(symbol, []).append(number_of)
        return [Watch(symbol=symbol)]

    def _owe(self, number_of: str, code: int = 0, words: str = "") -> Murmur:
        self._owed.append(self._answer(number_of, code, words))
        return Murmur(name=REQUEST)


def _beat(name: str, time: str) -> str:
    """What comes back with the answer to a ping, as one text."""
    if " " in name:
        raise ValueError("a ping's name has no space")
    return f"{name} {time}" if time else name
