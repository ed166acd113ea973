"""Both ends of a session under any bytes after the greeting: no exception, one `Ended`, no timer after it, few events.

The client's secret must stay with the client, whatever the server says to it.
"""

import random
from collections.abc import Iterator

from probe.brokers.pocketoption.codec import PocketOptionCodec
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
from tests.pretending import SSID, TOKEN, ScriptedDesk, client_session

Session = ClientSession | ServedSession
# The first byte says which end listens and whether it gets frames (raw bytes) or messages; the second how they are cut.
CLIENT_RAW, SERVER_RAW, CLIENT, SERVER = b"\0", b"\1", b"\2", b"\3"
PAUSE = "\x10"  # a message of these lets 7 s pass for each
GREETING = '0{"sid":"Qn2Y","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
_ASKED = AskHistory(symbol="EURUSD_otc", period=60, until=1789230980.0, span=600.0, index=42)
_REPEATS_WHAT_THE_PEER_SAID = Told | RequestAnswered | QuoteArrived | Heard


def _frames(messages: list[Message], *, is_client: bool) -> Iterator[bytes]:
    stream = FrameStream(rng=random.Random(3), max_message=10**6, is_client=is_client)
    for message in messages:
        yield stream.send_text(message) if isinstance(message, str) else stream.send_binary(message)


def _client() -> ClientSession:
    return client_session()


def _server() -> ServedSession:
    return ServedSession(
        codec=PocketOptionCodec(), desk=ScriptedDesk(), misbehaviour=Misbehaviour(), rng=random.Random(2)
    )


def _request() -> bytes:
    session = _client()
    session.begin(0.0)
    return b"".join(item for item in session.outgoing() if isinstance(item, bytes))


def _accepted() -> bytes:
    socket = ServedSocket(rng=random.Random(2), max_message=10**6)
    socket.receive(REQUEST)
    return socket.accept()


REQUEST = _request()
ACCEPTED = _accepted() + b"".join(_frames([GREETING], is_client=False))


def _attached(name: str, payload: str) -> list[Message]:
    return [f'451-["{name}",{{"_placeholder":true,"num":0}}]', payload.encode()]


_LOGIN: list[Message] = [
    '40{"sid":"k3Vn"}',
    *_attached("successauth", '{"id":"5f3759df"}'),
    *_attached("successupdateBalance", '{"isDemo":1,"balance":50000}'),
]
_TICK = _attached("updateStream", '[["EURUSD_otc",1789230980.123,1.14362]]')
_DOWN: list[list[Message]] = [
    [*_LOGIN, *_TICK, "2", PAUSE * 3, *_TICK, "2", '42["unheardOf",{"x":1}]', PAUSE * 9],
    [*_LOGIN, *_attached("updateHistoryNewFast", '{"asset":"EURUSD_otc","period":60,"history":[[1,2]],"candles":[]}')],
    [*_LOGIN, *_attached("loadHistoryPeriodFast", '{"asset":"EURUSD_otc","index":42,"period":60,"data":[]}'), "41"],
    [*_LOGIN, *_attached("successcloseOrder", '{"profit":0,"deals":[]}'), '42["NotAuthorized"]', "41"],
    ['40{"sid":"k3Vn"}', f'42["NotAuthorized",{{"reason":"no such session {TOKEN}"}}]', "41"],
    [f'44{{"message":"who is {TOKEN}"}}'],
    [*_LOGIN, f'42["{TOKEN}"]', f'42["whoIs",["{TOKEN}"', f"x{TOKEN}", TOKEN.encode(), f'42["chafor","{TOKEN}"]'],
    [*_LOGIN, GREETING, '44"late"', PAUSE, "40", PAUSE * 40],
]  # fmt: skip
_UP: list[list[Message]] = [
    ["40", SSID, '42["ps"]', "3", PAUSE * 4, "3", '42["changeSymbol",{"asset":"EURUSD_otc","period":60}]', PAUSE],
    ["40", SSID, '42["openOrder",{"asset":"E","amount":1,"action":"call","isDemo":1,"requestId":7,"time":60}]', "41"],
    ["40", SSID, '42["loadHistoryPeriod",{"asset":"E","index":1,"time":1733698782,"offset":9,"period":60}]', "1"],
    ["40", SSID, '42["openPendingOrder",{"openType":1,"amount":1,"asset":"E","openPrice":1,"timeframe":60,"command":1}]'],
    ["40", '42["getBalance"]', SSID[:-9], SSID.replace("auth", "login"), '42["subfor","E"]', PAUSE * 30],
]  # fmt: skip
SEEDS: list[bytes] = [
    *(CLIENT + b"\0" + joined(messages) for messages in _DOWN),
    *(SERVER + b"\0" + joined(messages) for messages in _UP),
    *(CLIENT_RAW + b"\1" + b"".join(_frames(messages, is_client=False)) for messages in _DOWN[:3]),
    *(SERVER_RAW + b"\2" + b"".join(_frames(messages, is_client=True)) for messages in _UP[:2]),
    CLIENT_RAW
    + b"\3\x88"
    + bytes([2 + len(TOKEN)])
    + b"\x0f\xa1"
    + TOKEN.encode(),  # a close frame that quotes it
]
DICTIONARY: list[bytes] = [
    *PACKETS, PAUSE.encode(), PAUSE.encode() * 20, b'42["ps"]', b"\x88\x02\x03\xe8", b"\x89\x00", b"\x8a\x00", b"\x81\x00",
    SSID.encode(), b'40{"sid":"k3Vn"}', joined(_TICK), joined(_LOGIN), CLIENT, SERVER, CLIENT_RAW, SERVER_RAW,
]  # fmt: skip


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


def run(data: bytes) -> None:
    is_server, is_raw = data[:1] in (SERVER_RAW, SERVER), data[:1] in (CLIENT_RAW, SERVER_RAW)
    play = _Run(_server() if is_server else _client())
    play.session.begin(0.0)
    play.receive(REQUEST if is_server else ACCEPTED)
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
            play.receive(next(_frames([message], is_client=is_server)))
    play.session.receive_end(play.now, None)
    play.after()
    assert len(play.told) - before <= 50 + len(data) + waited

    assert [type(event) for event in play.told].count(Ended) == 1
    assert isinstance(play.told[-1], Ended)
    quiet = len(play.told)
    play.receive(b"\x81\x00")
    play.wait(100.0)
    assert len(play.told) == quiet
    _keeps_the_secret(play, data)


def _keeps_the_secret(play: _Run, data: bytes) -> None:
    """A peer may say the secret where any text may stand, as the name of a symbol; then it stands there."""
    repeated = TOKEN.encode() in data
    is_server = isinstance(play.session, ServedSession)
    if is_server and any(isinstance(event, Heard) and TOKEN in repr(event) for event in play.told):
        return
    for event in play.told:
        if not (repeated and isinstance(event, _REPEATS_WHAT_THE_PEER_SAID)):
            assert TOKEN not in repr(event)
    assert not any(TOKEN in line.text for line in play.session.transcript())
