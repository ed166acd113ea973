"""Addresses outside that are asked only if the user named them: one that tells whether our own line works, and one that is told
that we are alive, because a dead monitor cannot alert."""

import asyncio
from collections.abc import Callable

import httpx

from probe.measure.records import Notice
from probe.model.credentials import Secret

UPLINK_EVERY, UPLINK_WITHIN = 20.0, 5.0
UPLINK_AGAIN = 2.0  # after a failure: what is lost meanwhile wants to be blamed on somebody
FAILURES_UNTIL_DOWN = 2
DEADMAN_WITHIN = 10.0


class Uplink:
    """Our own line, seen by a TCP connection to a control address."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._failures = 0
        self.up: bool | None = None  # None: not measured yet

    async def watch(self, measured: Callable[[float, float], None]) -> None:
        """For ever. `measured`: when, and how long the connection took."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(UPLINK_WITHIN):
                    _, writer = await asyncio.open_connection(self._host, self._port)
            except (OSError, TimeoutError, UnicodeError):  # the last of a name that cannot be one
                self._failures += 1
                if self._failures >= FAILURES_UNTIL_DOWN:
                    self.up = False
            else:
                writer.close()
                self._failures, self.up = 0, True
                measured(loop.time(), loop.time() - began)
            pause = UPLINK_AGAIN if self._failures == 1 else UPLINK_EVERY
            await asyncio.sleep(max(began + pause - loop.time(), 0.0))


async def keep_telling(
    url: Secret, every: float, notify: Callable[[Notice], None], utc: Callable[[], float]
) -> None:
    """Ping a dead-man's switch for ever. That it cannot be reached is told once, until it can be again."""
    loop = asyncio.get_running_loop()
    was_failing = False
    async with httpx.AsyncClient(timeout=DEADMAN_WITHIN) as client:
        while True:
            began = loop.time()
            problem = await _problem(client, url)
            if bool(problem) is not was_failing:
                was_failing = bool(problem)
                code = "deadman.failing" if problem else "deadman.recovered"
                sentence = (
                    f"the dead-man's switch is not told that this monitor is alive: {problem}; check monitor.deadman"
                    if problem
                    else "the dead-man's switch is told again that this monitor is alive"
                )
                notify(Notice(at_utc=utc(), code=code, sentence=sentence))
            await asyncio.sleep(max(began + every - loop.time(), 0.0))


async def _problem(client: httpx.AsyncClient, url: Secret) -> str:
    """Nothing: it was told. Words of others are left out, they may quote the URL."""
    try:
        async with asyncio.timeout(DEADMAN_WITHIN), client.stream("GET", url.reveal()) as reply:
            return "" if reply.is_success else f"it answered with status {reply.status_code}"
    except TimeoutError:
        return f"it did not answer within {DEADMAN_WITHIN:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"it could not be reached ({type(error).__name__})"
