"""What a test is, what it may need, and what comes of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Self

from probe.model.findings import Finding

if TYPE_CHECKING:
    from probe.verify.bench import Bench

Figure = float | int | str | bool | None
NO_REPLY = "session.request-no-reply"
LONGEST = 300.0  # seconds of the test's own clock


class Need(Enum):
    """What a test cannot do without, in words that finish "skipped: it needs …"."""

    SIMULATOR = "a simulator, because it makes things go wrong or looks at the other side"
    ORDERS = "orders, which go to brokers that take some, on a demo account, and with --allow-demo-orders if it is a real one"
    ACCOUNT = "an account behind the target"
    HISTORY = "past prices on request"
    SOCKET = "a session over a WebSocket"
    PAGES = "the broker's web pages, which the simulator then serves too"
    REAL_TIME = "time that passes, because it measures durations"


class Group(Enum):
    """What of a target a test says something about."""

    CONNECTIVITY = "connectivity"
    PERFORMANCE = "performance"
    RELIABILITY = "reliability"
    MONITORING = "monitoring"


class Outcome(Enum):
    PASSED = "passed"
    FAILED = "failed"  # the promise is not kept
    ERROR = "error"  # nothing can be said: the test itself broke
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen: a sentence without its full stop, and the figures in it. Names of figures end in their unit."""

    words: str
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return f"{self.words[:1].upper()}{self.words[1:]}."


class Failed(Exception):
    """Raised by a test whose promise is not kept: what was seen instead."""

    def __init__(self, words: str, **figures: Figure) -> None:
        self.evidence = Evidence(words=words, figures=figures)
        self.code = ""
        super().__init__(words)

    def taken_for(self, code: str) -> Self:
        """Where the test knows more than a look at the target shows: the catalogue's slug of what it looks like."""
        self.code = code
        return self


class Skip(Exception):
    """Raised by a test that cannot be done here: why, as the end of "skipped: "."""


def expect(holds: object, words: str, **figures: Figure) -> None:
    """
    Args:
        words: What is so if it does not hold.

    Raises:
        Failed: it does not.
    """
    if not holds:
        raise Failed(words, **figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One test.

    Args:
        name: Unique in its suite, among those about one broker.
        promise: One sentence that is true of a target that passes.
        run: Returns what it saw; raises Failed or Skip. What else it raises about the target (a ProbeError, a TimeoutError) is a
            failure too, anything other an error.
        within: Seconds of its own clock; longer than that is a failure.
    """

    name: str
    promise: str
    run: "Callable[[Bench], Awaitable[Evidence]]"
    group: Group
    needs: frozenset[Need] = frozenset()
    broker: str = ""  # the only one it is about; empty: it is about all
    within: float = LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    name: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one test against one target."""

    suite: str
    trial: Trial
    target: str  # safe to show
    broker: str
    outcome: Outcome
    evidence: Evidence  # of a skipped one: the reason
    at_utc: float
    seconds: float  # by the test's own clock
    taken_seconds: float  # by the clock on the wall
    pretended: bool  # whether the two are different things
    causes: tuple[Finding, ...] = ()  # of what failed, as the doctor names them; the gravest first
