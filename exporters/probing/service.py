"""`/probe` and `/logs`: who may be probed, how often, how many at once; and the answers."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from starlette.types import Receive, Scope, Send

from exporters.probing.asked import Asking, Module, Refused, pick, read_query, read_timeout
from exporters.probing.kept import Kept
from exporters.probing.look import Look, look
from exporters.probing.metrics import CONTENT_TYPE, rendered
from exporters.probing.pages import as_list, as_page, as_text
from exporters.watched import Watched
from probe.drivers.polling import is_dialled
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.errors import ConfigError
from probe.model.failures import Blame
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import Wanted
from probe.safety import is_loopback, withheld_from
from probe.session.reconnect import DialRate, is_final

PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
KNOWN_FOR = 0.5  # seconds; however many ask for a probe, the measuring loop is asked twice a second
PATIENCE = 1.5  # seconds for a turn that is near: two scrapers may ask at the same moment
_TIMEOUT_HEADER = b"x-prometheus-scrape-timeout-seconds"


@dataclass(frozen=True, slots=True)
class Answer:
    body: str
    content_type: str = PLAIN
    status: int = 200
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the monitor knows of one target."""

    wanted: Wanted
    live: Endpoint | None
    credentials: Credentials | None  # what its session was opened with
    is_refused: bool


