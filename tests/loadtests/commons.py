"""What the sessions of a test share: a recorder, a fleet, and this process's guard."""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent

from loadtests.fleet import Fleet
from loadtests.guard import guard
from loadtests.session import Common
from probe.drivers.dial import DialPlan
from probe.drivers.tls import TlsProfile
from probe.load.figures import Figures
from probe.load.recorder import Recorder
from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint
from probe.session.broker import Broker

PATIENCE = 10.0


@dataclass
class Shared:
    common: Common
    bugs: list[Exception]
    total: Figures = field(default_factory=Figures)
    asked: int = 0

    def figures(self) -> Figures:
        """All there is so far."""
        self.common.fleet.tell_traffic()
        self.asked += 1  # a recorder that was cut at its end goes on with the next second
        for each in self.common.recorder.cut(time.monotonic() + self.asked, at_the_end=True):
            self.total.add(each.figures, later=True)
        return self.total


def shared(
    broker: Broker,
    url: str,
    credentials: Credentials | None = None,
    *,
    account: Account = Account.NONE,
    ca_file: Path | None = None,
    **more: Any,
) -> Shared:
    endpoint = Endpoint(broker=broker.name, region="test", url=url, account=account, named_by_user=True)
    recorder, rng = Recorder(time.monotonic(), "test"), random.Random(1)
    bugs: list[Exception] = []
    shared_by_all: dict[str, Any] = {
        "broker": broker,
        "endpoint": endpoint,
        "credentials": credentials,
        "dial": DialPlan(address=endpoint.address, tls=TlsProfile(ca_file=ca_file), resolve=guard().resolve),
        "guard": guard(),
        "recorder": recorder,
        "fleet": Fleet(recorder, rng),
        "rng": rng,
        "symbols": (broker.default_symbol,),
        "on_bug": bugs.append,
        "remembered": 20,
    }
    common = Common(**shared_by_all | more)
    return Shared(common, bugs)


def eventually(condition: Any, within: float = PATIENCE) -> None:
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not come"
        gevent.sleep(0.005)
