"""When to tell somebody: the alert rules, one table of data, and what they read."""

from dataclasses import dataclass, fields, replace
from enum import Enum
from math import isfinite

from probe.measure.records import Severity
from probe.model.units import format_duration

_DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What the rules look at. None: not measured, which neither raises an alert nor ends one."""

    # of a target
    bad_ratio_5m: float | None = None  # bad seconds / observed seconds
    bad_ratio_30m: float | None = None
    bad_ratio_1h: float | None = None
    bad_ratio_2h: float | None = None
    bad_ratio_6h: float | None = None
    bad_ratio_1d: float | None = None
    bad_ratio_3d: float | None = None
    observed_5m_seconds: float | None = None
    observed_30m_seconds: float | None = None
    observed_2h_seconds: float | None = None
    observed_6h_seconds: float | None = None
    error_budget: float | None = None  # 1 - objective
    down_seconds: float | None = None  # without a session while the market was open; 0: it is up, or closed
    disconnected_seconds: float | None = None  # without a connection; 0: it stands
    auth_rejected: float | None = None  # 1 or 0
    stalled_seconds: float | None = None  # 0: not stalled
    tick_age_seconds: float | None = None  # of the oldest symbol whose market is open; 0: none is
    reconnects_1h: float | None = None
    attempts_10m: float | None = None
    failures_10m: float | None = None  # of those attempts
    refusals_15m: float | None = None  # upgrades answered by HTTP 200, 403, 429 or 503
    rtt_p95_10m_seconds: float | None = None  # of a ping, or of the lightest question
    rtt_count_10m: float | None = None
    rtt_anomalous: float | None = None  # 1 or 0: against the target's own baseline
    certificate_seconds_left: float | None = None
    clock_skew_seconds: float | None = None  # in either direction
    surprise_ratio_10m: float | None = None  # messages not understood / messages
    messages_10m: float | None = None
    error_ratio_10m: float | None = None  # requests that failed or were not answered / requests
    operations_10m: float | None = None  # requests
    response_mean_10m_seconds: float | None = None
    response_median_10m_seconds: float | None = None
    responses_10m: float | None = None
    # of the monitor itself
    loop_lag_p99_5m_seconds: float | None = None
    memory_mb: float | None = None  # resident
    uplink_down: float | None = None  # 1 or 0
    notifications_failed_15m: float | None = None
    store_failing: float | None = None  # 1 or 0


_KNOWN_READINGS = frozenset(each.name for each in fields(Readings))


class Comparison(Enum):
    ABOVE = ">"
    AT_LEAST = "≥"
    BELOW = "<"
    OUTSIDE = "> ±"  # in either direction


class Unit(Enum):
    SECONDS = "s"
    SHARE = "%"
    COUNT = ""
    MEGABYTES = "MB"
    FLAG = "is so"  # 1 or 0: no figure to tell, no threshold to tune


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The condition holds while *each* of `readings` is beyond the threshold; the first is the figure that is told."""

    name: str
    severity: Severity
    readings: tuple[str, ...]
    unit: Unit
    comparison: Comparison = Comparison.ABOVE
    threshold: float = 0.0
    times: str | None = None  # the threshold is in multiples of this reading
    samples: tuple[str, float] | None = None  # of this reading at least so much, or it counts as not measured
    for_seconds: float = 0.0  # it fires when the condition held at every look for so long
    clears_at: float | None = None  # not beyond this it is clear; None: the threshold
    clear_seconds: float = 60.0  # it is resolved when it was clear at every look for so long; see `_lasting`
    repeat_seconds: float | None = None  # None: as the engine says
    silences: frozenset[str] = (
        frozenset()
    )  # what it explains: of its target, or of all if it is the monitor's
    of_monitor: bool = False
    says: str  # what happened; may name {figure} and {limit}
    advise: str  # what to do

    def __post_init__(self) -> None:
        named = {*self.readings, *filter(None, (self.times, self.samples and self.samples[0]))}
        if not self.readings or not named <= _KNOWN_READINGS:
            raise ValueError(f"{self.name}: no such reading: {sorted(named - _KNOWN_READINGS)}")

    def holds(self, readings: Readings, *, firing: bool = False) -> bool | None:
        """None: not measured. One that fires holds until it is beyond `clears_at` no more."""
        if self.samples is not None:
            count = getattr(readings, self.samples[0])
            if count is None or not count >= self.samples[1]:
                return None
        limit = self.limit(readings, firing=firing)
        if limit is None:
            return None
        verdict: bool | None = True
        comparison = self.comparison
        for name in self.readings:
            value = getattr(readings, name)
            if value is None or not isfinite(value):
                verdict = None
            elif comparison is Comparison.ABOVE:
                if not value > limit:
                    return False
            elif comparison is Comparison.AT_LEAST:
                if not value >= limit:
                    return False
            elif comparison is Comparison.BELOW:
                if not value < limit:
                    return False
            elif not abs(value) > limit:
                return False
        return verdict

    def limit(self, readings: Readings, *, firing: bool = False) -> float | None:
        limit = self.clears_at if firing and self.clears_at is not None else self.threshold
        if self.times is None:
            return limit
        unit: float | None = getattr(readings, self.times)
        return None if unit is None or not isfinite(unit) else limit * unit

    def figure(self, readings: Readings) -> float | None:
        value: float | None = getattr(readings, self.readings[0])
        return value

    def words(self, value: float) -> str:
        """A value of its readings, with the unit."""
        match self.unit:
            case Unit.SECONDS if abs(value) < 10:
                return f"{value:.3g} s"
            case Unit.SECONDS:
                step = 3600 if abs(value) >= _DAY else 1
                return format_duration(round(value / step) * step)
            case Unit.SHARE:
                return f"{100 * value:.3g} %"
            case Unit.MEGABYTES:
                return f"{value:.0f} MB"
            case Unit.COUNT | Unit.FLAG:
                return f"{value:g}"


