"""One target, judged continuously: events of its session in, records and a snapshot out. Pure: the clock is handed in.

Whoever holds the session tells what happens (`dialling`, `event`, `waiting`, `stopped`, `attempted`) and calls `wake` about
twice a second, which is also where time without events, our own lateness and everything periodic is seen to.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from probe.measure.condition import Stage
from probe.measure.judge import NOT_OBSERVED_SECONDS, UNWOKEN_SECONDS, Judge
from probe.measure.records import (
    Attempt,
    Cause,
    Disconnected,
    Metric,
    Notice,
    Period,
    Tick,
    Trigger,
)
from probe.measure.vitals import Vitals
from probe.model.endpoint import Endpoint
from probe.model.events import (
    POLL,
    WEBSOCKET,
    Ended,
    Event,
    FirstData,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    PeerBeat,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    RequestSent,
    Surprise,
    TcpFacts,
    Told,
    Traffic,
    Upgraded,
)
from probe.model.failures import Failure, Layer
from probe.model.intents import Watch as Subscription
from probe.model.meanings import Assets, Balance, Figures, Meaning, Troubles

__all__ = ("NOT_OBSERVED_SECONDS", "Watch")

PING_OF = {WEBSOCKET: Metric.WS_RTT, POLL: Metric.POLL_RTT}
MAY_BE_ODD = frozenset((Ended, HeartbeatMissed, RequestExpired, Surprise))
LATE_SECONDS = 0.05  # samples taken while we were later than this are tainted


class Watch(Judge):
    """Made as its judge is."""

    __slots__ = ()

    # -- what happens ------------------------------------------------------------------------------------------------

    def dialling(self, at: float, endpoint: Endpoint, trigger: Trigger) -> None:
        if self.endpoint is not None and endpoint != self.endpoint:
            self.measurements.forget_usual()
        self.endpoint, self._trigger, self.waits_until = endpoint, trigger, None
        if self._stage is Stage.IDLE or self._proven:
            self._dialled_at = at
        self._proven = False
        self._stage = Stage.DIALLING
        self._is_odd = True
        self._onlooker.dialling(at, endpoint)
        self._settle(at)

    def waiting(self, at: float, until: float, failure: Failure | None) -> None:
        self._stage, self.waits_until = Stage.WAITING, until
        self._came_to_nothing(at, failure)
        self._settle(at)

    def stopped(self, at: float, failure: Failure | None) -> None:
        self._stage, self.waits_until = Stage.STOPPED, None
        self._came_to_nothing(at, failure)
        self._settle(at)

    def leave(self, at: float) -> None:
        """We are about to end the session ourselves: what follows is no incident."""
        self._settle(at)
        self._left, self._left_with = True, self.score(at)
        if (incident := self.incidents.end(self._utc(at), self.ledger.blind)) is not None:
            self._emit(incident)

    def attempted(self, attempt: Attempt) -> None:
        self.tries.attempted(attempt)
        if attempt.failure is not None:
            self._gathering.counts["connect_failures"] += 1
        self._emit(attempt)

    def kernel(self, at: float, facts: TcpFacts) -> None:
        self.measured(at, Metric.TCP_RTT, facts.rtt_seconds)

    def event(self, event: Event) -> None:
        if type(event) is QuoteArrived:
            self._tick(event)
            return
        if self._is_odd or type(event) in MAY_BE_ODD:
            self._is_odd = True
            self._onlooker.event(event)
        vitals, counts = self.vitals, self._gathering.counts
        match event:
            case PhaseFinished(at=at, phase=phase):
                self._finished(phase, at)
            case Upgraded(at=at):
                self._stage = Stage.OPENING
                self._settle(at)
            case FirstData(at=at):
                if vitals is not None:
                    vitals.first_data_at = at
                self._settle(at)
            case HeartbeatSent(at=at, due_at=due_at):
                counts["beats_sent"] += 1
                if at - due_at > LATE_SECONDS:
                    self.measurements.late(at, at - due_at)
            case HeartbeatAnswered(at=at, name=name):
                self.measured(at, PING_OF.get(name, Metric.BEAT_RTT), event.rtt_seconds)
                if vitals is not None:
                    vitals.beat_answered(event, is_ping=name in PING_OF)
                self._settle(at)
            # What is missed or expired is judged with the next waking: when a session ends, its end comes first.
            case HeartbeatMissed():
                self._calm_until = event.at
                counts["beats_missed"] += 1
                if vitals is not None:
                    vitals.beat_missed(event)
            case RequestSent():
                counts["requests_sent"] += _is_counted(event)
            case RequestAnswered(at=at):
                if not isinstance(event.intent, Subscription):
                    self.measured(at, Metric.APP_RTT, event.rtt_seconds)
                if vitals is not None:
                    vitals.answered(event)
                self._heard(event.answer, at)
            case RequestExpired():
                self._calm_until = event.at
                counts["requests_expired"] += _is_counted(event)
                if vitals is not None:
                    vitals.expired(event)
            case PeerBeat(at=at):
                if vitals is not None:
                    vitals.heard_at = at
                    vitals.peer_beats += 1
            case Told(at=at, meaning=meaning):
                if vitals is not None:
                    vitals.heard_at = at
                self._heard(meaning, at)
            case Surprise():
                self._calm_until = event.at
                counts["surprises"] += 1
                if vitals is not None:
                    vitals.surprised(event)
            case Ended(at=at):
                self._ended(event, at)
            case _:
                pass

    def wake(
        self, now: float, *, due_at: float, traffic: Traffic | None = None, may_close: bool = True
    ) -> bool:
        """About twice a second.

        Args:
            due_at: When this call should have come.
            traffic: Of the session so far.
            may_close: Whether a minute that is over may be closed now, which takes its time.

        Returns:
            Whether one was closed.
        """
        if now - due_at > LATE_SECONDS:
            self.measurements.late(now, now - due_at)
        self.measurements.judge_samples(self._woken_at, max(now - due_at, 0.0))
        if traffic is not None:
            self.traffic = traffic
            messages = max(traffic.messages_received - self._messages_seen, 0)
            self._messages_seen = traffic.messages_received
            self._gathering.counts["messages"] += messages
            if self.vitals is not None:
                self.vitals.turn(now, messages)
        is_flooded = self.vitals is not None and self.vitals.flooded_since is not None
        if now >= self._calm_until or is_flooded or now - self._woken_at > UNWOKEN_SECONDS:
            self._settle(now)
        else:
            self.ledger.advance(now, None, is_open=self._assumes_open)
        closes = may_close and self.measurements.is_minute_over(self._utc(now))
        if closes:
            self._close_minute(now)
        self._woken_at = now
        return closes

    def clock_stepped(self, utc_at_zero: float) -> None:
        """UTC and the monotonic clock moved against each other: the machine was suspended, or somebody set the clock."""
        self.ledger.not_observed(max(utc_at_zero - self._utc_at_zero, 0.0))
        self._utc_at_zero = utc_at_zero
        self._calm_until = float("-inf")
        if self.vitals is not None:
            self.vitals.clock_stepped(utc_at_zero)

    def remember(self, minutes: Sequence[Period], habits: Mapping[str, bytes]) -> None:
        """What was observed before this process began, oldest first, and what was learnt of symbols."""
        for minute in minutes:
            self.measurements.lately.add(minute)
        self.measurements.lately.skip_to(self.started_utc)
        self._habits = habits

    def close(self, now: float) -> None:
        """Nothing more will come: what is open is told."""
        self._settle(now)
        self.measurements.judge_samples(self._woken_at, None)
        self._close_minute(now)

    # -- for whoever asks --------------------------------------------------------------------------------------------

    def kind_of(self, symbol: str) -> str | None:
        """What the broker calls this kind of asset."""
        return self._kinds.get(symbol)

    # -- one kind of event each --------------------------------------------------------------------------------------

    def _tick(self, event: QuoteArrived) -> None:
        at, symbol, broker_time, price = event
        if self._is_odd:
            self._onlooker.event(event)
        if at - self._woken_at > UNWOKEN_SECONDS:
            self._slept(at)
        gap = self.freshness.tick(symbol, at)
        gathering = self._gathering
        gathering.counts["ticks"] += 1
        self.ticks[symbol] += 1
        if gap is not None:
            gathering.add(Metric.TICK_GAP, gap)
        if self.vitals is not None:
            self.vitals.tick(at, symbol, broker_time, price)
        if self._keeps_ticks:
            self._emit(Tick(at + self._utc_at_zero, self.target, symbol, broker_time, price))
        if self.overdue or not self._proven:
            self._settle(at)

    def _finished(self, phase: Phase, at: float) -> None:
        if phase is Phase.AUTHENTICATING:
            self._stage, self.vitals = Stage.LIVE, Vitals(at, self._utc_at_zero)
            self.session_since_utc = self._utc(at)
            self._messages_seen = 0
            self.freshness.restart(at)
            with suppress(ValueError):  # damaged: learnt anew
                self.freshness.recall(self._habits)
            self._habits = {}
        elif phase is self._login_follows:
            self._stage = Stage.LOGGING_IN
        self._settle(at)

    def _heard(self, meaning: Meaning, at: float) -> None:
        if isinstance(meaning, Assets):
            known = {asset.symbol: asset for asset in meaning.rows if asset.symbol in self.symbols}
            self._kinds = {symbol: asset.kind for symbol, asset in known.items()}
            for symbol in self.symbols:
                self.freshness.market(symbol, known[symbol].is_open if symbol in known else None)
        elif isinstance(meaning, Balance) and self.vitals is not None:
            self.vitals.balance = meaning
        elif isinstance(meaning, Troubles) and self.vitals is not None:
            for trouble in self.vitals.told(meaning):
                self._emit(
                    Notice(
                        at_utc=self._utc(at),
                        code=trouble.code,
                        sentence=f"{trouble.sentence}. {trouble.advice}",
                        target=self.target,
                    )
                )
        elif isinstance(meaning, Figures):
            for name, value, where in meaning.rows:
                self.measured(at, Metric(name), value, endpoint=where)
        self._settle(at)

    def _ended(self, event: Ended, at: float) -> None:
        failure, at_utc = event.failure, self._utc(at)
        self.measurements.carried = self.measurements.carried.plus(event.traffic)
        went_mute = failure is not None and failure.facts.layer is Layer.HEARTBEAT
        if went_mute and self._stall_began is None and not self._left:
            self._lost_since = self._silent_since()
        self._failed(failure)
        if self._stage is Stage.LIVE:
            close = failure.close if failure else None
            initiator = self.tries.disconnected(at_utc, failure)
            self._gathering.counts["disconnects"] += 1
            end = Disconnected(
                at_utc=at_utc,
                target=self.target,
                endpoint=self._endpoint_name() or "",
                lasted_seconds=at_utc - (self.session_since_utc or at_utc),
                initiator=initiator,
                close_code=close.received_code if close else None,
                planned=self.tries.planned,
                failure=failure,
                heard_seconds=event.heard_seconds,
                said_seconds=event.said_seconds,
            )
            self.tries.ended(end)
            self._emit(end)
        if self.vitals is not None:
            self.tries.peer_beats += self.vitals.peer_beats
        self.vitals, self.overdue, self.session_since_utc = None, (), None
        if self._stage is not Stage.IDLE:
            self._stage = Stage.DIALLING  # until it is said what comes next
        self._settle(at)

    def _silent_since(self) -> float | None:
        """Nothing came since. None: there is no session."""
        if self.vitals is None:
            return None
        ages = (self.freshness.age(symbol, self._woken_at) for symbol in self.symbols)
        ticked = [self._woken_at - age for age in ages if age is not None]
        return max([self.vitals.heard_at, *ticked])

    def _came_to_nothing(self, at: float, failure: Failure | None) -> None:
        if failure is not None:
            self._is_odd = True
            self._onlooker.failed(at, failure)
        self._failed(failure)

    def _failed(self, failure: Failure | None) -> None:
        self._failure = failure
        if failure is not None:
            self._ever_failed = True
            self._down_for = Cause.AUTH if failure.facts.layer is Layer.AUTH else Cause.DISCONNECTED
        elif self._stall_began is not None:
            self._down_for = Cause.STALLED  # we left because of it


def _is_counted(event: RequestSent | RequestExpired) -> bool:
    """A subscription is answered by its prices, and judged by them; where nothing else is asked, a share of the failed ones
    would never change again."""
    return not isinstance(event.intent, Subscription)
