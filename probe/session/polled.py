"""A session of questions and answers instead of messages that come by themselves: the same verbs, phases and events as any other.

A broker's `Survey` says what is asked and what the answers mean; calls go out and replies come in as values, and who carries
them, and over what, is the driver's business. Whatever the survey wants to know is a flow of its own: what opens the session,
what enters it, and then each `Round`, a question that is asked again and again. When a round is asked next is the `Schedule`'s
decision alone; before and after that phase there is one flow and its deadline.

A `Failure` that opening or entering ends in is the session's end. One that a round ends in is told as a trouble, and ends the
session only if it is about more than this one answer (`_ends_all`), or if `LOST_AFTER` questions in a row were not answered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from probe.model.credentials import Credentials, Redactor
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError, UnsafeTarget
from probe.model.events import Ended, Event, Phase, PhaseFinished, Traffic
from probe.model.failures import Failure, Layer
from probe.model.intents import Intent, Leave, Trading, Watch
from probe.model.meanings import Effect, Meaning, Refused, Trouble, Troubles
from probe.session.codec import DialectRules
from probe.session.core import DIALLING_PHASE_OF
from probe.session.rounds import Explained, Round, Said, Survey
from probe.session.schedule import FIRST_SPREAD, Schedule, Turn
from probe.session.telling import Telling
from probe.session.transcript import Line
from probe.wire.calls import (
    Asking,
    Call,
    HttpCall,
    HttpReply,
    LookForProcess,
    Reply,
    TerminalCall,
    TerminalReply,
)
from probe.wire.drivable import Signal

__all__ = (
    "FIRST_SPREAD",
    "Answered",
    "Asked",
    "Explained",
    "PollPlan",
    "PolledSession",
    "Round",
    "Said",
    "Survey",
)

LIMITED_PAUSE = 60.0  # after a 429 that says nothing about when
MOST_LIMITED_PAUSE = 900.0
LOST_AFTER = 2  # calls in a row that were not answered: then the way is lost, and not one answer

_ENDING_LAYERS = (Layer.DNS, Layer.TCP, Layer.PROXY, Layer.TLS, Layer.CLOSING, Layer.AUTH)
_ENDING_KINDS = ("http.closed", "http.not-http", "terminal.absent", "terminal.bridge-version")
_SLOW_KINDS = ("http.open-timeout", "terminal.silent")
_LIMITED = "http.429"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPlan:
    account: Account
    goal: Phase = Phase.LIVE
    keep_messages: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    number: int
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    number: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Course:
    """A flow on its way."""

    flow: Asking[Any]
    done: Callable[[Any, float], None]
    turn: Turn | None = None  # whose it is, if it is a round

    @property
    def is_public(self) -> bool:
        """It asks for prices."""
        return self.turn is not None and isinstance(self.turn.round.intent, Watch)


class PolledSession:
    __slots__ = (
        "_answers", "_began_at", "_bytes_in", "_bytes_out", "_calls", "_credentials", "_deadline", "_out", "_outgoing", "_phase",
        "_schedule", "_survey", "_telling", "_unanswered", "plan",
    )  # fmt: skip

    def __init__(
        self, *, survey: Survey, credentials: Credentials | None, plan: PollPlan, redact: Redactor
    ) -> None:
        self._survey, self._credentials, self.plan = survey, credentials, plan
        self._telling = Telling(keep_messages=plan.keep_messages, redact=redact)
        self._schedule = Schedule()  # of a session that is live
        self._out: dict[int, tuple[_Course, Call]] = {}
        self._outgoing: list[Asked | Signal] = []
        self._phase = Phase.CONNECTING
        self._began_at = 0.0
        self._deadline: float | None = None  # of the present phase
        self._unanswered = 0  # questions in a row
        self._calls = self._answers = self._bytes_in = self._bytes_out = 0

    # -- what others may look at -------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def traffic(self) -> Traffic:
        return Traffic(
            messages_sent=self._calls,
            messages_received=self._answers,
            bytes_sent=self._bytes_out,
            bytes_received=self._bytes_in,
        )

    @property
    def rules(self) -> DialectRules:
        return self._survey.rules

    @property
    def goal(self) -> Phase:
        return self.plan.goal

    @property
    def greeted_by(self) -> Phase:
        return Phase.OPENING

    @property
    def has_asked_all(self) -> bool:
        return self._phase is Phase.LIVE and self._schedule.has_asked_all

    def transcript(self) -> list[Line]:
        return self._telling.lines()

    # -- for whoever uses it -----------------------------------------------------------------------------------------

    def ask(self, intent: Intent, now: float) -> int | None:
        """Ask now what is asked every few seconds anyway. Returns the request's number, which is answered or expires; that of
        the question that is on its way, if there is one.

        Raises:
            LocalProtocolError: the session is not live.
            UnsafeTarget: it is about trading.
            ConfigError: this broker is not asked that.
        """
        if isinstance(intent, Leave):
            self.leave(now)
            return None
        if self._phase is not Phase.LIVE:
            raise LocalProtocolError(
                f"{type(intent).__name__} asked while {self._phase.value}; wait until the session is live"
            )
        if isinstance(intent, Trading):
            raise UnsafeTarget(
                f"{type(intent).__name__}",
                "a session that is polled only reads",
                "Trade where you always do.",
            )
        turn = self._schedule.take(self._schedule.find(intent), now)
        turn.is_awaited = True
        self._begin_next(turn, now)
        return turn.request

    def ping(self, now: float) -> None:
        """Ask for a sign of life now."""
        for each in self._schedule.rounds.values():
            if each.is_beat and self._phase is Phase.LIVE:
                self._begin_next(self._schedule.take(each, now), now)

    def leave(self, now: float) -> None:
        if self._phase in (Phase.CLOSING, Phase.ENDED):
            return
        politeness = self._survey.leave() if self._phase is Phase.LIVE else None
        if politeness is None:
            self._finish(now, None)
            return
        self._drop_all(now)
        self._enter(Phase.CLOSING, now)
        self._step(_Course(politeness, lambda _, at: self._finish(at, None)), None, now)

    def give_up(self, now: float) -> None:
        if self._phase is Phase.LIVE:
            self.leave(now)
        elif self._phase not in (Phase.CONNECTING, Phase.ENDED):
            self._on_deadline(now)

    # -- the driver's side -------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        if self._phase is Phase.CONNECTING:
            self._enter(Phase.OPENING, now)
            self._step(_Course(self._survey.open(now), self._opened), None, now)

    def receive(self, item: Answered, now: float) -> None:
        out, reply = self._out.pop(item.number, None), item.reply
        if out is None:  # given up meanwhile
            return
        course, call = out
        self._answers += 1
        if isinstance(reply, HttpReply):
            self._bytes_in += len(reply.body)
            if self._phase is Phase.OPENING:
                self._telling.greeting(reply, now)
        if course.turn is not None and isinstance(reply, HttpReply | TerminalReply):
            course.turn.seconds += reply.seconds
        self._telling.reply(call, reply, now, is_public=course.is_public)
        self._step(course, reply, now)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if self._phase is Phase.ENDED:
            return
        if self._phase is Phase.CONNECTING and failure is not None:
            self._phase = DIALLING_PHASE_OF.get(failure.facts.layer, Phase.CONNECTING)
        self._finish(now, None if self._phase is Phase.CLOSING else failure)

    def wake(self, now: float) -> None:
        if self._deadline is not None and self._deadline <= now:
            self._on_deadline(now)
        while (turn := self._schedule.pop_due(now)) is not None:
            self._begin_next(turn, now)

    def next_wake(self) -> float | None:
        return self._schedule.next() if self._deadline is None else self._deadline

    def outgoing(self) -> list[Asked | Signal]:
        out, self._outgoing = self._outgoing, []
        return out

    def events(self) -> list[Event]:
        return self._telling.take()

    # -- phases ------------------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now: float) -> None:
        self._phase, self._began_at = phase, now
        deadline = self.rules.deadlines.get(phase)  # a live session has none
        self._deadline = None if deadline is None else now + deadline

    def _opened(self, said: Said, now: float) -> None:
        if not self._goes_on(said, now):
            return
        if self._credentials is None and self.rules.needs_login:
            self._finish(now, None)
            return
        self._enter(Phase.AUTHENTICATING, now)
        self._step(_Course(self._survey.enter(self._credentials, now), self._entered), None, now)

    def _entered(self, said: Said, now: float) -> None:
        if self._goes_on(said, now):
            self._enter(Phase.LIVE, now)
            self._schedule = Schedule(self._survey.rounds(), now)

    def _goes_on(self, said: Said, now: float) -> bool:
        """Whether what opening or entering brought lets the next phase begin. Else the session has ended."""
        if not isinstance(said, Failure):
            refused = next((each for each in said if isinstance(each, Refused)), None)
            self._tell([each for each in said if each is not refused], now)
            if refused is not None:
                reason = self._telling.shown(refused.reason, 200)
                said = Failure(kind="auth.refused", detail=reason, slug=refused.slug)
        if isinstance(said, Failure):
            self._finish(now, said)
            return False
        self._telling.event(PhaseFinished(at=now, phase=self._phase, began_at=self._began_at))
        if self._phase is self.goal:
            self._finish(now, None)
            return False
        return True

    def _on_deadline(self, now: float) -> None:
        waited = f"waited {now - self._began_at:.1f} s"
        match self._phase:
            case Phase.CLOSING:
                self._finish(now, None)
            case Phase.AUTHENTICATING:
                self._finish(now, Failure(kind="auth.silent-after-connect", detail=waited))
            case _:
                is_terminal = any(
                    isinstance(call, TerminalCall | LookForProcess) for _, call in self._out.values()
                )
                kind = "terminal.silent" if is_terminal else "http.open-timeout"
                self._finish(now, Failure(kind=kind, detail=waited))

    def _finish(self, now: float, failure: Failure | None) -> None:
        # Only of a live session is leave taken.
        ended_in = Phase.LIVE if self._phase is Phase.CLOSING else self._phase
        self._drop_all(now)
        self._phase, self._deadline = Phase.ENDED, None
        self._outgoing.append(Signal.CLOSE)
        shown = None if failure is None else self._telling.failure(failure)
        self._telling.event(Ended(at=now, phase=ended_in, failure=shown, traffic=self.traffic))

    def _drop_all(self, now: float) -> None:
        self._expire(self._schedule.awaited(), now)
        self._schedule = Schedule()
        for course, _ in self._out.values():
            course.flow.close()
        self._out.clear()

    # -- rounds ------------------------------------------------------------------------------------------------------

    def _begin_next(self, turn: Turn | None, now: float) -> None:
        """When those before it in its lane are done."""
        if turn is not None and self._schedule.is_next(turn):
            turn.is_out = True
            self._step(_Course(turn.round.ask(now), partial(self._round_done, turn), turn), None, now)

    def _round_done(self, turn: Turn, said: Said | Explained, now: float) -> None:
        self._schedule.done(turn)
        troubles: tuple[Trouble, ...] = ()
        if isinstance(said, Failure):  # the survey does not know better
            troubles, said = (turn.round.trouble_of(said),), Explained(failure=said, said=())
        unanswered = Troubles(about=turn.round.name + "?", rows=troubles)
        if isinstance(said, Explained):
            is_bad = said.failure.kind != _LIMITED  # that says itself when to ask again
            self._round_failed(turn, said, (*said.said, unanswered), now)
        else:
            is_bad = _shows_trouble(said)
            self._round_answered(turn, said, now)
            self._tell((*said, unanswered), now)
        if self._phase is not Phase.LIVE:
            return
        if is_bad:
            self._schedule.ask_again_soon(turn.round, now)
        self._begin_next(self._schedule.following(turn, now), now)

    def _round_answered(self, turn: Turn, said: Sequence[Meaning], now: float) -> None:
        if turn.sent_at is not None:
            self._unanswered = 0
            self._telling.event(turn.answered(said, now))
        elif turn.is_awaited:
            self._telling.event(turn.expired(now))

    def _round_failed(self, turn: Turn, why: Explained, told: Sequence[Meaning], now: float) -> None:
        failure = why.failure
        self._unanswered += failure.kind in _SLOW_KINDS and not why.stands
        is_over = _ends_all(failure) or self._unanswered >= LOST_AFTER
        if not is_over:  # why it brought nothing is known before it is missed
            self._tell(told, now)
        if turn.round.is_beat and failure.http_status is not None:  # it did answer, if not as hoped for
            self._telling.event(turn.answered((), now))
        elif turn.sent_at is not None or turn.is_awaited:
            self._telling.event(turn.expired(now))
        if is_over:
            self._finish(now, failure)
        elif failure.kind == _LIMITED:  # the other end wants fewer questions: none until it says so
            pause = min(failure.retry_after_seconds or LIMITED_PAUSE, MOST_LIMITED_PAUSE)
            self._expire(self._schedule.pause(pause, now), now)

    def _expire(self, turns: Sequence[Turn], now: float) -> None:
        """Who waits for them hears that nothing will come."""
        for turn in turns:
            self._telling.event(turn.expired(now))

    # -- flows -------------------------------------------------------------------------------------------------------

    def _step(self, course: _Course, reply: Reply | None, now: float) -> None:
        try:
            call = next(course.flow) if reply is None else course.flow.send(reply)
        except StopIteration as end:
            course.done(end.value, now)
            return
        turn = course.turn
        # What is looked up on this machine, or only touched, is no question to the other end.
        if turn is not None and turn.sent_at is None and isinstance(call, HttpCall | TerminalCall):
            self._telling.event(turn.sent(now))
        if isinstance(call, HttpCall):
            self._bytes_out += len(call.url)
        self._calls += 1
        self._out[self._calls] = course, call
        self._telling.call(call, now)
        self._outgoing.append(Asked(number=self._calls, call=call))

    def _tell(self, said: Sequence[Meaning], now: float) -> None:
        live_at = self._began_at if self._phase is Phase.LIVE else now
        self._telling.said(said, now, phase=self._phase, live_at=live_at)


def _ends_all(failure: Failure) -> bool:
    """It says something about the way or the login, and not only about one answer."""
    return failure.facts.layer in _ENDING_LAYERS or failure.kind in _ENDING_KINDS


def _shows_trouble(said: Sequence[Meaning]) -> bool:
    rows = [row for each in said if isinstance(each, Troubles) for row in each.rows]
    return any(row.effect is not Effect.NOTED for row in rows)
