"""The broker's end of a session, for the simulator and for tests: the same codec and the same table, seen from the other side.

What the broker knows (accounts, prices, orders) is behind `Desk`; how it misbehaves is behind `Misbehaviour`. This
class only runs the protocol.
"""

import heapq
import random
from collections.abc import Sequence
from itertools import count
from urllib.parse import parse_qs, urlsplit

from probe.model.credentials import Secret, StrangersRedactor
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.events import Heard, Phase, Upgraded
from probe.model.failures import Failure
from probe.model.intents import AnswerBeat, Beat, Intent, Join, Leave, Login, UnknownIntent
from probe.model.meanings import (
    Admitted,
    BeatAnswered,
    BeatAsked,
    Goodbye,
    Joined,
    JoinRefused,
    Meaning,
    Refused,
    Welcome,
)
from probe.session.behaviour import (
    Act,
    CloseWith,
    Desk,
    Drop,
    Misbehaviour,
    Refusal,
    Say,
    Send,
    Silence,
    Wait,
)
from probe.session.codec import Codec, IdleRule, Message, Role
from probe.session.core import KIND_OF_CLOSE_CODE, SessionCore, SocketEvent
from probe.session.phases import STEP_OF, TABLE, Move, Step
from probe.wire.drivable import Signal
from probe.wire.websocket import CloseReceived, HandshakeBroken, Ping, ServedSocket, UpgradeRequested

