"""What both ends of a session share: the phase clock, closing in order, heartbeat plumbing, counters and the ring of last messages.

Two rules hold everywhere: entering a closing phase clears the timer table, and closing has a deadline whose last
resort is `Signal.ABORT`.
"""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Generic, TypeVar

from probe.model.credentials import Redactor
from probe.model.events import Ended, Event, Phase, PhaseFinished, Surprise, Traffic
from probe.model.failures import CloseFacts, Failure, Layer, Speaker
from probe.session.codec import Codec, Message
from probe.session.phases import MOVES, Move
from probe.session.transcript import Line, Transcript
from probe.wire.drivable import Signal, Timers
from probe.wire.websocket import (
    Binary,
    Broken,
    BrokenKind,
    ClientSocket,
    ClientSocketEvent,
    CloseReceived,
    Ping,
    Pong,
    ServedSocket,
    ServedSocketEvent,
    Text,
)

DEADLINE = "deadline"  # of the present phase
NORMAL, GOING_AWAY, NO_CODE = 1000, 1001, 1005
KIND_OF_CLOSE_CODE = {
    NORMAL: "session.closed-normal",
    GOING_AWAY: "session.closed-normal",
    NO_CODE: "session.closed-1005",
    1008: "session.policy-1008",
}
KIND_OF_DEADLINE = {
    Phase.UPGRADING: "http.open-timeout",
    Phase.OPENING: "eio.no-open",
    Phase.JOINING: "sio.connect-silent",
    Phase.AUTHENTICATING: "auth.silent-after-connect",
}
KIND_OF_GOODBYE = {
    Phase.OPENING: "eio.bad-open",
    Phase.JOINING: "sio.connect-error",
    Phase.AUTHENTICATING: "auth.rejected-41",
    Phase.LIVE: "session.goodbye",
}
DIALLING_PHASE_OF = {
    Layer.DNS: Phase.RESOLVING,
    Layer.PROXY: Phase.TUNNELLING,
    Layer.TLS: Phase.SECURING,
}
# Where every message passes: an enum's own attribute is a function call.
LIVE, UPGRADING, CLOSING, ENDED = Phase.LIVE, Phase.UPGRADING, Phase.CLOSING, Phase.ENDED
_LOCAL, _REMOTE = Speaker.LOCAL, Speaker.REMOTE
SURPRISES_TOLD = 100  # a peer that sends nothing but nonsense must not fill our memory with complaints


Socket = TypeVar("Socket", ClientSocket, ServedSocket)
SocketEvent = ClientSocketEvent | ServedSocketEvent


