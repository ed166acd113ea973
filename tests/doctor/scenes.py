"""Pieces of a scene: what can be put around a patient, so that it is sick in one way more."""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from probe.brokers import find_broker
from probe.diagnose.case import Host
from probe.doctor import examine as examining
from probe.doctor.examine import Means, Patient
from probe.doctor.pasted import pasted_of, pasted_url, sources_of
from probe.drivers.proxies import ChosenProxy
from probe.host.clock import ClockWatch
from probe.host.handles import handles_used
from probe.measure.records import Attempt, Disconnected, Record
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.failures import Failure
from probe.model.proxy import Proxy, Scheme
from probe.store.retention import Keep
from probe.store.writer import StoreWriter
from probe.vault import Found, read_secret
from tests.doctor.answering import answering
from tests.doctor.patients import OPEN
from tests.doctor.staged import ways
from tests.doctor.staged.config import PO as FRAME
from tests.doctor.staged.config import _installed
from tests.doctor.upgrade_stubs import answers, listening
from tests.drivers.peers import closed_port
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.virtual.travelling import TravellingLoop

CLOCK_OFF = -200.0  # seconds
ROOM, LEFT = 300, 12  # file handles
EARLY = 0.02  # seconds; before any look is over


@dataclass(frozen=True, kw_only=True)
class Scene:
    patient: Patient
    means: Means
    utc: float  # as this machine's clock shows it at the beginning


Around = Callable[[Scene], AbstractAsyncContextManager[Scene]]


# -- this machine ------------------------------------------------------------------------------------------------------


def seeing(**facts: Any) -> Around:
    """This machine, with these of its figures as they would be."""

    @asynccontextmanager
    async def around(scene: Scene) -> AsyncIterator[Scene]:
        usual: Callable[[], Awaitable[Host]] = vars(examining)["look_at_host"]

        async def look() -> Host:
            return replace(await usual(), **facts)

        with mock.patch.object(examining, "look_at_host", look):
            yield scene

    return around