PING, PONG, IDLE, DESK, LATER, MISCHIEF = "ping", "pong", "idle", "desk", "later", "mischief"
UPGRADE = "upgrade"
SID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class ServedSession(SessionCore[ServedSocket]):
    __slots__ = (
        "_desk",
        "_heard_beat_at",
        "_later",
        "_login",
        "_misbehaviour",
        "_order",
        "_request",
    )

    _patience = 4.0  # client libraries dawdle: one waits 2 s before it even joins

    def __init__(
        self,
        *,
        codec: Codec,
        desk: Desk,
        misbehaviour: Misbehaviour,
        rng: random.Random,
        max_message: int = 1_000_000,
        keep_messages: int = 64,
    ) -> None:
        socket = ServedSocket(rng=rng, max_message=max_message)
        super().__init__(
            codec=codec, socket=socket, rng=rng, redact=StrangersRedactor(), keep_messages=keep_messages
        )
        self._desk = desk
        self._misbehaviour = misbehaviour
        self._later: list[tuple[float, int, Meaning]] = []
        self._order = count()
        self._heard_beat_at = 0.0
        self._request: UpgradeRequested | None = None  # not answered yet
        self._login: Login | None = None  # that came with it

    @property
    def desk(self) -> Desk:
        return self._desk

    # Misbehaviour may change with anything that happens, and from outside: whoever switches faults calls `wake`.

    def receive(self, item: bytes, now: float) -> None:
        super().receive(item, now)
        self._plan_mischief()

    def wake(self, now: float) -> None:
        super().wake(now)
        self._plan_mischief()

    # -- the upgrade -------------------------------------------------------------------------------------------------

    def _on_entered(self, phase: Phase, now: float) -> None:
        rules = self._codec.rules
        if phase is Phase.UPGRADING:
            self._misbehaviour.begin(now, self._rng)
            self._plan_mischief()
        elif phase is Phase.LIVE:
            self._plan_desk()
        elif phase is Phase.AUTHENTICATING and self._login is not None:
            self._say_all(self._desk.admit(self._login, now), now)
            self._plan_desk()
        elif phase is Phase.AUTHENTICATING and not rules.needs_login:
            self._say(Admitted(), now)
        elif rules.speaks_first.get(phase) is Role.SERVER:
            if phase is Phase.OPENING:
                self._greet(now)
            elif phase is Phase.JOINING:
                self._say(Joined(sid=self._new_sid()), now)

    def _on_handshake(self, happened: SocketEvent, now: float) -> None:
        match happened:
            case UpgradeRequested():
                self._answer_upgrade(happened, now)
            case HandshakeBroken(detail=detail):
                self._refuse_upgrade(Refusal(status=400, reason="Bad Request", body=detail.encode()), now)
            case _:
                raise LocalProtocolError(f"a server cannot receive {type(happened).__name__}")

    def _answer_upgrade(self, request: UpgradeRequested, now: float) -> None:
        answer = self._misbehaviour.upgrade(request, now) or self._wrong_request(request.target)
        if isinstance(answer, Silence):
            return
        if isinstance(answer, Wait):
            self._request = request
            self._timers.set(UPGRADE, now + answer.seconds)
            return
        if isinstance(answer, Refusal):
            self._refuse_upgrade(answer, now)
            return
        self._login = self._login_of(request.target)
        headers = tuple(self._desk.upgrade_headers(now))
        self._put(self._socket.accept(headers))
        self._events.append(Upgraded(at=now, status=101, headers=request.headers))
        if not self._codec.rules.greets:
            self._keep_beating(now)
        self._enter(self._codec.rules.phases[0], now)
        self.receive(b"", now)  # frames that came too early

    def _wrong_request(self, target: str) -> Refusal | None:
        rules = self._codec.rules
        parts = urlsplit(target)
        if not parts.path.startswith(rules.path):
            return Refusal(status=404, reason="Not Found", body=b'{"code":0,"message":"Transport unknown"}')
        query = _query_of(target)
        if any(query.get(name) != value for name, value in rules.query.items()):
            return Refusal(
                status=400, reason="Bad Request", body=b'{"code":5,"message":"Unsupported protocol version"}'
            )
        return None

    def _login_of(self, target: str) -> Login | None:
        name = self._codec.rules.login_in_query
        brought = _query_of(target).get(name) if name else None
        if brought is None:
            return None
        return Login(frame=Secret(brought), token=Secret(brought), account=Account.NONE, user=None)

    def _refuse_upgrade(self, refusal: Refusal, now: float) -> None:
        headers = (*self._desk.upgrade_headers(now), *refusal.headers)
        self._put(self._socket.refuse(refusal.status, refusal.reason, headers, refusal.body))
        self._begin_closing(now, None, None)

    # -- hearing -----------------------------------------------------------------------------------------------------

    def _on_message(self, message: Message, now: float) -> None:
        idle = self._codec.rules.idle_rule
        if idle is not None and idle.beat is None:
            self._heard_beat_at = now
        for intent in self._codec.decode_intent(message):
            if isinstance(intent, UnknownIntent):
                self._surprise(intent.problem, intent.preview, now)
                continue
            self._events.append(Heard(at=now, intent=intent))
            if self._misbehaviour.hears(intent, now):
                self._on_intent(intent, now)
            if self._phase in (Phase.CLOSING, Phase.ENDED):
                return

    def _on_intent(self, intent: Intent, now: float) -> None:
        if self._phase in (Phase.JOINING, Phase.AUTHENTICATING) and STEP_OF[type(intent)] is Step.ASK:
            self._early(intent, now)
            return
        if self._step(intent, now) is None:
            return
        match intent:
            case Join():
                self._say(Joined(sid=self._new_sid()), now)
            case Login():
                self._say_all(self._desk.admit(intent, now), now)
                self._plan_desk()
            case Beat():
                self._heard_beat(intent, now)
            case AnswerBeat():
                self._timers.cancel(PONG)
            case Leave():
                self._begin_closing(now, None, 1000)
            case _:
                self._say_all(self._desk.handle(intent, now), now)
                self._plan_desk()

    def _early(self, intent: Intent, now: float) -> None:
        """An event before the login. What the real server does is rarely known; all three are plausible."""
        policy = self._misbehaviour.pre_auth_events or (
            "serve" if self._codec.rules.serves_early else "ignore"
        )
        if policy == "serve":
            self._say_all(self._desk.handle(intent, now), now)
            self._plan_desk()
        elif policy == "close":
            self._begin_closing(now, None, 1000)
        else:
            self._surprise(f"{type(intent).__name__} before the login, ignored", repr(intent), now)

    def _heard_beat(self, beat: Beat, now: float) -> None:
        idle = self._codec.rules.idle_rule
        if idle is not None and beat.name == idle.beat:
            self._heard_beat_at = now
        rules = self._codec.rules
        rule = next((rule for rule in rules.beats if rule.name == beat.name), None)
        # One that no rule names is the transport's, which answers clients unless it is the one that asks.
        if not rules.peer_beats if rule is None else rule.answered_within is not None:
            self._say(BeatAnswered(payload=beat.payload), now)

    # -- saying ------------------------------------------------------------------------------------------------------

    def _greet(self, now: float) -> None:
        rules = self._codec.rules
        self._say(
            Welcome(
                sid=self._new_sid(),
                ping_interval=rules.ping_interval,
                ping_timeout=rules.ping_timeout,
                max_payload=rules.max_payload,
            ),
            now,
        )
        self._keep_beating(now)

    def _keep_beating(self, now: float) -> None:
        rules = self._codec.rules
        if rules.peer_beats:
            self._timers.set(PING, now + rules.ping_interval)
        if rules.idle_rule is not None:
            self._heard_beat_at = now
            self._plan_sweep(rules.idle_rule, now)

    def _say_all(self, meanings: Sequence[Meaning], now: float) -> None:
        for meaning in meanings:
            self._say(meaning, now)

    def _say(self, meaning: Meaning, now: float) -> None:
        if self._phase in (Phase.CLOSING, Phase.ENDED):
            return
        for delay, said in self._misbehaviour.says(meaning, now):
            if delay > 0:
                heapq.heappush(self._later, (now + delay, next(self._order), said))
                self._timers.set(LATER, self._later[0][0])
            else:
                self._utter(said, now)

    def _utter(self, meaning: Meaning, now: float) -> None:
        if self._phase in (Phase.CLOSING, Phase.ENDED):
            return
        messages = self._misbehaviour.writes(meaning, self._codec.encode_meaning(meaning), now)
        move = TABLE.get((self._phase, STEP_OF[type(meaning)]))
        self._send(messages, now)
        if move is Move.NEXT:
            self._next_phase(now)
        elif isinstance(meaning, Refused | JoinRefused | Goodbye) and not self._misbehaviour.stays_after(
            meaning
        ):
            self._begin_closing(now, None, None)

    def _new_sid(self) -> str:
        return "".join(self._rng.choices(SID_ALPHABET, k=20))

    # -- timers ------------------------------------------------------------------------------------------------------

    def _plan_desk(self) -> None:
        due = self._desk.next_due()
        if due is None:
            self._timers.cancel(DESK)
        elif not self._ended and self._phase is not Phase.CLOSING:
            self._timers.set(DESK, due)

    def _plan_mischief(self) -> None:
        if self._phase in (Phase.CONNECTING, Phase.CLOSING, Phase.ENDED):
            return
        due = self._misbehaviour.next_due()
        if due is None:
            self._timers.cancel(MISCHIEF)
        else:
            self._timers.set(MISCHIEF, due)

    def _on_timer(self, name: str, due_at: float, now: float) -> None:
        rules = self._codec.rules
        match name:
            case "desk":
                self._say_all(self._desk.due(now), now)
                self._plan_desk()
            case "ping":
                self._timers.set(PING, now + rules.ping_interval)
                sent_before = self._messages_out
                self._say(BeatAsked(), now)
                if self._messages_out > sent_before and PONG not in self._timers:
                    self._timers.set(PONG, now + rules.ping_timeout)
            case "pong":
                self._begin_closing(now, self._failed("eio.ping-timeout", "the client did not answer"), None)
            case "idle":
                self._sweep(now)
            case "later":
                while self._later and self._later[0][0] <= now:
                    self._utter(heapq.heappop(self._later)[2], now)
                if self._later and not self._ended and self._phase is not Phase.CLOSING:
                    self._timers.set(LATER, self._later[0][0])
            case "upgrade" if self._request is not None:
                self._answer_upgrade(self._request, now)
            case _:
                for act in self._misbehaviour.acts(now):
                    self._act(act, now)
                self._plan_mischief()

    def _sweep(self, now: float) -> None:
        rule = self._codec.rules.idle_rule
        if rule is None:
            return
        if now - self._heard_beat_at > rule.silence:
            self._begin_closing(now, None, 1000)
        else:
            self._plan_sweep(rule, now)

    def _plan_sweep(self, rule: IdleRule, now: float) -> None:
        exactly = self._heard_beat_at + rule.silence + 0.001  # silence of just that length is allowed
        self._timers.set(IDLE, exactly if rule.sweep is None else now + rule.sweep)

    def _act(self, act: Act, now: float) -> None:
        if self._phase in (Phase.CLOSING, Phase.ENDED):
            return
        match act:
            case CloseWith(code=code, reason=reason):
                self.close(now, code, reason)
            case Drop(abort=abort):
                self._timers.clear()
                self._finish(now, (Signal.ABORT if abort else Signal.CLOSE,))
            case Say(meaning=meaning):
                self._say(meaning, now)
            case Send(messages=messages):
                self._send(messages, now)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _on_control(self, happened: SocketEvent, now: float) -> None:
        if not isinstance(happened, Ping | CloseReceived) or self._misbehaviour.obeys(happened, now):
            super()._on_control(happened, now)

    def close(self, now: float, code: int | None, reason: str = "") -> None:
        """The broker ends the session."""
        self._begin_closing(now, None, code, reason)

    def _on_close(self, close: CloseReceived, now: float) -> None:
        super()._on_close(close, now)
        if not self._ended:  # both close frames are out: the server is the one to end the stream
            self._finish(now, (Signal.CLOSE,))

    def _peer_closed(self, close: CloseReceived) -> Failure | None:
        code = close.code or 1005
        if code in (1000, 1001, 1005):
            return None
        return self._failed(KIND_OF_CLOSE_CODE.get(code, "session.closed-other"), f"close code {code}")

    def _end_of_stream(self) -> Failure | None:
        return self._failed("session.closed-1006")

    def _before_end(self, now: float) -> None:
        self._later.clear()
        self._desk.leave(now)


def _query_of(target: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}
