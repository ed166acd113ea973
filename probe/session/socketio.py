"""The part of a codec that every broker on Socket.IO shares: heartbeats, namespaces, and finding the event in a packet.

A broker's codec adds four methods about events and nothing about the transport. What does not look as expected
becomes `Unrecognised` or `UnknownIntent` in one place, so that broker code may read payloads without fear.
"""

from collections.abc import Sequence
from typing import ClassVar

from probe.model.credentials import StrangersRedactor
from probe.model.intents import AnswerBeat, Beat, Intent, Join, Leave, UnknownIntent
from probe.model.meanings import (
    BeatAnswered,
    BeatAsked,
    Goodbye,
    Joined,
    JoinRefused,
    Meaning,
    Unrecognised,
    Welcome,
)
from probe.session.codec import DialectRules, Message
from probe.wire import socketio as wire

ENGINE_BEAT = "engine"  # Engine.IO 3: the client pings
_OURS = frozenset((Join, AnswerBeat, Leave, Beat))  # what this layer may say by itself
NOT_AS_EXPECTED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class SocketIoCodec:
    """Base of the Socket.IO brokers' codecs."""

    __slots__ = ("_reader",)

    rules: DialectRules
    balance_events: ClassVar[frozenset[str]]  # what a word about the account in use may come as

    def __init__(self, *, one_at_a_time: bool = False) -> None:
        self._reader = wire.SocketIoReader(one_at_a_time=one_at_a_time)

    # -- the broker's part -------------------------------------------------------------------------------------------

    def told(self, name: str, arguments: Sequence[object]) -> list[Meaning] | None:
        """What an event from the broker means; None: no such event is known."""
        raise NotImplementedError

    def asked(self, name: str, arguments: Sequence[object]) -> list[Intent] | None:
        """What an event from a client wants; None: no such event is known."""
        raise NotImplementedError

    def write_told(self, meaning: Meaning) -> list[Message]:
        raise NotImplementedError

    def write_asked(self, intent: Intent) -> list[Message]:
        raise NotImplementedError

    # -- the client's two translations -------------------------------------------------------------------------------

    def encode_intent(self, intent: Intent) -> list[Message]:
        if type(intent) not in _OURS:
            return self.write_asked(intent)
        match intent:
            case Join():
                return ["40"]
            case AnswerBeat(payload=payload):
                return [f"3{payload}"]
            case Leave():
                return ["41"]
            case Beat(name="engine", payload=payload):
                return [f"2{payload}"]
            case _:
                return self.write_asked(intent)

    def decode_meaning(self, message: Message) -> list[Meaning]:
        packet = self._reader.read(message)
        if isinstance(packet, wire.SocketEvent):
            name, arguments, namespace = packet
            if namespace != "/" and not _is_ours(namespace):
                return [Unrecognised(problem=_elsewhere(namespace), preview=wire.preview(message))]
            try:
                told = self.told(name, arguments)
            except NOT_AS_EXPECTED as error:
                return [
                    Unrecognised(
                        problem=_unlike(name, error),
                        preview=wire.preview(message),
                        tells_balance=name in self.balance_events,
                    )
                ]
            if told is None:
                return [Unrecognised(problem=_unknown(name), preview=wire.preview(message))]
            return told
        match packet:
            case None:
                return []
            case wire.EnginePing(payload):
                return [BeatAsked(payload=payload)]
            case wire.EnginePong(payload):
                return [BeatAnswered(payload=payload)]
            case wire.EngineOpen(sid, interval, timeout, max_payload):
                return [
                    Welcome(sid=sid, ping_interval=interval, ping_timeout=timeout, max_payload=max_payload)
                ]
            case wire.Connected(name, _) | wire.Disconnected(name) | wire.ConnectRefused(name, _) if (
                not _is_ours(name)
            ):
                return [Unrecognised(problem=_elsewhere(name), preview=wire.preview(message))]
            case wire.Connected(_, sid):
                return [Joined(sid=sid)]
            case wire.Disconnected():
                return [Goodbye(reason="41")]
            case wire.EngineClose():
                return [Goodbye(reason="Engine.IO close")]
            case wire.ConnectRefused(_, text):
                return [JoinRefused(message=text)]
            case wire.Malformed(complaint, preview):
                return [Unrecognised(problem=complaint, preview=preview)]

    # -- the simulator's two -----------------------------------------------------------------------------------------

    def decode_intent(self, message: Message) -> list[Intent]:
        packet = self._reader.read(message)
        match packet:
            case wire.SocketEvent(namespace=namespace) if not _is_ours(namespace):
                return [_strange(_elsewhere(namespace), message)]
            case wire.SocketEvent(name, arguments):
                try:
                    asked = self.asked(name, arguments)
                except NOT_AS_EXPECTED as error:
                    return [_strange(_unlike(name, error), message)]
                return asked if asked is not None else [_strange(_unknown(name), message)]
            case None:
                return []
            case wire.EnginePing(payload):
                return [Beat(name=ENGINE_BEAT, payload=payload)]
            case wire.EnginePong(payload):
                return [AnswerBeat(payload=payload)]
            case wire.Connected(name, _) | wire.Disconnected(name) if not _is_ours(name):
                return [_strange(_elsewhere(name), message)]
            case wire.Connected():
                return [Join()]
            case wire.Disconnected() | wire.EngineClose():
                return [Leave()]
            case wire.Malformed(complaint):
                return [_strange(complaint, message)]
            case _:
                return [_strange(f"{type(packet).__name__} comes only from servers", message)]

    def encode_meaning(self, meaning: Meaning) -> list[Message]:
        match meaning:
            case Welcome():
                return [
                    wire.write_open(
                        meaning.sid, meaning.ping_interval, meaning.ping_timeout, meaning.max_payload
                    )
                ]
            case BeatAsked(payload=payload):
                return [f"2{payload}"]
            case BeatAnswered(payload=payload):
                return [f"3{payload}"]
            case Joined(sid=sid):
                says_sid = (
                    sid is not None and self.rules.query.get("EIO") != "3"
                )  # Socket.IO 2 has none to say
                return ["40" + (wire.write_json({"sid": sid}) if says_sid else "")]
            case JoinRefused(message=text):
                return ["44" + wire.write_json({"message": text})]
            case Goodbye():
                return ["41"]
            case _:
                return self.write_told(meaning)


def _is_ours(namespace: str) -> bool:
    """Brokers use the default one alone; a query may stand behind it."""
    return namespace.partition("?")[0] == "/"


def _elsewhere(namespace: str) -> str:
    return f"a packet of another namespace, {wire.quoted(namespace)}"


def _unknown(name: str) -> str:
    return f"unknown event {wire.quoted(name)}"


def _unlike(name: str, error: Exception) -> str:
    said = str(error)
    detail = f": {said}" if len(said) <= 80 else ""  # never cut: it may quote a secret
    return f"{wire.quoted(name)} does not look as expected ({type(error).__name__}{detail})"


def _strange(problem: str, message: Message) -> UnknownIntent:
    """The served end does not know its clients' secrets, only what a session id looks like."""
    shown = wire.preview(message)
    redact = StrangersRedactor()
    return UnknownIntent(problem=redact(problem), preview=redact(shown))
