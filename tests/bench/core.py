"""What the session core costs by itself: no sockets, no clock."""

import gc
import json
import random
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterator

from probe.model.credentials import redactor_for
from probe.model.meanings import Quote, Quotes
from probe.session.behaviour import Misbehaviour
from probe.session.client import ClientSession, Plan
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from probe.wire.websocket import ServedSocket
from tests.bench.figures import Figure
from tests.pretending import KNOWN, Known, Pair, client_session

TICK = Quotes((Quote("EURUSD_otc", 1789230980.123, 1.14362),))
EPOCH = 1_795_000_000.0


def best(action: Callable[[], object], number: int = 20_000) -> float:
    """Microseconds a call, the best of seven rounds: neighbours only ever add."""
    return min(timeit.repeat(action, number=number, repeat=7)) / number * 1e6


def one_tick() -> Iterator[Figure]:
    for known in KNOWN:
        yield _one_tick(known)


def _one_tick(known: Known) -> Figure:
    """From received bytes to events, a header and its attachment in one read, against json.loads of the same two."""
    client = Pair(known).run(1).client
    server = ServedSocket(rng=random.Random(1), max_message=1000)
    header, attachment = known.broker.codec().encode_meaning(TICK)
    assert isinstance(header, str)
    assert isinstance(attachment, bytes)
    data = server.send_text(header) + server.send_binary(attachment)
    named, rows = header[header.index("[") :], attachment[attachment.index(b"[") :]

    def ours() -> None:
        client.receive(data, 2.0)
        client.events()

    floor = best(lambda: (json.loads(named), json.loads(rows)))
    cost = best(ours)
    return Figure(
        f"{known.broker.title}: one tick, bytes to event / json.loads of its payloads",
        cost / floor,
        "x",
        4.0,
        f"{cost:.1f} us",
    )


def six_hours() -> Iterator[Figure]:
    for known in KNOWN:
        yield _six_hours(known)


def _six_hours(known: Known) -> Figure:
    """A whole session at the measured cadence, both roles, the real desk."""
    broker = known.broker
    world = World(broker=broker, seed=1, epoch=EPOCH)
    account = next(account for account in world.accounts if account.account.value == "demo")
    desk = WorldDesk(world, account_kind=account.account, rng=random.Random(2))
    client = client_session(known, ssid=broker.write_credential(account))
    server = ServedSession(codec=broker.codec(), desk=desk, misbehaviour=Misbehaviour(), rng=random.Random(3))
    began = time.process_time()
    PretendWire(client, server).run(6 * 3600)
    spent = time.process_time() - began
    return Figure(
        f"{broker.title}: six pretended hours, both roles, CPU",
        spent,
        "s",
        4.0,
        f"{client.traffic.messages_received // 2} ticks",
    )


def idle_memory() -> Iterator[Figure]:
    for known in KNOWN:
        yield _idle_memory(known, count=500)


def _idle_memory(known: Known, count: int) -> Figure:
    """What one live, idle session keeps, without its socket: measured over many, credentials and random source shared."""
    broker = known.broker
    credentials = broker.read_credentials(known.ssid)
    redact, rng = redactor_for(credentials), random.Random(1)
    plan = Plan(host="sim.test", path=known.path, account=broker.endpoints[0].account)

    def live() -> ClientSession:
        client = ClientSession(
            codec=broker.codec(), credentials=credentials, plan=plan, rng=rng, redact=redact
        )
        Pair(known, client=client).run(30)
        return client

    live()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sessions = [live() for _ in range(count)]
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / len(sessions) / 1024
    tracemalloc.stop()
    return Figure(
        f"{broker.title}: memory of one idle session without its socket",
        each,
        "KiB",
        10.0,
        f"{count} sessions",
    )
