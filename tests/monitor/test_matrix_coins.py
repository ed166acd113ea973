"""Each fault that a crypto backend or an exchange can have, held while it is monitored; and half an hour without one."""

import asyncio
from collections.abc import Sequence

import pytest

from probe.brokers import find_broker
from probe.faults.catalogue import FAULTS, read_fault
from probe.faults.grammar import FaultKind
from probe.measure.records import SessionState
from probe.session.broker import Broker, Region
from probe.simulator.switchboard import can_have
from tests.monitor.matrix import Row, Then, course, label, suffer
from tests.monitor.matrix_coins import BACKEND, EXCHANGE, NOT_MET, REST, SPOT, STREAM, SWAP
from tests.virtual.travelling import run

CRYPTO, BINGX = find_broker("crypto"), find_broker("bingx")
HALF_AN_HOUR = 1800.0


def name_of(row: Row) -> str:
    return label(row) + (" from the start" if row.from_start else "")


def rows(*kinds: tuple[Sequence[Row], str, tuple[Region, ...] | None]) -> list[object]:
    return [
        pytest.param(row, broker, at, id=f"{broker if at is None else at[0].name} {name_of(row)}")
        for some, broker, at in kinds
        for row in some
    ]


EVERY = rows((BACKEND, "crypto", None), (EXCHANGE, "bingx", REST), (STREAM, "bingx", SWAP))


def is_own(row: Row) -> bool:
    """Connections and their bytes are the same for all: the long run has them here, test_matrix.py in each run."""
    is_of_bytes = read_fault(row.fault).spec.kind in (FaultKind.STREAM, FaultKind.LISTENER)
    return not is_of_bytes and row.then is not Then.RECONNECTS


OWN = rows(
    (BACKEND, "crypto", None),
    ([*filter(is_own, EXCHANGE)], "bingx", REST),
    ([*filter(is_own, STREAM)], "bingx", SWAP),
)


@pytest.mark.parametrize(("row", "broker", "at"), OWN)
def test_a_fault_gives_its_state_its_cause_and_its_incident_and_they_end_with_it(
    row: Row, broker: str, at: tuple[Region, ...] | None
) -> None:
    run(suffer(row, broker, None, at=at))


@pytest.mark.long
@pytest.mark.parametrize(("row", "broker", "at"), EVERY)
def test_a_fault_that_is_held_gives_its_alert_and_everything_closes_when_it_ends(
    row: Row, broker: str, at: tuple[Region, ...] | None
) -> None:
    run(suffer(row, broker, row.long, at=at))


async def watch(broker: Broker, at: tuple[Region, ...] | None, seconds: float) -> None:
    async with course(broker, at=at) as one:
        await asyncio.sleep(seconds)
        end = one.snapshot()
        assert (one.incidents, one.alerts) == ([], set())
        assert (end.condition.state, end.reconnects, end.failures) == (SessionState.STREAMING, 0, 0)
        assert (end.score.value or 0.0) > 90


WELL = [
    pytest.param(CRYPTO, None, id="crypto"),
    pytest.param(BINGX, SWAP, id="swap"),
    pytest.param(BINGX.speaking({"heartbeat": "spot"}), SPOT, id="spot"),
    pytest.param(BINGX, REST, id="rest"),
]


@pytest.mark.parametrize(("broker", "at"), WELL)
def test_minutes_in_which_nothing_is_wrong_raise_nothing(
    broker: Broker, at: tuple[Region, ...] | None
) -> None:
    run(watch(broker, at, HALF_AN_HOUR / 10))


@pytest.mark.long
@pytest.mark.parametrize(("broker", "at"), WELL)
def test_half_an_hour_in_which_nothing_is_wrong_raises_nothing(
    broker: Broker, at: tuple[Region, ...] | None
) -> None:
    run(watch(broker, at, HALF_AN_HOUR))


def test_four_symbols_that_take_turns_are_each_as_fresh_as_their_turn_allows() -> None:
    async def go() -> None:
        symbols = ("BTC-USDT", "ETH-USDT", "LTC-USDT", "BCH-USDT")
        async with course(CRYPTO, at=None, symbols=symbols) as one:
            await asyncio.sleep(HALF_AN_HOUR / 6)
            assert (one.incidents, one.alerts, one.is_over) == ([], set(), True)

    run(go())


def test_no_fault_that_they_can_have_is_missing() -> None:
    possible = {
        name
        for name in FAULTS
        if name not in ("tls-certificate", "tls-version")  # tests/monitor/test_matrix.py: the same for all
        and any(can_have(broker, read_fault(name)) for broker in (CRYPTO, BINGX))
    }
    known = {row.name for row in (*BACKEND, *EXCHANGE, *STREAM)}
    assert (known | NOT_MET.keys(), known & NOT_MET.keys()) == (possible, set())
