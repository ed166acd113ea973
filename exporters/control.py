"""Pages for programs that run the exporter: is it alive, is it ready, read the configuration again, what is there to scrape."""

from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporters.front import HOST
from exporters.guard import Guard
from exporters.watched import Watched
from probe.drivers.polling import is_dialled
from probe.logs import redact
from probe.measure.records import SessionState
from probe.model.errors import ProbeError
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import Wanted


def what_is_missing(monitor: Monitor) -> str | None:
    """None: every target has begun."""
    conditions = monitor.conditions()
    if not conditions:
        return "no target is watched yet"
    idle = sorted(name for name, condition in conditions.items() if condition.state is SessionState.IDLE)
    return f"not begun yet: {', '.join(idle)}" if idle else None


def routes(
    watched: Watched,
    is_ready: Callable[[Monitor], str | None] = what_is_missing,
    guard: Guard | None = None,
) -> list[BaseRoute]:
    """
    Args:
        is_ready: Asked in the monitor's loop: what is missing, None if nothing is.
        guard: Its files are read again together with the configuration.
    """

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("The exporter is alive.\n")

    async def ready(_: Request) -> Response:
        missing = await watched.ask(is_ready)
        return PlainTextResponse(
            f"Not ready: {missing}.\n" if missing else "Ready.\n", 503 if missing else 200
        )

    async def reload(request: Request) -> Response:
        _refuse_other_sites(request)
        try:
            words, status = await watched.reload(), 200
        except ProbeError as problem:
            words, status = f"Not taken over, all goes on as before: {problem}", 500
        if guard is not None:
            guard.refresh(anyway=True)
            if guard.problem:
                words, status = f"{words}\nThe web configuration was not taken over: {guard.problem}", 500
        return PlainTextResponse(f"{_harmless(redact(words))}\n", status)

    async def discovery(request: Request) -> Response:
        address = _address(request)
        groups = [
            {"targets": [address], "labels": _labels(wanted)}
            for wanted in await watched.wanted()
            if is_dialled(wanted.endpoints[0].url)  # the others cannot be probed
        ]
        return JSONResponse(groups)

    return [
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/-/reload", reload, methods=["POST", "PUT"]),
        Route("/sd", discovery),
    ]


def _refuse_other_sites(request: Request) -> None:
    """A page of somebody else can make a browser send this, with the password the browser knows."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
    is_own = origin is None or origin.partition("://")[2] == request.headers.get("host", "")
    if not is_own or site not in ("none", "same-origin"):
        raise HTTPException(
            403, "Another site's page asked for this. Ask from the exporter's own, or with curl -X POST."
        )


def _address(request: Request) -> str:
    """As whoever asks reaches us; what is no address at all is not repeated."""
    host = request.headers.get("host", "")
    if HOST.fullmatch(host):
        return host
    name, port = request.scope["server"]
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _labels(wanted: Wanted) -> dict[str, str]:
    return {
        "__meta_tradeprobe_target": wanted.name,
        "__meta_tradeprobe_broker": wanted.broker.name,
        "__meta_tradeprobe_account": wanted.account.value,
        "__meta_tradeprobe_transport": wanted.endpoints[0].scheme,
    }


def _harmless(words: str) -> str:
    """Without what a terminal would obey."""
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in words
    )
