"""A monitor as the configuration wants it: with its alert rules, the channels that bring alerts, and the store."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from probe.config import ChannelSettings, Settings
from probe.measure.alert_rules import RULES
from probe.measure.alert_tuning import tuned
from probe.measure.alerts import AlertEngine
from probe.measure.quiet_hours import QuietHours
from probe.measure.records import Alert, Notice, Period, Record, Severity
from probe.model.credentials import Secret
from probe.monitor.channels import Command, Patience, Service, Webhook
from probe.monitor.delivery import Channel, Channels
from probe.monitor.monitor import Common, Monitor
from probe.monitor.own import Own
from probe.monitor.service import ServiceManager
from probe.monitor.wanted import Wanted
from probe.monitor.winners import Winners
from probe.store.place import StoreBusy, StoreError, default_path
from probe.store.reader import StoreReader
from probe.store.retention import Keep
from probe.store.writer import StoreWriter
from probe.vault import read_secret

REMEMBERED_SECONDS = 3 * 86_400.0  # of minutes, for the windows of the error budget
FAILURES_SECONDS = 900.0
LEARN_EVERY = 3600.0
FLUSH_WITHIN = 1.5  # each, of the alerts on their way and of the store


def common(settings: Settings) -> Common:
    """What holds for all targets.

    Raises:
        CredentialMissing: a reference points to nothing.
    """
    monitor = settings.monitor
    return Common(
        control=None if monitor.control is None else _host_and_port(monitor.control),
        deadman=None if monitor.deadman is None else monitor.deadman.read().secret,
        deadman_every=monitor.deadman_every,
        stall_reconnect=monitor.stall_reconnect,
        max_retries=settings.max_retries,
        phase_deadline=settings.timeout,
    )


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def engine(settings: Settings) -> AlertEngine:
    changes = {name: rule.changes for name, rule in settings.alerts.rules.items()}
    return AlertEngine(tuned(RULES, changes), repeat_seconds=settings.alerts.repeat)


def channels(settings: Settings) -> list[Channel]:
    return [
        Channel(name=each.name, way=_way(each), severity=Severity(each.severity))
        for each in settings.alerts.channels
    ]


def _way(channel: ChannelSettings) -> Webhook | Command | Service:
    if channel.url is not None:
        return Service(channel.url.read().secret)
    if channel.webhook is not None:
        token: Secret | None = read_secret(channel.token).secret if channel.token else None
        return Webhook(channel.webhook.read().secret, token=token)
    return Command(*channel.command)


@contextlib.asynccontextmanager
async def assembled(
    wanted: Iterable[Wanted],
    settings: Settings,
    *,
    sinks: Sequence[Callable[[Record], None]] = (),
    keeps_history: bool = True,
    service: ServiceManager | None = None,
    utc: Callable[[], float] = time.time,
) -> AsyncIterator[Monitor]:
    """Not running yet. Leaving writes what is still to be written and brings what is still to be told.

    Raises:
        ConfigError, CredentialMissing: something in the settings cannot be used.
    """
    loop = asyncio.get_running_loop()
    failures: deque[tuple[float, int]] = deque()
    quiet = QuietHours.parse(settings.alerts.quiet)

    def note(notice: Notice) -> None:
        monitor.emit(notice)

    def tell(notice: Notice) -> None:
        """From any thread, and before there is a monitor."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(note, notice)

    def forgotten(words: str) -> None:
        tell(Notice(at_utc=utc(), code="endpoints.forgotten", sentence=words))

    def bring(alerts: Sequence[Alert], now_utc: float) -> None:
        for alert in quiet.pass_on(alerts, now_utc):
            told.tell(alert)

    def own_failures() -> dict[str, float | None]:
        now = loop.time()
        total = sum(count.failed + count.dropped for count in told.counts.values())
        failures.append((now, total))
        while now - failures[0][0] > FAILURES_SECONDS:
            failures.popleft()
        return {
            "notifications_failed_15m": float(total - failures[0][1]) if told.counts else None,
            "store_failing": None if store is None else float(store.failing is not None),
        }

    def own() -> Own:
        return Own(
            delivered={
                name: (count.sent, count.failed + count.dropped) for name, count in told.counts.items()
            },
            store_failing=None if store is None else store.failing is not None,
            store_dropped=None if store is None else store.dropped,
        )

    path = settings.store.path or default_path()
    keeps_history = keeps_history and settings.store.enabled
    told = Channels(channels(settings), note, utc=utc, patience=Patience(flush_seconds=FLUSH_WITHIN))
    shared = common(settings)
    store = _open_store(path, settings, tell, utc) if keeps_history else None
    monitor = Monitor(
        wanted,
        common=shared,
        sinks=[*sinks, *([store.write] if store else [])],
        engine=engine(settings),
        bring=bring,
        winners=Winners(warn=forgotten) if keeps_history else None,
        history=_history(path, utc) if store else None,
        own_failures=own_failures,
        own=own,
        service=service,
        utc=utc,
    )
    learning = asyncio.create_task(_keep_learning(monitor, store)) if store else None
    try:
        async with told:
            yield monitor
    finally:
        if learning is not None:
            learning.cancel()
        if store is not None:
            _learn(monitor, store)
            if not await asyncio.to_thread(store.close, FLUSH_WITHIN):
                note(
                    Notice(
                        at_utc=utc(),
                        code="store.not-flushed",
                        sentence=f"the last records were not written to {path} in time and are lost; is its disk slow or full?",
                    )
                )


def _open_store(
    path: Path, settings: Settings, tell: Callable[[Notice], None], utc: Callable[[], float]
) -> StoreWriter | None:
    kept = settings.store.keep
    keep = Keep(
        ticks_seconds=kept.ticks,
        samples_seconds=kept.samples,
        minutes_seconds=kept.minutes,
        routine_seconds=kept.routine,
        events_seconds=kept.events,
    )
    store = StoreWriter(path, keep=keep, notice=tell, clock_utc=utc)
    try:
        store.start()
    except StoreBusy as busy:
        tell(Notice(at_utc=utc(), code=busy.code, sentence=f"{busy} This run goes on without history."))
        return None
    return store


def _history(
    path: Path, utc: Callable[[], float]
) -> Callable[[str], tuple[Sequence[Period], dict[str, bytes]]]:
    """What was observed of a target before, and what was learnt of its symbols."""

    def read(target: str) -> tuple[Sequence[Period], dict[str, bytes]]:
        try:
            reader = StoreReader(path)
        except StoreError:  # there is none yet, or its writer has told what is wrong
            return (), {}
        with contextlib.closing(reader), contextlib.suppress(StoreError):
            now = utc()
            minutes = reader.periods(target, now - REMEMBERED_SECONDS, now, step="minute")
            names = (reader.learned(f"quiet/{target}") or b"").decode("utf-8", "replace").split("\n")
            habits = {name: reader.learned(f"quiet/{target}/{name}") for name in names if name}
            return minutes, {name: habit for name, habit in habits.items() if habit is not None}
        return (), {}

    return read


async def _keep_learning(monitor: Monitor, store: StoreWriter) -> None:
    while True:
        await asyncio.sleep(LEARN_EVERY)
        _learn(monitor, store)


def _learn(monitor: Monitor, store: StoreWriter) -> None:
    for target, habits in monitor.learnt().items():
        store.learn(f"quiet/{target}", "\n".join(habits).encode())
        for symbol, habit in habits.items():
            store.learn(f"quiet/{target}/{symbol}", habit)
