"""The control API: what it does, and for whom it does nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from probe.model.endpoint import Account
from probe.session.broker import Region
from probe.simulator.control import control_api, controlling
from probe.simulator.run import Simulator
from tests.simulator.clients import calling

TOKEN = "token-of-this-test"
BASE = "http://127.0.0.1:9"
REGIONS = (Region(name="demo", account=Account.DEMO), Region(name="real", account=Account.LIVE))

Api = tuple[Simulator, httpx.AsyncClient]
Scenario = Callable[[Simulator, httpx.AsyncClient], Awaitable[None]]
Play = Callable[[Scenario], None]


@asynccontextmanager
async def in_memory() -> AsyncIterator[Api]:
    async with Simulator(["pocketoption"], regions=REGIONS) as simulator:
        transport = httpx.ASGITransport(control_api(simulator, port=9, token=TOKEN))
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=bearer) as api:
            yield simulator, api


@pytest.fixture
def play() -> Play:
    def run(scenario: Scenario) -> None:
        async def whole() -> None:
            async with in_memory() as (simulator, api):
                await scenario(simulator, api)

        asyncio.run(whole())

    return run


def test_it_is_reached_over_loopback_with_the_token_it_tells() -> None:
    async def scenario() -> None:
        async with (
            Simulator(["pocketoption"], regions=REGIONS) as simulator,
            controlling(simulator) as control,
        ):
            assert control.url.startswith("http://127.0.0.1:")
            bearer = {"Authorization": f"Bearer {control.token.reveal()}"}
            async with httpx.AsyncClient(trust_env=False) as client:
                answers = [
                    await client.get(f"{control.url}/health", headers=bearer),
                    await client.get(
                        f"{control.url.replace('127.0.0.1', 'localhost')}/health", headers=bearer
                    ),
                    await client.get(f"{control.url}/health"),
                ]
            assert [answer.status_code for answer in answers] == [200, 200, 401]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Authorization", f"Bearer {TOKEN}", 200),
        ("Authorization", "", 401),
        ("Authorization", f"Bearer {TOKEN}x", 401),
        ("Authorization", TOKEN, 401),
        ("Authorization", "Bearer träger", 401),
        ("Host", "localhost:9", 200),
        ("Host", "evil.example:9", 421),
        ("Host", "127.0.0.1", 421),
        ("Host", "127.0.0.1:10", 421),
    ],
)
def test_a_request_needs_the_token_and_this_host(play: Play, name: str, value: str, status: int) -> None:
    async def scenario(_: Simulator, api: httpx.AsyncClient) -> None:
        headers = {name.encode(): value.encode()}
        answers = [
            await api.get(path, headers=headers)
            for path in ("/health", "/faults", "/sessions", "/accounts", "/outbox")
        ]
        answers.append(await api.post("/faults", headers=headers, json={"fault": "delay"}))
        assert {answer.status_code for answer in answers} - {201} == {status}

    play(scenario)


def test_faults_are_listed_switched_on_and_off(play: Play) -> None:
    async def scenario(simulator: Simulator, api: httpx.AsyncClient) -> None:
        switched_on = await api.post("/faults", json={"fault": "http-status:code=503@0s+1h"})
        assert (switched_on.status_code, switched_on.json()) == (
            201,
            {"id": 1, "fault": "http-status:code=503@0s+1h"},
        )
        assert (await api.get("/faults")).json() == [switched_on.json()]
        async with calling(simulator.endpoints[0]) as caller:
            assert await caller.failure() == "http.bad-gateway"
        assert (await api.delete("/faults/1")).status_code == 204
        assert (await api.get("/faults")).json() == []
        async with calling(simulator.endpoints[0], watch=()) as caller:
            await caller.live()

    play(scenario)


def test_what_cannot_be_switched_is_said_in_words(play: Play) -> None:
    async def scenario(_: Simulator, api: httpx.AsyncClient) -> None:
        wrong = await api.post("/faults", json={"fault": "silent-stal"})
        assert (wrong.status_code, wrong.json()["detail"]) == (
            422,
            "fault 'silent-stal': there is no fault 'silent-stal' (did you mean 'silent-stall'?). "
            "`probe sim --list-faults` lists them all.",
        )
        assert (await api.post("/faults", json={"falt": "silent-stall"})).status_code == 422
        for fault in ("history-by-word", "signin-pin"):
            of_others = await api.post("/faults", json={"fault": fault})
            assert (of_others.status_code, of_others.json()["detail"]) == (
                422,
                f"fault {fault!r}: no broker that is simulated here can have {fault}. "
                "It is for quotex: name it when you start the simulator.",
            )
        missing = await api.delete("/faults/7")
        assert (missing.status_code, missing.json()["detail"]) == (404, "fault 7 is not switched on")
        assert (await api.get("/faults")).json() == []

    play(scenario)


def test_sessions_are_shown_with_counters_and_frames(play: Play) -> None:
    async def scenario(simulator: Simulator, api: httpx.AsyncClient) -> None:
        async with calling(simulator.endpoints[0], watch=()) as caller:
            await caller.live()
            (session,) = (await api.get("/sessions")).json()
            assert (session["number"], session["region"], session["open"], session["phase"]) == (
                1,
                "demo",
                True,
                "live",
            )
            assert session["traffic"]["bytes_received"] == caller.session.traffic.bytes_sent
            assert (await api.get("/sessions/1")).json() == session
            frames = (await api.get("/sessions/1/frames")).json()
            assert [frame["direction"] for frame in frames[:3]] == [">", "<", ">"]
            assert '"session":"***"' in frames[3]["text"]
            health = (await api.get("/health")).json()
            assert (health["healthy"], health["endpoints"], health["counters"]["sessions_open"]) == (
                True,
                2,
                1,
            )

    play(scenario)


def test_sessions_are_closed_and_dropped(play: Play) -> None:
    async def scenario(simulator: Simulator, api: httpx.AsyncClient) -> None:
        async with calling(simulator.endpoints[0], watch=()) as caller:
            await caller.live()
            assert (await api.post("/sessions/1/close?code=1008")).status_code == 202
            assert await caller.failure() == "session.policy-1008"
        async with calling(simulator.endpoints[0], watch=()) as caller:
            await caller.live()
            assert (await api.post("/sessions/2/drop")).status_code == 202
            assert await caller.failure() == "session.tcp-reset"
        assert (await api.post("/sessions/2/drop")).status_code == 202  # gone already: no harm
        assert (await api.post("/sessions/1/close?code=5")).status_code == 422
        assert (await api.get("/sessions/3")).status_code == 404

    play(scenario)


def test_accounts_are_shown_with_what_opens_them(play: Play) -> None:
    async def scenario(simulator: Simulator, api: httpx.AsyncClient) -> None:
        accounts = (await api.get("/accounts")).json()
        assert [(each["broker"], each["account"], each["balance"]) for each in accounts] == [
            ("pocketoption", "demo", 50000.0),
            ("pocketoption", "live", 1000.0),
        ]
        assert [each["credential"] for each in accounts] == [
            each.credential.reveal() for each in simulator.endpoints
        ]

    play(scenario)


def test_a_code_that_would_have_been_mailed_is_told() -> None:
    async def scenario() -> None:
        async with Simulator(["crypto"]) as simulator:
            (endpoint,) = simulator.plain_endpoints()
            transport = httpx.ASGITransport(control_api(simulator, port=9, token=TOKEN))
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            async with (
                httpx.AsyncClient(transport=transport, base_url=BASE, headers=bearer) as api,
                httpx.AsyncClient(trust_env=False, base_url=endpoint.url) as client,
            ):
                assert (await api.get("/outbox")).json() == []
                somebody = {"email": "somebody@sim.test"}
                assert (await client.post("/signup", json=somebody)).status_code == 200
                (mail,) = (await api.get("/outbox")).json()
                assert (mail["broker"], mail["to"]) == ("crypto", "somebody@sim.test")
                verified = await client.post("/verify-otp", json=somebody | {"otp": mail["otp"]})
                assert verified.status_code == 200

    asyncio.run(scenario())
