"""The sessions tab in a real browser, while a run goes on that was started in the page."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from probe.simulator.apart import simulator_apart
from tests.exporters.browser import Page, browser, needs_chromium, page
from tests.loadtests.paged import locust_page

INSIDE = "document.querySelector('iframe').contentDocument"
FIELD = """(() => {
  const field = document.querySelector('input[name=%s]');
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, %s);
  field.dispatchEvent(new Event('input', {bubbles: true}));
})()"""
START = "[...document.querySelectorAll('button')].find(each => /start/i.test(each.textContent)).click()"
TAB = "[...document.querySelectorAll('[role=tab]')].find(each => each.textContent === '%s').click()"
FOREIGN = "wss://api-eu.po.market/socket.io/?EIO=4&transport=websocket"


async def within_frame(one: Page, condition: str, seconds: float = 60.0) -> None:
    """The frame is a document of its own, whose changes the page does not see."""
    until = asyncio.get_running_loop().time() + seconds
    while not await one.evaluate(f"Boolean({INSIDE}.body && ({condition.replace('inside', INSIDE)}))"):
        if asyncio.get_running_loop().time() > until:
            shown = await one.evaluate(f"{INSIDE}.body.innerText")
            raise AssertionError(f"never true: {condition}\n{one.console}\n{shown}")
        await asyncio.sleep(0.1)


@needs_chromium
@pytest.mark.long
def test_the_tab_fills_while_a_run_goes_on_that_was_started_in_the_page() -> None:
    async def look(devtools: str, url: str) -> None:
        async with page(devtools) as one:
            await one.look(width=1280, height=900)
            await one.go(f"{url}/")
            await one.until("document.querySelector('input[name=host]')")
            ours = await one.evaluate("document.querySelector('input[name=host]').value")
            for name, value in (("userCount", "6"), ("spawnRate", "6"), ("host", FOREIGN)):
                await one.evaluate(FIELD % (name, json.dumps(value)))
            await one.evaluate(START)
            await one.until("document.body.innerText.includes('a public broker is never put under load')")

            await one.evaluate(FIELD % ("host", json.dumps(ours)))
            await one.evaluate(START)
            await one.until(
                "[...document.querySelectorAll('[role=tab]')].some(each => each.textContent === 'Sessions')"
            )
            await one.evaluate(TAB % "Sessions")
            await one.until("document.querySelector('iframe') && !document.querySelector('iframe').hidden")
            await within_frame(one, "inside.querySelectorAll('#operations tbody tr').length >= 3")
            await within_frame(one, "inside.querySelectorAll('#phases tbody tr').length >= 4")
            await within_frame(one, "inside.querySelectorAll('#streams tbody tr').length >= 1")
            await within_frame(one, "inside.querySelectorAll('#generators tbody tr').length === 2")
            await within_frame(
                one, "/^(IN)?VALID so far/.test(inside.getElementById('headline').textContent)"
            )
            assert await one.evaluate(f"{INSIDE}.querySelector('#figures strong').textContent") == "6"
            words = await one.evaluate(f"{INSIDE}.body.innerText")
            for wanted in (
                "response p50 / p99",
                "service p50 / p99",
                "lateness p50 / p99",
                "staleness p99",
                "skew p99",
            ):
                assert wanted in words
            assert not {"NaN", "undefined", "null", "Infinity"} & set(words.split())

            before = await one.evaluate(f"{INSIDE}.querySelector('#operations td:nth-child(3)').textContent")
            await within_frame(
                one,
                f"inside.querySelector('#operations td:nth-child(3)').textContent !== {json.dumps(before)}",
            )
            for name in ("Statistics", "Charts", "Failures", "Logs"):
                await one.evaluate(TAB % name)
                await one.until("document.querySelector('iframe').hidden")
            await one.evaluate(TAB % "Sessions")
            await one.until("!document.querySelector('iframe').hidden")

            await one.look(width=400, height=800)
            await one.go(f"{url}/tradeprobe")
            await one.until("document.querySelectorAll('#operations tbody tr').length >= 3")
            assert await one.evaluate("document.documentElement.scrollWidth") == 400
            assert one.console == []
            assert {urlsplit(each).netloc for each in one.requests if not each.startswith("data:")} == {
                urlsplit(url).netloc
            }

    with simulator_apart("pocketoption") as simulator:
        words = ("--target", simulator.url, "--ssid", "env:LOAD_TEST_KEY")
        key = simulator.credential.reveal()
        with locust_page(*words, workers=2, LOAD_TEST_KEY=key) as url, browser() as devtools:
            asyncio.run(look(devtools, url))
