"""Targets that a monitor has watched, and written down in its store, before the doctor comes and reads it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from probe.brokers import find_broker
from probe.diagnose.case import Pasted
from probe.doctor.examine import Examination, Means, Patient, examine
from probe.doctor.pasted import pasted_of, sources_of
from probe.measure.records import Disconnected, Notice
from probe.model.credentials import Credentials
from probe.model.endpoint import Account
from probe.session import reconnect
from probe.store.retention import Keep
from probe.store.writer import StoreWriter
from probe.vault import read_secret
from tests.doctor.staging import Said, Staged, judged
from tests.monitor.matrix import TWO, Course, course
from tests.virtual.travelling import run

BROKER = find_broker("pocketoption")
SOON = 30.0
LATER = 90.0
LONGEST = 600.0  # seconds of a session


class Watched:
    """One monitored target whose records are kept."""

    def __init__(self, one: Course, store: Path) -> None:
        self.one, self.store = one, store
        self.key = one.simulator.key(one.simulator.plain_endpoints()[0])
        self.beside: tuple[str, ...] = ()
        self.pasted: Pasted | None = None
        self.writer = self.begin(50_000)

    def begin(self, capacity: int) -> StoreWriter:
        return StoreWriter(
            self.store,
            keep=Keep(),
            notice=self._noticed,
            clock_utc=lambda: self.one.began_utc + self.one.now,
            capacity=capacity,
        )

    def _noticed(self, notice: Notice) -> None:
        """By the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed
            self.one.loop.call_soon_threadsafe(self.one.monitor.emit, notice)

    def write(self, record: Any) -> None:
        self.writer.write(record)

    async def wait(self, seconds: float) -> None:
        await self.one.until(lambda: False, within=seconds)

    async def ended(self, count: int = 1) -> None:
        within = count * LONGEST
        assert await self.one.until(lambda: len(self.one.of(Disconnected)) >= count, within)

    @asynccontextmanager
    async def another(self, name: str, key: Credentials) -> AsyncIterator[None]:
        """One more monitor writes into the same store."""
        course = Course(self.one.simulator, BROKER, tls=False, name=name, key=key)
        course.also.append(self.write)
        running = asyncio.create_task(course.monitor.run())
        try:
            yield
        finally:
            course.also.clear()
            course.monitor.stop()
            await running

    def issued(self) -> Credentials:
        """To one more person with a demo account."""
        world = self.one.simulator.worlds[BROKER.name]
        key = BROKER.read_credentials(BROKER.write_credential(world.issue(Account.DEMO)))
        assert isinstance(key, Credentials)
        return key

    async def fault(self, fault: str) -> int:
        return await self.one.simulator.board.switch_on(fault)

    async def well(self, number: int) -> None:
        await self.one.simulator.board.switch_off(number)

    async def examined(self) -> Examination:
        """By the doctor, who reads what was kept."""
        assert self.writer.close(30.0)
        endpoint = self.one.simulator.plain_endpoints()[0]
        patient = Patient(
            name="one",
            broker=BROKER,
            endpoint=endpoint,
            key=self.key,
            symbol=TWO[0],
            is_ours=True,
            known_as="one",
            beside=self.beside,
            pasted=self.pasted,
        )
        return await examine(patient, Means(store=self.store), utc=lambda: self.one.began_utc + self.one.now)


@asynccontextmanager
async def watched(*faults: str, watches: bool = True, **changes: Any) -> AsyncIterator[Watched]:
    with TemporaryDirectory() as folder:
        async with course(BROKER, *faults, **changes) as one:
            it = Watched(one, Path(folder) / "kept.sqlite")
            if watches:
                one.also.append(it.write)
            it.writer.start()
            try:
                yield it
            finally:
                one.also.clear()
                it.writer.close(30.0)


def lived(
    code: str, lives: Callable[[Watched], Awaitable[None]], *faults: str, **changes: Any
) -> Callable[[], Said]:
    """What is said when this was lived through."""

    async def examined() -> Said:
        async with watched(*faults, **changes) as it:
            await lives(it)
            examination = await it.examined()
        return judged(examination.case, BROKER, code)

    return lambda: run(examined())


# -- what is lived through -----------------------------------------------------------------------------------------------


async def _refused_anew(it: Watched) -> None:
    """The server lets nobody in any more, and leaves alone who is in."""
    await it.wait(SOON)
    await it.fault("auth-refused")


async def _refused_anew_with_an_old_file(it: Watched) -> None:
    """The credential lies in a file that was written an hour ago."""
    file = it.store.with_name("credential")
    assert isinstance(it.key, Credentials)
    file.write_text(it.key.frame.reveal())
    file.chmod(0o600)
    place = f"file:{file}"
    places = sources_of([place], BROKER, now_utc=file.stat().st_mtime + 3600.0)
    it.pasted = pasted_of(read_secret(place), BROKER, places)
    await _refused_anew(it)


