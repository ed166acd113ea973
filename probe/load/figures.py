"""What a load test counts and times, second by second. Everything here adds up exactly (see `mergeable`).

Three times are kept apart for whatever is asked: when it was due, when it was sent, when it was answered. From due to answered is
the response time, which is what somebody who wanted it then had to wait; from sent to answered is the service time; from due to
sent is the generator's own lateness.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from probe.load.mergeable import Level, Mergeable
from probe.measure.histogram import Histogram

M = TypeVar("M", bound=Mergeable)


@dataclass(slots=True)
class Requests(Mergeable):
    """Of one operation, such as "balance"."""

    due: int = 0  # the schedule wanted it, or a user asked
    sent: int = 0
    answered: int = 0
    failed: dict[str, int] = field(
        default_factory=dict
    )  # by what happened, such as "expired" or "session lost"
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)

    @property
    def failures(self) -> int:
        return sum(self.failed.values())


@dataclass(slots=True)
class Ticks(Mergeable):
    """Of one symbol, over all sessions that follow it."""

    arrived: int = 0
    duplicates: int = 0  # the same tick again, to the same session
    out_of_order: int = 0  # older than the one before it
    gap: Histogram = field(default_factory=Histogram)  # between two ticks of one session
    first: Histogram = field(default_factory=Histogram)  # from the subscription to its first tick
    staleness: Histogram = field(
        default_factory=Histogram
    )  # once a second, of each session: since its last tick
    skew: Histogram = field(default_factory=Histogram)  # the same tick: after the first session had it


@dataclass(slots=True)
class Connects(Mergeable):
    begun: int = 0
    opened: int = 0  # came as far as was wanted
    failed: dict[str, int] = field(default_factory=dict)  # by kind of failure
    whole: Histogram = field(default_factory=Histogram)  # from when it was due to live
    phases: dict[str, Histogram] = field(default_factory=dict)  # by Phase.value


@dataclass(slots=True)
class Sessions(Mergeable):
    wanted: Level = field(default_factory=Level)
    live: Level = field(default_factory=Level)
    lost: dict[str, int] = field(default_factory=dict)  # while live, and not by us; by kind of failure
    left: int = 0  # ended by us, in order
    dropped: int = 0  # cut by us, as the scenario says
    reopened: int = 0
    recovery: Histogram = field(
        default_factory=Histogram
    )  # of each session: from its loss, or its drop, to live again
    pause: Histogram = field(default_factory=Histogram)  # from its loss, or its drop, to the next connect
    surprises: int = 0
    beats_sent: int = 0
    beats_answered: int = 0
    beats_missed: int = 0
    peer_beats: int = 0  # the server's, answered by us
    beat_round_trip: Histogram = field(default_factory=Histogram)
    beat_lateness: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class Frames(Mergeable):
    """WebSocket messages, control frames apart, or HTTP requests and answers; what the server's own counters must say too."""

    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    # The part of the messages on connections that ended without a goodbye, some of which the other end may not have seen.
    cut_sent: int = 0
    cut_received: int = 0


@dataclass(slots=True)
class Generator(Mergeable):
    """One process that makes load, about itself."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    machine_seconds: float = 0.0  # of all processors of its machine together; 0: the system does not tell
    others_seconds: float = (
        0.0  # of those, that went to everything else on it, and to other machines of its host
    )
    lag: Histogram = field(default_factory=Histogram)  # how late a timer of its loop came
    lateness: Histogram = field(default_factory=Histogram)  # of everything that was due
    resident_bytes: Level = field(default_factory=Level)
    handles: Level = field(default_factory=Level)
    handle_limit: Level = field(default_factory=Level)
    ports: Level = field(default_factory=Level)  # local ports in use towards the target
    port_limit: Level = field(default_factory=Level)
    unsent: int = 0  # due, and there was no session to send it on
    refused: dict[str, int] = field(
        default_factory=dict
    )  # by what the caps stopped: "connections", "rate", "minutes"
    # What the kernel of its machine counted meanwhile, of all that runs there; nothing: it does not tell.
    queue_overflows: int = 0  # new connections that found a listener's queue full
    syns_again: int = 0  # connects to which nobody had answered, tried again
    data_again: int = 0  # other packets that were sent again
    tracked: Level = field(
        default_factory=Level
    )  # connections that its firewall remembers, where it remembers any
    tracked_limit: Level = field(default_factory=Level)
    clock_steps: int = 0  # how often the wall clock was set, against the monotonic one
    dropped_samples: int = 0  # that no longer fit; 0, or the figures are not whole


@dataclass(slots=True)
class Figures(Mergeable):
    """All of one second, one stage or one run."""

    requests: dict[str, Requests] = field(default_factory=dict)
    ticks: dict[str, Ticks] = field(default_factory=dict)  # by symbol
    connects: Connects = field(default_factory=Connects)
    sessions: Sessions = field(default_factory=Sessions)
    frames: Frames = field(default_factory=Frames)
    generators: dict[str, Generator] = field(default_factory=dict)  # by worker

    def all_requests(self) -> Requests:
        return _together(self.requests.values(), Requests())

    def all_ticks(self) -> Ticks:
        return _together(self.ticks.values(), Ticks())


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What one process, or all together, counted from `second` to `second + 1` of the run."""

    second: int  # since the run began, by the run's common start
    stage: int  # its number in the scenario
    figures: Figures


def _together(parts: Iterable[M], whole: M) -> M:
    for part in parts:
        whole.add(part)
    return whole
