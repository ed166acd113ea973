"""What is known about one connection, folded from its events. Rules read this and nothing else."""

from dataclasses import dataclass, field

from probe.measure.clocks import ClockOffset, clock_offset
from probe.model.events import (
    POLL,
    WEBSOCKET,
    Dialled,
    Ended,
    Event,
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
    Surprise,
    TcpFacts,
    Told,
    Upgraded,
)
from probe.model.intents import Watch
from probe.model.meanings import (
    Admitted,
    Assets,
    Balance,
    Joined,
    Meaning,
    Purses,
    Trouble,
    Troubles,
    Welcome,
)

_HEARD = Told | RequestAnswered | QuoteArrived | HeartbeatAnswered | PeerBeat | Surprise


@dataclass(slots=True, kw_only=True)
class Facts:
    phases: list[PhaseFinished] = field(default_factory=list)
    dialled: Dialled | None = None
    upgraded: Upgraded | None = None
    greeting: Welcome | None = None
    joined: Joined | None = None
    peer_beats: int = 0  # heartbeats of the server's own
    admitted: Admitted | None = None
    balance: Balance | None = None
    purses: Purses | None = None
    assets: Assets | None = None
    first_data: FirstData | None = None
    quotes: list[QuoteArrived] = field(default_factory=list)
    heartbeats_sent: list[HeartbeatSent] = field(default_factory=list)
    heartbeats: list[HeartbeatAnswered] = field(default_factory=list)
    missed: list[HeartbeatMissed] = field(default_factory=list)
    answered: list[RequestAnswered] = field(default_factory=list)
    expired: list[RequestExpired] = field(default_factory=list)
    surprises: list[Surprise] = field(default_factory=list)
    troubles: dict[str, tuple[Trouble, ...]] = field(default_factory=dict)  # by what showed them
    passed: dict[str, Trouble] = field(default_factory=dict)  # by slug, those that are over
    ended: Ended | None = None
    kernel: TcpFacts | None = None
    heard_at: float | None = None  # anything after the greeting

    def add(self, event: Event) -> None:
        if isinstance(event, _HEARD):
            self.heard_at = event.at
        match event:
            case PhaseFinished():
                self.phases.append(event)
            case Dialled():
                self.dialled = event
            case Upgraded():
                self.upgraded = event
            case Told(meaning=meaning):
                self._note(meaning)
            case RequestAnswered():
                self.answered.append(event)
                self._note(event.answer)
            case QuoteArrived():
                self.quotes.append(event)
            case FirstData():
                self.first_data = self.first_data or event
            case HeartbeatSent():
                self.heartbeats_sent.append(event)
            case HeartbeatAnswered():
                self.heartbeats.append(event)
            case HeartbeatMissed():
                self.missed.append(event)
            case RequestExpired():
                self.expired.append(event)
            case PeerBeat():
                self.peer_beats += 1
            case Surprise():
                self.surprises.append(event)
            case Ended():
                self.ended = event
            case _:
                pass

    def _note(self, meaning: Meaning) -> None:
        match meaning:
            case Welcome():
                self.greeting = meaning
            case Joined():
                self.joined = meaning
            case Admitted():
                self.admitted = meaning
            case Balance():
                self.balance = meaning
            case Purses():
                self.purses = meaning
            case Assets():
                self.assets = meaning
            case Troubles():
                before = self.troubles.get(meaning.about, ())
                self.passed |= {each.code: each for each in before}
                self.troubles[meaning.about] = meaning.rows
            case _:
                pass

    @property
    def went_live(self) -> bool:
        return (
            any(finished.phase is Phase.AUTHENTICATING for finished in self.phases)
            and self.admitted is not None
        )

    @property
    def live_at(self) -> float | None:
        return next((done.at for done in self.phases if done.phase is Phase.AUTHENTICATING), None)

    @property
    def seconds_live(self) -> float:
        """How long the session was looked at after its login."""
        return 0.0 if self.live_at is None or self.ended is None else self.ended.at - self.live_at

    @property
    def websocket_round_trip(self) -> float | None:
        return self._round_trip(WEBSOCKET)

    @property
    def poll_round_trip(self) -> float | None:
        return self._round_trip(POLL)

    def _round_trip(self, name: str) -> float | None:
        return min((beat.rtt_seconds for beat in self.heartbeats if beat.name == name), default=None)

    @property
    def unanswered_ping(self) -> HeartbeatSent | None:
        """The last WebSocket ping, if no answer to it came."""
        sent = next((beat for beat in reversed(self.heartbeats_sent) if beat.name == WEBSOCKET), None)
        answered = any(
            beat.name == WEBSOCKET and sent and beat.sent_at == sent.at for beat in self.heartbeats
        )
        return None if answered else sent

    @property
    def seconds_without_pong(self) -> float:
        """How long the last WebSocket ping had been waiting for its answer when the look ended; 0: it was answered."""
        sent = self.unanswered_ping
        return 0.0 if sent is None or self.ended is None else self.ended.at - sent.at

    @property
    def fell_silent(self) -> bool:
        """Nothing at all came after that ping."""
        sent = self.unanswered_ping
        return sent is not None and self.heard_at is not None and self.heard_at < sent.at

    @property
    def application_round_trip(self) -> float | None:
        """Of requests that the server answers by id; a subscription's burst is not one."""
        return min((a.rtt_seconds for a in self.answered if not isinstance(a.intent, Watch)), default=None)

    def is_open(self, symbol: str) -> bool | None:
        """Whether the broker says this symbol can be traded now; None: it did not say."""
        rows = self.assets.rows if self.assets else ()
        return next((asset.is_open for asset in rows if asset.symbol == symbol), None)

    def clock(self, utc_at_zero: float) -> ClockOffset | None:
        """`utc_at_zero`: UTC when the monotonic clock stood at 0."""
        differences = [quote.broker_time - (utc_at_zero + quote.at) for quote in self.quotes]
        return clock_offset(differences, self.websocket_round_trip or 0.0)
