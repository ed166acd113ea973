"""What is only asked, watched as everything else is: what a knock costs it, and what a clock that moves does to it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from probe.brokers import find_broker
from probe.measure.reading import reference_of
from probe.measure.records import Incident, Notice, Record, SessionState
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Phase
from probe.monitor.knocking import keep_knocking
from probe.monitor.link import Link
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import ConnectMode, Wanted
from tests.measure.watched import Played
from tests.monitor.linked import Ears, place, running, until
from tests.virtual.travelling import run

CRYPTO, MT5 = find_broker("crypto"), find_broker("mt5")
SYMBOLS = ("BTC-USDT",)
KEY = CRYPTO.read_credentials('{"cookie": "planted0cookie000000000000"}')


class Live:
    """As much of a link as a knock looks at."""

    def __init__(self, url: str) -> None:
        self.live_endpoint = Endpoint(broker="x", region="one", url=url, account=Account.NONE)
        self.credentials = KEY


class Heard:
    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[bytes] = []


@contextlib.asynccontextmanager
async def a_backend() -> AsyncIterator[tuple[str, Heard]]:
    heard = Heard()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                heard.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


async def knocks_of(url: str, seconds: float, *, knock_auth: bool = False) -> Ears:
    ears, live = Ears(), Live(url)
    wanted = Wanted(
        name="one",
        broker=CRYPTO if url.startswith("http") else MT5,
        endpoints=(live.live_endpoint,),
        key=KEY,
        symbols=SYMBOLS,
        connect=ConnectMode.FALLBACK,
        proxy="none",
        knock_every=30.0,
        knock_auth=knock_auth,
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await keep_knocking(wanted, live, ears.attempted, rng=random.Random(1))  # type: ignore[arg-type]
    return ears


def test_where_each_question_counts_a_knock_asks_none() -> None:
    async def go() -> None:
        async with a_backend() as (url, heard):
            ears = await knocks_of(url, 100.0)
            assert [each.failure for each in ears.attempts] == [None] * 3
            assert {each.phases[-1].phase for each in ears.attempts} == {Phase.CONNECTING}
            assert (heard.connections, heard.heads) == (3, [])

    run(go())


def test_a_knock_that_shall_log_in_asks_what_opens_a_session_and_no_more() -> None:
    async def go() -> None:
        async with a_backend() as (url, heard):
            ears = await knocks_of(url, 20.0, knock_auth=True)
            assert len(ears.attempts) == 1
            paths = [head.split()[1] for head in heard.heads]
            assert paths == [b"/health", b"/openapi.json", b"/me", b"/me"]

    run(go())


@pytest.mark.parametrize("url", ["terminal://local", "bridge://127.0.0.1:18812"])
def test_where_nothing_is_dialled_nothing_is_knocked_at(url: str) -> None:
    async def go() -> None:
        assert (await knocks_of(url, 300.0, knock_auth=True)).attempts == []

    run(go())


@pytest.mark.parametrize("off", [100.0, -100.0])
def test_a_clock_that_is_set_right_is_right_in_a_session_that_asks_too(off: float) -> None:
    async def go() -> None:
        wrong = off
        async with place(broker=CRYPTO, at=CRYPTO.house.regions) as at:
            wanted = at.wanted(symbols=SYMBOLS, knock_every=None)
            told = list[Record]()
            monitor = Monitor(
                [wanted], sinks=[told.append], rng=random.Random(1), utc=lambda: at.utc() + wrong
            )
            task = asyncio.create_task(monitor.run())
            await asyncio.sleep(60)
            (before,) = monitor.conditions().values()
            wrong = 0.0
            await asyncio.sleep(60)
            (after,) = monitor.conditions().values()
            monitor.stop()
            await task
            assert before.state is not SessionState.STREAMING
            assert (after.state, after.code) == (SessionState.STREAMING, None)
            assert [each.code for each in told if isinstance(each, Notice)].count("clock.stepped") == 1

    run(go())


def test_without_a_credential_an_endpoint_that_needs_one_is_only_visited_now_and_then() -> None:
    """Though another one of the target is open to everybody."""

    async def go() -> None:
        ears = Ears()
        async with a_backend() as (url, _):
            gateway = Endpoint(broker="crypto", region="gateway", url=url, account=Account.NONE)
            terminal = replace(gateway, region="terminal", url="terminal://local")
            wanted = Wanted(
                name="one",
                broker=replace(CRYPTO, public=frozenset({"terminal"})),
                endpoints=(terminal, gateway),
                key=None,
                symbols=SYMBOLS,
                connect=ConnectMode.FALLBACK,
                proxy="none",
            )
            link = Link(wanted, ears, rng=random.Random(1), winners=None)
            link._endpoint = gateway
            async with running(link):
                await until(lambda: ears.pauses)
        assert ears.pauses == [300.0]

    run(go())


def test_who_has_no_symbol_in_common_is_no_reference() -> None:
    one, other = Played(symbols=("EURUSD",)), Played(symbols=("BTC-USDT",))
    assert reference_of(one.watch, other.watch, None, one.now) is None


def test_what_an_incident_keeps_of_answers_about_an_account_is_their_size() -> None:
    async def go() -> None:
        async with place(broker=MT5, at=MT5.house.regions) as at:
            symbol = MT5.house.symbol
            assert symbol is not None
            told = list[Record]()
            wanted = at.wanted(symbols=(symbol,), knock_every=None)
            monitor = Monitor([wanted], sinks=[told.append], rng=random.Random(1), utc=at.utc)
            task = asyncio.create_task(monitor.run())
            await asyncio.sleep(60)
            await at.simulator.board.switch_on("gateway-terminal-closed")
            await asyncio.sleep(90)
            monitor.stop()
            await task
            incidents = [each for each in told if isinstance(each, Incident)]
            assert incidents
            shown = "\n".join(map(repr, told))
            assert at.key.token.reveal() not in shown
            lines = [line for each in incidents for line in each.evidence]
            assert any("bytes)" in line.text for line in lines)
            assert not any('balance"' in line.text for line in lines)

    run(go())
