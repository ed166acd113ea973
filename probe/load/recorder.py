"""Counts and times what happens in one process of a load run, and cuts it into slices of a second.

Whoever reports is in a hurry, so times are only put down; they become histograms when a second is cut. A time says itself which
second it belongs to. What comes without one counts in the first second that was not cut yet. What belongs to a second that was cut
already comes with the next cut, as another slice of that second.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import compress, islice
from operator import le, sub
from typing import TypeVar

from probe.load.figures import Figures, Generator, Requests, Slice, Ticks
from probe.load.mergeable import Level
from probe.load.streams import StreamMeter, Streams, SymbolStream
from probe.measure.histogram import Histogram
from probe.model.events import Traffic

V = TypeVar("V")
HAIR = 1e-6  # seconds by which a sum of decimals may miss a border


class RequestMeter:
    """Of one operation. Each `due` is followed by exactly one `answered` or `failed`, and before it by `sent` if it was."""

    __slots__ = ("_answers", "_dues", "_note_failure", "_sends", "name")

    def __init__(self, name: str, note_failure: Callable[[str, str, float], None]) -> None:
        self.name = name
        self._note_failure = note_failure
        self._dues: list[float] = []
        self._sends: list[float] = []  # due, sent; due, sent; ...
        self._answers: list[float] = []  # due, sent, at; ...

    def due(self, due: float) -> None:
        self._dues.append(due)

    def sent(self, due: float, sent: float) -> None:
        self._sends += (due, sent)

    def answered(self, due: float, sent: float, at: float) -> None:
        self._answers += (due, sent, at)

    def failed(self, kind: str, due: float, at: float, sent: float | None = None) -> None:
        self._note_failure(self.name, kind, at)

    def taken(self) -> tuple[list[float], list[float], list[float]]:
        """Dues, sends and answers since this was last asked."""
        taken = self._dues, self._sends, self._answers
        self._dues, self._sends, self._answers = [], [], []
        return taken


class Recorder:
    def __init__(self, began_at: float, worker: str) -> None:
        self.worker = worker
        self._began_at = began_at
        self._open_second = 0  # the first that was not cut yet
        self._stage = self._stage_before = 0
        self._first = 0  # second of this stage; those before it belong to the one before
        self._figures: dict[tuple[int, int], Figures] = {}  # by second and stage
        self._meters: dict[str, RequestMeter] = {}
        self._streams = Streams()
        self._wanted, self._live = Level(), Level()

    # --- operations -------------------------------------------------------------------------------------------------------------

    def request(self, name: str) -> RequestMeter:
        if name not in self._meters:
            self._meters[name] = RequestMeter(name, self._failed)
        return self._meters[name]

    def unsent(self) -> None:
        """It was due, and there was no session to send it on."""
        self._generator.unsent += 1

    def refused(self, what: str) -> None:
        """The caps did: "connections", "rate" or "minutes"."""
        _count(self._generator.refused, what)

    def _failed(self, name: str, kind: str, at: float) -> None:
        _count(_named(self._at(at).requests, name, Requests).failed, kind)

    # --- connections and sessions -----------------------------------------------------------------------------------------------

    def connecting(self, due: float) -> None:
        self._at(due).connects.begun += 1

    def phase(self, name: str, seconds: float) -> None:
        _named(self._now.connects.phases, name, Histogram).add(seconds)

    def connected(self, due: float, at: float) -> None:
        connects = self._at(at).connects
        connects.opened += 1
        connects.whole.add(at - due)

    def connect_failed(self, kind: str, at: float) -> None:
        _count(self._at(at).connects.failed, kind)

    def wanted(self, sessions: int) -> None:
        self._wanted.put(sessions)

    def live(self, sessions: int) -> None:
        self._live.put(sessions)

    def lost(self, kind: str, at: float) -> None:
        _count(self._at(at).sessions.lost, kind)

    def left(self) -> None:
        self._now.sessions.left += 1

    def dropped(self, at: float) -> None:
        self._at(at).sessions.dropped += 1

    def recovered(self, seconds: float) -> None:
        sessions = self._now.sessions
        sessions.reopened += 1
        sessions.recovery.add(seconds)

    def comes_back(self, due: float, pause: float) -> None:
        """Another connection takes the place of one that was lost so long before."""
        self._at(due).sessions.pause.add(pause)

    def surprise(self) -> None:
        self._now.sessions.surprises += 1

    def frames(self, delta: Traffic) -> None:
        frames = self._now.frames
        frames.messages_sent += delta.messages_sent
        frames.messages_received += delta.messages_received
        frames.bytes_sent += delta.bytes_sent
        frames.bytes_received += delta.bytes_received

    def cut_off(self, traffic: Traffic) -> None:
        """All of a connection that ended without a goodbye; `frames` is told of it as well."""
        frames = self._now.frames
        frames.cut_sent += traffic.messages_sent
        frames.cut_received += traffic.messages_received

    # --- heartbeats -------------------------------------------------------------------------------------------------------------

    def beat_sent(self, due: float, at: float) -> None:
        sessions = self._at(at).sessions
        sessions.beats_sent += 1
        sessions.beat_lateness.add(at - due)

    def beat_answered(self, due: float, sent: float, at: float) -> None:
        sessions = self._at(at).sessions
        sessions.beats_answered += 1
        sessions.beat_round_trip.add(at - sent)

    def beat_missed(self) -> None:
        self._now.sessions.beats_missed += 1

    def peer_beat(self) -> None:
        self._now.sessions.peer_beats += 1

    # --- streams ----------------------------------------------------------------------------------------------------------------

    def stream(self) -> StreamMeter:
        return self._streams.stream()

    # --- seconds and stages -----------------------------------------------------------------------------------------------------

    def enter(self, stage: int, at: float) -> None:
        """A stage begins at that second of the run, which may be a moment ago. Of a second within which one begins, what was noted
        before this is heard belongs to the stage before."""
        if stage == self._stage:
            return
        self._stage_before, self._stage = self._stage, stage
        self._first = math.ceil(at - HAIR)
        self._fold()
        for second, before in [each for each in self._figures if each[0] >= self._first and each[1] != stage]:
            self._of(second).add(self._figures.pop((second, before)))
        self._first = math.floor(at + HAIR)

    def cut(self, now: float, *, at_the_end: bool = False) -> list[Slice]:
        """The seconds that are over: one slice or more of each that was not cut before, and what came late of those that were.

        Args:
            at_the_end: Nothing more will come: the second that has begun as well.
        """
        before = self._second(now) + at_the_end
        self._fold()
        for second in range(self._open_second, before):
            self._look(second, now if second == before - 1 else self._began_at + second + 1)
        self._open_second = max(self._open_second, before)
        over = sorted(key for key in self._figures if key[0] < before)
        return [self._slice(second, stage) for second, stage in over]

    def _slice(self, second: int, stage: int) -> Slice:
        figures = self._figures.pop((second, stage))
        lateness = _named(figures.generators, self.worker, Generator).lateness
        for requests in figures.requests.values():
            lateness.merge(requests.lateness)
        lateness.merge(figures.sessions.beat_lateness)
        return Slice(second=second, stage=stage, figures=figures)

    def _look(self, second: int, moment: float) -> None:
        """What there is at the end of a second goes into the last of its slices alone: levels of two would add up."""
        last = max((stage for each, stage in self._figures if each == second), default=None)
        figures = self._of(second) if last is None else self._figures[second, last]
        for symbol, ages in self._streams.ages(moment).items():
            _named(figures.ticks, symbol, Ticks).staleness.add_all(ages)
        sessions = figures.sessions
        sessions.wanted, sessions.live = self._wanted, self._live
        self._wanted, self._live = _going_on(self._wanted), _going_on(self._live)

    def _fold(self) -> None:
        for name, meter in self._meters.items():
            dues, sends, answers = meter.taken()
            for second, (moments,) in self._by_second(dues, 1):
                self._requests(second, name).due += len(moments)
            for second, (moments, due_moments) in self._by_second(sends, 2, moment=1):
                requests = self._requests(second, name)
                requests.sent += len(moments)
                requests.lateness.add_all(list(map(sub, moments, due_moments)))
            for second, (moments, due_moments, sent_moments) in self._by_second(answers, 3, moment=2):
                requests = self._requests(second, name)
                requests.answered += len(moments)
                requests.response.add_all(list(map(sub, moments, due_moments)))
                requests.service.add_all(list(map(sub, moments, sent_moments)))
        for symbol, stream in self._streams.symbols.items():
            self._fold_stream(symbol, stream)

    def _fold_stream(self, symbol: str, stream: SymbolStream) -> None:
        for second, (moments, gaps, skews) in self._by_second(stream.arrivals, 3):
            ticks = self._ticks(second, symbol)
            ticks.arrived += len(moments)
            ticks.gap.add_all([gap for gap in gaps if gap >= 0])
            ticks.skew.add_all([skew for skew in skews if skew >= 0])
        for second, (_, waits) in self._by_second(stream.first, 2):
            self._ticks(second, symbol).first.add_all(waits)
        for second, (moments,) in self._by_second(stream.duplicates, 1):
            self._ticks(second, symbol).duplicates += len(moments)
        for second, (moments,) in self._by_second(stream.out_of_order, 1):
            self._ticks(second, symbol).out_of_order += len(moments)
        stream.forget_counted()

    def _by_second(
        self, noted: Sequence[float], width: int, *, moment: int = 0
    ) -> Iterator[tuple[int, list[Sequence[float]]]]:
        """Columns of what was noted in rows of so many, the deciding moment first."""
        if not noted:
            return
        columns = [noted[moment::width]] + [noted[each::width] for each in range(width) if each != moment]
        moments = columns[0]
        if all(map(le, moments, islice(moments, 1, None))):  # the usual case
            begin = 0
            while begin < len(moments):
                second = self._second(moments[begin])
                end = bisect_left(moments, second + 1, begin, key=self._second)
                yield second, [column[begin:end] for column in columns]
                begin = end
            return
        seconds = [self._second(each) for each in moments]
        for second in sorted(set(seconds)):
            chosen = [each == second for each in seconds]
            yield second, [list(compress(column, chosen)) for column in columns]

    def _second(self, moment: float) -> int:
        return max(0, int(moment - self._began_at))

    def _of(self, second: int) -> Figures:
        stage = self._stage if second >= self._first else self._stage_before
        return _named(self._figures, (second, stage), Figures)

    def _at(self, moment: float) -> Figures:
        return self._of(self._second(moment))

    @property
    def _now(self) -> Figures:
        return self._of(self._open_second)

    def _requests(self, second: int, name: str) -> Requests:
        return _named(self._of(second).requests, name, Requests)

    def _ticks(self, second: int, symbol: str) -> Ticks:
        return _named(self._of(second).ticks, symbol, Ticks)

    @property
    def _generator(self) -> Generator:
        return _named(self._now.generators, self.worker, Generator)


K = TypeVar("K")


def _named(where: dict[K, V], name: K, make: Callable[[], V]) -> V:
    found = where.get(name)
    if found is None:
        found = where[name] = make()
    return found


def _count(where: dict[str, int], name: str) -> None:
    where[name] = where.get(name, 0) + 1


def _going_on(level: Level) -> Level:
    """As high as it was, at the beginning of the next second."""
    return Level(level.last, level.last, level.last) if level.is_known else Level()