_BURNS = ("error_budget_burn_1h", "error_budget_burn_6h", "error_budget_burn_1d", "error_budget_burn_3d")
_BUDGET_ADVICE = "See what the bad seconds were: the incidents of this time name cause and advice."


def _burn(
    severity: Severity, long: str, short: str, factor: float, enough_seconds: float, repeat_seconds: float
) -> Rule:
    name = f"error_budget_burn_{long}"
    return Rule(
        name=name,
        severity=severity,
        readings=(f"bad_ratio_{long}", f"bad_ratio_{short}"),
        unit=Unit.SHARE,
        threshold=factor,
        times="error_budget",
        samples=(f"observed_{short}_seconds", enough_seconds),
        repeat_seconds=repeat_seconds,
        # A young monitor has seen the same in all four windows.
        silences=frozenset(_BURNS[_BURNS.index(name) + 1 :]),
        says=f"{{figure}} of the seconds of the last {long} were bad, and the last {short} were no better; {{limit}} would"
        f" be {factor:g} times what the objective allows",
        advise=_BUDGET_ADVICE,
    )


_OF_TARGETS = (
    _burn(Severity.PAGE, "1h", "5m", 14.4, 150, 3600),
    _burn(Severity.PAGE, "6h", "30m", 6, 900, 3600),
    _burn(Severity.TICKET, "1d", "2h", 3, 3600, _DAY),
    _burn(Severity.TICKET, "3d", "6h", 1, 10800, _DAY),
    Rule(
        name="session_down",
        severity=Severity.PAGE,
        readings=("down_seconds",),
        unit=Unit.SECONDS,
        for_seconds=120,
        silences=frozenset({"connection_lost", "stream_stalled", "tick_stale"}),
        says="there has been no session for {figure}, and the market is open",
        advise="Look at the last attempts: the failed step says whose fault it is. Trade by other means until it is back.",
    ),
    Rule(
        name="connection_lost",
        severity=Severity.WARNING,
        readings=("disconnected_seconds",),
        unit=Unit.SECONDS,
        for_seconds=60,
        says="there has been no connection for {figure}",
        advise="Nothing, if the market is closed and it comes back; otherwise look at the last attempts.",
    ),
    Rule(
        name="auth_rejected",
        severity=Severity.PAGE,
        readings=("auth_rejected",),
        unit=Unit.FLAG,
        clear_seconds=240,  # a new credential may be rejected too, and the session must come back first
        silences=frozenset(
            {*_BURNS, "session_down", "connection_lost", "stream_stalled", "tick_stale", "reconnect_storm"}
            | {"all_endpoints_failing", "high_error_rate"}
        ),
        says="the broker rejected the credential, and it will not be tried again",
        advise="Sign in on the broker's page, copy the session anew, and give it to the monitor.",
    ),
    Rule(
        name="stream_stalled",
        severity=Severity.PAGE,
        readings=("stalled_seconds",),
        unit=Unit.SECONDS,
        for_seconds=60,
        silences=frozenset({"tick_stale"}),
        says="the session stands, and for {figure} no price came although the market is open",
        advise="Do not trust prices on the screen. Another region may have them; if none has, the broker is in trouble.",
    ),
    Rule(
        name="tick_stale",
        severity=Severity.WARNING,
        readings=("tick_age_seconds",),
        unit=Unit.SECONDS,
        threshold=60,
        clears_at=30,
        for_seconds=60,
        says="the oldest price of an open market is {figure} old (limit {limit})",
        advise="See which symbol it is; if only one, the broker may have stopped trading it.",
    ),
    Rule(
        name="reconnect_storm",
        severity=Severity.WARNING,
        readings=("reconnects_1h",),
        unit=Unit.COUNT,
        threshold=20,
        clears_at=10,
        says="{figure} reconnects in the last hour (limit {limit})",
        advise="See the disconnects: a regular beat is a time limit of the server's, or a second login with the same session.",
    ),
    Rule(
        name="all_endpoints_failing",
        severity=Severity.PAGE,
        readings=("failures_10m",),
        unit=Unit.COUNT,
        comparison=Comparison.AT_LEAST,
        threshold=1,
        times="attempts_10m",
        samples=("attempts_10m", 3),
        silences=frozenset({"connection_lost", "upgrade_blocked"}),
        says="all {figure} connection attempts of the last 10 minutes failed, at every endpoint tried",
        advise="Check from another network: works there, this one is blocked; fails there, the broker is down.",
    ),
    Rule(
        name="upgrade_blocked",
        severity=Severity.WARNING,
        readings=("refusals_15m",),
        unit=Unit.COUNT,
        threshold=2,
        says="{figure} connections in 15 minutes were refused by an HTTP answer (limit {limit})",
        advise="Something in front of the broker does not let us in: slow down, or try another address or network.",
    ),
    Rule(
        name="rtt_high",
        severity=Severity.WARNING,
        readings=("rtt_p95_10m_seconds",),
        unit=Unit.SECONDS,
        threshold=0.5,
        clears_at=0.4,
        samples=("rtt_count_10m", 10),
        for_seconds=600,
        silences=frozenset({"rtt_anomalous"}),
        says="one in twenty pings takes longer than {figure} (limit {limit})",
        advise="Compare the regions with `probe endpoints`, and the kernel's round trip beside the ping's.",
    ),
    Rule(
        name="rtt_anomalous",
        severity=Severity.INFO,
        readings=("rtt_anomalous",),
        unit=Unit.FLAG,
        for_seconds=900,
        clear_seconds=300,
        repeat_seconds=6 * 3600,
        says="pings are far slower than is usual for this target",
        advise="If it stays, look for what changed: route, proxy, region.",
    ),
    Rule(
        name="certificate_expiring",
        severity=Severity.TICKET,
        readings=("certificate_seconds_left",),
        unit=Unit.SECONDS,
        comparison=Comparison.BELOW,
        threshold=14 * _DAY,
        for_seconds=3600,
        repeat_seconds=_DAY,
        says="the server's certificate ends in {figure} (limit {limit})",
        advise="Only the broker can renew it; be ready for connections to fail on that day.",
    ),
    Rule(
        name="clock_skewed",
        severity=Severity.WARNING,
        readings=("clock_skew_seconds",),
        unit=Unit.SECONDS,
        comparison=Comparison.OUTSIDE,
        threshold=2,
        clears_at=1.5,
        for_seconds=600,
        repeat_seconds=_DAY,
        says="this machine's clock and the broker's differ by {figure} (limit {limit})",
        advise="Check this machine's clock first: timedatectl, or the time settings.",
    ),
    Rule(
        name="protocol_changed",
        severity=Severity.WARNING,
        readings=("surprise_ratio_10m",),
        unit=Unit.SHARE,
        threshold=0.01,
        samples=("messages_10m", 100),
        for_seconds=600,
        repeat_seconds=_DAY,
        says="{figure} of the messages of the last 10 minutes were not understood (limit {limit})",
        advise="Update tradeprobe; the broker may have changed its messages.",
    ),
    Rule(
        name="high_error_rate",
        severity=Severity.WARNING,
        readings=("error_ratio_10m",),
        unit=Unit.SHARE,
        threshold=0.1,
        clears_at=0.05,
        samples=("operations_10m", 10),
        says="{figure} of the requests of the last 10 minutes failed or were not answered (limit {limit})",
        advise="Orders may not be answered either: check each before you send it again.",
    ),
    Rule(
        name="slow_response",
        severity=Severity.WARNING,
        # Both, so that one very slow answer is no alert.
        readings=("response_mean_10m_seconds", "response_median_10m_seconds"),
        unit=Unit.SECONDS,
        threshold=5,
        clears_at=4,
        samples=("responses_10m", 5),
        says="requests are answered after {figure} on average (limit {limit})",
        advise="If pings are fast, the broker's application is slow and not your network.",
    ),
)

