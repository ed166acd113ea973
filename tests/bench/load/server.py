"""A server lean enough to stay out of a measurement: one epoll loop, frames made by hand, PocketOption's opening on Engine.IO 4.

It answers `getBalance`, pushes ticks when told to, and counts every frame. Told by lines on standard input, it answers each with
one line of JSON: `counters`, `push RATE text|binary spread|rounds` (each tick at a time of its own, or one to everybody at once),
`quiet`, `delay SECONDS`, `stall SECONDS`, `log` (by the monotonic clock when each question came and when it was answered, since
this was last asked), `ping`, `quit`. The first line it says is `{"port": …}`.
"""

import base64
import hashlib
import heapq
import json
import os
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle

from websockets.speedups import apply_mask

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
GREETING = '0{"sid":"bench","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
BALANCE = '42["successupdateBalance",{"isDemo":1,"balance":50000.5}]'
ASK = b'42["getBalance"]'
HEADER = '451-["updateStream",{"_placeholder":true,"num":0}]'
MASKED_ASK = 0x80 | len(ASK)


def frame(message: str | bytes) -> bytes:
    first, payload = (0x81, message.encode()) if isinstance(message, str) else (0x82, message)
    length = len(payload)
    assert length < 0x10000
    head = bytes((first, length)) if length < 126 else bytes((first, 126)) + length.to_bytes(2, "big")
    return head + payload


OPEN = frame(GREETING)
JOINED = frame('40{"sid":"bench-namespace"}')
ADMITTED = (
    frame('451-["successauth",{"_placeholder":true,"num":0}]')
    + frame(b'{"id":"5f3759df"}')
    + frame('451-["successupdateBalance",{"_placeholder":true,"num":0}]')
    + frame(b'{"isDemo":1,"balance":50000.5}')
)
ANSWER = frame(BALANCE)


class Peer:
    __slots__ = ("held", "is_live", "sock", "upgraded")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.held = b""
        self.upgraded = self.is_live = False


