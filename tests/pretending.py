"""A client and a scripted broker joined in memory, for tests in pretend time."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from probe.brokers import find_broker
from probe.model.credentials import Credentials, redactor_for
from probe.model.endpoint import Account, read_url
from probe.model.events import Ended, Event, Phase
from probe.model.intents import (
    AskAssets,
    AskBalance,
    AskHistory,
    AskOrders,
    CancelPending,
    Intent,
    Login,
    PlaceOrder,
    PlacePending,
    Unwatch,
    Watch,
)
from probe.model.meanings import (
    Admitted,
    Asset,
    Assets,
    Balance,
    Candle,
    History,
    Meaning,
    Order,
    OrderList,
    OrderOpened,
    OrderRejected,
    PendingCancelled,
    PendingOrder,
    PendingPlaced,
    Quote,
    Quotes,
    Refused,
)
from probe.session.behaviour import Desk, Misbehaviour
from probe.session.broker import Broker
from probe.session.client import ClientSession, Plan
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession

E = TypeVar("E")


@dataclass(frozen=True, eq=False)
class Known:
    """A broker, and the credential of a demo account whose secret a test may look for."""

    broker: Broker
    ssid: str
    token: str

    @property
    def path(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.broker.rules.query.items())
        return f"{self.broker.rules.path}?{query}"


TOKEN = "planted0secret0token000001"
SSID = f'42["auth",{{"session":"{TOKEN}","isDemo":1,"uid":12345,"platform":2,"isFastHistory":true}}]'
POCKETOPTION = Known(find_broker("pocketoption"), SSID, TOKEN)
QUOTEX_TOKEN = "planted0secret0token00000000000000000002"
QUOTEX = Known(
    find_broker("quotex"),
    f'42["authorization",{{"session":"{QUOTEX_TOKEN}","isDemo":1,"tournamentId":0}}]',
    QUOTEX_TOKEN,
)
KNOWN = (POCKETOPTION, QUOTEX)
BROKER = POCKETOPTION.broker
ADDRESS = read_url("wss://sim.test/")
OWN = ""  # the credential that is known
ASSETS = Assets(
    rows=(
        Asset(id=5, symbol="#AAPL", label="Apple", kind="stock", digits=2, payout_percent=50, is_otc=False, is_open=False),
        Asset(id=66, symbol="EURUSD_otc", label="EUR/USD OTC", kind="currency", digits=5, payout_percent=82, is_otc=True, is_open=True),
    )
)  # fmt: skip


class ScriptedDesk:
    """A broker's counter that says yes: two ticks a second for each watched symbol, an answer to every request."""

    def __init__(
        self,
        *,
        balance: Balance | None = None,
        refuses: bool = False,
        silent: bool = False,
        every: float = 0.5,
        zone: float = 7200,
    ) -> None:
        self.zone = zone
        self.balance = balance or Balance(amount=50000.0, is_demo=True)
        self.refuses = refuses
        self.silent = silent  # to requests
        self.every = every  # seconds between ticks
        self.heard: list[Intent] = []
        self._ticks: dict[str, float] = {}
        self.left_at: float | None = None

    def upgrade_headers(self, now: float) -> Sequence[tuple[str, str]]:
        return (("Date", "Sat, 21 Nov 2026 07:00:00 GMT"),)

    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        self.heard.append(login)
        if self.refuses:
            return [Refused(reason="NotAuthorized")]
        return [Admitted(user="12345"), self.balance, ASSETS]

    def handle(self, intent: Intent, now: float) -> Sequence[Meaning]:
        self.heard.append(intent)
        if isinstance(intent, Watch):
            self._ticks[intent.symbol] = now + self.every
        if isinstance(intent, Unwatch):
            self._ticks.pop(intent.symbol, None)
        return [] if self.silent else self._answer(intent, now)

    def _answer(self, intent: Intent, now: float) -> list[Meaning]:
        match intent:
            case Watch():
                candle = Candle(float(int(now + self.zone - 60)), 1.1, 1.3, 1.0, 1.2)
                return [
                    History(
                        symbol=intent.symbol,
                        period=intent.period,
                        index=None,
                        ticks=((now + self.zone, 1.2),),
                        candles=(candle,),
                    )
                ]
            case AskBalance():
                return [self.balance]
            case AskAssets():
                return [ASSETS]
            case AskHistory():
                ticks = ((intent.until, 1.2),)
                return [History(symbol=intent.symbol, period=intent.period, index=intent.index, ticks=ticks)]
            case AskOrders():
                return [OrderList(orders=(), closed=False)]
            case PlaceOrder(amount=amount) if amount > self.balance.amount:
                return [OrderRejected(error="NotMoney", request_id=intent.request_id)]
            case PlaceOrder():
                return [OrderOpened(order=an_order(intent, now))]
            case PlacePending():
                pending = PendingOrder(
                    ticket="t-1",
                    symbol=intent.symbol,
                    direction=intent.direction,
                    amount=intent.amount,
                    duration=intent.duration,
                    open_at=intent.open_at,
                    open_price=intent.open_price,
                )
                return [PendingPlaced(order=pending)]
            case CancelPending(ticket=ticket):
                return [PendingCancelled(ticket=ticket)]
            case _:
                return []

    def next_due(self) -> float | None:
        return min(self._ticks.values(), default=None)

    def due(self, now: float) -> Sequence[Meaning]:
        told: list[Meaning] = []
        for symbol, at in self._ticks.items():
            if at <= now:
                told.append(Quotes((Quote(symbol, round(at + self.zone, 3), 1.14362),)))
                self._ticks[symbol] = at + self.every
        return told

    def leave(self, now: float) -> None:
        self.left_at = now


