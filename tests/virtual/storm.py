"""Pretended hours under random faults, with invariants looked at after each event. `make simulate HOURS=N`.

Every session of a storm has a seed of its own, so that a failing one replays alone.
"""

import argparse
import random
import sys
import time
from dataclasses import dataclass, field

from probe.faults.catalogue import compose
from probe.faults.grammar import FaultOrder
from probe.faults.misbehaviour import PROTOCOL_FAULTS
from probe.faults.stream import STREAM_FAULTS, stream_fault
from probe.faults.wire import FaultStack
from probe.model.endpoint import Account
from probe.model.errors import UnsafeTarget
from probe.model.events import Ended, Event, Phase, RequestAnswered, RequestExpired, RequestSent
from probe.model.intents import (
    AskBalance,
    AskHistory,
    AskOrders,
    ChooseAccount,
    Intent,
    PlaceOrder,
    SellOrder,
    Trading,
    Unwatch,
    UnwatchSentiment,
    Watch,
    WatchSentiment,
)
from probe.model.meanings import Direction, OptionKind
from probe.session.client import ClientSession
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import KNOWN, QUOTEX, Known, client_session

EPOCH = 1_795_000_000.0
LONGEST = 1800.0  # of one session
SYMBOLS = ("EURUSD_otc", "#AAPL", "no such symbol")  # always open, mostly closed, unknown
LONGEST_FLOOD = 5.0  # it costs a second of ours for each ten of its own


class Broken(Exception):
    """An invariant did not hold."""


@dataclass(slots=True)
class Ledger:
    """One end's events, checked as they come."""

    side: str
    open_requests: set[int] = field(default_factory=set)
    closed_requests: set[int] = field(default_factory=set)
    ended: Ended | None = None
    events: int = 0

    def __call__(self, event: Event) -> None:
        self.events += 1
        if self.ended is not None:
            raise Broken(f"the {self.side} said {type(event).__name__} after its end")
        match event:
            case Ended():
                self.ended = event
                if self.open_requests:
                    raise Broken(f"ended with unanswered requests {sorted(self.open_requests)}")
            case RequestSent(request=number):
                self.open_requests.add(number)
            case RequestAnswered(request=number) | RequestExpired(request=number):
                if number in self.closed_requests:
                    raise Broken(f"request {number} was answered twice")
                self.open_requests.remove(number)
                self.closed_requests.add(number)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Told:
    """What one session of the storm was and how it went."""

    seed: str
    seconds: float
    faults: tuple[str, ...]
    end: str
    events: int


def one_session(seed: str, longest: float) -> Told:
    """Run one session to its end, whatever that is.

    Raises:
        Broken: with the seed to replay it.
    """
    rng = random.Random(seed)
    orders = _orders(rng)
    try:
        return _run(seed, rng, orders, rng.uniform(10, longest))
    except Exception as problem:
        said = str(problem) if isinstance(problem, Broken) else repr(problem)
        faults = [str(order) for order in orders]
        raise Broken(f"{said}\n  session seed {seed!r}, faults {faults}") from problem


def _orders(rng: random.Random) -> list[FaultOrder]:
    of_these = [spec for spec in PROTOCOL_FAULTS.values() if spec.brokers != ("bingx",)]
    specs = [*STREAM_FAULTS.values(), *of_these]
    chosen = rng.sample(specs, k=rng.choice((0, 1, 1, 2, 3)))
    orders = []
    for spec in chosen:
        start = rng.choice((0.0, rng.uniform(0, 600)))
        values = {each.name: each.default for each in spec.parameters}
        is_flood = spec.name == "flood"
        duration = rng.uniform(1, LONGEST_FLOOD) if is_flood else rng.choice((None, rng.uniform(1, 120)))
        orders.append(FaultOrder(spec=spec, values=values, start=start, duration=duration))
    return orders


def _run(seed: str, rng: random.Random, orders: list[FaultOrder], seconds: float) -> Told:
    known = rng.choice(KNOWN)
    broker = known.broker
    world = World(broker=broker, seed=rng.randrange(5), epoch=EPOCH)
    account = next(account for account in world.accounts if account.account.value == "demo")
    desk = WorldDesk(world, account_kind=account.account, rng=rng)
    client = client_session(
        known,
        ssid=broker.write_credential(account),
        watch=rng.sample(SYMBOLS, k=rng.randrange(3)),
        seed=rng.randrange(1 << 30),
    )
    misbehaviour = compose([order for order in orders if order.spec.name in PROTOCOL_FAULTS])
    server = ServedSession(codec=broker.codec(), desk=desk, misbehaviour=misbehaviour, rng=rng)
    streams = [stream_fault(order) for order in orders if order.spec.name in STREAM_FAULTS]
    told, heard = Ledger("client"), Ledger("server")
    wire = PretendWire(
        client,
        FaultStack(server, streams, rng) if streams else server,
        on_client=told,
        on_server=heard,
        latency=rng.choice((0.0, 0.02, 0.3)),
    )
    while wire.now < seconds and told.ended is None:
        wire.run(min(seconds, wire.now + rng.expovariate(1 / 120)))
        if client.phase is Phase.LIVE:
            wire.act(lambda now: _ask(client, _some_intent(known, rng, now), now))
    lasted = wire.now
    wire.act(client.leave)
    wire.run(lasted + 3600)  # more than any timer of either end
    _check_end(client, server, wire, told, heard, orders)
    assert told.ended is not None
    failure = told.ended.failure
    return Told(
        seed,
        lasted,
        tuple(str(order) for order in orders),
        failure.kind if failure else "left",
        told.events,
    )


