"""The gateway as a web application: the routes of the contract, read-only, over any terminal, for one account.

It differs from the public server of this contract on purpose: nothing is ever taken from the operator's own settings because a
client left it out, no program is started because a client named it, a lost terminal is an error and never a zero or an empty
list, a logout ends one session and not the terminal's, and no text of an exception leaves the house.
"""

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from probe.drivers.terminal import Terminal
from probe.gateway.broker_time import DAY, BrokerTime, clock_face
from probe.gateway.desk import Desk, GatewayAccount, Unavailable
from probe.gateway.models import (
    ROOT,
    SYMBOL,
    Account,
    Balance,
    Deal,
    Equity,
    Health,
    History,
    Listed,
    LoggedIn,
    Login,
    Message,
    Order,
    Orders,
    Position,
    Problem,
    Root,
    ServerTime,
    Snapshot,
    Symbol,
    Tick,
    snapshot,
)
from probe.gateway.sessions import LIFETIME, Sessions, Throttle
from probe.logs import get_logger

MOST_DAYS = 3650
LONGEST_BODY = 16 * 1024  # no login is longer
CLOCK_SYMBOLS = 4  # whose ticks tell the time: those that moved last, for not all markets are open

_SAYS: dict[int | str, dict[str, Any]] = {503: {"model": Problem}, 504: {"model": Problem}}
_GUARDED: dict[int | str, dict[str, Any]] = {401: {"model": Problem}, **_SAYS}
_REFUSED = "The login is refused. Check account number, password and server."


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    account: GatewayAccount
    origins: tuple[str, ...] = ()  # of web pages that may ask; none may unless named
    docs: bool = False
    deadline: float = 15.0  # seconds for one request's calls of the terminal
    queue: int = 20  # requests that may wait for it
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time


def gateway(terminal: Terminal, *, settings: GatewaySettings) -> FastAPI:
    """The application; whoever serves it closes the terminal."""
    app = FastAPI(
        title="MT5 REST API",
        description="REST API for MetaTrader 5 client authentication and operations",
        version="1.0.0",
        openapi_url="/openapi.json" if settings.docs else None,
        max_body_size=LONGEST_BODY,
        redirect_slashes=False,  # behind a proxy the redirect would leave TLS
    )
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type"),
        )
    _add_routes(app, _Gateway(terminal, settings))
    return app


class _Gateway:
    def __init__(self, terminal: Terminal, settings: GatewaySettings) -> None:
        self.account = settings.account
        self.desk = Desk(
            terminal,
            settings.account,
            clock=settings.clock,
            deadline=settings.deadline,
            queue=settings.queue,
        )
        self.sessions = Sessions(settings.clock)
        self.throttle = Throttle(settings.clock)
        self.time = BrokerTime(settings.utc)
        self.day_start = (0, 0.0, 0.0)  # the broker's midnight, and what the day's first look showed
        self.clock_symbols: list[str] = []

    def admits(self, login: Login) -> bool:
        """All three are compared whatever the first one was, so that the time tells nothing."""
        own = self.account
        pairs = (
            (str(login.account_number), str(own.number)),
            (login.password, own.password.reveal()),
            (login.server, own.server),
        )
        same = [
            hmac.compare_digest(*(each.encode("utf-8", "surrogatepass") for each in pair)) for pair in pairs
        ]
        return all(same)

    async def deals(self, begins_at: int) -> list[Deal]:
        # A day beyond now: should the offset be unknown, the newest hours are not missing.
        return await self.desk.ask("history_deals_get", list[Deal], begins_at, self.time.now() + DAY)

    async def snapshot(self) -> Snapshot:
        account = await self.desk.account()
        positions = await self.desk.ask("positions_get", list[Position])
        await self.newest_tick()
        midnight = self.time.midnight()
        if self.day_start[0] != midnight:
            self.day_start = midnight, account.balance, account.equity
        return snapshot(
            account,
            positions,
            await self.deals(midnight),
            timestamp=self.time.timestamp(),
            day_start=self.day_start[1:],
        )

    async def newest_tick(self) -> int:
        """When it was, on the broker's clock; 0 if there is none."""
        if not self.clock_symbols:
            symbols = await self.desk.ask("symbols_get", list[Listed])
            shown = [each for each in symbols if each.visible]
            shown.sort(key=lambda each: each.time, reverse=True)
            self.clock_symbols = [each.name for each in shown[:CLOCK_SYMBOLS]]
        ticks = [await self.desk.find("symbol_info_tick", Tick, name) for name in self.clock_symbols]
        newest = max((tick.time for tick in ticks if tick), default=0)
        self.time.see(newest)
        return newest


