"""A crypto trading backend, complete: accounts, strategies, trades and a database and a broker that can fail.

Whoever would have got a mail finds its code at ``/__sim/outbox``, which only the simulator has.
"""

import asyncio
from dataclasses import asdict
from random import Random

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from probe.faults.backend import BusyLoop, Telling, Work
from probe.faults.pages import PageBoard
from probe.session.broker import Broker, SimulatedAccount
from probe.simulator.web.crypto_core import DEVELOPMENT, Broken, BrokerProblem, Core, Settings
from probe.simulator.web.crypto_health import VERSION, Doctor, serve_documentation, serve_health
from probe.simulator.web.crypto_limiter import Limiter, LimiterGate
from probe.simulator.web.crypto_market import Exchange, serve_market
from probe.simulator.web.crypto_people import People, serve_people
from probe.simulator.web.crypto_sessions import Sessions
from probe.simulator.web.crypto_shapes import Limited
from probe.simulator.web.crypto_store import Store, User
from probe.simulator.web.crypto_trading import Desk, serve_trading
from probe.simulator.world import World

MEMBER_SINCE = 30 * 86_400.0  # seconds before the start
PRODUCTION = Settings()


def application(
    broker: Broker, *, world: World, board: PageBoard, rng: Random, settings: Settings = PRODUCTION
) -> FastAPI:
    """Made inside the event loop that serves it. The accounts that the world has now are signed in already."""
    core = Core(settings=settings, world=world, board=board, rng=rng)
    store, sessions, exchange = Store(core), Sessions(core), Exchange(core)
    people, desk = People(core, store, sessions), Desk(core, exchange)
    for identity in world.accounts:
        user = people.add(email=identity.email, name=f"#{identity.user}", password=identity.password)
        _settle_in(user, identity, core, exchange, desk)
        credential = broker.write_credential(identity)
        sessions.admit(broker.read_credentials(credential).token.reveal(), user.id)

    app = FastAPI(
        title="Crypto backend, simulated",
        version=VERSION,
        openapi_url=None,
        responses={429: {"model": Limited, "description": "Too many requests"}},
    )
    app.state.people, app.state.outbox = people, people.outbox
    serve_people(app, people)
    serve_trading(app, desk)
    serve_market(app, exchange)
    serve_health(app, Doctor(core, store, exchange, sessions))
    serve_documentation(app, core)

    @app.get("/__sim/outbox", include_in_schema=False)
    async def outbox() -> list[dict[str, object]]:
        return [asdict(mail) for mail in people.outbox.mails]

    _tell_problems(app, core)
    limiter = Limiter(core, lambda scope: _route_of(app, scope))
    app.add_middleware(LimiterGate, limiter=limiter, inside=True)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )
    app.add_middleware(_Tracking, core=core)
    app.add_middleware(LimiterGate, limiter=limiter, inside=False)
    return app


def _settle_in(user: User, identity: SimulatedAccount, core: Core, exchange: Exchange, desk: Desk) -> None:
    """An account with a past."""
    now = core.utc()
    user.created_at = now - MEMBER_SINCE
    held = core.world.account(identity.user, identity.account).balance().amount
    user.cash.append((user.created_at, held))
    exchange.give_keys(user, core.draw(40), core.draw(40))
    desk.settle_in(user, now)


def _route_of(app: FastAPI, scope: Scope) -> str | None:
    for route in app.routes:
        if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
            return route.path
    return None


class _Tracking:
    """Gives every request a name and tells how long it took; one that needs the processor makes the others wait."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        self._app, self._core = app, core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        async with self._core.processor:
            busy = self._core.suffers(BusyLoop)
            if busy and (busy.by is Work.EVERYTHING or scope["path"] == "/signin"):
                await asyncio.sleep(busy.seconds)
        began_at, name = self._core.now(), self._core.draw(32)
        scope.setdefault("state", {})["request_id"] = name

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = name
                headers["X-Process-Time"] = f"{self._core.now() - began_at:.6f}"
            await send(message)

        await self._app(scope, receive, sending)


def _tell_problems(app: FastAPI, core: Core) -> None:
    @app.exception_handler(HTTPException)
    async def refused(request: Request, problem: HTTPException) -> JSONResponse:
        told: dict[str, object] = {"detail": problem.detail, "request_id": request.state.request_id}
        if isinstance(problem, BrokerProblem) and problem.code is not None:
            told["broker_code"] = problem.code
        return JSONResponse(told, status_code=problem.status_code, headers=problem.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
        # What was given is not given back: it may be a secret, or no JSON can hold it.
        errors = [{name: error[name] for name in ("type", "loc", "msg")} for error in problem.errors()]
        return JSONResponse({"detail": errors}, status_code=422)

    @app.exception_handler(Broken)
    async def broken(request: Request, problem: Broken) -> JSONResponse:
        in_full = problem.tells is Telling.FULL or core.settings.environment == DEVELOPMENT
        told: dict[str, object] = {
            "detail": problem.words if in_full else "Internal server error",
            "request_id": request.state.request_id,
        }
        if problem.traceback:
            told["traceback"] = problem.traceback
        return JSONResponse(told, status_code=500)
