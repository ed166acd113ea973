"""The process in which Locust runs, seen from the command: what it is told, what it tells, how it ends."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Self

from probe.model.errors import ConfigError

LEAVES_WITHIN = 5.0  # after it was told to stop; it gives its sessions 2 s, and itself 3
LONGEST_LINE = 64 * 2**20  # of a slice with very many symbols
TELLS = ("WARNING ", "ERROR ", "CRITICAL ")
LAST_LINES = 20


class Child:
    """It gets its settings over one pipe and answers over another; nothing secret stands in arguments, environment or files.

    Args:
        settings: One line.
        debug: Everything that it writes to its log is passed on.
    """

    def __init__(self, settings: bytes, *, debug: bool = False) -> None:
        if sys.platform == "win32":
            raise ConfigError(
                "load tests need a system that passes pipes to child processes",
                where="probe load",
                next_step="Run it on Linux or macOS, or in WSL.",
            )
        self._settings, self._debug = settings, debug
        self._process: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._partial: dict[int, bytes] = {}
        self._tell_fd = -1
        self._stopped_at: float | None = None
        self.last_words: deque[str] = deque(maxlen=LAST_LINES)  # of its log
        self.code: int | None = None  # None: it runs; below 0: the signal that ended it

    def __enter__(self) -> Self:
        theirs_in, self._tell_fd = os.pipe()
        ours, theirs_out = os.pipe()
        words = ["-m", "loadtests.child", "--settings-fd", f"{theirs_in}", "--outlet-fd", f"{theirs_out}"]
        with contextlib.ExitStack() as theirs:
            for fd in (theirs_in, theirs_out):
                theirs.callback(os.close, fd)
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs_in, theirs_out),
                env={name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
                start_new_session=True,  # a Ctrl-C is for us: it is told to stop, and what was measured is kept
            )
        assert self._process.stderr is not None  # noqa: S101 - a pipe was asked for
        for fd, kind in ((ours, "outlet"), (self._process.stderr.fileno(), "log")):
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ, kind)
            self._partial[fd] = b""
        self._outlet_fd = ours
        with contextlib.suppress(BrokenPipeError):  # it has died already, and will be seen to have
            rest = memoryview(self._settings)
            while rest:
                rest = rest[os.write(self._tell_fd, rest) :]
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.kill()
        self._selector.close()
        os.close(self._outlet_fd)
        if self._process is not None and self._process.stderr is not None:
            self._process.stderr.close()

    def stop(self) -> None:
        """Its sessions leave in order, and it ends. What it still tells is to be read."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            os.close(self._tell_fd)

    def kill(self) -> None:
        """It and its workers."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.code = self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None  # noqa: S101 - it was entered
        return self._process.pid

    def listen(self, within: float) -> Iterator[dict[str, Any]]:
        """What it tells in this time; afterwards `code` says whether it has ended."""
        assert self._process is not None  # noqa: S101 - it was entered
        if self._stopped_at is not None and time.monotonic() > self._stopped_at + LEAVES_WITHIN:
            self.kill()
        has_ended = self._process.poll() is not None
        for key, _ in self._selector.select(0 if has_ended else within):
            yield from self._lines(key.fd, key.data)
        if has_ended and not self._rest_is_there():
            self.code = self._process.returncode

    def _rest_is_there(self) -> bool:
        return bool(self._selector.get_map()) and bool(self._selector.select(0))

    def _lines(self, fd: int, kind: str) -> Iterator[dict[str, Any]]:
        piece = os.read(fd, 1 << 18)
        if not piece:
            self._selector.unregister(fd)
        *lines, self._partial[fd] = (self._partial[fd] + piece).split(b"\n")
        if len(self._partial[fd]) > LONGEST_LINE:
            raise ConfigError("the generator told a line without an end", where="probe load")
        for line in lines:
            if kind == "outlet":
                yield json.loads(line)
                continue
            text = line.decode(errors="replace")
            self.last_words.append(text)
            if self._debug or text.startswith(TELLS):
                yield {"kind": "log", "text": text}