def _add_routes(app: FastAPI, house: _Gateway) -> None:
    desk, sessions = house.desk, house.sessions

    async def token(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
        if not sessions.holds(given.credentials):
            raise HTTPException(
                401, "Invalid or expired session token", {"www-authenticate": 'Bearer error="invalid_token"'}
            )
        return given.credentials

    guarded: dict[str, Any] = {"dependencies": [Depends(token)], "responses": _GUARDED}

    @app.get("/")
    async def root() -> Root:
        return ROOT

    @app.get("/health", responses=_SAYS)
    async def health() -> Health:
        """At once, also while the terminal is busy; 503 when it is lost, or has lost its broker."""
        if desk.is_used:
            await desk.glance()
        status = "healthy" if desk.is_used else "waiting for a login"
        return Health(status=status, timestamp=house.time.timestamp(), active_sessions=sessions.count())

    @app.post(
        "/api/v1/login",
        responses={
            **{status: {"model": Problem} for status in (400, 401, 429, 503, 504)},
            413: {"model": Problem, "content": {"text/plain": {}}},  # the framework says it in two ways
        },
    )
    async def login(body: Login, request: Request) -> LoggedIn:
        client = request.client.host if request.client else ""
        if wait := house.throttle.wait(client):
            raise HTTPException(429, f"Too many logins. Try again in {wait} s.", {"retry-after": str(wait)})
        if not house.admits(body):
            raise HTTPException(401, _REFUSED, {"www-authenticate": "Bearer"})
        await desk.enter()
        return LoggedIn(
            session_token=sessions.open(),
            account_number=body.account_number,
            server=body.server,
            expires_in=LIFETIME,
        )

    @app.post("/api/v1/logout", responses={401: {"model": Problem}})
    async def logout(own: Annotated[str, Depends(token)]) -> Message:
        sessions.close(own)
        return Message(message="Successfully logged out")

    @app.get("/api/v1/account", **guarded)
    async def account() -> Account:
        return await desk.account()

    @app.get("/api/v1/balance", **guarded)
    async def balance() -> Balance:
        return Balance(balance=(await desk.account()).balance)

    @app.get("/api/v1/equity", **guarded)
    async def equity() -> Equity:
        return Equity(equity=(await desk.account()).equity)

    @app.get("/api/v1/snapshot", **guarded)
    async def whole() -> Snapshot:
        return await house.snapshot()

    @app.get("/api/v1/positions", **guarded)
    async def positions() -> list[Position]:
        return await desk.ask("positions_get", list[Position])

    @app.get("/api/v1/orders", **guarded)
    async def orders() -> Orders:
        return Orders(orders=await desk.ask("orders_get", list[Order]))

    @app.get("/api/v1/history", **guarded)
    async def history(from_days_ago: Annotated[int, Query(ge=0, le=MOST_DAYS)] = 7) -> History:
        deals = await house.deals(house.time.now() - from_days_ago * DAY)
        return History(
            from_date=house.time.timestamp(from_days_ago * DAY),
            to_date=house.time.timestamp(),
            deals_count=len(deals),
            deals=deals,
        )

    @app.get(
        "/api/v1/symbol/{symbol}",
        dependencies=[Depends(token)],
        responses={**_GUARDED, 404: {"model": Problem}},
    )
    async def symbol(symbol: Annotated[str, Path(pattern=SYMBOL)]) -> Symbol:
        found = await desk.find("symbol_info", Symbol, symbol)
        if found is None:
            raise HTTPException(404, f"Symbol '{symbol}' not found")
        return found

    @app.get("/api/v1/server-time", **guarded)
    async def server_time() -> ServerTime:
        newest, offset = await house.newest_tick(), house.time.offset_hours
        if offset is None:
            raise Unavailable(
                "The broker's time is not known: no price has moved since this gateway runs. "
                "Ask again when its markets are open."
            )
        return ServerTime(server_time=clock_face(newest, "seconds"), timezone_offset=offset)


# -- errors ------------------------------------------------------------------------------------------------------------


async def _unavailable(_: Request, problem: Exception) -> Response:
    unavailable = cast("Unavailable", problem)
    return _problem(unavailable.status, unavailable.words)


async def _invalid(_: Request, problem: Exception) -> Response:
    """In the usual form, but for what was sent: a password could be in it."""
    errors = cast("RequestValidationError", problem).errors()
    flaws = [{name: each[name] for name in ("type", "loc", "msg")} for each in errors]
    return _problem(422, flaws)


async def _broken(request: Request, problem: Exception) -> Response:
    get_logger(source="gateway").error("request_broke", path=request.url.path, exc_info=problem)
    return _problem(500, "The gateway broke. Its log says more.")


def _problem(status: int, detail: object) -> Response:
    # ASCII only: a body can hold half of a character, and comes back in names of fields.
    return Response(json.dumps({"detail": detail}), status, media_type="application/json")
