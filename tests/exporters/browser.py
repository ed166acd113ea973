"""A headless Chromium spoken to by its DevTools protocol: everything a page logs, throws and asks for is kept."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

START_WITHIN = 60.0
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
# Resolves when it is true, at the change of the page that made it so.
_UNTIL = """new Promise(resolve => {
  const watching = new MutationObserver(look);
  function look() {
    if (!(%s)) return;
    watching.disconnect();
    resolve(true);
  }
  watching.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
  look();
})"""


@contextmanager
def browser() -> Iterator[str]:
    """The address of a browser's DevTools. It and its files are gone afterwards."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-lcd-text",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-port=0",
                f"--user-data-dir={home}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if line.startswith("DevTools listening on "):
                    yield line.removeprefix("DevTools listening on ").strip()
                    break
            else:
                pytest.fail("chromium ended before it listened")
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=10)
            if process.poll() is None:
                process.kill()
                process.communicate()


class Page:
    """One tab with storage of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._waiting = dict[int, "asyncio.Future[dict[str, Any]]"]()
        self._session: str | None = None
        self.console: list[str] = []  # messages, exceptions, and what the browser complains about
        self.requests: list[str] = []
        self._loaded = asyncio.Event()

    async def listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                answer = self._waiting.pop(message["id"])
                if answer.done():
                    continue
                if "error" in message:
                    answer.set_exception(AssertionError(message["error"]["message"]))
                else:
                    answer.set_result(message["result"])
                continue
            told = message["params"]
            method: str = message["method"]
            match method:
                case "Runtime.consoleAPICalled":
                    self.console.append(f"{told['type']}: {[each.get('value') for each in told['args']]}")
                case "Runtime.exceptionThrown":
                    details = told["exceptionDetails"]
                    self.console.append(
                        f"exception: {details.get('exception', {}).get('description', details['text'])}"
                    )
                case "Log.entryAdded":
                    entry = told["entry"]
                    self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
                case "Page.loadEventFired":
                    self._loaded.set()
                case "Network.requestWillBeSent":
                    self.requests.append(told["request"]["url"])
                case _:
                    pass

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        session = {} if self._session is None else {"sessionId": self._session}
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params} | session))
        found: dict[str, Any] = await answer
        return found

    async def open(self) -> None:
        context = await self.do("Target.createBrowserContext", disposeOnDetach=True)
        made = await self.do(
            "Target.createTarget", url="about:blank", browserContextId=context["browserContextId"]
        )
        attached = await self.do("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            await self.do(f"{domain}.enable")

    async def go(self, url: str) -> None:
        """And wait until all of it is there."""
        self._loaded.clear()
        await self.do("Page.navigate", url=url)
        async with asyncio.timeout(START_WITHIN):
            await self._loaded.wait()

    async def look(self, *, width: int, height: int, dark: bool = False, script: bool = True) -> None:
        """As on such a screen."""
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.do("Emulation.setEmulatedMedia", features=[scheme])
        await self.do("Emulation.setScriptExecutionDisabled", value=not script)

    async def evaluate(self, expression: str) -> Any:
        answer = await self.do(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str, within: float = 30.0) -> None:
        """Wait for the change of the page that makes it true."""
        try:
            async with asyncio.timeout(within):
                await self.evaluate(_UNTIL % condition)
        except TimeoutError:
            shown = await self.evaluate("document.body.innerText")
            raise AssertionError(f"never true: {condition}\n{self.console}\n{shown}") from None

    async def text(self) -> str:
        return str(await self.evaluate("document.body.innerText"))

    async def picture(self, *, height: int) -> bytes:
        """A PNG of the page's beginning."""
        width = await self.evaluate("document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = await self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def page(address: str) -> AsyncIterator[Page]:
    async with connect(address, max_size=None, open_timeout=START_WITHIN, proxy=None) as socket:
        one = Page(socket)
        listening = asyncio.create_task(one.listen())
        try:
            await one.open()
            yield one
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
