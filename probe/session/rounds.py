"""Questions that are asked again and again, and the lanes in which they wait for each other."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probe.model.failures import Failure
from probe.model.intents import Intent, Murmur
from probe.model.meanings import Meaning
from probe.wire.calls import Asking

Said = Sequence[Meaning] | Failure  # what a question brought, or why it brought nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why a question brought nothing, and what its survey makes of that."""

    failure: Failure
    said: Sequence[Meaning]
    stands: bool = False  # other answers come, so the way is not in doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One kind of question, asked again and again."""

    name: str
    every: float
    ask: Callable[[float], Asking[Said | Explained]]  # is told the time
    intent: Intent | None = None  # what it counts as; None: something only this broker has
    is_beat: bool = False  # the lightest question: its round trip is the way's
    lane: str = "main"  # rounds of one lane wait for each other
    first_after: float = 0.0  # seconds after the login

    @property
    def counts_as(self) -> Intent:
        return self.intent or Murmur(name=self.name)


@dataclass(slots=True, kw_only=True)
class Turn:
    """A round that is asked now, or waits for those before it."""

    round: Round
    due_at: float
    request: int  # its number; 0: a heartbeat has none
    is_awaited: bool = False  # somebody was given that number, and has to hear of it
    is_out: bool = False  # it has begun


class Lanes:
    """Of each lane the first turn is out."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Turn]] = {}
        self._requests = 0

    def take(self, each: Round, due_at: float) -> Turn:
        """Its turn, to be begun if it is the first. One that waits already is not asked twice."""
        lane = self._lanes.setdefault(each.lane, deque())
        for turn in lane:
            if turn.round is each:
                return turn
        if not each.is_beat:
            self._requests += 1
        lane.append(Turn(round=each, due_at=due_at, request=0 if each.is_beat else self._requests))
        return lane[-1]

    def is_first(self, turn: Turn) -> bool:
        return self._lanes[turn.round.lane][0] is turn

    def done(self, turn: Turn) -> None:
        self._lanes[turn.round.lane].remove(turn)

    def following(self, turn: Turn, now: float) -> Turn | None:
        """Which one is to be begun behind it. That it had to wait was no lateness of ours."""
        lane = self._lanes[turn.round.lane]
        if not lane:
            return None
        lane[0].due_at = now
        return lane[0]

    def awaited(self) -> list[Turn]:
        return [turn for lane in self._lanes.values() for turn in lane if turn.is_awaited]

    def thin(self) -> list[Turn]:
        """Takes those away that are not out. Returns those of them that are awaited."""
        gone = [turn for turn in self.awaited() if not turn.is_out]
        for name, lane in self._lanes.items():
            self._lanes[name] = deque(turn for turn in lane if turn.is_out)
        return gone
