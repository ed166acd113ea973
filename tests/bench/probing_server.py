"""A script: serves `/probe` of one target whose session nobody holds, and prints its port. Its process does nothing else."""

import asyncio
import random
import sys
from pathlib import Path

from exporters import probing
from exporters.guard.limits import Limits
from exporters.server import Server
from exporters.watched import Watched
from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Account, Endpoint
from probe.monitor.link import Link
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import ConnectMode, Wanted


class Unheld(Monitor):
    """Knows its targets, and opens nothing: what is measured is the probe."""

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        return self._first

    def link(self, target: str) -> Link:
        (wanted,) = (each for each in self._first if each.name == target)
        return Link(wanted, None, rng=random.Random(0), winners=None)  # type: ignore[arg-type]  # it tells nobody


def main(url: str, ca_file: str) -> None:
    broker = find_broker("pocketoption")
    endpoint = Endpoint(broker=broker.name, region="one", url=url, account=Account.DEMO, named_by_user=True)
    wanted = Wanted(
        name="one",
        broker=broker,
        endpoints=(endpoint,),
        key=broker.read_credentials(
            '42["auth",{"session":"00000000000000000000000000","isDemo":1,"uid":1,"platform":2}]'
        ),
        symbols=(),
        connect=ConnectMode.FALLBACK,
        tls=TlsProfile(ca_file=Path(ca_file) if ca_file else None),
    )

    async def reload() -> str:
        return ""

    async def serve() -> None:
        watched = Watched(Unheld([wanted]), reload)
        limits = Limits(requests_each_second=1e6, requests_at_once=1e6)
        server = Server(probing.routes(watched), host="127.0.0.1", port=0, limits=limits)
        _, port = await server.start()
        print(port, flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