class Server:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.epoll.register(0, select.EPOLLIN)
        self.peers: dict[int, Peer] = {}
        self.live: dict[int, Peer] = {}
        self.turn: Iterator[Peer] = iter(())
        self.rate, self.is_binary, self.push_began, self.pushed = 0.0, False, 0.0, 0
        self.at_once = 1
        self.delay = 0.0
        self.later: list[tuple[float, int, Peer, bytes, float]] = []
        self.log: list[tuple[float, float]] | None = None
        self.stalled_until = 0.0
        self.commands = b""
        self.running = True

    def run(self) -> None:
        say({"port": self.listener.getsockname()[1]})
        while self.running:
            self.wait()
            for fd, _ in self.epoll.poll(0 if self.rate or self.later else -1):
                if fd == self.listener.fileno():
                    self.accept()
                elif fd == 0:
                    self.hear_commands()
                else:
                    self.hear(self.peers[fd])
            if self.later:
                self.send_due()
            if self.rate:
                self.push_due()

    def wait(self) -> None:
        """To the microsecond, which epoll's own timeout is not."""
        now = time.monotonic()
        dues = [self.later[0][0]] if self.later else []
        if self.rate:
            dues.append(self.push_began + (self.pushed + self.at_once) / self.rate)
        if dues:
            select.select([self.epoll], [], [], max(0.0, min(dues) - now))

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.peers[sock.fileno()] = Peer(sock)
            self.epoll.register(sock, select.EPOLLIN)
            self.counts["connections"] += 1

    def lose(self, peer: Peer) -> None:
        fd = peer.sock.fileno()
        self.epoll.unregister(peer.sock)
        peer.sock.close()
        del self.peers[fd]
        if self.live.pop(fd, None):
            self.turn = cycle(list(self.live.values()))
        self.counts["ended"] += 1

    def send(self, peer: Peer, data: bytes, messages: int) -> None:
        """What does not fit is lost with the connection: nobody here reads slowly."""
        try:
            sent = peer.sock.send(data)
        except OSError:
            sent = 0
        if sent == len(data):
            self.counts["messages_out"] += messages
            self.counts["bytes_out"] += sent
        elif peer.sock.fileno() in self.peers:
            self.lose(peer)

    # -- hearing -------------------------------------------------------------------------------------------------------

    def hear(self, peer: Peer) -> None:
        try:
            data = peer.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.lose(peer)
            return
        counts = self.counts
        counts["bytes_in"] += len(data)
        if not peer.upgraded:
            self.upgrade(peer, data)
            return
        if peer.held:
            data = peer.held + data
        position, end = 0, len(data)
        answers = 0
        while position + 6 <= end:
            first, second = data[position], data[position + 1]
            start = position + 6
            length = second & 0x7F
            if length == 126:
                start, length = start + 2, int.from_bytes(data[position + 2 : position + 4], "big")
            if start + length > end:
                break
            if first == 0x81:
                counts["messages_in"] += 1
                message = apply_mask(data[start : start + length], data[start - 4 : start])
                if second == MASKED_ASK and message == ASK:
                    answers += 1
                else:
                    self.hear_text(peer, message)
            elif first == 0x89:
                counts["pings_in"] += 1
                payload = apply_mask(data[start : start + length], data[start - 4 : start])
                self.send(peer, bytes((0x8A, length)) + payload, 0)
            elif first == 0x8A:
                counts["pongs_in"] += 1
            elif first == 0x88:
                self.send(peer, b"\x88\x02\x03\xe8", 0)
                self.lose(peer)
                return
            position = start + length
        peer.held = data[position:]
        if answers:
            self.counts["answers"] += answers
            if self.delay or self.stalled_until:
                self.answer_later(peer, answers)
            else:
                self.send(peer, ANSWER * answers, answers)

    def hear_text(self, peer: Peer, message: bytes) -> None:
        if message.startswith(b"40"):
            self.send(peer, JOINED, 1)
        elif message.startswith(b'42["auth"'):
            self.send(peer, ADMITTED, 4)
            self.live[peer.sock.fileno()] = peer
            self.turn = cycle(list(self.live.values()))

    def upgrade(self, peer: Peer, data: bytes) -> None:
        peer.held += data
        if b"\r\n\r\n" not in peer.held:
            return
        (key,) = (
            line.split(b":", 1)[1].strip()
            for line in peer.held.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        peer.held, peer.upgraded = b"", True
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.send(peer, head + OPEN, 1)

    # -- later and unasked ---------------------------------------------------------------------------------------------

    def answer_later(self, peer: Peer, answers: int) -> None:
        now = time.monotonic()
        due = max(now + self.delay, self.stalled_until)
        for _ in range(answers):
            heapq.heappush(self.later, (due, self.counts["answers_due"], peer, ANSWER, now))
            self.counts["answers_due"] += 1
        if now > self.stalled_until:
            self.stalled_until = 0.0

    def send_due(self) -> None:
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            _, _, peer, data, came = heapq.heappop(self.later)
            if peer.sock.fileno() >= 0:
                self.send(peer, data, 1)
                if self.log is not None:
                    self.log.append((came, time.monotonic()))

    def push_due(self) -> None:
        now = time.monotonic()
        due = int((now - self.push_began) * self.rate / self.at_once) * self.at_once
        while self.pushed < due:
            self.pushed += 1
            if not self.live:
                continue
            peer = next(self.turn)
            rows = f'[["EURUSD_otc",{1_789_230_980 + round(now, 3)},1.1436{self.pushed % 10}]]'
            if self.is_binary:
                self.send(peer, frame(HEADER) + frame(rows.encode()), 2)
            else:
                self.send(peer, frame(f'42["updateStream",{rows}]'), 1)
            self.counts["ticks"] += 1

    # -- being told ----------------------------------------------------------------------------------------------------

    def hear_commands(self) -> None:
        read = os.read(0, 65536)
        if not read:
            self.running = False
        *lines, self.commands = (self.commands + read).split(b"\n")
        for line in lines:
            self.obey(*line.decode().split())

    def obey(self, verb: str, *words: str) -> None:
        match verb, *words:
            case "push", rate, kind, manner:
                self.rate, self.is_binary = float(rate), kind == "binary"
                self.at_once = max(1, len(self.live)) if manner == "rounds" else 1
                self.push_began, self.pushed = time.monotonic(), 0
            case ("quiet",):
                self.rate = 0.0
            case "delay", seconds:
                self.delay = float(seconds)
            case "stall", seconds:
                self.stalled_until = time.monotonic() + float(seconds)
            case ("log",):
                told, self.log = self.log, []
                say({"log": told or []})
                return
            case ("ping",):
                for peer in list(self.live.values()):
                    self.send(peer, frame("2"), 1)
            case ("quit",):
                self.running = False
            case _:
                pass
        say({**self.counts, "live": len(self.live), "cpu_seconds": time.process_time()})


def say(what: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    Server().run()
