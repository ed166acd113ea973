"""The live view: draws what a monitor knows onto a terminal, listens to single keys, and gives the terminal back as it was.

A picture is composed in the event loop (a few milliseconds) and written by a thread of its own: a terminal that takes
nothing (Ctrl-S, a stalled SSH connection) stops the picture, never the measuring.
"""

import asyncio
import io
import os
import queue
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import IO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment

from probe.cli.keys import Keyboard
from probe.cli.lines import Told, told
from probe.cli.panels import Clock, Row
from probe.cli.picture import Looking, chosen_at, picture
from probe.measure.records import Record
from probe.measure.snapshot import Snapshot

REDRAW_SECONDS = 0.5
FRESH_AFTER = 20  # pictures; whatever else wrote to the terminal is gone then
LAST_WRITE_SECONDS = 1.0
KEPT_EVENTS = 200
_PLAIN = str.maketrans(
    "●▲■×►◊○□√" + "▏▎▍▌▋▊▉█" + "▁▂▃▄▅▆▇" + "…–·↓↑±",
    "*^#x>~o.+" + "..::==##" + "_.-=+*#" + "~--vA~",
)  # fmt: skip


def can_draw() -> bool:
    """Whether standard output is a terminal that can move its cursor."""
    console = Console()
    return console.is_terminal and not console.is_dumb_terminal and not console.legacy_windows


class _Changed:
    """The rows that differ from those that stand on the screen."""

    def __init__(self, rows: Sequence[Row], before: Sequence[Row]) -> None:
        self._rows, self._before = rows, before

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._before:
            yield Control.clear().segment
        for at, row in enumerate(self._rows):
            if not self._before or row != self._before[at]:
                yield Control.move_to(0, at).segment
                yield from (_plain(each) for each in row) if options.ascii_only else row


def _plain(segment: Segment) -> Segment:
    text = segment.text.translate(_PLAIN).encode("ascii", "replace").decode()
    return segment._replace(text=text)


