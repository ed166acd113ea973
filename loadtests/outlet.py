"""What the generator tells the command that started it: JSON lines over an inherited pipe, never waiting for its reader.

Kinds that the command understands: `slice` (second, stage, figures), `level` and `search` (of a capacity search), `fault` (fault, on: of the
command's simulator), `frame` (of --debug-one: at, direction, text), `problem` (text, for a person), `worker-lost` (worker, why),
`worker-refused` (worker, version), `refused` (text: the guard or the configuration says no), `aborted` (text), `bug` (what, place) and
`ended` (code). Others are passed over.
"""

import json
import os
from collections import deque
from typing import Any, Protocol

import gevent

CLOSING_WITHIN = 2.0


class AnyOutlet(Protocol):
    def say(self, kind: str, **fields: object) -> None: ...

    def close(self) -> None: ...


class NowhereOutlet:
    """Nobody listens: Locust was started by hand."""

    def say(self, kind: str, **fields: object) -> None: ...

    def close(self) -> None: ...


class Outlet:
    """Speaks only in the process that made it: workers that were forked tell the master."""

    def __init__(self, fd: int) -> None:
        self._fd, self._pid = fd, os.getpid()
        self._waiting: deque[memoryview] = deque()
        self._watcher: Any = None
        self.has_reader = True
        os.set_blocking(fd, False)

    def say(self, kind: str, **fields: object) -> None:
        if os.getpid() != self._pid or not self.has_reader:
            return
        line = json.dumps({"kind": kind, **fields}, separators=(",", ":")) + "\n"
        self._waiting.append(memoryview(line.encode()))
        if self._watcher is None:
            self._write()

    def close(self) -> None:
        """Write what still waits, and no longer than a reader who reads needs for it."""
        if os.getpid() != self._pid:
            return
        with gevent.Timeout(CLOSING_WITHIN, False):
            while self._waiting and self.has_reader:
                gevent.sleep(0.01)
        self._forget()

    def _write(self) -> None:
        """A pipe that is full is written to when it has room."""
        try:
            while self._waiting:
                line = self._waiting[0]
                written = os.write(self._fd, line)
                if written < len(line):
                    self._waiting[0] = line[written:]
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            if self._watcher is None:
                self._watcher = gevent.get_hub().loop.io(self._fd, 2)  # 2: writable
                self._watcher.start(self._write)
            return
        except OSError:  # who read it has gone
            self.has_reader = False
            self._waiting.clear()
        self._forget()

    def _forget(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None


class _Place:
    """Where this process speaks to."""

    outlet: AnyOutlet = NowhereOutlet()


def outlet() -> AnyOutlet:
    return _Place.outlet


def speak_through(chosen: AnyOutlet) -> None:
    _Place.outlet = chosen
