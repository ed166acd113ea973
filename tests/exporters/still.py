"""Monitors that were watched in time that does not wait, and stand still now, for who shows them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from starlette.routing import BaseRoute

from exporters.server import Server
from exporters.watched import Watched
from probe.measure.records import Period, Record
from probe.measure.snapshot import Quantiles, Snapshot
from probe.measure.watch import Watch
from tests.monitor.matrix import course
from tests.virtual.travelling import run


@dataclass
class Still:
    """Stands for both the monitor and how servers ask it."""

    shown: tuple[Snapshot, ...] = ()
    records: Sequence[Record] = ()
    watches: dict[str, Watch] = field(default_factory=dict)
    own_lag: Quantiles = field(
        default_factory=lambda: Quantiles(count=600, p50=0.0004, p95=0.0011, p99=0.0026, largest=0.004)
    )

    @property
    def watched(self) -> Watched:
        return cast("Watched", self)

    async def snapshots(self) -> tuple[Snapshot, ...]:
        return self.shown

    async def ask(self, question: Callable[[Any], Any]) -> Any:
        return question(self)

    def add_sink(self, sink: Callable[[Record], None]) -> None:
        for record in self.records:
            sink(record)

    def named(self, name: str, **changes: Any) -> "Still":
        """The same under another name."""
        return replace(
            self,
            shown=tuple(replace(each, target=name, **changes) for each in self.shown),
            records=[replace(each, target=name) for each in self.records if isinstance(each, Period)],
            watches=dict.fromkeys([name], next(iter(self.watches.values()))),
        )

    def __add__(self, other: "Still") -> "Still":
        return Still(
            self.shown + other.shown,
            [*self.records, *other.records],
            self.watches | other.watches,
            self.own_lag,
        )


def watched_for(seconds: float, broker: str, *faults: str, **changes: Any) -> Still:
    """One target, named one, that was watched for so long."""

    async def watch() -> Still:
        async with course(broker, *faults, **changes) as at:
            await asyncio.sleep(seconds)
            return Still(at.monitor.snapshots(), at.records, at.monitor.watches)

    return run(watch())


@asynccontextmanager
async def served(routes: Iterable[BaseRoute], port: int = 0) -> AsyncIterator[str]:
    """The URL, without a slash at its end."""
    server = Server(routes, host="127.0.0.1", port=port)
    _, port = await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop()
