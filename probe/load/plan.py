"""What a load run is meant to do: the stages it goes through, what users ask, what is done to their sessions, what must hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class UpsetKind(Enum):
    """Something done, from our side, to sessions that work."""

    DROP = "drop"  # cut the connection, and open it anew
    HALF_OPEN = "half-open"  # the connection stays, and nothing is read or written
    SLOW_READER = "slow-reader"  # read so many bytes a second
    LOST_PONG = "lost-pong"  # the server's heartbeats are not answered
    AUTH_EXPIRY = (
        "auth-expiry"  # cut, and log in with a credential that is not valid any more; then with the right one
    )
    SUBSCRIBE_FLOOD = "subscribe-flood"  # ask for every symbol there is, as fast as it goes


# The others are over as soon as they are done.
LASTING = frozenset({UpsetKind.HALF_OPEN, UpsetKind.SLOW_READER, UpsetKind.LOST_PONG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Upset:
    kind: UpsetKind
    share: float = 1.0  # of the sessions that are live then
    at: float = 0.0  # seconds after the stage begins
    seconds: float | None = None  # how long it lasts, where it lasts; None: to the stage's end
    jitter: float = 0.0  # the way back is spread over so many seconds
    bytes_per_second: float | None = None  # of a slow reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    seconds: float
    users: float = 1.0  # share of the plan's users; more than 1 is more than the plan's
    ramp: float = 0.0  # of those seconds: so long the number moves there from that of the stage before
    rate: float = 1.0  # share of the plan's rate, where it has one
    pace: float | None = (
        None  # seconds between two operations of one user, where there is no rate; None: the scenario's
    )
    operations_per_user: int | None = None  # then a user does no more; None: as many as the time allows
    upsets: tuple[Upset, ...] = ()
    faults: tuple[
        str, ...
    ] = ()  # of the simulator, if the run starts its own; as `probe sim --fault` takes them


class Measured(Enum):
    """What a threshold can be about; the values are the words in which it is written."""

    RESPONSE = "response"  # from due to answered: a quantile
    SERVICE = "service"  # from sent to answered: a quantile
    TICK_GAP = "tick-gap"  # a quantile
    STALENESS = "staleness"  # a quantile
    CONNECT = "connect"  # from due to live: a quantile
    CONNECT_SUCCESS = "connect-success"  # a share
    ANSWERED = "answered"  # a share of what was due
    MISSED_BEATS = "missed-beats"  # a share of those sent
    LOST_SESSIONS = "lost-sessions"  # a count
    TICK_RATE = "tick-rate"  # of one session, a second
    RECOVERY = "recovery"  # a quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """As in `response p99 < 250ms`, `connect-success >= 99%`, `response:balance p95 < 0.1`."""

    measured: Measured
    of: str | None = None  # an operation or a symbol; None: all together
    quantile: float | None = None
    is_most: bool  # the limit is the most it may be, or the least
    is_strict: bool = False  # and must not be met itself
    limit: float  # seconds, a share, or a count
    text: str  # as it was written
    abort_on_fail: bool = False
    grace: float = 0.0  # seconds from the run's beginning in which it cannot abort


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    title: str  # what it shows, in a sentence
    stages: tuple[Stage, ...]
    users: int | None = None  # how many there are, unless the run says it
    operations: Mapping[str, float] = field(default_factory=dict)  # weights; empty: users ask nothing
    symbols: tuple[str, ...] = ()  # each session follows them; empty: the broker's default symbol
    pace: float = 1.0  # seconds between two operations of one user, where there is no rate
    persistent: bool = True  # one session for all of a user's operations; False: one for each
    trading: bool = (
        False  # demo orders are among the operations; on a simulator that proves itself, and nowhere else
    )
    thresholds: tuple[Threshold, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)


class SearchBy(Enum):
    USERS = "users"
    RATE = "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """How the capacity is looked for: double until the thresholds break, bisect, confirm."""

    by: SearchBy
    begin: float = 1.0  # users, or messages a second
    most: float
    window: float = 10.0  # seconds that decide about one level
    settle: float = 3.0  # before them, which do not count
    confirm: float = 30.0  # the window in which the answer must hold
    within: float = 0.1  # the answer is known to this share of itself


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One run, as every process of it knows it. Nothing in it is secret."""

    run: str  # its id
    broker: str
    url: str
    users: int
    rate: float | None  # messages a second, over all; None: each user asks when it has its answer (closed)
    scenario: Scenario
    search: SearchPlan | None = None
    replay: str | None = None  # a file of recorded sessions that users play instead of operations
    replay_speed: float = 1.0
    workers: int = 1
    seed: int = 0
    dialect: tuple[str, ...] = ()

    @property
    def how_many(self) -> str:
        """In words, for people."""
        if self.search is not None:
            unit = "users" if self.search.by is SearchBy.USERS else "messages a second"
            return f"up to {self.search.most:,g} {unit} tried"
        return f"{self.users:,} user{'' if self.users == 1 else 's'}"

    @property
    def how_asked(self) -> str:
        if self.replay is not None:
            faster = f", {self.replay_speed:g} times as fast" if self.replay_speed != 1 else ""
            return f"playing {self.replay} by its own clock{faster}"
        if self.rate is not None:
            return f"{self.rate:,g} messages a second by the clock (open model)"
        return "each waiting for its answer (closed model)"