class _Page(io.StringIO):
    """Stands for the terminal while Rich writes."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override] # nobody sets it
        return self._encoding

    def isatty(self) -> bool:
        return True


class _Writer:
    """Writes one thing at a time to the terminal, in a thread that may wait for it as long as it likes."""

    def __init__(self, file: IO[str], encoding: str) -> None:
        self._file, self._encoding = file, encoding
        self._fd: int | None = None
        if (
            sys.platform != "win32"
        ):  # past Python's buffer, whose lock a stuck writer would hold when the program ends
            with suppress(OSError):
                self._fd = file.fileno()
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        self.failed = False
        threading.Thread(target=self._work, name="terminal", daemon=True).start()

    @property
    def idle(self) -> bool:
        return self._idle.is_set()

    def write(self, text: str) -> None:
        self._idle.clear()
        self._waiting.put(text)

    def write_last(self, text: str) -> None:
        """And wait for it, within reason."""
        self._idle.wait(LAST_WRITE_SECONDS)
        self.write(text)
        self._idle.wait(LAST_WRITE_SECONDS)

    def close(self) -> None:
        self._waiting.put(None)

    def _work(self) -> None:
        while (text := self._waiting.get()) is not None:
            try:
                self._write_all(text)
            except (OSError, ValueError):  # hung up, or closed at the end of the program
                self.failed = True
            if self._waiting.empty():
                self._idle.set()

    def _write_all(self, text: str) -> None:
        if self._fd is None:
            self._file.write(text)
            self._file.flush()
            return
        rest = memoryview(text.encode(self._encoding, "replace"))
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody who shares the terminal set it so
                select.select([], [self._fd], [])


class LiveView:
    def __init__(
        self,
        snapshots: Callable[[], Sequence[Snapshot]],
        *,
        console: Console | None = None,
        simulated: Collection[str] = (),
    ) -> None:
        self._snapshots = snapshots
        self._console = console or Console()
        self._simulated = simulated
        self._looking = Looking()
        self._events: deque[Told] = deque(maxlen=KEPT_EVENTS)
        self._frozen: tuple[Sequence[Snapshot], Sequence[Told]] | None = None
        self._before: Sequence[Row] = ()
        self._before_size = (0, 0)
        self._drawn = 0
        self._entered = False

    def note(self, record: Record) -> None:
        if (event := told(record, now_utc=time.time())) is not None:
            self._events.append(event)

    async def run(self, stop: asyncio.Event) -> None:
        """Draw until `stop` is set; q sets it. Whatever ends this, the terminal is as it was before."""
        self._stop, self._wake = stop, asyncio.Event()
        self._writer = _Writer(self._console.file, self._console.encoding)
        self._keyboard = Keyboard(self._press, stop.set)
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            with self._signals():
                while not stop.is_set():
                    self._draw()
                    self._wake.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), REDRAW_SECONDS)
        finally:
            stopping.cancel()
            self.leave()
            self._keyboard.close()
            self._writer.close()

    def _draw(self) -> None:
        if self._writer.failed:
            self._stop.set()  # the terminal is gone, and who looked at it too
            return
        if not self._writer.idle or not self._keyboard.in_foreground():
            return
        text = "" if self._entered else self._enter()
        size = self._size()
        rows = self._rows(*size)
        if size != self._before_size or self._drawn % FRESH_AFTER == 0:
            self._before = ()
        self._drawn, self._before_size = self._drawn + 1, size
        self._writer.write(text + self._painted(_Changed(rows, self._before)))
        self._before = rows

    def _painted(self, changed: _Changed) -> str:
        """As the terminal takes it. Rich's own capture would touch the terminal, and wait for it with its writer."""
        console = self._console
        terminal, console.file = console.file, _Page(console.encoding)
        try:
            console.print(changed, end="", crop=False, soft_wrap=True)
            return str(console.file.getvalue())
        finally:
            console.file = terminal

    def _rows(self, width: int, height: int) -> list[Row]:
        looking = self._looking
        snapshots, events = self._frozen or (self._snapshots(), self._events)
        now_utc = time.time() if looking.paused_utc is None else looking.paused_utc
        clock = Clock(now_utc=now_utc, zone=UTC if looking.utc else None)
        return picture(
            snapshots, events, looking, clock, width=width, height=height, simulated=self._simulated
        )

    def _size(self) -> tuple[int, int]:
        with suppress(OSError, ValueError, AttributeError):  # not a terminal: a test, or it has hung up
            width, height = os.get_terminal_size(self._console.file.fileno())
            return width or 80, height or 24  # some terminals say nothing
        return self._console.size

    def _press(self, key: str) -> None:
        looking = self._looking
        match key:
            case "q":
                self._stop.set()
            case "?":
                looking.help, looking.details = not looking.help, False
            case "d":
                looking.details, looking.help = not looking.details, False
            case "u":
                looking.utc = not looking.utc
            case "p" if looking.paused_utc is None:
                looking.paused_utc = time.time()
                self._frozen = (tuple(self._snapshots()), tuple(self._events))
            case "p":
                looking.paused_utc = self._frozen = None
            case "j" | "down":
                self._choose(1)
            case "k" | "up":
                self._choose(-1)
            case _:
                return
        self._wake.set()

    def _choose(self, step: int) -> None:
        snapshots = self._frozen[0] if self._frozen else self._snapshots()
        if snapshots:
            at = chosen_at(snapshots, self._looking) + step
            self._looking.target = snapshots[max(0, min(at, len(snapshots) - 1))].target

    def _enter(self) -> str:
        self._entered, self._before = True, ()
        self._keyboard.start()
        return self._said(Control.alt_screen(enable=True), Control.show_cursor(show=False))

    def leave(self) -> None:
        """Give the terminal back, if it is taken; the next picture takes it again."""
        if not self._entered:
            return
        self._entered = False
        if self._keyboard.in_foreground():
            self._keyboard.resume_output()
            self._writer.write_last(
                self._said(Control.show_cursor(show=True), Control.alt_screen(enable=False))
            )
        self._keyboard.stop()

    def _said(self, *controls: Control) -> str:
        return "".join(str(each.segment.text) for each in controls)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Resizing draws at once; Ctrl-Z gives the terminal back first; a SIGTERM nobody else handles ends in order."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        mine: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGWINCH: self._wake.set,
            signal.SIGTSTP: self._suspend,
            signal.SIGCONT: self._resume,
        }
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            mine[signal.SIGTERM] = self._stop.set
        for number, act in mine.items():
            loop.add_signal_handler(number, act)
        try:
            yield
        finally:
            for number in mine:
                loop.remove_signal_handler(number)

    def _suspend(self) -> None:
        if sys.platform == "win32":
            return
        self.leave()
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGTSTP)
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)  # here we stand still until fg or bg
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._wake.set()

    def _resume(self) -> None:
        """Whoever stopped us had the terminal meanwhile: it is taken anew by the next picture, once it is ours."""
        self._entered = False
        self._keyboard.stop()
        self._wake.set()
