"""The live view on terminals made for the test: it draws, obeys keys, and gives the terminal back however it ends."""

import asyncio
import fcntl
import io
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from probe.cli import keys
from probe.cli.live import LiveView
from probe.cli.panels import Clock
from probe.cli.picture import Looking, picture
from tests.cli.pretend_snapshots import NOW, changed, snapshot, symbol, troubled

ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
PROGRAM = """
import asyncio, fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from probe.cli.live import LiveView
from tests.cli.pretend_snapshots import changed, snapshot
calls = 0
def snapshots():
    global calls
    calls += 1
    if "crash" in sys.argv and calls == 3:
        raise RuntimeError("planted")
    return [snapshot(target="first"), snapshot(target="second")]
async def main():
    stop = asyncio.Event()
    view = LiveView(snapshots)
    view.note(changed())
    await view.run(stop)
    print("returned", stop.is_set())
asyncio.run(main())
"""


@dataclass
class Seen:
    """A program on a terminal of its own."""

    process: subprocess.Popen[bytes]
    ours: int
    theirs: int
    before: list[object]
    text: str = ""
    at: int = field(default=0)

    def until(self, words: str) -> None:
        """Read until the program has written this, after what was waited for before."""
        deadline = time.monotonic() + 30
        while (found := self.text.find(words, self.at)) < 0:
            ready, _, _ = select.select([self.ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{words!r} did not come after {self.text[self.at :]!r}"
            self.text += os.read(self.ours, 65536).decode("utf-8", "replace")
        self.at = found + len(words)

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def stop_output(self) -> None:
        """Press Ctrl-S, and wait until the system has obeyed: it does so when it finds the time."""
        fcntl.ioctl(self.ours, termios.TIOCPKT, struct.pack("i", 1))
        self.press("\x13")
        while not (read := os.read(self.ours, 65536))[0] & termios.TIOCPKT_STOP:
            self.text += read[1:].decode("utf-8", "replace")
        fcntl.ioctl(self.ours, termios.TIOCPKT, struct.pack("i", 0))

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def assert_given_back(self) -> None:
        assert termios.tcgetattr(self.theirs) == self.before
        assert self.text.rfind(LEFT) > self.text.rfind(ENTERED) >= 0
        assert self.text.rfind("\x1b[?25h") > self.text.rfind("\x1b[?25l") >= 0


@contextmanager
def seen(*arguments: str) -> Iterator[Seen]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
        env=environment | {"TERM": "xterm", "PYTHONUTF8": "1"},
    )
    try:
        yield Seen(process, ours, theirs, before)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_keys_resizing_and_suspending_work_and_q_ends_it() -> None:
    with seen() as view:
        view.until(ENTERED)
        view.until("j/k")
        view.press("j")
        view.until("TARGETS 2 of 2")
        view.press("?")
        view.until("quit; a summary follows")
        view.press("d")
        view.until("HOW THE SCORE WAS COMPUTED")
        view.press("dp")
        view.until("PAUSED since")
        view.press("p\x1b[A")
        view.until("TARGETS 1 of 2")
        view.resize(40, 10)
        view.until("Too small for more")
        view.press("\x1a")
        view.until(LEFT)
        view.until(ENTERED)  # nobody is there to continue an orphan, so the system does not stop it
        view.press("q")
        view.until("returned True")
        assert view.process.wait(10) == 0
        view.assert_given_back()


def test_an_exception_gives_the_terminal_back_first() -> None:
    with seen("crash") as view:
        view.until("RuntimeError: planted")
        assert view.process.wait(10) == 1
        assert view.text.find(LEFT) < view.text.find("Traceback")
        view.assert_given_back()


@pytest.mark.parametrize(
    ("number", "last"),
    [(signal.SIGTERM, "returned True"), (signal.SIGINT, "KeyboardInterrupt")],
    ids=["terminated", "interrupted"],
)
@pytest.mark.parametrize("stuck", [False, True], ids=["reading", "after Ctrl-S"])
def test_a_signal_gives_the_terminal_back(number: signal.Signals, last: str, stuck: bool) -> None:
    with seen() as view:
        view.until("j/k")
        if stuck:
            view.stop_output()
        view.process.send_signal(number)
        view.until(last)
        view.process.wait(10)
        view.assert_given_back()


def test_a_terminal_that_hangs_up_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setattr(keys, "_terminal", lambda: None)

    async def hang_up() -> None:
        stop = asyncio.Event()
        with os.fdopen(theirs, "w") as file:
            running = asyncio.ensure_future(
                LiveView(lambda: [snapshot()], console=Console(file=file)).run(stop)
            )
            await asyncio.get_running_loop().run_in_executor(None, os.read, ours, 1)
            os.close(ours)
            await asyncio.wait_for(running, 10)
        assert stop.is_set()

    asyncio.run(hang_up())


class Stuck(io.StringIO):
    """A terminal that takes nothing, as after Ctrl-S or on a dead SSH connection."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.go.wait(30)
        return len(text)


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_measuring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "_terminal", lambda: None)
    stuck = Stuck()

    async def measure() -> None:
        stop = asyncio.Event()
        console = Console(file=stuck, force_terminal=True, width=80, height=24)
        running = asyncio.ensure_future(LiveView(lambda: [snapshot()], console=console).run(stop))
        assert await asyncio.to_thread(stuck.reached.wait, 10)
        began = time.monotonic()
        stop.set()  # we got here: the loop runs while the writer waits
        await running
        stuck.go.set()
        assert time.monotonic() - began < 10

    asyncio.run(measure())


def test_a_picture_is_drawn_faster_than_it_would_show_as_our_own_lag() -> None:
    one = troubled(symbols=tuple(symbol(f"S{at}") for at in range(20)))
    took = []
    for at in range(20):
        began = time.process_time()
        picture([one], [], Looking(), Clock(now_utc=NOW + at), width=120, height=40)
        took.append(time.process_time() - began)
    assert min(took) < 0.015


def test_only_events_that_people_are_told_are_kept() -> None:
    view = LiveView(list)
    view.note(changed())
    assert [each.word for each in view._events] == ["STREAMING"]


def test_a_terminal_that_says_no_size_is_taken_for_an_ordinary_one() -> None:
    ours, theirs = os.openpty()  # of 0 by 0
    try:
        with os.fdopen(theirs, "w") as file:
            assert LiveView(list, console=Console(file=file))._size() == (80, 24)
    finally:
        os.close(ours)


def test_leaving_what_was_not_entered_does_nothing() -> None:
    view = LiveView(list)
    view.leave()
    view.leave()