@asynccontextmanager
async def few_handles(scene: Scene) -> AsyncIterator[Scene]:
    """All but a dozen are taken."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    limit = taken[0] + ROOM
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        while handles_used() < limit - LEFT:
            taken.append(os.dup(taken[0]))
        yield scene
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in taken:
            os.close(each)


@asynccontextmanager
async def asked_for_the_time(scene: Scene) -> AsyncIterator[Scene]:
    """A host that has nothing to do with the broker, and the right time."""
    date = formatdate(scene.utc - CLOCK_OFF, usegmt=True)
    async with listening(answers("204 No Content", f"Date: {date}")) as port:
        yield replace(scene, means=replace(scene.means, controls=(f"127.0.0.1:{port}",)))


@asynccontextmanager
async def held_up(scene: Scene) -> AsyncIterator[Scene]:
    """A colleague in the same loop, who keeps it for a while; where time does not wait for anybody, again and again."""

    async def selfish() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(EARLY)
        while not isinstance(loop, TravellingLoop):
            time.sleep(0.4)  # noqa: ASYNC251 - that is the fault
            await asyncio.sleep(EARLY)
        loop.pass_without_turning(2.0)

    colleague = asyncio.create_task(selfish())
    yield scene
    colleague.cancel()
    await asyncio.gather(colleague, return_exceptions=True)


@asynccontextmanager
async def asleep(scene: Scene) -> AsyncIterator[Scene]:
    with mock.patch.object(ClockWatch, "slept_seconds", 3600.0):
        yield scene


# -- credential, packages, the way ------------------------------------------------------------------------------------------


def pasted(text: str, broker: str = "") -> Around:
    """A credential that cannot be read, so that nobody knows where it leads."""

    @asynccontextmanager
    async def around(scene: Scene) -> AsyncIterator[Scene]:
        meant = find_broker(broker) if broker else None
        found = pasted_of(Found(secret=Secret(text), source="an argument"), meant)
        yield replace(
            scene, patient=replace(scene.patient, broker=None, endpoint=None, key=None, pasted=found)
        )

    return around


@asynccontextmanager
async def bad_url(scene: Scene) -> AsyncIterator[Scene]:
    found = pasted_url("wss://wss://ws2.qxbroker.com/socket.io/")
    yield replace(scene, patient=replace(scene.patient, endpoint=None, pasted=found))


@asynccontextmanager
async def unfit_client(scene: Scene) -> AsyncIterator[Scene]:
    async with _installed(("pocketoptionapi2", "0.1.1", "websockets (>=10.0,<14)")):
        yield scene


@asynccontextmanager
async def behind_socks(scene: Scene) -> AsyncIterator[Scene]:
    async with _installed(("pocketoptionapi2", "0.1.1", "")):
        with mock.patch.dict(os.environ, {"https_proxy": "socks5://127.0.0.1:9"}):
            yield scene


@asynccontextmanager
async def older_file(scene: Scene) -> AsyncIterator[Scene]:
    """Of two files the one that is used was written earlier, and holds another token."""
    with TemporaryDirectory() as folder:
        old, new = Path(folder) / "old", Path(folder) / "new"
        for path, text in ((old, FRAME.replace("q7w6", "a1b2")), (new, FRAME)):
            path.write_text(text)
            path.chmod(0o600)
        written = new.stat().st_mtime
        os.utime(old, (written - 9 * 86_400, written - 9 * 86_400))
        references = [f"file:{old}", f"file:{new}"]
        places = sources_of(references, now_utc=written + 60.0)
        found = pasted_of(read_secret(references[0]), scene.patient.broker, places)
        yield replace(scene, patient=replace(scene.patient, pasted=found))


@asynccontextmanager
async def for_the_other_kind(scene: Scene) -> AsyncIterator[Scene]:
    endpoint = scene.patient.endpoint
    assert endpoint is not None
    found = pasted_of(Found(secret=Secret(FRAME), source="an argument"), scene.patient.broker)
    patient = replace(scene.patient, endpoint=replace(endpoint, account=Account.LIVE), pasted=found)
    yield replace(scene, patient=patient)


@asynccontextmanager
async def nothing() -> AsyncIterator[Patient]:
    """A port that takes connections, and is left at that."""
    yield ways.at(OPEN)


def through(reply: bytes | None) -> Around:
    """A proxy that answers so; None: there is none at its port."""

    @asynccontextmanager
    async def around(scene: Scene) -> AsyncIterator[Scene]:
        async with answering(reply or b"") as taken:
            port = closed_port() if reply is None else taken
            chosen = ChosenProxy(
                proxy=Proxy(scheme=Scheme.HTTP, host="127.0.0.1", port=port), source="--proxy"
            )
            yield replace(scene, patient=replace(scene.patient, proxy=chosen))

    return around


# -- the past ----------------------------------------------------------------------------------------------------------

TARGET = "one"


def attempt(ago: float, kind: str = "", purpose: str = "hold", status: int | None = None) -> Attempt:
    """`ago`: counted back from noon on Wednesday, as all of them are."""
    failure = Failure(kind=kind, http_status=status) if kind else None
    return Attempt(
        at_utc=WEDNESDAY_NOON - ago,
        target=TARGET,
        endpoint="near",
        purpose=purpose,
        failure=failure,
        http_status=status,
    )


def end(ago: float, lived: float, kind: str, heard: float, said: float) -> Disconnected:
    return Disconnected(
        at_utc=WEDNESDAY_NOON - ago,
        target=TARGET,
        endpoint="near",
        lasted_seconds=lived,
        initiator="remote",
        close_code=None,
        planned=False,
        failure=Failure(kind=kind),
        heard_seconds=heard,
        said_seconds=said,
    )


@asynccontextmanager
async def stored(scene: Scene, records: Iterable[Record], target: str = TARGET) -> AsyncIterator[Scene]:
    """A store in which a monitor has kept these of the patient, whom it knows by this name."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kept.sqlite"
        writer = StoreWriter(path, keep=Keep(), notice=print, clock_utc=lambda: scene.utc)
        writer.start()
        for each in records:
            writer.write(each)
        assert writer.close(30.0)
        patient = replace(scene.patient, known_as=target)
        yield replace(scene, patient=patient, means=replace(scene.means, store=path))


def kept(*records: Attempt | Disconnected) -> Around:
    """The same, of records that are dated from noon on Wednesday."""

    @asynccontextmanager
    async def around(scene: Scene) -> AsyncIterator[Scene]:
        moved = [replace(each, at_utc=each.at_utc + scene.utc - WEDNESDAY_NOON) for each in records]
        async with stored(scene, moved) as one:
            yield one

    return around


IDLE = [
    row
    for ago, lived in ((900.0, 190.0), (600.0, 270.0), (300.0, 120.0))
    for row in (end(ago, lived, "session.closed-1006", 60.0, 60.0), attempt(ago - 1.0))
]
OF_AGE = [
    row
    for ago in (3.1 * 3600.0, 2.0 * 3600.0, 3600.0)
    for row in (end(ago, 3599.0, "session.closed-1006", 0.4, 5.0), attempt(ago - 1.0))
]
STORM = [attempt(40.0 - each, "auth.refused") for each in range(30)]
GIVEN_UP = [end(600.0, 5000.0, "session.closed-1006", 0.4, 5.0)] + [
    attempt(ago, purpose="knock") for ago in (500.0, 200.0)
]
REFUSED = [end(600.0, 5000.0, "session.closed-1006", 0.4, 5.0)] + [
    attempt(500.0 - 120 * each, "auth.refused") for each in range(4)
]
