"""The health score: 0 to 100, the sum of named components, each with its figure, its threshold and its sentence.

`MEASURES` and `CAPS` are the published formula: docs/health-score.md, the thresholds and the sentences are made from them.
"""

import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from probe.measure.records import SessionState

WINDOW_SECONDS = 900.0  # what the score looks back over; a younger monitor has less
FEWEST_SECONDS = 60.0  # observed, for a verdict
FEWEST_SHARE = 0.5  # of the window, for a verdict
NEVER_SECONDS = 15.0  # without a first price: that is a verdict
FEWEST_ROUND_TRIPS = 3
LEAST_BASELINE_SECONDS = 0.02  # under this, four times as slow is still nothing that anybody could notice


class Grade(Enum):
    EXCELLENT = "EXCELLENT"  # > 90
    GOOD = "GOOD"  # > 70
    FAIR = "FAIR"  # > 50
    POOR = "POOR"
    UNKNOWN = "UNKNOWN"  # too little was observed to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the score is made of: one window of one target. None: not measured."""

    state: SessionState
    ever_streamed: bool  # since the monitor started
    window_seconds: float
    observed_seconds: float  # of the window
    bad_seconds: float  # of those
    beats_sent: int
    beats_missed: int
    requests_sent: int
    requests_expired: int
    surprises: int
    messages: int
    disconnects: int
    rtt_p95_seconds: float | None
    rtt_count: int
    rtt_baseline_seconds: float | None  # the target's own usual p95; None: not known yet
    worst_tick_age_ratio: float | None  # age / limit of the oldest symbol whose market is open
    stalled_seconds: float
    certificate_seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    name: str  # availability latency freshness stability errors credential
    weight: float  # the most it can give
    points: float  # what it gives
    figure: str  # measured, with its unit
    threshold: str  # full points up to here, none from there
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthScore:
    value: float | None  # None: UNKNOWN
    grade: Grade
    components: tuple[Component, ...]
    cap: str | None  # why the sum was cut, in words
    sentence: str
    window_seconds: float
    observed_seconds: float

    @property
    def lost(self) -> dict[str, float]:
        """What is missing from 100, by what took it; empty too if nothing was judged."""
        if self.value is None:
            return {}
        lost = {each.name: each.weight - each.points for each in self.components}
        lost[CAP] = 100.0 - self.value - math.fsum(lost.values())
        return {name: points for name, points in lost.items() if points > 1e-9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    weight: float
    missing: str  # why there may be no figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of a part: all points at `full_at`, none at `none_at`, on a straight line in between."""

    part: str
    what: str
    form: str  # how the figure is written
    unit: str
    full_at: float
    none_at: float
    figure: Callable[[Figures], float | None]

    def share(self, figure: float) -> float:
        return min(max((figure - self.none_at) / (self.full_at - self.none_at), 0.0), 1.0)

    @property
    def threshold(self) -> str:
        return f"full at {self.full_at:g}, none at {self.none_at:g}{self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    at_most: float
    why: str
    holds: Callable[[Figures], bool]


def _percent(part: float, whole: float) -> float | None:
    return min(100 * part / whole, 100.0) if whole > 0 else None


def _p95(figures: Figures) -> float | None:
    return figures.rtt_p95_seconds if figures.rtt_count >= FEWEST_ROUND_TRIPS else None


def _p95_by_usual(figures: Figures) -> float | None:
    p95, usual = _p95(figures), figures.rtt_baseline_seconds
    return None if p95 is None or usual is None else p95 / max(usual, LEAST_BASELINE_SECONDS)


def _rejections(figures: Figures) -> float | None:
    match figures.state:
        case SessionState.AUTH_REJECTED:
            return 1.0
        case SessionState.STREAMING | SessionState.DEGRADED | SessionState.STALLED:
            return 0.0
        case _:
            return None  # nobody has said yet


def _certificate_days(figures: Figures) -> float | None:
    left = figures.certificate_seconds_left
    return None if left is None else left / 86400


PARTS = (
    Part(name="availability", weight=30, missing="no second was observed"),
    Part(name="freshness", weight=25, missing="no price was due from an open market"),
    Part(name="latency", weight=15, missing=f"fewer than {FEWEST_ROUND_TRIPS} round trips"),
    Part(name="stability", weight=10, missing="no second was observed"),
    Part(name="errors", weight=15, missing="nothing was sent or received"),
    Part(name="credential", weight=5, missing="no login is accepted now and no certificate was seen"),
)
# Of several figures of one part the worst counts.
MEASURES = (
    Measure(
        part="availability",
        what="observed seconds that were good",
        form="{:.4g} % good",
        unit=" %",
        full_at=99.9,
        none_at=90,
        figure=lambda it: _percent(max(it.observed_seconds - it.bad_seconds, 0.0), it.observed_seconds),
    ),
    Measure(
        part="freshness",
        what="age of the oldest price of an open market, by its limit",
        form="{:.2f} × limit",
        unit=" ×",
        full_at=0.5,
        none_at=1,
        figure=lambda it: it.worst_tick_age_ratio,
    ),
    Measure(
        part="freshness",
        what="time without prices while the market was open",
        form="{:.3g} s stalled",
        unit=" s",
        full_at=0,
        none_at=60,
        # While no market is open there is no freshness to judge; availability remembers the stall.
        figure=lambda it: None if it.worst_tick_age_ratio is None else it.stalled_seconds,
    ),
    Measure(
        part="latency",
        what="95th percentile of the round trips",
        form="p95 {:.3g} s",
        unit=" s",
        full_at=0.3,
        none_at=2,
        figure=_p95,
    ),
    Measure(
        part="latency",
        what=f"the same by its usual value, once that is known (at least {LEAST_BASELINE_SECONDS:g} s)",
        form="{:.2f} × usual",
        unit=" ×",
        full_at=1.5,
        none_at=4,
        figure=_p95_by_usual,
    ),
    Measure(
        part="stability",
        what="disconnects",
        form="{:.0f} × disconnected",
        unit="",
        full_at=0,
        none_at=4,
        figure=lambda it: it.disconnects if it.observed_seconds > 0 else None,
    ),
    Measure(
        part="errors",
        what="heartbeats that were not answered",
        form="{:.3g} % beats lost",
        unit=" %",
        full_at=0,
        none_at=10,
        figure=lambda it: _percent(it.beats_missed, it.beats_sent),
    ),
    Measure(
        part="errors",
        what="requests that were not answered",
        form="{:.3g} % expired",
        unit=" %",
        full_at=0,
        none_at=20,
        figure=lambda it: _percent(it.requests_expired, it.requests_sent),
    ),
    Measure(
        part="errors",
        what="messages that were not understood",
        form="{:.3g} % surprises",
        unit=" %",
        full_at=0.1,
        none_at=5,
        figure=lambda it: _percent(it.surprises, it.messages),
    ),
    Measure(
        part="credential",
        what="rejections of the credential now",
        form="{:.0f} × rejected",
        unit="",
        full_at=0,
        none_at=1,
        figure=_rejections,
    ),
    Measure(
        part="credential",
        what="days until the server's certificate expires",
        form="{:.3g} d certified",
        unit=" d",
        full_at=14,
        none_at=1,
        figure=_certificate_days,
    ),
)
_DOWN = {
    SessionState.STOPPED,
    SessionState.BACKOFF,
    SessionState.CONNECTING,
    SessionState.AUTHENTICATING,
}
# They hold at once, however short or good the window was: what is dead now never reads above POOR. The lowest counts.
CAP = "cap"  # what it takes, among what the parts do not give
CAPS = (
    Cap(
        at_most=0,
        why="prices have never come",
        holds=lambda it: not it.ever_streamed and it.observed_seconds >= NEVER_SECONDS,
    ),
    Cap(
        at_most=20,
        why="the credential is rejected",
        holds=lambda it: it.state is SessionState.AUTH_REJECTED,
    ),
    Cap(
        at_most=40,
        why="the session is down now",
        holds=lambda it: it.ever_streamed and it.state in _DOWN,
    ),
    Cap(
        at_most=50,
        why="prices have stopped while the market is open",
        holds=lambda it: it.state is SessionState.STALLED,
    ),
)


def health_score(figures: Figures) -> HealthScore:
    components = tuple(_components(figures))
    points = min(math.fsum(each.points for each in components), 100.0)
    cap = min((each for each in CAPS if each.holds(figures)), key=lambda each: each.at_most, default=None)
    capped = points if cap is None else min(points, cap.at_most)
    value: float | None = capped
    grade = grade_of(capped)
    if figures.state is SessionState.IDLE:
        cap, value, grade, sentence = None, None, Grade.UNKNOWN, "Not judged: the session is not started."
    elif cap is not None:
        sentence = f"{capped:.1f} of 100, {grade.value}: {cap.why}."
    elif (lacking := _lacking_seconds(figures)) > 0:
        value, grade = None, Grade.UNKNOWN
        sentence = (
            f"Not judged yet: {figures.observed_seconds:.0f} s were observed, "
            f"at least {math.ceil(lacking)} s more are needed."
        )
    else:
        worst = max(components, key=lambda each: each.weight - each.points)
        sentence = f"{capped:.1f} of 100, {grade.value}" + (
            f": most is lost by {worst.name} ({worst.figure})." if worst.points < worst.weight else "."
        )
    return HealthScore(
        value=value,
        grade=grade,
        components=components,
        cap=f"at most {cap.at_most:g}: {cap.why}" if cap else None,
        sentence=sentence,
        window_seconds=figures.window_seconds,
        observed_seconds=figures.observed_seconds,
    )


def _components(figures: Figures) -> Iterator[Component]:
    """The worst figure of each part decides it; the weight of parts without any is shared out among the others."""
    deciding: dict[str, tuple[float, Measure, float]] = {}
    for measure in MEASURES:
        figure = measure.figure(figures)
        if figure is not None:
            found = (measure.share(figure), measure, figure)
            deciding[measure.part] = min(deciding.get(measure.part, found), found, key=lambda each: each[0])
    measured_weight = sum(part.weight for part in PARTS if part.name in deciding)
    for part in PARTS:
        if part.name not in deciding:
            yield Component(
                name=part.name,
                weight=0.0,
                points=0.0,
                figure="not measured",
                threshold="",
                sentence=f"Not measured, {part.missing}: its {part.weight:g} points go to the others.",
            )
            continue
        share, measure, figure = deciding[part.name]
        weight = 100 * part.weight / measured_weight
        written = measure.form.format(figure)
        yield Component(
            name=part.name,
            weight=weight,
            points=weight * share,
            figure=written,
            threshold=measure.threshold,
            sentence=f"{written} ({measure.what}; {measure.threshold}): {weight * share:.1f} of {weight:.1f} points.",
        )


def _lacking_seconds(figures: Figures) -> float:
    if not figures.ever_streamed:
        return NEVER_SECONDS - figures.observed_seconds
    return max(FEWEST_SECONDS, FEWEST_SHARE * figures.window_seconds) - figures.observed_seconds


def grade_of(value: float) -> Grade:
    for grade, above in ((Grade.EXCELLENT, 90), (Grade.GOOD, 70), (Grade.FAIR, 50)):
        if value > above:
            return grade
    return Grade.POOR


def explain(score: HealthScore) -> list[str]:
    """The arithmetic as a table, at most 80 columns wide."""
    lines = [
        f"health: {score.sentence}",
        f"  {score.observed_seconds:.0f} s observed of a window of {score.window_seconds:.0f} s",
    ]
    for each in score.components:
        if each.weight:
            sum_ = f"{each.weight:5.1f} × {each.points / each.weight:4.2f} = {each.points:5.1f}"
            words = f"{each.figure}; {each.threshold}"
        else:
            sum_, words = f"{'–':>5}{'–':>7}{'–':>8}", each.sentence
        lines.append(f"  {each.name:<12} {sum_}  {words}")
    if score.value is not None:
        lines.append(f"  {'sum':<28}{math.fsum(each.points for each in score.components):5.1f}")
        lines += [f"  {'score':<28}{score.value:5.1f}  {score.cap}"] if score.cap else []
    return [
        wrapped
        for line in lines
        for wrapped in textwrap.wrap(line, 80, subsequent_indent=" " * 37, drop_whitespace=True) or [""]
    ]
