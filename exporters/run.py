"""Everything that is served of a monitor, put together: metrics, probes, the status page, and the metrics sent elsewhere besides."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.routing import BaseRoute

from exporters import control, metrics_page, probing, status
from exporters.book import Book
from exporters.guard import Guard
from exporters.observer import Observer
from exporters.server import Server
from exporters.watched import Watched
from probe.config import ExporterSettings, Given
from probe.measure.metrics import FAMILIES
from probe.measure.records import Notice, Record
from probe.model.errors import ConfigError
from probe.monitor.monitor import Monitor
from probe.safety import is_loopback

RELOADED, RELOAD_FAILED = "config.reloaded", "config.reload-failed"  # notices


@asynccontextmanager
async def exporting(
    monitor: Monitor,
    settings: ExporterSettings,
    *,
    reload: Callable[[], Awaitable[str]],
    tell: Callable[[str], object],
    warn: Callable[[str], object],
) -> AsyncIterator[str]:
    """Serves for as long as the block lasts, and gives the URL.

    Args:
        reload: Reads the configuration again; says what changed, or raises a ProbeError.
        tell: Takes the sentence that says where it listens.
        warn: Takes what is unsafe about that.

    Raises:
        ConfigError, CredentialMissing: it cannot listen there, or something in the settings cannot be used.
    """
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    guard = None if settings.web_config is None else Guard(settings.web_config)
    book = Book(FAMILIES, max_series=settings.max_series)
    observer = Observer(monitor, book, max_targets=settings.max_targets)
    book.put("config_last_reload_successful", (), 1)
    book.put("config_last_reload_success_timestamp_seconds", (), time.time())
    monitor.add_sink(lambda record: _note_reload(book, record))
    routes = pages(book, Watched(monitor, reload), guard)
    server = Server(routes, host=host, port=int(port), guard=guard)
    async with AsyncExitStack() as stack:
        if settings.otlp is not None:
            await stack.enter_async_context(_sending(book, settings.otlp, settings.otlp_every, monitor))
        url = url_of(*await server.start(), is_secure=guard is not None and guard.tls() is not None)
        stack.push_async_callback(server.stop)
        observing = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(observing.create_task(observer.run()).cancel)
        is_closed = guard is not None and guard.is_closed and guard.tls() is not None
        advice = "Give it both with --web-config FILE (docs/exporter-security.md), or let it be --listen 127.0.0.1:18480."
        say_where(f"{url}/", host, is_closed=is_closed, advice=advice, tell=tell, warn=warn)
        yield url


def pages(book: Book, watched: Watched, guard: Guard | None) -> list[BaseRoute]:
    return [
        *metrics_page.routes(book),
        *control.routes(watched, guard=guard),
        *probing.routes(watched),
        *status.routes(watched),
    ]


def url_of(host: str, port: int, *, is_secure: bool) -> str:
    return f"{'https' if is_secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def say_where(
    page: str,
    host: str,
    *,
    is_closed: bool,
    advice: str,
    tell: Callable[[str], object],
    warn: Callable[[str], object],
) -> None:
    """
    Args:
        is_closed: It has TLS and users.
        advice: What to do where it has not, and others can reach it.
    """
    if is_loopback(host):
        tell(f"serving {page} to this machine only")
        return
    tell(f"serving {page} to every machine that can reach this one")
    if not is_closed:
        warn(
            f"that address has no TLS or no users: whoever reaches it, or listens on the way, can read all of it. {advice}"
        )


@asynccontextmanager
async def _sending(book: Book, given: Given, every: float, monitor: Monitor) -> AsyncIterator[None]:
    from exporters.otlp import OtlpSender  # noqa: PLC0415 - it may not be installed

    loop, found = asyncio.get_running_loop(), given.read()
    if not found.secret.reveal().startswith(("https://", "http://")):
        raise ConfigError(
            f"what was found in {found.source} is no http:// or https:// URL",
            where="exporter.otlp",
            next_step="Write it like http://HOST:4318/v1/metrics.",
        )

    def note(code: str, sentence: str) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(monitor.emit, Notice(at_utc=time.time(), code=code, sentence=sentence))

    sender = OtlpSender(book, found.secret, every, note)
    sender.start()
    try:
        yield
    finally:
        await asyncio.to_thread(sender.stop)


def _note_reload(book: Book, record: Record) -> None:
    if isinstance(record, Notice) and record.code in (RELOADED, RELOAD_FAILED):
        book.put("config_last_reload_successful", (), record.code == RELOADED)
        if record.code == RELOADED:
            book.put("config_last_reload_success_timestamp_seconds", (), record.at_utc)
