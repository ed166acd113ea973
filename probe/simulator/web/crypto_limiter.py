"""So many requests per minute and address, refused in the ways that backends of this kind have."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from probe.faults.backend import Limit, LimitForm, LimitUsedUp
from probe.simulator.web.crypto_core import Core

WINDOW = 60.0
FREE = "/__sim/"  # is no part of the backend
_NGINX = """<html>\r
<head><title>503 Service Temporarily Unavailable</title></head>\r
<body>\r
<center><h1>503 Service Temporarily Unavailable</h1></center>\r
<hr><center>nginx</center>\r
</body>\r
</html>\r
"""
_SLOWAPI = (
    LimitForm.PER_ROUTE,
    LimitForm.SHARED,
    LimitForm.HEADERS,
)  # stands inside CORS; the others outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    admitted: bool
    remaining: int
    resets_in: float


class FixedWindow:
    """It starts with the first request."""

    def __init__(self) -> None:
        self._began_at, self._taken = 0.0, 0

    def take(self, limit: int, now: float) -> Verdict:
        if not self._taken or now >= self._began_at + WINDOW:
            self._began_at, self._taken = now, 0
        self._taken += 1
        return Verdict(
            admitted=self._taken <= limit,
            remaining=max(0, limit - self._taken),
            resets_in=self._began_at + WINDOW - now,
        )


class SlidingWindow:
    def __init__(self) -> None:
        self._hits: deque[float] = deque()

    def take(self, limit: int, now: float) -> Verdict:
        while self._hits and self._hits[0] <= now - WINDOW:
            self._hits.popleft()
        admitted = len(self._hits) < limit
        if admitted:
            self._hits.append(now)
        return Verdict(
            admitted=admitted, remaining=limit - len(self._hits), resets_in=self._hits[0] + WINDOW - now
        )


class LeakyBucket:
    """A fifth of the limit at once, then at its pace."""

    def __init__(self) -> None:
        self._level, self._at = 0.0, 0.0

    def take(self, limit: int, now: float) -> Verdict:
        pace, burst = limit / WINDOW, max(1, limit // 5)
        self._level, self._at = max(0.0, self._level - (now - self._at) * pace), now
        admitted = self._level < burst
        if admitted:
            self._level += 1
        return Verdict(admitted=admitted, remaining=int(burst - self._level), resets_in=1 / pace)


Meter = FixedWindow | SlidingWindow | LeakyBucket


class Limiter:
    """`route_of` names the route that a request is for; the library that counts by routes lets others pass."""

    def __init__(self, core: Core, route_of: Callable[[Scope], str | None]) -> None:
        self._core, self._route_of = core, route_of
        self._meters: dict[tuple[LimitForm, str, str], Meter] = {}

    def rule(self) -> Limit:
        usual = self._core.settings.requests_per_minute
        return self._core.suffers(Limit) or Limit(form=LimitForm.SLIDING, limit=usual)

    def judge(self, rule: Limit, scope: Scope) -> Verdict | None:
        """None: the request is not counted."""
        route = self._route_of(scope) if rule.form in _SLOWAPI else ""
        if route is None:
            return None
        address = scope["client"][0] if scope.get("client") else ""
        key = (rule.form, address, "" if rule.form is LimitForm.SHARED else route)
        meter = self._meters.get(key) or self._meters.setdefault(key, _meter(rule.form))
        verdict = meter.take(rule.limit, self._core.now())
        if self._core.suffers(LimitUsedUp):
            return Verdict(admitted=False, remaining=0, resets_in=WINDOW)
        return verdict

    def headers(self, rule: Limit, verdict: Verdict) -> dict[str, str]:
        if rule.form is not LimitForm.HEADERS:
            return {}
        return {
            "x-ratelimit-limit": str(rule.limit),
            "x-ratelimit-remaining": str(verdict.remaining),
            "x-ratelimit-reset": str(self._core.utc() + verdict.resets_in),
            "retry-after": str(max(1, round(verdict.resets_in))),
        }


def _meter(form: LimitForm) -> Meter:
    if form in _SLOWAPI:
        return FixedWindow()
    return LeakyBucket() if form is LimitForm.NGINX else SlidingWindow()


def _refusal(rule: Limit, headers: dict[str, str]) -> Response:
    match rule.form:
        case LimitForm.PER_ROUTE | LimitForm.SHARED | LimitForm.HEADERS:
            words = f"Rate limit exceeded: {rule.limit} per 1 minute"
            return JSONResponse({"error": words}, status_code=429, headers=headers)
        case LimitForm.SLIDING:
            return JSONResponse({"detail": "Too many requests"}, status_code=429)
        case LimitForm.SLIDING_500:
            return PlainTextResponse("Internal Server Error", status_code=500)
        case LimitForm.NGINX:
            return HTMLResponse(_NGINX, status_code=503, headers={"server": "nginx"})


class LimiterGate:
    """The place where a limiter stands: inside what adds the headers for other origins, or outside."""

    def __init__(self, app: ASGIApp, limiter: Limiter, *, inside: bool) -> None:
        self._app, self._limiter, self._inside = app, limiter, inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = self._limiter.rule()
        stands_here = (rule.form in _SLOWAPI) is self._inside
        if not stands_here or scope["type"] != "http" or scope["path"].startswith(FREE):
            await self._app(scope, receive, send)
            return
        verdict = self._limiter.judge(rule, scope)
        headers = self._limiter.headers(rule, verdict) if verdict else {}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if verdict is None or verdict.admitted:
            await self._app(scope, receive, sending if headers else send)
        else:
            await _refusal(rule, headers)(scope, receive, send)
