"""What every request passes before its page: limits and users; and what every answer gets: headers that protect, and no trace of a bug."""

import re
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporters.guard import Guard
from exporters.guard.limits import Limits
from exporters.guard.rates import Rates, client_of
from probe.logs import get_logger
from probe.safety import is_loopback

PROTECTING = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "deny",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
BUG = "Something went wrong in the exporter. Its log says where."
HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def application(routes: Iterable[BaseRoute]) -> Starlette:
    """The pages; one that does not exist says which do."""
    known = list(routes)
    paths = sorted({_shown(route.path) for route in known if isinstance(route, (Route, Mount))})

    async def nothing(_: Request, problem: Exception) -> Response:
        """Also of a page that says so itself, and that in its own words."""
        assert isinstance(problem, HTTPException)  # noqa: S101 - Starlette calls it for nothing else
        text = problem.detail
        if problem.status_code == 404 and text == "Not Found":
            text = f"Nothing is here. What is: {'  '.join(paths)}"
        elif problem.status_code == 405:
            allowed = (problem.headers or {}).get("Allow", "other methods").split(", ")
            text = f"This page takes {', '.join(sorted(allowed))}."
        return PlainTextResponse(f"{text}\n", problem.status_code, problem.headers)

    async def failed(_: Request, __: Exception) -> Response:
        return _page(BUG, 500)

    app = Starlette(routes=known, exception_handlers={HTTPException: nothing, Exception: failed})
    app.router.redirect_slashes = False  # it would send people to whatever the Host header says
    return app


class Front:
    """
    Args:
        host: Where the exporter listens.
    """

    def __init__(self, app: ASGIApp, *, guard: Guard | None, limits: Limits, host: str) -> None:
        self._app, self._guard, self._limits = app, guard, limits
        self._is_local = is_loopback(host)
        self._rates = Rates(each_second=limits.requests_each_second, burst=limits.requests_at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def protected(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._protect(MutableHeaders(raw=message.setdefault("headers", [])))
            await send(message)

        if scope["type"] != "http":
            return
        try:
            await (await self._refusal(scope) or self._app)(scope, receive, protected)
        except Exception as problem:  # noqa: BLE001 - a bug in a page ends no exporter, and shows nothing of it
            get_logger().error("page_failed", problem=type(problem).__name__, place=_place(problem))
            if not started:  # else uvicorn cuts it off, so that nobody takes half of it for the whole
                await _page(BUG, 500)(scope, receive, protected)

    def _protect(self, headers: MutableHeaders) -> None:
        for name, value in PROTECTING.items():
            headers.setdefault(name, value)
        for name, value in self._guard.headers.items() if self._guard else ():
            if value:
                headers[name] = value
            elif name in headers:
                del headers[name]

    async def _refusal(self, scope: Scope) -> Response | None:
        if scope["http_version"] not in ("1.0", "1.1"):
            return _page("This exporter speaks HTTP/1.1.", 505, {"connection": "close"})
        if _size(scope) > self._limits.request_bytes:  # h11 counts only what does not come in one piece
            return _page("The headers are too long.", 431, {"connection": "close"})
        headers = Headers(scope=scope)
        client = client_of(scope["client"][0] if scope.get("client") else "")
        now = time.monotonic()
        if self._guard:
            self._guard.refresh()
        if wait := self._rates.take(client, now):
            return _too_many(wait)
        if headers.get("transfer-encoding") or not _is_small(headers.get("content-length"), self._limits):
            return _page(
                f"No page takes a body of more than {self._limits.body_bytes} bytes.",
                413,
                {"connection": "close"},
            )
        has_users = self._guard is not None and self._guard.has_users
        if self._is_local and not has_users and not _is_local(headers.get("host", "")):
            return _page(
                "This exporter serves this machine only, and has no users: ask for localhost, not for another name. "
                "Behind a proxy, let that send the Host header localhost.",
                421,
            )
        if has_users and (refusal := await self._login(headers, client)):
            return refusal
        # What all may take together counts those who may come in: else strangers would use it up for them.
        if self._guard and (wait := self._guard.over_rate(now)):
            return _too_many(wait)
        return None

    async def _login(self, headers: Headers, client: str) -> Response | None:
        assert self._guard is not None  # noqa: S101 - only then there are users
        verdict = await self._guard.verdict(headers.get("authorization", "").encode("latin-1"), client)
        if verdict.allowed:
            return None
        if verdict.wait:
            return _page("Too many wrong passwords.", 429, {"retry-after": str(verdict.wait)})
        return _page(
            "A name and a password are needed.",
            401,
            {"www-authenticate": 'Basic realm="tradeprobe", charset="UTF-8"'},
        )


def _page(words: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{words}\n", status, headers)


def _too_many(wait: int) -> Response:
    return _page("Too many requests.", 429, {"retry-after": str(wait), "connection": "close"})


def _shown(path: str) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: match[1].upper(), path) or "/"


def _size(scope: Scope) -> int:
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    return len(scope["raw_path"]) + len(scope["query_string"]) + fields


def _is_small(length: str | None, limits: Limits) -> bool:
    return length is None or (len(length) < 8 and int(length) <= limits.body_bytes)  # h11 took digits only


def _is_local(host: str) -> bool:
    """Whether no page of a stranger can have sent a browser here: that would come with the stranger's name."""
    match = HOST.fullmatch(host)
    if match is None:
        return not host
    name = match["name"].strip("[]")
    return is_loopback(name) or name.replace(".", "").isdigit() or ":" in name


def _place(problem: Exception) -> str:
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