def an_order(intent: PlaceOrder, now: float) -> Order:
    return Order(
        id="2b565a3d-30aa-48c8-a06e-2eb63f9c04f8",
        symbol=intent.symbol,
        direction=intent.direction,
        amount=intent.amount,
        opened_at=float(int(now)),
        closes_at=float(int(now) + intent.duration),
        open_price=1.2,
        payout_percent=82,
        is_demo=True,
        request_id=intent.request_id,
    )


def client_session(
    known: Known = POCKETOPTION,
    *,
    ssid: str | None = OWN,
    account: Account = Account.DEMO,
    watch: Sequence[str] = ("EURUSD_otc",),
    goal: Phase = Phase.LIVE,
    seed: int = 1,
) -> ClientSession:
    broker = known.broker
    credentials: Credentials | None = (
        None if ssid is None else broker.read_credentials(known.ssid if ssid == OWN else ssid)
    )
    return ClientSession(
        codec=broker.codec(),
        credentials=credentials,
        plan=Plan(
            host="sim.test",
            path=known.path,
            account=account,
            watch=tuple(Watch(symbol=symbol) for symbol in watch),
            headers=broker.request_headers(credentials, ADDRESS),
            goal=goal,
        ),
        rng=random.Random(seed),
        redact=redactor_for(credentials),
    )


class Pair:
    """Both ends, their events, and the wire between them."""

    def __init__(
        self,
        known: Known = POCKETOPTION,
        *,
        client: ClientSession | None = None,
        desk: Desk | None = None,
        misbehaviour: Misbehaviour | None = None,
        latency: float = 0.0,
        seed: int = 1,
        wrap_server: Callable[[Any], Any] = lambda session: session,
    ) -> None:
        self.client = client or client_session(known, seed=seed)
        self.desk = desk or ScriptedDesk(zone=known.broker.zone_seconds)
        self.server = ServedSession(
            codec=known.broker.codec(),
            desk=self.desk,
            misbehaviour=misbehaviour or Misbehaviour(),
            rng=random.Random(seed + 1),
        )
        self.told: list[Event] = []
        self.heard: list[Event] = []
        self.wire = PretendWire(
            self.client,
            wrap_server(self.server),
            on_client=self.told.append,
            on_server=self.heard.append,
            latency=latency,
        )

    def run(self, until: float) -> "Pair":
        self.wire.run(until)
        return self

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def ended(self) -> Ended:
        (ended,) = self.of(Ended)
        return ended

    @property
    def kind(self) -> str | None:
        return self.ended.failure.kind if self.ended.failure else None
