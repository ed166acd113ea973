"""Live sessions that stall, fall silent or end."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection as ServerThread
from websockets.sync.server import serve as serve_on_a_thread

from probe.brokers import find_broker
from probe.diagnose.case import Case, End, Host, Past
from probe.doctor.examine import Means, Patient, Rung, examine
from probe.model.endpoint import Account, Endpoint
from probe.model.events import TcpFacts
from probe.model.failures import Failure, Seen, Speaker
from probe.model.findings import Certainty
from probe.model.intents import Watch
from probe.model.meanings import BeatAsked, History, Quote, Quotes
from tests.doctor.alone import ROOT, TOOLS
from tests.doctor.simulated import simulated
from tests.doctor.staging import (
    SECOND_FORM,
    OnPaper,
    Said,
    Stage,
    Staged,
    _examined,
    judged,
    travelling,
)
from tests.doctor.upgrade_stubs import Script, at, listening, switch
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.virtual.travelling import run

PO, QX = "pocketoption", "quotex"
SATURDAY_NOON = WEDNESDAY_NOON + 3 * 86400.0


def changed(
    stage: Stage,
    code: str,
    change: Callable[[Case], Case],
    utc: float = WEDNESDAY_NOON,
    *,
    why: str,
    **means: Any,
) -> OnPaper:
    """A real session, and of its facts one as it cannot be staged here."""

    def play() -> Said:
        examination = run(_examined(stage, Means(**means), utc))
        return judged(change(examination.case), examination.patient.broker, code)

    return OnPaper(play, why)


def said_of(
    code: str, name: str, *faults: str, broker: str = PO, certain: bool = False, **about: Any
) -> Staged:
    return Staged(
        code=code,
        name=f"{broker} {name}",
        play=travelling(simulated(broker, *faults, **about), code),
        certain=certain,
    )


def ended(failure: Failure) -> Callable[[Case], Case]:
    """It ended so, and not as it did."""

    def change(case: Case) -> Case:
        assert case.facts is not None
        assert case.facts.ended is not None
        case.facts.ended = replace(case.facts.ended, failure=failure)
        return case

    return change


def _way_is_dead(case: Case) -> Case:
    assert case.facts is not None
    case.facts.kernel = TcpFacts(
        rtt_seconds=0.05,
        rtt_variation_seconds=0.01,
        retransmits=6,
        unacknowledged=2,
        backoff=5,
        heard_seconds=11.0,
        acknowledged_seconds=11.0,
    )
    return case


def _blocked(case: Case) -> Case:
    return replace(case, host=replace(case.host or Host(), loop_lag_seconds=5.0))


def _lags(case: Case) -> Case:
    """Each price is read later than the one before it."""
    assert case.facts is not None
    first = case.facts.quotes[0].at
    case.facts.quotes = [
        each._replace(broker_time=each.broker_time - (each.at - first) / 10) for each in case.facts.quotes
    ]
    assert case.facts.kernel is not None
    case.facts.kernel = replace(case.facts.kernel, unread_bytes=200_000)
    return replace(case, host=Host(cpu_waited=0.0))


def _given_up_before(case: Case) -> Case:
    ends = [
        End(
            ago_seconds=ago,
            lived_seconds=290.0,
            heard_seconds=60.0,
            said_seconds=5.0,
            code="session.silent-stall",
            next_try_after_seconds=1.0,
        )
        for ago in (900.0, 600.0, 300.0)
    ]
    return replace(case, past=Past(seconds=3600.0, ends=tuple(ends)))


WAY_VANISHES = (
    "ip route delete local 127.0.0.0/8 dev lo table local; ip route delete local 127.0.0.1 dev lo table local"
)


async def _way_vanishes() -> Said:
    async with simulated(PO)() as patient:
        cut = asyncio.create_subprocess_shell(f"sleep 3; {WAY_VANISHES}")
        examination, process = await asyncio.gather(examine(patient, Means()), cut)
        await process.wait()
    return judged(examination.case, examination.patient.broker, "session.half-open")


def way_vanishes() -> Said:
    """In a network of its own, whose packets are dropped in mid-session."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    script = f"ip link set lo up && echo ready && exec {sys.executable} -m tests.doctor.staged.session"
    told = subprocess.run(
        ["unshare", "--net", *user, "sh", "-c", script],
        cwd=ROOT,
        env={"PATH": TOOLS},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    ready, _, answer = told.stdout.partition("\n")
    if ready != "ready":
        pytest.skip(f"no network namespace can be made here: {told.stderr.strip()}")
    assert told.returncode == 0, told.stderr
    verdicts, without = json.loads(answer)
    return Said(verdicts=tuple((code, Certainty(word)) for code, word in verdicts), without=without)


@asynccontextmanager
async def never_reads() -> AsyncIterator[Patient]:
    """A server that upgrades, and does nothing more."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switch(reader, writer)
        await asyncio.sleep(3600.0)

    async with served_as_bingx(script) as patient:
        yield patient


@asynccontextmanager
async def floods() -> AsyncIterator[Patient]:
    """Prices of one symbol, six hundred a second, each a little further than the last."""

    async def flood(connection: ServerConnection) -> None:
        codec, clock = find_broker("bingx").codec(), asyncio.get_running_loop().time
        for wish in codec.decode_intent(await connection.recv()):
            assert isinstance(wish, Watch)
        await connection.send(codec.encode_meaning(History(symbol="BTC-USDT", period=60, index=None))[0])
        with suppress(ConnectionClosed):
            for number in count():
                if number % 600 == 0:
                    await connection.send(codec.encode_meaning(BeatAsked())[0])
                    await asyncio.sleep(1.0)
                row = Quote("BTC-USDT", WEDNESDAY_NOON + clock(), 60_000.0 + number / 10)
                await connection.send(codec.encode_meaning(Quotes((row,)))[0])

    def undated(_: ServerConnection, __: Request, response: Response) -> None:
        """What stands there is the time of the test run."""
        del response.headers["Date"]

    async with serve(flood, "127.0.0.1", 0, ping_interval=None, process_response=undated) as server:
        yield bingx_at(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def served_as_bingx(script: Script) -> AsyncIterator[Patient]:
    async with listening(script) as port:
        yield bingx_at(port)


def bingx_at(port: int) -> Patient:
    url = f"ws://127.0.0.1:{port}/swap-market"
    endpoint = Endpoint(broker="bingx", region="stub", url=url, account=Account.NONE, named_by_user=True)
    return Patient(name="stub", broker=find_broker("bingx"), endpoint=endpoint, symbol="BTC-USDT")


def _listens(connection: ServerThread) -> None:
    with suppress(ConnectionClosed):
        for _ in connection:
            pass


def blocked_beside_a_server_that_pings() -> Said:
    """A public library's server, which pings and gives up; and a colleague in our loop who does not let go of it."""

    def say(rung: Rung) -> None:
        """The session comes next."""
        if rung.name == "TCP":
            asyncio.get_running_loop().call_later(1.0, time.sleep, 2.0)

    async def examined() -> Said:
        with serve_on_a_thread(
            _listens, "127.0.0.1", 0, ping_interval=0.2, ping_timeout=0.5, close_timeout=0.5
        ) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            patient = bingx_at(server.socket.getsockname()[1])
            examination = await examine(patient, Means(), say)
            server.shutdown()
        return judged(examination.case, examination.patient.broker, "session.we-stopped-ponging")

    return asyncio.run(examined())


def sends(data: bytes) -> Stage:
    """A server that takes the upgrade and says that."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await switch(reader, writer)
        writer.write(data)
        await reader.read()

    return at(script)


NOT_WEBSOCKET = {
    "a masked frame": b"\x81\x85\x01\x02\x03\x04hello",
    "a reserved bit": b"\xc1\x05hello",
    "bad UTF-8": b"\x81\x02\xff\xfe",
    "a page after the 101": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
}
CLOSES = {
    "session.closed-normal": (1000, 1001, 1012, 1013),
    "session.closed-1005": (1005,),
    "session.policy-1008": (1008,),
    "session.message-too-big": (1009,),
    "session.protocol-error": (1002,),
    "session.app-close-4xxx": (4001,),
}
SURE = (1001, 1005, 1008, 1009, 1012, 1013)
STALLED = "session.silent-stall"
BROKEN_PIPE = Failure(kind="session.tcp-reset", spoke_last=Speaker.REMOTE, seen=Seen(error="EPIPE"))
GAVE_UP = Failure(kind="session.half-open", seen=Seen(error="ETIMEDOUT"))
NO_ROUTE = Failure(kind="session.network-gone", seen=Seen(error="ENETUNREACH"))

CASES: list[Staged] = [
    *(
        said_of(STALLED, "prices stop", "silent-stall:at=2s", broker=broker, certain=True)
        for broker in (PO, QX)
    ),
    Staged(
        code=STALLED,
        name="of somebody else",
        play=travelling(simulated(PO, "silent-stall:at=2s", is_ours=False), STALLED),
    ),
    said_of(
        "session.one-symbol-stall", "one stops", "one-symbol-stall:at=2s,symbol=EURUSD_otc", certain=True
    ),
    said_of("session.heartbeat-without-data", "disowned", "disowned:at=2s"),
    said_of("session.subscription-cap", "one at a time", "stream-cap"),
    said_of("session.subscription-not-armed", "half subscribed", "half-subscribed"),
    said_of("session.subscription-not-armed", "mute from the start", "silent-stall:at=0s"),
    *(
        said_of("session.request-no-reply", "no history", "history-unanswered", broker=broker, certain=True)
        for broker in (PO, QX)
    ),
    *(
        said_of("session.peer-stopped-ponging", "prices go on", "no-pong", broker=broker, certain=True)
        for broker in (PO, QX)
    ),
    said_of("session.peer-stopped-ponging", "the server hangs", "half-open:at=2s"),
    Staged(
        code="session.peer-stopped-ponging",
        name="never reads",
        play=travelling(never_reads, "session.peer-stopped-ponging"),
    ),
    Staged(
        code="session.half-open",
        name="nothing is acknowledged",
        play=changed(
            simulated(PO, "half-open:at=2s"),
            "session.half-open",
            _way_is_dead,
            why=SECOND_FORM,
        ),
        certain=True,
    ),
    Staged(
        code="session.half-open",
        name="the way vanishes",
        play=way_vanishes,
        certain=True,
        long=True,
        beside=frozenset({"host.cpu-starved"}),  # whoever runs tests may be
    ),
    Staged(
        code="session.half-open",
        name="the system gave up",
        play=changed(
            simulated(PO, "half-open:at=2s"),
            "session.half-open",
            ended(GAVE_UP),
            why="the system gives up after a quarter of an hour, by a clock of its own",
        ),
    ),
    Staged(
        code="session.half-open",
        name="no network any more",
        play=changed(
            simulated(PO, "drop:at=2s"),
            "session.half-open",
            ended(NO_ROUTE),
            why="the network of this machine would have to go away in mid-session",
        ),
    ),
    Staged(
        code="session.we-stopped-ponging",
        name="blocked",
        play=changed(
            simulated(PO, "close:at=3s,code=1011"),
            "session.we-stopped-ponging",
            _blocked,
            why=SECOND_FORM,
        ),
        certain=True,
        beside=frozenset({"host.event-loop-blocked"}),
    ),
    Staged(
        code="session.slow-consumer",
        name="faster than any market",
        play=travelling(floods, "session.slow-consumer"),
    ),
    Staged(
        code="session.we-stopped-ponging",
        name="blocked beside a server that pings",
        play=blocked_beside_a_server_that_pings,
        beside=frozenset({"host.event-loop-blocked", "host.cpu-starved"}),
        long=True,
    ),
    Staged(
        code="session.slow-consumer",
        name="older and older",
        play=changed(
            simulated(PO),
            "session.slow-consumer",
            _lags,
            deep=True,
            budget=180.0,
            why="needs a program that reads too slowly, which ours does not",
        ),
        certain=True,
    ),
    Staged(
        code="session.false-stall",
        name="given up at the weekend",
        play=changed(
            simulated(PO, symbol="EURUSD"),
            "session.false-stall",
            _given_up_before,
            SATURDAY_NOON,
            why="needs a monitor that knows no market hours, and ours knows them",
        ),
        certain=True,
        beside=frozenset({"data.market-closed"}),
    ),
    *(
        said_of(code, f"close {number}", f"close:at=2s,code={number}", certain=number in SURE)
        for code, numbers in CLOSES.items()
        for number in numbers
    ),
    *(
        Staged(
            code="net.slow",
            name=f"{broker} {name}",
            play=travelling(simulated(broker, fault), "net.slow"),
            certain=True,
        )
        for broker in (PO, QX)
        for name, fault in (
            ("a relay that holds every packet back", "delay:seconds=1.5s"),
            ("a thin line", "throttle:bytes_per_second=300"),
        )
    ),
    *(
        Staged(
            code="session.disconnected",
            name=f"{broker} no time for a slow login",
            play=travelling(
                simulated(broker, "slow:step=auth,seconds=12s"), "session.disconnected", budget=8.0
            ),
        )
        for broker in (PO, QX)
    ),
    Staged(
        code="auth.silent-after-connect",
        name="time enough for a slow login",
        play=travelling(simulated(PO, "slow:step=auth,seconds=40s"), "auth.silent-after-connect"),
    ),
    said_of("session.closed-normal", "goodbye", "goodbye:at=2s"),
    said_of("session.closed-1006", "no goodbye", "drop:at=2s"),
    *(
        said_of("session.tcp-reset", "reset", "tcp-reset:at=2s", broker=broker, certain=True)
        for broker in (PO, QX)
    ),
    said_of("session.message-too-big", "an enormous one", "big-message:at=2s", certain=True),
    *(
        Staged(
            code="session.protocol-error",
            name=name,
            play=travelling(sends(data), "session.protocol-error"),
            certain=True,
        )
        for name, data in NOT_WEBSOCKET.items()
    ),
    Staged(
        code="session.used-after-close",
        name="written too late",
        play=changed(
            simulated(PO, "drop:at=2s"),
            "session.used-after-close",
            ended(BROKEN_PIPE),
            why="needs a program that writes to what it knows to be over, which ours does not",
            deep=True,
            budget=180.0,
        ),
        certain=True,
    ),
]

if __name__ == "__main__":
    said = asyncio.run(_way_vanishes())
    print(json.dumps([[(code, sure.value) for code, sure in said.verdicts], said.without]))
