"""Two brokers on one range of ports, ten sessions each, all over real sockets: nothing of one reaches the other."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from probe.drivers.aio import Connection, connect
from probe.drivers.dial import DialPlan
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError, UnsafeTarget
from probe.model.events import (
    Ended,
    Event,
    HeartbeatMissed,
    Phase,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    Surprise,
    Told,
)
from probe.model.intents import AskHistory, PlaceOrder, Watch
from probe.model.meanings import Balance, Direction, Meaning, OrderRejected, OrdersClosed, Sentiment
from probe.session.broker import Broker, SimulatedAccount
from probe.session.client import ClientSession, Plan
from probe.simulator.run import Simulator
from probe.simulator.world import World
from tests.pretending import KNOWN
from tests.virtual.travelling import run

SESSIONS = 10
SYMBOLS = ("EURUSD_otc", "#AAPL_otc")  # both brokers have both
EVERY = 600.0  # seconds between two orders of one session
CAP = "demo-trade-cap:cap=0:error=OnlyHere"  # a fault that one of them alone can have
RESIDENT_PAGES = Path("/proc/self/statm")


class Held:
    """One session with an account of its own, and all that came to it that should not have."""

    def __init__(self, broker: Broker, world: World, endpoint: Endpoint, number: int) -> None:
        self.broker, self.world, self.endpoint, self.number = broker, world, endpoint, number
        self.identity: SimulatedAccount = world.issue(endpoint.account)
        self.symbol = SYMBOLS[number % 2]
        self.quotes = self.sold = 0
        self.profit = 0.0
        self.balance: Balance | None = None
        self.rejections: list[str] = []
        self.wrong: list[str] = []
        self.foreign: tuple[str, ...] = ()
        self.connection: Connection[ClientSession]
        credentials = broker.read_credentials(broker.write_credential(self.identity))
        address = endpoint.address
        self.session = ClientSession(
            codec=broker.codec(),
            credentials=credentials,
            plan=Plan(
                host=address.host_header,
                path=address.path,
                account=endpoint.account,
                headers=broker.request_headers(credentials, address),
                watch=(Watch(symbol=self.symbol),),
            ),
            rng=random.Random(number),
            redact=redactor_for(credentials),
        )

    def note(self, event: Event) -> None:
        match event:
            case QuoteArrived():
                self.quotes += 1
                if self.quotes % 20 == 0:
                    self.look_at(event)
            case Told(meaning=meaning) | RequestAnswered(answer=meaning):
                self.hear(meaning)
            case Surprise() | HeartbeatMissed() | RequestExpired():
                self.wrong.append(str(event))
            case Ended(failure=failure) if failure is not None:
                self.wrong.append(str(failure))
            case _:
                pass

    def look_at(self, quote: QuoteArrived) -> None:
        at = quote.broker_time - self.broker.zone_seconds
        ticks = self.world.floor.listing(self.symbol).ticks(at - 0.002, at + 0.002)
        if quote.symbol != self.symbol or quote.price not in [tick.price for tick in ticks]:
            self.wrong.append(f"not a price of this broker: {quote}")

    def hear(self, meaning: Meaning) -> None:
        if isinstance(meaning, Sentiment):
            return
        said = repr(meaning)
        self.wrong += [f"{word} in {said[:200]}" for word in self.foreign if word in said]
        match meaning:
            case Balance():
                self.balance = meaning
            case OrdersClosed(orders=orders):
                self.sold += len(orders)
                self.profit += sum(order.profit or 0 for order in orders)
            case OrderRejected(error=error):
                self.rejections.append(error)
            case _:
                pass

    async def live(self, until: float) -> None:
        """An order and a page of history every ten minutes, each session at a time of its own."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(5.0 + self.number * 7)
        while loop.time() < until - 60:
            self.connection.act(self.ask)
            await asyncio.sleep(EVERY)

    def ask(self, session: ClientSession, now: float) -> None:
        broker_now = float(int(self.world.floor.at(now) + self.broker.zone_seconds))
        session.ask(
            AskHistory(
                symbol=self.symbol, period=60, until=broker_now, span=600.0, index=int(broker_now) * 100
            ),
            now,
        )
        order = PlaceOrder(
            symbol=self.symbol,
            direction=random.Random(broker_now).choice(list(Direction)),
            amount=1.0 + self.number,
            duration=30,
            request_id=int(broker_now),
            account=self.endpoint.account,
        )
        try:
            session.ask(order, now)
        except UnsafeTarget:
            if self.endpoint.account is Account.DEMO:
                raise


