"""`/probe`: one fresh connection to a configured target, with blackbox_exporter's contract and names."""

from collections.abc import Awaitable, Callable

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from exporters.probing.service import Probing
from exporters.watched import Watched

MAX_AT_ONCE = 20


def routes(watched: Watched, *, max_at_once: int = MAX_AT_ONCE) -> list[BaseRoute]:
    """
    Args:
        max_at_once: So many probes run together; one more is answered with 503.
    """
    probing = Probing(watched, max_at_once=max_at_once)
    return [
        Route("/probe", _Asgi(probing.probe), methods=["GET"]),
        Route("/logs", _Asgi(probing.logs), methods=["GET"]),
    ]


class _Asgi:
    """Starlette takes any function for one of requests, which costs more than ours."""

    def __init__(self, run: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._run(scope, receive, send)
