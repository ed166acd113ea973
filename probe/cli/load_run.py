"""One load run, from its first connection to its last: listens to the generator, shows how it goes, and ends it when it has to."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import click

from probe.cli.lines import safe
from probe.cli.load_child import Child
from probe.cli.load_progress import Progress
from probe.load.figures import Figures, Slice
from probe.load.plan import LoadPlan
from probe.load.record import RunRecord
from probe.load.thresholds import abort_now
from probe.logs import redact
from probe.model.errors import ProbeError

LISTENS_FOR = 0.1
FILE_LOOKED_AT_EVERY = 0.5
JUDGED_CODES = (0, 1, 4)  # of a generator that came to its end, whatever it thinks of what it measured


class How(Enum):
    """How it ended; the values say it."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    KILL_FILE = "stopped by the kill file"
    ABORTED = "stopped by a threshold"
    UNREAD = "nobody reads what it prints"
    REFUSED = "refused"
    DIED = "the generator died"
    BUG = "a bug of ours"


class Run:
    """
    Args:
        hook: Told what the generator says that is neither figures nor for people.
        watch: Called again and again, with the time.
        kill_file: The run ends as soon as it is there.
        signals: That came, the oldest first.
    """

    def __init__(
        self,
        plan: LoadPlan,
        record: RunRecord,
        child: Child,
        progress: Progress,
        *,
        kill_file: Path | None = None,
        signals: Sequence[int] = (),
        hook: Callable[[Mapping[str, Any]], object] = lambda _: None,
        watch: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._plan, self._record, self._child, self._progress = plan, record, child, progress
        self._kill_file, self._hook, self._watch = kill_file, hook, watch
        self._next_look = 0.0
        self._judged_to = 0  # second
        self._signals = signals
        self._is_through = False  # it said that it came to its end
        self.how = How.DONE
        self.words: list[str] = []  # what it said about its end

    def go(self) -> None:
        while self._child.code is None:
            for said in self._child.listen(LISTENS_FOR):
                self.hear(said)
            now = time.monotonic()
            self._look_for_an_end(now)
            self._progress.draw(now)
            self._watch(now)
        self._progress.close()
        if self.how is How.DONE and not self._is_through:
            self._died(_death(self._child.code or 0))

    @property
    def ending(self) -> str:
        """For the record; empty: as planned."""
        return "" if self.how is How.DONE else ": ".join([self.how.value, *self.words])

    def _died(self, why: str) -> None:
        self.how = How.DIED
        self.words.append(why)
        self._record.lost_workers.setdefault("generator", why)

    def hear(self, said: Mapping[str, Any]) -> None:
        match said["kind"]:
            case "slice":
                part = Slice(
                    second=said["second"], stage=said["stage"], figures=Figures.from_json(said["figures"])
                )
                self._record.add(part)
                self._progress.note(part, time.monotonic())
            case "ended":
                self._is_through = said["code"] in JUDGED_CODES
            case "frame":
                self._show(said)
            case "level":
                self._progress.level = _level(said)
                self._progress.say(f"{self._progress.level}{_why(said)}")
            case "search":
                self._record.search = dict(said["result"])
            case "worker-lost":
                self._record.lost_workers[str(said["worker"])] = redact(str(said["why"]))
            case "worker-refused":
                self._record.refused_workers[str(said["worker"])] = redact(str(said["version"]))
            case "refused":
                self._end(How.REFUSED, str(said["text"]))
            case "aborted":
                self._end(How.ABORTED, str(said["text"]))
            case "bug":
                self._end(How.BUG, f"{said['what']} in {said['place']}")
            case "problem" | "log":
                self._progress.say(redact(str(said["text"])))
            case _:
                try:
                    self._hook(said)
                except ProbeError as problem:  # the simulator is gone, say: what was measured is not
                    self._record.notes.append(redact(str(problem)))
                    self._progress.say(f"warning: {redact(str(problem))}")

    def _show(self, frame: Mapping[str, Any]) -> None:
        at = "" if frame["at"] is None else f"{frame['at']:.3f}"
        try:
            click.echo(f"{at:>9} {frame['direction']} {safe(redact(frame['text']))}")
        except OSError:
            self._end(How.UNREAD)

    def _look_for_an_end(self, now: float) -> None:
        if self._signals:
            is_interrupt = self._signals[0] == signal.SIGINT
            self._end(How.INTERRUPTED if is_interrupt else How.TERMINATED)
            if len(self._signals) > 1:  # it takes too long for somebody
                self._child.kill()
        if self._record.seconds > self._judged_to and self._plan.search is None:
            self._judged_to = self._record.seconds
            if broken := abort_now(self._record.thresholds, self._judged_to):
                self._end(How.ABORTED, str(broken))
        if self._kill_file is not None and now >= self._next_look:
            self._next_look = now + FILE_LOOKED_AT_EVERY
            if self._kill_file.exists():
                self._end(How.KILL_FILE, f"{self._kill_file} is there")

    def _end(self, how: How, words: str = "") -> None:
        """The first reason counts."""
        if self.how is How.DONE:
            self.how = how
            if words:
                self.words.append(redact(words))
        self._child.stop()


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Those that come; none of them ends this process."""
    noted: list[int] = []
    ends = {
        signal.SIGINT,
        signal.SIGTERM,
    }  # in the background of a script, too, where it begins deaf to the first
    if (
        sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    ):  # it is not under nohup
        ends.add(signal.SIGHUP)
    before = {number: signal.signal(number, lambda it, _: noted.append(it)) for number in ends}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _level(said: Mapping[str, Any]) -> str:
    outcome = {True: "held", False: "did not hold", None: "could not be judged"}[said["held"]]
    if not said["valid"]:
        outcome = "the generator came to its limit"
    what = "confirmation of " if said["is_confirmation"] else ""
    return f"{what}{said['value']:g} for {said['seconds']:g} s: {outcome}"


def _why(said: Mapping[str, Any]) -> str:
    """Thresholds as they are written, or the first of the sentences that say what the generator had too little of."""
    if said["valid"]:
        return f" ({', '.join(map(str, said['broken']))})" if said["broken"] else ""
    first, *more = map(str, said["broken"])
    return f". {first}{f' (and {len(more)} more)' if more else ''}"


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended with code {code} before the run did"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = (
        ", as a system does that has no memory left" if name == "SIGKILL" and sys.platform != "win32" else ""
    )
    return f"its process was ended by {name}{memory}"
