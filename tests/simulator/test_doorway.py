"""What clients send that HTTP does not allow reaches pages and socket all the same."""

import asyncio

import pytest

from probe.model.endpoint import Account, read_url
from probe.session.broker import Region
from probe.simulator import doorway
from probe.simulator.folding import Folding
from probe.simulator.run import Simulator
from probe.wire.heads import MAX_HEAD
from tests.simulator.clients import PATIENCE

DOUBLED = (
    b"GET /a HTTP/1.1\r\nHost: one\r\nhost: two\r\nUser-Agent: x\r\nuser-agent:y\r\nOrigin: o\r\nOrigin: o\r\n"
    b"Cookie: a=1\r\nCookie: b=2\r\nAccept: p\r\nAccept: q\r\n\r\n"
)
FOLDED = b"GET /a HTTP/1.1\r\nHost: one\r\nUser-Agent: x\r\nOrigin: o\r\nCookie: a=1; b=2\r\nAccept: p\r\nAccept: q\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: one\r\nHost: one\r\nContent-Length: 9\r\n\r\nHost: no\n"
POSTED = b"POST /b HTTP/1.1\r\nHost: one\r\nContent-Length: 9\r\n\r\nHost: no\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: one\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"


def folded(*pieces: bytes) -> bytes:
    folding = Folding()
    return b"".join(folding.receive(piece) for piece in pieces)


async def exchanged(simulator: Simulator, *requests: bytes, tail: bytes) -> list[bytes]:
    """Over one connection: what comes up to `tail`, for each request in turn."""
    async with asyncio.timeout(PATIENCE):
        port = read_url(simulator.endpoints[0].url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for request in requests:
            writer.write(request)
            answers.append(await reader.readuntil(tail))
        writer.transport.abort()
        return answers


def simulator(*, pages: bool) -> Simulator:
    region = Region(name="demo", account=Account.DEMO)
    return Simulator(["pocketoption"], pages=pages, regions=(region,))


def test_what_may_come_once_is_there_once() -> None:
    assert folded(DOUBLED) == FOLDED


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_all_requests_of_a_connection_are_folded_however_they_are_cut(size: int) -> None:
    stream = DOUBLED + POST + POST + DOUBLED
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert folded(*pieces) == FOLDED + POSTED + POSTED + FOLDED


@pytest.mark.parametrize(
    "stream",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n" + DOUBLED,
        b"GET /" + b"x" * MAX_HEAD,
        CHUNKED + DOUBLED,
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n" + DOUBLED,
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 20\r\n\r\n" + DOUBLED,
    ],
    ids=["words", "broken header", "endless head", "chunks", "wrong length", "two lengths"],
)
def test_what_cannot_be_read_is_passed_on_as_it_is(stream: bytes) -> None:
    assert folded(stream) == stream
    assert folded(*(bytes([byte]) for byte in stream)) == stream


def test_a_connection_may_ask_for_many_pages_with_headers_twice() -> None:
    async def scenario() -> None:
        request = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nuser-agent:x\r\nUser-Agent: y\r\nORIGIN:  o \r\norigin: o\r\n\r\n"
        async with simulator(pages=True) as sim:
            answers = await exchanged(sim, *[request] * 3, tail=b"</html>\n")
        assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 3

    asyncio.run(scenario())


def test_a_connection_that_is_kept_alive_is_not_taken_for_an_endless_upload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doorway, "UPLOAD_LIMIT_BYTES", 150)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n" + b"x" * 60

    async def scenario() -> None:
        async with simulator(pages=True) as sim:
            assert len(await exchanged(sim, *[request] * 3, tail=b"</html>\n")) == 3

    asyncio.run(scenario())


def test_an_upgrade_may_carry_headers_twice() -> None:
    async def scenario() -> None:
        upgrade = (
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nHost: a\r\nupgrade:  WebSocket \r\n"
            b"connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\nOrigin: o\r\norigin: o\r\nUser-Agent: x\r\nUser-Agent: x\r\n"
            b"Cookie: a=1\r\nCookie: b=2\r\n\r\n"
        )
        async with simulator(pages=False) as sim:
            (answer,) = await exchanged(sim, upgrade, tail=b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 ")

    asyncio.run(scenario())


def test_a_client_that_asks_on_and_on_and_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "BACKLOG_LIMIT_BYTES", 64 * 1024)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000 + b"\r\n\r\n"

    async def scenario() -> None:
        async with asyncio.timeout(PATIENCE), simulator(pages=True) as sim:
            port = read_url(sim.endpoints[0].url).port
            _, writer = await asyncio.open_connection("127.0.0.1", port)

            async def ask_on_and_on() -> None:
                for _ in range(200):
                    writer.write(request * 64)
                    await writer.drain()

            with pytest.raises(ConnectionError):
                await ask_on_and_on()
            writer.transport.abort()

    asyncio.run(scenario())
