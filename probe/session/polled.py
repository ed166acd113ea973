"""A session of questions and answers instead of messages that come by themselves: the same verbs, phases and events as any other.

What is asked, in which order and what the answers mean is a broker's `Survey`; calls go out and replies come in as values, and
who carries them, and over what, is the driver's business.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from probe.model.credentials import Credentials, Redactor
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
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
from probe.model.intents import Intent, Leave, Murmur, Trading, Watch
from probe.model.meanings import Effect, Meaning, Quotes, Refused, Trouble, Troubles, Unrecognised
from probe.session.codec import DialectRules
from probe.session.core import DIALLING_PHASE_OF
from probe.session.transcript import Line, Transcript
from probe.wire.calls import (
    Asking,
    Call,
    HttpCall,
    HttpReply,
    LookForProcess,
    NewLines,
    ProcessFound,
    ReadLines,
    Reply,
    TerminalCall,
    TerminalReply,
    Touch,
    Touched,
)
from probe.wire.drivable import Signal, Timers

Said = Sequence[Meaning] | Failure  # what a question brought, or why it brought nothing

FIRST_SPREAD = 0.25  # seconds between the first rounds: not all at once
LIMITED_PAUSE = 60.0  # after a 429 that says nothing about when
MOST_LIMITED_PAUSE = 900.0
LOST_AFTER = 2  # calls in a row that were not answered: then the way is lost, and not one answer
LEAVING_WITHIN = 2.0
SOON = 8.0  # after the login: what is asked first so late belongs to a long look
SURPRISES_TOLD = 100
LIMITED = "limited"  # the key of what is said about our own pace
ROUND, DEADLINE = "round:", "deadline"

# Failures that say something about the way, and not only about one answer.
_WAY_IS_LOST = (Layer.DNS, Layer.TCP, Layer.PROXY, Layer.TLS, Layer.CLOSING)
_WAY_KINDS = ("http.closed", "http.not-http", "terminal.absent", "terminal.bridge-version")
_SLOW_KINDS = ("http.open-timeout", "terminal.silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One kind of question, asked again and again."""

    name: str
    every: float
    ask: Callable[[float], Asking[Said]]  # is told the time
    intent: Intent | None = None  # what it counts as; None: something only this broker has
    is_beat: bool = False  # the lightest question: its round trip is the way's
    lane: str = "main"  # rounds of one lane wait for each other
    first_after: float = 0.0  # seconds after the login


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
    watch: tuple[Watch, ...] = ()
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
    round: Round | None = None
    due_at: float = 0.0
    sent_at: float = 0.0
    request: int = 0
    calls: int = 0
    seconds: float = (
        0.0  # that the calls took where they were made: what waits in our own queues is not theirs
    )