async def started() -> Simulator:
    """On the first range of ports that is free."""
    for base in range(21_000, 30_000, 100):
        simulator = Simulator([known.broker.name for known in KNOWN], seed=5, port=base)
        try:
            return await simulator.__aenter__()
        except ConfigError:
            continue
    raise AssertionError("no range of ports is free")


async def hold(seconds: float) -> tuple[list[Held], list[str], float]:
    """All sessions, what leaked between them, and how many MiB grew after the first quarter."""
    loop = asyncio.get_running_loop()
    simulator = await started()
    try:
        endpoints = simulator.plain_endpoints()
        ports = [endpoint.address.port for endpoint in endpoints]
        assert ports == list(range(ports[0], ports[0] + len(ports)))
        held = [
            Held(known.broker, simulator.worlds[known.broker.name], mine[number % len(mine)], number)
            for known in KNOWN
            for mine in [[each for each in endpoints if each.broker == known.broker.name]]
            for number in range(SESSIONS)
        ]
        for one in held:
            others = [other.identity for other in held if other is not one]
            one.foreign = tuple(word for each in others for word in (each.user, each.token, each.email))
            one.connection = await connect(
                one.session, DialPlan(address=one.endpoint.address), on_event=one.note
            )
        asking = [loop.create_task(one.live(seconds)) for one in held]
        await asyncio.sleep(seconds / 4)
        memory = resident()
        await asyncio.sleep(seconds / 2)
        await simulator.board.switch_on(CAP)
        await asyncio.gather(*asking)
        await asyncio.sleep(max(0.0, seconds - loop.time()))
        grown = resident() - memory
        assert {one.session.phase for one in held} == {Phase.LIVE}
        for one in held:
            one.connection.act(lambda session, now: session.leave(now))
            await one.connection.ended()
        return held, miscounted(held, simulator), grown
    finally:
        await simulator.__aexit__(None, None, None)


def miscounted(held: Sequence[Held], simulator: Simulator) -> list[str]:
    """What one end counts and the other does not, by broker."""
    wrong = []
    for known in KNOWN:
        name = known.broker.name
        mine = [one.session.traffic for one in held if one.broker.name == name]
        theirs = [record.session.traffic for record in simulator.sessions.records() if record.broker == name]
        received = sum(each.messages_received for each in mine)
        sent = sum(each.messages_sent for each in theirs)
        if (len(mine), received) != (len(theirs), sent):
            wrong.append(f"{name}: {received} messages came of {sent} sent, in {len(theirs)} sessions")
    return wrong


def resident() -> float:
    """MiB; 0 where the system does not say."""
    return int(RESIDENT_PAGES.read_text().split()[1]) * 4096 / 2**20 if RESIDENT_PAGES.exists() else 0.0


@pytest.mark.parametrize("hours", [1 / 6, pytest.param(1, marks=pytest.mark.long)], ids=["minutes", "hour"])
def test_nothing_of_one_broker_reaches_the_other(hours: float) -> None:
    held, wrong, grown = run(hold(hours * 3600))
    assert wrong + [problem for one in held for problem in one.wrong] == []
    for one in held:
        assert one.quotes > hours * 3600
        assert one.balance is not None
        demo = one.endpoint.account is Account.DEMO
        assert one.balance.is_demo is demo
        start = one.broker.house.guest_balance if demo else 1_000.0
        assert one.balance.amount == pytest.approx(start + one.profit, abs=0.01)
        assert bool(one.sold) is demo
        assert set(one.rejections) <= ({"OnlyHere"} if one.broker.name in CAPPED else set())
    rejected = {one.broker.name for one in held if one.rejections}
    assert rejected == (CAPPED if hours >= 1 else set())
    assert grown < 16


CAPPED = {"pocketoption"}


def test_the_same_seed_gives_two_brokers_different_prices_people_and_tokens() -> None:
    worlds = [World(broker=known.broker, seed=1, epoch=0.0) for known in KNOWN]
    prices = [
        [tick.price for tick in world.floor.listing("EURUSD_otc").ticks(1e9, 1e9 + 60)] for world in worlds
    ]
    assert prices[0] != prices[1]
    people = [{(each.user, each.token[:20], each.password) for each in world.accounts} for world in worlds]
    assert not people[0] & people[1]
