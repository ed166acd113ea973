"""MT5's public REST gateway as it is, in both of its variants, with all that makes it hard to watch: errors that look like zeros,
one terminal for everybody, and exceptions told to clients.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache, wraps
from random import Random
from typing import Annotated, Any, ParamSpec

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from probe.faults.gateway import BadOffset, GatewayVariant, LongHistory
from probe.faults.pages import PageBoard
from probe.gateway import models
from probe.gateway.broker_time import DAY, HOUR, clock_face
from probe.session.broker import Broker
from probe.simulator.web.mt5_front import Front
from probe.simulator.web.mt5_house import LIFETIME, House, Session
from probe.simulator.world import World

P = ParamSpec("P")

_DESCRIBED: dict[bool, dict[str, Any]] = {}  # of V1, and of V0
_WRONG_LOGIN = "Failed to connect to MT5. Check credentials and server."
_NO_COMMISSION = "'TradePosition' object has no attribute 'commission'"
_A_PAYMENT = models.Deal(
    ticket=0, order=0, time=0, type=2, entry=0, magic=0, position_id=0, volume=0.0, price=0.0, commission=0.0, swap=0.0,
    profit=0.0, symbol="", comment="",
)  # fmt: skip


def _declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": models.Problem} for status in statuses}


class LoginBody(BaseModel):
    account_number: int
    password: str
    server: str
    path: str | None = None  # of the program to start; ignored here


class Uptime(BaseModel):
    status: str
    timestamp: str
    uptime: str


def application(
    broker: Broker,  # noqa: ARG001 - every such application is told
    *,
    world: World,
    board: PageBoard,
    rng: Random,
) -> FastAPI:
    """V1; V0 stands behind the same front. `app.state.terminal` is the terminal of both."""
    house = House(world, board, rng)
    app = _variant(house, is_v1=True)
    app.add_middleware(Front, house=house, v0=cache(lambda: _variant(house, is_v1=False)))
    app.state.terminal = house.terminal
    return app


def _variant(house: House, *, is_v1: bool) -> FastAPI:
    app = FastAPI(
        title="MT5 REST API",
        description="REST API for MetaTrader 5 client authentication and operations",
        version="1.0.0",
        strict_content_type=False,  # its framework's time knew nothing else
    )
    gate = _Gate(house)
    _add_entrance(app, house, gate, is_v1=is_v1)
    _add_reading(app, house, gate, is_v1=is_v1)

    def described() -> dict[str, Any]:
        """Making it takes 0.1 s, and it is the same for every house."""
        if is_v1 not in _DESCRIBED:
            _DESCRIBED[is_v1] = FastAPI.openapi(app)
        return _DESCRIBED[is_v1]

    app.openapi = described  # type: ignore[method-assign]
    return app


class _Gate:
    """Who may pass, as both generations of the framework say it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.documented = Depends(HTTPBearer(auto_error=False))
        self.guarded: dict[str, Any] = {
            "dependencies": [self.documented, Depends(self.session)],
            "responses": _declared(401, 403, 500),
        }

    async def session(self, request: Request) -> Session:
        token = self.token(request)
        async with self._house.busy:
            found = await self._house.find(token)
        if found is None:
            raise HTTPException(401, "Invalid or expired session token")
        return found

    def token(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if token and scheme.lower() == "bearer":
            return token
        if (self._house.suffers(GatewayVariant) or GatewayVariant()).auth == 401:
            raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
        raise HTTPException(403, "Invalid authentication credentials" if token else "Not authenticated")


def _blocking(house: House) -> Callable[[Callable[P, Awaitable[Response]]], Callable[P, Awaitable[Response]]]:
    """Such a route keeps everybody waiting while it works."""

    def decorate(answer: Callable[P, Awaitable[Response]]) -> Callable[P, Awaitable[Response]]:
        @wraps(answer)
        async def alone(*args: P.args, **named: P.kwargs) -> Response:
            async with house.busy:
                return await answer(*args, **named)

        return alone

    return decorate


def _add_entrance(app: FastAPI, house: House, gate: _Gate, *, is_v1: bool) -> None:
    @app.get("/", response_model=models.Root)
    async def root() -> Response:
        return _json(models.ROOT)

    @app.get("/health", response_model=models.Health)
    async def health() -> Response:
        at = clock_face(house.utc())
        return _json(models.Health(status="healthy", timestamp=at, active_sessions=house.count()))

    @app.post("/api/v1/login", response_model=models.LoggedIn, responses=_declared(401, 500, 503))
    @_blocking(house)
    async def login(body: LoginBody) -> Response:
        number, server = body.account_number, body.server
        if not await house.log_in(number, body.password, server, in_two_steps=not is_v1):
            raise (
                HTTPException(401, _WRONG_LOGIN) if is_v1 else _failed("Login failed", f"401: {_WRONG_LOGIN}")
            )
        token = await house.open()
        return _json(
            models.LoggedIn(session_token=token, account_number=number, server=server, expires_in=LIFETIME)
        )

    @app.post("/api/v1/logout", response_model=models.Message, **gate.guarded)
    @_blocking(house)
    async def logout(request: Request) -> Response:
        await house.close(gate.token(request))
        return _json(models.Message(message="Successfully logged out"))

    if is_v1:

        @app.get("/healthz", response_model=Uptime)
        async def healthz() -> Response:
            return _json(Uptime(status="healthy", timestamp=clock_face(house.utc()), uptime="operational"))

        @app.post("/scan", dependencies=gate.guarded["dependencies"], responses=_declared(401, 403, 501))
        async def scan(firm_name: str) -> Response:  # noqa: ARG001 - documented
            raise HTTPException(501, "Scans are not simulated")


def _add_reading(app: FastAPI, house: House, gate: _Gate, *, is_v1: bool) -> None:
    read = _blocking(house)

    async def account() -> models.Account | None:
        found = await house.call("account_info")
        return None if found is None else models.Account.model_validate(found)

    async def positions(about: str) -> list[models.Position]:
        """None if the terminal is gone, as if there were none."""
        found = await house.call("positions_get") or ()
        if found and not is_v1:
            raise _failed(about, _NO_COMMISSION)
        return [models.Position.model_validate(each) for each in found]

    async def deals(start: float, end: float) -> list[models.Deal]:
        found = await house.call("history_deals_get", int(start), int(end)) or ()
        return [models.Deal.model_validate(each) for each in found]

    @app.get("/api/v1/account", response_model=models.Account, **gate.guarded)
    @read
    async def get_account() -> Response:
        if (found := await account()) is None:
            raise HTTPException(500, "Failed to retrieve account information")
        return _json(found)

    @app.get("/api/v1/balance", response_model=models.Balance, **gate.guarded)
    @read
    async def get_balance() -> Response:
        found = await account()
        return _json(models.Balance(balance=found.balance if found else 0.0))

    @app.get("/api/v1/equity", response_model=models.Equity, **gate.guarded)
    @read
    async def get_equity() -> Response:
        found = await account()
        return _json(models.Equity(equity=found.equity if found else 0.0))

    @app.get("/api/v1/snapshot", response_model=models.Snapshot, **gate.guarded)
    @read
    async def get_snapshot(session: Annotated[Session, Depends(gate.session)]) -> Response:
        about = "Error creating snapshot"
        if (found := await account()) is None:
            raise _failed(about, "Failed to get account info")
        held = await positions(about)
        await house.tick()  # it asks twice
        tick, utc = await house.tick(), house.utc()
        day = clock_face(tick["time"] if tick else utc)[:10]
        if session.day[0] != day:
            session.day = day, found.balance, found.equity
        todays = await deals(utc // DAY * DAY, utc)
        at = clock_face(utc)
        return _json(models.snapshot(found, held, todays, timestamp=at, day_start=session.day[1:]))

    @app.get("/api/v1/positions", response_model=list[models.Position], **gate.guarded)
    @read
    async def get_positions() -> Response:
        rows = await positions("Error fetching positions")
        return JSONResponse([row.model_dump() for row in rows])

    @app.get("/api/v1/orders", response_model=models.Orders, **gate.guarded)
    @read
    async def get_orders() -> Response:
        return _json(models.Orders.model_validate({"orders": await house.call("orders_get") or []}))

    @app.get("/api/v1/history", response_model=models.History, **gate.guarded)
    @read
    async def get_history(from_days_ago: int = 7) -> Response:
        end = datetime.fromtimestamp(house.utc(), UTC)
        try:
            start = end - timedelta(days=from_days_ago)
        except OverflowError as problem:
            raise _failed("Error fetching history", str(problem)) from None
        rows = await deals(start.timestamp(), end.timestamp())
        if long := house.suffers(LongHistory):
            rows = [_A_PAYMENT.model_copy(update={"ticket": number}) for number in range(long.rows)]
        return _json(
            models.History(
                from_date=start.replace(tzinfo=None).isoformat(),
                to_date=end.replace(tzinfo=None).isoformat(),
                deals_count=len(rows),
                deals=rows,
            )
        )

    @app.get(
        "/api/v1/symbol/{symbol}",
        response_model=models.Symbol,
        dependencies=gate.guarded["dependencies"],
        responses=_declared(401, 403, 404, 500),
    )
    @read
    async def get_symbol(symbol: str) -> Response:
        if (found := await house.call("symbol_info", symbol)) is None:
            raise HTTPException(404, f"Symbol '{symbol}' not found")
        return _json(models.Symbol.model_validate(found))

    @app.get("/api/v1/server-time", response_model=models.ServerTime, **gate.guarded)
    @read
    async def get_server_time(session: Annotated[Session, Depends(gate.session)]) -> Response:
        tick, offset = await house.tick(), session.offset_hours
        told = clock_face(tick["time"], "seconds") if tick else clock_face(house.utc() + offset * HOUR)
        if bad := house.suffers(BadOffset):
            offset = bad.hours
        return _json(models.ServerTime(server_time=told, timezone_offset=offset))


def _failed(about: str, problem: str) -> HTTPException:
    """As it is told there: with the exception's text."""
    return HTTPException(500, f"{about}: {problem}")


def _json(answer: BaseModel) -> Response:
    return JSONResponse(answer.model_dump())