class SessionCore(Generic[Socket]):
    """Base of `ClientSession` and `ServedSession`. Implements `Drivable` but for what a message means."""

    __slots__ = (
        "_began_at",
        "_bytes_in",
        "_bytes_out",
        "_close_received",
        "_close_sent",
        "_codec",
        "_ended",
        "_ending_phase",
        "_events",
        "_failure",
        "_heard_at",
        "_keeps",
        "_messages_in",
        "_messages_out",
        "_moves",
        "_outgoing",
        "_peer_closed_first",
        "_phase",
        "_rng",
        "_said_at",
        "_silent_before",
        "_socket",
        "_spoke_last",
        "_surprises",
        "_timers",
        "_transcript",
    )

    answers_beats: bool = True
    _patience = 1.0  # how much longer than the table's deadlines this end waits

    def __init__(
        self,
        *,
        codec: Codec,
        socket: Socket,
        rng: random.Random,
        redact: Redactor,
        keep_messages: int,
    ) -> None:
        self._codec = codec
        self._socket: Socket = socket
        self._rng = rng
        self._transcript = Transcript(keep=keep_messages, redact=redact)
        self._keeps = keep_messages > 0
        self._timers = Timers()
        self._outgoing: list[bytes | Signal] = []
        self._events: list[Event] = []
        self._phase = Phase.CONNECTING
        self._moves = MOVES[Phase.CONNECTING]
        self._ending_phase = Phase.CONNECTING
        self._began_at = 0.0
        self._ended = False
        self._failure: Failure | None = None
        self._close_received: CloseReceived | None = None
        self._close_sent: int | None = None
        self._peer_closed_first = False
        self._spoke_last = Speaker.NOBODY
        self._surprises = 0
        self._messages_in = self._messages_out = self._bytes_in = self._bytes_out = 0
        self._heard_at = self._said_at = 0.0  # anything at all; a message
        self._silent_before = 0.0  # seconds, before what was heard last

    # -- the driver's side -------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        if self._ended or self._phase is not Phase.CONNECTING:
            return
        self._enter(Phase.UPGRADING, now)

    def receive(self, item: bytes, now: float) -> None:
        if self._ended:
            return
        self._silent_before, self._heard_at = now - self._heard_at, now
        self._bytes_in += len(item)
        self._spoke_last = _REMOTE
        for happened in self._socket.receive(item):
            if type(happened) is Text or type(happened) is Binary:
                self._messages_in += 1
                message: Message = happened[0]
                if self._keeps:
                    self._transcript.note(now, "<", message)
                if self._phase is not CLOSING:
                    self._on_message(message, now)
            else:
                self._on_control(happened, now)
            if self._ended:
                return
        if self._phase is UPGRADING:
            self._still_upgrading(now)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        if self._ended:
            return
        if self._phase is not Phase.CLOSING:
            self._failure = failure or self._end_of_stream()
            if self._failure is not None and self._failure.spoke_last is Speaker.NOBODY:
                self._failure = replace(self._failure, spoke_last=self._spoke_last)
        if self._phase is Phase.CONNECTING:  # it never began: dialling failed
            if self._failure is not None:
                self._phase = DIALLING_PHASE_OF.get(self._failure.facts.layer, Phase.CONNECTING)
            self._finish(now, ())
        else:
            self._finish(now, (Signal.CLOSE,))

    def wake(self, now: float) -> None:
        while not self._ended and (due := self._timers.pop_due(now)) is not None:
            name, due_at = due
            if name == DEADLINE:
                self._on_deadline(now)
            else:
                self._on_timer(name, due_at, now)

    def next_wake(self) -> float | None:
        return self._timers.earliest

    def outgoing(self) -> list[bytes | Signal]:
        out = self._outgoing
        if out:
            self._outgoing = []
        return out

    def events(self) -> list[Event]:
        events = self._events
        if events:
            self._events = []
        return events

    # -- what others may look at ------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def traffic(self) -> Traffic:
        return Traffic(
            messages_sent=self._messages_out,
            messages_received=self._messages_in,
            bytes_sent=self._bytes_out,
            bytes_received=self._bytes_in,
        )

    def transcript(self) -> list[Line]:
        return self._transcript.lines()

    # -- what the two ends fill in -----------------------------------------------------------------------------------

    def _on_entered(self, phase: Phase, now: float) -> None:
        raise NotImplementedError

    def _on_message(self, message: Message, now: float) -> None:
        raise NotImplementedError

    def _on_handshake(self, happened: SocketEvent, now: float) -> None:
        raise NotImplementedError

    def _still_upgrading(self, now: float) -> None:
        """More of the handshake came, and it is not over."""

    def _on_timer(self, name: str, due_at: float, now: float) -> None:
        raise NotImplementedError

    def _on_pong(self, payload: bytes, now: float) -> None:
        """Only the end that sends pings cares."""

    def _end_of_stream(self) -> Failure | None:
        """What it means that the peer's stream ended without a close frame."""
        raise NotImplementedError

    def _peer_closed(self, close: CloseReceived) -> Failure | None:
        """What the peer's close frame means to this end."""
        raise NotImplementedError

    def _before_end(self, now: float) -> None:
        """Last words before `Ended`."""

    # -- phases ------------------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now: float) -> None:
        if phase not in (Phase.UPGRADING, Phase.CLOSING):
            self._events.append(PhaseFinished(at=now, phase=self._phase, began_at=self._began_at))
        self._phase, self._moves, self._began_at = phase, MOVES[phase], now
        deadline = self._codec.rules.deadlines.get(phase)
        if deadline is None:
            self._timers.cancel(DEADLINE)
        else:
            self._timers.set(DEADLINE, now + deadline * (1.0 if phase is Phase.CLOSING else self._patience))
        self._on_entered(phase, now)

    def _step(self, meaning: object, now: float) -> Move | None:
        """Where the table sends us; None: nowhere, and a surprise is noted."""
        move = self._moves.get(type(meaning))
        if move is None:
            self._surprise(f"{type(meaning).__name__} does not belong into this phase", repr(meaning), now)
        return move

    def _next_phase(self, now: float) -> None:
        self._enter(self._codec.rules.after(self._phase), now)

    def _surprise(self, problem: str, preview: str, now: float) -> None:
        self._surprises += 1
        if self._surprises <= SURPRISES_TOLD:
            redact = self._transcript.redact
            self._events.append(
                Surprise(
                    at=now,
                    phase=self._phase,
                    problem=redact.shorten(problem, 200),
                    preview=redact.shorten(preview, 160),
                )
            )

    # -- saying ------------------------------------------------------------------------------------------------------

    def _send(self, messages: Iterable[Message], now: float) -> None:
        self._said_at = now
        for message in messages:
            if isinstance(message, str):
                data = self._socket.send_text(message)
            else:
                data = self._socket.send_binary(message)
            if self._keeps:
                self._transcript.note(now, ">", message)
            self._messages_out += 1
            self._put(data)

    def _put(self, data: bytes) -> None:
        self._bytes_out += len(data)
        self._spoke_last = _LOCAL
        self._outgoing.append(data)

    # -- control frames and the end ------------------------------------------------------------------------------------

    def _on_control(self, happened: SocketEvent, now: float) -> None:
        match happened:
            case Ping(payload=payload):
                if self._phase is not Phase.CLOSING and self.answers_beats:
                    self._put(self._socket.send_pong(payload))
            case Pong(payload=payload):
                self._on_pong(payload, now)
            case CloseReceived():
                self._on_close(happened, now)
            case Broken():
                kind = (
                    "session.message-too-big"
                    if happened.kind is BrokenKind.TOO_BIG
                    else "session.protocol-error"
                )
                self._fail(kind, now, detail=happened.detail, close_code=happened.close_code)
            case _:
                self._on_handshake(happened, now)

    def _on_close(self, close: CloseReceived, now: float) -> None:
        self._close_received = close
        if self._phase is Phase.CLOSING:  # our own close frame, answered
            return
        self._peer_closed_first = True
        failure = self._peer_closed(close)
        self._begin_closing(now, failure, close.code if close.code != NO_CODE else None)

    def _fail(
        self,
        kind: str,
        now: float,
        *,
        detail: str = "",
        close_code: int | None = NORMAL,
        slug: str | None = None,
    ) -> None:
        self._begin_closing(now, replace(self._failed(kind, detail), slug=slug), close_code)

    def _failed(self, kind: str, detail: str = "") -> Failure:
        return Failure(kind=kind, spoke_last=self._spoke_last, detail=self._transcript.redact(detail))

    def _begin_closing(self, now: float, failure: Failure | None, code: int | None, reason: str = "") -> None:
        """Say goodbye and wait, within a deadline, for the other end to do the same."""
        if self._ended or self._phase is Phase.CLOSING:
            return
        self._ending_phase = self._phase
        self._failure = failure
        self._timers.clear()
        upgraded = self._phase not in (Phase.CONNECTING, Phase.UPGRADING)
        if not upgraded:
            self._finish(now, (Signal.CLOSE,))
            return
        self._enter(Phase.CLOSING, now)
        self._close_sent = code if code is not None else NO_CODE
        spoke = self._spoke_last
        self._put(self._socket.send_close(code, reason))
        self._spoke_last = spoke

    def _on_deadline(self, now: float) -> None:
        if self._phase is Phase.CLOSING:
            self._finish(now, (Signal.ABORT,))
        else:
            self._fail(KIND_OF_DEADLINE[self._phase], now, detail=f"waited {now - self._began_at:.1f} s")

    def _finish(self, now: float, signals: Iterable[Signal]) -> None:
        self._ended = True
        self._before_end(now)
        self._timers.clear()
        if self._phase is not Phase.CLOSING:
            self._ending_phase = self._phase
        self._phase = Phase.ENDED
        self._outgoing.extend(signals)
        failure = self._failure
        if failure is not None and (self._close_sent is not None or self._close_received is not None):
            failure = replace(failure, close=self._close_facts())
        self._events.append(
            Ended(
                at=now,
                phase=self._ending_phase,
                failure=failure,
                traffic=self.traffic,
                heard_seconds=self._silence(now) if self._bytes_in else None,
                said_seconds=now - self._said_at if self._messages_out else None,
                in_order=self._close_sent is not None and self._close_received is not None,
            )
        )

    def _silence(self, now: float) -> float:
        """Before the end. A close frame is the end itself."""
        return now - self._heard_at + (self._silent_before if self._close_received else 0.0)

    def _close_facts(self) -> CloseFacts:
        received = self._close_received
        return CloseFacts(
            received_code=received.code if received else None,
            received_reason=self._transcript.redact(received.reason) if received else "",
            sent_code=self._close_sent,
            received_first=self._peer_closed_first,
        )
