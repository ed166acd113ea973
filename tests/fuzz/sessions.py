"""Both ends of a session under any bytes after the greeting: no exception, one `Ended`, no timer after it, few events.

The client's secret must stay with the client, whatever the server says to it.
"""

import random
from collections.abc import Iterable, Iterator
from functools import cache

from probe.model.events import Ended, Event, Heard, Phase, QuoteArrived, RequestAnswered, Told
from probe.model.intents import AskBalance, AskHistory
from probe.session.behaviour import Misbehaviour
from probe.session.client import ClientSession
from probe.session.codec import Message
from probe.session.served import ServedSession
from probe.wire.drivable import Signal
from probe.wire.frames import FrameStream
from probe.wire.websocket import ServedSocket
from tests.fuzz.messages import PACKETS, joined, split
from tests.fuzz.websocket_target import chunks
from tests.pretending import Known, ScriptedDesk, client_session

Session = ClientSession | ServedSession
# The first byte says which end listens and whether it gets frames (raw bytes) or messages; the second how they are cut.
CLIENT_RAW, SERVER_RAW, CLIENT, SERVER = b"\0", b"\1", b"\2", b"\3"
PAUSE = "\x10"  # a message of these lets 7 s pass for each
GREETING = '0{"sid":"Qn2Y","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
_ASKED = AskHistory(symbol="EURUSD_otc", period=60, until=1789230980.0, span=600.0, index=42)
_REPEATS_WHAT_THE_PEER_SAID = Told | RequestAnswered | QuoteArrived | Heard


def framed(messages: Iterable[Message], *, is_client: bool) -> Iterator[bytes]:
    stream = FrameStream(rng=random.Random(3), max_message=10**6, is_client=is_client)
    for message in messages:
        yield stream.send_text(message) if isinstance(message, str) else stream.send_binary(message)


def seeds(known: Known, down: list[list[Message]], up: list[list[Message]]) -> list[bytes]:
    """What a server and what a client may say, as messages and as raw bytes."""
    token = known.token.encode()
    return [
        *(CLIENT + b"\0" + joined(messages) for messages in down),
        *(SERVER + b"\0" + joined(messages) for messages in up),
        *(CLIENT_RAW + b"\1" + b"".join(framed(messages, is_client=False)) for messages in down[:3]),
        *(SERVER_RAW + b"\2" + b"".join(framed(messages, is_client=True)) for messages in up[:2]),
        # a close frame that quotes the secret
        CLIENT_RAW + b"\3\x88" + bytes([2 + len(token)]) + b"\x0f\xa1" + token,
    ]


def dictionary(known: Known, *further: bytes) -> list[bytes]:
    return [
        *PACKETS, PAUSE.encode(), PAUSE.encode() * 20, b"\x88\x02\x03\xe8", b"\x89\x00", b"\x8a\x00", b"\x81\x00",
        known.ssid.encode(), CLIENT, SERVER, CLIENT_RAW, SERVER_RAW, *further,
    ]  # fmt: skip


def _server(known: Known) -> ServedSession:
    return ServedSession(
        codec=known.broker.codec(), desk=ScriptedDesk(), misbehaviour=Misbehaviour(), rng=random.Random(2)
    )


@cache
def _request(known: Known) -> bytes:
    session = client_session(known)
    session.begin(0.0)
    return b"".join(item for item in session.outgoing() if isinstance(item, bytes))


@cache
def _accepted(known: Known) -> bytes:
    socket = ServedSocket(rng=random.Random(2), max_message=10**6)
    socket.receive(_request(known))
    return socket.accept() + b"".join(framed([GREETING], is_client=False))


class _Run:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.now = 0.0
        self.told: list[Event] = []
        self.asked = False

    def after(self) -> None:
        self.told += self.session.events()
        for item in self.session.outgoing():
            assert isinstance(item, bytes | Signal)
        if self.told and isinstance(self.told[-1], Ended):
            assert self.session.next_wake() is None
        if isinstance(self.session, ClientSession) and self.session.phase is Phase.LIVE and not self.asked:
            self.asked = True
            self.session.ask(_ASKED, self.now)
            self.session.ask(AskBalance(), self.now)
            self.after()

    def receive(self, data: bytes) -> None:
        self.session.receive(data, self.now)
        self.after()

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.session.next_wake()) is not None and due <= until:
            assert due >= self.now - 1e-6
            self.now = max(self.now, due)
            self.session.wake(self.now)
            self.after()
        self.now = until


def check(known: Known, data: bytes) -> None:
    is_server, is_raw = data[:1] in (SERVER_RAW, SERVER), data[:1] in (CLIENT_RAW, SERVER_RAW)
    play = _Run(_server(known) if is_server else client_session(known))
    play.session.begin(0.0)
    play.receive(_request(known) if is_server else _accepted(known))
    before = len(play.told)

    waited = 0
    if is_raw:
        for piece in chunks(data[2:], random.Random(data[1] if len(data) > 1 else 0)):
            play.receive(piece)
    else:
        for message in split(data[2:]):
            if message and isinstance(message, str) and not message.strip(PAUSE):
                play.wait(7.0 * min(len(message), 40))
                waited += 7 * min(len(message), 40)
                continue
            play.receive(next(framed([message], is_client=is_server)))
    play.session.receive_end(play.now, None)
    play.after()
    assert len(play.told) - before <= 50 + len(data) + waited

    assert [type(event) for event in play.told].count(Ended) == 1
    assert isinstance(play.told[-1], Ended)
    quiet = len(play.told)
    play.receive(b"\x81\x00")
    play.wait(100.0)
    assert len(play.told) == quiet
    _keeps_the_secret(known.token, play, data)


def _keeps_the_secret(token: str, play: _Run, data: bytes) -> None:
    """A peer may say the secret where any text may stand, as the name of a symbol; then it stands there."""
    repeated = token.encode() in data
    is_server = isinstance(play.session, ServedSession)
    if is_server and any(isinstance(event, Heard) and token in repr(event) for event in play.told):
        return
    for event in play.told:
        if not (repeated and isinstance(event, _REPEATS_WHAT_THE_PEER_SAID)):
            assert token not in repr(event)
    assert not any(token in line.text for line in play.session.transcript())
