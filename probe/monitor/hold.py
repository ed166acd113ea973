"""A session that stays: it asks now and then, and knows when it has proved good. And what opens it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from probe.drivers.exchange import CallSettings
from probe.model.credentials import Credentials, WebSession
from probe.model.endpoint import Endpoint
from probe.model.events import (
    PINGS,
    Event,
    FirstData,
    HeartbeatAnswered,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    TcpFacts,
    Told,
)
from probe.model.failures import Failure
from probe.model.intents import AskHistory
from probe.model.meanings import Assets, Meaning
from probe.monitor.endpoints import Dialler, Trial, Visit
from probe.monitor.sign_in import SignIn
from probe.session.client import ClientSession

FIRST_ASKED_AFTER = 1.0  # its round trip shall not be that of the login's burst
ASKED_EVERY = 60.0
HISTORY_SECONDS = 300
GOOD_AFTER = 60.0  # of a proven session's life: one that dies sooner counts as another failure


class Listener(Protocol):
    def event(self, event: Event) -> None: ...

    def kernel(self, at: float, facts: TcpFacts) -> None: ...


class Hold(Visit):
    """
    Args:
        on_live: Told once, when the login is accepted.
        on_proof: Told once, when prices came (or the market is closed) and a request was answered.
    """

    def __init__(
        self,
        dialler: Dialler,
        trial: Trial,
        credentials: Credentials | None,
        symbols: Sequence[str],
        listener: Listener,
        *,
        on_live: Callable[["Hold"], None],
        on_proof: Callable[[], None],
    ) -> None:
        super().__init__(dialler, trial, goal=Phase.LIVE, credentials=credentials, watch=symbols)
        self._symbols, self._listener = symbols, listener
        self._on_live, self._on_proof = on_live, on_proof
        self._live_at: float | None = None
        self._has_data = not symbols
        self._asks = isinstance(self.session, ClientSession) and dialler.broker.rules.asks_history
        self._has_answer = not self._asks
        self._proven = False
        self._heard_at = 0.0

    @property
    def is_open(self) -> bool:
        return self.session.phase not in (Phase.CLOSING, Phase.ENDED)

    @property
    def was_live(self) -> bool:
        return self._live_at is not None

    @property
    def is_good(self) -> bool:
        """It proved so, and lived."""
        return self._proven and self._live_at is not None and self._heard_at - self._live_at >= GOOD_AFTER

    def kernel(self) -> TcpFacts | None:
        return None if self.connection is None else self.connection.tcp_facts()

    def _note(self, event: Event) -> None:
        self._listener.event(event)
        if type(event) is QuoteArrived:
            return
        self._heard_at = event.at
        self.trial.note(event)
        match event:
            case PhaseFinished() if self._live_at is None and self.session.phase is Phase.LIVE:
                self._live_at = event.at
                if self._asks:
                    self._set_timer("ask", FIRST_ASKED_AFTER, self._ask)
                self._on_live(self)
            case HeartbeatAnswered(name=name) if name in PINGS:
                if (facts := self.kernel()) is not None:
                    self._listener.kernel(event.at, facts)
            case FirstData():
                self._has_data = True
                self._look()
            case RequestAnswered(intent=intent, answer=answer):
                self._has_answer |= isinstance(intent, AskHistory)
                self._hear(answer)
                self._look()
            case Told(meaning=meaning):
                self._hear(meaning)
            case _:
                pass

    def _hear(self, meaning: Meaning) -> None:
        if isinstance(meaning, Assets):
            closed = {each.symbol for each in meaning.rows if not each.is_open}
            if closed.issuperset(self._symbols):
                self._has_data = True  # there are no prices to wait for
                self._look()

    def _look(self) -> None:
        if self._has_data and self._has_answer and not self._proven:
            self._proven = True
            self._on_proof()

    def _ask(self) -> None:
        """As the browser does: the index is ten digits of broker time and two of its own."""
        if self.connection is None or self.session.phase is not Phase.LIVE:
            return
        self._set_timer("ask", ASKED_EVERY, self._ask)
        broker = self._dialler.broker
        until = int(self._dialler.utc() + broker.zone_seconds)
        question = AskHistory(
            symbol=self._symbols[0] if self._symbols else broker.default_symbol,
            period=60,
            until=float(until),
            span=HISTORY_SECONDS,
            index=until * 100 + 17,
        )
        self.connection.act(lambda session, now: session.ask(question, now))


class WayIn:
    """What opens a target's sessions: a credential, or what signing in wins, which is used until it is refused."""

    def __init__(self, key: Credentials | SignIn | None) -> None:
        self._key = key
        self._won: WebSession | None = None
        self._is_new = False  # signing in has just won it
        self._may_renew = True  # once, until a session proves good again

    async def credentials(
        self, endpoint: Endpoint, settings: CallSettings, tell: Callable[[Event], None]
    ) -> Credentials | Failure | None:
        """
        Raises:
            ConfigError: sessions cannot be kept where they should be.
        """
        key = self._key
        if not isinstance(key, SignIn):
            return key
        if self._won is None or self._won.origin != key.web.origin(endpoint):
            entered = await key.enter(endpoint, settings)
            tell(entered.event)
            if isinstance(entered.outcome, Failure):
                return entered.outcome
            self._won, self._is_new = entered.outcome, bool(entered.calls)
        return key.web.credentials(self._won, key.login.account)

    async def renew(self, failure: Failure | None) -> bool:
        """A refused token is never used again. Whether another one may be tried."""
        refused = self._won
        if not isinstance(self._key, SignIn) or refused is None:
            return False
        if failure is None or failure.kind != "auth.refused":
            return False
        self._won = None
        await self._key.reject(refused)
        may_renew, self._may_renew = self._may_renew and not self._is_new, False
        return may_renew

    def proved(self) -> None:
        self._is_new, self._may_renew = False, True
