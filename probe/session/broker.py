"""One broker, as its folder describes it: where it is, how it speaks, how its counter behaves, what its credential looks like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint
from probe.model.meanings import Meaning
from probe.session.codec import Codec, DialectRules


class OrderProblem(Enum):
    """Why an order is not taken. The values are what is said by a broker whose own words are not known."""

    ASSET = "UNKNOWN_ASSET"
    CLOSED = "MARKET_CLOSED"
    AMOUNT = "AMOUNT_LIMIT"
    DURATION = "DURATION_LIMIT"
    BALANCE = "NOT_ENOUGH_MONEY"
    TOO_MANY = "TOO_MANY_ORDERS"
    OPEN_TIME = "OPEN_TIME_PASSED"
    OPEN_PRICE = "NO_OPEN_PRICE"
    PAYOUT = "PAYOUT_TOO_LOW"
    TICKET = "UNKNOWN_TICKET"


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseRules:
    """How the broker behaves behind its protocol, as data. The simulator's counter works by it."""

    after_login: tuple[
        str, ...
    ]  # what it pushes, in order: balance, open orders, closed orders, assets, or a notice's name
    notices: Mapping[str, object] = field(
        default_factory=dict
    )  # payloads of messages that only the web page reads
    murmur_answers: Mapping[str, Meaning] = field(default_factory=dict)
    stream_cap: int | None = (
        None  # ticks only for the last so many symbols asked for; older ones go quiet unannounced
    )
    page_rows: int = 150
    page_tick_seconds: float = 2_000.0  # a page of raw ticks reaches back no further
    ticks_up_to_period: int = 1  # history of such periods is raw ticks
    recent_seconds: float = 660.0  # of ticks that follow a subscription
    recent_candles: int = 99
    candles_lag: int = 2  # the newest of those candles is so many periods old
    guest_balance: float = 50_000.0
    order_seconds: tuple[int, int] = (5, 43_200)
    order_amount: tuple[float, float] = (1.0, 50_000.0)
    orders_at_once: int = 10
    order_errors: Mapping[OrderProblem, str] = field(default_factory=dict)  # its own words for them
    closed_orders_kept: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """Enough to write a credential for an account that exists only in the simulator."""

    account: Account
    user: str
    token: str
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    name: str
    title: str
    rules: DialectRules
    codec: Callable[[], Codec]
    endpoints: tuple[Endpoint, ...]
    zone_seconds: float  # how far its clock is from UTC
    default_symbol: str  # traded around the clock, to see whether prices flow
    house: HouseRules
    read_credentials: Callable[[str], Credentials]  # raises CredentialInvalid
    recognises: Callable[[str], bool]  # does this text look like a credential of this broker
    request_headers: Callable[[Credentials | None], tuple[tuple[str, str], ...]]
    write_credential: Callable[[SimulatedAccount], str]
    unconfirmed: frozenset[type] = frozenset()  # intents whose answer no public capture shows
