"""A faulty network around any Drivable, in pretend or real time: the one implementation of every stream fault.

What a `FaultyWire` wraps stands at one end of the network, its driver at the other. Bytes, signals and the end of the
transport travel through it in order, one direction at a time never overtaking itself. Two consequences:

- The end of the transport takes its place in the order as well, so a driver goes on calling `wake` after `receive_end`
  for as long as there is a `next_wake`.
- An ABORT behind a freeze is held like everything else (a reset does not come through a black hole). A driver that
  wants its socket back takes it when it sees `Ended`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from probe.faults.pipe import FaultyPipe, Mark
from probe.faults.stream import Flow, StreamFault
from probe.model.events import Ended, Event
from probe.model.failures import Failure
from probe.wire.drivable import Drivable, Signal

_NO_FAULT = StreamFault()


@dataclass(frozen=True, slots=True)
class _End:
    failure: Failure | None


class FaultyWire:
    """A Drivable behind a network with one fault. Wires stack: the outermost is the one next to the driver.

    `receives` says which way the bytes it is given flow: UP around a server, DOWN around a client.
    After asking something of the wrapped session directly, call `wake(now)`: `outgoing` knows no later time than the
    last it was told.
    """

    def __init__(self, inner: Drivable, fault: StreamFault, rng: Random, *, receives: Flow = Flow.UP) -> None:
        self.inner, self.fault, self._receives = inner, fault, receives
        hit = rng.random() < fault.share
        self._inbound: FaultyPipe[_End] = _pipe(fault, receives, rng, hit=hit)
        self._outbound: FaultyPipe[Signal] = _pipe(fault, receives.opposite, rng, hit=hit)
        self._breaks_at_start = hit and fault.breaks_after() == 0
        self._breaks_at = math.inf
        self._now = 0.0
        self._end_told = self._ended = self.broken = False
        self._outgoing: list[bytes | Signal] = []
        self._events: list[Event] = []

    def begin(self, now: float) -> None:
        self._start(now)
        self.inner.begin(now)
        self._carry(now)

    def receive(self, item: bytes, now: float) -> None:
        self._inbound.push(item, now)
        self._carry(now)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self._inbound.push(_End(failure), now)
        self._carry(now)

    def wake(self, now: float) -> None:
        self._deliver(now)  # what has arrived comes first: an answer in time is not missed
        self.inner.wake(now)
        self._collect(now)

    def next_wake(self) -> float | None:
        waits = (self.inner.next_wake(), self._inbound.next_wake(), self._outbound.next_wake())
        at = min(at for at in (*waits, self._breaks_at) if at is not None)
        return None if math.isinf(at) else at

    def outgoing(self) -> list[bytes | Signal]:
        self._carry(self._now)
        ready, self._outgoing = self._outgoing, []
        return ready

    def events(self) -> list[Event]:
        ready, self._events = self._events, []
        return ready

    def switch(self, now: float, *, on: bool) -> None:
        """Switched on, its start and duration count from now; switched off, it lets go of what it holds."""
        if on:
            self._start(now)
        else:
            self._breaks_at = math.inf
            self._inbound.stop()
            self._outbound.stop()
        self._carry(now)

    def held(self, flow: Flow) -> int:
        """Bytes under way in one direction."""
        return (self._inbound if flow is self._receives else self._outbound).held

    def _start(self, now: float) -> None:
        self._inbound.start(now)
        self._outbound.start(now)
        if self._breaks_at_start and not (self.broken or self._ended):
            self._breaks_at = now + self.fault.start

    def _carry(self, now: float) -> None:
        self._deliver(now)
        self._collect(now)

    def _deliver(self, now: float) -> None:
        self._now = now
        if now >= self._breaks_at:
            self._break(now)
        for item in self._inbound.pop(now):
            if isinstance(item, _End):
                self._end_told = True
                self.inner.receive_end(now, item.failure)
            else:
                self.inner.receive(item, now)
        if self._inbound.broken:
            self._break(now)  # before the answer to the last byte gets out

    def _collect(self, now: float) -> None:
        for effect in self.inner.outgoing():
            self._outbound.push(effect, now)
        self._outgoing += self._outbound.pop(now)
        if self._outbound.broken:
            self._break(now)
        events = self.inner.events()
        self._events += events
        if any(isinstance(event, Ended) for event in events):
            self._ended = True
            self._breaks_at = math.inf
            self._inbound.close()  # nobody is left to hear it

    def _break(self, now: float) -> None:
        if self.broken:
            return
        self.broken = True
        self._breaks_at = math.inf
        self._inbound.close()
        self._outbound.close()
        self._outgoing.append(self.fault.break_signal)
        if not (self._end_told or self._ended):
            self.inner.receive_end(now, self.fault.break_failure)


def _pipe(fault: StreamFault, flow: Flow, rng: Random, *, hit: bool) -> FaultyPipe[Mark]:
    # A stream of chance for each direction: traffic one way does not change what happens the other way.
    return FaultyPipe(fault if hit and fault.concerns(flow) else _NO_FAULT, Random(rng.getrandbits(64)))


class FaultStack:
    """A Drivable behind any number of faults that can be exchanged while it runs."""

    def __init__(
        self, inner: Drivable, faults: Iterable[StreamFault], rng: Random, *, receives: Flow = Flow.UP
    ) -> None:
        self._inner, self._rng, self._receives = inner, rng, receives
        self._wires: list[FaultyWire] = []
        self._begun = False
        self._outgoing: list[bytes | Signal] = []
        self._events: list[Event] = []
        for fault in faults:
            self._wrap(fault)

    def set_faults(self, faults: Iterable[StreamFault], now: float) -> None:
        """New ones begin now, the same ones go on, the others let go of what they hold. A broken line stays broken."""
        wanted = list(faults)
        kept: list[FaultyWire] = []
        gone: list[FaultyWire] = []
        for wire in self._wires:
            if wire.fault in wanted:
                wanted.remove(wire.fault)
                kept.append(wire)
            else:
                (kept if wire.broken else gone).append(wire)
        if self._begun:
            for wire in gone:
                wire.switch(now, on=False)
            self._top.wake(now)  # what was let go moves on through the wires around it
            self._outgoing += self._top.outgoing()
            self._events += self._top.events()
        self._wires = kept
        for wire, inner in zip(kept, [self._inner, *kept], strict=False):
            wire.inner = inner
        for fault in wanted:
            self._wrap(fault)
            if self._begun:
                self._wires[-1].switch(now, on=True)

    def held(self, flow: Flow) -> int:
        return sum(wire.held(flow) for wire in self._wires)

    def begin(self, now: float) -> None:
        self._begun = True
        self._top.begin(now)

    def receive(self, item: bytes, now: float) -> None:
        self._top.receive(item, now)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self._top.receive_end(now, failure)

    def wake(self, now: float) -> None:
        self._top.wake(now)

    def next_wake(self) -> float | None:
        return self._top.next_wake()

    def outgoing(self) -> list[bytes | Signal]:
        ready, self._outgoing = self._outgoing + self._top.outgoing(), []
        return ready

    def events(self) -> list[Event]:
        ready, self._events = self._events + self._top.events(), []
        return ready

    @property
    def _top(self) -> Drivable:
        return self._wires[-1] if self._wires else self._inner

    def _wrap(self, fault: StreamFault) -> None:
        self._wires.append(FaultyWire(self._top, fault, self._rng, receives=self._receives))
