"""What is said about facts: how sure, how bad, what to do. The only verdict vocabulary is the catalogue's slugs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Certainty(Enum):
    CERTAIN = "certain"  # the evidence excludes every look-alike
    LIKELY = "likely"  # one look-alike remains
    POSSIBLE = "possible"  # more do
    UNDETERMINED = "undetermined"


class State(Enum):
    """The verdict on one connection, with the exit code it stands for."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        return {State.HEALTHY: 0, State.FAILED: 1, State.DEGRADED: 3, State.UNKNOWN: 4}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    code: str
    state: State
    certainty: Certainty
    cause: str  # one sentence, without its full stop
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What a rule saw of the failure that it knows. How sure that makes us is worked out, never claimed: every look-alike in
    the catalogue that is not excluded here remains."""

    evidence: tuple[str, ...]  # what was observed; sentences without their full stop
    excluded: Mapping[str, str] = field(
        default_factory=dict
    )  # look-alikes, and what was observed against each
    says: str = ""  # what is wrong, in one sentence; empty: the catalogue's title says it
    advice: tuple[str, ...] = ()  # in the order to try; empty: the catalogue's
    state: State = State.FAILED  # what it does to whoever wants to trade
    at_most: Certainty = Certainty.CERTAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Why an endpoint may not receive a credential, and what to do about it."""

    reason: str
    next_step: str
