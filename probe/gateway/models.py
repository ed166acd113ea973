"""What goes over the wire of the gateway: its bodies and answers, with exactly the fields of the contract.

Rows of the terminal have the same names as rows here, and more of them: a model picks its own out of what the terminal said.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SYMBOL = "^[A-Za-z0-9_.#&+!@$^~() -]{1,32}$"  # brokers' names; nothing that could mean more to an interpreter


class _Row(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


# -- bodies ------------------------------------------------------------------------------------------------------------


class Login(BaseModel):
    """Nothing may be left out or empty, and the terminal's program is not the client's to name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    account_number: Annotated[int, Field(gt=0, lt=2**63)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    server: Annotated[str, StringConstraints(min_length=1, max_length=256)]


# -- answers -----------------------------------------------------------------------------------------------------------


class LoggedIn(BaseModel):
    session_token: str
    account_number: int
    server: str
    expires_in: int


class Message(BaseModel):
    message: str


class Problem(BaseModel):
    detail: str


class Account(_Row):
    login: int
    balance: float
    equity: float
    profit: float
    margin: float
    margin_free: float
    margin_level: float
    leverage: int
    currency: str
    server: str
    company: str


class Balance(_Row):
    balance: float


class Equity(_Row):
    equity: float


class Position(_Row):
    ticket: int
    time: int
    type: int
    magic: int
    identifier: int
    reason: int
    volume: float
    price_open: float
    price_current: float
    sl: float
    tp: float
    profit: float
    swap: float
    symbol: str
    comment: str


class Order(_Row):
    ticket: int
    time_setup: int
    type: int
    state: int
    magic: int
    volume_initial: float
    volume_current: float
    price_open: float
    sl: float
    tp: float
    price_current: float
    symbol: str
    comment: str


class Orders(_Row):
    orders: list[Order]


class Deal(_Row):
    ticket: int
    order: int
    time: int
    type: int
    entry: int
    magic: int
    position_id: int
    volume: float
    price: float
    commission: float
    swap: float
    profit: float
    symbol: str
    comment: str


class History(_Row):
    from_date: str
    to_date: str
    deals_count: int
    deals: list[Deal]


class Symbol(_Row):
    name: str
    bid: float
    ask: float
    point: float
    digits: int
    spread: int
    volume_min: float
    volume_max: float
    volume_step: float
    trade_contract_size: float
    currency_base: str
    currency_profit: str
    currency_margin: str


class ServerTime(BaseModel):
    server_time: str
    timezone_offset: int


class SnapshotPosition(_Row):
    position_id: str
    symbol: str
    volume: float
    entry_price: float
    current_price: float
    profit_loss: float
    side: Literal["buy", "sell"]


class Snapshot(_Row):
    timestamp: str
    balance: float
    equity: float
    margin_used: float
    margin_available: float
    total_profit_loss: float
    day_start_balance: float
    day_start_equity: float
    positions: list[SnapshotPosition]


class Root(BaseModel):
    name: str
    version: str
    status: str
    endpoints: dict[str, str]


class Health(BaseModel):
    status: str
    timestamp: str
    active_sessions: int


# -- what stays in the house -------------------------------------------------------------------------------------------


class Listed(_Row):
    """A symbol as the terminal lists it; `time` is that of its last tick."""

    name: str
    visible: bool
    time: int = 0


class Tick(_Row):
    time: int


# -- how they are made of each other -----------------------------------------------------------------------------------

ROOT = Root(
    name="MT5 REST API",
    version="1.0.0",
    status="operational",
    endpoints={
        name: f"/api/v1/{name}" for name in ("login", "logout", "account", "positions", "orders", "snapshot")
    },
)
EXIT = 1  # the `entry` of a deal that closes a position


def realised(deals: list[Deal]) -> float:
    return sum(deal.profit + deal.commission + deal.swap for deal in deals if deal.entry == EXIT)


def snapshot(
    account: Account,
    positions: list[Position],
    deals: list[Deal],
    *,
    timestamp: str,
    day_start: tuple[float, float],
) -> Snapshot:
    """`deals` are today's, `day_start` is the balance and the equity that the day began with."""
    return Snapshot(
        timestamp=timestamp,
        balance=account.balance,
        equity=account.equity,
        margin_used=account.margin,
        margin_available=account.margin_free,
        total_profit_loss=round(realised(deals) + account.profit, 2),
        day_start_balance=day_start[0],
        day_start_equity=day_start[1],
        positions=[
            SnapshotPosition(
                position_id=str(each.ticket),
                symbol=each.symbol,
                volume=each.volume,
                entry_price=each.price_open,
                current_price=each.price_current,
                profit_loss=each.profit,
                side="sell" if each.type else "buy",
            )
            for each in positions
        ],
    )
