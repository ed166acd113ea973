"""`probe monitor`: watch sessions, and say what happened."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from probe.cli.options import Typed, takes_targets, warn
from probe.cli.output import Lines as Written
from probe.cli.watching import Choices, Understanding
from probe.config import Settings
from probe.drivers.loop import run
from probe.logs import configure, get_logger
from probe.measure.records import Alert, Disconnected, Incident, Notice, Record, SessionState, StateChanged
from probe.measure.snapshot import Snapshot
from probe.model.errors import ConfigError, ProbeError
from probe.model.units import parse_duration
from probe.monitor.assembly import assembled
from probe.monitor.impatient import ImpatientExecutor
from probe.monitor.monitor import Monitor
from probe.monitor.service import ServiceManager
from probe.monitor.understanding import told_twice
from probe.targets import Target

if TYPE_CHECKING:
    from probe.cli.live import LiveView  # Rich takes its time

HEALTHY, FIRST_INCIDENT = "healthy", "first-incident"
HEALTHY_EVERY = 0.2
WRITTEN_WITHIN = 0.5  # at the end
INTERRUPTED, TERMINATED = 130, 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    seconds: float | None
    until: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    as_json: bool
    plain: bool
    quiet: bool
    verbose: bool
    explain_score: bool


@click.command(
    epilog="Try: probe monitor sim:pocketoption --fault silent-stall@20s+15s --for 1m. "
    "Exit codes: 0 it did what was asked, 1 --until did not come true in the time of --for."
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@click.option("--for", "duration", metavar="TIME", help="End after this time.")
@click.option(
    "--until",
    type=click.Choice([HEALTHY, FIRST_INCIDENT]),
    help="End when all targets stream, or when the first incident begins.",
)
@click.option(
    "--connect",
    type=click.Choice(["race", "fallback"]),
    help="race: the fastest of up to four endpoints; fallback: the best known first (default for real accounts).",
)
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    metavar="NAME",
    help="Whose prices to watch; the broker's usual one without.",
)
@click.option("--store", metavar="FILE", help="Where the history is kept; none: nowhere.")
@click.option(
    "--fault", "faults", multiple=True, metavar="FAULT", help="Of a simulated broker, as probe sim takes it."
)
@click.option("--explain-score", is_flag=True, help="Print the arithmetic of the health score at the end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--plain", is_flag=True, help="Lines instead of the live view, also on a terminal.")
@click.option("--quiet", is_flag=True, help="Only the closing summary.")
@click.option("--verbose", is_flag=True, help="Also what went well, and a log on standard error.")
def monitor(
    typed: Typed,
    duration: str | None,
    until: str | None,
    connect: str | None,
    symbols: Sequence[str],
    store: str | None,
    faults: Sequence[str],
    **shown: bool,
) -> int:
    """Hold a session to each TARGET and watch it: connected, logged in, prices flowing, how fast, and whose fault it was if not.

    TARGET is a credential (-, env:NAME, file:PATH, keyring:NAME, or the text itself), a URL (with --ssid, where one has to log in), sim,
    sim:BROKER, or the name of a target in probe.toml; without one all targets of probe.toml. Ends with Ctrl-C or as --for and --until
    say, and then sums up.
    """
    bounds = Bounds(
        seconds=None if duration is None else parse_duration(duration, where="--for"), until=until
    )
    choices = Choices(connect=connect, symbols=symbols, faults=faults)
    options: dict[str, tuple[str, object]] = {}
    if store is not None:
        options["store.enabled"] = ("--store", store != "none")
    if store is not None and store != "none":
        options["store.path"] = ("--store", store)
    if shown["verbose"]:
        options["log_level"] = ("--verbose", "info")
    found, settings = typed.understood(options, always_read=True, all_without=True)
    assert settings is not None  # noqa: S101 - they were to be read
    configure(settings.log_level, terminal=sys.stderr.isatty())
    return run(Watching(typed, choices, found, settings, bounds, Shown(**shown)).run())


class Watching:
    """One run of the command."""

    def __init__(
        self,
        typed: Typed,
        choices: Choices,
        found: Sequence[Target],
        settings: Settings,
        bounds: Bounds,
        shown: Shown,
    ) -> None:
        self._typed, self._choices, self._found, self._settings = typed, choices, found, settings
        self._bounds, self._shown = bounds, shown
        self._service, self._log = ServiceManager(), get_logger()
        self._end, self._reload = asyncio.Event(), asyncio.Event()
        self._signals_seen: list[int] = []
        self._came_true = False
        self._drawing: asyncio.Task[None] | None = None
        self._output_broke: OSError | None = None
        self._context = click.get_current_context()
        self._written = Written(self._broke, color=self._context.color)
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
                began_utc, began = time.time(), loop.time()
                snapshots = await self._watch(held, view, understanding)
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

    async def _watch(
        self, held: Monitor, view: "LiveView | None", understanding: Understanding
    ) -> Sequence[Snapshot]:
        async with asyncio.TaskGroup() as group:
            group.create_task(held.run()).add_done_callback(lambda _: self._end.set())
            if view is not None:
                self._drawing = group.create_task(view.run(self._end))
            others = [
                group.create_task(self._look_for_health(held)),
                group.create_task(self._keep_reloading(held, understanding)),
            ]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bounds.seconds):
                    await self._end.wait()
            snapshots = held.snapshots()
            self._end.set()
            held.stop()
            for task in others:
                task.cancel()
        return snapshots

    # -- what ends it ------------------------------------------------------------------------------------------------

    def _exit_code(self) -> int:
        is_bounded = self._bounds.seconds is not None or self._bounds.until is not None
        if self._signals_seen and is_bounded:  # it was told when to end, and that was not it
            return INTERRUPTED if self._signals_seen[0] == signal.SIGINT else TERMINATED
        return 0 if self._bounds.until is None or self._came_true else 1

    def _look_for_incident(self, record: Record) -> None:
        if self._bounds.until == FIRST_INCIDENT and isinstance(record, Incident) and record.ended_utc is None:
            self._came_true = True
            self._end.set()

    async def _look_for_health(self, held: Monitor) -> None:
        while self._bounds.until == HEALTHY:
            await asyncio.sleep(HEALTHY_EVERY)
            conditions = held.conditions().values()
            if conditions and all(each.state is SessionState.STREAMING for each in conditions):
                self._came_true = True
                self._end.set()
                return

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

    # -- the configuration changed -----------------------------------------------------------------------------------

    async def _keep_reloading(self, held: Monitor, understanding: Understanding) -> None:
        def note(code: str, sentence: str) -> None:
            held.emit(Notice(at_utc=time.time(), code=code, sentence=sentence))

        while await self._reload.wait():
            self._reload.clear()
            self._service.reloading()
            try:
                note("config.reloaded", await self._reloaded(held, understanding, note))
            except ProbeError as problem:
                note(
                    "config.reload-failed",
                    f"the configuration was not taken over, and everything goes on as before: {problem}",
                )
            self._service.ready()

    async def _reloaded(
        self, held: Monitor, understanding: Understanding, note: Callable[[str, str], None]
    ) -> str:
        """What changed, in words."""
        if "-" in (*self._typed.targets, self._typed.ssid):
            raise ConfigError(
                "a credential came by standard input, which can be read only once",
                next_step="Give it as file:PATH, and reloading works.",
            )
        warnings: list[str] = []

        def read() -> Sequence[Target]:
            with self._context.scope(cleanup=False):
                return self._typed.understood(always_read=True, all_without=True, tell=warnings.append)[0]

        # A keyring that asks its owner, a slow disk or a pipe in place of a file keeps nobody else waiting.
        wanted = await understanding.of(await asyncio.to_thread(read))
        changes = await held.apply(wanted)
        for words in (*warnings, told_twice(wanted)):
            if words:
                note("config.warning", words)
        said = "; ".join(f"{what}: {', '.join(names)}" for what, names in changes.items() if names)
        return (
            f"the configuration was read again ({said or 'no target changed'}); "
            "what it says about the monitor, alerts and the store takes effect at the next start"
        )

    # -- what is said ------------------------------------------------------------------------------------------------

    def _view(
        self, snapshots: Callable[[], Sequence[Snapshot]], *, simulated: Collection[str]
    ) -> "LiveView | None":
        shown = self._shown
        if shown.as_json or shown.quiet or shown.plain or not _can_draw():
            return None
        from probe.cli.live import LiveView

        return LiveView(snapshots, simulated=simulated)

    def _sinks(self, view: "LiveView | None") -> list[Callable[[Record], None]]:
        sinks: list[Callable[[Record], None]] = [self._look_for_incident]
        if view is None or not sys.stderr.isatty():  # it would be written into the picture
            sinks.append(self._write_log)
        if view is not None:
            sinks.append(view.note)
        elif self._shown.as_json:
            from probe.cli.lines import JsonLines

            sinks.append(JsonLines(self._say).note)
        elif not self._shown.quiet:
            from probe.cli.lines import Lines

            color = sys.stdout.isatty() and click.get_current_context().color is not False
            sinks.append(Lines(self._say, color=color, verbose=self._shown.verbose).note)
        return sinks

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

    def _write_log(self, record: Record) -> None:
        """One rich line for each unit of work: a session that ended, an incident, an alert."""
        match record:
            case Disconnected():
                self._log.info(
                    "session_ended",
                    target=record.target,
                    endpoint=record.endpoint,
                    lasted_seconds=round(record.lasted_seconds, 3),
                    initiator=record.initiator,
                    close_code=record.close_code,
                    planned=record.planned,
                    failure=record.failure.kind if record.failure else None,
                )
            case Incident(ended_utc=ended) if ended is not None:
                self._log.info(
                    "incident_closed",
                    target=record.target,
                    cause=record.cause.value,
                    code=record.code,
                    seconds=round(ended - record.began_utc, 3),
                    blind_seconds=round(record.blind_seconds, 3),
                    blame=record.blame.value,
                )
            case Alert():
                word = "alert_fired" if record.resolved_utc is None else "alert_resolved"
                self._log.info(word, name=record.name, target=record.target, value=record.value)
            case Notice():
                self._log.info("notice_given", code=record.code, target=record.target)
            case StateChanged():
                self._log.debug("state_changed", target=record.target, state=record.condition.state.value)
            case _:
                pass

    def _sum_up(self, snapshots: Sequence[Snapshot], seconds: float, began_utc: float) -> None:
        from probe.cli.summary import closing_summary, summary_data

        if self._shown.as_json:
            from probe.cli.lines import json_line

            self._say(json_line(summary_data(snapshots, began_utc=began_utc, ended_utc=time.time())))
            return
        self._say("\n".join(closing_summary(snapshots, seconds=seconds)))
        if self._shown.explain_score:
            from probe.measure.health import explain

            for snapshot in snapshots:
                self._say(f"\nhealth score of {snapshot.target}")
                self._say("\n".join(explain(snapshot.score)))


def _can_draw() -> bool:
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    from probe.cli.live import can_draw

    return can_draw()
