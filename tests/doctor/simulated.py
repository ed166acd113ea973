"""Simulated brokers with faults, as patients."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from probe.brokers import find_broker
from probe.doctor.examine import Patient
from probe.drivers.tls import TlsProfile
from probe.session.broker import Broker, Region
from probe.simulator.run import Simulator


def simulated(
    broker: str | Broker,
    *faults: str,
    at: Sequence[Region] | None = None,
    **about: Any,
) -> Callable[[], AbstractAsyncContextManager[Patient]]:
    """A patient at the first of its endpoints; `about` says more of it."""
    spoken = find_broker(broker) if isinstance(broker, str) else broker

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with Simulator([spoken], faults=faults, regions=at) as simulator:
            endpoint = simulator.plain_endpoints()[0]
            patient = Patient(
                name=f"sim:{spoken.name}",
                broker=spoken,
                endpoint=endpoint,
                key=simulator.key(endpoint),
                tls=TlsProfile(),
                symbol=spoken.house.symbol or spoken.default_symbol,
                is_ours=True,
            )
            yield replace(patient, **about)

    return stage
