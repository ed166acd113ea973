"""The survey against the simulated public gateway, in memory: what one tells, the other reads."""

import asyncio
import random
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from probe.brokers.mt5 import BROKER
from probe.faults.catalogue import read_fault
from probe.faults.pages import PageBoard
from probe.model.events import Phase
from probe.model.meanings import Admitted, Notice
from probe.simulator.web.pages import pages_of
from probe.simulator.world import World
from probe.wire.calls import HttpCall, HttpReply
from tests.brokers.mt5.asked import BASE, MONDAY_NOON, Held, shown_to


class Simulated:
    """The simulator's application, whose clock is that of the session that asks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.now = loop, 0.0
        self._board = PageBoard(random.Random(1))
        world = World(broker=BROKER, seed=1, epoch=MONDAY_NOON)
        world.floor.utc = lambda now: MONDAY_NOON + self.now  # type: ignore[method-assign]
        app = loop.run_until_complete(self._application(world))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
        self.credentials = BROKER.read_credentials(BROKER.write_credential(world.accounts[0]))

    async def _application(self, world: World) -> FastAPI:
        """It looks at the running loop's clock."""
        return pages_of(BROKER, world=world, board=self._board, rng=random.Random(1))

    def suffer(self, *faults: str) -> None:
        self._board.set_faults([read_fault(fault) for fault in faults], self._loop.time())

    def __call__(self, call: HttpCall, now: float) -> HttpReply:
        self.now = now
        came = self._loop.run_until_complete(self._client.get(call.url, headers=shown_to(call)))
        return HttpReply(
            url=call.url,
            status=came.status_code,
            headers=tuple(came.headers.items()),
            body=came.content,
            seconds=0.001,
        )


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    with asyncio.Runner() as runner:
        yield Simulated(runner.get_loop())


def held_over(simulated: Simulated) -> Held:
    return Held(simulated, credentials=simulated.credentials)


@pytest.mark.parametrize(
    ("variant", "title"),
    [
        ("gateway-variant", "the public gateway's later version"),
        ("gateway-variant:v=v0,auth=403", "the public gateway's first version"),
    ],
)
def test_both_versions_are_known_and_a_healthy_one_has_only_notes(
    simulated: Simulated, variant: str, title: str
) -> None:
    simulated.suffer(variant)
    held = held_over(simulated).run(65.0)

    assert held.session.phase is Phase.LIVE
    assert held.told(Notice)[0].payload["variant"] == title
    assert len(held.told(Admitted)) == 1
    assert {trouble.code for trouble in held.rows if "position is open" not in trouble.sentence} == {
        "http.origin-or-ua"
    }
    assert len(held.quotes) >= 10


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("gateway-terminal-closed", "mt5.gateway-up-terminal-down"),
        ("gateway-other-logged-out", "mt5.gateway-up-terminal-down"),
        ("gateway-account-switched", "mt5.multi-terminal"),
        ("gateway-broker-down", "data.stale-ticks"),
        ("gateway-frozen-feed", "data.stale-ticks"),
        ("gateway-bad-offset", "mt5.server-timezone"),
        ("gateway-tokens-lost", "mt5.gateway-401"),
        ("gateway-nginx-503", "http.bad-gateway"),
        ("gateway-nginx-504", "http.bad-gateway"),
        ("gateway-html", "http.200-not-101"),
        ("gateway-redirect", "http.redirect"),
        ("gateway-invalid-utf8", "http.200-not-101"),
        ("gateway-wild-numbers", "http.200-not-101"),
        ("gateway-wild-numbers:kind=digits", "http.200-not-101"),
    ],
)
def test_each_fault_that_begins_in_a_session_is_told_by_its_name(
    simulated: Simulated, fault: str, code: str
) -> None:
    held = held_over(simulated).run(22.0)
    simulated.suffer(fault)
    left = 100.0
    while code not in held.troubles and left > 0:
        held.run(5.0)
        left -= 5.0

    assert code in held.troubles
