"""When each round is asked next: on time, after those before it in its lane, and not while the other end wants a pause."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probe.model.errors import ConfigError
from probe.model.events import (
    POLL,
    Event,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    RequestAnswered,
    RequestExpired,
    RequestSent,
)
from probe.model.intents import Intent, Watch
from probe.model.meanings import Figures, Meaning, Troubles
from probe.session.rounds import Round
from probe.wire.drivable import Timers

FIRST_SPREAD = 0.25  # seconds between the first rounds: not all at once
AGAIN_WITHIN = 60.0  # what a rare question showed holds until it is asked again: not too long
SOON = 8.0  # after the login: what is asked first so late belongs to a long look


@dataclass(slots=True, kw_only=True)
class Turn:
    """A round that is asked now, or waits for those before it: a heartbeat or a request, to whoever hears of it."""

    round: Round
    due_at: float
    request: int  # its number; 0: a heartbeat has none
    is_awaited: bool = False  # somebody was given that number, and has to hear of it
    is_out: bool = False  # it has begun
    sent_at: float | None = None  # its first question; None: the other end was not asked anything yet
    seconds: float = 0.0  # that answers took where they came in: what waits in our own queues is not theirs

    def sent(self, now: float) -> Event:
        self.sent_at = now
        if self.round.is_beat:
            return HeartbeatSent(at=now, name=POLL, due_at=self.due_at)
        return RequestSent(at=now, request=self.request, intent=self.round.counts_as)

    def answered(self, said: Sequence[Meaning], now: float) -> Event:
        sent_at = now - self.seconds if self.seconds else self._sent_at(now)
        if self.round.is_beat:
            return HeartbeatAnswered(at=now, name=POLL, due_at=self.due_at, sent_at=sent_at)
        answers = [each for each in said if not isinstance(each, Figures)] or [
            Troubles(about=self.round.name)
        ]
        answer = next((each for each in answers if not isinstance(each, Troubles)), answers[0])
        intent = self.round.counts_as
        return RequestAnswered(at=now, request=self.request, intent=intent, answer=answer, sent_at=sent_at)

    def expired(self, now: float) -> Event:
        sent_at = self._sent_at(now)
        if self.round.is_beat:
            return HeartbeatMissed(at=now, name=POLL, sent_at=sent_at)
        intent = self.round.counts_as
        return RequestExpired(at=now, request=self.request, intent=intent, sent_at=sent_at)

    def _sent_at(self, now: float) -> float:
        return now if self.sent_at is None else self.sent_at


class Schedule:
    """Of each lane the first turn is out."""

    def __init__(self, rounds: Iterable[Round] = (), now: float = 0.0) -> None:
        self.rounds = {each.name: each for each in rounds}
        self._lanes: dict[str, deque[Turn]] = {}
        self._never_asked = {each.name for each in self.rounds.values() if each.first_after < SOON}
        self._timers = Timers()
        self._requests = 0
        self._paused_until = 0.0
        self._set_all(now)

    def _set_all(self, start: float) -> None:
        for place, each in enumerate(self.rounds.values()):
            self._timers.set(each.name, start + (each.first_after or place * FIRST_SPREAD))

    def find(self, intent: Intent) -> Round:
        """
        Raises:
            ConfigError: this broker is not asked that.
        """
        for each in self.rounds.values():
            if each.intent == intent:
                return each
        asked = dict.fromkeys(_named(each.intent) for each in self.rounds.values() if each.intent)
        raise ConfigError(
            f"a session that is polled has no {_named(intent)}",
            next_step=f"What it may be asked besides what it asks by itself: {', '.join(asked) or 'nothing'}.",
        )

    @property
    def has_asked_all(self) -> bool:
        return not self._never_asked

    def next(self) -> float | None:
        return self._timers.next()

    def pop_due(self, now: float) -> Turn | None:
        due = self._timers.pop_due(now)
        if due is None:
            return None
        name, due_at = due
        each = self.rounds[name]
        missed = int((now - due_at) / each.every)  # this machine slept
        self._timers.set(name, due_at + (missed + 1) * each.every)
        return self.take(each, due_at + missed * each.every)

    def take(self, each: Round, due_at: float) -> Turn:
        """Its turn, to be begun if it is the first. One that waits already is not asked twice."""
        lane = self._lanes.setdefault(each.lane, deque())
        for turn in lane:
            if turn.round is each:
                return turn
        self._requests += not each.is_beat
        lane.append(Turn(round=each, due_at=due_at, request=0 if each.is_beat else self._requests))
        return lane[-1]

    def is_next(self, turn: Turn) -> bool:
        return not turn.is_out and self._lanes[turn.round.lane][0] is turn

    def done(self, turn: Turn) -> None:
        self._never_asked.discard(turn.round.name)
        self._lanes[turn.round.lane].remove(turn)

    def following(self, turn: Turn, now: float) -> Turn | None:
        """Which one is to be begun behind it. That it had to wait was no lateness of ours."""
        lane = self._lanes[turn.round.lane]
        if not lane:
            return None
        lane[0].due_at = now
        return lane[0]

    def ask_again_soon(self, each: Round, now: float) -> None:
        if each.every > AGAIN_WITHIN:
            self._timers.set(each.name, max(now + AGAIN_WITHIN, self._paused_until))

    def awaited(self) -> list[Turn]:
        return [turn for lane in self._lanes.values() for turn in lane if turn.is_awaited]

    def pause(self, seconds: float, now: float) -> list[Turn]:
        """Nothing more is asked for so long. Returns the turns that are awaited and will not come."""
        self._paused_until = now + seconds
        self._set_all(self._paused_until)
        gone = [turn for turn in self.awaited() if not turn.is_out]
        for name, lane in self._lanes.items():
            self._lanes[name] = deque(turn for turn in lane if turn.is_out)
        return gone


def _named(intent: Intent) -> str:
    name = type(intent).__name__
    return f"{name} of {intent.symbol}" if isinstance(intent, Watch) else name
