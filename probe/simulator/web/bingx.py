"""BingX's public REST interface in its three families: USDT futures (swap), spot, and coin-margined futures (cswap). Of an
account it has the listen keys."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from probe.faults.exchange import (
    ExchangeClockSkew,
    ExchangeError,
    ExchangeLimit,
    ExchangeOldCodes,
    ExchangeSymbolOffline,
)
from probe.faults.paged import PageFault
from probe.faults.pages import PageBoard
from probe.session.broker import Broker
from probe.simulator.web.bingx_keys import PATH, ListenKeys
from probe.simulator.web.bingx_market import (
    BAD_ARGUMENT,
    NO_SYMBOL,
    OFFLINE,
    Answer,
    CannotBeHad,
    Market,
    Query,
    milliseconds,
)
from probe.simulator.world import World

LIMIT_SECONDS, LIMIT_REQUESTS = 10.0, 500

TOO_OFTEN = 109429
OLD_CODES = {NO_SYMBOL: 100204, OFFLINE: 100490, TOO_OFTEN: 100410}
WORDS = {
    NO_SYMBOL: "this symbol does not exist",
    OFFLINE: "this symbol is offline",
    TOO_OFTEN: "code:{code}:The endpoint trigger frequency limit rule is currently in the disabled period and will be "
    "unblocked after {until}",
    BAD_ARGUMENT: "illegal argument",
    100001: "Signature verification failed",
    100410: "the current system is busy, please try again later",
    100421: "Null timestamp or timestamp mismatch",
    100500: "the current system is busy, please try again later",
    109400: "timestamp is invalid",
    109500: "the current system is busy, please try again later",
}
F = TypeVar("F", bound=PageFault)


def application(
    broker: Broker,
    *,
    world: World,
    board: PageBoard,
    rng: Random,
) -> FastAPI:
    app = FastAPI(openapi_url=None, title=f"{broker.title}, simulated")
    exchange = _Exchange(world, board)
    for path, answer in exchange.market.routes().items():
        app.add_route(f"/openApi/{path}", exchange.serve(path, answer))
    app.add_route(PATH, ListenKeys(world, rng).serve, methods=["POST", "PUT", "DELETE"])
    return app


class _Exchange:
    def __init__(self, world: World, board: PageBoard) -> None:
        self._floor, self._board = world.floor, board
        self.market = Market(world.floor, tuple(world.house.listings), self._is_offline)
        self._asked: deque[float] = deque()
        self._refusals = 0
        self._banned_until = 0.0

    # -- every request -----------------------------------------------------------------------------------------------

    def serve(self, path: str, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            now = asyncio.get_running_loop().time()
            skew = self._suffers(ExchangeClockSkew, now)
            at = self._floor.at(now) + (skew.seconds if skew else 0.0)
            response = self._refusal(path, now, at) or self._answer(
                path, answer, dict(request.query_params), now, at
            )
            response.headers.update(self._budget(now, at))
            return response

        return endpoint

    def _answer(self, path: str, answer: Answer, query: Query, now: float, at: float) -> Response:
        fault = self._suffers(ExchangeError, now)
        if fault is not None and path.endswith(fault.path):
            return _error(fault.code, WORDS.get(fault.code, "error"), fault.status)
        try:
            data = answer(query, at)
        except CannotBeHad as wrong:
            return _error(self._code(wrong.code, path, now), WORDS[wrong.code], 200)
        more = {} if path.startswith("swap") else {"debugMsg": "", "timestamp": milliseconds(at)}
        return JSONResponse({"code": 0, "msg": "", **more, "data": data})

    def _refusal(self, path: str, now: float, at: float) -> Response | None:
        limit = self._suffers(ExchangeLimit, now)
        if limit is None:
            self._refusals, self._banned_until = 0, 0.0
        elif now < self._banned_until:
            return Response(status_code=418)
        while self._asked and self._asked[0] <= now - LIMIT_SECONDS:
            self._asked.popleft()
        if limit is None or len(self._asked) < limit.requests:
            self._refusals = 0
            self._asked.append(now)
            return None
        self._refusals += 1
        if self._refusals > limit.patience:
            self._banned_until, self._refusals = now + limit.ban, 0
            return Response(status_code=418)
        code = self._code(TOO_OFTEN, path, now)
        until = milliseconds(at + (self._asked[0] + LIMIT_SECONDS - now if self._asked else LIMIT_SECONDS))
        return _error(code, WORDS[TOO_OFTEN].format(code=code, until=until), 429)

    def _budget(self, now: float, at: float) -> dict[str, str]:
        limit = self._suffers(ExchangeLimit, now)
        left = (limit.requests if limit else LIMIT_REQUESTS) - len(self._asked)
        ends_at = at + (self._asked[0] + LIMIT_SECONDS - now if self._asked else LIMIT_SECONDS)
        return {
            "X-RateLimit-Requests-Remain": str(max(left, 0)),
            "X-RateLimit-Requests-Expire": str(milliseconds(ends_at)),
        }

    def _code(self, code: int, path: str, now: float) -> int:
        """Spot kept the older numbers."""
        is_old = not path.startswith("swap") or self._suffers(ExchangeOldCodes, now)
        return OLD_CODES.get(code, code) if is_old else code

    def _suffers(self, fault: type[F], now: float) -> F | None:
        return self._board.strikes(fault, now)

    def _is_offline(self, symbol: str) -> bool:
        fault = self._suffers(ExchangeSymbolOffline, asyncio.get_running_loop().time())
        return fault is not None and fault.symbol == symbol


def _error(code: int, words: str, status: int) -> Response:
    return JSONResponse({"code": code, "msg": words, "data": {}}, status_code=status)
