"""The life of a session as one table. It knows neither the broker nor which end we are.

Each message, whoever sent it, is a *step*. `(phase, step)` says where a session goes; a pair that is not in the table
is a surprise, noted and survived. Which phases a dialect has, and who speaks first in each, is the dialect's data.
"""

from enum import Enum

from probe.model import intents, meanings
from probe.model.events import Phase


class Step(Enum):
    GREET = "greet"  # the transport's greeting
    JOIN = "join"
    JOINED = "joined"
    JOIN_REFUSED = "join refused"
    LOGIN = "login"
    ADMITTED = "admitted"
    REFUSED = "refused"
    BEAT = "beat"  # any heartbeat or answer to one
    TELL = "tell"  # the broker tells something
    ASK = "ask"  # the client asks something
    GOODBYE = "goodbye"


class Move(Enum):
    STAY = "stay"
    NEXT = "next"  # the dialect's following phase
    CLOSE = "close"


TABLE: dict[tuple[Phase, Step], Move] = {
    (Phase.OPENING, Step.GREET): Move.NEXT,
    (Phase.OPENING, Step.GOODBYE): Move.CLOSE,
    (Phase.JOINING, Step.JOIN): Move.STAY,
    (Phase.JOINING, Step.JOINED): Move.NEXT,
    (Phase.JOINING, Step.JOIN_REFUSED): Move.CLOSE,
    (Phase.JOINING, Step.BEAT): Move.STAY,
    (Phase.JOINING, Step.GOODBYE): Move.CLOSE,
    (Phase.AUTHENTICATING, Step.LOGIN): Move.STAY,
    (Phase.AUTHENTICATING, Step.ADMITTED): Move.NEXT,
    (Phase.AUTHENTICATING, Step.REFUSED): Move.CLOSE,
    (Phase.AUTHENTICATING, Step.BEAT): Move.STAY,
    (Phase.AUTHENTICATING, Step.TELL): Move.STAY,  # some servers push their catalogue before the verdict
    (Phase.AUTHENTICATING, Step.GOODBYE): Move.CLOSE,
    (Phase.LIVE, Step.BEAT): Move.STAY,
    (Phase.LIVE, Step.TELL): Move.STAY,
    (Phase.LIVE, Step.ASK): Move.STAY,
    (Phase.LIVE, Step.REFUSED): Move.CLOSE,
    (Phase.LIVE, Step.GOODBYE): Move.CLOSE,
}

DEADLINES: dict[Phase, float] = {
    Phase.UPGRADING: 10.0,
    Phase.OPENING: 10.0,
    Phase.JOINING: 10.0,
    Phase.AUTHENTICATING: 15.0,
    Phase.CLOSING: 2.0,
}

STEP_OF: dict[type, Step] = {
    meanings.Welcome: Step.GREET,
    meanings.Joined: Step.JOINED,
    meanings.JoinRefused: Step.JOIN_REFUSED,
    meanings.Admitted: Step.ADMITTED,
    meanings.Refused: Step.REFUSED,
    meanings.BeatAsked: Step.BEAT,
    meanings.BeatAnswered: Step.BEAT,
    meanings.Goodbye: Step.GOODBYE,
    intents.Join: Step.JOIN,
    intents.Login: Step.LOGIN,
    intents.Beat: Step.BEAT,
    intents.AnswerBeat: Step.BEAT,
    intents.Leave: Step.GOODBYE,
}
STEP_OF |= {kind: Step.TELL for kind in meanings.Meaning.__args__ if kind not in STEP_OF}
STEP_OF |= {kind: Step.ASK for kind in intents.Intent.__args__ if kind not in STEP_OF}

# The same table by what was heard: looking up pairs of enums would cost a call for each half.
MOVES: dict[Phase, dict[type, Move]] = {
    phase: {kind: TABLE[phase, step] for kind, step in STEP_OF.items() if (phase, step) in TABLE}
    for phase in Phase
}
