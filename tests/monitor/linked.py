"""A link to a simulated broker, in time that does not wait, and everything it told."""

import asyncio
import itertools
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.faults.board import MisbehaviourBoard
from probe.faults.catalogue import read_fault
from probe.faults.grammar import FaultKind
from probe.measure.records import Attempt, Trigger
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Event, QuoteArrived, TcpFacts
from probe.model.failures import Failure
from probe.monitor.endpoints import Dialler
from probe.monitor.link import Link
from probe.monitor.wanted import ConnectMode, Wanted
from probe.monitor.winners import Winners
from probe.session.broker import Broker, Region
from probe.simulator.listen import FRAMES_KEPT
from probe.simulator.run import Simulator
from probe.simulator.sessions import SessionRecord

BROKER = find_broker("pocketoption")
SYMBOL = "EURUSD_otc"
E = TypeVar("E")


def regions(*names: str, latency: float = 0.0) -> tuple[Region, ...]:
    """The first is the fastest."""
    return tuple(
        Region(name=name, account=Account.DEMO, latency=latency + 0.05 * at) for at, name in enumerate(names)
    )


@dataclass
class Ears:
    """Everything a link tells, with its time."""

    dialled: list[tuple[float, str, Trigger]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    quotes: int = 0
    kernels: list[TcpFacts] = field(default_factory=list)
    waits: list[tuple[float, float, str | None]] = field(default_factory=list)
    ends: list[str | None] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda event: None

    def dialling(self, at: float, endpoint: Endpoint, trigger: Trigger) -> None:
        self.dialled.append((at, endpoint.region, trigger))

    def event(self, event: Event) -> None:
        if type(event) is QuoteArrived:
            self.quotes += 1
        else:
            self.events.append(event)
        self.on_event(event)

    def kernel(self, at: float, facts: TcpFacts) -> None:
        self.kernels.append(facts)

    def waiting(self, at: float, until: float, failure: Failure | None) -> None:
        self.waits.append((at, until, failure.kind if failure else None))

    def stopped(self, at: float, failure: Failure | None) -> None:
        self.ends.append(failure.kind if failure else None)

    def attempted(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def by(self, purpose: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.purpose == purpose]

    @property
    def pauses(self) -> list[float]:
        return [until - at for at, until, _ in self.waits]

    @property
    def gaps(self) -> list[float]:
        """Between one dial and the next."""
        times = [at for at, _, _ in self.dialled]
        return [after - before for before, after in itertools.pairwise(times)]


def utc_of(simulator: Simulator, broker: Broker) -> Callable[[], float]:
    """The simulated broker's own clock: where the loop's is pretended, no other one agrees with it."""
    return lambda: simulator.worlds[broker.name].floor.at(asyncio.get_running_loop().time())


class Place:
    """One simulator and who watches it."""

    def __init__(self, simulator: Simulator, broker: Broker, seed: int) -> None:
        self.simulator, self.broker, self.seed = simulator, broker, seed
        self.ears = Ears()
        self.endpoints = tuple(simulator.plain_endpoints())
        self.key = broker.read_credentials(simulator.credential(self.endpoints[0]).reveal())
        self.tls = TlsProfile()

    def utc(self) -> float:
        return utc_of(self.simulator, self.broker)()

    def wanted(self, **changes: Any) -> Wanted:
        wanted = Wanted(
            name="one",
            broker=self.broker,
            endpoints=self.endpoints,
            key=self.key,
            symbols=(SYMBOL,),
            connect=ConnectMode.FALLBACK,
            tls=self.tls,
            proxy="none",
        )
        return replace(wanted, **changes)

    def link(
        self,
        *,
        winners: Winners | None = None,
        max_retries: int | None = None,
        phase_deadline: float | None = None,
        **changes: Any,
    ) -> Link:
        return Link(
            self.wanted(**changes),
            self.ears,
            rng=random.Random(self.seed),
            utc=self.utc,
            winners=winners,
            max_retries=max_retries,
            phase_deadline=phase_deadline,
        )

    def dialler(self) -> Dialler:
        return Dialler(
            target="one",
            broker=self.broker,
            rng=random.Random(self.seed),
            tls=self.tls,
            proxy="none",
            utc=self.utc,
        )

    @property
    def records(self) -> list[SessionRecord]:
        return self.simulator.sessions.records()

    def over_tls(self, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> None:
        """To the endpoints that speak it, from now on."""
        urls = [each.url for each in self.simulator.endpoints if each.ca_file]
        self.endpoints = tuple(replace(one, url=url) for one, url in zip(self.endpoints, urls, strict=True))
        self.tls = TlsProfile(ca_file=self.simulator.ca_file, minimum=minimum)

    async def spoil(self, region: str, *faults: str) -> None:
        """These for what comes to that region from now on; without any it is healed."""
        orders = [read_fault(fault) for fault in faults]
        for listener in self.simulator._listeners:
            if listener.region.name == region:
                listener.board = MisbehaviourBoard([o for o in orders if o.spec.kind is FaultKind.PROTOCOL])
                await listener.set_faults([o for o in orders if o.spec.kind is not FaultKind.PROTOCOL])

    @property
    def logins(self) -> int:
        """How often somebody sent a credential, as the simulator saw it."""
        return sum(has_logged_in(record) for record in self.records)

    def served(self) -> Counter[str]:
        return Counter(record.region for record in self.records)


def has_logged_in(record: SessionRecord) -> bool:
    """Also when so much was said since that the login itself is no longer kept."""
    frames = record.frames()
    return len(frames) == FRAMES_KEPT or any(
        line.direction == "<" and line.text.startswith('42["auth') for line in frames
    )


@asynccontextmanager
async def place(
    *faults: str,
    at: Sequence[Region] = regions("near"),
    broker: Broker = BROKER,
    seed: int = 1,
    tls: bool = False,
    pages: bool = False,
) -> AsyncIterator[Place]:
    before = asyncio.all_tasks()
    async with Simulator([broker], faults=faults, regions=at, tls=tls, pages=pages) as simulator:
        mine = set(asyncio.all_tasks())
        yield Place(simulator, broker, seed)
        assert owned(before | mine) == set()
    assert asyncio.all_tasks() == before


def owned(known: set["asyncio.Task[Any]"]) -> set[str]:
    """The tasks of the side that watches; the simulator has one for each connection."""
    return {
        name
        for task in asyncio.all_tasks() - known
        if "Visit._follow" not in (name := getattr(task.get_coro(), "__qualname__", ""))
    }


@asynccontextmanager
async def running(link: Link) -> AsyncIterator["asyncio.Task[None]"]:
    """Stopped in order when the block is over."""
    task = asyncio.get_running_loop().create_task(link.run())
    try:
        yield task
    finally:
        link.stop()
        await task


async def until(condition: Callable[[], object], *, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - in time that does not wait
            await asyncio.sleep(0.05)
