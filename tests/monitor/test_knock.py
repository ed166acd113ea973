"""One connection, judged, against the simulator with its faults."""

import asyncio
import time
from dataclasses import replace

import pytest

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.measure.vitals import FROZEN_TICKS
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.model.events import Phase
from probe.model.findings import State
from probe.model.intents import AskHistory
from probe.monitor.knock import Knock, knock
from probe.session.broker import REGIONS, Region
from probe.simulator.run import Simulator
from tests.cli.bad_servers import serving, silent
from tests.monitor.linked import utc_of
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

BROKER = find_broker("pocketoption")
NEAR: tuple[Region, ...] = (replace(REGIONS[0], latency=0.0),)


async def look(*faults: str, timeout: float = 10, known_as: Sureness | None = None) -> Knock:
    async with Simulator(["pocketoption"], faults=faults, regions=NEAR) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        credentials = BROKER.read_credentials(simulator.credential(endpoint).reveal())
        if known_as is not None:
            endpoint = replace(endpoint, sureness=known_as, named_by_user=False)
        utc = utc_of(simulator, BROKER)
        result = await knock(BROKER, endpoint, credentials, tls=TlsProfile(), timeout=timeout, utc=utc)
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


# -- looking on --------------------------------------------------------------------------------------------------------


def stay(*faults: str, broker: str = "pocketoption", symbol: str | None = None, stays: float = 6.0) -> Knock:
    """In time that does not wait."""

    async def look_on() -> Knock:
        async with Simulator([broker], faults=faults, regions=None) as simulator:
            endpoint = simulator.plain_endpoints()[0]
            return await knock(
                find_broker(broker),
                endpoint,
                simulator.key(endpoint),
                tls=TlsProfile(),
                timeout=100.0,
                symbol=symbol,
                stays=stays,
                utc=lambda: WEDNESDAY_NOON + asyncio.get_running_loop().time(),
            )

    with simulated_at(WEDNESDAY_NOON):
        return run(look_on())


@pytest.mark.parametrize("stays", [6.0, 20.0])
def test_it_stays_as_long_as_it_should_and_no_longer_if_all_is_clear(stays: float) -> None:
    result = stay(stays=stays)
    assert stays <= result.facts.seconds_live < stays + 1.0
    assert len(result.facts.heartbeats_sent) >= 3
    assert result.facts.unanswered_ping is None


@pytest.mark.parametrize(
    ("symbol", "control"), [(None, "#AAPL_otc"), ("EURUSD", "EURUSD_otc"), ("NOSUCH", "EURUSD_otc")]
)
def test_another_symbol_that_can_be_traded_is_watched_beside(symbol: str | None, control: str) -> None:
    result = stay(symbol=symbol)
    assert result.control_symbol == control
    assert control in {each.symbol for each in result.facts.quotes}


def test_one_that_does_not_stay_asks_for_nothing_more() -> None:
    result = stay(stays=0.0)
    assert result.control_symbol == ""
    assert {each.symbol for each in result.facts.quotes} <= {"EURUSD_otc"}
    assert result.facts.seconds_live < 2.0


@pytest.mark.parametrize("fault", ["silent-stall:at=3s", "half-open:at=3s"])
def test_it_looks_on_until_it_is_clear_whether_anything_still_comes(fault: str) -> None:
    result = stay(fault)
    assert result.facts.seconds_live > 10.0
    answered = [each.intent for each in result.facts.answered]
    unanswered = [each.intent for each in result.facts.expired]
    assert sum(isinstance(each, AskHistory) for each in answered + unanswered) == 2


def test_a_price_that_does_not_move_is_looked_at_until_that_means_something() -> None:
    result = stay("frozen-price")
    assert sum(each.symbol == "EURUSD_otc" for each in result.facts.quotes) >= FROZEN_TICKS


def test_the_kernels_view_outlives_the_connection() -> None:
    result = stay("tcp-reset:at=3s")
    assert result.facts.kernel is not None


def test_where_prices_are_asked_for_it_only_looks_on_and_learns_more_all_the_same() -> None:
    short, long = (stay("gateway-frozen-feed", broker="mt5", stays=stays) for stays in (10.0, 45.0))
    assert [each.control_symbol for each in (short, long)] == ["", ""]
    codes = [{row.code for rows in each.facts.troubles.values() for row in rows} for each in (short, long)]
    assert codes[1] - codes[0] == {"data.stale-ticks"}
