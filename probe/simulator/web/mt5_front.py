"""What stands before both variants of the simulated public gateway: a proxy that may refuse, the loop that may be blocked, the
headers of its framework's own time, and faults of the answer's bytes.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from probe.faults.gateway import (
    BigBody,
    DrippingAnswer,
    EndlessBody,
    GatewayVariant,
    HtmlAnswer,
    InvalidUtf8,
    Nginx503,
    Nginx504,
    RedirectedElsewhere,
    Variant,
    WildNumber,
    WildNumbers,
)
from probe.simulator.web.mt5_house import House

METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"  # of starlette 0.38; newer ones know one more
CHUNK = b" " * 65_536
CHUNK_EVERY = 0.02
DIGITS = b"9" * 400
_NUMBER = re.compile(rb"(?<=[:\[])-?\d[\d.eE+-]*")
_NGINX = """<html>
<head><title>{title}</title></head>
<body>
<center><h1>{title}</h1></center>
<hr><center>nginx</center>
</body>
</html>
""".replace("\n", "\r\n")
_PAGE = "<!doctype html>\n<html><head><title>Welcome</title></head><body>It works!</body></html>\n"


class Front:
    """`v0` is made when it is first wanted."""

    def __init__(self, app: ASGIApp, house: House, v0: Callable[[], ASGIApp]) -> None:
        self._v1, self._v0, self._house = app, v0, house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._v1(scope, receive, send)
            return
        house = self._house
        if (page := await self._instead(scope)) is not None:
            await page(scope, receive, send)
            return
        began_at = house.now()
        async with house.busy:
            await house.settle()
        chosen = house.suffers(GatewayVariant) or GatewayVariant()
        is_v1 = chosen.v is Variant.V1
        answer = _Answer()
        if (preflight := _preflight(Headers(scope=scope), scope["method"])) is not None:
            await preflight(scope, receive, answer.take)
        else:
            await (self._v1 if is_v1 else self._v0())(scope, receive, answer.take)
            _allow_origin(Headers(scope=scope), answer.headers)
        if is_v1:
            answer.headers["x-request-id"] = house.new_id()
            answer.headers["x-process-time"] = str(house.now() - began_at)
        answer.headers["server"] = "uvicorn"
        await self._spoil(answer)
        await self._tell(answer, receive, send)

    async def _instead(self, scope: Scope) -> Response | None:
        """What the gateway itself never sees."""
        suffers = self._house.suffers
        if suffers(Nginx503):
            return _nginx("503 Service Temporarily Unavailable")
        if late := suffers(Nginx504):
            await asyncio.sleep(late.seconds)
            return _nginx("504 Gateway Time-out")
        if elsewhere := suffers(RedirectedElsewhere):
            return RedirectResponse(elsewhere.to + scope["path"], 302)
        return HTMLResponse(_PAGE) if suffers(HtmlAnswer) else None

    async def _spoil(self, answer: "_Answer") -> None:
        suffers = self._house.suffers
        if big := suffers(BigBody):
            answer.body += b" " * big.size
        if suffers(InvalidUtf8):
            answer.body = answer.body.replace(b'"', b'"\xff\xfe', 1)
        if wild := suffers(WildNumbers):
            number = b"NaN" if wild.kind is WildNumber.NAN else DIGITS
            answer.body = _NUMBER.sub(number, answer.body)
        answer.headers["content-length"] = str(len(answer.body))

    async def _tell(self, answer: "_Answer", receive: Receive, send: Send) -> None:
        suffers = self._house.suffers
        if suffers(EndlessBody):
            del answer.headers["content-length"]
            await send(answer.start)
            await _while_heard(_send_forever(answer.body, send), receive)
        elif drip := suffers(DrippingAnswer):
            await send(answer.start)
            await _while_heard(_drip(answer.body, send, drip.every), receive)
        else:
            await send(answer.start)
            await send({"type": "http.response.body", "body": answer.body})


class _Answer:
    """What an application answered, before it goes out."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            self.headers = MutableHeaders(scope=message)
        else:
            self.body += message.get("body", b"")


def _nginx(title: str) -> Response:
    page = HTMLResponse(_NGINX.format(title=title), int(title[:3]), {"server": "nginx"})
    page.headers["content-type"] = "text/html"
    return page


def _preflight(asked: Headers, method: str) -> Response | None:
    if method != "OPTIONS" or "origin" not in asked or "access-control-request-method" not in asked:
        return None
    headers = {
        "vary": "Origin",
        "access-control-allow-methods": METHODS,
        "access-control-max-age": "600",
        "access-control-allow-credentials": "true",
        "access-control-allow-origin": asked["origin"],
    }
    if "access-control-request-headers" in asked:
        headers["access-control-allow-headers"] = asked["access-control-request-headers"]
    return PlainTextResponse("OK", headers=headers)


def _allow_origin(asked: Headers, headers: MutableHeaders) -> None:
    if "origin" not in asked:
        return
    headers["access-control-allow-origin"] = "*"
    headers["access-control-allow-credentials"] = "true"
    if "cookie" in asked:
        headers["access-control-allow-origin"] = asked["origin"]
        headers.add_vary_header("Origin")


async def _send_forever(body: bytes, send: Send) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
    while True:
        await asyncio.sleep(CHUNK_EVERY)
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})


async def _drip(body: bytes, send: Send, every: float) -> None:
    for index in range(len(body)):
        await send({"type": "http.response.body", "body": body[index : index + 1], "more_body": True})
        await asyncio.sleep(every)
    await send({"type": "http.response.body", "body": b""})


async def _while_heard(telling: Coroutine[None, None, None], receive: Receive) -> None:
    """Until all is told, or nobody listens any more."""
    tasks = [asyncio.create_task(telling), asyncio.create_task(_gone(receive))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
