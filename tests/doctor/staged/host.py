"""Staged: this machine."""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from unittest import mock

from probe.diagnose.case import Case, Host, Way
from probe.doctor.examine import Examination, Means, Patient, Rung, examine
from probe.host.clock import ClockWatch
from probe.model.failures import Failure, Seen
from probe.model.findings import Certainty
from tests.doctor.simulated import simulated
from tests.doctor.staging import SECOND_FORM, OnPaper, Said, Staged, judged, on_paper, travelling
from tests.host.examined import examined, examined_alone
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

DAY = 86400.0


# -- no handle is left -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def no_handles() -> AsyncIterator[Patient]:
    """All that the limit allows are taken, those of this test run among them."""
    async with simulated("pocketoption")() as patient:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = [os.open(os.devnull, os.O_RDONLY)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 40, before[1]))
        try:
            while True:
                try:
                    taken.append(os.dup(taken[0]))
                except OSError:
                    break
            yield patient
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for each in taken:
                os.close(each)


# -- clocks ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def another_clock() -> AsyncIterator[str]:
    """A web server that has nothing to do with the broker, and the right time."""
    date = formatdate(WEDNESDAY_NOON, usegmt=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # who comes only to see whether anybody is there
            await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 204 No Content\r\nDate: {date}\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


def by_the_clock(
    reading: Callable[[float], float], code: str, *, with_another: bool = False
) -> Callable[[], Said]:
    """
    Args:
        reading: What this machine's wall clock shows so many seconds after noon.
        with_another: Another host is asked for the time too.
    """

    async def examined() -> Examination:
        loop = asyncio.get_running_loop()
        with simulated_at(WEDNESDAY_NOON):
            async with simulated("pocketoption")() as patient, another_clock() as other:
                means = Means(controls=(other,) if with_another else ())
                return await examine(patient, means, utc=lambda: WEDNESDAY_NOON + reading(loop.time()))

    def play() -> Said:
        examination = run(examined())
        return judged(examination.case, examination.patient.broker, code)

    return play


def set_back_on_the_way(after: float) -> float:
    return after if after < 0.5 else after - 90.0


def asleep(play: Callable[[], Said]) -> OnPaper:
    """For an hour, by the boot clock."""

    def sleeping() -> Said:
        with mock.patch.object(ClockWatch, "slept_seconds", 3600.0):
            return play()

    return OnPaper(sleeping, "needs a machine that is put to sleep in the middle of a test")


# -- the processor -----------------------------------------------------------------------------------------------------


def blocked() -> Said:
    """A colleague in the same loop, who does not let go of it."""

    async def examined() -> Examination:
        async def selfish() -> None:
            await asyncio.sleep(0.05)
            time.sleep(0.4)  # noqa: ASYNC251 - that is the fault

        patient = Patient(name="nobody", broker=None, endpoint=None)
        colleague = asyncio.create_task(selfish())
        examination = await examine(patient, Means(offline=True))
        await colleague
        return examination

    return judged(_beside_nobody(asyncio.run(examined()).case), None, "host.event-loop-blocked")


def _beside_nobody(case: Case) -> Case:
    """Whoever runs tests may lack the processor as well, and then that is said in place of it."""
    assert case.host is not None
    return replace(case, host=replace(case.host, cpu_waited=0.0, throttled=None))


def blocked_later() -> Said:
    """Whoever is told of the steps takes his time."""

    def say(rung: Rung) -> None:
        if rung.name == "TCP":
            time.sleep(0.4)

    async def examined() -> Examination:
        async with simulated("pocketoption", key=None)() as patient:
            return await examine(patient, Means(), say)

    examination = asyncio.run(examined())
    return judged(_beside_nobody(examination.case), examination.patient.broker, "host.event-loop-blocked")


def starved() -> Case:
    return Case(host=Host(cpu_busy=1.0, cpu_own=0.02, cpu_waited=0.83, slept_seconds=0.0))


def throttled() -> Case:
    return Case(host=Host(cpu_busy=0.3, cpu_own=0.1, cpu_waited=0.6, throttled=0.5, slept_seconds=0.0))


# -- ports -------------------------------------------------------------------------------------------------------------


def narrow() -> Said:
    return _said_alone(examined_alone("ports", "echo 40000 40049 > /proc/sys/net/ipv4/ip_local_port_range"))


def _said_alone(told: Mapping[str, Any]) -> Said:
    return Said(
        verdicts=tuple((code, Certainty(word)) for code, word in told["said"]), without=told["without"]
    )


def no_ports() -> Case:
    failure = Failure(kind="host.no-ports", seen=Seen(error="EADDRNOTAVAIL"))
    way = Way(address="127.0.0.1", port=443, family=4, seconds=0.0, failure=failure)
    return Case(host=Host(ports_in_use=50, ports=50, time_wait=12), ways=(way,))


CASES: list[Staged] = [
    Staged(
        code="host.fd-limit",
        name="all handles taken",
        play=travelling(no_handles, "host.fd-limit"),
        certain=True,
    ),
    Staged(
        code="host.clock-wrong",
        name="a day ahead",
        play=by_the_clock(lambda after: after + DAY, "host.clock-wrong"),
    ),
    Staged(
        code="host.clock-wrong",
        name="minutes behind",
        play=by_the_clock(lambda after: after - 200.0, "host.clock-wrong"),
        beside=frozenset({"data.clock-offset"}),  # prices are dated by the same clock that is right
    ),
    Staged(
        code="host.clock-wrong",
        name="two others agree",
        play=by_the_clock(lambda after: after - DAY, "host.clock-wrong", with_another=True),
        certain=True,
    ),
    Staged(
        code="host.clock-stepped",
        name="set back on the way",
        play=by_the_clock(set_back_on_the_way, "host.clock-stepped"),
        certain=True,
    ),
    Staged(
        code="host.suspend-resume",
        name="an hour asleep",
        play=asleep(by_the_clock(lambda after: after + 3600.0 * (after >= 0.5), "host.suspend-resume")),
        certain=True,
    ),
    Staged(
        code="host.event-loop-blocked",
        name="a colleague",
        play=blocked,
        certain=True,
    ),
    Staged(
        code="host.event-loop-blocked",
        name="after the look at this machine",
        play=blocked_later,
        certain=True,
    ),
    Staged(
        code="host.cpu-starved",
        name="one core for seven",
        play=lambda: _said_alone(examined("processor")),
        certain=True,
        long=True,
        beside=frozenset({"net.slow"}),
    ),
    Staged(
        code="host.cpu-starved",
        name="beside others",
        play=on_paper(starved, "host.cpu-starved", why=SECOND_FORM),
        certain=True,
    ),
    Staged(
        code="host.cpu-starved",
        name="throttled",
        play=on_paper(
            throttled, "host.cpu-starved", why="needs a container whose share of the processor is limited"
        ),
        certain=True,
    ),
    Staged(
        code="load.ephemeral-ports",
        name="fifty ports",
        play=narrow,
        certain=True,
        beside=frozenset({"host.cpu-starved"}),
        long=True,
    ),
    Staged(
        code="load.ephemeral-ports",
        name="range used up",
        play=on_paper(no_ports, "load.ephemeral-ports", why=SECOND_FORM),
        certain=True,
    ),
]
