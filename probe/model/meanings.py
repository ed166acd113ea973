"""What a broker tells: the closed vocabulary every broker's messages are translated into.

Also what the simulated broker says, before it is translated back into messages.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from probe.model.failures import Blame
from probe.model.findings import State


class Direction(Enum):
    CALL = "call"
    PUT = "put"


class OptionKind(Enum):
    """How an option's end is named."""

    TIMER = "timer"  # after a duration
    CLOCK = "clock"  # at an instant on the broker's grid
    TURBO = "turbo"  # at an instant, with the pay-out of fast options


class Quote(NamedTuple):
    symbol: str
    broker_time: float  # seconds, by the broker's clock, zone included
    price: float


class Quotes(NamedTuple):
    """The hot one: a named tuple, because it is built once for each tick."""

    rows: tuple[Quote, ...]


class Candle(NamedTuple):
    start: float
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The transport's greeting with the server's heartbeat terms."""

    sid: str
    ping_interval: float
    ping_timeout: float
    max_payload: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    sid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRefused:
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The login was accepted."""

    server: str | None = None
    user: str | None = None
    rights: str = "trading"  # chart sessions get in, but may not trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The login was refused with words."""

    reason: str
    slug: str | None = None  # the catalogue's, where more is known than that


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatAsked:
    payload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatAnswered:
    payload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    amount: float
    is_demo: bool | None  # the server's word about the account; None: it did not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Purses:
    """What the accounts behind a login hold, without a word about which of them is in use. None: it was not said."""

    demo: float | None
    live: float | None


class Asset(NamedTuple):
    """A named tuple, because a login brings nearly two hundred."""

    id: int
    symbol: str
    label: str
    kind: str
    digits: int
    payout_percent: int
    is_otc: bool
    is_open: bool
    opens_or_closes_at: float | None = None  # broker time


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    rows: tuple[Asset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Past prices. `index` correlates with the request; None: the burst after a subscription."""

    symbol: str
    period: int
    index: int | None
    ticks: tuple[tuple[float, float], ...] = ()
    candles: tuple[Candle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    id: str
    symbol: str
    direction: Direction
    amount: float
    opened_at: float  # broker time
    closes_at: float
    open_price: float
    payout_percent: float
    is_demo: bool
    close_price: float | None = None  # None while open
    profit: float | None = None
    request_id: str | int | None = None
    user: str | None = None
    option: OptionKind = OptionKind.TIMER


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOpened:
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected:
    error: str
    request_id: str | int | None = None
    symbol: str | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSold:
    """An open order was ended before its time, as asked."""

    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleRejected:
    error: str
    ticket: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersClosed:
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """All orders of one kind, as the server knows them."""

    orders: tuple[Order, ...]
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOrder:
    ticket: str
    symbol: str
    direction: Direction
    amount: float
    duration: int
    open_at: float | None = None  # broker time, or
    open_price: float | None = None  # the price that opens it
    min_payout_percent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPlaced:
    order: PendingOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCancelled:
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRejected:
    error: str
    ticket: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFailed:
    """An order that waited could not be opened when its time or price came. It answers no request."""

    error: str
    ticket: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingList:
    orders: tuple[PendingOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChosen:
    """The purse was changed. Which one it is now, the next balance says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNotChosen:
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerClock:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    rows: tuple[tuple[str, int], ...]  # symbol, 0 to 100


class Signal(NamedTuple):
    symbol: str
    said: tuple[tuple[int, str], ...]  # for how many seconds, and the broker's own word
    price: float | None = None  # at which it was said


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What the broker advises to buy or sell."""

    at: float | None  # broker time
    rows: tuple[Signal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message the broker is known to send and nobody here needs to read; the payload is kept for the simulator."""

    name: str
    payload: object = None


class Effect(Enum):
    """What a trouble does to whoever wants to trade."""

    STALLS = "stalls"  # nothing can be believed or done: what is shown is old or empty
    SHUTS_OUT = "shuts out"  # this is not our account, or it lets us in no more
    DEGRADES = "degrades"
    NOTED = "noted"  # worth knowing, and harms nothing now

    @property
    def state(self) -> State:
        if self is Effect.NOTED:
            return State.HEALTHY
        return State.DEGRADED if self is Effect.DEGRADES else State.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something wrong that an answer showed, although it was one."""

    code: str  # the catalogue's slug
    sentence: str  # what is so, without its full stop
    advice: str
    effect: Effect
    blame: Blame
    certain: bool = False  # the answer excludes every look-alike
    told: int | None = None  # the code with which the other end told it: its own, or an HTTP status
    after_seconds: float | None = None  # until the answer that shows it came


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """All that is wrong as far as one kind of question shows; what it showed before is forgotten. None: all is well."""

    about: str
    rows: tuple[Trouble, ...] = ()


class Figure(NamedTuple):
    name: str  # a metric's
    value: float
    where: str | None = None  # an endpoint's region, if it is not the session's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Numbers that the other end, or the way there, measured."""

    rows: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecognised:
    """Nothing we know. Never an exception: brokers rename events overnight."""

    problem: str
    preview: str
    tells_balance: bool = False  # it should have said what an account holds


Meaning = (
    Quotes | Welcome | Joined | JoinRefused | Admitted | Refused | BeatAsked | BeatAnswered | Balance | Purses | Assets
    | History | OrderOpened | OrderRejected | OrderSold | SaleRejected | OrdersClosed | OrderList | PendingPlaced
    | PendingCancelled | PendingRejected | PendingFailed | PendingList | AccountChosen | AccountNotChosen | BrokerClock
    | Sentiment | Signals | Notice | Troubles | Figures | Goodbye | Unrecognised
)  # fmt: skip
