"""What was measured of one target: samples that count and samples that were taken while we were late, minutes, what is usual, the score."""

from array import array
from collections.abc import Callable, Mapping, Sequence

from probe.measure.baseline import Baseline
from probe.measure.blame import Blamed, blame
from probe.measure.health import Figures, HealthScore, health_score
from probe.measure.ledger import Ledger
from probe.measure.periods import COUNTED, MINUTE, Gathering, Lately, merged, without_gaps
from probe.measure.records import PINGS, Cause, Metric, Period, Record, Sample, SessionState, ping_in
from probe.measure.snapshot import Quantiles
from probe.model.events import Traffic

RECENT = 60  # values of each metric for the sparklines
SPARKLINES = (*PINGS, Metric.APP_RTT, Metric.TCP_RTT)
STOOD_STILL_SECONDS = (
    0.5  # so late, and what we say did not come may have come; less spoils round trips and nothing else
)
SMOOTHED = 8  # round trips until the kernel's figure, which moves by an eighth each, shows what changed


class Measurements:
    def __init__(
        self, target: str, ledger: Ledger, began_utc: float, now: float, emit: Callable[[Record], None]
    ) -> None:
        self._target, self._ledger, self._emit = target, ledger, emit
        self.lately = Lately()
        self.gathering = Gathering(began_utc, ledger)
        self.baseline, self.baseline_p95 = Baseline(), Baseline()  # of each minute's round trips
        self.recent: dict[Metric, array[float]] = {}
        self.tainted = 0
        self.carried = Traffic()  # by the sessions that are over
        self.own_lag: Quantiles | None = None  # of the loop that runs all this
        self.late_until = self._stood_still_until = float("-inf")
        self._unsettled: list[tuple[float, Sample]] = []  # not known yet whether we were late
        self._watched_since = now
        self._counted = dict.fromkeys(COUNTED, 0)  # in the minutes that are over

    # -- samples -----------------------------------------------------------------------------------------------------

    def measured(self, at: float, at_utc: float, endpoint: str | None, metric: Metric, value: float) -> None:
        self._unsettled.append((at, Sample(at_utc, self._target, endpoint, metric, value, tainted=False)))

    def late(self, until: float, seconds: float) -> None:
        self.late_until = max(self.late_until, until)
        if seconds >= STOOD_STILL_SECONDS:
            self._stood_still_until = max(self._stood_still_until, until)

    def stood_still(self, now: float, within: float) -> bool:
        """Lately, and not only while everything started."""
        return now - self._stood_still_until < within < self._stood_still_until - self._watched_since

    def judge_samples(self, since: float, late: float | None) -> None:
        """Now it is known until when we were late: those from `since` until then are not used.

        Args:
            late: How late this call comes.
        """
        if self._unsettled and late is not None:
            self.gathering.add(Metric.LOOP_LAG, late)
        for at, sample in self._unsettled:
            if since <= at <= self.late_until:
                self.tainted += 1
                self.gathering.counts["tainted"] += 1
                sample = sample._replace(tainted=True)  # noqa: PLW2901 - the same sample, marked
            else:
                self.gathering.add(sample.metric, sample.value)
            if sample.metric in SPARKLINES:
                recent = self.recent.setdefault(sample.metric, array("f"))
                recent.append(sample.value)
                del recent[:-RECENT]
            self._emit(sample)
        self._unsettled.clear()

    # -- minutes -----------------------------------------------------------------------------------------------------

    def is_minute_over(self, now_utc: float) -> bool:
        return now_utc // MINUTE != self.gathering.began_utc // MINUTE  # clocks are also set back

    def close_minute(self, now_utc: float, score: HealthScore | None) -> None:
        period = self.gathering.period(self._target, now_utc, self._ledger, score)
        self._counted = self.totals
        self.gathering = Gathering(now_utc, self._ledger)
        self.lately.add(period)
        round_trips = ping_in(period.histograms)
        self.baseline.add(round_trips.quantile(0.5) if round_trips else None)
        self.baseline_p95.add(round_trips.quantile(0.95) if round_trips else None)
        self._emit(period)

    @property
    def totals(self) -> dict[str, int]:
        """Counted since the start."""
        return {name: count + self.gathering.counts[name] for name, count in self._counted.items()}

    def forget_usual(self) -> None:
        """Another way has other usual times."""
        self.baseline, self.baseline_p95 = Baseline(), Baseline()

    def window(self, now_utc: float) -> Period:
        """The last quarter of an hour, as far as it was watched."""
        current = without_gaps(self.gathering.period(self._target, now_utc, self._ledger))
        return current if self.lately.past is None else merged([self.lately.past, current])

    @property
    def _ping(self) -> Metric:
        return next((metric for metric in PINGS if metric in self.recent), Metric.WS_RTT)

    # -- what they say -----------------------------------------------------------------------------------------------

    def score(
        self,
        now_utc: float,
        state: SessionState,
        *,
        ever_streamed: bool,
        age_ratios: Callable[[], Sequence[float]],
        expires_utc: float | None,
    ) -> HealthScore:
        """Of the last quarter of an hour."""
        period = self.window(now_utc)
        round_trips = ping_in(period.histograms)
        return health_score(
            Figures(
                state=state,
                ever_streamed=ever_streamed,
                window_seconds=period.seconds,
                observed_seconds=period.observed_seconds,
                bad_seconds=sum(period.bad_seconds.values()),
                beats_sent=period.beats_sent,
                beats_missed=period.beats_missed,
                requests_sent=period.requests_sent,
                requests_expired=period.requests_expired,
                surprises=period.surprises,
                messages=period.messages,
                disconnects=period.disconnects,
                rtt_p95_seconds=round_trips.quantile(0.95) if round_trips else None,
                rtt_count=round_trips.count if round_trips else 0,
                rtt_baseline_seconds=self.baseline_p95.median,
                worst_tick_age_ratio=max(age_ratios(), default=None),
                stalled_seconds=period.bad_seconds.get(Cause.STALLED, 0.0),
                certificate_seconds_left=None if expires_utc is None else expires_utc - now_utc,
            )
        )

    def medians(self) -> Mapping[str, float | None]:
        found: dict[str, float | None] = {}
        periods = [each for each in (self.lately.past, self.lately.filling) if each is not None]
        for metric in (self._ping, Metric.APP_RTT, Metric.TCP_RTT, Metric.UPLINK_RTT):
            before = [period.histograms[metric] for period in periods if metric in period.histograms]
            newest = self.gathering.histograms.get(metric) or (before[-1] if before else None)
            found[metric.value] = newest.quantile(0.5) if newest else None
        return found | {Metric.LOOP_LAG.value: self.own_lag.p50 if self.own_lag else None}

    def blamed(self) -> Blamed | None:
        """Whose slowness it is, if it is slow."""
        medians = self.medians()
        ping, tcp_rtt = medians[self._ping.value], medians[Metric.TCP_RTT.value]
        if ping is not None and tcp_rtt is not None and tcp_rtt < ping / 2:
            lately = self.recent.get(self._ping, array("f"))[-SMOOTHED:]
            if len(lately) < SMOOTHED or min(lately) < ping / 2:
                tcp_rtt = None  # the kernel has not seen enough of it
        return blame(
            medians[Metric.APP_RTT.value],
            ping,
            tcp_rtt,
            medians[Metric.LOOP_LAG.value],
            medians[Metric.UPLINK_RTT.value],
        )
