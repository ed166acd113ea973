"""What a load run knows of itself: how its connects went second by second, what whoever made the load ran out of, and what the
kernel counted meanwhile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A second of a run, or a few where it was long."""

    second: int  # with which it begins
    seconds: int = 1
    begun: int = 0  # connects
    opened: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)  # connects, by kind of failure
    answered: int = 0  # of what was asked over sessions, and of what they were told unasked
    queue_overflows: int = 0  # of listeners on the generator's machine
    syns_again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Sessions that ended at about the same time, and how those came back."""

    second: int  # of the run
    seconds: int  # in which they ended
    ended: int
    is_planned: bool  # we cut them, as the scenario says
    back: int  # that were seen to connect again
    spread: float | None  # seconds within which 8 of 10 of them came; None: none was seen
    pause: float | None  # the middle one between an end and the next connect
    failed: int  # of the connects from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Why the run's own verdict says that its figures are not the server's."""

    code: str  # of that verdict
    slug: str  # the catalogue's name for it
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    share: float
    asked: float  # of what was asked, in seconds
    wanted: float  # of all that was wanted, from when it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What users did who each waited for an answer, beside what their pace wanted."""

    asked: int
    missing: int  # that were due while somebody waited, and never asked
    longest: float  # an answer took
    percentiles: tuple[Percentile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFacts:
    is_here: bool = (
        False  # the server runs on the generator's machine: what its kernel counts is the server's as well
    )
    moments: tuple[Moment, ...] = ()
    returns: tuple[Return, ...] = ()
    limits: tuple[Limit, ...] = ()
    lag: float | None = None  # p99 of how late the generator's loop was, of its worst process
    longest_lag: float | None = None
    cpu: float | None = None  # of one core, the most that one process of it used over five seconds
    others: float | None = None  # of all processors of its machine, what everything else there took
    connect: float | None = None  # p99 of how long TCP took
    upgrade: float | None = None  # and of the answer to the first request
    data_again: int | None = None  # packets of standing connections that were sent again
    tracked: int | None = None  # connections that the firewall of its machine remembers, at the most
    tracked_limit: int | None = None
    waited: Waited | None = None  # None: the clock asked

    @property
    def begun(self) -> int:
        return sum(each.begun for each in self.moments)

    @property
    def opened(self) -> int:
        return sum(each.opened for each in self.moments)

    @property
    def queue_overflows(self) -> int:
        return sum(each.queue_overflows for each in self.moments)

    @property
    def syns_again(self) -> int:
        return sum(each.syns_again for each in self.moments)

    def failed(self, *kinds: str) -> int:
        """Connects that did in one of these ways."""
        return sum(count for each in self.moments for count in _of(each, kinds))

    def because(self, slug: str) -> dict[str, str]:
        """What the run's verdict says of this failure, by its own codes."""
        return {each.code: each.says for each in self.limits if each.slug == slug}


def failed_in(moment: Moment, *kinds: str) -> int:
    return sum(_of(moment, kinds))


def _of(moment: Moment, kinds: tuple[str, ...]) -> Iterator[int]:
    return (moment.failed.get(kind, 0) for kind in kinds)
