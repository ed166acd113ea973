"""A session of questions and answers instead of messages that come by themselves: the same verbs, phases and events as any other.

What is asked, in which order and what the answers mean is a broker's `Survey`; calls go out and replies come in as values, and
who carries them, and over what, is the driver's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from probe.model.credentials import Credentials, Redactor
from probe.model.endpoint import Account
from probe.model.errors import ConfigError, LocalProtocolError, UnsafeTarget
from probe.model.events import (
    POLL,
    Ended,
    Event,
    FirstData,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    RequestSent,
    Surprise,
    Told,
    Traffic,
    Upgraded,
)
from probe.model.failures import Failure, Layer, Retry
from probe.model.intents import Intent, Leave, Trading, Watch
from probe.model.meanings import Effect, Figures, Meaning, Quotes, Refused, Trouble, Troubles, Unrecognised
from probe.session.codec import DialectRules
from probe.session.core import DIALLING_PHASE_OF
from probe.session.evidence import line_of_call, line_of_reply, without_addresses
from probe.session.rounds import Explained, Lanes, Round, Said, Turn
from probe.session.transcript import Line, Transcript
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
from probe.wire.drivable import Signal, Timers

__all__ = ("Answered", "Asked", "Explained", "PollPlan", "PolledSession", "Round", "Said", "Survey")

FIRST_SPREAD = 0.25  # seconds between the first rounds: not all at once
LIMITED_PAUSE = 60.0  # after a 429 that says nothing about when
MOST_LIMITED_PAUSE = 900.0
LOST_AFTER = 2  # calls in a row that were not answered: then the way is lost, and not one answer
LEAVING_WITHIN = 2.0
AGAIN_WITHIN = 60.0  # what a rare question showed holds until it is asked again: not too long
SOON = 8.0  # after the login: what is asked first so late belongs to a long look
SURPRISES_TOLD = 100
LONGEST_WORDS = 2000  # of what an answer showed
ROUND, DEADLINE = "round:", "deadline"

# Failures that say something about the way, and not only about one answer.
_WAY_IS_LOST = (Layer.DNS, Layer.TCP, Layer.PROXY, Layer.TLS, Layer.CLOSING)
_WAY_KINDS = ("http.closed", "http.not-http", "terminal.absent", "terminal.bridge-version")
_SLOW_KINDS = ("http.open-timeout", "terminal.silent")
_HIDDEN_HEADERS = ("set-cookie", "set-cookie2", "authorization")


class Survey(Protocol):
    """How one broker is asked, for one session. May remember what it heard."""

    rules: DialectRules  # its phases are OPENING, AUTHENTICATING, LIVE

    def rounds(self) -> Sequence[Round]:
        """Asked for once, when the login is accepted."""

    def open(self, now: float) -> Asking[Said]:
        """What can be known without a credential. Ends the session if it brings a failure."""

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        """What it says holds `Admitted`, or `Refused`; a failure ends the session. Without credentials only where the rules
        need no login."""

    def leave(self) -> Asking[None] | None:
        """What is due to politeness."""


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


@dataclass(slots=True)
class _Course:
    """A flow on its way."""

    flow: Asking[Any]
    done: Callable[[Any, float], None]
    turn: Turn | None = None
    call: Call | None = None  # that is out
    sent_at: float | None = None  # the first question; None: the other end was not asked anything yet
    seconds: float = 0.0  # that answers took where they came in: what waits in our own queues is not theirs

    @property
    def is_public(self) -> bool:
        """It asks for prices."""
        return self.turn is not None and isinstance(self.turn.round.intent, Watch)


class PolledSession:
    __slots__ = (
        "_began_at", "_bytes_in", "_bytes_out", "_calls", "_count", "_courses", "_credentials", "_ended", "_ending_phase",
        "_events", "_failure", "_has_data", "_lanes", "_live_at", "_never_asked", "_outgoing", "_paused_until", "_phase", "_rounds",
        "_surprises", "_survey", "_timers", "_transcript", "_unanswered", "_upgraded", "plan",
    )  # fmt: skip

    def __init__(
        self, *, survey: Survey, credentials: Credentials | None, plan: PollPlan, redact: Redactor
    ) -> None:
        self._survey, self._credentials, self.plan = survey, credentials, plan
        self._transcript = Transcript(keep=plan.keep_messages, redact=redact)
        self._timers = Timers()
        self._outgoing: list[Asked | Signal] = []
        self._events: list[Event] = []
        self._phase = self._ending_phase = Phase.CONNECTING
        self._began_at = self._live_at = self._paused_until = 0.0
        self._courses: dict[int, _Course] = {}  # by the number of the call that is out
        self._rounds: dict[str, Round] = {}
        self._lanes = Lanes()
        self._count = self._calls = self._surprises = self._unanswered = 0
        self._bytes_in = self._bytes_out = 0
        self._failure: Failure | None = None
        self._has_data = self._upgraded = self._ended = False
        self._never_asked: set[str] = set()

    # -- what others may look at -------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def traffic(self) -> Traffic:
        return Traffic(
            messages_sent=self._count,
            messages_received=self._calls,
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
        return self._phase is Phase.LIVE and not self._never_asked

    def transcript(self) -> list[Line]:
        return self._transcript.lines()

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
        for each in self._rounds.values():
            if each.intent == intent:
                return self._run(each, now, now, is_awaited=True)
        asked = dict.fromkeys(_named(each.intent) for each in self._rounds.values() if each.intent)
        raise ConfigError(
            f"a session that is polled has no {_named(intent)}",
            next_step=f"What it may be asked besides what it asks by itself: {', '.join(asked) or 'nothing'}.",
        )

    def ping(self, now: float) -> None:
        """Ask for a sign of life now."""
        for each in self._rounds.values():
            if each.is_beat and self._phase is Phase.LIVE:
                self._run(each, now, now)

    def leave(self, now: float) -> None:
        if self._phase in (Phase.CLOSING, Phase.ENDED):
            return
        politeness = self._survey.leave() if self._phase is Phase.LIVE else None
        if politeness is None:
            self._finish(now, None)
            return
        self._ending_phase = self._phase
        self._drop_courses(now)
        self._timers.clear()
        self._phase, self._began_at = Phase.CLOSING, now
        self._timers.set(DEADLINE, now + LEAVING_WITHIN)
        self._step(_Course(politeness, lambda _, at: self._finish(at, self._failure)), None, now)

    def give_up(self, now: float) -> None:
        if self._phase is Phase.LIVE:
            self.leave(now)
        elif not self._ended and self._phase is not Phase.CONNECTING:
            self._on_deadline(now)

    # -- the driver's side -------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        if self._ended or self._phase is not Phase.CONNECTING:
            return
        self._enter(Phase.OPENING, now)
        self._step(_Course(self._survey.open(now), self._opened), None, now)

    def receive(self, item: Answered, now: float) -> None:
        course, reply = self._courses.pop(item.number, None), item.reply
        if course is None:  # given up meanwhile
            return
        self._calls += 1
        self._note_reply(course, reply, now)
        if isinstance(reply, HttpReply | TerminalReply):
            course.seconds += reply.seconds
        self._step(course, reply, now)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if self._ended:
            return
        if self._phase is Phase.CONNECTING and failure is not None:
            self._phase = DIALLING_PHASE_OF.get(failure.facts.layer, Phase.CONNECTING)
        self._finish(now, failure if self._phase is not Phase.CLOSING else self._failure)

    def wake(self, now: float) -> None:
        while not self._ended and (due := self._timers.pop_due(now)) is not None:
            name, due_at = due
            if name == DEADLINE:
                self._on_deadline(now)
            else:
                each = self._rounds[name.removeprefix(ROUND)]
                missed = int((now - due_at) / each.every)  # this machine slept
                self._timers.set(name, due_at + (missed + 1) * each.every)
                self._run(each, due_at + missed * each.every, now)

    def next_wake(self) -> float | None:
        return self._timers.next()

    def outgoing(self) -> list[Asked | Signal]:
        out, self._outgoing = self._outgoing, []
        return out

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    # -- phases ------------------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now: float) -> None:
        if self._phase is not Phase.CONNECTING:
            self._events.append(PhaseFinished(at=now, phase=self._phase, began_at=self._began_at))
        self._phase, self._began_at = phase, now
        deadline = self._survey.rules.deadlines.get(phase)
        if deadline is None:
            self._timers.cancel(DEADLINE)
        else:
            self._timers.set(DEADLINE, now + deadline)

    def _opened(self, said: Said, now: float) -> None:
        if isinstance(said, Failure):
            self._finish(now, said)
            return
        self._tell(said, now)
        credentials = self._credentials
        if self.plan.goal is Phase.OPENING or (credentials is None and self._survey.rules.needs_login):
            self._events.append(PhaseFinished(at=now, phase=self._phase, began_at=self._began_at))
            self._finish(now, None)
            return
        self._enter(Phase.AUTHENTICATING, now)
        self._step(_Course(self._survey.enter(credentials, now), self._entered), None, now)

    def _entered(self, said: Said, now: float) -> None:
        if isinstance(said, Failure):
            self._finish(now, said)
            return
        refused = next((each for each in said if isinstance(each, Refused)), None)
        if refused is not None:
            self._tell([each for each in said if each is not refused], now)
            self._finish(now, Failure(kind="auth.refused", detail=self._shown(refused.reason, 200)))
            return
        self._tell(said, now)
        if self.plan.goal is Phase.AUTHENTICATING:
            self._events.append(PhaseFinished(at=now, phase=self._phase, began_at=self._began_at))
            self._finish(now, None)
            return
        self._enter(Phase.LIVE, now)
        self._live_at = now
        self._timers.cancel(DEADLINE)
        for place, each in enumerate(self._survey.rounds()):
            self._rounds[each.name] = each
            if each.first_after < SOON:
                self._never_asked.add(each.name)
            self._timers.set(ROUND + each.name, now + (each.first_after or place * FIRST_SPREAD))

    def _on_deadline(self, now: float) -> None:
        waited = f"waited {now - self._began_at:.1f} s"
        match self._phase:
            case Phase.CLOSING:
                self._finish(now, self._failure)
            case Phase.AUTHENTICATING:
                self._finish(now, Failure(kind="auth.silent-after-connect", detail=waited))
            case _:
                asked = [course.call for course in self._courses.values()]
                is_terminal = any(isinstance(each, TerminalCall | LookForProcess) for each in asked)
                kind = "terminal.silent" if is_terminal else "http.open-timeout"
                self._finish(now, Failure(kind=kind, detail=waited))

    def _finish(self, now: float, failure: Failure | None) -> None:
        if self._ended:
            return
        if self._phase not in (Phase.CLOSING, Phase.ENDED):
            self._ending_phase = self._phase
        self._ended, self._phase = True, Phase.ENDED
        self._drop_courses(now)
        self._timers.clear()
        self._outgoing.append(Signal.CLOSE)
        if failure is not None:
            failure = replace(failure, detail=self._shown(failure.detail, LONGEST_WORDS))
        self._events.append(Ended(at=now, phase=self._ending_phase, failure=failure, traffic=self.traffic))

    def _drop_courses(self, now: float) -> None:
        for turn in self._lanes.awaited():
            self._expire(turn, now, now)
        for course in self._courses.values():
            course.flow.close()
        self._courses.clear()
        self._lanes = Lanes()

    # -- rounds ------------------------------------------------------------------------------------------------------

    def _run(self, each: Round, due_at: float, now: float, *, is_awaited: bool = False) -> int:
        """When those before it in its lane are done. The number of the request."""
        turn = self._lanes.take(each, due_at)
        turn.is_awaited |= is_awaited
        if not turn.is_out and self._lanes.is_first(turn):
            self._begin_round(turn, now)
        return turn.request

    def _begin_round(self, turn: Turn, now: float) -> None:
        turn.is_out = True
        course = _Course(turn.round.ask(now), lambda said, at: self._round_done(course, turn, said, at), turn)
        self._step(course, None, now)

    def _round_done(self, course: _Course, turn: Turn, said: Said | Explained, now: float) -> None:
        self._never_asked.discard(turn.round.name)
        self._lanes.done(turn)
        if isinstance(said, Failure):
            self._unanswered += said.kind in _SLOW_KINDS
            self._round_failed(course, turn, said, (_troubles_of(turn.round, said),), now)
        elif isinstance(said, Explained):
            self._unanswered += said.failure.kind in _SLOW_KINDS and not said.stands
            explained = (*said.said, Troubles(about=turn.round.name + "?"))
            self._round_failed(course, turn, said.failure, explained, now)
        else:
            if course.sent_at is not None:
                self._unanswered = 0
                self._answered(turn, said, now, now - course.seconds if course.seconds else course.sent_at)
            elif turn.is_awaited:
                self._expire(turn, now, now)
            self._tell((*said, Troubles(about=turn.round.name + "?")), now)
        if turn.round.every > AGAIN_WITHIN and not self._ended and _is_bad(said):
            self._timers.set(ROUND + turn.round.name, max(now + AGAIN_WITHIN, self._paused_until))
        following = None if self._ended else self._lanes.following(turn, now)
        if following is not None:
            self._begin_round(following, now)

    def _answered(self, turn: Turn, said: Sequence[Meaning], now: float, sent_at: float) -> None:
        if turn.round.is_beat:
            self._events.append(HeartbeatAnswered(at=now, name=POLL, due_at=turn.due_at, sent_at=sent_at))
            return
        told: Meaning = next(
            (each for each in said if isinstance(each, Troubles)), Troubles(about=turn.round.name)
        )
        answer = next((each for each in said if not isinstance(each, Troubles | Figures)), told)
        self._events.append(
            RequestAnswered(
                at=now, request=turn.request, intent=turn.round.counts_as, answer=answer, sent_at=sent_at
            )
        )

    def _expire(self, turn: Turn, now: float, sent_at: float) -> None:
        if turn.round.is_beat:
            self._events.append(HeartbeatMissed(at=now, name=POLL, sent_at=sent_at))
        else:
            intent = turn.round.counts_as
            self._events.append(RequestExpired(at=now, request=turn.request, intent=intent, sent_at=sent_at))

    def _round_failed(
        self, course: _Course, turn: Turn, failure: Failure, said: Sequence[Meaning], now: float
    ) -> None:
        kind = failure.facts
        is_lost = kind.layer in _WAY_IS_LOST or failure.kind in _WAY_KINDS
        is_over = is_lost or kind.layer is Layer.AUTH or self._unanswered >= LOST_AFTER
        if not is_over:  # why it brought nothing is known before it is missed
            self._tell(said, now)
        if turn.round.is_beat and failure.http_status is not None:  # it did answer, if not as hoped for
            self._answered(turn, (), now, now - course.seconds)
        elif course.sent_at is not None or turn.is_awaited:
            self._expire(turn, now, now if course.sent_at is None else course.sent_at)
        if is_over:
            self._finish(now, failure)
        elif kind.retry is Retry.SERVER_SAYS and failure.kind == "http.429":
            self._slow_down(failure, now)

    def _slow_down(self, failure: Failure, now: float) -> None:
        """The other end wants fewer questions: none until it says so."""
        pause = min(failure.retry_after_seconds or LIMITED_PAUSE, MOST_LIMITED_PAUSE)
        self._paused_until = now + pause
        for place, each in enumerate(self._rounds.values()):
            self._timers.set(ROUND + each.name, now + pause + (each.first_after or place * FIRST_SPREAD))
        for turn in self._lanes.thin():
            self._expire(turn, now, now)

    # -- flows -------------------------------------------------------------------------------------------------------

    def _step(self, course: _Course, reply: Reply | None, now: float) -> None:
        try:
            call = next(course.flow) if reply is None else course.flow.send(reply)
        except StopIteration as end:
            course.done(end.value, now)
            return
        # What is looked up on this machine, or only touched, is no question to the other end.
        if course.sent_at is None and isinstance(call, HttpCall | TerminalCall):
            course.sent_at = now
            if course.turn is not None:
                self._note_begin(course.turn, now)
        self._count += 1
        course.call, self._courses[self._count] = call, course
        if isinstance(call, HttpCall):
            self._bytes_out += len(call.url)
        self._transcript.note(now, ">", line_of_call(call))
        self._outgoing.append(Asked(number=self._count, call=call))

    def _note_begin(self, turn: Turn, now: float) -> None:
        if turn.round.is_beat:
            self._events.append(HeartbeatSent(at=now, name=POLL, due_at=turn.due_at))
        else:
            self._events.append(RequestSent(at=now, request=turn.request, intent=turn.round.counts_as))

    def _tell(self, said: Sequence[Meaning], now: float) -> None:
        for meaning in said:
            if isinstance(meaning, Quotes):
                if not self._has_data:
                    self._has_data = True
                    self._events.append(FirstData(at=now, asked_at=self._live_at or now))
                self._events.extend(QuoteArrived(now, *row) for row in meaning.rows)
            elif isinstance(meaning, Unrecognised):
                self._surprise(meaning, now)
            elif isinstance(meaning, Troubles) and meaning.rows:
                self._events.append(Told(at=now, meaning=replace(meaning, rows=self._fit(meaning.rows))))
            else:
                self._events.append(Told(at=now, meaning=meaning))

    def _fit(self, troubles: Sequence[Trouble]) -> tuple[Trouble, ...]:
        """To be shown: they may repeat what an answer said."""
        return tuple(replace(each, sentence=self._shown(each.sentence, LONGEST_WORDS)) for each in troubles)

    def _shown(self, text: str, length: int) -> str:
        return without_addresses(self._transcript.redact.shorten(text, length))

    def _surprise(self, meaning: Unrecognised, now: float) -> None:
        self._surprises += 1
        if self._surprises <= SURPRISES_TOLD:
            problem, preview = self._shown(meaning.problem, 200), self._shown(meaning.preview, 160)
            self._events.append(Surprise(at=now, phase=self._phase, problem=problem, preview=preview))

    def _note_reply(self, course: _Course, reply: Reply, now: float) -> None:
        if isinstance(reply, HttpReply):
            self._bytes_in += len(reply.body)
            if not self._upgraded and self._phase is Phase.OPENING:
                self._upgraded = True
                headers = tuple(
                    (self._shown(name, 60), self._shown(value, 200))
                    for name, value in reply.headers
                    if name.lower() not in _HIDDEN_HEADERS
                )
                self._events.append(Upgraded(at=now, status=reply.status, headers=headers))
        assert course.call is not None  # noqa: S101 - this is its reply
        self._transcript.note(now, "<", line_of_reply(course.call, reply, is_public=course.is_public))


def _is_bad(said: Said | Explained) -> bool:
    if isinstance(said, Failure | Explained):
        failure = said.failure if isinstance(said, Explained) else said
        return failure.kind != "http.429"  # it says itself when to ask again
    rows = [row for each in said if isinstance(each, Troubles) for row in each.rows]
    return any(row.effect is not Effect.NOTED for row in rows)


def _troubles_of(each: Round, failure: Failure) -> Troubles:
    """Where the survey does not know better."""
    kind = failure.facts
    row = Trouble(
        code=failure.code,
        sentence=f"{each.name}: {failure}",
        advice=kind.advise,
        effect=Effect.DEGRADES,
        blame=kind.blame,
    )
    return Troubles(about=each.name + "?", rows=(row,))


def _named(intent: Intent) -> str:
    return (
        f"{type(intent).__name__} of {intent.symbol}" if isinstance(intent, Watch) else type(intent).__name__
    )
