"""Our two web applications that describe themselves, and schemathesis, which tries what they promise, where nothing else can
be reached.

python -m tests.clients.schemathesis_inside SEED EXAMPLES PHASES: prints its report on each as one line of JSON. What broke in
an application stands before that.
"""

import asyncio
import json
import random
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from probe.brokers import find_broker
from probe.faults.pages import PageBoard
from probe.gateway.app import GatewaySettings, gateway
from probe.gateway.desk import GatewayAccount
from probe.gateway.serve import place
from probe.model.credentials import Secret
from probe.simulator.floor import Floor
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from probe.simulator.web import serving
from probe.simulator.web.crypto import application
from probe.simulator.web.crypto_core import Settings
from probe.simulator.world import World

PROGRAM = Path(__file__).resolve().parents[2] / ".venv-clients" / "bin" / "schemathesis"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
FRIDAY = 1_795_168_800.0  # 10:00 UTC
NUMBER, PASSWORD, SERVER = 1001, "of-the-simulator", "Fake-Demo"
FASTER = 1000.0  # the gateway's clock, for it counts logins by the minute
UNLIMITED = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    app: FastAPI
    login: Mapping[
        str, object
    ]  # as schemathesis' file of logins has it; it logs in anew when it was logged out


async def main(seed: str, examples: str, phases: str) -> None:
    described = {"gateway": a_gateway(), "crypto": a_backend()}
    bounds = ("--seed", seed, "--max-examples", examples, "--phases", phases)
    tried = [trial(name, each, bounds) for name, each in described.items()]
    print("\n" + json.dumps(dict(zip(described, await asyncio.gather(*tried), strict=True))))


def a_gateway() -> Described:
    began_at = time.monotonic()
    account = TerminalAccount(login=NUMBER, password=PASSWORD, server=SERVER, balance=10_000.0)
    floor = Floor(seed=1, epoch=FRIDAY - began_at, zone_seconds=0.0, skew_seconds=0.0)

    def utc() -> float:
        return floor.utc(time.monotonic())

    terminal = SimulatedTerminal(accounts={NUMBER: account}, floor=floor, utc=utc)
    terminal.open_position(NUMBER, "EURUSD", 0.1)
    terminal.place_order(NUMBER, "EURUSD", 0.1, 1.0)
    settings = GatewaySettings(
        account=GatewayAccount(number=NUMBER, password=Secret(PASSWORD), server=SERVER),
        docs=True,
        clock=lambda: time.monotonic() * FASTER,
        utc=utc,
    )
    body = {"account_number": NUMBER, "password": PASSWORD, "server": SERVER}
    token = {"extractFrom": "body", "extractSelector": "/session_token", "sendIn": "header"}
    sent = {"sendName": "Authorization", "sendTemplate": "Bearer {token}"}
    app = gateway(terminal, settings=settings)
    return Described(app=app, login=posted("/api/v1/login", body) | {"token": token | sent})


def a_backend() -> Described:
    broker, rng = find_broker("crypto"), random.Random(1)
    world = World(broker=broker, seed=1, epoch=FRIDAY - asyncio.get_running_loop().time())
    settings = Settings(environment="development", requests_per_minute=UNLIMITED)
    app = application(broker, world=world, board=PageBoard(rng), rng=rng, settings=settings)
    person = world.accounts[0]
    body = {"email": person.email, "password": person.password}
    return Described(app=app, login=posted("/signin", body) | {"expectCookies": True})


def posted(path: str, body: object) -> dict[str, object]:
    return {
        "endpoint": path,
        "verb": "POST",
        "payloadRaw": json.dumps(body),
        "contentType": "application/json",
    }


async def trial(name: str, described: Described, bounds: Sequence[str]) -> Any:
    folder = Path.home() / name
    folder.mkdir()
    login, report = folder / "login.json", folder / "report.json"
    login.write_text(json.dumps({"auth": [{"name": "we", "loginEndpointAuth": described.login}]}))
    with place("127.0.0.1", 0, tls=False) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/openapi.json"
        chosen = ("--checks", ",".join(CHECKS), "--suppress-health-check", "all", "--no-shrink", *bounds)
        files = ("--auth-wfc", str(login), "--report", "json", "--report-json-path", str(report))
        described.app.add_middleware(Telling)
        async with serving(described.app, listener):
            process = await asyncio.create_subprocess_exec(
                PROGRAM, "--no-color", "run", url, *chosen, *files, cwd=folder
            )
            await process.wait()
    return json.loads(report.read_text())


class Telling:
    """What breaks in an application is told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:
            traceback.print_exc()
            raise


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