async def _refused_after_a_drop(it: Watched) -> None:
    await it.wait(SOON)
    await it.fault("auth-refused")
    await it.one.simulator.board.switch_off(await it.fault("drop:at=0s"))
    await it.wait(LATER)


async def _all_refused(it: Watched) -> None:
    """Two accounts, each with a session of its own; then all of them are dropped, and refused."""
    it.beside = ("two",)
    async with it.another("two", it.issued()):
        await it.wait(SOON)
        await it.fault("auth-outage")
        await it.fault("drop:at=0s")
        await it.wait(LATER)


async def _another_is_refused_for_long(it: Watched) -> None:
    it.beside = ("two",)
    number = await it.fault("auth-outage")
    async with it.another("two", it.issued()):
        await it.wait(SOON)
    await it.well(number)
    await it.wait(LATER)
    await _refused_after_a_drop(it)


async def _started_anew_in_vain(it: Watched) -> None:
    """With a token that is revoked; then somebody gives the doctor a fresh one."""
    key = it.issued()
    async with it.another("one", key):
        await it.wait(SOON)
        it.one.simulator.worlds[BROKER.name].revoke(key.token)
        await it.well(await it.fault("drop:at=0s"))
        await it.wait(SOON)
    for _ in range(3):
        async with it.another("one", key):
            await it.wait(LATER)


async def _one_of_two_comes_back(it: Watched) -> None:
    await it.wait(SOON)
    number = await it.fault(f"one-symbol-stall:at=0s,symbol={TWO[1]}")
    await it.well(await it.fault("drop:at=0s"))
    await it.ended()
    await it.wait(SOON)
    await it.well(number)


async def _both_come_back(it: Watched) -> None:
    await it.wait(SOON)
    await it.well(await it.fault("drop:at=0s"))
    await it.ended()
    await it.wait(SOON)


async def _more_than_is_written(it: Watched) -> None:
    """A queue that takes three records, and for a while nobody takes from it."""
    await it.wait(SOON)
    assert it.writer.close(30.0)
    small = it.writer = it.begin(3)
    await it.wait(SOON)
    it.writer = it.begin(50_000)  # what the small one says at its end is kept
    small.start()
    assert await asyncio.to_thread(small.close, 30.0)
    it.writer.start()
    await it.wait(SOON)


async def _ends_by_its_age(it: Watched) -> None:
    await it.ended(3)


async def _tried_without_patience(it: Watched) -> None:
    """A second after each end, whoever refuses."""
    await it.wait(SOON)
    with (
        mock.patch.object(reconnect, "_backoff", return_value=1.0),
        mock.patch.object(reconnect.DialRate, "earliest", return_value=0.0),
    ):
        number = await it.fault("refuse")
        await it.well(await it.fault("drop:at=0s"))
        await it.wait(SOON * 2)
        await it.well(number)


async def _tried_with_patience(it: Watched) -> None:
    await it.wait(SOON)
    number = await it.fault("refuse")
    await it.well(await it.fault("drop:at=0s"))
    await it.wait(LONGEST)
    await it.well(number)


CASES: list[Staged] = [
    Staged(
        code="auth.session-outlives-token",
        name="the session of a monitor goes on",
        play=lived("auth.session-outlives-token", _refused_anew),
    ),
    Staged(
        code="auth.session-outlives-token",
        name="the session of a monitor goes on with the same token",
        play=lived("auth.session-outlives-token", _refused_anew_with_an_old_file),
        certain=True,
    ),
    Staged(
        code="auth.session-expired",
        name="the monitor is not let in either",
        play=lived("auth.session-expired", _refused_after_a_drop),
    ),
    Staged(
        code="auth.rejected-fleetwide",
        name="two accounts since one moment",
        play=lived("auth.rejected-fleetwide", _all_refused),
    ),
    Staged(
        code="auth.session-expired",
        name="another account was never let in",
        play=lived("auth.session-expired", _another_is_refused_for_long),
    ),
    Staged(
        code="auth.reconnect-stale-token",
        name="started anew with a token that was revoked",
        play=lived("auth.reconnect-stale-token", _started_anew_in_vain, watches=False),
        certain=True,
    ),
    Staged(
        code="session.resubscribe-lost",
        name="one of two symbols comes back",
        play=lived("session.resubscribe-lost", _one_of_two_comes_back, symbols=TWO),
    ),
    Staged(code="", name="both symbols come back", play=lived("", _both_come_back, symbols=TWO)),
    Staged(
        code="data.dropped-in-client",
        name="more records than are written",
        play=lived("data.dropped-in-client", _more_than_is_written),
        certain=True,
    ),
    Staged(
        code="session.reconnect-storm",
        name="an attempt a second",
        play=lived("session.reconnect-storm", _tried_without_patience),
        certain=True,
    ),
    Staged(code="", name="attempts further and further apart", play=lived("", _tried_with_patience)),
    Staged(
        code="session.max-lifetime",
        name="sessions that end at one age",
        play=lived("session.max-lifetime", _ends_by_its_age, "drop:at=400s"),
    ),
]
