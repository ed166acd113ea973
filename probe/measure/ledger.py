"""Where every second went: observed or not, good or bad, and bad for exactly one cause; blind or not while the market was open."""

from probe.measure.records import Cause


class Ledger:
    __slots__ = (
        "_blind_now",
        "_good_since",
        "_open_good_since",
        "_until",
        "bad",
        "blind",
        "blind_peak",
        "longest_blind",
        "observed",
        "open",
        "unobserved",
    )

    def __init__(self, now: float) -> None:
        self._until = now
        self._good_since = now  # all seconds since then were booked as good
        self._open_good_since = now  # and the market was open
        self.observed = self.unobserved = self.open = self.blind = self.longest_blind = 0.0
        self._blind_now = 0.0
        self.blind_peak = 0.0  # how long a stretch has grown since whoever asks for it set this to 0
        self.bad = dict.fromkeys(Cause, 0.0)

    @property
    def good(self) -> float:
        return self.observed - sum(self.bad.values())

    @property
    def availability(self) -> float | None:
        return self.good / self.observed if self.observed > 0 else None

    def advance(self, now: float, cause: Cause | None, *, is_open: bool) -> None:
        """Book the time since the last call. Blind is whoever is disconnected, locked out or stalled in an open market."""
        seconds = now - self._until
        if seconds <= 0:
            return
        self._until = now
        self.observed += seconds
        if cause is not None:
            self.bad[cause] += seconds
            self._good_since = now
        if is_open:
            self.open += seconds
        if is_open and cause not in (None, Cause.DEGRADED):
            self._book_blind(seconds)
        elif cause is None:
            self._blind_now = 0.0
        if not is_open or cause is not None:
            self._open_good_since = now

    def skip(self, now: float) -> float:
        """The time since the last call was not observed: neither good nor bad. Returns how much that is."""
        seconds = max(now - self._until, 0.0)
        self.unobserved += seconds
        self._until = self._good_since = self._open_good_since = max(now, self._until)
        return seconds

    def not_observed(self, seconds: float) -> None:
        """Time that the monotonic clock did not count, such as a suspended machine's."""
        self.unobserved += seconds

    def claim(self, cause: Cause, since: float) -> None:
        """It was noticed only now that the time since then was bad; what is booked otherwise already stays so."""
        self.bad[cause] += max(self._until - max(since, self._good_since), 0.0)
        self._good_since = self._until
        if cause is not Cause.DEGRADED:
            self._book_blind(max(self._until - max(since, self._open_good_since), 0.0))
            self._open_good_since = self._until

    def _book_blind(self, seconds: float) -> None:
        self.blind += seconds
        self._blind_now += seconds
        self.blind_peak = max(self.blind_peak, self._blind_now)
        self.longest_blind = max(self.longest_blind, self._blind_now)
