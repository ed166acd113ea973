"""A client of the simulated crypto backend, in memory and on a clock that does not wait."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from probe.brokers import find_broker
from probe.faults.catalogue import read_fault
from probe.faults.pages import PageBoard
from probe.simulator.web.crypto import application
from probe.simulator.web.crypto_core import Settings
from probe.simulator.web.crypto_people import Outbox
from probe.simulator.world import World
from tests.virtual.travelling import run

ORIGIN = "https://app.sim.test"
EPOCH = 1_795_168_800.0
PLENTY = Settings(requests_per_minute=100_000)
DEVELOPMENT = Settings(environment="development", requests_per_minute=100_000)
Answer = httpx.Response


class Visit:
    """`now` is monotonic; the account was made by the simulator, and its session is open."""

    def __init__(self, *faults: str, settings: Settings = PLENTY) -> None:
        broker = find_broker("crypto")
        self.board = PageBoard(random.Random(1))
        self.world = World(broker=broker, seed=1, epoch=EPOCH - self.now)
        self.suffer(*faults)
        self.app = application(
            broker, world=self.world, board=self.board, rng=random.Random(1), settings=settings
        )
        self.outbox: Outbox = self.app.state.outbox
        self.person = self.world.accounts[0]
        self.cookie = broker.read_credentials(broker.write_credential(self.person)).token.reveal()
        self.client = self.another_client()
        self.client.cookies.set("session", self.cookie)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def another_client(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://sim.test", timeout=None)

    def suffer(self, *faults: str) -> None:
        self.board.set_faults([read_fault(fault) for fault in faults], self.now)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.client.get(path, headers=headers)

    async def read(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, **body: Any) -> Answer:
        return await self.client.post(path, json=body)

    async def sign_in(self, client: httpx.AsyncClient | None = None, **fields: str) -> Answer:
        body = {"email": self.person.email, "password": self.person.password} | fields
        return await (client or self.client).post("/signin", json=body)

    async def timed(self, asking: Awaitable[Answer]) -> tuple[float, Answer]:
        began_at = self.now
        answer = await asking
        return self.now - began_at, answer


def play(scenario: Callable[[Visit], Awaitable[None]], *faults: str, settings: Settings = PLENTY) -> None:
    async def whole() -> None:
        visit = Visit(*faults, settings=settings)
        async with visit.client:
            await scenario(visit)

    run(whole())
