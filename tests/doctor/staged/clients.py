"""Clients as people write them, of a public library, beside a broker that is well: what their logs show."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from probe.brokers import find_broker
from probe.doctor.client_log import read_log
from probe.doctor.examine import Patient
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Credentials
from probe.monitor.knock import knock
from probe.simulator.run import Simulator
from tests.doctor.staging import Staged, travelling
from tests.monitor.matrix_coins import SWAP

ONE, TWO = "EURUSD_otc", "GBPUSD_otc"
A_WHILE = 4.0
Lives = Callable[["Client", Simulator], Awaitable[None]]


class Client:
    """It writes down what it sends and hears, as `C> ` and `S> `."""

    def __init__(self, url: str, login: str) -> None:
        self.url, self.login, self.log = url, login, list[str]()

    async def says(self, socket: ClientConnection, text: str) -> None:
        self.log.append(f"C> {text}")
        await socket.send(text)

    async def hears(self, socket: ClientConnection, until: str = "", seconds: float = A_WHILE) -> None:
        """Until a message begins so, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                async for message in socket:
                    text = message if isinstance(message, str) else f"(binary) {message.decode()}"
                    self.log.append(f"S> {text}")
                    if message == "2":
                        await self.says(socket, "3")
                    if until and text.startswith(until):
                        return
        except TimeoutError:
            return

    async def session(self, *, early: Sequence[str] = (), wishes: Sequence[str] = ()) -> None:
        async with connect(self.url) as socket:
            await self.hears(socket, "0{")
            await self.says(socket, "40")
            await self.hears(socket, "40")
            for symbol in early:
                await self.says(socket, _watch(symbol))
            await self.says(socket, self.login)
            await self.hears(socket, '451-["successauth"')
            await self.hears(socket)
            for symbol in wishes:
                await self.says(socket, _watch(symbol))
            await self.hears(socket)


def _watch(symbol: str) -> str:
    return f'42["changeSymbol",{json.dumps({"asset": symbol, "period": 60})}]'


async def _too_early(client: Client, _: Simulator) -> None:
    await client.session(early=[ONE], wishes=[ONE])


async def _too_early_and_never_again(client: Client, _: Simulator) -> None:
    await client.session(early=[ONE])


async def _forgets(client: Client, _: Simulator) -> None:
    await client.session(wishes=[ONE, TWO])
    await client.session(wishes=[TWO])


async def _asks_twice(client: Client, simulator: Simulator) -> None:
    """At a server that tells a price once for each time that it was asked to."""
    number = await simulator.board.switch_on("duplicate-ticks")
    await client.session(wishes=[ONE, ONE])
    await simulator.board.switch_off(number)


async def _says_false(client: Client, _: Simulator) -> None:
    """It looks where nobody listens."""
    try:
        async with connect(client.url.replace("127.0.0.1", "127.0.0.9")):
            pass
    except OSError:
        client.log.append("ERROR connect() returned False")


async def _calls_it_1006(client: Client, _: Simulator) -> None:
    try:
        async with connect(client.url):
            pass
    except InvalidHandshake:
        client.log.append("websocket closed, code 1006")


async def _reads_text(client: Client, _: Simulator) -> None:
    async with connect(client.url) as socket:
        await socket.send(json.dumps({"id": "1", "reqType": "sub", "dataType": "BTC-USDT@ticker"}))
        async for message in socket:
            try:
                json.loads(bytes(message).decode())  # type: ignore[arg-type]
            except ValueError as error:
                client.log.append(f"ERROR {error}")
                return


async def _does_not_answer(client: Client, _: Simulator) -> None:
    try:
        async with connect(client.url) as socket:
            await client.says(
                socket, json.dumps({"id": "1", "reqType": "sub", "dataType": "BTC-USDT@ticker"})
            )
            async for message in socket:
                client.log.append(f"S> {gzip.decompress(bytes(message)).decode()}")  # type: ignore[arg-type]
    except ConnectionClosed as error:
        client.log.append(f"WARNING {error}")


async def _answers(client: Client, _: Simulator) -> None:
    """Unpacks, and answers what is asked, for three of the exchange's pings."""
    async with connect(client.url) as socket:
        await client.says(socket, json.dumps({"id": "1", "reqType": "sub", "dataType": "BTC-USDT@ticker"}))
        while client.log.count("S> Ping") < 2:
            text = gzip.decompress(bytes(await socket.recv())).decode()  # type: ignore[arg-type]
            client.log.append(f"S> {text}")
            if text == "Ping":
                await client.says(socket, "Pong")


def _beside(
    code: str,
    name: str,
    lives: Lives,
    *faults: str,
    broker: str = "pocketoption",
    certain: bool = False,
    **about: Any,
) -> Staged:
    """Such a client first, and the doctor after it, with its log."""
    spoken = find_broker(broker)

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        regions = SWAP if broker == "bingx" else None
        async with Simulator([spoken], faults=faults, regions=regions) as simulator:
            endpoint = simulator.plain_endpoints()[0]
            key = simulator.key(endpoint)
            client = Client(endpoint.url, key.frame.reveal() if isinstance(key, Credentials) else "")
            await lives(client, simulator)
            yield Patient(
                name=f"sim:{broker}",
                broker=spoken,
                endpoint=endpoint,
                key=key,
                symbol=spoken.house.symbol or spoken.default_symbol,
                is_ours=True,
                client=read_log("\n".join(client.log), spoken),
            )

    return Staged(code=code, name=name, play=travelling(stage, code), certain=certain, **about)


@asynccontextmanager
async def _another_program() -> AsyncIterator[Patient]:
    """Of the same account, at a server that then tells each price to both of them twice."""
    spoken = find_broker("pocketoption")
    async with Simulator([spoken]) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        key = simulator.key(endpoint)
        other = asyncio.create_task(
            knock(spoken, endpoint, key, tls=TlsProfile(), timeout=120.0, stays=100.0)
        )
        await asyncio.sleep(A_WHILE)
        await simulator.board.switch_on("duplicate-ticks")
        try:
            yield Patient(name="sim", broker=spoken, endpoint=endpoint, key=key, symbol=ONE, is_ours=True)
        finally:
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)


CASES: list[Staged] = [
    _beside("cfg.masked-by-client", "says only that it failed", _says_false),
    _beside("auth.request-before-auth", "asks once more after the login", _too_early, certain=True),
    _beside("auth.request-before-auth", "never asks again", _too_early_and_never_again),
    _beside("session.resubscribe-lost", "forgets one of two", _forgets, certain=True),
    _beside("session.duplicate-subscriptions", "asks twice", _asks_twice, certain=True),
    Staged(
        code="session.duplicate-subscriptions",
        name="another program on this machine",
        play=travelling(_another_program, "session.duplicate-subscriptions"),
        beside=frozenset({"data.duplicates"}),
    ),
    _beside(
        "session.close-code-misleading",
        "1006 for a 401",
        _calls_it_1006,
        "http-status:code=401",
        beside=frozenset({"http.401"}),
    ),
    _beside("crypto.bingx-gzip", "reads packed bytes as text", _reads_text, broker="bingx", certain=True),
    _beside("crypto.bingx-ping", "answers no ping", _does_not_answer, broker="bingx", certain=True),
    # Nothing is wrong with these.
    _beside("", "a client that unpacks and answers", _answers, broker="bingx"),
    _beside("", "a client that does all as it should", lambda client, _: client.session(wishes=[ONE, TWO])),
]
