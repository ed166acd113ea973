import asyncio
import re
import socket
import threading
import time

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from exporters.front import PROTECTING
from exporters.guard import Guard
from exporters.server import Server
from probe.model.errors import ConfigError
from tests.exporters.certified import HASH, PASSWORD, Certified
from tests.exporters.serving import GET, PAGES, PLANTED, in_a_loop, serving
from tests.exporters.test_guard_users import login


@in_a_loop
async def test_it_serves_from_a_thread_and_a_loop_of_its_own() -> None:
    seen: list[object] = []

    async def where(_: Request) -> Response:
        seen.extend((threading.current_thread(), asyncio.get_running_loop()))
        return PlainTextResponse("")

    async with serving((Route("/", where),)) as served:
        assert (await served.ask()).status == 200
    assert threading.current_thread() not in seen
    assert asyncio.get_running_loop() not in seen


@in_a_loop
async def test_when_it_has_started_it_listens() -> None:
    server = Server(PAGES, host="localhost", port=0)
    host, port = await server.start()
    with socket.create_connection((host, port), timeout=5):
        pass
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=5).close()


@in_a_loop
async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(PAGES, host="127.0.0.1", port=port)
        with pytest.raises(ConfigError) as told:
            await server.start()
        assert str(told.value) == (
            f"the exporter cannot listen on 127.0.0.1, port {port} (something else listens there). "
            "Choose another address: `listen` in [exporter] of probe.toml."
        )
        await server.stop()


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("192.0.2.1", 0, "this machine has no such address"),
        ("no.such.invalid", 80, "cannot listen on no.such.invalid"),
        ("127.0.0.1", 70000, "cannot listen"),
    ],
)
@in_a_loop
async def test_an_address_that_cannot_be_had_is_told(host: str, port: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await Server(PAGES, host=host, port=port).start()


@in_a_loop
async def test_what_goes_wrong_in_the_thread_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no door")

    monkeypatch.setattr("exporters.server.Door", broken)
    server = Server(PAGES, host="127.0.0.1", port=0)
    with capture_logs() as logs, pytest.raises(RuntimeError, match="no door"):
        await server.start()
    await server.stop()
    assert logs == [{"event": "exporter_ended", "log_level": "error", "problem": "RuntimeError"}]


@in_a_loop
async def test_it_ends_with_clients_that_hang() -> None:
    async with serving() as served:
        with (
            served.client() as idle,
            served.client() as half,
            served.client() as hanging,
            served.client() as silent,
        ):
            assert (await asyncio.to_thread(idle.ask)).status == 200
            half.send(b"GET / HTTP/1.1\r\nHo")
            hanging.send(GET.replace(b"/ ", b"/never "))
            assert (await served.ask()).status == 200  # those before it have been taken in
            began = time.monotonic()
            await served.server.stop()
            assert time.monotonic() - began < 3  # 1.2 s where nothing else runs
            assert silent.to_the_end() == b""
            assert not [thread for thread in threading.enumerate() if thread.name == "exporter"]


@in_a_loop
async def test_a_bug_in_a_page_shows_neither_text_nor_place_to_whoever_asks() -> None:
    with capture_logs() as logs:
        async with serving() as served:
            answer = await served.ask(path="/bug")
            assert (answer.status, answer.body) == (
                500,
                "Something went wrong in the exporter. Its log says where.\n",
            )
            assert (await served.ask()).status == 200
    assert [(line["event"], line["problem"]) for line in logs] == [("page_failed", "RuntimeError")]
    assert re.fullmatch(r"serving.py:\d+ bug", logs[0]["place"])
    assert PLANTED not in f"{answer}{logs}"


@in_a_loop
async def test_half_an_answer_is_not_taken_for_the_whole() -> None:
    async def half(_: Request) -> Response:
        async def parts() -> object:
            yield "the first half"
            raise RuntimeError(PLANTED)

        return StreamingResponse(parts(), headers={"content-length": "100"})  # type: ignore[arg-type]

    with capture_logs() as logs:
        async with serving((Route("/", half),)) as served:
            with pytest.raises(ConnectionResetError):
                await served.ask()
    assert [line["event"] for line in logs] == ["page_failed"]


@in_a_loop
async def test_every_answer_protects_and_none_says_with_what_it_was_made() -> None:
    async def own(_: Request) -> Response:
        return PlainTextResponse("", headers={"cache-control": "max-age=60"})

    async def refused(_: Request) -> Response:
        raise HTTPException(503, "Too many probes run already.")

    async with serving((*PAGES, Route("/own", own), Route("/refused", refused))) as served:
        with capture_logs():
            for path in ("/", "/bug", "/nothing", "/refused"):
                head = (await served.ask(path=path)).head
                for name, value in PROTECTING.items():
                    assert f"{name}: {value}" in head.splitlines()
                assert "server:" not in head.lower()
        assert "cache-control: max-age=60" in (await served.ask(path="/own")).head
        assert (await served.ask(path="/refused")).body == "Too many probes run already.\n"


@in_a_loop
async def test_a_page_that_is_not_there_says_which_are() -> None:
    async with serving() as served:
        answer = await served.ask(path="/metric<b>")
        assert (answer.status, answer.body) == (404, "Nothing is here. What is: /  /bug  /never\n")
        answer = await served.ask("DELETE", "/")
        assert (answer.status, answer.body) == (405, "This page takes GET, HEAD.\n")
        assert (await served.ask(path="/bug/")).status == 404  # and no redirect to whatever Host says


@in_a_loop
async def test_only_this_machine_is_asked_for_by_name_while_there_are_no_users() -> None:
    async with serving() as served:
        for host in ("localhost:9", "127.0.0.1", "[::1]:80", "192.0.2.1"):
            assert (await served.ask(headers=f"Host: {host}\r\n")).status == 200
        for host in ("stranger.test", "localhost.stranger.test", "1.2.3.4.stranger.test", "a b", "<b>"):
            answer = await served.ask(headers=f"Host: {host}\r\n")
            assert answer.status == 421
            assert host not in answer.body


@in_a_loop
async def test_with_users_nothing_is_shown_without_a_password(tmp_path: object) -> None:
    path = Certified(folder=tmp_path).write(f"basic_auth_users:\n  admin: {HASH}\n")  # type: ignore[arg-type]
    right = f"Authorization: {login('admin', PASSWORD).decode()}\r\n"
    wrong = f"Authorization: {login('admin', PLANTED).decode()}\r\n"
    with capture_logs() as logs:
        async with serving(guard=Guard(path)) as served:
            for url in ("/", "/-/healthy", "/nothing", "/bug"):
                answer = await served.ask(path=url)
                assert (answer.status, answer.body) == (401, "A name and a password are needed.\n")
                assert 'www-authenticate: Basic realm="tradeprobe", charset="UTF-8"' in answer.head
            assert (await served.ask(headers=wrong)).status == 401
            answer = await served.ask(headers=f"Host: any.name.test\r\n{right}")
            assert (answer.status, answer.body) == (200, "the page")
            path.write_text("basic_auth_users: {admin: " + HASH.replace(HASH[-4:], "....") + "}\n")
            assert (await served.ask(headers=right)).status == 401
            path.write_text("basic_auth_users: {admin: planted-secret-4471}\n")
            assert (await served.ask(headers=right)).status == 401
            assert served.guard is not None
            assert served.guard.refused == 1
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["web_config_refused"]
    assert PLANTED not in str(logs)
    assert HASH[7:] not in str(logs)


@in_a_loop
async def test_headers_and_rate_are_those_of_the_file(tmp_path: object) -> None:
    text = (
        "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    Content-Security-Policy: ''\n"
    )
    path = Certified(folder=tmp_path).write(text)  # type: ignore[arg-type]
    async with serving(guard=Guard(path)) as served:
        head = (await served.ask()).head
        assert "x-frame-options: sameorigin" in head
        assert "content-security-policy" not in head
        path.write_text("rate_limit:\n  interval: 1h\n  burst: 2\n")
        assert [(await served.ask()).status for _ in range(3)] == [200, 200, 429]


@in_a_loop
async def test_strangers_do_not_use_up_what_all_users_may_take_together(tmp_path: object) -> None:
    text = f"rate_limit: {{interval: 1h, burst: 2}}\nbasic_auth_users: {{admin: {HASH}}}\n"
    right = f"Authorization: {login('admin', PASSWORD).decode()}\r\n"
    async with serving(guard=Guard(Certified(folder=tmp_path).write(text))) as served:  # type: ignore[arg-type]
        assert [(await served.ask()).status for _ in range(5)] == [401] * 5
        assert [(await served.ask(headers=right)).status for _ in range(3)] == [200, 200, 429]
