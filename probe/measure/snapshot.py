"""How a target stands now: what the live view, the exporter, the status page and the API show."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from probe.measure.health import HealthScore
from probe.measure.histogram import Histogram
from probe.measure.records import Alert, Cause, Condition, Incident, Metric, PhaseTime
from probe.model.endpoint import Account
from probe.model.events import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    largest: float | None = None


def quantiles(histogram: Histogram) -> Quantiles:
    if not histogram.count:
        return Quantiles(count=0)
    return Quantiles(
        count=histogram.count,
        p50=histogram.quantile(0.5),
        p95=histogram.quantile(0.95),
        p99=histogram.quantile(0.99),
        largest=histogram.largest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    symbol: str
    is_open: bool | None  # None: nobody says
    age_seconds: float | None  # since the last tick; None: there was none
    limit_seconds: float  # from here on it is a stall, while the market is open
    ticks: int
    stalled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    endpoint: str  # its region
    host: str
    account: Account
    selected: bool
    attempts: int
    failures: int
    wins: int
    phases: tuple[PhaseTime, ...] = ()  # of the last attempt
    problem: str | None = None  # of the last attempt, in words
    measured_utc: float | None = None
    certificate_expires_utc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    at_utc: float
    target: str
    broker: str
    account: Account
    endpoint: str | None
    condition: Condition
    since_utc: float  # in this state
    session_since_utc: float | None  # of the session that is up
    next_attempt_utc: float | None
    score: HealthScore
    started_utc: float
    observed_seconds: float
    unobserved_seconds: float
    bad_seconds: Mapping[Cause, float]
    availability: float | None  # good / observed; None: nothing observed yet
    objective: float
    budget_left: (
        float | None
    )  # the share of the error budget of the observed time that is left; below 0: overdrawn
    open_seconds: float
    blind_seconds: float
    longest_blind_seconds: float
    attempts: int
    failures: int
    disconnects: int
    reconnects: int
    rtt: Mapping[Metric, Quantiles] = field(default_factory=dict)  # of the last fifteen minutes
    recent: Mapping[Metric, tuple[float, ...]] = field(default_factory=dict)  # the last values, oldest first
    symbols: tuple[SymbolView, ...] = ()
    endpoints: tuple[EndpointView, ...] = ()
    incidents: tuple[Incident, ...] = ()  # newest first, the open one included
    alerts: tuple[Alert, ...] = ()  # that fire now
    traffic: Traffic = field(default_factory=Traffic)
    uplink: str = "not measured"
    blame: str | None = None  # whose the slowness is, in words
    clock_skew_seconds: float | None = None
    tainted_samples: int = 0
    balance: float | None = None
