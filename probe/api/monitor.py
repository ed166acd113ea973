"""A monitor inside a program: the one behind `probe monitor`, with its figures at hand, its records, a report and a table."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from probe.api.export import Row, Rows, write_csv
from probe.api.opening import Options, settings_of, wanted_of
from probe.api.report import HISTORY_HOURS, report_of
from probe.api.streams import QUEUE_SIZE, Queue, Stream
from probe.measure.records import Incident, Period, Record
from probe.measure.snapshot import Snapshot
from probe.model.errors import ConfigError
from probe.monitor import monitor as engine
from probe.monitor.assembly import assembled

MOST_ROWS = 10_000
MOST_INCIDENTS = 200


class Monitor:
    """Use it as a block, or call `start` and `stop`; what it saw can be asked for afterwards, too.

    Args:
        targets: As `open_session` takes them; none: all of probe.toml.
        store: Where the history is kept; None: nowhere.
        options: What `open_session` takes besides, for all targets.
    """

    def __init__(
        self,
        targets: str | Sequence[str] = (),
        *,
        config: Path | str | None = None,
        store: Path | str | None = None,
        **options: Unpack[Options],
    ) -> None:
        names = (targets,) if isinstance(targets, str) else tuple(targets)

        def read() -> tuple[tuple[str, ...], Options]:
            return names, options

        self._read = read  # where nothing shows a credential
        self._config, self._store = config, store
        self._stack = AsyncExitStack()
        self._held: engine.Monitor | None = None
        self._running: asyncio.Task[None] | None = None
        self._last: tuple[Snapshot, ...] = ()
        self._rows: deque[Row] = deque(maxlen=MOST_ROWS)
        self._rows_seen = 0
        self._periods: deque[Period] = deque()
        self._incidents: dict[str, Incident] = {}
        self._rows_made = Rows()
        self._callbacks: list[Callable[[Record], object]] = []
        self._queues: list[Queue[Record]] = []

    # -- its life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Raises:
            ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: what was given cannot be used.
        """
        if self._running is not None:
            raise ConfigError("this monitor was started before", next_step="Make another one.")
        async with AsyncExitStack() as stack:
            settings = settings_of(self._config)
            kept = replace(settings.store, enabled=self._store is not None)
            if self._store is not None:
                kept = replace(kept, path=Path(self._store))
            settings = replace(settings, store=kept)
            targets, options = self._read()
            names = targets or tuple(settings.targets)
            if not names:
                raise ConfigError("nothing to watch", next_step="Name a target, such as sim:pocketoption.")
            found = await wanted_of(names, options, settings, stack)
            wanted = [replace(each, symbols=each.symbols or (each.broker.default_symbol,)) for each in found]
            held = await stack.enter_async_context(
                assembled(wanted, settings, sinks=[self._note], utc=time.time)
            )
            running = asyncio.create_task(held.run())
            stack.callback(running.cancel)
            while not running.done() and not held.wanted:  # noqa: ASYNC110 - it begins in the next turn
                await asyncio.sleep(0)
            if running.done():
                await running  # raises
            running.add_done_callback(self._end_streams)
            self._held, self._running, self._stack = held, running, stack.pop_all()

    async def stop(self) -> None:
        """In order: every session is left, what is to be stored is stored.

        Raises:
            Exception: a bug ended it before.
        """
        held, running = self._held, self._running
        if held is None or running is None:
            return
        if not running.done():
            self._last = held.snapshots()
        self._held = None
        held.stop()
        try:
            await running
        finally:
            await self._stack.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # -- what it sees --------------------------------------------------------------------------------------------------

    def snapshot(self) -> tuple[Snapshot, ...]:
        """How each target stands now; after the end, how it stood then."""
        return self._held.snapshots() if self._held is not None else self._last

    def on_record(self, callback: Callable[[Record], object]) -> Callable[[], None]:
        """Calls back with every record, in the event loop: it must not block. Returns how to end it.

        A callback that raises is not called again; the error goes to the event loop's exception handler.
        """
        self._callbacks.append(callback)

        def leave() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return leave

    def records(self, *, size: int = QUEUE_SIZE) -> Stream[Record]:
        """For `async for`, until the monitor stops. Who is slow loses the oldest; `lost` counts them."""
        queue: Queue[Record] = Queue(size)
        queues = self._queues
        queues.append(queue)
        if self._running is not None and self._running.done():
            queue.end(None)
        return Stream(queue, lambda: queues.remove(queue))

    def report(self) -> dict[str, object]:
        """Plain data, ready for JSON. docs/api.md lists the names."""
        return report_of(
            self.snapshot(),
            self._periods,
            self._incidents.values(),
            tuple(self._rows),
            now_utc=time.time(),
            rows_dropped=self._rows_seen - len(self._rows),
        )

    def export_csv(self, path: Path | str) -> Path:
        """The last connections and minutes; the header also when there are none.

        Raises:
            ConfigError: it cannot be written there.
        """
        write_csv(Path(path), self._rows)
        return Path(path)

    def _end_streams(self, running: "asyncio.Task[None]") -> None:
        bug = None if running.cancelled() else running.exception()
        for queue in self._queues:
            queue.end(bug if isinstance(bug, Exception) else None)

    def _note(self, record: Record) -> None:
        self._remember(record)
        for queue in tuple(self._queues):
            queue.put(record)
        for callback in tuple(self._callbacks):
            try:
                callback(record)
            except Exception as bug:  # noqa: BLE001 - the program's own; the monitor goes on
                with contextlib.suppress(ValueError):  # it left by itself
                    self._callbacks.remove(callback)
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a callback for records failed and is not called again", "exception": bug}
                )

    def _remember(self, record: Record) -> None:
        match record:
            case Period():
                self._periods.append(record)
                while self._periods[0].at_utc < record.at_utc - HISTORY_HOURS * 3600.0:
                    self._periods.popleft()
            case Incident():
                self._incidents[record.id] = record
                if len(self._incidents) > MOST_INCIDENTS:
                    del self._incidents[next(iter(self._incidents))]
            case _:
                pass
        row = self._rows_made.of(record)
        if row is not None:
            self._rows_seen += 1
            self._rows.append(row)
