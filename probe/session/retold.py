"""A session that is over, heard again message by message, as somebody wrote it down: nothing is said, and no clock runs."""

import random
from collections.abc import Iterable

from probe.model.credentials import Redactor
from probe.model.endpoint import Account
from probe.model.errors import ProbeError
from probe.model.events import Ended, Phase, Told, Upgraded
from probe.model.failures import Failure, Speaker
from probe.model.intents import Intent
from probe.model.meanings import Admitted
from probe.session.broker import Broker
from probe.session.client import ClientSession, Plan
from probe.session.codec import Message
from probe.session.phases import MOVES


class RetoldSession(ClientSession):
    __slots__ = ("_broker", "_went_in")

    def __init__(self, broker: Broker, *, goes_in: bool) -> None:
        """
        Args:
            goes_in: A credential went with it.
        """
        super().__init__(
            codec=broker.codec(),
            credentials=None,
            plan=Plan(host="", path="/", account=Account.NONE, keep_messages=0),
            rng=random.Random(0),
            redact=Redactor(()),
        )
        self._broker, self._went_in = broker, goes_in

    def open(self, now: float, under_way: Phase | None = None) -> None:
        """
        Args:
            under_way: In which phase it was when the first message came; None: it had just begun.
        """
        self.begin(now)
        self._events.append(Upgraded(at=now, status=101, headers=()))
        if under_way is not None:
            self._phase, self._moves = Phase.AUTHENTICATING, MOVES[Phase.AUTHENTICATING]
            if under_way is Phase.LIVE:
                self._events.append(Told(at=now, meaning=Admitted()))
                self._enter(Phase.LIVE, now)
            return
        if not self._codec.rules.greets:
            self._take_terms(self._codec.rules.terms, now)
        self._advance(now)

    def hear(self, message: Message | None, now: float) -> None:
        """None: it is not known, and nothing that hangs together with it can be understood."""
        if message is None:
            self._codec = self._broker.codec()
        elif not self.is_over:
            self._spoke_last = Speaker.REMOTE
            self._messages_in += 1
            self._on_message(message, now)

    def say(self, intent: Intent, now: float) -> None:
        """As the client of then did."""
        if not self.is_over:
            try:
                self.ask(intent, now)
            except ProbeError:  # a session's own business, before its time, or an order
                return

    def end(self, now: float, failure: Failure | None) -> Ended:
        """Where the record of it ends. `failure`: why it did, by whoever wrote it down; what was heard is better known."""
        phase = self._ending_phase if self.is_over else self._phase
        return Ended(at=now, phase=phase, failure=self._failure or failure, traffic=self.traffic)

    @property
    def is_over(self) -> bool:
        return self._phase in (Phase.CLOSING, Phase.ENDED)

    @property
    def _goes_in(self) -> bool:
        return self._went_in

    def _open_next(self, phase: Phase, now: float) -> None:
        pass

    def _send(self, messages: Iterable[Message], now: float) -> None:
        self._messages_out += 1
        self._spoke_last = Speaker.LOCAL

    def _put(self, data: bytes) -> None:
        pass
