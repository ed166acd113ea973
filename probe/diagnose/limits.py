"""What a user demands of one connection besides its verdict: each demand with what was measured, or why it was not."""

from collections.abc import Iterator
from dataclasses import dataclass

from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.measure.clocks import ClockOffset
from probe.measure.health import HealthScore
from probe.model.events import Phase

CONNECT, TICK_AGE, SCORE = "max-connect", "max-tick-age", "min-score"

# Signing in on web pages comes before, and not every time.
ON_THE_WAY = (
    Phase.RESOLVING,
    Phase.CONNECTING,
    Phase.TUNNELLING,
    Phase.SECURING,
    Phase.UPGRADING,
    Phase.OPENING,
    Phase.JOINING,
    Phase.AUTHENTICATING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None: not asked for."""

    connect_seconds: float | None = None
    tick_age_seconds: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One limit, and whether it holds."""

    name: str
    limit: float
    value: float | None  # None: not measured
    sentence: str  # without its full stop

    @property
    def holds(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.name == SCORE else self.value <= self.limit


def connect_seconds(facts: Facts, asked: Asked) -> float | None:
    """From the first look-up to the accepted login; None: the session was never open."""
    reached = facts.went_live if asked.login else facts.upgraded is not None
    return sum(done.seconds for done in facts.phases if done.phase in ON_THE_WAY) if reached else None


def tick_age_seconds(facts: Facts, asked: Asked, clock: ClockOffset | None) -> float | None:
    """How far the stamp of a price lay behind our clock when it came. None: no price was due or came, or it was stamped in the
    future, so that one of the clocks is wrong."""
    said = facts.is_open(asked.symbol or "")
    is_closed = (asked.market_open if said is None else said) is False
    if clock is None or is_closed or clock.skew_seconds > clock.uncertainty_seconds:
        return None
    return max(-clock.skew_seconds, 0.0)


def held(
    limits: Limits, facts: Facts, asked: Asked, clock: ClockOffset | None, score: HealthScore | None
) -> Iterator[Held]:
    """Those that were asked for."""
    if limits.connect_seconds is not None:
        took, limit = connect_seconds(facts, asked), limits.connect_seconds
        said = "no session was opened" if took is None else f"connecting took {took:.3g} s"
        yield Held(name=CONNECT, limit=limit, value=took, sentence=f"{said}, at most {limit:g} s are allowed")
    if limits.tick_age_seconds is not None:
        age, limit = tick_age_seconds(facts, asked, clock), limits.tick_age_seconds
        said = "the age of prices is not known: none was due or came, or a clock is wrong"
        if age is not None and clock is not None:
            said = f"the newest price was {age:.3g} s old when it came (± {clock.uncertainty_seconds:.2g} s)"
        yield Held(name=TICK_AGE, limit=limit, value=age, sentence=f"{said}, at most {limit:g} s are allowed")
    if limits.score is not None:
        said = "the session does not work, so there is no score"
        if score is not None:
            said = f"health score: {score.sentence.rstrip('.')}"
        value = score.value if score else None
        yield Held(
            name=SCORE,
            limit=limits.score,
            value=value,
            sentence=f"{said}, at least {limits.score:g} is wanted",
        )
