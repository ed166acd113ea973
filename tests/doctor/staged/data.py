"""Markets that are closed, symbols nobody knows, prices that are wrong."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from probe.diagnose.case import Case
from probe.doctor.examine import Means
from probe.model.endpoint import Account
from probe.model.events import RequestAnswered
from probe.model.intents import AskHistory
from probe.model.meanings import History
from tests.doctor.simulated import simulated
from tests.doctor.staged.login import of_two
from tests.doctor.staged.session import PO, QX, SATURDAY_NOON, changed
from tests.doctor.staging import SECOND_FORM, OnPaper, Said, Staged, _examined, judged, travelling
from tests.doctor.upgrade_stubs import listening
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.virtual.travelling import run


def said_of(
    code: str,
    name: str,
    *faults: str,
    broker: str = PO,
    utc: float = WEDNESDAY_NOON,
    certain: bool = False,
    leaves_early: bool = True,
    **about: Any,
) -> Staged:
    return Staged(
        code=code,
        name=f"{broker} {name}",
        play=travelling(simulated(broker, *faults, **about), code, utc=utc, leaves_early=leaves_early),
        certain=certain,
    )


async def _tells_the_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    now = datetime.fromtimestamp(WEDNESDAY_NOON + asyncio.get_running_loop().time(), UTC)
    writer.write(
        f"HTTP/1.1 200 OK\r\nDate: {format_datetime(now, usegmt=True)}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    await writer.drain()


def against_two_clocks() -> Said:
    """A broker whose clock is wrong, and two hosts that agree with ours."""

    async def examined() -> Said:
        async with AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(listening(_tells_the_time)) for _ in range(2)]
            controls = tuple(f"127.0.0.1:{port}" for port in ports)
            seen = await _examined(simulated(PO, "clock-skew"), Means(controls=controls), WEDNESDAY_NOON)
            return judged(seen.case, seen.patient.broker, "data.clock-offset")

    return run(examined())


def _stands_still(case: Case) -> Case:
    """Only the symbol itself: the other one moves."""
    assert case.facts is not None
    case.facts.quotes = [
        each._replace(price=1.0) if each.symbol == "EURUSD_otc" else each for each in case.facts.quotes
    ]
    return case


def _of_another(case: Case) -> Case:
    """The page of the past names another symbol."""
    assert case.facts is not None
    case.facts.answered = [_renamed(each) for each in case.facts.answered]
    return case


def _renamed(answer: RequestAnswered) -> RequestAnswered:
    if isinstance(answer.intent, AskHistory) and isinstance(answer.answer, History):
        return answer._replace(answer=replace(answer.answer, symbol="GBPUSD_otc"))
    return answer


def _of_yesterday(case: Case) -> Case:
    """The page ends long before the time that was asked for."""
    assert case.facts is not None
    case.facts.answered = [
        each._replace(intent=replace(each.intent, until=each.intent.until + 900.0))
        if isinstance(each.intent, AskHistory)
        else each
        for each in case.facts.answered
    ]
    return case


def beside_a_moving_one() -> Said:
    """Prices stand still, and a second connection sees them move."""
    frozen = run(_examined(simulated(PO, "frozen-price"), Means(), WEDNESDAY_NOON))
    alive = run(_examined(simulated(PO), Means(), WEDNESDAY_NOON + 60.0))
    assert frozen.case.looks is not None
    assert alive.case.looks is not None
    later = alive.case.looks.first
    case = replace(frozen.case, looks=replace(frozen.case.looks, fresh=later))
    return judged(case, frozen.patient.broker, "data.stale-ticks")


CASES: list[Staged] = [
    Staged(
        code="data.demo-feed-dead",
        name="the live account has prices",
        play=travelling(of_two("", Account.LIVE, later="silent-stall:at=0s"), "data.demo-feed-dead"),
    ),
    Staged(
        code="session.silent-stall",
        name="the live account has no prices either",
        play=travelling(
            of_two("", Account.LIVE, "silent-stall:at=0s", later="silent-stall:at=0s"), "session.silent-stall"
        ),
    ),
    *(
        said_of(
            "data.market-closed", "weekend", broker=broker, utc=SATURDAY_NOON, symbol="EURUSD", certain=True
        )
        for broker in (PO, QX)
    ),
    *(
        said_of("data.unknown-asset", "no such symbol", broker=broker, symbol="NOSUCH", certain=True)
        for broker in (PO, QX)
    ),
    said_of("data.stale-ticks", "all frozen", "frozen-price"),
    said_of("data.stale-ticks", "all frozen", "frozen-price", broker=QX),
    Staged(
        code="data.stale-ticks",
        name="one frozen",
        play=changed(
            simulated(PO),
            "data.stale-ticks",
            _stands_still,
            deep=True,
            budget=180.0,
            why="the simulator freezes all symbols or none",
        ),
    ),
    Staged(
        code="data.stale-ticks",
        name="it moves elsewhere",
        play=OnPaper(
            beside_a_moving_one, "of one simulator all connections see the same: two are put together"
        ),
        certain=True,
    ),
    said_of("data.clock-offset", "wrong", "clock-skew"),
    said_of("data.clock-offset", "behind", "clock-skew:seconds=-45", broker=QX),
    said_of("data.clock-offset", "jumps", "clock-jump:at=2s,seconds=70"),
    Staged(code="data.clock-offset", name="two hosts agree with us", play=against_two_clocks, certain=True),
    said_of("data.out-of-order", "some late", "out-of-order-ticks", certain=True, leaves_early=False),
    said_of("data.out-of-order", "long past", "past-timestamps", broker=QX, leaves_early=False),
    said_of("data.duplicates", "twice", "duplicate-ticks", certain=True),
    said_of("data.duplicates", "twice", "duplicate-ticks", broker=QX, certain=True),
    said_of("data.gap", "a hole", "silent-stall:at=0s@2s+12s"),
    Staged(
        code="data.stale-history",
        name="another symbol's",
        play=changed(
            simulated(PO),
            "data.stale-history",
            _of_another,
            why="no fault of the simulator's mixes up symbols",
        ),
        certain=True,
    ),
    Staged(
        code="data.stale-history",
        name="ends too early",
        play=changed(simulated(PO), "data.stale-history", _of_yesterday, why=SECOND_FORM),
    ),
    # Nothing is wrong with these.
    Staged(code="", name="a market that is open", play=travelling(simulated(PO, symbol="EURUSD"), "")),
]
