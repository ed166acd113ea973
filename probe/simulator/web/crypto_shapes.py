"""What goes into the backend and comes out of it, as its OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_EMAIL = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$"
_NO_NUL = r"^[^\x00]*$"

Id = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
IdInPath = Annotated[str, Path(pattern="^[0-9a-f]{24}$")]
Email = Annotated[str, Field(max_length=254, pattern=_EMAIL)]
Word = Annotated[str, Field(min_length=1, max_length=100, pattern=_NO_NUL)]
Symbol = Annotated[str, Field(pattern="^[A-Z0-9]{2,20}-[A-Z]{2,10}$")]


def _whole(value: object) -> object:
    """JSON does not know 5 from 5.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Given(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class SignUp(Given):
    email: Email
    referral_code: Word | None = None


class VerifyOtp(Given):
    email: Email
    otp: Annotated[str, Field(pattern="^[0-9]{6}$")]


class CompleteRegistration(Given):
    email: Email
    registration_token: Word
    name: Word
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{6,15}$")]
    password: Annotated[str, Field(min_length=8, max_length=128)]
    referral_code: Word | None = None


class SignIn(Given):
    email: Email
    password: Annotated[str, Field(max_length=128)]


class StrategyGiven(Given):
    name: Word
    type: Word
    leverage: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=125)]
    margin: Annotated[float, Field(gt=0, le=1e9)]
    description: Annotated[str, Field(max_length=2000, pattern=_NO_NUL)] = ""
    is_active: bool = True


class OrderGiven(Given):
    symbol: Symbol
    side: Literal["BUY", "SELL"]
    type: Literal["MARKET"]
    quantity: Annotated[float, Field(gt=0, le=1e6)]
    strategy_id: Id | None = None
    client_order_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,40}$")] | None = None


class BrokerGiven(Given):
    broker: Literal["bingx"]
    api_key: Word
    api_secret: Word


class Problem(BaseModel):
    detail: str
    request_id: str


class BrokerRefusal(Problem):
    broker_code: int | None = None


class Limited(BaseModel):
    """The words stand under another name with each implementation."""

    detail: str | None = None
    error: str | None = None
    request_id: str | None = None


class Message(BaseModel):
    message: str


class OtpSent(Message):
    expires_in: int


class OtpVerified(Message):
    registration_token: str


class BrokerOfUser(BaseModel):
    name: str | None
    connected: bool


class UserOut(BaseModel):
    id: Id
    name: str
    email: str
    phone: str | None
    google_id: str | None
    status: str
    is_admin: bool
    referral_code: str
    invited_by: str | None
    created_at: datetime
    broker: BrokerOfUser


class UserMessage(Message):
    user: UserOut


class StrategyOut(BaseModel):
    id: Id
    name: str
    type: str
    leverage: int
    margin: float
    description: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


class StrategyList(BaseModel):
    items: list[StrategyOut]
    total: int


class PositionOut(BaseModel):
    id: Id
    symbol: str
    side: Literal["LONG", "SHORT"]
    size: float
    entry_price: float
    mark_price: float
    unrealized_pnl: float
    leverage: int
    margin: float
    status: Literal["open", "closed"]
    opened_at: datetime
    closed_at: datetime | None


class PositionList(BaseModel):
    items: list[PositionOut]
    total: int


class TradeOut(BaseModel):
    id: Id
    broker_order_id: str
    client_order_id: str | None
    strategy_id: str | None
    symbol: str
    side: Literal["BUY", "SELL"]
    type: Literal["MARKET"]
    status: Literal["filled"]
    price: float
    quantity: float
    fee: float
    created_at: datetime


class TradeList(BaseModel):
    items: list[TradeOut]
    next_cursor: str | None


class PortfolioOut(BaseModel):
    equity: float
    available: float
    unrealized_pnl: float
    as_of: datetime


class SnapshotList(BaseModel):
    items: list[PortfolioOut]
    total: int


class Sourced(BaseModel):
    source_time: datetime  # the broker's
    fetched_at: datetime


class SymbolOut(BaseModel):
    symbol: str
    base: str
    quote: str
    price_precision: int
    max_leverage: int
    status: Literal["TRADING"]


class SymbolList(Sourced):
    items: list[SymbolOut]
    total: int


class Ticker(Sourced):
    symbol: str
    last_price: float
    bid_price: float
    ask_price: float
    high_24h: float
    low_24h: float


class Kline(BaseModel):
    open_time: datetime
    open: float
    high: float
    low: float
    close: float


class KlineList(Sourced):
    symbol: str
    interval: str
    items: list[Kline]


class BrokerConnected(Message):
    broker: str
    connected: bool


class BrokerStatus(BaseModel):
    broker: str | None
    connected: bool
    last_check: datetime | None
    latency_ms: float | None
    broker_code: int | None = None
    error: str | None = None


class Check(BaseModel):
    status: Literal["up", "down", "unknown"]
    latency_ms: float | None = None
    error: str | None = None


class HealthOut(BaseModel):
    status: Literal["healthy", "degraded", "unhealthy"]
    version: str | None = None
    environment: str | None = None
    uptime_seconds: float | None = None
    timestamp: datetime | None = None
    checks: dict[str, Check] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals that a route has, for its documentation."""
    return {
        status: {"model": BrokerRefusal if status in (400, 502, 503, 504) else Problem} for status in statuses
    }
