"""How figures and bars look on a terminal, and how lines get there."""

import json
import queue
import sys
import threading
from collections.abc import Callable, Mapping

import click

BAR_CELLS = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"
COLOUR_OF_STATE = {"healthy": "green", "degraded": "yellow", "failed": "red", "unknown": "yellow"}


def bar(value: float, largest: float, cells: int = BAR_CELLS) -> str:
    """A horizontal bar in eighths of a character, never empty for a value above zero."""
    eighths = round(value / largest * cells * 8) if largest > 0 else 0
    eighths = max(eighths, 1) if value > 0 else eighths
    full, rest = divmod(min(eighths, cells * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def milliseconds(seconds: float) -> str:
    """Three significant figures, so that 0.04 ms and 3,500 ms can both be read."""
    value = seconds * 1000
    if value < 10:
        return f"{value:.2f} ms"
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def duration(seconds: float) -> str:
    return milliseconds(seconds) if seconds < 1 else f"{seconds:.2f} s"


def stated(state: str) -> str:
    return click.style(state.upper(), fg=COLOUR_OF_STATE[state], bold=True)


def plain(text: str) -> str:
    """What a server sent, made safe for a terminal: no control character survives."""
    return "".join(char if char.isprintable() else "�" for char in text)


def dumped(data: Mapping[str, object]) -> str:
    """On one line, in signs that standard output can show."""
    is_unicode = sys.stdout is not None and sys.stdout.encoding.lower().startswith("utf")
    return readable(json.dumps(data, ensure_ascii=not is_unicode))


def readable(told: str) -> str:
    """JSON in which nothing moves a cursor or hides."""
    return told if told.isprintable() else "".join(map(_escaped, told))


def _escaped(char: str) -> str:
    return char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1]


class Lines:
    """Written by a thread: whoever reads them (`| less`, Ctrl-S) may stop for as long as he likes, and nothing else does.

    Args:
        broke: Told, in that thread, what keeps it from writing anything more.
        size: Lines that wait; what comes beyond them is lost, and counted.
    """

    def __init__(
        self, broke: Callable[[OSError], object], *, color: bool | None = None, size: int = 10_000
    ) -> None:
        self._broke, self._color = broke, color
        self._waiting: queue.Queue[str | None] = queue.Queue(size)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="output", daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def take_lost(self) -> int:
        """How many lines were lost, once there is room to tell it; each is told once."""
        if self._waiting.full():
            return 0
        lost, self._lost = self._lost, 0
        return lost

    def close(self, within: float) -> bool:
        """Whether everything was written in this time."""
        try:
            self._waiting.put(None, timeout=within)
        except queue.Full:
            return False
        self._thread.join(within)
        return not self._thread.is_alive()

    def _write(self) -> None:
        is_whole = True
        while (line := self._waiting.get()) is not None:
            if is_whole:
                try:
                    click.echo(line, color=self._color)
                except OSError as problem:
                    is_whole = False
                    self._broke(problem)
