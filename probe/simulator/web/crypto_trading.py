"""What the backend's users do: strategies, trades and positions, and what became of their money."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from fastapi import FastAPI, HTTPException, Query
from pydantic import AwareDatetime

from probe.faults.backend import SnapshotsStopped, Traces
from probe.simulator.web.crypto_core import Broken, BrokerProblem, Core, Pin, stamp
from probe.simulator.web.crypto_market import PAIRS, Exchange
from probe.simulator.web.crypto_people import Trader
from probe.simulator.web.crypto_shapes import (
    Id,
    IdInPath,
    Message,
    OrderGiven,
    PortfolioOut,
    PositionList,
    PositionOut,
    SnapshotList,
    StrategyGiven,
    StrategyList,
    StrategyOut,
    TradeList,
    TradeOut,
    problems,
)
from probe.simulator.web.crypto_store import TRADES_KEPT, Position, Strategy, Trade, User

SNAPSHOT_EVERY = 300.0
SNAPSHOTS_SHOWN = 48
STRATEGIES = 1_000  # of one user
OPEN_AT_ONCE = 200
CLOSED_KEPT = 200
FEE_SHARE = 0.0005
LEVERAGE = 5  # of a trade without a strategy
SMALLEST = 2.0  # USDT
_TRACE = """Traceback (most recent call last):
  File "/app/middleware/tracking.py", line 41, in dispatch
    response = await call_next(request)
  File "/app/routers/portfolio.py", line 88, in read_portfolio
    return Portfolio(**document["totals"])
