"""A gateway and a terminal of MT5 that fail as they are told to, as patients."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from unittest import mock

from probe.brokers.mt5 import BROKER
from probe.doctor.examine import Patient
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Endpoint
from probe.model.failures import Failure
from probe.simulator.floor import Floor
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from probe.wire.calls import HttpCall, HttpReply, LookForProcess, ProcessFound, TerminalCall, TerminalReply
from tests.brokers.mt5.asked import BASE, MONDAY_NOON, Gateway, detail, key

OURS, SERVER, PASSWORD = 1001, "Sim-Demo", "pass-1001"
Stage = Callable[[], AbstractAsyncContextManager[Patient]]
Happens = Callable[[HttpCall], Awaitable[HttpReply | None]]  # None: as usual


# -- a gateway ---------------------------------------------------------------------------------------------------------


def gateway(
    happens: Happens | None = None,
    prepare: Callable[[Gateway], object] = lambda _: None,
    credentials: Credentials | None = None,
    behind: Callable[[], AbstractAsyncContextManager[Happens]] | None = None,
) -> Stage:
    """One over real sockets. `behind` is what stands behind it, and decides instead of `happens`."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        answers = Gateway()
        prepare(answers)
        if behind is None:
            async with _served(answers, happens or _nothing) as port:
                yield _patient(f"http://127.0.0.1:{port}", credentials or key())
            return
        async with behind() as decides, _served(answers, decides) as port:
            yield _patient(f"http://127.0.0.1:{port}", credentials or key())

    return stage


async def _nothing(call: HttpCall) -> None:
    return None


@asynccontextmanager
async def _served(answers: Gateway, happens: Happens) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")[:-2]
                fields = tuple(
                    (name.title(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
                )
                call = HttpCall(method="GET", url=BASE + first.split()[1], headers=fields)
                came = await happens(call) or answers(call, loop.time())
                assert isinstance(came, HttpReply)
                sent = [
                    f"HTTP/1.1 {came.status} {HTTPStatus(came.status).phrase}",
                    f"Content-Length: {len(came.body)}",
                ]
                sent += [f"{name}: {value}" for name, value in came.headers]
                writer.write("\r\n".join([*sent, "", ""]).encode() + came.body)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def about_the_account(call: HttpCall) -> bool:
    return call.url.startswith(f"{BASE}/api/v1/") and any(name == "Authorization" for name, _ in call.headers)


def says(status: int, words: str, *paths: str, after: float = 0.0) -> Happens:
    """That of the questions at these paths, all about the account if none is named."""

    async def happens(call: HttpCall) -> HttpReply | None:
        if not about_the_account(call) or (paths and not any(path in call.url for path in paths)):
            return None
        await asyncio.sleep(after)
        return detail(status, words)

    return happens


# -- the bridge behind a gateway: every question for the terminal makes a connection to it ---------------------------------


def over_a_bridge(address: Callable[[], AbstractAsyncContextManager[tuple[str, int]]]) -> Stage:
    @asynccontextmanager
    async def behind() -> AsyncIterator[Happens]:
        async with address() as (host, port):

            async def happens(call: HttpCall) -> HttpReply | None:
                if not about_the_account(call):
                    return None
                try:
                    reader, writer = await _connected(host, port)
                    writer.write(b"terminal_info")
                    await reader.readexactly(1)
                except OSError as error:
                    return detail(500, str(error))
                raise AssertionError("there is no bridge")

            yield happens

    return gateway(behind=behind)


async def _connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if not host[0].isdigit():  # as a resolver says it; the real one would need a thread
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return await asyncio.open_connection(host, port)


@asynccontextmanager
async def closed_port() -> AsyncIterator[tuple[str, int]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()


@asynccontextmanager
async def resetting_port() -> AsyncIterator[tuple[str, int]]:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened: socket.socket = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


@asynccontextmanager
async def unknown_name() -> AsyncIterator[tuple[str, int]]:
    yield "mt5-bridge", 18812


# -- a terminal --------------------------------------------------------------------------------------------------------


class Stub:
    """A simulated terminal; `instead` are answers in place of its own, by function."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        account = TerminalAccount(login=OURS, password=PASSWORD, server=SERVER, balance=10_000.0)
        self.its = SimulatedTerminal(
            accounts={OURS: account},
            floor=Floor(seed=1, epoch=0.0, zone_seconds=0.0, skew_seconds=0.0),
            utc=lambda: MONDAY_NOON + loop.time(),
        )
        self.its.call("initialize", login=OURS, password=PASSWORD, server=SERVER)
        self.running: bool | None = True
        self.is_mute = False
        self.instead: dict[
            str, Callable[[int], TerminalReply | None]
        ] = {}  # by how often it was asked before
        self._asked = dict[str, int]()

    async def ask(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        if self.is_mute:
            await asyncio.sleep(15.0)
            return Failure(kind="terminal.silent")
        if isinstance(call, LookForProcess):
            return ProcessFound(running=self.running and self.its.process_running)
        count = self._asked[call.function] = self._asked.get(call.function, -1) + 1
        decides = self.instead.get(call.function)
        return (decides and decides(count)) or await self.its.ask(call)

    async def close(self) -> None:
        pass


def terminal(
    prepare: Callable[[Stub], object] = lambda _: None,
    account: int | None = None,
    password: str = "",
    *,
    is_bridge: bool = False,
) -> Stage:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        stub = Stub()
        prepare(stub)
        keys = None if account is None else _login(account, password)
        with mock.patch("probe.drivers.polling.open_terminal", return_value=stub):
            if not is_bridge:
                yield _patient("terminal://local", keys)
                return
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            async with server:
                yield _patient(f"bridge://127.0.0.1:{server.sockets[0].getsockname()[1]}", keys)

    return stage


def _login(account: int, password: str) -> Credentials:
    text = Secret(
        json.dumps({"account": account, "server": SERVER} | ({"password": password} if password else {}))
    )
    return Credentials(broker="mt5", frame=text, token=text, account=Account.NONE, user=str(account))


def failing(code: int, words: str, after: float = 0.001, *, nothing: object = None) -> TerminalReply:
    return TerminalReply(value=nothing, error=code, error_text=words, seconds=after)


def _patient(url: str, keys: Credentials | None) -> Patient:
    endpoint = Endpoint(broker="mt5", region="own", url=url, account=Account.NONE, named_by_user=True)
    return Patient(name="mt5", broker=BROKER, endpoint=endpoint, key=keys, symbol="EURUSD", is_ours=True)
