"""What a diagnostics report says, as data. Each of its forms is made of this and of nothing else.

None, everywhere: not measured, which is never a zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from probe.measure.health import Grade
from probe.measure.histogram import Histogram
from probe.measure.records import Alert, Cause, Incident, Metric
from probe.model.events import Phase
from probe.model.failures import Blame
from probe.model.findings import Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Where the time went. Seconds throughout."""

    asked: float  # of the period, as far as it lies in the past
    observed: float
    unobserved: float  # while a monitor ran: it slept, or was suspended
    bad: Mapping[Cause, float]
    open: float  # observed, while the market was open
    blind: float  # of those, without prices
    longest_blind: float  # without a pause, from where it began

    @property
    def bad_seconds(self) -> float:
        return sum(self.bad.values())

    @property
    def commonest(self) -> Cause | None:
        """What took most of the bad time."""
        return max(self.bad, key=lambda each: self.bad[each]) if self.bad_seconds > 0 else None

    @property
    def availability(self) -> float | None:
        """The share of observed seconds that were good."""
        return None if self.observed <= 0 else max(1 - self.bad_seconds / self.observed, 0.0)

    @property
    def coverage(self) -> float:
        """The share of the period that was observed."""
        return min(self.observed / self.asked, 1.0) if self.asked > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much bad time the objective allows in the observed time, and what is left of it."""

    objective: float  # a share
    is_configured: bool  # or the usual one, as no configuration names this target
    allowed_seconds: float
    spent_seconds: float

    @property
    def left(self) -> float | None:
        """A share; below 0: overdrawn."""
        return 1 - self.spent_seconds / self.allowed_seconds if self.allowed_seconds > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`mean` is the mean over the judged seconds of a score that looks back over a quarter of an hour; `mean` and all of `lost` add up
    to 100."""

    score: float | None  # at the end of the period
    grade: Grade
    mean: float | None
    mean_grade: Grade
    lowest: float | None  # at the end of a slot of the timeline
    judged_seconds: float
    lost: Mapping[str, float]  # points of the mean, by what took them: the parts of the score, and "cap"


class Side(Enum):
    """Whose time it is."""

    OWN = "own"  # this machine: its clock and its loop
    NETWORK = "network"
    BROKER = "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    metric: Metric
    side: Side
    histogram: Histogram  # of the whole period


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures:
    """One step of connecting, over all attempts that came so far."""

    phase: Phase
    seconds: Histogram
    ended: int  # attempts that failed and came no further


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """Of the session that was held; `failures` says why by the catalogue's slugs, the most frequent first."""

    attempts: int
    failures: Mapping[str, int]
    disconnects: int
    planned_disconnects: int
    reconnects: int
    phases: tuple[PhaseFigures, ...]  # in the order in which they happen
    whole: Histogram  # first dial to data flowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """`used_seconds` and the round trips are of the time in which the session was held there; attempts are all that were made there:
    sessions, knocks, races and measurements."""

    name: str
    used_seconds: float
    bad_seconds: float
    round_trips: Histogram  # of the way: pings
    attempts: int
    failures: int
    connect: Histogram  # all steps of an attempt that came as far as it was meant to


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Incidents whose first verdict is the same, and as sure."""

    code: str | None  # None: the rules recognised nothing, or were not asked
    certainty: Certainty
    incidents: int
    seconds: float  # of them, in the period; those of all rows add up to the incidents' time
    beside: int  # further incidents in which it was named after another


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """Of the ticks that are still kept."""

    name: str
    ticks: int
    first_utc: float
    last_utc: float
    gap_p50: float | None  # seconds between two
    gap_p99: float | None
    gap_longest: float | None
    repeated: int  # the same price with the same time of the broker, again
    out_of_order: int  # with an older time of the broker than one before


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far all this may be believed."""

    coverage: float
    samples: int
    tainted: int  # of those, taken while this machine was late itself, and in no figure
    runs: int  # of a monitor, in this period
    killed: int  # of those, without an end
    clock_steps: int
    own_lag_p99: float | None
    remarks: tuple[str, ...]  # sentences, the gravest first; empty: nothing speaks against it


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A piece of the timeline. All are equally long, but for the first and the last."""

    began_utc: float
    seconds: float
    observed: float  # 0: nobody watched
    bad: Mapping[Cause, float]
    blind: float
    score: float | None  # at its end
    disconnects: int
    ping: tuple[float, float] | None  # p50 and p95
    answer: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReport:
    target: str
    verdict: str  # one sentence
    sums: Sums
    budget: Budget
    health: Health
    incidents: tuple[Incident, ...]  # that went on in the period, oldest first
    blamed: Mapping[
        Blame, float
    ]  # seconds of those in the period, by whose fault they likely were; the most first
    why: tuple[Why, ...]  # what the doctor's rules recognised in them, the most time first
    latency: tuple[Latency, ...]  # own, network, broker
    regions: tuple[Region, ...]  # the most used first
    symbols: tuple[Symbol, ...]  # the busiest first
    tick_gap: Histogram  # of all symbols, over the whole period
    connecting: Connecting
    alerts: tuple[Alert, ...]  # oldest first
    advice: tuple[str, ...]  # what to do, in order
    trust: Trust
    timeline: tuple[Slot, ...]
    counts: Mapping[str, int]  # of the whole period: messages, ticks, beats_missed …
    state: str | None  # at the end of the period, in the monitor's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A kind of notice that the monitor gave about itself."""

    code: str
    times: int
    last_utc: float
    sentence: str  # of the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    made_utc: float
    since_utc: float
    until_utc: float
    verdict: str  # one sentence over all targets
    targets: tuple[TargetReport, ...]
    own_alerts: tuple[Alert, ...]  # about the monitor itself
    notices: tuple[Told, ...]  # of the monitor, the most frequent first
