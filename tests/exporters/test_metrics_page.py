"""`/metrics` says the same as the library's own writing would, in both formats, whole and packed."""

import asyncio
import gzip
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
from prometheus_client import Metric as Exposed
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from exporters import metrics_page
from exporters.book import Book
from exporters.metrics_page import routes
from probe.measure.metrics import FAMILIES, PREFIX, Kind

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
EVIL = 'a"b\\c\nd{}=, é\U0001f4c8 # {x="y"} 1'
Parser = Callable[[str], Iterable[Exposed]]


def filled(targets: int = 2) -> Book:
    """Something of everything, and labels that want to break out."""
    book = Book(FAMILIES, max_series=100_000)
    for family in FAMILIES:
        for number in range(targets if family.is_of_target else 1):
            known = {"target": f"{EVIL}{number}"}
            labels = tuple(
                known.get(label.name, label.values[0] if label.values else EVIL) for label in family.labels
            )
            match family.kind:
                case Kind.HISTOGRAM | Kind.SUMMARY:
                    for value in (0.0, 0.007, 2.5, 1e9):
                        book.observe(family.name, labels, value, {"session": "00c0ffee"})
                case Kind.STATES:
                    book.choose(family.name, labels, family.states[-1])
                case Kind.INFO:
                    book.put(family.name, labels, 1)
                case _ if family.name not in ("series", "series_refused"):
                    book.put(family.name, labels, 1_767_787_200.123)
                case _:
                    pass
    return book


async def ask(book: Book, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=Starlette(routes=routes(book)))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.get("/metrics", headers={"accept-encoding": "identity"} | headers)


def own(families: Iterable[Exposed]) -> dict[str, tuple[Any, ...]]:
    return {
        each.name: (each.type, each.documentation, each.unit, each.samples)
        for each in families
        if each.name.startswith(PREFIX) and "scrape_duration" not in each.name
    }


FORMATS = pytest.mark.parametrize(
    ("accept", "parse", "reference"),
    [
        ("", text_string_to_metric_families, generate_latest),
        (OPENMETRICS, openmetrics.text_string_to_metric_families, generate_openmetrics),
    ],
    ids=["text", "openmetrics"],
)


@FORMATS
def test_what_is_written_is_what_the_library_would_write(
    accept: str, parse: Parser, reference: Callable[[Book], bytes]
) -> None:
    book = filled()
    answer = asyncio.run(ask(book, accept=accept))
    found, wanted = own(parse(answer.text)), own(parse(reference(book).decode()))
    assert found == wanted
    assert len(found) > len(FAMILIES) - 3


@FORMATS
def test_pieces_make_no_difference(
    accept: str, parse: Parser, reference: Callable[[Book], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = filled()
    monkeypatch.setattr(metrics_page, "AT_ONCE", 3)
    answer = asyncio.run(ask(book, accept=accept))
    assert own(parse(answer.text)) == own(parse(reference(book).decode()))


def test_examples_stand_in_openmetrics_only() -> None:
    book = filled()
    plain, rich = asyncio.run(ask(book)), asyncio.run(ask(book, accept=OPENMETRICS))
    assert ('# {session="00c0ffee"}' in plain.text, '# {session="00c0ffee"}' in rich.text) == (False, True)
    assert (plain.headers["content-type"], rich.headers["content-type"].split(";")[0]) == (
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text",
    )
    assert rich.text.endswith("\n# EOF\n")
    assert rich.text.count("# EOF") == 1


def test_it_is_packed_for_whoever_asks() -> None:
    async def raw() -> tuple[str, bytes]:
        transport = httpx.ASGITransport(app=Starlette(routes=routes(filled())))
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://here") as client,
            client.stream("GET", "/metrics", headers={"accept-encoding": "gzip"}) as answer,
        ):
            return answer.headers["content-encoding"], b"".join([piece async for piece in answer.aiter_raw()])

    encoding, body = asyncio.run(raw())
    assert encoding == "gzip"
    assert b"tradeprobe_series " in gzip.decompress(body)
    assert "content-encoding" not in asyncio.run(ask(filled())).headers


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text; version=x", "text/plain;version=,;", "*/*", ","]
)
def test_whatever_is_asked_for_something_readable_comes(accept: str) -> None:
    answer = asyncio.run(ask(filled(), accept=accept))
    assert answer.status_code == 200
    assert "tradeprobe_series " in answer.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/openmetrics-text;q=0, text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; q=0.0,*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;q=0.05", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=2.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=10.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)  # fmt: skip
def test_nothing_comes_that_was_refused_and_nothing_is_called_what_it_is_not(accept: str, kind: str) -> None:
    answer = asyncio.run(ask(filled(), accept=accept))
    assert answer.headers["content-type"] == kind
    assert answer.text.endswith("# EOF\n") is kind.startswith("application/openmetrics-text")


@pytest.mark.parametrize("encoding", ["gzip;q=0", "gzip; q=0.000, identity", "br"])
def test_it_is_not_packed_for_who_cannot_unpack_it(encoding: str) -> None:
    answer = asyncio.run(ask(filled(), **{"accept-encoding": encoding}))
    assert "content-encoding" not in answer.headers
    assert "tradeprobe_series " in answer.text


def test_the_process_itself_and_how_long_the_page_took_are_told() -> None:
    async def twice() -> str:
        book = filled()
        await ask(book)
        return (await ask(book)).text

    text = asyncio.run(twice())
    for name in ("process_cpu_seconds_total ", "python_gc_collections_total{", "python_info{"):
        assert f"\n{name}" in f"\n{text}"
    # Of the four that `filled` told and of the first page.
    assert "\ntradeprobe_scrape_duration_seconds_count 5\n" in text


def test_while_a_page_is_written_others_run() -> None:
    async def scene() -> int:
        turns, book = 0, filled(6)
        asking = asyncio.create_task(ask(book))
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        lines = (await asking).text.count("\n")
        assert turns >= lines / metrics_page.AT_ONCE
        return lines

    assert asyncio.run(scene()) > 5 * metrics_page.AT_ONCE
