"""The open model on live sockets: what is due is due by the clock, whatever the answers do.

Message number k of a rate R is due at the beginning plus k/R, on live session number k modulo their count, so that each session's
messages lie between its neighbours'. Who is late sends all that is due, each with its own due time, and leaves nothing out.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from gevent import get_hub

from loadtests.fleet import Fleet
from loadtests.operations import Operation

AT_ONCE = 100  # messages, before the hub may read what came meanwhile


class Schedule:
    """A message is due whenever the phase, which grows by the rate each second, comes to the next whole number. A change of
    the rate bends that line and never breaks it. `share` of several processes begins later by its part of an interval."""

    def __init__(self, began_at: float, rate: float = 0.0, *, phase: float = 0.0) -> None:
        self._since, self._phase, self._rate = began_at, phase, rate
        self._next = 0 if phase == 0.0 else 1
        self._behind: deque[float] = deque()  # due before the rate changed, and not taken yet

    @property
    def rate(self) -> float:
        return self._rate

    def next_due(self) -> float | None:
        """None: nothing, ever, at this rate."""
        if self._behind:
            return self._behind[0]
        if self._rate <= 0.0:
            return None
        return self._since + (self._next - self._phase) / self._rate

    def take(self, now: float) -> float | None:
        """When the next message that is due now was due; None: none is."""
        due = self.next_due()
        if due is None or due > now:
            return None
        if self._behind:
            return self._behind.popleft()
        self._next += 1
        return due

    def change(self, rate: float, at: float) -> None:
        """From that moment on."""
        if rate == self._rate:
            return
        late: list[float] = []
        while (due := self.take(at)) is not None:
            late.append(due)
        self._behind.extend(late)
        self._phase += max(at - self._since, 0.0) * self._rate
        self._since, self._rate = max(at, self._since), rate


class Pacer:
    """Sends by one schedule over all live sessions of a fleet, with one timer of the hub. A fault ends it, and is told."""

    def __init__(
        self,
        fleet: Fleet,
        operations: Sequence[tuple[Operation, float]],
        rng: random.Random,
        on_bug: Callable[[Exception], None],
    ) -> None:
        self._fleet, self._rng, self._on_bug = fleet, rng, on_bug
        self._operations = [operation for operation, _ in operations]
        self._weights = [weight for _, weight in operations]
        self._schedule = Schedule(monotonic())
        self._rate: float | None = None  # wanted, and nobody has been live yet
        self._count = 0
        self._timer: Any = None
        fleet.on_first = self._begin

    def pace(self, rate: float, at: float | None = None) -> None:
        """So many messages a second from then on; but nothing is due before somebody was live for the first time."""
        if self._fleet.on_first is not None:
            self._rate = rate
            return
        self._schedule.change(rate, monotonic() if at is None else at)
        self._set_timer()

    def _begin(self) -> None:
        self._fleet.on_first = None
        self._schedule = Schedule(monotonic())
        if self._rate is not None:
            self.pace(self._rate)

    def stop(self) -> None:
        self._fleet.on_first = None
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        self._schedule = Schedule(monotonic())

    def _send_due(self) -> None:
        try:
            self._send_all_due()
        except Exception as bug:  # noqa: BLE001 - or nobody would know that nothing is sent any more
            self.stop()
            self._on_bug(bug)

    def _send_all_due(self) -> None:
        schedule, fleet = self._schedule, self._fleet
        now = monotonic()
        for _ in range(AT_ONCE):
            due = schedule.take(now)
            if due is None:
                break
            (operation,) = self._rng.choices(self._operations, self._weights)
            live = fleet.live
            if live:
                live[self._count % len(live)].put(operation.intent(), operation.name, due)
            else:
                fleet.unsent(operation.name, due)
            self._count += 1
        if schedule is self._schedule:  # nobody stopped this meanwhile
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        due = self._schedule.next_due()
        if due is not None:
            self._timer = get_hub().loop.timer(max(due - monotonic(), 0.0))
            self._timer.start(self._send_due, update=True)
