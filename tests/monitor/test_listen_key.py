"""A stream that is open to everybody, monitored with a key that opens an account on it, too."""

import asyncio
import random

from probe.brokers import find_broker
from probe.measure.records import Incident, SessionState
from probe.model.credentials import Credentials
from probe.simulator.world import World
from tests.monitor.matrix import SETTLED, course
from tests.monitor.matrix_coins import SWAP
from tests.virtual.travelling import run

BINGX = find_broker("bingx")
USER = World(broker=BINGX, seed=0, epoch=0.0).accounts[0]


def key(text: str) -> Credentials:
    return BINGX.read_credentials(text)


def test_the_balance_is_shown_and_a_key_that_expired_is_not_tried_again() -> None:
    async def go() -> None:
        mine = key(BINGX.write_credential(USER))
        async with course(BINGX, at=SWAP, key=mine) as one:
            assert await one.until(lambda: one.now >= SETTLED)
            assert (one.incidents, one.snapshot().balance) == ([], 50_000.0)
            sessions = len(one.simulator.sessions.records())  # a knock is among them
            world = one.simulator.worlds[BINGX.name]
            world.lend(mine.token, USER.user, world.floor.at(asyncio.get_running_loop().time()))
            assert await one.until(lambda: one.snapshot().condition.state is SessionState.AUTH_REJECTED)
            await asyncio.sleep(600.0)
            assert one.snapshot().condition.state is SessionState.AUTH_REJECTED
            assert "crypto.bingx-listen-key" in [incident.code for incident in one.of(Incident)]
            assert len(one.simulator.sessions.records()) == sessions
            assert mine.token.reveal() not in repr(one.records)

    run(go())


def test_an_unknown_key_is_tried_once() -> None:
    async def go() -> None:
        wrong = key(f"{random.Random(1).getrandbits(256):064x}")
        async with course(BINGX, at=SWAP, key=wrong) as one:
            assert await one.until(lambda: one.snapshot().condition.state is SessionState.AUTH_REJECTED)
            await asyncio.sleep(600.0)
            assert len(one.simulator.sessions.records()) == 1
            assert wrong.token.reveal() not in repr(one.records)

    run(go())
