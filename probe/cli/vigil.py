"""One run of a command that watches: what it holds, what it says, what ends it."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from probe.cli.asked import FIRST_INCIDENT, HEALTHY, Asked
from probe.cli.bridges import bridge
from probe.cli.options import Typed, warn
from probe.cli.output import Lines as Written
from probe.cli.reloading import Reloading
from probe.cli.watching import Choices, Understanding
from probe.cli.worklog import write_log
from probe.config import Settings
from probe.drivers.loop import run
from probe.logs import configure
from probe.measure.records import Incident, Notice, Record, SessionState
from probe.measure.snapshot import Snapshot
from probe.model.errors import ProbeError
from probe.model.units import parse_duration
from probe.monitor.assembly import assembled
from probe.monitor.impatient import ImpatientExecutor
from probe.monitor.monitor import Monitor
from probe.monitor.service import ServiceManager
from probe.monitor.understanding import told_twice
from probe.targets import Target

if TYPE_CHECKING:
    from probe.cli.live import LiveView  # Rich takes its time

HEALTHY_EVERY = 0.2
WRITTEN_WITHIN = 0.5  # at the end
INTERRUPTED, TERMINATED = 130, 143


def keep_watch(
    typed: Typed, asked: Asked, *, exporter: Mapping[str, tuple[str, object]] | None = None
) -> int:
    """
    Args:
        exporter: Serve metrics besides; what options of the command say of its settings.
    """
    seconds = None if asked.duration is None else parse_duration(asked.duration, where="--for")
    choices = Choices(connect=asked.connect, symbols=asked.symbols, faults=asked.faults)
    options = dict(exporter or {})
    if asked.store is not None:
        options["store.enabled"] = ("--store", asked.store != "none")
    if asked.store is not None and asked.store != "none":
        options["store.path"] = ("--store", asked.store)
    if asked.verbose:
        options["log_level"] = ("--verbose", "info")
    found, settings = typed.understood(options, always_read=True, all_without=True)
    assert settings is not None  # noqa: S101 - they were to be read
    configure(settings.log_level, terminal=sys.stderr.isatty())
    watching = Watching(typed, choices, found, settings, asked, seconds=seconds, serves=exporter is not None)
    return run(watching.run())


class Watching:
    """One run of the command."""

    def __init__(
        self,
        typed: Typed,
        choices: Choices,
        found: Sequence[Target],
        settings: Settings,
        asked: Asked,
        *,
        seconds: float | None,
        serves: bool,
    ) -> None:
        self._typed, self._choices, self._found, self._settings = typed, choices, found, settings
        self._asked, self._seconds, self._serves = asked, seconds, serves
        self._service = ServiceManager()
        self._end, self._reload = asyncio.Event(), asyncio.Event()
        self._signals_seen: list[int] = []
        self._came_true = False
        self._drawing: asyncio.Task[None] | None = None
        self._output_broke: OSError | None = None
        self._written = Written(self._broke, color=click.get_current_context().color)
        self._held: Monitor | None = None

    async def run(self) -> int:
        self._loop = loop = asyncio.get_running_loop()
        loop.set_default_executor(ImpatientExecutor())
        all_simulated = all(target.simulated for target in self._found)
        # The store of what only a simulator did would tell nobody anything next week.
        keeps = not all_simulated or self._settings.store.path is not None
        with self._signals():
            async with AsyncExitStack() as stack:
                understanding = Understanding(self._typed, self._choices, stack)
                wanted = await understanding.of(self._found)
                if words := told_twice(wanted):
                    warn(words)
                view = self._view(
                    lambda: held.snapshots(),  # noqa: PLW0108 - not yet
                    simulated={each.name for each in wanted if each.simulated},
                )
                held = await stack.enter_async_context(
                    assembled(
                        wanted,
                        self._settings,
                        sinks=self._sinks(view),
                        keeps_history=keeps,
                        service=self._service,
                    )
                )
                self._held = held
                reload = Reloading(self._typed, understanding, held, self._service)
                if self._serves:
                    await stack.enter_async_context(
                        bridge("exporting")(
                            held,
                            self._settings.exporter,
                            reload=reload,
                            tell=partial(self._tell_address, view),
                            warn=warn,
                        )
                    )
                began_utc, began = time.time(), loop.time()
                snapshots = await self._watch(held, view, reload)
                seconds = loop.time() - began
        self._sum_up(snapshots, seconds, began_utc)
        is_written = self._written.close(WRITTEN_WITHIN)
        if self._output_broke is not None:
            raise self._output_broke
        if (
            not is_written
        ):  # nobody reads; the thread that waits for him would keep the interpreter from ending
            warn("the last lines were not written, because nobody reads them")
            os._exit(self._exit_code())
        return self._exit_code()

    async def _watch(self, held: Monitor, view: "LiveView | None", reload: Reloading) -> Sequence[Snapshot]:
        async with asyncio.TaskGroup() as group:
            group.create_task(held.run()).add_done_callback(lambda _: self._end.set())
            if view is not None:
                self._drawing = group.create_task(view.run(self._end))
            others = [
                group.create_task(self._look_for_health(held)),
                group.create_task(self._keep_reloading(reload)),
            ]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._end.wait()
            snapshots = held.snapshots()
            self._end.set()
            held.stop()
            for task in others:
                task.cancel()
        return snapshots

    # -- what ends it ------------------------------------------------------------------------------------------------

    def _exit_code(self) -> int:
        is_bounded = self._seconds is not None or self._asked.until is not None
        if self._signals_seen and is_bounded:  # it was told when to end, and that was not it
            return INTERRUPTED if self._signals_seen[0] == signal.SIGINT else TERMINATED
        return 0 if self._asked.until is None or self._came_true else 1

    def _look_for_incident(self, record: Record) -> None:
        if self._asked.until == FIRST_INCIDENT and isinstance(record, Incident) and record.ended_utc is None:
            self._came_true = True
            self._end.set()

    async def _look_for_health(self, held: Monitor) -> None:
        while self._asked.until == HEALTHY:
            await asyncio.sleep(HEALTHY_EVERY)
            conditions = held.conditions().values()
            if conditions and all(each.state is SessionState.STREAMING for each in conditions):
                self._came_true = True
                self._end.set()
                return

    async def _keep_reloading(self, reload: Reloading) -> None:
        while await self._reload.wait():
            self._reload.clear()
            with contextlib.suppress(ProbeError):  # it was told
                await reload()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def end(number: int, _: object) -> None:
            self._signals_seen.append(number)
            if self._signals_seen.count(signal.SIGINT) > 1:  # it takes too long for somebody
                if self._drawing is None or self._drawing.done():
                    os._exit(INTERRUPTED)
                self._drawing.add_done_callback(lambda _: os._exit(INTERRUPTED))  # the terminal is as it was
            loop.call_soon_threadsafe(self._end.set)

        def reload(*_: object) -> None:
            loop.call_soon_threadsafe(self._reload.set)

        handlers: dict[int, Callable[[int, Any], None]] = {signal.SIGINT: end, signal.SIGTERM: end}
        if sys.platform != "win32":
            handlers[signal.SIGHUP] = reload
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # -- what is said ------------------------------------------------------------------------------------------------

    def _view(
        self, snapshots: Callable[[], Sequence[Snapshot]], *, simulated: Collection[str]
    ) -> "LiveView | None":
        asked = self._asked
        if asked.as_json or asked.quiet or asked.plain or not _can_draw():
            return None
        from probe.cli.live import LiveView

        return LiveView(snapshots, simulated=simulated)

    def _sinks(self, view: "LiveView | None") -> list[Callable[[Record], None]]:
        sinks: list[Callable[[Record], None]] = [self._look_for_incident]
        if view is None or not sys.stderr.isatty():  # it would be written into the picture
            sinks.append(write_log)
        if view is not None:
            sinks.append(view.note)
        elif self._asked.as_json:
            from probe.cli.lines import JsonLines

            sinks.append(JsonLines(self._say).note)
        elif not self._asked.quiet:
            from probe.cli.lines import Lines

            color = sys.stdout.isatty() and click.get_current_context().color is not False
            sinks.append(Lines(self._say, color=color, verbose=self._asked.verbose).note)
        return sinks

    def _tell_address(self, view: "LiveView | None", words: str) -> None:
        click.echo(words, err=True)
        if view is not None:  # which covers that line
            view.note(Notice(at_utc=time.time(), code="exporter.up", sentence=words))

    def _say(self, line: str) -> None:
        lost = self._written.take_lost()
        if lost and self._held is not None:
            sentence = f"{lost} lines were not written here, because they were not read in time"
            self._held.emit(Notice(at_utc=time.time(), code="output.lost", sentence=sentence))
        self._written.say(line)

    def _broke(self, problem: OSError) -> None:
        """A reader who has gone (`| head`) ends it, in order."""
        self._output_broke = problem
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._end.set)

    def _sum_up(self, snapshots: Sequence[Snapshot], seconds: float, began_utc: float) -> None:
        from probe.cli.summary import closing_summary, summary_data

        if self._asked.as_json:
            from probe.cli.lines import json_line

            self._say(json_line(summary_data(snapshots, began_utc=began_utc, ended_utc=time.time())))
            return
        self._say("\n".join(closing_summary(snapshots, seconds=seconds)))
        if self._asked.explain_score:
            from probe.measure.health import explain

            for snapshot in snapshots:
                self._say(f"\nhealth score of {snapshot.target}")
                self._say("\n".join(explain(snapshot.score)))


def _can_draw() -> bool:
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    from probe.cli.live import can_draw

    return can_draw()
