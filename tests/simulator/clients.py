"""Our own client at a simulated endpoint, for tests with real sockets."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from probe.brokers import find_broker
from probe.drivers.aio import connect
from probe.drivers.dial import DialPlan
from probe.drivers.tls import TlsProfile
from probe.model.credentials import redactor_for
from probe.model.endpoint import read_url
from probe.model.events import Ended, Event, Phase, QuoteArrived
from probe.model.intents import Watch
from probe.session.client import ClientSession, Plan
from probe.simulator.listen import SimEndpoint

PATIENCE = 5.0
E = TypeVar("E")


async def eventually(condition: Callable[[], object]) -> None:
    """For what a simulator does without telling anybody."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


class Caller:
    """One session and all it told."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def note(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[["Caller"], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def live(self) -> None:
        await self.until(lambda caller: caller.session.phase is Phase.LIVE)

    async def ticking(self) -> None:
        seen = len(self.of(QuoteArrived))
        await self.until(lambda caller: len(caller.of(QuoteArrived)) > seen)

    async def failure(self) -> str | None:
        """Of what kind the end is, when it comes."""
        await self.until(lambda caller: caller.of(Ended))
        (ended,) = self.of(Ended)
        return ended.failure.kind if ended.failure else None


@asynccontextmanager
async def calling(
    endpoint: SimEndpoint,
    *,
    watch: tuple[str, ...] = ("EURUSD_otc",),
    credential: str | None = None,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> AsyncIterator[Caller]:
    """Dial; what follows is for the block to wait for."""
    broker = find_broker(endpoint.broker)
    credentials = broker.read_credentials(credential or endpoint.credential.reveal())
    address = read_url(endpoint.url)
    caller = Caller(
        ClientSession(
            codec=broker.codec(),
            credentials=credentials,
            plan=Plan(
                host=address.host_header,
                path=address.path,
                account=endpoint.account,
                headers=broker.request_headers(credentials, address),
                watch=tuple(Watch(symbol=symbol) for symbol in watch),
            ),
            rng=random.Random(1),
            redact=redactor_for(credentials),
        )
    )
    plan = DialPlan(address=address, tls=TlsProfile(ca_file=endpoint.ca_file, minimum=minimum))
    connection = await connect(caller.session, plan, on_event=caller.note)
    try:
        yield caller
    finally:
        connection.act(lambda session, now: session.give_up(now))
        connection.abort()
        await connection.ended()
