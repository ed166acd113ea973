"""A simulator proves to whoever has its key that it is one, and that it is the one at this port."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import wraps
from typing import Any

import pytest

from probe.model.credentials import Secret
from probe.model.endpoint import Account, read_url
from probe.session.broker import Region
from probe.simulator.proof import PATH, is_proof, proof_of
from probe.simulator.run import Simulator
from tests.simulator.clients import PATIENCE

KEY = Secret("k" * 43)
NONCE = "0123456789abcdef" * 4
REGIONS = (Region(name="one", account=Account.DEMO), Region(name="two", account=Account.DEMO))


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


async def answer(simulator: Simulator, target: str, endpoint: int = 0) -> tuple[str, str]:
    """The first line and the body."""
    async with asyncio.timeout(PATIENCE):
        port = read_url(simulator.endpoints[endpoint].url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {target} HTTP/1.0\r\nHost: anybody\r\n\r\n".encode())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            body = (await reader.readline()).decode() if "200 OK" in head else ""  # it is kept open
        finally:
            writer.transport.abort()
        return head.partition("\r\n")[0], body


async def proven(simulator: Simulator, endpoint: int = 0) -> str:
    first_line, body = await answer(simulator, f"{PATH}?nonce={NONCE}", endpoint)
    assert first_line == "HTTP/1.1 200 OK"
    return body


@in_a_loop
async def test_each_port_proves_itself_and_no_other() -> None:
    async with Simulator(["pocketoption"], regions=REGIONS, key=KEY) as simulator:
        places = [f"127.0.0.1:{read_url(each.url).port}" for each in simulator.endpoints]
        proofs = [await proven(simulator, number) for number in range(2)]
        held = [[is_proof(proof, KEY, NONCE, place) for place in places] for proof in proofs]
        assert held == [[True, False], [False, True]]
        assert not is_proof(proofs[0], Secret("x" * 43), NONCE, places[0])
        assert not is_proof(proofs[0], KEY, NONCE[::-1], places[0])


@in_a_loop
async def test_a_proof_is_no_session_and_shows_no_key() -> None:
    async with Simulator(["pocketoption"], regions=REGIONS[:1], key=KEY) as simulator:
        said = await proven(simulator)
        assert KEY.reveal() not in said
        assert simulator.counters.sessions == 0


@pytest.mark.parametrize(
    "fault", ["silent-upgrade", "http-status", "connection-cap:cap=1", "delay:seconds=0.05", "auth-refused"]
)
@in_a_loop
async def test_it_is_proven_under_faults_that_leave_a_way(fault: str) -> None:
    async with Simulator(["pocketoption"], regions=REGIONS[:1], faults=[fault], key=KEY) as simulator:
        place = f"127.0.0.1:{read_url(simulator.endpoints[0].url).port}"
        assert is_proof(await proven(simulator), KEY, NONCE, place)


@pytest.mark.parametrize("target", [PATH, f"{PATH}?nonce=", f"{PATH}?nonce=short", f"{PATH}?nonce={NONCE}&x=1", f"/x{PATH}?nonce={NONCE}"])  # fmt: skip
@in_a_loop
async def test_nothing_else_is_answered_with_a_proof(target: str) -> None:
    async with Simulator(["pocketoption"], regions=REGIONS[:1], key=KEY) as simulator:
        first_line, _ = await answer(simulator, target)
        assert "200" not in first_line


@pytest.mark.parametrize("who", ["client", "simulator"])
@in_a_loop
async def test_the_connection_of_a_proof_lasts_until_one_of_them_ends(who: str) -> None:
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(["pocketoption"], regions=REGIONS[:1], key=KEY))
        port = read_url(simulator.endpoints[0].url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {PATH}?nonce={NONCE} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await reader.readline()
        writer.write(b"what else comes is not heard")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        if who == "client":
            writer.write_eof()
        else:
            await stack.aclose()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.transport.abort()


@in_a_loop
async def test_a_simulator_without_a_key_proves_nothing() -> None:
    async with Simulator(["pocketoption"], regions=REGIONS[:1]) as simulator:
        first_line, _ = await answer(simulator, f"{PATH}?nonce={NONCE}")
        assert "200" not in first_line


def test_a_proof_is_the_keyed_digest_that_the_documentation_names() -> None:
    """HMAC-SHA256 of the challenge, so that others can prove themselves in another language."""
    assert (
        proof_of(Secret("k"), "ab", "127.0.0.1:1")
        == "dfadc77a9cfafb0e9b6c183b270979125d5de808a557ed47adf73b32b32c474e"
    )
