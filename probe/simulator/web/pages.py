"""What a simulated broker's host answers to a browser: everything that is not the socket."""

from html import escape

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse

from probe.session.broker import Broker

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}, simulated</title>
<h1>{title}, simulated</h1>
<p>This is the built-in simulator of tradeprobe, not the broker. Prices, accounts and orders are made up.</p>
<p>The socket is at <code>{socket}</code> on this host and port.</p>
</html>
"""


def pages_of(broker: Broker) -> FastAPI:
    app = FastAPI(openapi_url=None)
    query = "&".join(f"{name}={value}" for name, value in broker.rules.query.items())
    page = _PAGE.format(title=escape(broker.title), socket=escape(f"{broker.rules.path}?{query}"))

    @app.get("/", response_class=HTMLResponse)
    async def front() -> str:
        return page

    @app.get(broker.rules.path)
    async def socket_without_upgrade() -> JSONResponse:
        # What a Socket.IO server says that offers WebSocket only.
        return JSONResponse({"code": 0, "message": "Transport unknown"}, status_code=400)

    return app
