"""A connection as it can still be told when nobody kept its events: of what its attempt, its session and its judge remember."""

from collections.abc import Iterator, Sequence

from probe.diagnose.facts import Facts
from probe.measure.records import Attempt, PhaseTime
from probe.measure.vitals import Vitals
from probe.measure.watch import Watch
from probe.model.events import (
    WEBSOCKET,
    Ended,
    Event,
    FirstData,
    HeartbeatSent,
    Phase,
    PhaseFinished,
    QuoteArrived,
    Surprise,
    Told,
    Traffic,
    Upgraded,
)
from probe.model.failures import Failure, Layer
from probe.model.meanings import Admitted, Troubles
from probe.monitor.endpoints import Trial
from probe.session.client import ClientSession
from probe.session.talking import Talking

_FAILS_IN = {
    Layer.DNS: Phase.RESOLVING,
    Layer.TCP: Phase.CONNECTING,
    Layer.PROXY: Phase.TUNNELLING,
    Layer.TLS: Phase.SECURING,
    Layer.UPGRADE: Phase.UPGRADING,
    Layer.ENGINE: Phase.OPENING,
    Layer.AUTH: Phase.AUTHENTICATING,
}


def until_now(vitals: Vitals, trial: Trial | None, session: Talking | None) -> Iterator[Event]:
    """The session that is live, without its prices."""
    live_at = vitals.live_at
    if trial is not None:
        yield from _phases_of(trial.phases, live_at)
        if trial.dialled is not None:
            yield trial.dialled
        if trial.status is not None:
            yield Upgraded(at=live_at, status=trial.status, headers=())
    if isinstance(session, ClientSession) and session.terms is not None:
        yield Told(at=live_at, meaning=session.terms)
    yield Told(at=live_at, meaning=Admitted())
    if vitals.balance is not None:
        yield Told(at=live_at, meaning=vitals.balance)
    for about, rows in vitals.troubles.items():
        yield Told(at=live_at, meaning=Troubles(about=about, rows=rows))
    if vitals.strange_at is not None:
        yield Surprise(at=vitals.strange_at, phase=Phase.LIVE, problem=vitals.strange, preview="")
    if isinstance(session, ClientSession) and (sent := session.ping_sent_at) is not None:
        yield HeartbeatSent(at=sent, name=WEBSOCKET, due_at=sent)


def prices_of(vitals: Vitals, watch: Watch) -> Iterator[Event]:
    """That they came, and the last of each symbol."""
    if vitals.first_data_at is not None:
        yield FirstData(at=vitals.first_data_at, asked_at=vitals.live_at)
    found = []
    for symbol in watch.symbols:
        at, told = watch.freshness.last(symbol), vitals.last(symbol)
        if at is not None and told is not None:
            found.append(QuoteArrived(at, symbol, *told))
    yield from sorted(found)


def told_by(attempt: Attempt | None, failure: Failure, at: float) -> Facts:
    """A connection of which only its record was told."""
    facts = Facts()
    phases = attempt.phases if attempt else ()
    for done in _phases_of(phases, at):
        facts.add(done)
        if done.phase is Phase.UPGRADING:
            facts.add(Upgraded(at=done.at, status=101, headers=()))
    phase = _FAILS_IN.get(failure.facts.layer, phases[-1].phase if phases else Phase.RESOLVING)
    facts.add(Ended(at=at, phase=phase, failure=failure, traffic=Traffic()))
    return facts


def _phases_of(phases: Sequence[PhaseTime], ended_at: float) -> Iterator[PhaseFinished]:
    """One after another, the last of them over at that moment."""
    at = ended_at - sum(each.seconds for each in phases)
    for each in phases:
        yield PhaseFinished(at=at + each.seconds, phase=each.phase, began_at=at)
        at += each.seconds
