"""The four states of a target in one: from what stage its session is in and how it does, to the state, its cause and its words."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from probe.measure.complaints import Complaint
from probe.measure.freshness import Overdue
from probe.measure.records import Cause, Condition, Data, Login, Protocol, SessionState, Transport
from probe.measure.vitals import Vitals
from probe.model.failures import Failure, Layer
from probe.model.meanings import Effect, Trouble

SILENT = "session.silent-stall"  # nothing more is known of a stall
NAMED = 3  # symbols, in one sentence
USUAL_GAPS = 3  # in a symbol's limit


class Stage(Enum):
    IDLE = auto()
    DIALLING = auto()
    OPENING = auto()  # the upgrade is done
    LOGGING_IN = auto()
    LIVE = auto()
    WAITING = auto()
    STOPPED = auto()


_DOWN: dict[Stage, tuple[Condition, str]] = {  # and the words while no failure says more
    Stage.WAITING: (Condition(state=SessionState.BACKOFF), "waiting before the next connection"),
    Stage.DIALLING: (
        Condition(transport=Transport.CONNECTING, state=SessionState.CONNECTING),
        "connecting",
    ),
    Stage.OPENING: (
        Condition(transport=Transport.UP, protocol=Protocol.OPENING, state=SessionState.CONNECTING),
        "opening the session",
    ),
    Stage.LOGGING_IN: (
        Condition(
            transport=Transport.UP,
            protocol=Protocol.OPEN,
            login=Login.PENDING,
            state=SessionState.AUTHENTICATING,
        ),
        "waiting for the login's answer",
    ),
}


def without_session(stage: Stage, failure: Failure | None, cause: Cause) -> Condition:
    """Before a session is live, and after it."""
    if stage is Stage.IDLE:
        return Condition()
    if stage is Stage.STOPPED:
        return _stopped(failure)
    condition, words = _DOWN[stage]
    return replace(
        condition,
        cause=cause,
        sentence=words if failure is None else str(failure),
        code=None if failure is None else failure.code,
    )


def _stopped(failure: Failure | None) -> Condition:
    if failure is None:
        return Condition(state=SessionState.STOPPED, sentence="stopped as asked")
    rejected = failure.facts.layer is Layer.AUTH
    return Condition(
        login=Login.REJECTED if rejected else Login.NOT_ASKED,
        state=SessionState.AUTH_REJECTED if rejected else SessionState.STOPPED,
        cause=Cause.AUTH if rejected else Cause.DISCONNECTED,
        sentence=str(failure),
        code=failure.code,
    )


def _live(vitals: Vitals, data: Data, state: SessionState) -> Condition:
    return Condition(
        transport=Transport.UP if vitals.beat_missed_at is None else Transport.MUTE,
        protocol=Protocol.OPEN,
        login=Login.ACCEPTED,
        data=data,
        state=state,
    )


def unproven(vitals: Vitals, data: Data, cause: Cause) -> Condition:
    return replace(
        _live(vitals, data, SessionState.AUTHENTICATING),
        cause=cause,
        sentence="waiting for the first price and answer",
    )


def heard_since(vitals: Vitals, overdue: Sequence[Overdue]) -> bool:
    """Whether anything came when prices should have: else it is not known that the connection stands."""
    newest = max(overdue, key=lambda each: each.since)
    return vitals.heard_at > newest.since + newest.limit / USUAL_GAPS


def stalled(vitals: Vitals, overdue: Sequence[Overdue], symbols: Sequence[str], now: float) -> Condition:
    """No symbol of an open market ticks."""
    worst = max(overdue, key=lambda each: now - each.since)
    names = ", ".join(symbols[:NAMED]) + (" and others" if len(symbols) > NAMED else "")
    seconds = now - worst.since
    if worst.is_first:
        words = f"logged in, but no price of {names} came within {seconds:.1f} s"
    else:
        words = f"no price of {names} for {seconds:.1f} s"
    code, besides, shown = SILENT, "the connection stands", vitals.gravest
    if not heard_since(vitals, overdue):
        besides = "nothing else has come either"
    if vitals.beat_missed_at is not None:
        code, besides = "session.half-open", "not even heartbeats are answered"
    elif shown is not None:
        code, besides = shown.code, f"answers show why: {shown.sentence}"
    elif vitals.is_strange(now):
        code, besides = "cfg.client-outdated", f"messages come that are not understood: {vitals.strange}"
    elif vitals.request_expired_at is not None:
        answered = vitals.first_data_at is not None or vitals.answered_at is not None
        code = "session.heartbeat-without-data" if answered else "auth.false-success"
        besides = f"heartbeats are answered and requests ({vitals.request_expired}) are not"
    return replace(
        _live(vitals, Data.STALLED, SessionState.STALLED),
        cause=Cause.STALLED,
        sentence=f"{words} while {besides}",
        code=code,
    )


def useless(vitals: Vitals, trouble: Trouble) -> Condition:
    """Questions are answered, and the answers show that nothing behind them works, or that they are not about us."""
    is_ours = trouble.effect is not Effect.SHUTS_OUT
    return replace(
        _live(vitals, Data.STALLED, SessionState.STALLED),
        login=Login.ACCEPTED if is_ours else Login.REJECTED,
        cause=Cause.STALLED if is_ours else Cause.AUTH,
        sentence=trouble.sentence,
        code=trouble.code,
    )


def degraded(vitals: Vitals, data: Data, complaint: Complaint) -> Condition:
    return replace(
        _live(vitals, data, SessionState.DEGRADED),
        cause=Cause.DEGRADED,
        sentence=complaint.sentence,
        code=complaint.code,
    )


def fine(vitals: Vitals, data: Data) -> Condition:
    quiet = "logged in; the market is closed or pauses, so no prices are expected"
    return replace(
        _live(vitals, data, SessionState.STREAMING),
        sentence=quiet if data is Data.QUIET else "prices flow and requests are answered",
    )
