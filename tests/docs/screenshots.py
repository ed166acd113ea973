"""Takes the pictures of the docs: `make screenshots`. Needs Chromium."""

import asyncio
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from exporters import probing
from exporters.status import routes
from reports.diagnostics.views import write_html
from tests.exporters.browser import Page, browser, page
from tests.exporters.probed import Idle, watched
from tests.exporters.still import Still, served, watched_for
from tests.loadtests.paged import locust_page
from tests.monitor.linked import place
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.reports.diagnostics import pretend

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
LARGEST = 80_000  # bytes
MINUTE = 60.0
LOADED_FOR = 25.0  # seconds; a load test takes its time
FILLED = "document.querySelectorAll('.target').length > 0"
OPENED = "document.querySelector('.target .long') !== null"


def fleet() -> Still:
    """A working day's hour."""

    def until_now(minutes: float, broker: str, *faults: str, **changes: Any) -> Still:
        return watched_for(
            minutes * MINUTE, broker, *faults, utc=WEDNESDAY_NOON + (90 - minutes) * MINUTE, **changes
        )

    well = until_now(70, "pocketoption", "drop:at=25m", symbols=("EURUSD_otc", "GBPUSD_otc"))
    slow = until_now(50, "quotex", "delay:seconds=0.4@42m")
    stalled = until_now(42, "pocketoption", "silent-stall@41m", "frozen-price@20m+100s")
    refused = until_now(12, "quotex", "auth-refused")
    return well.named("practice") + stalled.named("demo") + slow.named("options") + refused.named("second")


async def take(name: str, one: Page, height: int) -> None:
    picture = in_few_colours(await one.picture(height=height))
    assert len(picture) <= LARGEST, f"{name} has {len(picture)} bytes"
    await asyncio.to_thread((PICTURES / f"{name}.png").write_bytes, picture)


async def main(everything: Still) -> None:
    PICTURES.mkdir(exist_ok=True)
    with browser() as address:
        await reports(address)
        async with served(routes(everything.watched)) as url:
            for name, width, height, dark in (("desktop", 1000, 560, False), ("phone", 360, 760, True)):
                async with page(address) as one:
                    await one.look(width=width, height=height, dark=dark)
                    await one.go(f"{url}/")
                    await one.until(FILLED)
                    await take(f"status-{name}", one, height)
            async with page(address) as one:
                await one.look(width=1000, height=900)
                await one.go(f"{url}/")
                await one.until(FILLED)
                await one.evaluate("document.querySelectorAll('.target summary')[1].click()")
                await one.until(OPENED)
                await take("status-fault", one, 900)
        async with place("no-open") as at:
            asked = watched(Idle([replace(at.wanted(simulated=True), name="demo")]))
            pages = [*routes(everything.watched), *probing.routes(asked)]
            async with served(pages) as url, page(address) as one:
                await one.look(width=800, height=620)
                await one.do(
                    "Network.setExtraHTTPHeaders", headers={"X-Prometheus-Scrape-Timeout-Seconds": "3"}
                )
                await one.go(f"{url}/probe?target=demo&debug=true")
                await take("probe-debug", one, 620)
        with locust_page("-u", "40", "-r", "40", "-t", "10m", "--rate", "80/s", "--autostart") as url:
            async with page(address) as one:
                await one.look(width=1200, height=720)
                await one.go(f"{url}/?tab=tradeprobe")
                await asyncio.sleep(LOADED_FOR)
                await take("load-web", one, 720)


async def reports(address: str) -> None:
    """A bad day of one target, and a month of some."""
    made = {"day": pretend.report(pretend.bad_day()), "month": pretend.month(5)}
    with tempfile.TemporaryDirectory() as folder:
        for name, report in made.items():
            file = Path(folder, f"{name}.html")
            write_html(report, file)
            for screen, width, height in (("desktop", 1000, 900), ("phone", 390, 760)):
                dark = (screen == "phone") == (name == "day")
                async with page(address) as one:
                    await one.look(width=width, height=height, dark=dark)
                    await one.go(file.as_uri())
                    await take(f"report-{name}-{screen}", one, height)


def in_few_colours(png: bytes) -> bytes:
    """The same picture with the 256 colours it has most of: a third of the size."""
    chunks, at = dict[bytes, bytes](), 8
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += 12 + size
    width, height, _, colour_type = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    step = {2: 3, 6: 4}[colour_type]
    rows = list(_unfiltered(zlib.decompress(chunks[b"IDAT"]), width * step, height, step))
    pixels = [[bytes(row[x : x + 3]) for x in range(0, len(row), step)] for row in rows]
    palette = [colour for colour, _ in Counter(chain.from_iterable(pixels)).most_common(256)]
    places = {colour: place for place, colour in enumerate(palette)}

    def place(colour: bytes) -> int:
        if colour not in places:
            nearest = min(
                palette, key=lambda each: sum((a - b) ** 2 for a, b in zip(each, colour, strict=True))
            )
            places[colour] = places[nearest]
        return places[colour]

    content = b"".join(b"\0" + bytes(map(place, row)) for row in pixels)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(content, 9)),
        (b"IEND", b""),
    )
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _unfiltered(data: bytes, size: int, height: int, step: int) -> Iterator[bytearray]:
    """A PNG's rows (https://www.w3.org/TR/png-3/#9Filters)."""
    above = bytearray(size)
    for y in range(height):
        kind, row = data[y * (size + 1)], bytearray(data[y * (size + 1) + 1 : (y + 1) * (size + 1)])
        for x in range(size):
            left, up, corner = (row[x - step], above[x], above[x - step]) if x >= step else (0, above[x], 0)
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda each: abs(guess - each))
            row[x] = (row[x] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
        above = row
        yield row


if __name__ == "__main__":
    asyncio.run(main(fleet()))
