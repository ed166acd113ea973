"""The simulated backend in memory, asked as a real one would be."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import httpx
import pytest

from probe.brokers import find_broker
from probe.brokers.crypto.dialect import Dialect
from probe.brokers.crypto.survey import CryptoSurvey
from probe.faults.catalogue import read_fault
from probe.faults.pages import PageBoard
from probe.model.credentials import PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account
from probe.model.failures import Failure
from probe.model.meanings import Admitted, Balance, Meaning, Quotes, Trouble, Troubles, Unrecognised
from probe.session.broker import SurveyPlan
from probe.session.polled import Explained, Said
from probe.simulator.web.crypto import application
from probe.simulator.world import World
from probe.wire.calls import Asking, HttpCall, HttpReply

BROKER = find_broker("crypto")
BASE = "http://backend.sim.test"
EPOCH = 1_795_168_800.0


class Backend:
    def __init__(self, *faults: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.board = PageBoard(random.Random(1))
        self.board.set_faults([read_fault(each) for each in faults], self.loop.time())
        self.world = World(broker=BROKER, seed=1, epoch=EPOCH - self.loop.time())
        app = application(BROKER, world=self.world, board=self.board, rng=random.Random(1))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app))
        self.person = self.world.accounts[0]
        key = BROKER.read_credentials(BROKER.write_credential(self.person))
        plan = SurveyPlan(
            base=BASE,
            symbols=("BTC-USDT",),
            utc_at_zero=self.world.floor.utc(0.0),
            credentials=key,
        )
        self.key, self.survey = key, CryptoSurvey(Dialect(), plan)

    async def answer(self, flow: Asking[Said | Explained]) -> Said | Explained:
        try:
            call = next(flow)
            while True:
                call = flow.send(await self.send(call))
        except StopIteration as end:
            said: Said | Explained = end.value
            return said

    async def send(self, call: object) -> HttpReply:
        assert isinstance(call, HttpCall)
        headers = {name: value if isinstance(value, str) else value.reveal() for name, value in call.headers}
        body = {k: v.reveal() for k, v in call.json.items()} if isinstance(call.json, dict) else None
        began = self.loop.time()
        came = await self.client.request(call.method, call.url, headers=headers, json=body)
        return HttpReply(
            url=call.url,
            status=came.status_code,
            headers=tuple(came.headers.multi_items()),
            body=came.content,
            seconds=self.loop.time() - began,
        )

    async def look(self) -> list[Meaning]:
        """Everything once."""
        said: list[Meaning] = []
        rounds = self.survey.rounds()
        asks: list[Callable[[float], Asking[Said | Explained]]] = [
            self.survey.open,
            partial(self.survey.enter, self.key),
            *(each.ask for each in rounds),
            *(each.ask for each in rounds if each.name == "account" for _ in range(3)),
        ]
        for ask in asks:
            came = await self.answer(ask(self.loop.time()))
            assert isinstance(came, list), came
            said += came
        return said


T = TypeVar("T")


def play(scenario: Callable[[Backend], Awaitable[T]], *faults: str) -> T:
    async def whole() -> T:
        backend = Backend(*faults)
        async with backend.client:
            return await scenario(backend)

    return asyncio.run(whole())


def troubles(said: list[Meaning]) -> dict[str, Trouble]:
    return {row.code: row for each in said if isinstance(each, Troubles) for row in each.rows}


def test_a_simulated_backend_is_found_well() -> None:
    said = play(Backend.look)
    assert [each for each in said if isinstance(each, Unrecognised)] == []
    assert troubles(said) == {}
    assert {type(each) for each in said} >= {Admitted, Quotes, Balance}


def test_its_sign_in_wins_a_session() -> None:
    async def sign_in(backend: Backend) -> WebSession | Failure:
        assert BROKER.web is not None
        login = PasswordLogin(
            broker="crypto",
            user=Secret(backend.person.email),
            password=Secret(backend.person.password),
            account=Account.NONE,
        )
        flow = BROKER.web.sign_in(login, BASE)
        with pytest.raises(StopIteration) as end:
            flow.send(await backend.send(next(flow)))
        won: WebSession | Failure = end.value.value
        return won

    won = play(sign_in)
    assert isinstance(won, WebSession)
    assert dict(won.facts)["cookie lives"] == "14 days"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("backend-database-failover", "crypto.mongo-down"),
        ("backend-fernet-key", "crypto.fernet-key"),
        ("backend-broker-down", "http.bad-gateway"),
        ("backend-broker-limited", "crypto.bingx-busy"),
        ("backend-broker-clock", "crypto.bingx-timestamp"),
        ("backend-snapshots-stopped", "data.stale-history"),
        ("backend-docs-exposed", "http.200-not-101"),
    ],
)
def test_a_simulated_fault_is_found(fault: str, code: str) -> None:
    assert code in troubles(play(Backend.look, fault))