KeyError: 'totals'
"""


Side = Literal["BUY", "SELL"]
T = TypeVar("T")


class Desk:
    def __init__(self, core: Core, exchange: Exchange) -> None:
        self._core, self._exchange = core, exchange
        self._stopped = Pin(core, SnapshotsStopped)

    # -- strategies ------------------------------------------------------------------------------------------------------

    async def strategies(self, user: Trader) -> StrategyList:
        items = [_strategy(each) for each in user.strategies.values()]
        return StrategyList(items=items, total=len(items))

    async def add_strategy(self, user: Trader, asked: StrategyGiven) -> StrategyOut:
        if len(user.strategies) >= STRATEGIES:
            raise HTTPException(409, f"You have {STRATEGIES} strategies already")
        now = self._core.utc()
        made = Strategy(id=self._core.new_id(), created_at=now, updated_at=now, **asked.model_dump())
        user.strategies[made.id] = made
        return _strategy(made)

    async def strategy(self, user: Trader, strategy_id: IdInPath) -> StrategyOut:
        return _strategy(_found(user.strategies, strategy_id, "Strategy"))

    async def change_strategy(self, user: Trader, strategy_id: IdInPath, asked: StrategyGiven) -> StrategyOut:
        found = _found(user.strategies, strategy_id, "Strategy")
        for name, value in asked.model_dump().items():
            setattr(found, name, value)
        found.updated_at = self._core.utc()
        return _strategy(found)

    async def drop_strategy(self, user: Trader, strategy_id: IdInPath) -> Message:
        _found(user.strategies, strategy_id, "Strategy")
        del user.strategies[strategy_id]
        return Message(message="Strategy deleted")

    # -- positions -------------------------------------------------------------------------------------------------------

    async def positions(self, user: Trader) -> PositionList:
        items = [self._position(each) for each in user.positions.values() if each.closed_at is None]
        return PositionList(items=items, total=len(items))

    async def position(self, user: Trader, position_id: IdInPath) -> PositionOut:
        return self._position(_found(user.positions, position_id, "Position"))

    async def close_position(self, user: Trader, position_id: IdInPath) -> PositionOut:
        position = _found(user.positions, position_id, "Position")
        await self._exchange.ask_signed(user)
        if position.closed_at is not None:
            raise HTTPException(409, "Position already closed")
        price, now = self._exchange.price(position.symbol).last, self._core.utc()
        side: Side = "SELL" if position.sign > 0 else "BUY"
        gain = position.profit_at(price)
        self._fill(user, side, position.symbol, position.size, price, at=now, gain=gain)
        position.closed_at = now
        return self._position(position)

    def _position(self, position: Position) -> PositionOut:
        closed_at = position.closed_at
        if closed_at is None:
            price = self._exchange.price(position.symbol).last
        else:
            price = self._exchange.price_at(position.symbol, closed_at)
        return PositionOut(
            id=position.id,
            symbol=position.symbol,
            side="LONG" if position.sign > 0 else "SHORT",
            size=position.size,
            entry_price=position.entry_price,
            mark_price=price,
            unrealized_pnl=round(position.profit_at(price), 8) if closed_at is None else 0.0,
            leverage=position.leverage,
            margin=round(position.margin, 8),
            status="open" if closed_at is None else "closed",
            opened_at=stamp(position.opened_at),
            closed_at=None if closed_at is None else stamp(closed_at),
        )

    # -- trades ----------------------------------------------------------------------------------------------------------

    async def trade(self, user: Trader, asked: OrderGiven) -> TradeOut:
        own_id = asked.client_order_id
        if own_id is not None and any(trade.client_order_id == own_id for trade in user.trades):
            raise HTTPException(409, "Duplicate client order id")
        strategy = asked.strategy_id and _found(user.strategies, asked.strategy_id, "Strategy")
        leverage = strategy.leverage if isinstance(strategy, Strategy) else LEVERAGE
        await self._exchange.ask_signed(user)
        if asked.symbol not in PAIRS:
            raise BrokerProblem(400, "Broker refused: symbol not exist", 109425)
        price = self._exchange.price(asked.symbol).last
        cost = price * asked.quantity
        if cost < SMALLEST:
            raise BrokerProblem(400, f"Broker refused: the minimum is {SMALLEST:g} USDT", 101400)
        if sum(each.closed_at is None for each in user.positions.values()) >= OPEN_AT_ONCE:
            raise BrokerProblem(400, "Broker refused: too many open positions", 101209)
        if cost / leverage + cost * FEE_SHARE > self._totals(user, self._core.utc()).available:
            raise BrokerProblem(400, "Broker refused: Insufficient margin", 101204)
        sign, now = 1 if asked.side == "BUY" else -1, self._core.utc()
        self._open(user, asked.symbol, sign, asked.quantity, price, leverage, at=now)
        trade = self._fill(
            user,
            asked.side,
            asked.symbol,
            asked.quantity,
            price,
            at=now,
            client_order_id=own_id,
            strategy_id=asked.strategy_id,
        )
        return _trade(trade)

    async def trades(
        self, user: Trader, limit: Annotated[int, Query(ge=1, le=100)] = 50, cursor: Id | None = None
    ) -> TradeList:
        """Newest first. The cursor is that of the page before."""
        self._trace()
        newest_first = user.trades[::-1]
        ids = [trade.id for trade in newest_first]
        if cursor is not None and cursor not in ids:
            raise HTTPException(404, "Cursor not found")
        start = 0 if cursor is None else ids.index(cursor) + 1
        page = newest_first[start : start + limit]
        goes_on = len(newest_first) > start + limit
        items = [_trade(each) for each in page]
        return TradeList(items=items, next_cursor=page[-1].id if goes_on else None)

    async def one_trade(self, user: Trader, trade_id: IdInPath) -> TradeOut:
        return _trade(_found({trade.id: trade for trade in user.trades}, trade_id, "Trade"))

    def settle_in(self, user: User, now: float) -> None:
        """What somebody has who was here before."""
        for name, type_, leverage in (("Grid on BTC", "grid", 5), ("Slow ETH", "dca", 2)):
            made = Strategy(
                id=self._core.new_id(),
                name=name,
                type=type_,
                leverage=leverage,
                margin=100.0,
                description="",
                is_active=True,
                created_at=now - 86_400,
                updated_at=now - 86_400,
            )
            user.strategies[made.id] = made
        price = self._exchange.price_at("BTC-USDT", now - 3_600)
        self._fill(user, "BUY", "BTC-USDT", 0.01, price, at=now - 3_600)
        self._open(user, "BTC-USDT", 1, 0.01, price, LEVERAGE, at=now - 3_600)

    def _open(
        self, user: User, symbol: str, sign: int, size: float, price: float, leverage: int, *, at: float
    ) -> None:
        position = Position(
            id=self._core.new_id(),
            symbol=symbol,
            sign=sign,
            size=size,
            entry_price=price,
            leverage=leverage,
            opened_at=at,
        )
        user.positions[position.id] = position
        closed = [each.id for each in user.positions.values() if each.closed_at is not None]
        for each in closed[:-CLOSED_KEPT]:
            del user.positions[each]

    def _fill(
        self,
        user: User,
        side: Side,
        symbol: str,
        quantity: float,
        price: float,
        *,
        at: float,
        gain: float = 0.0,
        client_order_id: str | None = None,
        strategy_id: str | None = None,
    ) -> Trade:
        trade = Trade(
            id=self._core.new_id(),
            broker_order_id=str(self._core.rng.randrange(10**18, 10**19)),  # no float holds it
            client_order_id=client_order_id,
            strategy_id=strategy_id,
            symbol=symbol,
            side=side,
            price=price,
            quantity=quantity,
            fee=round(price * quantity * FEE_SHARE, 8),
            created_at=at,
        )
        user.trades.append(trade)
        user.cash.append((trade.created_at, user.cash[-1][1] + gain - trade.fee))
        del user.trades[:-TRADES_KEPT], user.cash[:-TRADES_KEPT]
        return trade

    # -- portfolio -------------------------------------------------------------------------------------------------------

    async def portfolio(self, user: Trader) -> PortfolioOut:
        self._trace()
        return self._totals(user, self._core.utc())

    async def snapshots(
        self,
        user: Trader,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
    ) -> SnapshotList:
        """The newest of that time, oldest first."""
        stopped_at, stopped = self._stopped.since(), self._core.suffers(SnapshotsStopped)
        until = stopped_at - stopped.age if stopped_at is not None and stopped else self._core.utc()
        last = min(until, to.timestamp() if to else until) // SNAPSHOT_EVERY * SNAPSHOT_EVERY
        first = max(user.created_at, from_.timestamp() if from_ else 0.0)
        times = [last - back * SNAPSHOT_EVERY for back in reversed(range(SNAPSHOTS_SHOWN))]
        items = [self._totals(user, at) for at in times if at >= first]
        return SnapshotList(items=items, total=len(items))

    def _totals(self, user: User, at: float) -> PortfolioOut:
        """Whatever happened since: as it was then."""
        cash = next((held for since, held in reversed(user.cash) if since <= at), user.cash[0][1])
        open_then = [
            each
            for each in user.positions.values()
            if each.opened_at <= at and (each.closed_at is None or each.closed_at > at)
        ]
        profit = sum(each.profit_at(self._exchange.price_at(each.symbol, at)) for each in open_then)
        return PortfolioOut(
            equity=round(cash + profit, 8),
            available=round(cash + profit - sum(each.margin for each in open_then), 8),
            unrealized_pnl=round(profit, 8),
            as_of=stamp(at),
        )

    def _trace(self) -> None:
        if self._core.suffers(Traces):
            raise Broken("KeyError: 'totals'", traceback=_TRACE)


def _found(kept: Mapping[str, T], id_: str, what: str) -> T:
    if id_ not in kept:
        raise HTTPException(404, f"{what} not found")
    return kept[id_]


def _strategy(each: Strategy) -> StrategyOut:
    return StrategyOut(
        id=each.id,
        name=each.name,
        type=each.type,
        leverage=each.leverage,
        margin=each.margin,
        description=each.description,
        is_active=each.is_active,
        created_at=stamp(each.created_at),
        updated_at=stamp(each.updated_at),
    )


def _trade(each: Trade) -> TradeOut:
    return TradeOut(
        id=each.id,
        broker_order_id=each.broker_order_id,
        client_order_id=each.client_order_id,
        strategy_id=each.strategy_id,
        symbol=each.symbol,
        side=each.side,
        type="MARKET",
        status="filled",
        price=each.price,
        quantity=each.quantity,
        fee=each.fee,
        created_at=stamp(each.created_at),
    )


def serve_trading(app: FastAPI, desk: Desk) -> None:
    broker = (502, 503, 504)
    app.get("/strategies", responses=problems(401))(desk.strategies)
    app.post("/strategies", status_code=201, responses=problems(400, 401, 409))(desk.add_strategy)
    app.get("/strategies/{strategy_id}", responses=problems(401, 404))(desk.strategy)
    app.put("/strategies/{strategy_id}", responses=problems(400, 401, 404))(desk.change_strategy)
    app.delete("/strategies/{strategy_id}", responses=problems(401, 404))(desk.drop_strategy)
    app.get("/positions", responses=problems(401))(desk.positions)
    app.get("/positions/{position_id}", responses=problems(401, 404))(desk.position)
    close = app.post("/positions/{position_id}/close", responses=problems(400, 401, 404, 409, *broker))
    close(desk.close_position)
    app.post("/trades", status_code=201, responses=problems(400, 401, 404, 409, *broker))(desk.trade)
    app.get("/trades", responses=problems(401, 404))(desk.trades)
    app.get("/trades/{trade_id}", responses=problems(401, 404))(desk.one_trade)
    app.get("/portfolio", responses=problems(401))(desk.portfolio)
    app.get("/portfolio/snapshots", responses=problems(401))(desk.snapshots)