_OF_MONITOR = (
    Rule(
        name="uplink_down",
        severity=Severity.PAGE,
        readings=("uplink_down",),
        unit=Unit.FLAG,
        for_seconds=30,  # before the first of what it explains
        silences=frozenset({*(rule.name for rule in _OF_TARGETS), "notifications_failing"}),
        of_monitor=True,
        says="this machine does not reach the control address either: its own line is down",
        advise="Check router and provider; the brokers are not to blame, and no alert blames them meanwhile.",
    ),
    Rule(
        name="monitor_overloaded",
        severity=Severity.WARNING,
        readings=("loop_lag_p99_5m_seconds",),
        unit=Unit.SECONDS,
        threshold=0.1,
        clears_at=0.05,
        for_seconds=300,
        of_monitor=True,
        says="the monitor itself is late by {figure} (limit {limit}), so its figures are worth less",
        advise="Give it more processor time, or fewer targets.",
    ),
    Rule(
        name="high_memory",
        severity=Severity.WARNING,
        readings=("memory_mb",),
        unit=Unit.MEGABYTES,
        threshold=500,
        clears_at=450,
        of_monitor=True,
        says="the monitor uses {figure} of memory (limit {limit})",
        advise="Watch fewer targets or raise the limit; if it keeps growing, restart the monitor and report it.",
    ),
    Rule(
        name="notifications_failing",
        severity=Severity.WARNING,
        readings=("notifications_failed_15m",),
        unit=Unit.COUNT,
        for_seconds=900,
        of_monitor=True,
        says="{figure} notifications could not be delivered in the last 15 minutes",
        advise="Look for channel.failing among the notices: it says which channel, and why.",
    ),
    Rule(
        name="store_failing",
        severity=Severity.TICKET,
        readings=("store_failing",),
        unit=Unit.FLAG,
        for_seconds=60,
        of_monitor=True,
        says="nothing is being kept: the store cannot be written, and monitoring goes on without history",
        advise="The last notice about the store says why: disk full, read-only, damaged, or locked.",
    ),
)

AFTERMATH = 30.0  # seconds; two of Prometheus' looks


def _lasting(rules: dict[str, Rule]) -> tuple[Rule, ...]:
    """What explains others outlasts them all: their cause is gone before they are, and nobody shall be told of them then."""

    def clear_seconds(name: str) -> float:
        rule = rules[name]
        return max([rule.clear_seconds, *(clear_seconds(each) + AFTERMATH for each in rule.silences)])

    return tuple(replace(rule, clear_seconds=clear_seconds(name)) for name, rule in rules.items())


RULES: tuple[Rule, ...] = _lasting({rule.name: rule for rule in (*_OF_TARGETS, *_OF_MONITOR)})
