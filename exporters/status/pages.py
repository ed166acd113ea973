"""The routes of the status page, its JSON and its badges."""

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from functools import partial
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import probe
from exporters.status.answer import Look, clean, headline, status, words
from exporters.status.badge import badge_of, shields, svg
from exporters.status.history import Cell, History
from exporters.watched import AT_ONCE, Watched
from probe.cli.lines import percent, span

ANSWER_WITHIN = 3.0  # seconds
ASSETS = {
    "status.css": "text/css",
    "status.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
NO_ANSWER = (
    "The monitor did not answer within 3 seconds: it is stopping, or something keeps its process busy."
)


def routes(watched: Watched) -> list[BaseRoute]:
    """Called in the monitor's loop, as early as possible: the history begins here."""
    return _Pages(watched).routes()


class _Pages:
    def __init__(self, watched: Watched) -> None:
        self._watched, self._history = watched, History()
        self._joined = asyncio.ensure_future(
            watched.ask(lambda monitor: monitor.add_sink(self._history.note))
        )
        self._look: Look | None = None
        self._template = files(__package__).joinpath("status.html").read_text("utf-8")
        self._etags: dict[str, tuple[bytes, str]] = {}
        for name in ASSETS:
            content = files(__package__).joinpath(name).read_bytes()
            self._etags[name] = content, f'"{hashlib.sha256(content).hexdigest()[:20]}"'

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._page),
            *(Route(f"/{name}", self._asset) for name in ASSETS),
            Route("/api/v1/status", self._status),
            Route("/badge/{name:path}.svg", self._badge_svg),
            Route("/badge/{name:path}.json", self._badge_json),
        ]

    async def _looked(self) -> Look:
        """
        Raises:
            TimeoutError: the monitor does not answer.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                snapshots = await self._watched.snapshots()
                if snapshots and self._look is not None and self._look.snapshots is snapshots:
                    return self._look
                own_lag = await self._watched.ask(lambda monitor: monitor.own_lag)
                names, cells = [each.target for each in snapshots], dict[str, Sequence[Cell]]()
                for at in range(0, len(names), AT_ONCE):
                    some = names[at : at + AT_ONCE]
                    cells |= await self._watched.ask(partial(self._history.cells, names=some))
        except RuntimeError as ended:  # its loop is closed
            raise TimeoutError from ended
        self._look = Look(
            at_utc=snapshots[0].at_utc if snapshots else time.time(),
            snapshots=snapshots,
            cells=cells,
            own_lag=own_lag,
            version=probe.__version__,
        )
        return self._look

    # -- what is served ----------------------------------------------------------------------------------------------

    async def _status(self, request: Request) -> Response:
        try:
            look = await self._looked()
        except TimeoutError:
            return _json({"error": NO_ANSWER}, 503)
        query = request.query_params
        targets = frozenset(query.getlist("target")) if "target" in query else None
        details = frozenset(query.getlist("details")) if "details" in query else None
        if targets is not None and not any(each.target in targets for each in look.snapshots):
            return _json(
                {"error": "No such target is watched. Without ?target= all of them are listed."}, 404
            )
        return _json(status(look, targets=targets, details=details), 200)

    async def _page(self, request: Request) -> Response:
        """The script asks for everything itself; what stands in the page is for those who run none."""
        try:
            first = _table(await self._looked())
        except TimeoutError:
            first = f"<p>{escape(NO_ANSWER)}</p>"
        page = self._template.replace("<!-- first -->", first)
        return Response(page, media_type="text/html; charset=utf-8")

    async def _asset(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        content, etag = self._etags[name]
        headers = {"Cache-Control": "no-cache", "ETag": etag}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=ASSETS[name], headers=headers)

    async def _badge_svg(self, request: Request) -> Response:
        (label, message, tone), code = await self._badge(request)
        return Response(svg(label, message, tone), code, media_type="image/svg+xml")

    async def _badge_json(self, request: Request) -> Response:
        (label, message, tone), code = await self._badge(request)
        return _json(shields(label, message, tone), code)

    async def _badge(self, request: Request) -> tuple[tuple[str, str, str], int]:
        try:
            snapshot = (await self._looked()).of(request.path_params["name"])
        except TimeoutError:
            return ("tradeprobe", "no answer", "bad"), 503
        return badge_of(snapshot), 404 if snapshot is None else 200


def _json(data: object, code: int) -> Response:
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Response(text + "\n", code, media_type="application/json")


def _table(look: Look) -> str:
    rows = [
        (
            each.target,
            words(each.condition.state),
            span(max(look.at_utc - each.since_utc, 0.0)),
            "–" if each.score.value is None else f"{each.score.value:.0f} {each.score.grade.value}",
            percent(each.availability),
            each.condition.sentence,
        )
        for each in look.snapshots
    ]
    head = ("Target", "State", "For", "Score", "Available", "Why")
    cells = "".join(f"<tr>{''.join(f'<td>{escape(clean(text))}</td>' for text in row)}</tr>" for row in rows)
    titles = "".join(f"<th>{each}</th>" for each in head)
    return f"<p><strong>{escape(clean(headline(look.snapshots)[1]))}</strong></p><table><tr>{titles}</tr>{cells}</table>"
