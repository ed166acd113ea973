"""What is said about facts: how sure, how bad, what to do. The only verdict vocabulary is the catalogue's slugs."""

from dataclasses import dataclass
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
class Withheld:
    """Why an endpoint may not receive a credential, and what to do about it."""

    reason: str
    next_step: str
