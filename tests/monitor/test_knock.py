"""One connection, judged, against the simulator with its faults."""

import asyncio
import time
from dataclasses import replace

import pytest

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.model.events import Phase
from probe.model.findings import State
from probe.monitor.knock import Knock, knock
from probe.session.broker import REGIONS, Region
from probe.simulator.run import Simulator
from tests.cli.bad_servers import serving, silent

BROKER = find_broker("pocketoption")
NEAR: tuple[Region, ...] = (replace(REGIONS[0], latency=0.0),)


async def look(*faults: str, timeout: float = 10, known_as: Sureness | None = None) -> Knock:
    async with Simulator(["pocketoption"], faults=faults, regions=NEAR) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        credentials = BROKER.read_credentials(simulator.credential(endpoint).reveal())
        if known_as is not None:
            endpoint = replace(endpoint, sureness=known_as, named_by_user=False)
        result = await knock(BROKER, endpoint, credentials, tls=TlsProfile(), timeout=timeout)
        if known_as is not None:
            heard = [line.text for record in simulator.sessions.records() for line in record.frames()]
            assert [text for text in heard if '["auth"' in text] == []
        return result


def test_a_healthy_server_is_called_healthy() -> None:
    result = asyncio.run(look())
    assert (result.verdict.state, result.verdict.findings, result.verdict.not_checked) == (
        State.HEALTHY,
        (),
        (),
    )
    assert result.facts.kernel is not None
    assert result.clock is not None
    assert abs(result.clock.skew_seconds) < 1
    assert result.clock.zone_seconds == 7200


def test_a_host_nobody_vouches_for_gets_no_credential() -> None:
    result = asyncio.run(look(known_as=Sureness.CLAIMED))
    assert result.verdict.state is State.UNKNOWN
    assert "the credential was not sent" in result.verdict.findings[0].cause
    assert result.verdict.not_checked == ("login", "prices")


VERDICTS = [
    ("auth-refused", "auth.session-expired"),
    ("auth-41", "auth.rejected-41"),
    ("http-status:code=403", "http.cf-challenge"),
    ("http-status:code=429", "http.429"),
    ("connect-error", "sio.connect-error"),
    ("no-open", "eio.no-open"),
    ("no-join", "sio.connect-silent"),
    ("auth-silent", "auth.silent-after-connect"),
    ("silent-upgrade", "http.open-timeout"),
]


@pytest.mark.parametrize(("fault", "code"), VERDICTS, ids=[fault for fault, _ in VERDICTS])
def test_each_failure_gets_its_own_verdict(fault: str, code: str) -> None:
    result = asyncio.run(look(fault, timeout=1.5))
    assert (result.verdict.state, result.verdict.findings[0].code) == (State.FAILED, code)


@pytest.mark.parametrize(("seconds", "state"), [(4.0, State.FAILED), (1.0, State.UNKNOWN)])
def test_a_mute_session_is_only_called_so_after_a_long_enough_look(seconds: float, state: State) -> None:
    result = asyncio.run(look("false-success", timeout=seconds))
    assert (result.verdict.state, result.verdict.findings[0].code) == (state, "session.silent-stall")


def test_drifting_messages_are_noticed_while_prices_flow() -> None:
    result = asyncio.run(look("extra-element", timeout=3))
    assert result.verdict.state is State.DEGRADED
    assert result.verdict.findings[0].code == "cfg.client-outdated"


def test_the_time_given_bounds_all_phases_together() -> None:
    with serving(silent) as url:
        endpoint = Endpoint(
            broker="pocketoption",
            region="mute",
            url=url.replace("ws:", "wss:"),
            account=Account.DEMO,
            named_by_user=True,
        )
        began = time.monotonic()
        result = asyncio.run(knock(BROKER, endpoint, None, tls=TlsProfile(), timeout=0.4))
    assert result.verdict.state is State.FAILED
    assert result.facts.ended is not None
    assert result.facts.ended.phase is Phase.SECURING
    assert time.monotonic() - began < 5 * 0.4