class Probing:
    def __init__(self, watched: Watched, *, max_at_once: int, utc: Callable[[], float] = time.time) -> None:
        self._watched, self._max_at_once, self._utc = watched, max_at_once, utc
        self._running = 0
        self._rate = DialRate()
        self._rejected: set[Credentials] = set()
        self._logging_in: set[Credentials] = set()
        self._targets: tuple[float, dict[str, _Known]] = (-math.inf, {})
        self.kept = Kept()

    # -- asked over HTTP -----------------------------------------------------------------------------------------------

    async def probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whoever goes away takes his probe with him."""
        task = asyncio.current_task()
        gone = asyncio.create_task(_cancel_when_gone(receive, task))
        try:
            timeout = next((value for name, value in scope["headers"] if name == _TIMEOUT_HEADER), None)
            answer = await self.answer(scope["query_string"], timeout)
        except asyncio.CancelledError:
            if task is None or not gone.done() or task.uncancel() > 0:
                raise
            return
        finally:
            gone.cancel()
        await _send(send, _for_reader(answer, scope))

    async def logs(self, scope: Scope, receive: Receive, send: Send) -> None:
        query: bytes = scope["query_string"]
        answer = Answer(as_list(self.kept), HTML)
        if query:
            number = query.removeprefix(b"id=")
            found = self.kept.find(int(number)) if number.isdigit() and len(number) < 16 else None
            answer = (
                Answer("No such probe is kept. /logs lists those that are.\n", status=404)
                if found is None
                else Answer(as_text(found))
            )
        await _send(send, _for_reader(answer, scope))

    # -- asked in words ------------------------------------------------------------------------------------------------

    async def answer(self, query: bytes, timeout: bytes | None = None) -> Answer:
        try:
            asking = read_query(query)
            found = await self._looked(asking, read_timeout(timeout))
        except Refused as refused:
            return Answer(refused.words + "\n", status=refused.status, retry_after=refused.retry_after)
        except ConfigError as problem:  # of the proxy or the authorities: as the configuration says
            return Answer(f"{problem}\n", status=500)
        self.kept.add(found)
        return Answer(as_text(found)) if asking.debug else Answer(rendered(found), CONTENT_TYPE)

    async def _looked(self, asking: Asking, timeout: float) -> Look:
        if self._running >= self._max_at_once:
            raise Refused(
                f"{self._max_at_once} probes are running, and no more do at once. Ask again in a second, or less often.",
                status=503,
                retry_after=1.0,
            )
        self._running += 1
        try:
            known = await self._known(asking.target, timeout)
            endpoint = self._endpoint(known, asking)
            credentials = self._credentials(known, endpoint, asking.module)
            with self._alone_with(credentials, known.wanted, asking.module):
                wait = self._turn(known.wanted, endpoint, timeout)
                await asyncio.sleep(wait)
                found = await look(
                    known.wanted,
                    endpoint,
                    asking.module,
                    credentials=credentials,
                    timeout=timeout - wait,
                    utc=self._utc,
                )
        finally:
            self._running -= 1
        failure = found.facts.ended.failure if found.facts.ended else None
        if credentials and failure and is_final(failure) and failure.facts.blame is Blame.CREDENTIAL:
            self._rejected.add(credentials)
        return found

    @contextlib.contextmanager
    def _alone_with(self, credentials: Credentials | None, wanted: Wanted, module: Module) -> Iterator[None]:
        """Two logins at once could end each other, and a credential that is refused would be sent twice."""
        if credentials is None:
            yield
            return
        if credentials in self._logging_in:
            raise Refused(
                f"{module.value} cannot be probed at {wanted.name} now: another probe is logging in with its credential. "
                "Ask again when that one is over.",
                status=503,
                retry_after=1.0,
            )
        self._logging_in.add(credentials)
        try:
            yield
        finally:
            self._logging_in.remove(credentials)

    async def _known(self, target: str, timeout: float) -> _Known:
        taken_at, targets = self._targets
        now = asyncio.get_running_loop().time()
        if now - taken_at >= KNOWN_FOR:
            try:
                async with asyncio.timeout(timeout):
                    targets = await self._watched.ask(_all_known)
            except TimeoutError:
                raise Refused(
                    "The monitor itself does not answer: nothing is measured now. See /-/healthy.", status=503
                ) from None
            self._targets = now, targets
        return targets[pick("target", target, targets)]

    def _endpoint(self, known: _Known, asking: Asking) -> Endpoint:
        endpoints = {each.region: each for each in known.wanted.endpoints}
        endpoint = known.live or known.wanted.endpoints[0]
        if asking.endpoint is not None:
            endpoint = endpoints[pick("endpoint", asking.endpoint, endpoints)]
        if not is_dialled(endpoint.url):
            raise Refused(
                f"{endpoint.region} of {known.wanted.name} is a terminal, or a bridge to one: nothing is connected to, so there "
                "is nothing to probe. /metrics has what its session shows; leave it out of this scrape job."
            )
        return endpoint

    def _credentials(self, known: _Known, endpoint: Endpoint, module: Module) -> Credentials | None:
        """What may be sent for this module."""
        wanted = known.wanted
        if module is Module.OPEN:
            return None
        words = f"{module.value} cannot be probed at {wanted.name}"
        if endpoint.scheme == "tcp":
            raise Refused(f"{words}: {endpoint.region} is only connected to. Use module=open.")
        if wanted.broker.is_public(endpoint):
            return None
        if not (wanted.knock_auth or wanted.simulated):
            raise Refused(
                f"{words}: a second login can end the session that is watched. "
                "Set knock_auth = true for this target if your account may have two, or use module=open."
            )
        if (withheld := withheld_from(endpoint)) is not None:
            raise Refused(f"{words}: {withheld.reason}. {withheld.next_step}")
        if known.credentials is None:
            why = "it has no credential" if wanted.key is None else "it has not signed in yet"
            raise Refused(f"{words}: {why}.", status=400 if wanted.key is None else 503)
        if known.is_refused or known.credentials in self._rejected:
            raise Refused(
                f"{words}: the broker refused its credential, and it is not sent again. Log in anew and reload."
            )
        return known.credentials

    def _turn(self, wanted: Wanted, endpoint: Endpoint, timeout: float) -> float:
        """Somebody else's server is not connected to more often than the monitor itself would: how long to wait for that."""
        if wanted.simulated or is_loopback(endpoint.address.host):
            return 0.0
        now = asyncio.get_running_loop().time()
        wait = max(self._rate.earliest(endpoint.url) - now, 0.0)
        if wait > min(PATIENCE, timeout / 2):
            raise Refused(
                f"{endpoint.region} of {wanted.name} was probed too often: at most ten times in five minutes, and once a "
                f"second. Ask again in {math.ceil(wait)} s, and set scrape_interval to 60s.",
                status=429,
                retry_after=wait,
            )
        self._rate.note(endpoint.url, now + wait)
        return wait


def _all_known(monitor: Monitor) -> dict[str, _Known]:
    known = {}
    for wanted in monitor.wanted:
        link = monitor.link(wanted.name)
        credentials = wanted.key if isinstance(wanted.key, Credentials) else link.credentials
        known[wanted.name] = _Known(
            wanted, link.live_endpoint, credentials, link.has_seen_refused(credentials)
        )
    return known


async def _cancel_when_gone(receive: Receive, task: asyncio.Task[object] | None) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()


def _for_reader(answer: Answer, scope: Scope) -> Answer:
    """A browser asks for a page, and gets one."""
    wants_page = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    if answer.content_type != PLAIN or not wants_page:
        return answer
    return replace(answer, body=as_page(answer.body), content_type=HTML)


async def _send(send: Send, answer: Answer) -> None:
    body = answer.body.encode()
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if answer.retry_after is not None:
        headers.append((b"retry-after", str(math.ceil(answer.retry_after)).encode()))
    with contextlib.suppress(OSError):  # nobody is there any more
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
