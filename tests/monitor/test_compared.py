"""A crypto backend compared with the exchange behind it, because its configuration says so: whose prices are old."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.measure.records import Condition, Incident, Record, SessionState
from probe.model.endpoint import Endpoint
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import ConnectMode, Wanted
from probe.simulator.run import Simulator
from tests.monitor.matrix import OFTEN, WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

NAMES = ("backend", "exchange")
SYMBOLS = ("BTC-USDT",)
SOON = 200.0


class Both:
    """The backend, whose reference is the exchange; both show the prices of one market."""

    def __init__(self, simulator: Simulator) -> None:
        loop, floor = asyncio.get_running_loop(), simulator.worlds["crypto"].floor
        self.simulator, self.records = simulator, list[Record]()
        wanted = [
            self._wanted("backend", "crypto", "exchange"),
            self._wanted("exchange", "bingx", None),
        ]
        self.monitor = Monitor(
            wanted,
            sinks=[self.records.append],
            utc=lambda: floor.at(loop.time()),
            rng=random.Random(1),
        )

    def _wanted(self, name: str, broker: str, reference: str | None) -> Wanted:
        endpoint: Endpoint = next(each for each in self.simulator.plain_endpoints() if each.broker == broker)
        return Wanted(
            name=name,
            broker=find_broker(broker),
            endpoints=(endpoint,),
            key=self.simulator.key(endpoint),
            symbols=SYMBOLS,
            connect=ConnectMode.FALLBACK,
            proxy="none",
            tls=TlsProfile(),
            reference=reference,
        )

    def condition(self, name: str = "backend") -> Condition:
        return self.monitor.conditions()[name]

    @property
    def incidents(self) -> set[tuple[str, str]]:
        return {(each.target, each.code) for each in self.records if isinstance(each, Incident)}

    async def until(self, condition: Callable[[], object]) -> bool:
        end = asyncio.get_running_loop().time() + SOON
        while not condition() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - time does not wait
            await asyncio.sleep(OFTEN)
        return bool(condition())


@asynccontextmanager
async def both() -> AsyncIterator[Both]:
    with simulated_at(WEDNESDAY_NOON):
        async with Simulator(["crypto", "bingx"]) as simulator:
            one = Both(simulator)
            running = asyncio.create_task(one.monitor.run())
            await asyncio.sleep(30.0)
            try:
                yield one
            finally:
                one.monitor.stop()
                await running


def test_prices_of_one_market_agree() -> None:
    async def go() -> None:
        async with both() as one:
            await asyncio.sleep(SOON)
            states = {one.condition(name).state for name in NAMES}
            assert (states, one.incidents) == ({SessionState.STREAMING}, set())

    run(go())


def test_a_backend_that_alone_has_old_prices_has_lost_them() -> None:
    async def go() -> None:
        async with both() as one:
            await one.simulator.board.switch_on("backend-market-stale")
            assert await one.until(lambda: one.condition().code == "data.stale-ticks")
            assert one.condition().sentence.endswith(
                "; exchange has prices, so they are lost behind this one"
            )
            assert {target for target, _ in one.incidents} == {"backend"}

    run(go())


def test_where_the_exchange_is_silent_as_well_it_is_not_the_backends_fault() -> None:
    async def go() -> None:
        async with both() as one:
            for fault in ("silent-stall:at=0s", "backend-market-stale"):
                await one.simulator.board.switch_on(fault)
            words = "; exchange has none either, so it is not this one's fault"
            assert await one.until(lambda: one.condition().sentence.endswith(words))
            assert one.condition().state is SessionState.STALLED
            assert ("exchange", "session.silent-stall") in one.incidents

    run(go())


def test_a_kept_price_with_a_new_time_is_found_out() -> None:
    async def go() -> None:
        async with both() as one:
            await one.simulator.board.switch_on("backend-market-cached")
            assert await one.until(lambda: one.condition().code == "data.cached-as-fresh")
            assert one.condition("exchange").state is SessionState.STREAMING

    run(go())
