"""The backend's database: what it keeps, and how it fails to be there."""

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from probe.faults.backend import AllowListed, DatabaseDown, DatabaseSlow, Failover, HealthLies, PoolExhausted
from probe.simulator.web.crypto_core import Broken, Core

TRADES_KEPT = 1_000  # of one user
_GONE = (DatabaseDown, AllowListed, HealthLies)
_TIMEOUTS = "(configured timeouts: socketTimeoutMS: 20000.0ms, connectTimeoutMS: 20000.0ms)"
_NO_SERVER = (
    "ServerSelectionTimeoutError: mongo:27017: {cause} {timeouts}, Timeout: {seconds:g}s, Topology Description: "
    "<TopologyDescription id: 6740a1c2b3d4e5f601234567, topology_type: Unknown, servers: [<ServerDescription "
    "('mongo', 27017) server_type: Unknown, rtt: None, error=AutoReconnect('mongo:27017: {cause} {timeouts}')>]>"
)
_NO_PRIMARY = (
    "AutoReconnect: mongo:27017: connection closed; NotPrimaryError: not primary, full error: {'ok': 0.0, "
    "'errmsg': 'not primary', 'code': 10107, 'codeName': 'NotWritablePrimary'}"
)
_NO_CONNECTION = (
    "WaitQueueTimeoutError: Timed out while checking out a connection from connection pool. maxPoolSize: 100, "
    "connections in use by cursors: 0, connections in use by transactions: 0, connections in use by other "
    "operations: 100, timeout: {seconds:g}"
)


@dataclass(slots=True, kw_only=True, eq=False)
class Strategy:
    id: str
    name: str
    type: str
    leverage: int
    margin: float
    description: str
    is_active: bool
    created_at: float  # all times here are UTC seconds
    updated_at: float


@dataclass(slots=True, kw_only=True, eq=False)
class Position:
    id: str
    symbol: str
    sign: int  # 1: long, -1: short
    size: float
    entry_price: float
    leverage: int
    opened_at: float
    closed_at: float | None = None

    @property
    def margin(self) -> float:
        return self.size * self.entry_price / self.leverage

    def profit_at(self, price: float) -> float:
        return self.sign * self.size * (price - self.entry_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    id: str
    broker_order_id: str
    client_order_id: str | None
    strategy_id: str | None
    symbol: str
    side: Literal["BUY", "SELL"]
    price: float
    quantity: float
    fee: float
    created_at: float


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    id: str
    email: str
    name: str
    phone: str | None
    password: bytes  # salt and hash
    referral_code: str
    created_at: float
    invited_by: str | None = None
    broker_keys: bytes | None = None  # encrypted
    strategies: dict[str, Strategy] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)  # newest last
    cash: list[tuple[float, float]] = field(default_factory=list)  # what was held, since when


class Store:
    def __init__(self, core: Core) -> None:
        self.users: dict[str, User] = {}
        self._core = core

    def by_email(self, email: str) -> User | None:
        return next((user for user in self.users.values() if user.email == email), None)

    async def reach(self, within: float = inf) -> None:
        """Stands before every use of the database. Its driver looks for a server that long at most.

        Raises:
            Broken: it cannot be used.
        """
        suffers = self._core.suffers
        for fault in _GONE:
            if gone := suffers(fault):
                seconds = min(gone.seconds, within)
                await asyncio.sleep(seconds)
                words = _NO_SERVER.format(cause=gone.cause, timeouts=_TIMEOUTS, seconds=seconds)
                raise Broken(words, gone.tells)
        if moving := suffers(Failover):
            raise Broken(_NO_PRIMARY, moving.tells)
        if slow := suffers(DatabaseSlow):
            await asyncio.sleep(slow.seconds)
        if full := suffers(PoolExhausted):
            await asyncio.sleep(full.seconds)
            if self._core.rng.random() < full.timeouts:
                raise Broken(_NO_CONNECTION.format(seconds=full.seconds), full.tells)
