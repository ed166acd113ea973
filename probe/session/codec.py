"""What a broker's folder must provide: four translations and a page of rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from probe.model.errors import LocalProtocolError
from probe.model.events import Phase
from probe.model.intents import Intent
from probe.model.meanings import Meaning, Welcome
from probe.session.phases import DEADLINES

Message = str | bytes  # one WebSocket message, text or binary


class Role(Enum):
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatRule:
    """A keep-alive the client sends."""

    name: str
    interval: float
    heeds_greeting: bool = False  # more often if the server's greeting asks for it
    answered_within: float | None = None  # None: the broker has no answer to it


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRule:
    """The broker closes sessions that did not send `beat` for `silence` seconds; it looks every `sweep` seconds."""

    beat: str | None  # None: anything that is heard counts
    silence: float
    sweep: float | None = None  # None: to the instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectRules:
    path: str  # what the request's path must begin with
    query: Mapping[str, str]  # what its query must say; order and further keys are free
    phases: tuple[Phase, ...]  # after the upgrade, LIVE last
    speaks_first: Mapping[Phase, Role]
    beats: tuple[BeatRule, ...]
    peer_beats: bool  # the server sends heartbeats by the terms of its greeting
    ping_interval: float = 25.0  # what a served session greets with
    ping_timeout: float = 20.0
    max_payload: int | None = None
    idle_rule: IdleRule | None = None
    deadlines: Mapping[Phase, float] = field(default_factory=lambda: DEADLINES)
    request_deadlines: Mapping[type, float] = field(default_factory=dict)
    serves_early: bool = False  # requests that come before the login is accepted
    data_every: float = (
        0.0  # seconds between two prices of a symbol at the least: so often they are asked for
    )
    reopens: bool = (
        True  # opening anew may bring prices that stay away; False: it asks the same again, and forgets
    )
    asks_history: bool = True  # a held session asks for it now and then, to see that it is answered
    needs_login: bool = True  # False: who comes this far is in
    login_in_query: str | None = (
        None  # the name under which a credential travels in the request's query; None: it never does
    )
    greets: bool = True  # the server's heartbeats, if it has any, follow a greeting; False: the upgrade

    def nearest(self, goal: Phase) -> Phase:
        """That phase, or the last one before it that this dialect has."""
        order = list(Phase)
        return [each for each in (Phase.UPGRADING, *self.phases) if order.index(each) <= order.index(goal)][
            -1
        ]

    def after(self, phase: Phase) -> Phase:
        return self.phases[0 if phase is Phase.UPGRADING else self.phases.index(phase) + 1]

    @property
    def terms(self) -> Welcome:
        """What a server that does not greet is known to do."""
        return Welcome(sid="", ping_interval=self.ping_interval, ping_timeout=self.ping_timeout)


class Codec(Protocol):
    """One per connection: attachments need memory."""

    @property
    def rules(self) -> DialectRules: ...

    def encode_intent(self, intent: Intent) -> list[Message]: ...

    def decode_meaning(self, message: Message) -> list[Meaning]: ...

    def decode_intent(self, message: Message) -> list[Intent]: ...

    def encode_meaning(self, meaning: Meaning) -> list[Message]: ...


def no_codec() -> Codec:
    """Of a broker without a socket."""
    raise LocalProtocolError("this broker has no socket: it is polled")
