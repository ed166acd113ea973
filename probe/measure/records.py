"""What a monitor says about its targets: the closed union that the store keeps, the views show and the API hands out.

Times named `…_utc` are UTC seconds; everything was measured on the monotonic clock and dated once, when the record was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, NamedTuple, TypeVar

from probe.measure.histogram import Histogram
from probe.model.events import Phase
from probe.model.failures import Blame, Failure
from probe.model.findings import Certainty
from probe.session.transcript import Line

T = TypeVar("T")


class Transport(Enum):
    """Does the connection stand, and does anything come through it."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    MUTE = "mute"  # heartbeats are not answered


class Protocol(Enum):
    """Is the session over it open."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"


class Login(Enum):
    NOT_ASKED = "not asked"
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Data(Enum):
    """Do prices come."""

    NOT_ASKED = "not asked"
    AWAITED = "awaited"  # subscribed, nothing yet
    FLOWING = "flowing"
    QUIET = "quiet"  # nothing comes, and nothing should: the market is closed
    STALLED = "stalled"


class SessionState(Enum):
    """The four above in one word."""

    IDLE = "idle"
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    STREAMING = "streaming"
    DEGRADED = "degraded"
    STALLED = "stalled"
    BACKOFF = "backoff"
    AUTH_REJECTED = "auth_rejected"
    STOPPED = "stopped"


class Cause(Enum):
    """Why a second was bad. Every bad second has exactly one."""

    DISCONNECTED = "disconnected"
    AUTH = "auth"
    STALLED = "stalled"
    DEGRADED = "degraded"


class Trigger(Enum):
    """Why a connection was made."""

    START = "start"
    REMOTE_CLOSE = "remote_close"
    STALL = "stall"
    PING_TIMEOUT = "ping_timeout"
    NETWORK_ERROR = "network_error"
    AUTH_REFRESH = "auth_refresh"
    ENDPOINT_SWITCH = "endpoint_switch"
    OPERATOR = "operator"


class Metric(Enum):
    """What one number is. The value is the name everywhere: rows, JSON, Prometheus after its prefix."""

    WS_RTT = "ws_ping_rtt_seconds"
    APP_RTT = "app_rtt_seconds"
    POLL_RTT = "poll_rtt_seconds"  # of the lightest question, where questions are asked one by one
    BEAT_RTT = "beat_rtt_seconds"  # of the broker's own keep-alive, where it is answered
    TCP_RTT = "tcp_rtt_seconds"  # the kernel's
    LOOP_LAG = "event_loop_lag_seconds"  # of this process; in periods: when samples were taken
    UPLINK_RTT = "uplink_rtt_seconds"
    CONNECT = "connect_duration_seconds"  # first dial to data flowing
    TICK_GAP = "tick_interarrival_seconds"
    CLOCK_SKEW = "clock_skew_seconds"
    ACCESS_RTT = "access_rtt_seconds"  # of connecting to one of the broker's access points
    TERMINAL_PING = "terminal_ping_seconds"  # between a terminal and its broker, as the terminal says
    FEED_LAG = "feed_lag_seconds"  # between a price's own time and when its sender had it
    SERVER_PROCESS = "server_process_seconds"  # that an answer took at the other end, as it says
    ORDER_RTT = "order_rtt_seconds"  # between an order and its execution, as a terminal's journal says
    HEALTH = "health_score"


PINGS = (Metric.WS_RTT, Metric.POLL_RTT)  # a target has one of them


def ping_in(of_each: Mapping[Metric, T]) -> T | None:
    """What is there for the way's own round trip."""
    return next((of_each[metric] for metric in PINGS if metric in of_each), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    transport: Transport = Transport.DOWN
    protocol: Protocol = Protocol.CLOSED
    login: Login = Login.NOT_ASKED
    data: Data = Data.NOT_ASKED
    state: SessionState = SessionState.IDLE
    cause: Cause | None = None  # None: this is a good second, or not an observed one
    sentence: str = "not started"  # why it is so, in words
    code: str | None = None  # the catalogue's slug, when something is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    kind: ClassVar[str] = "state"
    at_utc: float
    target: str
    endpoint: str | None
    before: SessionState
    condition: Condition
    trigger: Trigger | None = None  # of the connection that this is about


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    phase: Phase
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One connection attempt, its steps, and how far it came: of the held session, of a knock, of a race."""

    kind: ClassVar[str] = "attempt"
    at_utc: float  # when it began
    target: str
    endpoint: str
    purpose: str  # hold, knock, race, measure
    trigger: Trigger | None = None
    phases: tuple[PhaseTime, ...] = ()
    failure: Failure | None = None  # None: it came as far as it was meant to
    address: str | None = None
    http_status: int | None = None
    certificate_expires_utc: float | None = None
    tls: str | None = None  # version and cipher
    proxy: str | None = None
    tcp_rtt_seconds: float | None = None

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """A session that had been live is over."""

    kind: ClassVar[str] = "disconnect"
    at_utc: float
    target: str
    endpoint: str
    lasted_seconds: float
    initiator: str  # local, remote, network
    close_code: int | None
    planned: bool  # the server said goodbye, or it came on its usual beat
    failure: Failure | None
    heard_seconds: float | None = None  # since any byte came
    said_seconds: float | None = None  # since we sent a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A failure that the doctor's rules recognised in what was known at that moment."""

    code: str  # the catalogue's slug
    certainty: Certainty
    says: str  # what is wrong, in one sentence without its full stop
    at_utc: float
    evidence: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # look-alikes that something observed rules out
    remaining: tuple[str, ...] = ()  # look-alikes that nothing does


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A stretch of bad time with one beginning, its cause and its evidence. Told when it begins and again when it ends."""

    kind: ClassVar[str] = "incident"
    id: str  # unique in the store: target and beginning
    target: str
    began_utc: float
    ended_utc: float | None
    cause: Cause
    code: str  # the catalogue's slug
    sentence: str  # what happened
    advice: str  # what to do
    blame: Blame
    endpoint: str | None
    evidence: tuple[Line, ...] = ()  # the last messages before it, redacted; `Line.at` is UTC here
    figures: Mapping[str, float | None] = field(default_factory=dict)  # what else was measured then
    blind_seconds: float = 0.0  # without prices while the market was open
    candles_missed: int = 0  # whole minutes of it
    planned: bool = False
    pattern: str | None = None  # "every 18 min ± 1", when it is one of such a row
    verdicts: tuple[Recognised, ...] = ()  # the doctor's, beside `code`; first what broke first

    @property
    def at_utc(self) -> float:
        return self.began_utc if self.ended_utc is None else self.ended_utc

    @property
    def rather(self) -> Recognised | None:
        """The doctor's first verdict, where it names another failure than `code` does."""
        first = self.verdicts[0] if self.verdicts else None
        return None if first is None or first.code == self.code else first


class Severity(Enum):
    PAGE = "page"
    TICKET = "ticket"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Told when it fires, again while it lasts, and when it is resolved."""

    kind: ClassVar[str] = "alert"
    name: str
    target: str | None  # None: about the monitor itself
    severity: Severity
    message: str
    value: float | None
    threshold: float | None
    fired_utc: float
    resolved_utc: float | None = None
    repeated: int = 0  # how often it was told again

    @property
    def at_utc(self) -> float:
        return self.fired_utc if self.resolved_utc is None else self.resolved_utc


class Sample(NamedTuple):
    """One number. `tainted`: it was taken while we were late ourselves, and no judgement uses it."""

    at_utc: float
    target: str
    endpoint: str | None
    metric: Metric
    value: float
    tainted: bool


class Tick(NamedTuple):
    at_utc: float
    target: str
    symbol: str
    broker_time: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The sums of one stretch of time: a minute as it is told, longer ones by merging."""

    kind: ClassVar[str] = "period"
    began_utc: float
    seconds: float
    target: str
    observed_seconds: float = 0.0
    unobserved_seconds: float = 0.0  # suspended, stopped, clock stepped: neither good nor bad
    bad_seconds: Mapping[Cause, float] = field(default_factory=dict)
    open_seconds: float = 0.0  # observed while the market was open
    blind_seconds: float = 0.0  # of those, without prices
    connects: int = 0
    connect_failures: int = 0
    disconnects: int = 0
    ticks: int = 0
    messages: int = 0
    beats_sent: int = 0
    beats_missed: int = 0
    requests_sent: int = 0
    requests_expired: int = 0
    surprises: int = 0
    tainted: int = 0  # samples that are in no histogram
    histograms: Mapping[Metric, Histogram] = field(default_factory=dict)  # untainted samples only
    score: float | None = None  # at its end
    judged_seconds: float = 0.0  # observed, with a score
    lost: Mapping[str, float] = field(default_factory=dict)  # points × judged seconds, by what took them
    longest_blind_seconds: float = 0.0  # of the blind stretches that went on in it, from where each began

    @property
    def at_utc(self) -> float:
        return self.began_utc + self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a monitor says about itself: it was late, the store failed, a channel does not deliver, the clock stepped."""

    kind: ClassVar[str] = "notice"
    at_utc: float
    code: str  # of what: lower-case words with dots, such as store.disk-full
    sentence: str  # with what to do
    target: str | None = None


Record = StateChanged | Attempt | Disconnected | Incident | Alert | Sample | Tick | Period | Notice
