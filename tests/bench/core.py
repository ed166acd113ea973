"""What the session core costs by itself: no sockets, no clock."""

import gc
import json
import random
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterator

from probe.model.credentials import redactor_for
from probe.session.behaviour import Misbehaviour
from probe.session.client import ClientSession, Plan
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from probe.wire.websocket import ServedSocket
from tests.bench.figures import Figure
from tests.pretending import BROKER, SSID, Pair, client_session

HEADER = '["updateStream",{"_placeholder":true,"num":0}]'
ATTACHMENT = b'[["EURUSD_otc",1789230980.123,1.14362]]'
EPOCH = 1_795_000_000.0


def best(action: Callable[[], object], number: int = 20_000) -> float:
    """Microseconds a call, the best of seven rounds: neighbours only ever add."""
    return min(timeit.repeat(action, number=number, repeat=7)) / number * 1e6


def one_tick() -> Iterator[Figure]:
    """From received bytes to events, a header and its attachment in one read, against json.loads of the same two."""
    client = Pair().run(1).client
    server = ServedSocket(rng=random.Random(1), max_message=1000)
    data = server.send_text(f"451-{HEADER}") + server.send_binary(ATTACHMENT)

    def ours() -> None:
        client.receive(data, 2.0)
        client.events()

    floor = best(lambda: (json.loads(HEADER), json.loads(ATTACHMENT)))
    cost = best(ours)
    yield Figure(
        "one tick, bytes to event / json.loads of its two payloads", cost / floor, "x", 4.0, f"{cost:.1f} us"
    )


def six_hours() -> Iterator[Figure]:
    """A whole session at the measured cadence, both roles, the real desk."""
    world = World(broker=BROKER, seed=1, epoch=EPOCH)
    account = next(account for account in world.accounts if account.account.value == "demo")
    desk = WorldDesk(world, account_kind=account.account, rng=random.Random(2))
    client = client_session(ssid=BROKER.write_credential(account))
    server = ServedSession(codec=BROKER.codec(), desk=desk, misbehaviour=Misbehaviour(), rng=random.Random(3))
    began = time.process_time()
    PretendWire(client, server).run(6 * 3600)
    spent = time.process_time() - began
    yield Figure(
        "six pretended hours, both roles, CPU",
        spent,
        "s",
        4.0,
        f"{client.traffic.messages_received // 2} ticks",
    )


def idle_memory(count: int = 500) -> Iterator[Figure]:
    """What one live, idle session keeps, without its socket: measured over many, credentials and random source shared."""
    credentials = BROKER.read_credentials(SSID)
    redact, rng = redactor_for(credentials), random.Random(1)
    plan = Plan(
        host="sim.test", path="/socket.io/?EIO=4&transport=websocket", account=BROKER.endpoints[0].account
    )

    def live() -> ClientSession:
        client = ClientSession(
            codec=BROKER.codec(), credentials=credentials, plan=plan, rng=rng, redact=redact
        )
        Pair(client=client).run(30)
        return client

    live()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sessions = [live() for _ in range(count)]
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / len(sessions) / 1024
    tracemalloc.stop()
    yield Figure("memory of one idle session without its socket", each, "KiB", 10.0, f"{count} sessions")
