"""Our own line is judged by two failures in a row, and a dead-man's switch is told for as long as we live."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from probe.measure.records import Notice
from probe.model.credentials import Secret
from probe.monitor.outside import DEADMAN_WITHIN, UPLINK_AGAIN, UPLINK_EVERY, Uplink, keep_telling
from tests.virtual.travelling import run

PLANTED = "planted0deadman0path"


class Switch:
    """Answers each connection with what it is set to; nothing: not at all."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.asked: list[tuple[float, str]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.asked.append((asyncio.get_running_loop().time(), line.split()[1].decode()))
                while (await reader.readline()).strip():
                    pass
                if self.answer:
                    writer.write(self.answer)
                    await writer.drain()
        finally:
            writer.close()

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()


def test_a_name_that_cannot_be_one_is_a_line_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(host: str, port: int) -> None:
        host.encode("idna")

    async def look() -> None:
        monkeypatch.setattr(asyncio, "open_connection", refuse)
        uplink = Uplink("x" * 64 + ".test", 1)
        watching = asyncio.create_task(uplink.watch(lambda at, seconds: None))
        await asyncio.sleep(UPLINK_AGAIN + 1)
        assert (uplink.up, watching.done()) == (False, False)
        watching.cancel()

    run(look())


def test_the_line_is_down_after_two_failures_and_up_after_one_success() -> None:
    async def look() -> None:
        measured: list[tuple[float, float]] = []
        switch = Switch()
        async with switch.open() as port:
            uplink = Uplink("127.0.0.1", port)
            seen = [uplink.up]
            watching = asyncio.create_task(uplink.watch(lambda at, seconds: measured.append((at, seconds))))
            await asyncio.sleep(1)
            seen.append(uplink.up)
        for pause in (UPLINK_EVERY, UPLINK_AGAIN):
            await asyncio.sleep(pause)
            seen.append(uplink.up)
        async with switch.open(port):
            await asyncio.sleep(UPLINK_EVERY)
            seen.append(uplink.up)
        assert seen == [None, True, True, False, True]
        assert [0 <= seconds < 1 for _, seconds in measured] == [True, True]
        watching.cancel()

    run(look())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it answered with status 404"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "it answered with status 302"),
        (b"", f"it did not answer within {DEADMAN_WITHIN:g} s"),
        (b"nonsense\r\n\r\n", "it could not be reached (RemoteProtocolError)"),
    ],
)
def test_a_switch_that_is_not_told_is_noticed_once_and_once_when_it_is_again(
    answer: bytes, words: str
) -> None:
    async def tell() -> None:
        switch, notices = Switch(), list[Notice]()
        async with switch.open() as port:
            url = Secret(f"http://127.0.0.1:{port}/{PLANTED}")
            telling = asyncio.create_task(keep_telling(url, 60.0, notices.append, lambda: 1.0))
            await asyncio.sleep(130)
            assert [(round(at), path) for at, path in switch.asked] == [
                (each, f"/{PLANTED}") for each in (0, 60, 120)
            ]
            assert notices == []
            good, switch.answer = switch.answer, answer
            await asyncio.sleep(180)
            assert [notice.code for notice in notices] == ["deadman.failing"]
            assert words in notices[0].sentence
            switch.answer = good
            await asyncio.sleep(180)
            assert [notice.code for notice in notices] == ["deadman.failing", "deadman.recovered"]
            assert PLANTED not in repr(notices)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    run(tell())


@pytest.mark.parametrize("url", ["", "gopher://x/", "http://", "http://\0/", "http://127.0.0.1:1/"])
def test_a_url_that_leads_nowhere_is_told(url: str) -> None:
    async def tell() -> None:
        notices: list[Notice] = []
        telling = asyncio.create_task(keep_telling(Secret(url), 60.0, notices.append, lambda: 1.0))
        await asyncio.sleep(1)
        assert [notice.code for notice in notices] == ["deadman.failing"]
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    run(tell())
