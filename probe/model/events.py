"""Facts at monotonic instants: all that a session ever says. A closed union.

`QuoteArrived`, `RequestSent` and `RequestAnswered` come by the thousand and are named tuples (a third of the cost to build);
the rest are frozen dataclasses.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from probe.model.failures import Failure
from probe.model.intents import Intent
from probe.model.meanings import Meaning

WEBSOCKET = "websocket"  # the heartbeat every socket answers: a control ping
POLL = "poll"  # and where questions are asked one by one: the lightest of them
PINGS = (WEBSOCKET, POLL)  # whose round trip is the way's, and not the broker's own keep-alive's


class Phase(Enum):
    """The life of one connection. The first belongs to whoever turns a password into a session, the next four to the
    dialler, the rest to the session."""

    SIGNING_IN = "signing in"  # on web pages, only with a password
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    TUNNELLING = "tunnelling"  # only through a proxy
    SECURING = "securing"
    UPGRADING = "upgrading"
    OPENING = "opening"
    JOINING = "joining"
    AUTHENTICATING = "authenticating"
    LIVE = "live"
    CLOSING = "closing"
    ENDED = "ended"


class QuoteArrived(NamedTuple):
    at: float
    symbol: str
    broker_time: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished:
    at: float
    phase: Phase
    began_at: float

    @property
    def seconds(self) -> float:
        return self.at - self.began_at


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    version: str
    cipher: str
    alpn: str | None
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float | None  # UTC seconds
    not_after: float | None
    fingerprint: str  # SHA-256 of the certificate, hex
    earliest_end: float | None = None  # of this certificate and all others that came with it


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpFacts:
    """The kernel's own view of a connection."""

    rtt_seconds: float
    rtt_variation_seconds: float
    retransmits: int
    unacknowledged: int = 0  # segments that were sent and not acknowledged
    backoff: int = 0  # how often in a row the wait before the next retransmission was doubled
    unread_bytes: int = 0  # they came, and nobody here has read them
    heard_seconds: float | None = None  # since any byte of the other end's came
    acknowledged_seconds: float | None = None  # since it acknowledged anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """What the way to the server was: addresses found, the one taken, what TLS agreed on. With a proxy, the addresses are
    the proxy's."""

    at: float
    addresses: tuple[str, ...]
    address: str
    local_port: int
    tls: TlsFacts | None
    proxy: str | None = None  # without its password
    local_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    at: float
    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstData:
    """The first tick since the subscription that asked for it."""

    at: float
    asked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSent:
    at: float
    name: str
    due_at: float  # `at` minus this is our own lateness


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAnswered:
    at: float
    name: str
    due_at: float
    sent_at: float

    @property
    def rtt_seconds(self) -> float:
        return self.at - self.sent_at


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatMissed:
    at: float
    name: str
    sent_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerBeat:
    """The server's own heartbeat, answered at once."""

    at: float


class RequestSent(NamedTuple):
    at: float
    request: int
    intent: Intent


class RequestAnswered(NamedTuple):
    at: float
    request: int
    intent: Intent
    answer: Meaning
    sent_at: float

    @property
    def rtt_seconds(self) -> float:
        return self.at - self.sent_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExpired:
    """No answer in time. For an order that means *unconfirmed*: it may stand, it may not; never success, never loss."""

    at: float
    request: int
    intent: Intent
    sent_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something the broker said unasked."""

    at: float
    meaning: Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something a client asked; only a serving session says this."""

    at: float
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """Not in the table, not in the vocabulary, or broken; noted and survived."""

    at: float
    phase: Phase
    problem: str
    preview: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """WebSocket messages and bytes of one session, each way."""

    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    def plus(self, other: "Traffic") -> "Traffic":
        return Traffic(
            messages_sent=self.messages_sent + other.messages_sent,
            messages_received=self.messages_received + other.messages_received,
            bytes_sent=self.bytes_sent + other.bytes_sent,
            bytes_received=self.bytes_received + other.bytes_received,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last event of every attempt, exactly once. `failure` None: we left in order."""

    at: float
    phase: Phase  # where the session was when it began to end
    failure: Failure | None
    traffic: Traffic
    heard_seconds: float | None = None  # since any byte came; None: none ever did, or nobody counts
    said_seconds: float | None = None  # since we sent a message
    in_order: bool = False  # both ends said goodbye: what was sent has arrived


Event = (
    QuoteArrived | PhaseFinished | Dialled | Upgraded | FirstData | HeartbeatSent | HeartbeatAnswered | HeartbeatMissed
    | PeerBeat | RequestSent | RequestAnswered | RequestExpired | Told | Heard | Surprise | Ended
)  # fmt: skip
