"""Through the simulated web pages, in real time."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from probe.api.session import open_session
from probe.brokers import find_broker
from probe.kept import SessionFile
from probe.model.errors import ConfigError
from probe.simulator.run import Simulator
from tests.monitor.linked import regions

QUOTEX = find_broker("quotex")
LOGIN = Path("login.json")  # in a folder of each test's own
QUICK = replace(QUOTEX, house=replace(QUOTEX.house, login_seconds=(0.0, 0.0)))


def write_login(email: str, password: str) -> None:
    LOGIN.write_text(json.dumps({"email": email, "password": password, "isDemo": 1}))
    LOGIN.chmod(0o600)


def key_of_login() -> str:
    login = QUOTEX.web and QUOTEX.web.read_login(LOGIN.read_text())
    assert login
    return login.key


def signed_in(what: Callable[[Simulator, str], Awaitable[None]]) -> None:
    async def go() -> None:
        async with Simulator([QUICK], pages=True, regions=regions("near")) as simulator:
            known = simulator.endpoints[0].sign_in
            assert known is not None
            write_login(known.email.reveal(), known.password.reveal())
            await what(simulator, simulator.endpoints[0].url)

    asyncio.run(go())


def test_a_session_that_was_kept_and_is_refused_is_renewed_once_by_itself() -> None:
    async def what(simulator: Simulator, url: str) -> None:
        async def open_one() -> int:
            async with open_session(
                "file:login.json", broker="quotex", endpoint=url, login=True, proxy="none"
            ) as session:
                assert (await session.balance()).value.amount
                return session.statistics().attempts

        assert await open_one() == 1
        kept = SessionFile(warn=print).load("quotex", key_of_login())
        assert kept is not None
        assert await open_one() == 1
        simulator.worlds["quotex"].revoke(kept.session.token)
        assert await open_one() == 2

    signed_in(what)


def test_nobody_is_signed_in_without_consent() -> None:
    async def what(simulator: Simulator, url: str) -> None:
        with pytest.raises(ConfigError, match="login=True"):
            async with open_session("file:login.json", broker="quotex", endpoint=url, proxy="none"):
                pass
        assert simulator.sessions.records() == []

    signed_in(what)
