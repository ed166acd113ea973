"""Both ends of a session under any bytes after the greeting: no exception, one `Ended`, nothing after it, few events.

Whatever the server says, the client's secret stays with the client, which logs in once, and orders only where the newest
balance is a demo account's.
"""

import contextlib
import random
from collections.abc import Iterable, Iterator
from functools import cache

from probe.model.errors import UnsafeTarget
from probe.model.events import Ended, Event, Heard, Phase, QuoteArrived, RequestAnswered, Told
from probe.model.intents import AskBalance, AskHistory, PlaceOrder
from probe.model.meanings import Balance, Direction, Purses
from probe.session.behaviour import Misbehaviour
from probe.session.client import ClientSession
from probe.session.codec import Message
from probe.session.served import ServedSession
from probe.wire.drivable import Signal
from probe.wire.frames import Broken, FrameStream, Text
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
_ORDER = PlaceOrder(symbol="EURUSD_otc", direction=Direction.CALL, amount=1.0, duration=60, request_id=7)
PONG = "3"  # repeats what its ping said
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
        codec=known.broker.codec(),
        desk=ScriptedDesk(zone=known.broker.zone_seconds),
        misbehaviour=Misbehaviour(),
        rng=random.Random(2),
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
        self.said: list[bytes | Signal] = []
        self._asked = False

    def after(self) -> None:
        news = self.session.events()
        self.told += news
        self.said += self.session.outgoing()
        if self.told and isinstance(self.told[-1], Ended):
            assert self.session.next_wake() is None
        if isinstance(self.session, ClientSession) and self.session.phase is Phase.LIVE:
            if not self._asked:
                self._asked = True
                self.session.ask(_ASKED, self.now)
                self.session.ask(AskBalance(), self.now)
                self._order(self.session)
            elif any(map(_balance_in, news)):
                self._order(self.session)

    def _order(self, session: ClientSession) -> None:
        with contextlib.suppress(UnsafeTarget):
            session.ask(_ORDER, self.now)
            assert _says_demo(self.told)
        self.after()

    def receive(self, data: bytes) -> None:
        self.session.receive(data, self.now)
        self.after()

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        wakes = 0
        while (due := self.session.next_wake()) is not None and due <= until:
            assert due >= self.now - 1e-6
            assert (wakes := wakes + 1) <= 20 + 5 * seconds
            self.now = max(self.now, due)
            self.session.wake(self.now)
            self.after()
        self.now = until


def _balance_in(event: Event) -> Balance | Purses | None:
    match event:
        case (
            Told(meaning=Balance() | Purses() as told) | RequestAnswered(answer=Balance() | Purses() as told)
        ):
            return told
        case _:
            return None


def _says_demo(told: list[Event]) -> bool:
    """Whether the newest word about the account is that it is a demo account."""
    newest = next(filter(None, map(_balance_in, reversed(told))), None)
    return isinstance(newest, Balance) and newest.is_demo is True


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
    quiet = len(play.told), len(play.said)
    play.receive(b"\x81\x00")
    play.wait(100.0)
    assert (len(play.told), len(play.said)) == quiet
    _keeps_the_secret(known.token, play, data)
    _speaks_websocket(known, play, is_server=is_server)


def _speaks_websocket(known: Known, play: _Run, *, is_server: bool) -> None:
    """What was written can be read, nothing follows a signal to close, and a client logs in once at most."""
    last = next((at for at, item in enumerate(play.said) if isinstance(item, Signal)), len(play.said))
    assert not any(isinstance(item, bytes) for item in play.said[last:])
    _, _, frames = b"".join(item for item in play.said if isinstance(item, bytes)).partition(b"\r\n\r\n")
    reader = FrameStream(rng=random.Random(1), max_message=10**6, is_client=is_server)
    read = reader.receive_frames(frames)
    assert not any(isinstance(event, Broken) for event in read)
    if not is_server:
        texts = [event.text for event in read if isinstance(event, Text)]
        logins = [text for text in texts if known.token in text and not text.startswith(PONG)]
        assert logins in ([], [known.ssid])


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
