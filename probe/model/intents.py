"""What a client wants: the closed vocabulary that every broker's codec translates into messages, and the simulator back."""

from dataclasses import dataclass, field

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.meanings import Direction, OptionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Open the namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    frame: Secret  # the message as it goes out
    token: Secret
    account: Account
    user: str | None = None
    rights: str = "trading"
    tournament: int = 0
    wants_fast_history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Our own keep-alive; `name` tells the kinds apart where a dialect has several."""

    name: str
    payload: str = ""  # comes back with the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBeat:
    payload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskBalance:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAssets:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Live ticks of one symbol; the broker answers with recent history."""

    symbol: str
    period: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwatch:
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSentiment:
    """How many buy and how many sell one symbol, as it changes."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwatchSentiment:
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSignals:
    """The broker's own advice, as it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHistory:
    """One page of the past: `period` 0 or 1 means ticks, else candles."""

    symbol: str
    period: int
    until: float  # broker time
    span: float  # seconds to look back
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOrders:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    symbol: str
    direction: Direction
    amount: float
    duration: int
    request_id: str | int
    account: Account = Account.DEMO
    option: OptionKind = OptionKind.TIMER
    closes_at: float | None = (
        None  # broker time; of options that end at an instant instead of after a duration
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SellOrder:
    """End an open order before its time."""

    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePending:
    symbol: str
    direction: Direction
    amount: float
    duration: int
    open_at: float | None = None  # broker time, or
    open_price: float | None = None  # the price that opens it
    min_payout_percent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPending:
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseAccount:
    """Which purse this session uses from now on, where a login opens several."""

    account: Account
    tournament: int = 0  # 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Murmur:
    """A request of the broker's own user interface: known, answered by the simulator, of no use to us."""

    name: str
    payload: object = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownIntent:
    problem: str
    preview: str


Intent = (
    Join | Login | Beat | AnswerBeat | AskBalance | AskAssets | Watch | Unwatch | WatchSentiment | UnwatchSentiment
    | WatchSignals | AskHistory | AskOrders | PlaceOrder | SellOrder | PlacePending | CancelPending | ChooseAccount | Leave | Murmur
    | UnknownIntent
)  # fmt: skip

Trading = PlaceOrder | SellOrder | PlacePending | CancelPending  # intents that can cost money
