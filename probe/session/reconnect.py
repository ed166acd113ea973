"""When to connect again, and where: decided by how the last connection ended, and by how many did in a row.

What ended with the credential or with TLS is not tried again: a person has to change something. Whatever else a person
should look at is tried again rarely. All waiting is spread by chance, so that clients that lost one server together do not
come back together.
"""

from dataclasses import dataclass
from random import Random

from probe.model.failures import Blame, Failure, Layer, Retry
from probe.session.buckets import Limited

LEAST_SECONDS = 1.0  # between two connections to one endpoint, whatever happened
CAP_SECONDS = 60.0
RARELY_SECONDS = (60.0, 300.0)  # the first and the longest wait where trying again will hardly help
REFUSED_CAP_SECONDS = 300.0  # an edge that answers upgrades with a refusal counts them
HOP_CAP_SECONDS = 5.0  # before a region that was not tried yet
LONGEST_HEEDED_SECONDS = 3600.0  # of what a server asks to wait
PATIENCE = 3  # failures in a row before the login, of any kind, after which another region is tried

DIALS, DIALS_WITHIN_SECONDS = 10, 300.0  # to one endpoint

_BEFORE_THE_LOGIN = (Layer.DNS, Layer.TCP, Layer.TLS, Layer.UPGRADE, Layer.ENGINE)
_OURS = (Blame.US, Blame.PROXY, Blame.CREDENTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    delay_seconds: float | None  # None: not again
    other_endpoint: bool
    why: str


def decide(
    failure: Failure | None,
    attempt: int,
    rng: Random,
    *,
    endpoints_left: int = 0,
    max_retries: int | None = None,
) -> Decision:
    """What to do after the `attempt`-th end in a row (from 1).

    Args:
        failure: None: we ended it ourselves.
        endpoints_left: Others that may be tried and were not, since a session last proved good.
        max_retries: Give up after so many; None: never for their number.
    """
    if failure is not None and is_final(failure):
        return Decision(
            delay_seconds=None, other_endpoint=False, why=f"trying again cannot help: {failure.facts.says}"
        )
    if max_retries is not None and attempt > max_retries:
        return Decision(
            delay_seconds=None, other_endpoint=False, why=f"{attempt} connections in a row failed"
        )
    delay = _backoff(failure, attempt, rng)
    if failure is not None and failure.retry_after_seconds is not None:
        asked = min(failure.retry_after_seconds, LONGEST_HEEDED_SECONDS)
        heeded = asked + rng.uniform(0.0, max(LEAST_SECONDS, asked / 10))
        return Decision(
            delay_seconds=max(delay, heeded), other_endpoint=False, why=f"the server asks to wait {asked:g} s"
        )
    if failure is not None and endpoints_left and another_may_help(failure, attempt):
        return Decision(
            delay_seconds=min(delay, rng.uniform(LEAST_SECONDS, HOP_CAP_SECONDS)),
            other_endpoint=True,
            why="another region may do better",
        )
    return Decision(delay_seconds=delay, other_endpoint=False, why=f"{attempt} in a row")


def is_final(failure: Failure) -> bool:
    """A rejected credential, a broken sign-in, a server that TLS does not vouch for. A login that was only met with silence
    is nobody's known fault and not among them."""
    facts = failure.facts
    return facts.retry is Retry.STOP and (
        facts.layer is Layer.TLS
        or facts.blame is Blame.CREDENTIAL
        or (facts.layer is Layer.AUTH and facts.blame is not Blame.UNKNOWN)
    )


def is_regional(failure: Failure) -> bool:
    """Says something about the endpoint, and not about us or the credential."""
    facts = failure.facts
    return facts.retry is not Retry.STOP and facts.layer in _BEFORE_THE_LOGIN and facts.blame not in _OURS


def another_may_help(failure: Failure, attempt: int) -> bool:
    """The region is the problem, or looks so after a while. Never said of what comes with the login or after it: nobody
    shall walk all hosts with a dead session."""
    if failure.retry_after_seconds is not None:
        return False
    if failure.facts.retry is Retry.OTHER_REGION:
        return True
    return is_regional(failure) and attempt % PATIENCE == 0


def _backoff(failure: Failure | None, attempt: int, rng: Random) -> float:
    first, cap = LEAST_SECONDS, CAP_SECONDS
    if failure is not None and failure.facts.retry is Retry.STOP:
        first, cap = RARELY_SECONDS
    elif failure is not None and failure.facts.layer is Layer.UPGRADE and failure.http_status is not None:
        cap = REFUSED_CAP_SECONDS
    return rng.uniform(first, min(cap, first * 2.0 ** min(attempt, 16)))


class DialRate:
    """Keeps connections to one endpoint apart, whoever asks for them and however good each was."""

    __slots__ = ("_dials", "_late", "_made", "_waited")

    def __init__(self) -> None:
        self._dials: dict[str, tuple[float, ...]] = {}  # the last ones of each endpoint
        self._made = self._late = 0
        self._waited = 0.0

    def note(self, url: str, now: float) -> None:
        self._made += 1
        self._dials[url] = (*self._dials.get(url, ())[1 - DIALS :], now)

    def earliest(self, url: str) -> float:
        """When the next one may begin; of an endpoint never dialled: any time."""
        dials = self._dials.get(url)
        if not dials:
            return 0.0
        full = dials[0] + DIALS_WITHIN_SECONDS if len(dials) == DIALS else 0.0
        return max(dials[-1] + LEAST_SECONDS, full)

    def held_back(self, seconds: float) -> None:
        """A connection that was due waits so much longer for this."""
        if seconds > 0:
            self._late += 1
            self._waited += seconds

    @property
    def figures(self) -> Limited:
        return Limited(
            says=f"{DIALS} to one endpoint in {DIALS_WITHIN_SECONDS:g} s, {LEAST_SECONDS:g} s apart",
            allowed=max(self._made - self._late, 0),
            delayed=self._late,
            waited_seconds=self._waited,
        )
