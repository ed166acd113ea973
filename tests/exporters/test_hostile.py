"""What strangers send, by raw sockets to the real server: it harms nobody, and others are answered meanwhile."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from exporters.guard import Guard
from exporters.guard.limits import Limits
from tests.exporters.certified import HASH, PASSWORD, Certified
from tests.exporters.serving import GET, PLANTED, Answer, Client, Served, in_a_loop, serving, until
from tests.exporters.test_guard_users import login

ELSEWHERE = "127.0.0.2"  # another client, where all of 127/8 is this machine
linux = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is this machine on Linux only")


def raw(served: Served, data: bytes) -> bytes:
    with served.client() as client:
        client.send(data)
        return client.to_the_end()


@in_a_loop
async def test_no_path_leads_out() -> None:
    async with serving() as served:
        with served.client() as client:
            for path in (
                "/../../etc/passwd",
                "/%2e%2e/%2e%2e/etc/passwd",
                "/..%2f..%2fetc/passwd",
                "//etc/passwd",
                "/static/../../probe.toml",
                "/%00",
                "/\\..\\x",
                "/-/reload/../../x",
                "/%ff%fe",
                "http://stranger.test/",
                "*",
                "/?" + "&".join(f"target=t{number}" for number in range(500)),
            ):
                answer = await asyncio.to_thread(client.ask, path=path)
                assert (answer.status, path) == (200 if path.startswith("/?") else 404, path)
                assert "root:" not in answer.body
                assert "stranger" not in answer.body


@in_a_loop
async def test_ten_thousand_targets_in_the_query_are_too_long_a_line() -> None:
    query = "&".join(f"target=t{number}" for number in range(10_000)).encode()
    async with serving() as served:
        got = await asyncio.to_thread(
            raw, served, b"GET /?" + query + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        assert (
            got.startswith(b"HTTP/1.1 400 ") or got == b""
        )  # the rest is still being sent when it is closed
        assert (await served.ask()).status == 200


NO_REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 9000,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 2000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\n\n",
    b"\0" * 9000,
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\nHost\r\n\r\n",
    b"\r\n\r\n\r\nhello\r\n\r\n",
)


@in_a_loop
async def test_headers_that_are_too_long_are_refused_also_in_one_piece() -> None:
    async with serving() as served:
        assert (await served.ask(headers=f"X: {'y' * 7000}\r\n")).status == 200
        assert (await served.ask(headers=f"X: {'y' * 9000}\r\n")).status in (400, 431)
        assert (await served.ask(path=f"/?{'y' * 9000}")).status in (400, 431)


@in_a_loop
async def test_without_file_handles_it_waits_until_there_are_some() -> None:
    with capture_logs() as logs:
        async with serving() as served:
            loop = served.server._uvicorn.loop  # type: ignore[union-attr]
            accept, left = loop.sock_accept, [OSError(24, "Too many open files")] * 3

            async def failing(listener: socket.socket) -> object:
                if left:
                    raise left.pop()
                return await accept(listener)

            loop.sock_accept = failing  # type: ignore[method-assign]
            for _ in range(3):
                assert (await served.ask()).status == 200
    assert [line["event"] for line in logs] == ["connection_not_accepted"]


@in_a_loop
async def test_what_is_no_request_is_refused_and_closed() -> None:
    async with serving() as served:
        with capture_logs() as logs:
            for data in NO_REQUESTS:
                got = await asyncio.to_thread(raw, served, data)
                is_refused = got.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"connection: close" in got
                assert (got == b"" or is_refused, data) == (True, data)
        assert logs == []
        assert (await served.ask()).status == 200


@in_a_loop
async def test_garbage_behind_a_request_does_not_spoil_its_answer() -> None:
    async with serving() as served:
        got = await asyncio.to_thread(raw, served, GET + b"\0garbage\r\n\r\n")
        assert got.count(b"HTTP/1.1 ") == 2
        assert got.startswith(b"HTTP/1.1 200 OK")
        assert b"HTTP/1.1 400 Bad Request" in got


@in_a_loop
async def test_requests_one_behind_the_other_are_answered_in_turn() -> None:
    async with serving() as served:

        def many() -> list[int]:
            with served.client() as client:
                client.send(GET * 20)
                return [client.answer().status for _ in range(20)]

        assert await asyncio.to_thread(many) == [200] * 20


@in_a_loop
async def test_almost_no_body_is_taken() -> None:
    async with serving() as served:
        assert (await served.ask("GET", "/", "Content-Length: 5\r\n", "abcde")).status == 200
        for headers in (
            "Content-Length: 1025\r\n",
            "Content-Length: 99999999999999\r\n",
            "Transfer-Encoding: chunked\r\n",
        ):
            answer = await served.ask("GET", "/", headers)
            assert answer.status == 413
            assert "connection: close" in answer.head
        chunked = (
            b"GET /never HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n"
        )
        assert (await asyncio.to_thread(raw, served, chunked)).split()[1] in (b"400", b"413")


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
@in_a_loop
async def test_another_version_of_http_is_told_ours(data: bytes) -> None:
    async with serving() as served:
        assert (await asyncio.to_thread(raw, served, data)).startswith(b"HTTP/1.1 505 ")


@contextmanager
def half_open(served: Served, number: int, data: bytes = GET[:-2]) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(served.client()) for _ in range(number)]
        for client in clients:
            client.send(data)
        yield clients


@in_a_loop
async def test_two_hundred_who_never_finish_their_request_keep_nobody_out() -> None:
    async with serving() as served:
        with half_open(served, 200):
            assert (await served.ask()).status == 200


@linux
@in_a_loop
async def test_one_who_takes_all_connections_takes_only_the_own() -> None:
    async with serving(limits=Limits(connections=6, connections_of_one=4)) as served:
        with served.client(source=ELSEWHERE) as other, half_open(served, 20):
            assert (await asyncio.to_thread(other.ask)).status == 200
            assert (await served.ask(source=ELSEWHERE)).status == 200
            assert (await asyncio.to_thread(other.ask)).status == 200


@in_a_loop
async def test_who_is_being_answered_makes_no_room() -> None:
    asked: list[Callable[[], object]] = []

    async def slow(_: Request) -> Response:
        go, loop = asyncio.Event(), asyncio.get_running_loop()
        asked.append(lambda: loop.call_soon_threadsafe(go.set))
        await go.wait()
        return PlainTextResponse("at last")

    async with serving((Route("/", slow),), limits=Limits(connections_of_one=3)) as served:
        with half_open(served, 3, GET) as clients:
            await until(lambda: len(asked) == 3)
            with served.client() as refused:
                assert await asyncio.to_thread(refused.to_the_end) == b""
            for go in asked:
                go()
            assert [(await asyncio.to_thread(client.answer)).body for client in clients] == ["at last"] * 3


@in_a_loop
async def test_a_request_that_is_never_complete_is_ended() -> None:
    async with serving(limits=Limits(request_within=0.2)) as served:
        with served.client() as again:
            assert (await asyncio.to_thread(again.ask)).status == 200
            again.send(b"GET ")
            begun = (
                b"",
                b"GET / HTTP/1.1\r\nHo",
                b"GET /never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
            )
            ended = asyncio.to_thread(again.to_the_end)
            for got in await asyncio.gather(ended, *(asyncio.to_thread(raw, served, data) for data in begun)):
                assert got.count(b"HTTP/1.1 ") == 1
                assert b"HTTP/1.1 408 Request Timeout\r\n" in got


@in_a_loop
async def test_one_byte_now_and_then_does_not_prolong_it() -> None:
    async with serving(limits=Limits(request_within=0.2)) as served:

        def drip() -> bytes:
            with served.client() as client:
                client.raw.settimeout(0.05)
                for byte in (b"GET / HTTP/1.1\r\nX: " + b"y" * 400)[:400]:
                    try:
                        client.send(bytes([byte]))
                        if got := client.raw.recv(65536):
                            return got
                    except TimeoutError:
                        continue
                return b""

        assert b" 408 " in await asyncio.to_thread(drip)


@in_a_loop
async def test_one_who_asks_without_end_is_slowed_down() -> None:
    async with serving(limits=Limits(requests_each_second=0.001, requests_at_once=5)) as served:

        def many() -> list[int]:
            with served.client() as client:
                return [client.ask().status for _ in range(6)]

        assert await asyncio.to_thread(many) == [200] * 5 + [429]
        if sys.platform == "linux":
            assert (await served.ask(source=ELSEWHERE)).status == 200


@in_a_loop
async def test_one_who_does_not_read_the_answer_is_cut_off() -> None:
    async def large(_: Request) -> Response:
        return PlainTextResponse("x" * 16_000_000)

    async with serving((Route("/", large),), limits=Limits(answer_taken_within=0.2)) as served:
        with served.client() as lazy:
            lazy.send(GET)
            lazy.raw.recv(1)
            door = served.server._uvicorn._door  # type: ignore[union-attr]
            await until(lambda: not door._held)
            assert len(lazy.to_the_end()) < 16_000_000


@in_a_loop
async def test_wrong_passwords_are_throttled_and_show_in_no_answer_and_no_log(tmp_path: Path) -> None:
    guard = Guard(Certified(folder=tmp_path).write(f"basic_auth_users:\n  admin: {HASH}\n"))
    seen: list[Answer] = []
    with capture_logs() as logs:
        async with serving(guard=guard) as served:

            def guess() -> None:
                with served.client() as client:
                    for number in range(15):
                        header = login("admin", f"{PLANTED}{number}").decode()
                        seen.append(client.ask(path=f"/{PLANTED}", headers=f"Authorization: {header}\r\n"))

            await asyncio.to_thread(guess)
            right = f"Authorization: {login('admin', PASSWORD).decode()}\r\n"
            throttled = await served.ask(headers=right)
            if sys.platform == "linux":
                assert (await served.ask(headers=right, source=ELSEWHERE)).status == 200
    assert [answer.status for answer in seen[:10]] == [401] * 10
    assert seen[14].status == throttled.status == 429
    assert "retry-after:" in seen[14].head
    assert PLANTED not in str(seen)
    assert logs == []
