"""How a simulator proves that it is one: it answers a challenge with the key that whoever started it gave to it alone.

An address proves nothing: a loopback port may be a tunnel to a real broker. The answer holds for the port that was asked
and no other, so a relay cannot pass a simulator's answer off as its own; and for as long as the connection stays on which
it was given, so whoever has the port after the simulator cannot either.
"""

import hmac
import re

from probe.model.credentials import Secret
from probe.model.events import Ended, Event, Phase, Traffic
from probe.model.failures import Failure
from probe.wire.drivable import Signal
from probe.wire.heads import Head

PATH = "/.well-known/tradeprobe-sim"
LEAST_KEY_CHARACTERS = 32
_ASKED = re.compile(rf"GET {re.escape(PATH)}\?nonce=([0-9a-f]{{32,128}}) HTTP/1\.[01]")


def proof_of(key: Secret, nonce: str, place: str) -> str:
    """`place`: address and port as one dials them, such as `127.0.0.1:8001`."""
    said = f"tradeprobe-sim\n{nonce}\n{place}"
    return hmac.digest(key.reveal().encode(), said.encode(), "sha256").hex()


def is_proof(answer: str, key: Secret, nonce: str, place: str) -> bool:
    return hmac.compare_digest(answer.strip().encode(), proof_of(key, nonce, place).encode())


def nonce_asked(head: Head | None) -> str | None:
    asked = _ASKED.fullmatch(head.first_line) if head is not None else None
    return asked[1] if asked else None


class Proving:
    """The connection on which a proof is asked, as a Drivable: it is told, and then kept for as long as the other end wants."""

    def __init__(self, proof: str) -> None:
        body = f"{proof}\n".encode()
        self._outgoing: list[bytes | Signal] = [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        ]
        self._events: list[Event] = []

    def begin(self, now: float) -> None: ...

    def receive(self, item: bytes, now: float) -> None: ...

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if not self._events:
            self._outgoing.append(Signal.CLOSE)
            self._events.append(Ended(at=now, phase=Phase.UPGRADING, failure=None, traffic=Traffic()))

    def wake(self, now: float) -> None: ...

    def next_wake(self) -> float | None:
        return None

    def outgoing(self) -> list[bytes | Signal]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events