def _some_intent(known: Known, rng: random.Random, now: float) -> Intent:
    symbol = rng.choice(SYMBOLS)
    broker_now = EPOCH + known.broker.zone_seconds + now
    option = rng.choice(list(OptionKind)) if known is QUOTEX else OptionKind.TIMER
    choices: tuple[Intent, ...] = (
        AskBalance(),
        AskOrders(),
        Watch(symbol=symbol),
        Unwatch(symbol=symbol),
        AskHistory(symbol=symbol, period=60, until=broker_now, span=3600.0, index=rng.randrange(10**9)),
        PlaceOrder(
            symbol=symbol,
            direction=rng.choice(list(Direction)),
            amount=rng.choice((1, 10, 1e9)),
            duration=rng.choice((5, 60)),
            request_id=rng.randrange(10**9),
            option=option,
            closes_at=None
            if option is OptionKind.TIMER
            else (broker_now + rng.choice((1, 90, 300))) // 60 * 60,
        ),
    )
    if known is QUOTEX:
        choices += (
            ChooseAccount(account=rng.choice((Account.DEMO, Account.LIVE)), tournament=rng.choice((0, 0, 7))),
            SellOrder(ticket="no such order"),
            WatchSentiment(symbol=symbol),
            UnwatchSentiment(symbol=symbol),
        )
    return rng.choice(choices)


def _ask(client: ClientSession, intent: Intent, now: float) -> None:
    try:
        client.ask(intent, now)
    except UnsafeTarget:
        if not isinstance(intent, Trading):
            raise Broken(f"{type(intent).__name__} was taken for an order") from None


def _check_end(
    client: ClientSession,
    server: ServedSession,
    wire: PretendWire,
    told: Ledger,
    heard: Ledger,
    orders: list[FaultOrder],
) -> None:
    if told.ended is None or heard.ended is None:
        raise Broken(f"no end: client {told.ended}, server {heard.ended}")
    if not wire.idle:
        raise Broken("a timer is left")
    mine, theirs = client.traffic, server.traffic
    count = [(mine.messages_sent, theirs.messages_received), (theirs.messages_sent, mine.messages_received)]
    sizes = [(mine.bytes_sent, theirs.bytes_received), (theirs.bytes_sent, mine.bytes_received)]
    changed = any(order.spec.name == "corrupt" for order in orders)  # one flipped bit makes a pong a message
    if any(received > sent for sent, received in (sizes if changed else sizes + count)):
        raise Broken(f"more arrived than was sent: {count}, {sizes}")
    clean = not orders
    if clean and any(received != sent for sent, received in sizes + count):
        raise Broken(f"the two ends count differently: {count}, {sizes}")
    if clean and told.ended.failure is not None:
        raise Broken(f"a healthy session failed: {told.ended.failure}")


def storm(hours: float, seed: int) -> list[Told]:
    """Sessions until so many pretended hours have passed."""
    told: list[Told] = []
    left = hours * 3600
    while left > 0:
        told.append(one_session(f"{seed}/{len(told)}", min(LONGEST, max(left, 60.0))))
        left -= told[-1].seconds
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=20)
    parser.add_argument(
        "--seed", default=None, help="a storm's seed, or a session's (12/345) to replay that one"
    )
    options = parser.parse_args()
    seed = options.seed or str(random.SystemRandom().randrange(10**6))
    began = time.process_time()
    try:
        told = [one_session(seed, LONGEST)] if "/" in seed else storm(options.hours, int(seed))
    except Broken as problem:
        sys.exit(f"BROKEN: {problem}\n  replay it: make simulate SEED=<the session's seed>")
    ends: dict[str, int] = {}
    for each in told:
        ends[each.end] = ends.get(each.end, 0) + 1
    hours = sum(each.seconds for each in told) / 3600
    print(
        f"{hours:.1f} pretended hours, {len(told)} sessions, {sum(each.events for each in told)} events, seed {seed}"
    )
    print(f"CPU {time.process_time() - began:.1f} s")
    for end, count in sorted(ends.items(), key=lambda pair: -pair[1]):
        print(f"  {count:6}  {end}")


if __name__ == "__main__":
    main()
