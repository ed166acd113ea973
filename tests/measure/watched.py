"""A watch without a session: a test plays the link, and reads what was told."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from probe.measure.onlooker import Onlooker
from probe.measure.records import Cause, Record, SessionState, Trigger
from probe.measure.watch import Watch
from probe.model.endpoint import Account, Endpoint
from probe.model.events import (
    WEBSOCKET,
    Ended,
    Event,
    FirstData,
    HeartbeatAnswered,
    HeartbeatSent,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    Traffic,
    Upgraded,
)
from probe.model.failures import Failure
from probe.model.intents import AskHistory
from probe.model.meanings import Balance, History

ZERO_UTC = 1_767_787_200.0  # a Wednesday's noon
SYMBOL = "EURUSD_otc"
HERE = Endpoint(broker="x", region="eu", url="wss://eu.test/ws", account=Account.DEMO, named_by_user=True)
THERE = Endpoint(broker="x", region="us", url="wss://us.test/ws", account=Account.DEMO, named_by_user=True)
ASKED = AskHistory(symbol=SYMBOL, period=60, until=0.0, span=300, index=1)
R = TypeVar("R")


class Played:
    """Time is `now`; it passes by waking as a monitor does."""

    def __init__(
        self,
        symbols: Sequence[str] = (SYMBOL,),
        *,
        is_open: Callable[[str, float], bool | None] = lambda symbol, utc: True,
        stall_reconnect: float | None = 60.0,
        data_every: float = 0.0,
        login_follows: Phase | None = Phase.JOINING,
        onlooker: Onlooker | None = None,
    ) -> None:
        self.now, self.messages, self.price = 100.0, 0, 1.0
        self.records: list[Record] = []
        self.watch = Watch(
            target="one",
            broker="x",
            account=Account.DEMO,
            symbols=symbols,
            objective=0.999,
            zone_seconds=0.0,
            login_follows=login_follows,
            is_open=is_open,
            evidence=list,
            emit=self.records.append,
            now=self.now,
            utc_at_zero=ZERO_UTC,
            stall_reconnect=stall_reconnect,
            data_every=data_every,
            onlooker=onlooker,
        )

    def hear(self, event: Event) -> None:
        self.watch.event(event)

    def tick(self, symbol: str = SYMBOL) -> None:
        self.price += 0.001
        self.messages += 1
        self.hear(QuoteArrived(self.now, symbol, ZERO_UTC + self.now, self.price))

    def wake(self) -> None:
        self.watch.wake(self.now, due_at=self.now, traffic=Traffic(messages_received=self.messages))

    def pass_time(self, seconds: float, *, ticking: Sequence[str] = ()) -> None:
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            for symbol in ticking:
                self.tick(symbol)
            self.wake()

    def login(self, endpoint: Endpoint = HERE, trigger: Trigger = Trigger.START) -> None:
        self.watch.dialling(self.now, endpoint, trigger)
        self.hear(Upgraded(at=self.now, status=101, headers=()))
        self.hear(PhaseFinished(at=self.now, phase=Phase.JOINING, began_at=self.now))
        self.hear(PhaseFinished(at=self.now, phase=Phase.AUTHENTICATING, began_at=self.now))

    def answer(self, until: float = 0.0) -> None:
        history = History(symbol=SYMBOL, period=60, ticks=(), candles=(), index=1)
        asked = AskHistory(symbol=SYMBOL, period=60, until=until, span=300, index=1)
        self.hear(
            RequestAnswered(at=self.now, request=1, intent=asked, answer=history, sent_at=self.now - 0.1)
        )

    def stream(self, seconds: float = 0.0) -> None:
        """A whole connection, to prices and an answer, and then some time with them."""
        self.login()
        self.hear(FirstData(at=self.now, asked_at=self.now))
        for symbol in self.watch.symbols:
            self.tick(symbol)
        self.answer()
        self.pass_time(seconds, ticking=self.watch.symbols)

    def beat(self, rtt: float = 0.05) -> None:
        self.hear(HeartbeatSent(at=self.now, name=WEBSOCKET, due_at=self.now))
        self.now += rtt
        self.hear(
            HeartbeatAnswered(at=self.now, name=WEBSOCKET, due_at=self.now - rtt, sent_at=self.now - rtt)
        )

    def end(self, kind: str | None) -> None:
        failure = None if kind is None else Failure(kind=kind)
        self.hear(Ended(at=self.now, phase=Phase.LIVE, failure=failure, traffic=Traffic()))

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def state(self) -> SessionState:
        return self.watch.condition.state

    @property
    def bad(self) -> dict[Cause, float]:
        return {cause: round(seconds, 3) for cause, seconds in self.watch.ledger.bad.items() if seconds}


def demo_balance(*, is_demo: bool | None = True) -> Balance:
    return Balance(amount=1000.0, is_demo=is_demo)
