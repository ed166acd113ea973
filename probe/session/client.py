"""The client's end of a session: opens it by the dialect's script, keeps it alive, asks, and says what happened."""

import random
from dataclasses import dataclass, field, replace
from functools import lru_cache
from sys import intern
from urllib.parse import quote

from probe.model.credentials import Credentials, Redactor
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError, UnsafeTarget
from probe.model.events import (
    WEBSOCKET,
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
    Told,
    Upgraded,
)
from probe.model.failures import Failure
from probe.model.intents import (
    AnswerBeat,
    Beat,
    ChooseAccount,
    Intent,
    Join,
    Leave,
    Login,
    Murmur,
    PlaceOrder,
    Trading,
    UnknownIntent,
    Watch,
)
from probe.model.meanings import (
    Admitted,
    BeatAnswered,
    BeatAsked,
    Goodbye,
    JoinRefused,
    Meaning,
    Quotes,
    Refused,
    Unrecognised,
    Welcome,
)
from probe.session.codec import BeatRule, Codec, DialectRules, Message, Role
from probe.session.core import (
    CLOSING,
    ENDED,
    KIND_OF_CLOSE_CODE,
    KIND_OF_GOODBYE,
    LIVE,
    SessionCore,
    SocketEvent,
)
from probe.session.phases import Move
from probe.session.proof import DemoProof
from probe.session.refusal import failure_of_handshake, failure_of_refusal
from probe.session.requests import Pending, Requests, answer_key
from probe.session.strangers import slug_of, wants_tls
from probe.wire.websocket import (
    ClientSocket,
    CloseReceived,
    HandshakeBroken,
    Opened,
    UpgradeRefused,
)

WEBSOCKET_BEAT = BeatRule(name=WEBSOCKET, interval=20.0, answered_within=10.0)
REFUSAL_BODY_WITHIN = 1.0  # the status is known; the rest of a refusal's page is only evidence
REQUEST_DEADLINE = 10.0

# The first round trip should not take 20 s to be known, nor be measured while the login's burst is being read. The later
# ones keep this distance from the broker's own keep-alive: writing that would count as their time.
FIRST_PING_AFTER = 0.5

# By whoever uses a session.
_NOT_ASKED = frozenset((Join, Login, Beat, AnswerBeat, Murmur, UnknownIntent))
_STAY = Move.STAY
_new = tuple.__new__  # half the cost of a named tuple's own, which is a Python function
PEER_BEAT, REFUSAL = "peer beat", "refusal body"
BEAT, ANSWER, REQUEST = "beat:", "answer:", "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one session is for."""

    host: str  # the Host header
    path: str
    account: Account  # what the endpoint is for; orders need a demo one
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # cookies may be among them
    watch: tuple[Watch, ...] = ()
    goal: Phase = Phase.LIVE  # leave politely instead of entering a phase beyond this one
    max_message: int = 4 * 1024 * 1024  # the largest seen is 45 KB
    keep_messages: int = 16


