"""What a client wants: the closed vocabulary that every broker's codec translates into messages, and the simulator back."""

from dataclasses import dataclass, field

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.meanings import Direction


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
    wants_fast_history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Our own keep-alive; `name` tells the kinds apart where a dialect has several."""

    name: str


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
    Join | Login | Beat | AnswerBeat | AskBalance | AskAssets | Watch | Unwatch | AskHistory | AskOrders | PlaceOrder
    | PlacePending | CancelPending | Leave | Murmur | UnknownIntent
)  # fmt: skip

Trading = PlaceOrder | PlacePending | CancelPending  # intents that can cost money
