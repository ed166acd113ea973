"""What a simulated broker's host answers to a browser: everything that is not the socket.

A module beside this one that is named like the broker serves the pages that only this broker has.
"""

import asyncio
from email.utils import formatdate
from html import escape
from importlib import import_module
from importlib.util import find_spec
from random import Random

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from probe.faults.pages import PageBoard
from probe.faults.signin import Challenge, SlowPages
from probe.session.broker import Broker
from probe.simulator.web.challenge import challenge
from probe.simulator.world import World

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}, simulated</title>
<h1>{title}, simulated</h1>
<p>This is the built-in simulator of tradeprobe, not the broker. Prices, accounts and orders are made up.</p>
<p>The socket is at <code>{socket}</code> on this host and port.</p>
{more}</html>
"""


def pages_of(broker: Broker, *, world: World, board: PageBoard, rng: Random) -> FastAPI:
    """`rng` makes what must not be guessed: cookies and form tokens."""
    more, module = "", None
    own = f"{__package__}.{broker.name}"
    if find_spec(own) is not None:
        module = import_module(own)
        if hasattr(module, "application"):  # not pages for people but a service of its own
            whole: FastAPI = module.application(broker, world=world, board=board, rng=rng)
            whole.add_middleware(_Edge, board=board, world=world)
            return whole
    app = FastAPI(openapi_url=None)
    app.add_middleware(_Edge, board=board, world=world)
    if module is not None:
        app.router.routes.extend(module.routes(world=world, board=board, rng=rng))
        more = f'<p><a href="{module.ENTRANCE}">Sign in</a></p>\n'
    query = "&".join(f"{name}={value}" for name, value in broker.rules.query.items())
    socket = escape(f"{broker.rules.path}?{query}")
    page = _PAGE.format(title=escape(broker.title), socket=socket, more=more)

    @app.get("/", response_class=HTMLResponse)
    async def front() -> str:
        return page

    @app.get(broker.rules.path)
    async def socket_without_upgrade() -> JSONResponse:
        # What a Socket.IO server says that offers WebSocket only.
        return JSONResponse({"code": 0, "message": "Transport unknown"}, status_code=400)

    return app


class _Edge:
    """What stands before all pages."""

    def __init__(self, app: ASGIApp, board: PageBoard, world: World) -> None:
        self._app, self._board, self._world = app, board, world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                instant = formatdate(self._world.floor.at(loop.time()), usegmt=True)
                message["headers"] = [*message["headers"], (b"date", instant.encode())]
            await send(message)

        now = loop.time()
        if slow := self._board.strikes(SlowPages, now):
            await asyncio.sleep(slow.seconds)
        refused = self._board.strikes(Challenge, now)
        await (challenge(refused.status) if refused else self._app)(scope, receive, dated)
