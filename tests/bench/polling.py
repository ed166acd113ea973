"""What polling many gateways costs in one process: our driver and session against a bare reused httpx client."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import httpx

from probe.drivers.dial import DialPlan
from probe.drivers.polling import Conversation, converse
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Redactor
from probe.model.endpoint import Account, read_url
from probe.model.events import Event, HeartbeatAnswered, Phase
from probe.model.failures import Failure
from probe.model.meanings import Admitted
from probe.session.codec import DialectRules
from probe.session.polled import PolledSession, PollPlan, Round, Said
from probe.wire.calls import Asking, HttpCall, HttpReply, read_json
from tests.bench.figures import Figure
from tests.drivers.pki import make_pki

GATEWAYS = 200
EVERY = 1.0  # seconds between two polls of one gateway
POLLS = 10  # of each gateway
ROUNDS = 3  # of each kind, in turn; the cheapest counts: neighbours only ever add
BODY = b'{"status":"ok","connected":true,"account":{"login":5012345,"server":"Demo","balance":10000.0,"equity":10012.5}}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: Sat, 01 Jan 2028 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


def polling() -> Iterator[Figure]:
    with gateways() as url:
        pairs = [
            (asyncio.run(poll_bare(url)), asyncio.run(poll_ours(url, DialPlan(address=read_url(url)))))
            for _ in range(ROUNDS)
        ]
    bare, ours = min(bare for bare, _ in pairs), min(ours for _, ours in pairs)
    yield Figure(
        f"Polling {GATEWAYS} gateways: CPU of one poll / of a bare httpx client's",
        ours / bare,
        "x",
        1.5,
        f"{ours * 1e6:.0f} us against {bare * 1e6:.0f} us",
    )
    yield _shared_context()


def _shared_context() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        pki = make_pki(Path(folder))
        makes = patch.object(ssl, "create_default_context", wraps=ssl.create_default_context)
        with gateways(Path(folder) / "good.pem") as url, makes as made:
            cpu = asyncio.run(
                poll_ours(url, DialPlan(address=read_url(url), tls=TlsProfile(ca_file=pki.ca_file)), polls=2)
            )
    return Figure(
        f"Polling {GATEWAYS} gateways over TLS: contexts made",
        made.call_count,
        "",
        1,
        f"{cpu * 1e6:.0f} us of CPU for one poll",
    )


# -- the two ways ------------------------------------------------------------------------------------------------------


async def poll_bare(url: str) -> float:
    """Seconds of CPU for one poll. A client for each gateway: the pool of one for all would be the slower way."""
    context = ssl.create_default_context()

    async def poll_one(client: httpx.AsyncClient) -> None:
        due = asyncio.get_running_loop().time()
        for _ in range(POLLS):
            due += EVERY
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            (await client.get(url + "/health")).json()

    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(verify=context, trust_env=False))
            for _ in range(GATEWAYS)
        ]
        for client in clients:
            await client.get(url + "/health")
        return await _cpu(lambda: asyncio.gather(*map(poll_one, clients)), GATEWAYS * POLLS)


async def poll_ours(url: str, plan: DialPlan, polls: int = POLLS) -> float:
    left = GATEWAYS * polls
    done = asyncio.Event()

    def note(event: Event) -> None:
        nonlocal left
        if isinstance(event, HeartbeatAnswered):
            left -= 1
            if left <= 0:
                done.set()

    async def open_one() -> Conversation:
        session = PolledSession(
            survey=Health(url),
            credentials=None,
            plan=PollPlan(account=Account.DEMO, goal=Phase.LIVE),
            redact=Redactor(()),
        )
        return await converse(session, plan, url=url, on_event=note)

    conversations = [await open_one() for _ in range(GATEWAYS)]
    cpu = await _cpu(done.wait, left)
    for conversation in conversations:
        conversation.act(PolledSession.leave)
        await conversation.ended()
    return cpu


async def _cpu(work: Callable[[], Awaitable[object]], polls: int) -> float:
    began = time.process_time()
    await work()
    return (time.process_time() - began) / polls


class Health:
    rules = DialectRules(
        path="",
        query={},
        phases=(Phase.OPENING, Phase.LIVE),
        speaks_first={},
        beats=(),
        peer_beats=False,
        needs_login=False,
    )

    def __init__(self, base: str) -> None:
        self._call = HttpCall(method="GET", url=base + "/health")

    def rounds(self) -> list[Round]:
        return [Round(name="health", every=EVERY, ask=self._ask, is_beat=True, first_after=EVERY)]

    def open(self, now: float) -> Asking[Said]:
        return self._ask(now)

    def enter(self, credentials: object, now: float) -> Asking[Said]:
        yield from ()
        return (Admitted(),)

    def leave(self) -> None:
        return None

    def _ask(self, now: float) -> Asking[Said]:
        reply = yield self._call
        if isinstance(reply, Failure):
            return reply
        assert isinstance(reply, HttpReply)
        read_json(reply)
        return ()


# -- the other side, in a process of its own ---------------------------------------------------------------------------


@contextlib.contextmanager
def gateways(certificate: Path | None = None) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.polling", *([str(certificate)] if certificate else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


class Gateway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(ANSWER)


async def serve(certificate: str | None) -> None:
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Gateway, "127.0.0.1", 0, ssl=tls, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] if len(sys.argv) > 1 else None))
