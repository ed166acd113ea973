"""Desks driven directly, in pretend time."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.intents import Intent, Login, PlaceOrder
from probe.model.meanings import Direction, Meaning, OptionKind
from probe.session.broker import Broker, SimulatedAccount
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import BROKER

M = TypeVar("M")
ZONE = BROKER.zone_seconds
OTC = "EURUSD_otc"


def utc(text: str) -> float:
    """A moment of the week of Sunday 15 November 2026, such as "Fri 22:00"."""
    day, clock = text.split()
    number = 15 + ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat").index(day)
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, number, hour, minute, tzinfo=UTC).timestamp()


NOON = utc("Tue 12:00")


def a_world(
    *, broker: Broker = BROKER, epoch: float = NOON, house: dict[str, Any] | None = None, **settings: Any
) -> World:
    """Unless told otherwise, it thinks about no login, says what is wrong, and demo accounts hold 50,000."""
    rules: dict[str, Any] = {
        "login_seconds": (0.0, 0.0),
        "silent_about": frozenset(),
        "guest_balance": 50_000.0,
    } | (house or {})
    return World(
        broker=replace(broker, house=replace(broker.house, **rules)), seed=7, epoch=epoch, **settings
    )


def account_of(world: World, kind: Account) -> SimulatedAccount:
    return next(account for account in world.accounts if account.account is kind)


def login_of(account: SimulatedAccount, broker: Broker = BROKER) -> Login:
    """As it arrives: through the credential that a user would paste."""
    credentials = broker.read_credentials(broker.write_credential(account))
    (login,) = broker.codec().decode_intent(credentials.frame.reveal())
    assert isinstance(login, Login)
    return login


def other_login(token: str, rights: str = "trading", account: Account = Account.DEMO) -> Login:
    return Login(frame=Secret(""), token=Secret(token), account=account, rights=rights)


class Visit:
    """A desk, the time, and everything it said with the time it was said at."""

    def __init__(
        self,
        world: World,
        *,
        listener: Account = Account.DEMO,
        login: Login | None = None,
        now: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.world = world
        self.desk = WorldDesk(world, account_kind=listener, rng=random.Random(seed))
        self.now = now
        login = login or login_of(account_of(world, Account.DEMO), world.broker)
        self.said: list[tuple[float, Meaning]] = [(now, meaning) for meaning in self.desk.admit(login, now)]

    def run(self, until: float) -> "Visit":
        while (due := self.desk.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.said += [(self.now, meaning) for meaning in self.desk.due(self.now)]
        self.now = until
        return self

    def ask(self, intent: Intent) -> list[Meaning]:
        answers = list(self.desk.handle(intent, self.now))
        self.said += [(self.now, meaning) for meaning in answers]
        return answers

    def of(self, kind: type[M]) -> list[M]:
        return [meaning for _, meaning in self.said if isinstance(meaning, kind)]

    def times_of(self, kind: type[Meaning]) -> list[float]:
        return [at for at, meaning in self.said if isinstance(meaning, kind)]

    def forget(self) -> None:
        self.said.clear()


def only(kind: type[M], meanings: Sequence[object]) -> M:
    (found,) = [meaning for meaning in meanings if isinstance(meaning, kind)]
    return found


def order(
    *,
    symbol: str = OTC,
    direction: Direction = Direction.CALL,
    amount: float = 10.0,
    duration: int = 60,
    request_id: str | int = 1,
    option: OptionKind = OptionKind.TIMER,
    closes_at: float | None = None,
) -> PlaceOrder:
    return PlaceOrder(
        symbol=symbol,
        direction=direction,
        amount=amount,
        duration=duration,
        request_id=request_id,
        option=option,
        closes_at=closes_at,
    )
