"""The status page in a real browser."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from exporters import probing
from exporters.status import routes
from exporters.watched import Watched
from probe.measure.records import Condition, Record, SessionState, StateChanged
from probe.monitor.monitor import Monitor
from tests.exporters.browser import Page, browser, needs_chromium, page
from tests.exporters.probed import Idle, aimed_at, greeting, serving, watched
from tests.exporters.still import Still, served, watched_for
from tests.exporters.test_status import hostile, stalled
from tests.monitor.linked import place

pytestmark = needs_chromium
SHOWN_WITHIN = 2.0
HEADLINE_COLOUR = "getComputedStyle(document.getElementById('headline')).color"
RED = ("rgb(179, 38, 30)", "rgb(255, 138, 128)")  # by day, by night: the style was there
SAID = '0{"sid":"<img src=http://elsewhere.example/x onerror=alert(1)>\x1b[2J\u202e\u05d0\u0301\u0301\u0301"}'.ljust(
    2000, "w"
)
TITLE = "document.querySelector('.target .state')?.textContent"


@pytest.fixture(scope="session")
def devtools() -> Iterator[str]:
    with browser() as address:
        yield address


@asynccontextmanager
async def opened(devtools: str, still: Still, *, width: int = 1060) -> AsyncIterator[Page]:
    async with served(routes(still.watched)) as url, page(devtools) as one:
        await one.look(width=width, height=800)
        await one.go(f"{url}/")
        await one.until("document.getElementById('headline').textContent")
        yield one
        assert one.console == []
        assert {urlsplit(each).netloc for each in one.requests} == {urlsplit(url).netloc}


async def click(one: Page, selector: str) -> None:
    await one.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


def test_a_fault_is_shown_within_two_seconds(devtools: str) -> None:
    told: dict[SessionState, float] = {}

    def note(record: Record) -> None:
        if isinstance(record, StateChanged):
            told.setdefault(record.condition.state, time.monotonic())

    async def watch() -> float:
        async with place() as at:
            monitor = Monitor([at.wanted(knock_every=None)], sinks=[note], rng=random.Random(1), utc=at.utc)
            running = asyncio.create_task(monitor.run())
            try:
                asked = Watched(monitor, _no_reload)
                pages = [*routes(asked), *probing.routes(asked)]
                async with served(pages) as url, page(devtools) as one:
                    await one.go(f"{url}/")
                    await one.until(f"{TITLE} === 'streaming'")
                    await click(one, ".target summary")
                    await one.until("document.querySelector('.target .long')")
                    await at.simulator.board.switch_on("refuse")
                    await at.simulator.board.switch_on("tcp-reset:at=0s")
                    await one.until(f"{TITLE} === 'waiting to try again'")
                    shown_at = time.monotonic()
                    assert await one.evaluate("document.querySelector('.target').open")
                    assert "No: one is " in await one.text()
                    await one.go(f"{url}/probe?target=one&debug=true")
                    assert await one.evaluate(HEADLINE_COLOUR) in RED
                    text = await one.text()
                    assert re.search(r"^FAILURE after [0-9.]+ ms, reason refused$", text, re.MULTILINE)
                    assert "probe explain tcp.refused" in text
                    assert one.console == []
                    assert {urlsplit(each).netloc for each in one.requests} == {urlsplit(url).netloc}
                    return shown_at
            finally:
                monitor.stop()
                await running

    seconds = asyncio.run(watch()) - told[SessionState.BACKOFF]
    print(f"shown after {seconds:.2f} s")
    assert seconds < 5 * SHOWN_WITHIN


async def _no_reload() -> str:
    return ""


def test_what_others_said_is_shown_and_does_nothing(devtools: str) -> None:
    async def look() -> None:
        async with opened(devtools, hostile()) as one:
            await click(one, ".target summary")
            await one.until("document.querySelector('.incident')")
            await click(one, ".incident summary")
            assert " missed" not in await one.text()  # what it cost is known when it is over
            assert "<img src=x onerror=" in await one.evaluate(
                "document.querySelector('.evidence').textContent"
            )
            tags = await one.evaluate(
                "[...new Set([...document.body.querySelectorAll('*')].map(each => each.localName))]"
            )
            assert {"img", "iframe", "object"}.isdisjoint(tags)
            assert await one.evaluate("document.scripts.length") == 1
            policy = await one.evaluate(
                "fetch('/').then(page => page.headers.get('content-security-policy'))"
            )
            assert policy.startswith(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
            )

    asyncio.run(look())


def test_a_debug_page_shows_what_a_server_said_on_a_phone_and_does_nothing_of_it(devtools: str) -> None:
    async def look() -> None:
        async with serving(greeting(SAID)) as port:
            asked = watched(Idle([aimed_at(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket")]))
            pages = [*routes(Still().watched), *probing.routes(asked)]
            async with served(pages) as url, page(devtools) as one:
                await one.look(width=360, height=800, dark=True)
                await one.do(
                    "Network.setExtraHTTPHeaders", headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"}
                )
                for path in ("/probe?target=one&debug=true", "/logs?id=1"):
                    await one.go(f"{url}{path}")
                    text = await one.text()
                    assert "<img src=http://elsewhere.example/x onerror=alert(1)>�[2J�" in text
                    assert not {"\x1b", "\u202e", "\u05d0", "\u0301"} & set(text)
                    assert await one.evaluate("document.images.length + document.scripts.length") == 0
                    assert await one.evaluate("document.documentElement.scrollWidth") == 360
                    paper = await one.evaluate("getComputedStyle(document.body).backgroundColor")
                    assert max(map(int, re.findall(r"\d+", paper)[:3])) < 60
                await one.go(f"{url}/logs")
                assert await one.evaluate("document.documentElement.scrollWidth") == 360
                assert one.console == []
                assert {urlsplit(each).netloc for each in one.requests} == {urlsplit(url).netloc}

    asyncio.run(look())


def test_a_phone_shows_all_of_it_by_day_and_by_night_without_scrolling_sideways(devtools: str) -> None:
    async def look() -> None:
        async with opened(devtools, hostile(), width=360) as one:
            await click(one, ".target summary")
            await one.until("document.querySelector('.incident')")
            await click(one, ".incident summary")
            lightness = {}
            for dark in (False, True):
                await one.look(width=360, height=800, dark=dark)
                assert await one.evaluate("document.documentElement.scrollWidth") == 360
                paper = await one.evaluate("getComputedStyle(document.body).backgroundColor")
                lightness[dark] = max(map(int, re.findall(r"\d+", paper)[:3]))
            assert (lightness[True] < 60, lightness[False] > 200) == (True, True)

    asyncio.run(look())


def test_a_page_says_that_it_is_old_until_the_service_is_back(devtools: str) -> None:
    async def look() -> None:
        async with page(devtools) as one:
            async with served(routes(stalled().watched)) as url:
                await one.go(f"{url}/")
                await one.until(f"{TITLE} === 'stalled'")
            await one.evaluate("ask().then(ask)")  # sooner than by itself
            await one.until("!document.getElementById('stale').hidden")
            words = await one.evaluate("document.getElementById('old').textContent")
            assert re.fullmatch(
                r"OLD: what you see is from [-:\d]+\. The exporter does not answer\. It is tried again\.",
                words,
            )
            assert await one.evaluate("document.body.classList.contains('old')")
            assert await one.evaluate("document.title.startsWith('? ')")
            async with served(routes(stalled().watched), int(url.rpartition(":")[2])):
                await one.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
                await one.until("document.getElementById('stale').hidden")
                assert not await one.evaluate("document.title.startsWith('? ')")

    asyncio.run(look())


def test_of_many_targets_only_what_changed_is_drawn_again(devtools: str) -> None:
    """And open details stay open, filtered or not."""
    many = Still()
    for at in range(40):
        many += stalled().named(f"target-{at:03}")

    async def look() -> None:
        async with opened(devtools, many) as one:
            assert await one.evaluate("document.querySelectorAll('.target').length") == 40
            await click(one, "[data-target='target-007'] summary")
            await one.until("document.querySelector('.long')")
            await one.evaluate(
                """globalThis.changed = new Set();
                new MutationObserver(all => all.forEach(each => changed.add(
                  (each.target.closest ? each.target : each.target.parentElement).closest('.target')?.dataset.target)))
                .observe(document.getElementById('targets'), {subtree: true, childList: true, characterData: true});"""
            )
            well = Condition(state=SessionState.STREAMING, sentence="streaming")
            many.shown = tuple(
                replace(each, condition=well) if each.target == "target-007" else each for each in many.shown
            )
            await one.until(
                "document.querySelector('[data-target=\"target-007\"] .state').textContent === 'streaming'"
            )
            assert await one.evaluate("[...changed]") == ["target-007"]
            await one.evaluate(
                "document.getElementById('words').value = 'target-00';"
                "document.getElementById('words').dispatchEvent(new Event('input'));"
            )
            await click(one, "#trouble")
            await one.until("document.getElementById('shown').textContent === '9 of 40 shown'")
            await click(one, "#trouble")
            await one.until("document.getElementById('shown').textContent === '10 of 40 shown'")
            assert await one.evaluate("document.querySelector('[data-target=\"target-007\"]').open")

    asyncio.run(look())


def test_without_scripts_the_state_is_still_told(devtools: str) -> None:
    async def look() -> None:
        async with served(routes(stalled().watched)) as url, page(devtools) as one:
            await one.look(width=360, height=800, script=False)
            await one.go(f"{url}/")
            text = (
                await one.do("DOM.getOuterHTML", nodeId=(await one.do("DOM.getDocument"))["root"]["nodeId"])
            )["outerHTML"]
            assert "No: one is stalled." in text
            assert [urlsplit(each).path for each in one.requests if each.endswith(".js")] == []

    asyncio.run(look())


def test_figures_nobody_has_are_not_shown_as_zero(devtools: str) -> None:
    early = watched_for(0.0, "quotex")

    async def look() -> None:
        async with opened(devtools, early) as one:
            await click(one, ".target summary")
            await one.until("document.querySelector('.long')")
            text = await one.text()
            assert "nothing observed yet" in text
            assert not re.search(r"NaN|undefined|null|Infinity", text)

    asyncio.run(look())
