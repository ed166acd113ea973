"""One broker, as its folder describes it: where it is, how it speaks, how its counter behaves, what its credential looks like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint
from probe.model.meanings import Meaning
from probe.session.codec import Codec, DialectRules


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
    ticks_up_to_period: int = 1  # history of such periods is raw ticks
    recent_seconds: float = 660.0  # of ticks that follow a subscription
    recent_candles: int = 99
    candles_lag: int = 2  # the newest of those candles is so many periods old
    guest_balance: float = 50_000.0
    order_seconds: tuple[int, int] = (5, 43_200)
    order_amount: tuple[float, float] = (1.0, 50_000.0)
    orders_at_once: int = 10
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
    house: HouseRules
    read_credentials: Callable[[str], Credentials]  # raises CredentialInvalid
    recognises: Callable[[str], bool]  # does this text look like a credential of this broker
    request_headers: Callable[[Credentials | None], tuple[tuple[str, str], ...]]
    write_credential: Callable[[SimulatedAccount], str]