class PolledSession:
    __slots__ = (
        "_began_at", "_bytes_in", "_bytes_out", "_calls", "_count", "_courses", "_credentials", "_ended", "_ending_phase",
        "_events", "_failure", "_has_data", "_lanes", "_live_at", "_never_asked", "_outgoing", "_phase", "_requests", "_rounds",
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
        self._began_at = self._live_at = 0.0
        self._courses: dict[int, _Course] = {}  # by the number of the call that is out
        self._rounds: dict[str, Round] = {}
        self._lanes: dict[
            str, deque[tuple[Round, float]]
        ] = {}  # rounds that are due; the first is on its way
        self._count = self._requests = self._calls = self._surprises = self._unanswered = 0
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
        """Ask now what is asked every few seconds anyway. Returns the request's number.

        Raises:
            LocalProtocolError: the session is not live, or this broker is not asked that.
        """
        if isinstance(intent, Leave):
            self.leave(now)
            return None
        if self._phase is not Phase.LIVE:
            raise LocalProtocolError(
                f"{type(intent).__name__} asked while {self._phase.value}; wait until the session is live"
            )
        if isinstance(intent, Trading):
            raise LocalProtocolError("a session that is polled only reads")
        for each in self._rounds.values():
            if type(each.intent) is type(intent):
                self._run(each, now, now)
                return self._requests
        raise LocalProtocolError(f"there is no question of the kind {type(intent).__name__} here")

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
        self._drop_courses()
        self._phase, self._began_at = Phase.CLOSING, now
        self._timers.set(DEADLINE, now + LEAVING_WITHIN)
        self._start(_Course(politeness, lambda _, at: self._finish(at, self._failure)), now)

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
        self._start(_Course(self._survey.open(now), self._opened), now)

    def receive(self, item: Answered, now: float) -> None:
        course = self._courses.pop(item.number, None)
        self._calls += 1
        reply = item.reply
        self._note_reply(reply, now)
        if course is None or self._ended:  # given up meanwhile
            return
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
        self._start(_Course(self._survey.enter(credentials, now), self._entered), now)

    def _entered(self, said: Said, now: float) -> None:
        if isinstance(said, Failure):
            self._finish(now, said)
            return
        refused = next((each for each in said if isinstance(each, Refused)), None)
        if refused is not None:
            self._tell([each for each in said if each is not refused], now)
            detail = self._transcript.redact.shorten(refused.reason, 200)
            self._finish(now, Failure(kind="auth.refused", detail=detail))
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
                self._finish(now, Failure(kind="http.open-timeout", detail=waited))

    def _finish(self, now: float, failure: Failure | None) -> None:
        if self._ended:
            return
        if self._phase not in (Phase.CLOSING, Phase.ENDED):
            self._ending_phase = self._phase
        self._ended, self._phase = True, Phase.ENDED
        self._drop_courses()
        self._timers.clear()
        self._outgoing.append(Signal.CLOSE)
        self._events.append(Ended(at=now, phase=self._ending_phase, failure=failure, traffic=self.traffic))

    def _drop_courses(self) -> None:
        for course in self._courses.values():
            course.flow.close()
        self._courses.clear()
        self._lanes.clear()

    # -- rounds ------------------------------------------------------------------------------------------------------

    def _run(self, each: Round, due_at: float, now: float) -> None:
        """When those before it in its lane are done. One that waits already is not asked twice."""
        lane = self._lanes.setdefault(each.lane, deque())
        if any(waiting is each for waiting, _ in lane):
            return
        lane.append((each, due_at))
        if len(lane) == 1:
            self._begin_round(each, due_at, now)

    def _begin_round(self, each: Round, due_at: float, now: float) -> None:
        course = _Course(
            each.ask(now),
            lambda said, at: self._round_done(course, said, at),
            round=each,
            due_at=due_at,
            sent_at=now,
        )
        if not each.is_beat:
            self._requests += 1
            course.request = self._requests
        self._start(course, now)

    def _round_done(self, course: _Course, said: Said, now: float) -> None:
        each = course.round
        assert each is not None  # noqa: S101 - only rounds end here
        self._never_asked.discard(each.name)
        lane = self._lanes.get(each.lane)
        if lane:
            lane.popleft()
        if isinstance(said, Failure):
            self._round_failed(course, each, said, now)
        else:
            if course.calls:  # else it found nothing to ask this time
                self._unanswered = 0
                self._answered(course, each, said, now)
            self._tell((Troubles(about=each.name + "?"), *said), now)
        if lane and not self._ended:
            following, due_at = lane[0]
            self._begin_round(following, due_at, now)

    def _answered(self, course: _Course, each: Round, said: Sequence[Meaning], now: float) -> None:
        sent_at = now - course.seconds if course.seconds else course.sent_at
        if each.is_beat:
            self._events.append(HeartbeatAnswered(at=now, name=POLL, due_at=course.due_at, sent_at=sent_at))
            return
        told: Meaning = said[0] if said else Troubles(about=each.name)
        answer = next((each for each in said if not isinstance(each, Troubles)), told)
        self._events.append(
            RequestAnswered(
                at=now, request=course.request, intent=_intent(each), answer=answer, sent_at=sent_at
            )
        )

    def _round_failed(self, course: _Course, each: Round, failure: Failure, now: float) -> None:
        kind = failure.facts
        is_slow = failure.kind in _SLOW_KINDS
        if is_slow:
            self._unanswered += 1
        if each.is_beat:
            self._events.append(HeartbeatMissed(at=now, name=POLL, sent_at=course.sent_at))
        else:
            self._events.append(
                RequestExpired(at=now, request=course.request, intent=_intent(each), sent_at=course.sent_at)
            )
        is_lost = kind.layer in _WAY_IS_LOST or failure.kind in _WAY_KINDS
        if is_lost or kind.layer is Layer.AUTH or self._unanswered >= LOST_AFTER:
            self._finish(now, failure)
            return
        if kind.retry is Retry.SERVER_SAYS and failure.kind == "http.429":
            self._slow_down(failure, now)
        trouble = Trouble(
            code=failure.code,
            sentence=f"{each.name}: {failure}",
            advice=kind.advise,
            effect=Effect.DEGRADES,
            blame=kind.blame,
        )
        self._tell((Troubles(about=each.name + "?", rows=(trouble,)),), now)

    def _slow_down(self, failure: Failure, now: float) -> None:
        """The other end wants fewer questions: none until it says so."""
        pause = min(failure.retry_after_seconds or LIMITED_PAUSE, MOST_LIMITED_PAUSE)
        for place, each in enumerate(self._rounds.values()):
            self._timers.set(ROUND + each.name, now + pause + (each.first_after or place * FIRST_SPREAD))
        for lane in self._lanes.values():
            lane.clear()

    # -- flows -------------------------------------------------------------------------------------------------------

    def _start(self, course: _Course, now: float) -> None:
        self._step(course, None, now)

    def _step(self, course: _Course, reply: Reply | None, now: float) -> None:
        try:
            call = next(course.flow) if reply is None else course.flow.send(reply)
        except StopIteration as end:
            course.done(end.value, now)
            return
        self._count += 1
        if not course.calls:
            course.sent_at = now
            self._note_begin(course, now)
        course.calls += 1
        self._courses[self._count] = course
        self._note_call(call, now)
        self._outgoing.append(Asked(number=self._count, call=call))

    def _note_begin(self, course: _Course, now: float) -> None:
        each = course.round
        if each is None:
            return
        if each.is_beat:
            self._events.append(HeartbeatSent(at=now, name=POLL, due_at=course.due_at))
        else:
            self._events.append(RequestSent(at=now, request=course.request, intent=_intent(each)))

    def _tell(self, said: Sequence[Meaning], now: float) -> None:
        for meaning in said:
            if isinstance(meaning, Quotes):
                if not self._has_data:
                    self._has_data = True
                    self._events.append(FirstData(at=now, asked_at=self._live_at or now))
                self._events.extend(QuoteArrived(now, *row) for row in meaning.rows)
            elif isinstance(meaning, Unrecognised):
                self._surprise(meaning, now)
            else:
                self._events.append(Told(at=now, meaning=meaning))

    def _surprise(self, meaning: Unrecognised, now: float) -> None:
        self._surprises += 1
        if self._surprises <= SURPRISES_TOLD:
            redact = self._transcript.redact
            self._events.append(
                Surprise(
                    at=now,
                    phase=self._phase,
                    problem=redact.shorten(meaning.problem, 200),
                    preview=redact.shorten(meaning.preview, 160),
                )
            )

    # -- evidence ----------------------------------------------------------------------------------------------------

    def _note_call(self, call: Call, now: float) -> None:
        match call:
            case HttpCall(method=method, url=url):
                path = "/" + url.partition("://")[2].partition("/")[2]
                text = f"{method} {path}"
                self._bytes_out += len(url)
            case TerminalCall(function=function, arguments=arguments):
                text = f"{function}({', '.join(map(str, arguments))})"
            case Touch(host=host, port=port):
                text = f"connect {host}:{port}"
            case ReadLines():
                text = "read the journal"
            case LookForProcess():
                text = "look for the terminal's process"
            case _:
                assert_never(call)
        self._transcript.note(now, ">", text)

    def _note_reply(self, reply: Reply, now: float) -> None:
        match reply:
            case HttpReply(status=status, headers=headers, body=body):
                self._bytes_in += len(body)
                shown = body[:1024].decode("utf-8", "backslashreplace")
                if self._phase is Phase.AUTHENTICATING:  # it is about a person
                    shown = f"({len(body)} bytes)"
                text = f"{status} {shown}"
                if not self._upgraded:
                    self._upgraded = True
                    shown_headers = tuple(each for each in headers if each[0].lower() != "set-cookie")
                    self._events.append(Upgraded(at=now, status=status, headers=shown_headers))
            case TerminalReply(value=value, error=error, error_text=words):
                text = f"{value}"[:1024] if value is not None else f"None ({error}, {words!r})"
            case Touched(address=address, seconds=seconds):
                text = f"{address} {seconds * 1000:.1f} ms"
            case NewLines(lines=lines):
                text = f"{len(lines)} lines"
            case ProcessFound(running=running, detail=detail):
                text = f"running: {running} {detail}"
            case Failure():
                text = str(reply)
            case _:
                assert_never(reply)
        self._transcript.note(now, "<", text)


def _intent(each: Round) -> Intent:
    return each.intent or Murmur(name=each.name)
