"""The part of a codec that every broker on Socket.IO shares: heartbeats, namespaces, and finding the event in a packet.

A broker's codec adds four methods about events and nothing about the transport. What does not look as expected
becomes `Unrecognised` or `UnknownIntent` in one place, so that broker code may read payloads without fear.
"""

from collections.abc import Sequence
from typing import ClassVar

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
NOT_AS_EXPECTED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class SocketIoCodec:
    """Base of the Socket.IO brokers' codecs."""

    __slots__ = ("_reader",)

    rules: ClassVar[DialectRules]

    def __init__(self) -> None:
        self._reader = wire.SocketIoReader()

    # -- the broker's part -------------------------------------------------------------------------------------------

    def told(self, name: str, arguments: Sequence[object]) -> list[Meaning]:
        """What an event from the broker means."""
        raise NotImplementedError

    def asked(self, name: str, arguments: Sequence[object], text: Message) -> list[Intent]:
        """What an event from a client wants."""
        raise NotImplementedError

    def write_told(self, meaning: Meaning) -> list[Message]:
        raise NotImplementedError

    def write_asked(self, intent: Intent) -> list[Message]:
        raise NotImplementedError

    # -- the client's two translations -------------------------------------------------------------------------------

    def encode_intent(self, intent: Intent) -> list[Message]:
        match intent:
            case Join():
                return ["40"]
            case AnswerBeat(payload=payload):
                return [f"3{payload}"]
            case Leave():
                return ["41"]
            case Beat(name="engine"):
                return ["2"]
            case _:
                return self.write_asked(intent)

    def decode_meaning(self, message: Message) -> list[Meaning]:
        packet = self._reader.read(message)
        if isinstance(packet, wire.SocketEvent):
            try:
                return self.told(packet.name, packet.arguments)
            except NOT_AS_EXPECTED as problem:
                return [Unrecognised(problem=_unlike(packet.name, problem), preview=_shown(packet.arguments))]
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
            case wire.SocketEvent(name, arguments):
                try:
                    return self.asked(name, arguments, message)
                except NOT_AS_EXPECTED as problem:
                    return [UnknownIntent(problem=_unlike(name, problem), preview=_shown(arguments))]
            case None:
                return []
            case wire.EnginePing():
                return [Beat(name=ENGINE_BEAT)]
            case wire.EnginePong(payload):
                return [AnswerBeat(payload=payload)]
            case wire.Connected():
                return [Join()]
            case wire.Disconnected() | wire.EngineClose():
                return [Leave()]
            case wire.Malformed(complaint, preview):
                return [UnknownIntent(problem=complaint, preview=preview)]
            case _:
                return [UnknownIntent(problem=f"a client does not send {type(packet).__name__}", preview="")]

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
                return ["40" + (wire.write_json({"sid": sid}) if sid is not None else "")]
            case JoinRefused(message=text):
                return ["44" + wire.write_json({"message": text})]
            case Goodbye():
                return ["41"]
            case _:
                return self.write_told(meaning)


def _unlike(name: str, problem: Exception) -> str:
    return f"{name[:60]!r} does not look as expected ({type(problem).__name__}: {str(problem)[:80]})"


def _shown(arguments: Sequence[object]) -> str:
    return repr(list(arguments))[: wire.PREVIEW]
