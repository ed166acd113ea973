"""The gateway in memory over the simulated terminal, and a client of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from probe.gateway.app import GatewaySettings, gateway
from probe.gateway.desk import GatewayAccount
from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.simulator.floor import Floor
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply

EPOCH = 1_795_168_800.0  # a Friday, 10:00 UTC
ACCOUNT, OTHER = 12_345_678, 87_654_321
PASSWORD = "correct horse"
SERVER = "Broker-Demo"
LOGIN = {"account_number": ACCOUNT, "password": PASSWORD, "server": SERVER}
DATA = (
    "account", "balance", "equity", "snapshot", "positions", "orders", "history", "symbol/EURUSD", "server-time",
)  # fmt: skip


class Watched:
    """The terminal, and what was asked of it."""

    def __init__(self, inner: SimulatedTerminal) -> None:
        self.inner = inner
        self.asked: list[str] = []
        self.instead: Callable[[str], TerminalReply | Failure | None] = lambda _: None

    async def ask(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        name = call.function if isinstance(call, TerminalCall) else "look"
        self.asked.append(name)
        return self.instead(name) or await self.inner.ask(call)

    async def close(self) -> None: ...


class Visit:
    def __init__(self, **settings: Any) -> None:
        self.now = 1000.0
        self.terminal = SimulatedTerminal(
            accounts={
                number: TerminalAccount(login=number, password=PASSWORD, server=SERVER, balance=10_000.0)
                for number in (ACCOUNT, OTHER)
            },
            floor=Floor(seed="gateway", epoch=EPOCH - 1000.0, zone_seconds=0.0, skew_seconds=0.0),
            utc=self.utc,
        )
        self.watched = Watched(self.terminal)
        account = GatewayAccount(number=ACCOUNT, password=Secret(PASSWORD), server=SERVER)
        chosen = GatewaySettings(account=account, clock=lambda: self.now, utc=self.utc, **settings)
        self.app = gateway(self.watched, settings=chosen)
        self.client = self.from_address("127.0.0.1")

    def utc(self) -> float:
        return EPOCH + self.now - 1000.0

    def from_address(self, address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 4000))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    async def login(self, **fields: object) -> httpx.Response:
        return await self.client.post("/api/v1/login", json=LOGIN | fields)

    async def enter(self) -> str:
        """From now on the client has a token."""
        answer = await self.login()
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["session_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        return token

    async def get(self, what: str) -> httpx.Response:
        return await self.client.get(f"/api/v1/{what}")

    async def statuses(self) -> dict[str, int]:
        return {what: (await self.get(what)).status_code for what in DATA}

    def later(self, seconds: float) -> None:
        self.now += seconds


def play(scenario: Callable[[Visit], Awaitable[None]], **settings: Any) -> None:
    async def whole() -> None:
        visit = Visit(**settings)
        async with visit.client:
            await scenario(visit)

    asyncio.run(whole())


def everything(status: int) -> dict[str, int]:
    return dict.fromkeys(DATA, status)