class ClientSession(SessionCore[ClientSocket]):
    __slots__ = (
        "_asked_data_at",
        "_beat_number",
        "_credentials",
        "_messages_at_beat",
        "_proof",
        "_requests",
        "_terms",
        "_unanswered",
        "answers_beats",
        "plan",
    )

    def __init__(
        self,
        *,
        codec: Codec,
        credentials: Credentials | None,
        plan: Plan,
        rng: random.Random,
        redact: Redactor,
    ) -> None:
        socket = ClientSocket(
            host=plan.host,
            path_and_query=_entered_by(plan.path, codec.rules.login_in_query, credentials),
            headers=plan.headers,
            rng=rng,
            max_message=plan.max_message,
        )
        super().__init__(codec=codec, socket=socket, rng=rng, redact=redact, keep_messages=plan.keep_messages)
        self._credentials = credentials
        self.plan = plan
        self._requests = Requests()
        self._beat_number = 0
        self._unanswered: dict[
            str, tuple[bytes, float, float, int]
        ] = {}  # name: payload, due, sent, messages in
        self._terms: Welcome | None = None
        self._messages_at_beat = 0
        self._asked_data_at: float | None = None
        self._proof = DemoProof()
        self.answers_beats = True  # off: to see what the server does about it

    # -- asking ------------------------------------------------------------------------------------------------------

    def ask(self, intent: Intent, now: float) -> int | None:
        """Say something to the broker. Returns the request's number if an answer will be waited for.

        Raises:
            UnsafeTarget: an order, and the server has not said in this session that this is a demo account.
            LocalProtocolError: the session is not live, or this is nothing that a user of a session asks.
        """
        kind = type(intent)
        if kind is Leave:
            self.leave(now)
            return None
        if self._phase is not LIVE:
            raise LocalProtocolError(
                f"{type(intent).__name__} asked while {self._phase.value}; wait until the session is live"
            )
        if kind in _NOT_ASKED:
            raise LocalProtocolError(
                f"{type(intent).__name__} is the session's own business, or the simulator's"
            )
        if isinstance(intent, Trading):
            self._refuse_unless_demo(intent)
        messages = self._codec.encode_intent(intent)
        if kind is Watch:
            self._asked_data_at = now
        elif isinstance(intent, ChooseAccount):
            self._proof.ask(intent)
        self._send(messages, now)
        key = answer_key(intent)
        if key is None:
            return None
        due = now + self._codec.rules.request_deadlines.get(kind, REQUEST_DEADLINE)
        pending = self._requests.add(intent, key, now, due)
        self._timers.set_no_later(REQUEST, due)  # one for all: an answer need not take it back
        self._events.append(_new(RequestSent, (now, pending.number, intent)))
        return pending.number

    @property
    def rules(self) -> DialectRules:
        return self._codec.rules

    @property
    def terms(self) -> Welcome | None:
        """The server's own, for heartbeats; None: it gave none."""
        return self._terms

    @property
    def ping_sent_at(self) -> float | None:
        """Of the WebSocket ping that waits for its answer; None: none does."""
        waiting = self._unanswered.get(WEBSOCKET)
        return waiting[2] if waiting else None

    @property
    def goal(self) -> Phase:
        return self.plan.goal

    @property
    def greeted_by(self) -> Phase:
        return self._codec.rules.nearest(Phase.OPENING)

    @property
    def has_asked_all(self) -> bool:
        return True  # it asks nothing by itself

    def leave(self, now: float) -> None:
        """End the session in order."""
        if self._phase in (Phase.CONNECTING, Phase.UPGRADING):
            self._begin_closing(now, None, None)
        elif self._phase not in (Phase.CLOSING, Phase.ENDED):
            self._send(self._codec.encode_intent(Leave()), now)
            self._begin_closing(now, None, 1000)

    def ping(self, now: float) -> None:
        """Ask for a sign of life now and not at the next beat."""
        if self._phase is Phase.LIVE:
            self._beat(WEBSOCKET_BEAT, now, now)

    def give_up(self, now: float) -> None:
        """Whoever runs this has no more time: end as the present phase's deadline would."""
        if self._phase is Phase.LIVE:
            self.leave(now)
        elif not self._ended and self._phase is not Phase.CONNECTING:
            self._on_deadline(now)

    def _refuse_unless_demo(self, intent: Trading) -> None:
        refused = "the order was"
        if self.plan.account is not Account.DEMO:
            raise UnsafeTarget(
                refused,
                f"this endpoint is for {self.plan.account.value} accounts",
                "Orders go to demo endpoints only.",
            )
        if isinstance(intent, PlaceOrder) and intent.account is not Account.DEMO:
            raise UnsafeTarget(refused, "it is for a live account", "Orders go to demo accounts only.")
        if not self._proof.given:
            raise UnsafeTarget(
                refused,
                "the server has not said in this session that this is a demo account (the credential's claim does not count)",
                "Wait for the balance, and check which account it belongs to.",
            )

    # -- the opening script ------------------------------------------------------------------------------------------

    def _on_entered(self, phase: Phase, now: float) -> None:
        rules = self._codec.rules
        if phase is Phase.UPGRADING:
            self._put(self._socket.request())
        elif phase is Phase.LIVE:
            self._go_live(now)
        elif phase is Phase.AUTHENTICATING and not rules.needs_login and not self._brings_login:
            self._events.append(Told(at=now, meaning=Admitted()))
            self._advance(now)
        elif rules.speaks_first.get(phase) is Role.CLIENT:
            self._open_next(phase, now)

    @property
    def _goes_in(self) -> bool:
        return self._credentials is not None

    @property
    def _brings_login(self) -> bool:
        """A credential that went with the request: the server says what it thinks of it."""
        return self._codec.rules.login_in_query is not None and self._goes_in

    def _open_next(self, phase: Phase, now: float) -> None:
        credentials = self._credentials
        if phase is Phase.AUTHENTICATING and credentials is not None:
            login = Login(
                frame=credentials.frame,
                token=credentials.token,
                account=credentials.account,
                user=credentials.user,
            )
            self._send(self._codec.encode_intent(login), now)
        elif phase is Phase.JOINING:
            self._send(self._codec.encode_intent(Join()), now)

    def _advance(self, now: float) -> None:
        """Into the next phase, unless this session was not meant to go further."""
        rules = self._codec.rules
        following = rules.after(self._phase)
        is_shut_out = following is Phase.AUTHENTICATING and rules.needs_login and not self._goes_in
        if self._phase is self.plan.goal or is_shut_out:
            self._events.append(PhaseFinished(at=now, phase=self._phase, began_at=self._began_at))
            self.leave(now)
        else:
            self._enter(following, now)

    def _go_live(self, now: float) -> None:
        rules = self._codec.rules
        for rule in rules.beats:
            self._timers.set(intern(BEAT + rule.name), now + self._interval(rule))
        self._timers.set(intern(BEAT + WEBSOCKET), now + FIRST_PING_AFTER)
        for watch in self.plan.watch:
            self.ask(watch, now)

    def _interval(self, rule: BeatRule) -> float:
        if rule.heeds_greeting and self._terms is not None:
            return min(rule.interval, self._terms.ping_interval)
        return rule.interval

    # -- hearing -----------------------------------------------------------------------------------------------------

    def _on_message(self, message: Message, now: float) -> None:
        for meaning in self._codec.decode_meaning(message):
            if type(meaning) is Quotes and self._phase is LIVE:
                if self._asked_data_at is not None:
                    self._events.append(FirstData(at=now, asked_at=self._asked_data_at))
                    self._asked_data_at = None
                for row in meaning.rows:
                    self._events.append(_new(QuoteArrived, (now, *row)))
                continue
            if type(meaning) is Unrecognised:
                self._proof.hear(meaning)
                self._surprise(meaning.problem, meaning.preview, now)
            else:
                self._on_meaning(meaning, now)
            if self._phase is CLOSING or self._phase is ENDED:
                return

    def _on_meaning(self, meaning: Meaning, now: float) -> None:
        move = self._moves.get(type(meaning)) or self._step(meaning, now)
        if self._phase is LIVE:  # what comes before its time proves nothing
            self._proof.hear(meaning)
        if move is _STAY:
            self._hear(meaning, now)
        elif move is Move.NEXT:
            if isinstance(meaning, Welcome):
                self._take_terms(meaning, now)
            self._events.append(Told(at=now, meaning=meaning))
            self._advance(now)
        elif move is Move.CLOSE:
            self._thrown_out(meaning, now)

    def _hear(self, meaning: Meaning, now: float) -> None:
        if type(meaning) is BeatAsked:
            if self.answers_beats:
                self._send(self._codec.encode_intent(AnswerBeat(payload=meaning.payload)), now)
                self._expect_peer_beat(now)
                self._events.append(PeerBeat(at=now))
            return
        if type(meaning) is BeatAnswered:
            self._beat_answered(next((name for name in self._unanswered if name != WEBSOCKET), ""), now)
            return
        pending = self._requests.answered_by(meaning)
        if pending is None:
            self._events.append(Told(at=now, meaning=meaning))
            return
        number, intent, _, sent_at, _ = pending
        self._events.append(_new(RequestAnswered, (now, number, intent, meaning, sent_at)))

    def _take_terms(self, welcome: Welcome, now: float) -> None:
        self._terms = welcome
        self._expect_peer_beat(now)

    def _expect_peer_beat(self, now: float) -> None:
        if self._codec.rules.peer_beats and self._terms is not None:
            self._messages_at_beat = self._messages_in
            self._timers.set(PEER_BEAT, now + self._terms.ping_interval + self._terms.ping_timeout)

    def _thrown_out(self, meaning: Meaning, now: float) -> None:
        match meaning:
            case Refused(reason=reason, slug=slug):
                kind = "auth.revoked" if self._phase is Phase.LIVE else "auth.refused"
                self._fail(kind, now, detail=reason, slug=slug)
            case JoinRefused(message=message):
                self._fail("sio.connect-error", now, detail=message)
            case Goodbye(reason=reason):
                self._fail(KIND_OF_GOODBYE[self._phase], now, detail=reason)
            case _:
                raise LocalProtocolError(
                    f"the table closes on {type(meaning).__name__}, which has no failure kind"
                )

    # -- timers and heartbeats ---------------------------------------------------------------------------------------

    def _on_timer(self, name: str, due_at: float, now: float) -> None:
        if name.startswith(BEAT):
            self._beat(_beats(self._codec.rules.beats)[name[len(BEAT) :]], due_at, now)
        elif name.startswith(ANSWER):
            self._beat_missed(name[len(ANSWER) :], now)
        elif name == REQUEST:
            for pending in self._requests.take_overdue(now):
                self._expired(pending, now)
            if (due := self._requests.next_due()) is not None:
                self._timers.set(REQUEST, due)
        elif name == PEER_BEAT and self._terms is not None:
            if WEBSOCKET in self._unanswered and self._unanswered[WEBSOCKET][3] == self._messages_in:
                self._beat_missed(WEBSOCKET, now)  # not one heartbeat stopped: everything did
                return
            waited = self._terms.ping_interval + self._terms.ping_timeout
            if self._messages_in == self._messages_at_beat:
                self._fall_silent(waited, now)
                return
            self._fail("eio.ping-timeout", now, detail=f"none for {waited:g} s, although it promised one")
        elif name == REFUSAL:
            refusal = self._refusal_so_far()
            if refusal is not None:
                self._refused(refusal, now)

    def _beat(self, rule: BeatRule, due_at: float, now: float) -> None:
        interval = self._interval(rule)
        missed = int((now - due_at) / interval)  # this machine slept: do not send the missed ones in a burst
        self._timers.set(intern(BEAT + rule.name), due_at + (missed + 1) * interval)
        due_at += missed * interval
        if rule.name in self._unanswered:
            return
        self._beat_number += 1
        payload = self._beat_number.to_bytes(4, "big")
        if rule.name == WEBSOCKET:
            self._put(self._socket.send_ping(payload))
        else:
            self._send(self._codec.encode_intent(Beat(name=rule.name)), now)
        self._events.append(HeartbeatSent(at=now, name=rule.name, due_at=due_at))
        if rule.answered_within is not None:
            self._unanswered[rule.name] = (payload, due_at, now, self._messages_in)
            self._timers.set(intern(ANSWER + rule.name), now + rule.answered_within)

    def _on_pong(self, payload: bytes, now: float) -> None:
        waiting = self._unanswered.get(WEBSOCKET)
        if waiting is not None and waiting[0] == payload:
            self._beat_answered(WEBSOCKET, now)

    def _beat_answered(self, name: str, now: float) -> None:
        waiting = self._unanswered.pop(name, None)
        if waiting is not None:
            self._timers.cancel(ANSWER + name)
            self._events.append(HeartbeatAnswered(at=now, name=name, due_at=waiting[1], sent_at=waiting[2]))

    def _beat_missed(self, name: str, now: float) -> None:
        _, _, sent_at, messages_then = self._unanswered.pop(name)
        self._events.append(HeartbeatMissed(at=now, name=name, sent_at=sent_at))
        if self._messages_in == messages_then:
            self._fall_silent(now - sent_at, now)

    def _fall_silent(self, seconds: float, now: float) -> None:
        self._begin_closing(now, self._failed("session.half-open", f"silent for {seconds:.1f} s"), None)
        self._on_deadline(now)  # nobody is there to answer a close frame

    # -- the upgrade and the end -------------------------------------------------------------------------------------

    def _on_handshake(self, happened: SocketEvent, now: float) -> None:
        match happened:
            case Opened(status=status, headers=headers):
                self._events.append(Upgraded(at=now, status=status, headers=headers))
                if not self._codec.rules.greets:
                    self._take_terms(self._codec.rules.terms, now)
                self._advance(now)
            case UpgradeRefused():
                self._refused(happened, now)
            case HandshakeBroken():
                self._begin_closing(now, self._failed_handshake(happened), None)
            case _:
                raise LocalProtocolError(f"a client cannot receive {type(happened).__name__}")

    def _still_upgrading(self, now: float) -> None:
        if REFUSAL not in self._timers and self._refusal_so_far() is not None:
            self._timers.set(REFUSAL, now + REFUSAL_BODY_WITHIN)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if self._phase is Phase.UPGRADING:
            for happened in self._socket.receive_end():
                if isinstance(happened, UpgradeRefused):  # that its body was cut short does not matter
                    self._refused(happened, now)
                elif isinstance(happened, HandshakeBroken) and happened.preview:
                    failure = failure or self._failed_handshake(happened)
        super().receive_end(now, failure)

    def _refusal_so_far(self) -> UpgradeRefused | None:
        return self._socket.refusal_so_far()

    def _refused(self, refusal: UpgradeRefused, now: float) -> None:
        failure = failure_of_refusal(refusal, self._spoke_last, self._transcript.redact)
        if wants_tls(refusal.body_preview):
            failure = replace(failure, slug="tls.tls-on-plain")
        self._begin_closing(now, failure, None)

    def _failed_handshake(self, broken: HandshakeBroken) -> Failure:
        failure = failure_of_handshake(broken, self._spoke_last, self._transcript.redact)
        return replace(failure, slug=slug_of(broken.preview))

    def _short(self, text: str) -> str:
        """A peer's own words inside a sentence."""
        return self._transcript.redact.shorten(text, 80)

    def _peer_closed(self, close: CloseReceived) -> Failure:
        said = f"close code {close.code}" if close.code not in (None, 1005) else "close without a code"
        if close.reason:
            said += f" {self._short(close.reason)!r}"
        if self._phase is Phase.AUTHENTICATING:
            return self._failed("auth.closed", said)
        code = close.code or 1005
        kind = KIND_OF_CLOSE_CODE.get(
            code, "session.app-close" if 4000 <= code < 5000 else "session.closed-other"
        )
        return self._failed(kind, said)

    def _end_of_stream(self) -> Failure:
        match self._phase:
            case Phase.CONNECTING | Phase.UPGRADING:
                return self._failed("http.closed")
            case Phase.AUTHENTICATING:
                return self._failed("auth.closed", "the stream ended without a close frame")
            case _:
                return self._failed("session.closed-1006")

    def _before_end(self, now: float) -> None:
        for pending in self._requests.take_all():
            self._expired(pending, now)

    def _expired(self, pending: Pending, now: float) -> None:
        number, intent, _, sent_at, _ = pending
        self._events.append(RequestExpired(at=now, request=number, intent=intent, sent_at=sent_at))


@lru_cache
def _beats(of_the_dialect: tuple[BeatRule, ...]) -> dict[str, BeatRule]:
    return {rule.name: rule for rule in (WEBSOCKET_BEAT, *of_the_dialect)}


def _entered_by(path: str, name: str | None, credentials: Credentials | None) -> str:
    """The request's target: nothing else ever holds the credential."""
    if name is None or credentials is None:
        return path
    return f"{path}{'&' if '?' in path else '?'}{name}={quote(credentials.token.reveal(), safe='')}"
