"""Flows of HTTP calls driven by replies written down beforehand."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.wire.calls import Flow, HttpCall, HttpReply, Question
from probe.wire.heads import Headers

R = TypeVar("R")
Came = HttpReply | Failure


def drive(
    flow: Flow[R],
    respond: Callable[[HttpCall], Came],
    answer: Callable[[Question], Secret | Failure | None] = lambda _: None,
) -> R:
    came: Came | Secret | None = None
    while True:
        try:
            wanted = flow.send(came)
        except StopIteration as end:
            result: R = end.value
            return result
        came = respond(wanted) if isinstance(wanted, HttpCall) else answer(wanted)


def reply(body: str | bytes = "", status: int = 200, headers: Headers = ()) -> HttpReply:
    data = body if isinstance(body, bytes) else body.encode()
    return HttpReply(url="", status=status, headers=headers, body=data, seconds=0.1)


def redirect(location: str, status: int = 302, headers: Headers = ()) -> HttpReply:
    return reply("", status, (("Location", location), *headers))


class Site:
    """Answers by method and path, such as ``GET /en/sign-in``; a list is used up from its front. Keeps every call."""

    def __init__(self, origin: str, pages: dict[str, Came | list[Came]]) -> None:
        self._origin = origin
        self.pages = pages
        self.calls: list[HttpCall] = []

    def __call__(self, call: HttpCall) -> Came:
        self.calls.append(call)
        assert call.url.startswith(self._origin + "/"), call.url
        page = self.pages[f"{call.method} {urlsplit(call.url).path}"]
        return page.pop(0) if isinstance(page, list) else page

    @property
    def trail(self) -> list[str]:
        return [f"{call.method} {call.url.removeprefix(self._origin)}" for call in self.calls]


def revealed(pairs: tuple[tuple[str, str | Secret], ...] | None) -> dict[str, str]:
    """Headers or form fields as they go out."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in pairs or ()}
