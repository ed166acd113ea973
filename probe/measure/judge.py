"""What holds of a target now: from how its session does to its condition, the seconds' causes, incidents and the score.

Time is booked under what held until now, whenever something happens and about twice a second.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from probe.measure.complaints import Complaint, about_trouble, complaint
from probe.measure.condition import (
    Stage,
    degraded,
    fine,
    heard_since,
    stalled,
    unproven,
    useless,
    without_session,
)
from probe.measure.freshness import LOOKS_EVERY, Freshness, Overdue
from probe.measure.health import HealthScore
from probe.measure.incidents import Incidents
from probe.measure.ledger import Ledger
from probe.measure.measurements import Measurements
from probe.measure.onlooker import NoOnlooker, Onlooker
from probe.measure.records import (
    Cause,
    Condition,
    Data,
    Incident,
    Metric,
    Period,
    Record,
    SessionState,
    StateChanged,
    Transport,
    Trigger,
)
from probe.measure.reference import Reference, apart, compared
from probe.measure.snapshot import Quantiles
from probe.measure.tries import Tries
from probe.measure.vitals import Vitals
from probe.model.endpoint import Account, Endpoint
from probe.model.events import (
    Phase,
    Traffic,
)
from probe.model.failures import Blame, Failure
from probe.model.meanings import Effect
from probe.session.transcript import Line

NOT_OBSERVED_SECONDS = 5.0  # later than this, and the time counts as not observed
UNWOKEN_SECONDS = (
    NOT_OBSERVED_SECONDS + LOOKS_EVERY
)  # since we were last woken: we slept, and what comes now waited
START_GRACE_SECONDS = 10.0  # a first connection may take so long before it is an incident
OUR_FAULT_SECONDS = 10.0  # what is found so soon after we stood still may be due to that
STALL_OVER_SECONDS = 15.0  # of prices; much longer than it takes to see that they stopped again
LONGEST_REMEDY_SECONDS = 900.0
SETTLED_EVERY = 5.0  # while all is well and nothing happens
MINUTE = 60.0
JUDGED_AGAIN_AFTER = 1.0  # seconds of an incident; then when it has lasted twice as long, each time
DOWN = (Cause.DISCONNECTED, Cause.AUTH)


class Judge:
    """
    Args:
        target: Its alias.
        account: As the credential claims.
        login_follows: The phase after which the login is sent; None: none is.
        is_open: Whether the market of a symbol is open at a UTC second, as far as calendars know.
        evidence: The last messages, their times monotonic.
        emit: Takes every record.
        data_every: So often prices are asked for, where they do not come by themselves.
        stall_reconnect: A stall that lasted so long is answered with a new connection; None: never.
        onlooker: Says what an incident may be, beside its code.
    """

    __slots__ = (
        "_assumes_open", "_calm_until", "_complaint", "_dialled_at", "_down_for", "_emit", "_ever_failed", "_ever_streamed",
        "_evidence", "_failure", "_gathering", "_good_since", "_habits", "_is_odd", "_judge_at", "_keeps_ticks", "_kinds",
        "_left", "_left_with",
        "_login_follows", "_lost_since", "_messages_seen", "_next_remedy", "_onlooker", "_proven", "_stage", "_stall_began",
        "_stall_reconnect", "_trigger", "_utc_at_zero", "_was_doubted", "_woken_at", "account", "broker", "condition",
        "down_since", "endpoint", "freshness", "incidents", "ledger", "measurements", "objective", "overdue", "reference",
        "session_since_utc", "since_utc", "stalled_since", "started_utc", "symbols", "target", "ticks", "traffic",
        "tries", "uplink", "vitals", "waits_until",
    )  # fmt: skip

    def __init__(
        self,
        *,
        target: str,
        broker: str,
        account: Account,
        symbols: Sequence[str],
        objective: float,
        zone_seconds: float,
        login_follows: Phase | None,
        is_open: Callable[[str, float], bool | None],
        evidence: Callable[[], Sequence[Line]],
        emit: Callable[[Record], None],
        now: float,
        utc_at_zero: float,
        stall_reconnect: float | None = 60.0,
        keeps_ticks: bool = True,
        data_every: float = 0.0,
        onlooker: Onlooker | None = None,
    ) -> None:
        self.target, self.broker, self.account, self.objective = target, broker, account, objective
        self.symbols, self._login_follows = tuple(symbols), login_follows
        self._evidence, self._emit, self._keeps_ticks = evidence, emit, keeps_ticks
        self._utc_at_zero = utc_at_zero
        self._stall_reconnect = self._next_remedy = stall_reconnect
        self.started_utc = self.since_utc = utc_at_zero + now
        self.ledger = Ledger(now)
        self.measurements = Measurements(target, self.ledger, self.started_utc, now, emit)
        self.tries = Tries()
        self.incidents = Incidents(target)
        self.freshness = Freshness(is_open, data_every)
        for symbol in self.symbols:
            self.freshness.expect(symbol, now)
        self.condition = Condition()
        self.endpoint: Endpoint | None = None
        self.vitals: Vitals | None = None  # of the session that is live
        self.traffic = Traffic()
        self.session_since_utc: float | None = None
        self.waits_until: float | None = None
        self.uplink: bool | None = None  # our own line
        self.reference: Reference | None = None  # how another target stands that has the same prices
        self.ticks: defaultdict[str, int] = defaultdict(int)
        self.down_since: float | None = None  # without a session
        self.stalled_since: float | None = None  # and prices have not come again for long enough
        self.overdue: tuple[Overdue, ...] = ()
        self._stall_began: float | None = None  # of the stall that is on now
        self._was_doubted = False  # whether its connection stands
        self._lost_since: float | None = None  # the session that has just ended was silent since
        self._good_since: float | None = None  # prices come since
        self._stage = Stage.IDLE
        self._failure: Failure | None = None  # why the last attempt or session ended
        self._down_for = Cause.DISCONNECTED  # what bad seconds without a session are given to
        self._trigger: Trigger | None = None
        self._dialled_at = now
        self._onlooker = onlooker or NoOnlooker()
        self._is_odd = True  # what happens is told to the onlooker
        self._judge_at = now  # again
        self._left = False
        self._left_with: HealthScore | None = None  # that we leave is no fault of what was left
        self._habits: Mapping[str, bytes] = {}
        self._proven = False  # this session has shown that it works
        self._ever_streamed = self._ever_failed = False
        self._gathering = self.measurements.gathering
        self._messages_seen = 0
        self._woken_at = now
        self._complaint: Complaint | None = None
        self._kinds: dict[str, str] = {}  # of symbols, in the broker's words
        self._calm_until = now
        self._assumes_open = False  # what the last look found

    # -- for whoever asks --------------------------------------------------------------------------------------------

    def remedy(self, now: float) -> Trigger | None:
        """Whether a new connection is the thing to try now. Asked after `wake`; the answer is given once for each wait."""
        if self._stall_began is None or self._next_remedy is None or self.vitals is None:
            return None
        if now - max(self._stall_began, self.vitals.live_at) < self._next_remedy:
            return None
        self._next_remedy = min(
            self._next_remedy * 2, LONGEST_REMEDY_SECONDS
        )  # what did not help helps less and less
        return Trigger.STALL

    def doubts(self) -> bool:
        """Whether it should be asked now if the connection stands. Once for each stall."""
        if self._stall_began is None or self._was_doubted or self.vitals is None:
            return False
        self._was_doubted = True
        return True

    def score(self, now: float) -> HealthScore:
        return self.measurements.score(
            self._utc(now),
            self.condition.state,
            ever_streamed=self._ever_streamed,
            age_ratios=lambda: self._age_ratios(now),
            expires_utc=self.tries.earliest_expiry(),
        )

    def window(self, now: float) -> Period:
        """The last quarter of an hour, as far as it was watched."""
        return self.measurements.window(self._utc(now))

    def measured(self, at: float, metric: Metric, value: float, *, endpoint: str | None = None) -> None:
        """Also for whoever else takes numbers, such as the way to the control address."""
        self.measurements.measured(at, self._utc(at), endpoint or self._endpoint_name(), metric, value)

    @property
    def own_lag_quantiles(self) -> Quantiles | None:
        return self.measurements.own_lag

    @own_lag_quantiles.setter
    def own_lag_quantiles(self, quantiles: Quantiles) -> None:
        self.measurements.own_lag = quantiles

    # -- judging -----------------------------------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        """Book the time until now under what held until now; then see what holds from now on."""
        if now - self._woken_at > UNWOKEN_SECONDS:
            self._slept(now)
        now_utc, before = self._utc(now), self.condition
        self._assumes_open = self.freshness.any_open(now_utc)
        self.ledger.advance(now, self._booked_cause(), is_open=self._assumes_open)
        self.overdue = self.freshness.overdue(now, now_utc) if self._stage is Stage.LIVE else ()
        after = self.condition = self._judge(now, now_utc)
        blind_before = self.ledger.blind
        if self._lost_since is not None:
            self.ledger.claim(Cause.DISCONNECTED, self._lost_since)
        self._note_stall(after, now)
        if after.cause not in DOWN:
            self.down_since = None
        elif self.down_since is None:
            self.down_since = now
        if (after.state, after.code, after.cause) != (before.state, before.code, before.cause):
            if after.state is not before.state:
                self.since_utc = now_utc
            self._emit(
                StateChanged(
                    at_utc=now_utc,
                    target=self.target,
                    endpoint=self._endpoint_name(),
                    before=before.state,
                    condition=after,
                    trigger=self._trigger,
                )
            )
        if self._booked_cause() is not None:
            self._bad(now_utc, blind_before, now)
        elif (over := self.incidents.good(now_utc, self.ledger.blind)) is not None:
            self._emit(over)
        self._lost_since = None
        is_well = self.condition.state is SessionState.STREAMING and self.incidents.open is None
        if is_well and self._is_odd:
            self._onlooker.all_is_well()
        self._is_odd = not is_well
        self._calm_until = self._calm(now, now_utc) if is_well and self.stalled_since is None else now

    def _calm(self, now: float, now_utc: float) -> float:
        """Until when nothing new can be found, unless something happens."""
        due = self.freshness.due()
        minute = now + MINUTE - now_utc % MINUTE  # markets open and close then
        return min(now + SETTLED_EVERY, minute, minute if due is None else due)

    def _slept(self, now: float) -> None:
        """Nobody watched: neither good nor bad."""
        self.freshness.skip(self._woken_at, now)
        self.ledger.skip(now)
        self.measurements.late(now, now - self._woken_at)
        self._woken_at = now

    def _note_stall(self, after: Condition, now: float) -> None:
        if after.data is Data.STALLED:
            self._good_since = None
            if self._stall_began is None:
                self._stall_began = min((each.since for each in self.overdue), default=now)
                self._was_doubted = False
                if self.stalled_since is None:
                    self.stalled_since = self._stall_began
                self.ledger.claim(Cause.STALLED, self._stall_began)
        elif after.state in (SessionState.STREAMING, SessionState.DEGRADED):
            self._ever_streamed = True
            self._stall_began = None
            if self._good_since is None:
                self._good_since = now
            if now - self._good_since >= STALL_OVER_SECONDS:
                self.stalled_since, self._next_remedy = None, self._stall_reconnect
        else:
            self._good_since = None
            if after.cause is not Cause.STALLED:
                self._stall_began = self.stalled_since = None

    def _booked_cause(self) -> Cause | None:
        """No second is bad before there was anything to observe, nor after it was left."""
        return None if self._left or self._stage is Stage.IDLE else self.condition.cause

    def _judge(self, now: float, now_utc: float) -> Condition:
        self._complaint, vitals = None, self.vitals
        if self._left and self._stage is not Stage.LIVE:
            return without_session(Stage.STOPPED, None, self._down_for)
        if self._stage is not Stage.LIVE or vitals is None:
            return without_session(self._stage, self._failure, self._down_for)
        grave = vitals.gravest
        expected = [symbol for symbol in self.symbols if self.freshness.is_expected(symbol, now_utc)]
        overdue = tuple(each for each in self.overdue if each.symbol in expected)
        reference = self.reference if expected and len(overdue) == len(expected) else None
        if grave is not None and grave.effect in (Effect.STALLS, Effect.SHUTS_OUT):
            self._complaint = about_trouble(grave)
            return compared(useless(vitals, grave), reference)
        if expected and len(overdue) == len(expected):
            condition = stalled(vitals, overdue, self.symbols, now)
            if grave is not None and grave.code == condition.code:
                self._complaint = about_trouble(grave)
            return compared(condition, reference)
        data = Data.QUIET if not expected else Data.AWAITED if vitals.first_data_at is None else Data.FLOWING
        answered = vitals.answered_at is not None or vitals.request_expired_at is not None
        if not self._proven:
            if data is Data.AWAITED or not answered:
                return unproven(vitals, data, self._down_for)
            self._prove(now)
        usual = self.measurements.baseline.median
        self._complaint = complaint(
            vitals, overdue, self.account, usual, now, standing=self.condition.code
        ) or apart(vitals, self.reference, now)
        return fine(vitals, data) if self._complaint is None else degraded(vitals, data, self._complaint)

    def _prove(self, now: float) -> None:
        """Data flows again: only now the connection counts as made."""
        self._proven = True
        self._failure, self._down_for = None, Cause.DISCONNECTED
        self.tries.connected(now, self._endpoint_name())
        self._gathering.counts["connects"] += 1
        self.measured(now, Metric.CONNECT, now - self._dialled_at)

    # -- incidents ---------------------------------------------------------------------------------------------------

    def _bad(self, now_utc: float, blind_before: float, now: float) -> None:
        condition, failure, complained = self.condition, self._failure, self._complaint
        is_awaited = condition.data is Data.AWAITED  # what is late itself, and when, freshness knows
        is_new = not (self._ever_streamed or self._ever_failed)
        if is_new and (is_awaited or now_utc - self.started_utc <= START_GRACE_SECONDS):
            return
        blame = self._whose(now)
        if self.incidents.goes_on(condition, blame):
            if (told := self._judged(now)) is not None:
                self._emit(told)
            return
        if complained is not None:
            advice = complained.advice
        elif failure is not None and condition.data is not Data.STALLED:
            advice = failure.facts.advise
        else:
            advice = "See whether the broker's own page shows prices; the session is opened anew by itself."
        is_down = condition.cause is Cause.DISCONNECTED
        began = self._lost_since if self._stall_began is None else self._stall_began
        rhythm = self.tries.rhythm
        incident = self.incidents.bad(
            now_utc if began is None else self._utc(began),
            condition,
            advice=advice,
            blame=blame,
            endpoint=self._endpoint_name(),
            evidence=[line._replace(at=self._utc(line.at)) for line in self._evidence()],
            figures=self.measurements.medians(),
            blind_before=blind_before,
            planned=self.tries.planned and is_down,
            pattern=str(rhythm) if rhythm and is_down else None,
        )
        if incident is not None:
            self._judge_at = now
            self._emit(self._judged(now) or incident)

    def _judged(self, now: float) -> Incident | None:
        """The open incident, if there is more to tell of it. The answer to a ping or a question may have shown more since; of a
        long one seldom."""
        if now < self._judge_at or self.incidents.open is None:
            return None
        verdicts = self._onlooker.verdicts(now)
        lasted = 0.0 if verdicts is None else self._utc(now) - self.incidents.open.began_utc
        self._judge_at = now + max(lasted, JUDGED_AGAIN_AFTER)
        return None if verdicts is None else self.incidents.judged(verdicts)

    def _whose(self, now: float) -> Blame:
        if self.measurements.stood_still(now, OUR_FAULT_SECONDS):
            return Blame.US
        if self.uplink is False:
            return Blame.NETWORK
        if self._complaint is not None:
            return self._complaint.blame
        if self.condition.data is Data.STALLED:
            is_heard = self.vitals is not None and heard_since(self.vitals, self.overdue)
            return Blame.BROKER if is_heard and self.condition.transport is Transport.UP else Blame.UNKNOWN
        return Blame.UNKNOWN if self._failure is None else self._failure.facts.blame

    # -- small things ------------------------------------------------------------------------------------------------

    def _close_minute(self, now: float) -> None:
        self.measurements.close_minute(self._utc(now), self._left_with or self.score(now))
        self._gathering = self.measurements.gathering

    def _age_ratios(self, now: float) -> list[float]:
        """Of each symbol whose market is open."""
        now_utc, freshness = self._utc(now), self.freshness
        return [
            (freshness.age(symbol, now) or 0.0) / freshness.limit(symbol)
            for symbol in self.symbols
            if self._stage is Stage.LIVE and freshness.is_expected(symbol, now_utc)
        ]

    def _utc(self, at: float) -> float:
        return self._utc_at_zero + at

    def _endpoint_name(self) -> str | None:
        return None if self.endpoint is None else self.endpoint.region
