"""`/metrics`: written in small pieces, because whatever is written here holds up what is measured meanwhile."""

import asyncio
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable

from prometheus_client import CollectorRegistry, Metric, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.gc_collector import GCCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Route

from exporters.book import Book

AT_ONCE = 300  # lines that are written without a pause: less than a millisecond
PAUSE = 0.0005  # seconds; shorter ones do not make the other thread run
Encoder = Callable[[Collector], bytes]
_OPENMETRICS = "application/openmetrics-text"
_REFUSED = re.compile(r";\s*q=0(\.0*)?\s*(;|$)")


def routes(book: Book) -> list[BaseRoute]:
    own = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=own)

    async def metrics(request: Request) -> StreamingResponse:
        encoder, kind = _form(_welcome(request.headers.get("accept", "")))
        headers = {"content-type": kind, "vary": "accept, accept-encoding", "cache-control": "no-store"}
        body = _written(book, own, encoder)
        if gzip_accepted(_welcome(request.headers.get("accept-encoding", ""))):
            headers["content-encoding"] = "gzip"
            body = _packed(body)
        return StreamingResponse(body, headers=headers)

    return [Route("/metrics", metrics)]


def _welcome(accepted: str) -> str:
    """Without what is named to be refused; the library does not look at that."""
    return ",".join(each for each in accepted.split(",") if not _REFUSED.search(each))


def _form(accepted: str) -> tuple[Encoder, str]:
    try:
        encoder, kind = choose_encoder(accepted)
    except (ValueError, TypeError):  # a version that is no number
        return choose_encoder("")
    if kind.startswith(_OPENMETRICS) and "version=1.0." not in kind:  # it would be called what it is not
        return choose_encoder(_OPENMETRICS)
    return encoder, kind


async def _written(book: Book, own: CollectorRegistry, encoder: Encoder) -> AsyncIterator[bytes]:
    began, end = time.perf_counter(), encoder(_Given())  # only OpenMetrics marks its end
    yield encoder(own).removesuffix(end)
    batch: list[str] = []
    for family, lines in book.written(exemplars=bool(end)):
        batch.append(encoder(_Given(family)).removesuffix(end).decode())
        for line in lines:
            batch.append(line)
            if len(batch) >= AT_ONCE:
                yield "".join(batch).encode()
                batch.clear()
                await asyncio.sleep(PAUSE)
    yield "".join(batch).encode() + end
    book.observe("scrape_duration_seconds", (), time.perf_counter() - began)


async def _packed(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    async for piece in body:
        yield packer.compress(piece)
    yield packer.flush()


class _Given(Collector):
    def __init__(self, *metrics: Metric) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
