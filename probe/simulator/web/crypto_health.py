"""What the backend says about itself: its health, as deep as it looks, and its documentation."""

import asyncio
from collections.abc import Awaitable
from math import inf

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse, JSONResponse

from probe.faults.backend import DocsExposed, HealthDepth, HealthForm, HealthHangs, HealthLies, Telling
from probe.simulator.web.crypto_core import DEVELOPMENT, Broken, BrokerProblem, Core, stamp
from probe.simulator.web.crypto_market import Exchange
from probe.simulator.web.crypto_sessions import Sessions
from probe.simulator.web.crypto_shapes import Check, HealthOut
from probe.simulator.web.crypto_store import Store

VERSION = "1.0.0"
CHECK_WITHIN = 2.0
_DOCS = """<!DOCTYPE html>
<html><head><title>Crypto backend, simulated - {tool}</title></head>
<body><p>The document is <a href="/openapi.json">/openapi.json</a>.</p></body></html>
"""


class Doctor:
    def __init__(self, core: Core, store: Store, exchange: Exchange, sessions: Sessions) -> None:
        self._core, self._store, self._exchange, self._sessions = core, store, exchange, sessions
        self._started_at = core.utc()

    async def health(self, response: Response) -> HealthOut:
        if hanging := self._core.suffers(HealthHangs):
            await asyncio.sleep(hanging.seconds)
        form = self._core.suffers(HealthForm)
        depth = form.depth if form else HealthDepth.CHECKS
        if depth is HealthDepth.CONSTANT or self._core.suffers(HealthLies):
            return HealthOut(status="healthy")
        within = CHECK_WITHIN if depth is HealthDepth.CHECKS else inf
        database = await self._check(self._store.reach(within), within)
        broker = await self._check(self._exchange.ask(), within)
        if database.status == "down":
            response.status_code = 503
        now = self._core.utc()
        return HealthOut(
            status="unhealthy"
            if database.status == "down"
            else "degraded"
            if broker.status == "down"
            else "healthy",
            version=VERSION,
            environment=self._core.settings.environment,
            uptime_seconds=round(now - (self._sessions.restarted.since() or self._started_at), 3),
            timestamp=stamp(now),
            checks={"database": database, "broker": broker, "smtp": Check(status="unknown")},
        )

    async def _check(self, asking: Awaitable[None], within: float) -> Check:
        began_at = self._core.now()
        try:
            async with asyncio.timeout(within + 0.5):  # who has a timeout of his own may use it up
                await asking
        except Broken as problem:
            return Check(status="down", error=problem.words if problem.tells is Telling.FULL else None)
        except (TimeoutError, BrokerProblem):
            return Check(status="down")
        return Check(status="up", latency_ms=round((self._core.now() - began_at) * 1000, 3))


def serve_health(app: FastAPI, doctor: Doctor) -> None:
    read = app.get("/health", response_model_exclude_none=True, responses={503: {"model": HealthOut}})
    read(doctor.health)


def serve_documentation(app: FastAPI, core: Core) -> None:
    """Open in development only, or by mistake."""

    def when_open() -> None:
        if core.settings.environment != DEVELOPMENT and not core.suffers(DocsExposed):
            raise HTTPException(404, "Not Found")

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> JSONResponse:
        when_open()
        return JSONResponse(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> HTMLResponse:
        when_open()
        return HTMLResponse(_DOCS.format(tool="Swagger UI"))

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        when_open()
        return HTMLResponse(_DOCS.format(tool="ReDoc"))
