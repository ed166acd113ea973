"""Whatever can go wrong at a fresh connection, `/probe` says of it what `probe check` says; where it does not, here is why."""

import asyncio
from dataclasses import dataclass

import pytest

from exporters.probing.service import Probing
from probe.brokers import broker_names, find_broker
from probe.catalogue import entries
from probe.drivers.tls import TlsProfile
from probe.faults.catalogue import FAULTS
from probe.model.endpoint import Endpoint
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.monitor.knock import Knock, knock
from probe.session.broker import Broker
from probe.simulator.run import Simulator
from tests.exporters.probed import Idle, Said, aimed_at, probe, watched
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

LONG = 60.0
AT_ONCE = ("refuse", "http-status", "silent-upgrade", "no-open", "cut", "reset", "freeze", "slow", "tls-certificate", "tls-version")  # fmt: skip
ARRIVED = {
    "lying-balance": "the price came; which account it is, the session's own watch says",
    "backend-health-hangs": "the price came; the health that hangs is what `open` asks for",
    "gateway-blocked": "the price comes in the end, later than a check waits for it",
}  # where a check fails and `data` does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    check: Knock
    data: Said

    @property
    def codes(self) -> list[str]:
        return [each.code for each in self.check.verdict.findings if each.state is not State.HEALTHY]


async def _both(broker: Broker, fault: str) -> Both | None:
    """None: this broker cannot have it."""
    over_tls = fault.startswith("tls-")
    try:
        return Both(
            check=await _checked(broker, fault, over_tls=over_tls),
            data=await _probed(broker, fault, over_tls=over_tls),
        )
    except ConfigError:
        return None


async def _checked(broker: Broker, fault: str, *, over_tls: bool) -> Knock:
    async with Simulator([broker], faults=[fault], tls=over_tls) as simulator:
        endpoint, tls = _endpoint(simulator, over_tls=over_tls)
        key = simulator.key(endpoint)
        floor, clock = simulator.worlds[broker.name].floor, asyncio.get_running_loop().time
        return await knock(broker, endpoint, key, tls=tls, timeout=LONG, utc=lambda: floor.at(clock()))


async def _probed(broker: Broker, fault: str, *, over_tls: bool) -> Said:
    async with Simulator([broker], faults=[fault], tls=over_tls) as simulator:
        endpoint, tls = _endpoint(simulator, over_tls=over_tls)
        wanted = aimed_at(endpoint.url, broker=broker, key=simulator.key(endpoint), tls=tls)
        floor, clock = simulator.worlds[broker.name].floor, asyncio.get_running_loop().time
        one = Probing(watched(Idle([wanted])), max_at_once=1, utc=lambda: floor.at(clock()))
        return await probe(one, "data", f"{LONG:g}")


def _endpoint(simulator: Simulator, *, over_tls: bool) -> tuple[Endpoint, TlsProfile]:
    served = next(each for each in simulator.endpoints if (each.ca_file is not None) is over_tls)
    (broker,) = simulator.worlds
    endpoint = Endpoint(
        broker=broker, region=served.region, url=served.url, account=served.account, named_by_user=True
    )
    return endpoint, TlsProfile(ca_file=served.ca_file)


def _compare(fault: str, both: Both) -> None:
    said, facts = both.data, both.check.facts
    failure = facts.ended.failure if facts.ended else None
    assert sum(said.values[name] for name in said.values if name[0] == OUR_PHASES) <= said.seconds + 1e-6
    if failure is not None:
        reason = entries()[failure.code].reason.value
        phases = [each.phase.value for each in facts.phases]
        assert (said.success, said.reason, said.codes[0], said.phases) == (0, [reason], failure.code, phases)
    elif fault in ARRIVED:
        assert (said.success, said.reason, said.codes) == (1, [], [])
    elif both.check.verdict.state is State.FAILED:
        assert (said.success, both.codes[0] in said.codes) == (0, True)  # it waits longer, and sees more
    else:
        assert (said.success, said.reason, said.codes) == (1, [], []), both.codes


OUR_PHASES = "tradeprobe_probe_phase_duration_seconds"


@pytest.mark.parametrize("name", sorted(broker_names()))
@pytest.mark.parametrize("fault", AT_ONCE)
def test_a_connection_that_fails_fails_for_the_same_reason(name: str, fault: str) -> None:
    with simulated_at(WEDNESDAY_NOON):
        both = run(_both(find_broker(name), fault))
    if both is not None:
        _compare(fault, both)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(broker_names()))
def test_every_fault_is_judged_as_a_check_judges_it(name: str) -> None:
    compared = 0
    for fault in FAULTS:
        with simulated_at(WEDNESDAY_NOON):
            both = run(_both(find_broker(name), fault))
        if both is not None:
            _compare(fault, both)
            compared += 1
    assert compared >= 20
