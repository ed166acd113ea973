"""Bodies that are small on the way and huge when they are unpacked: no more is unpacked than anybody reads."""

import gzip
import tracemalloc
import zlib

import httpx
import pytest

from probe.drivers.exchange import CallSettings, Exchange, Unpacker
from probe.wire.calls import HttpCall, HttpReply
from tests.drivers.test_polling import answer, ask_all, get, once, run, serving, statuses, url_of

MIB = 1024 * 1024


def packed(size: int, layers: int) -> bytes:
    body = zlib.compress(b"0" * size, 9, wbits=31)
    for _ in range(layers - 1):
        body = gzip.compress(body)
    return body


def exchange(coding: str) -> Exchange:
    call = HttpCall(method="GET", url="http://127.0.0.1/")
    made = Exchange(call, CallSettings(body_limit=1000), float("inf"))
    made.begin_body(httpx.Response(200, headers={"Content-Encoding": coding} if coding else {}))
    return made


def body_of(made: Exchange) -> tuple[bytes, bool]:
    made.finish(None)
    assert isinstance(made.came, HttpReply)
    return made.came.body, made.came.complete


@pytest.mark.parametrize(
    ("coding", "piece"),
    [
        ("", b'{"a":1}'),
        ("identity", b'{"a":1}'),
        ("gzip", gzip.compress(b'{"a":1}')),
        ("GZip", gzip.compress(b'{"a":1}')),
        ("deflate", zlib.compress(b'{"a":1}')),
    ],
    ids=["nothing", "identity", "gzip", "GZip", "deflate"],  # the time is in what gzip makes
)
def test_what_is_packed_once_is_read(coding: str, piece: bytes) -> None:
    made = exchange(coding)
    for at in range(len(piece)):
        assert made.take(piece[at : at + 1])
    assert body_of(made) == (b'{"a":1}', True)


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "gzip,identity"])
def test_what_nobody_asked_for_is_not_unpacked_at_all(coding: str) -> None:
    with pytest.raises(httpx.DecodingError):
        exchange(coding)


def test_of_a_bomb_only_as_much_is_unpacked_as_is_kept() -> None:
    made, bomb = exchange("gzip"), packed(64 * MIB, 1)
    tracemalloc.start()
    try:
        assert not made.take(bomb)
        assert not made.take(bomb)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()
    assert body_of(made) == (b"0" * 1000, False)


def test_what_is_no_gzip_is_told_and_not_guessed() -> None:
    with pytest.raises(httpx.DecodingError):
        Unpacker().unpacked(b"no gzip", 10)


@pytest.mark.parametrize(("layers", "came"), [(1, 200), (2, "http.not-http")])
def test_a_bomb_over_a_real_connection_is_a_cut_answer_or_a_failure(layers: int, came: object) -> None:
    async def scenario() -> None:
        coding = ", ".join(["gzip"] * layers)
        bomb = answer(packed(64 * MIB, layers), headers=f"Content-Encoding: {coding}\r\n")
        async with serving(once(bomb)) as server:
            url = url_of(server.port)
            tracemalloc.start()
            try:
                replies, _ = await ask_all(get(url), url=url)
                assert tracemalloc.get_traced_memory()[1] < 8 * MIB
            finally:
                tracemalloc.stop()
        assert statuses(replies) == [came]
        assert not any(isinstance(reply, HttpReply) and reply.complete for reply in replies)

    run(scenario)
