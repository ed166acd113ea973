"""A gateway over a trading terminal, monitored: with each fault that it can have, with none, and while markets are closed."""

import asyncio
from dataclasses import dataclass

import pytest

from probe.faults.catalogue import FAULTS
from probe.faults.grammar import FaultKind
from probe.measure.records import Alert, Cause, Notice, SessionState, StateChanged
from tests.monitor.matrix import SETTLED, WEDNESDAY_NOON, Row, course, suffer
from tests.monitor.matrix_mt5 import NOT_MET, ROWS
from tests.virtual.travelling import run

HOUR = 3600.0
FRIDAY_CLOSING = WEDNESDAY_NOON + 2 * 86_400 + 10 * HOUR  # of the currency markets, 22:00 UTC in winter
SATURDAY = WEDNESDAY_NOON + 3 * 86_400
SUNDAY_OPENING = WEDNESDAY_NOON + 4 * 86_400 + 10 * HOUR
HARMLESS = tuple({row.name: row for row in ROWS if row.cause is None}.values())
HARMFUL = tuple(row for row in ROWS if row.cause is not None)
# Of those whose way through the monitor is that of another row, the long runs are enough.
ALIKE = {
    "gateway-frozen-feed", "gateway-other-logged-out", "gateway-nginx-504", "gateway-endless-body", "gateway-wild-numbers",
    "gateway-wild-numbers:kind=digits", "gateway-nginx-504:seconds=30s", "gateway-ipc-timeout:seconds=60s", "signin-slow",
}  # fmt: skip
FIRST_PRICE = 8.0  # seconds: where nothing else moves, a price has to be seen moving, at the third question at the latest
STANDS = 3908.0  # seconds after which the price of the coin soon stands still for 20
LATER = 60.0  # the first connection is behind


def name_of(row: Row) -> str:
    return row.fault + (" from the start" if row.from_start else "")


@pytest.mark.parametrize("row", [row for row in HARMFUL if row.fault not in ALIKE], ids=name_of)
def test_a_fault_of_a_gateway_gives_its_state_its_cause_and_its_incident_and_they_end_with_it(
    row: Row,
) -> None:
    run(suffer(row, "mt5", None))


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_a_fault_of_a_gateway_that_is_held_gives_its_alert_and_all_closes_when_it_ends(row: Row) -> None:
    run(suffer(row, "mt5", row.long))


@pytest.mark.parametrize("of_the_gateway", [True, False], ids=["the gateway", "its line"])
def test_faults_that_nobody_would_notice_are_not_noticed_together_either(of_the_gateway: bool) -> None:
    faults = [row.fault for row in HARMLESS if row.name.startswith("gateway-") is of_the_gateway]

    async def watch() -> None:
        async with course("mt5", *faults, at=None) as one:
            await asyncio.sleep(90.0)
            assert (one.incidents, one.alerts, one.is_over) == ([], set(), True)

    run(watch())


def test_every_fault_has_a_row() -> None:
    theirs = {
        name
        for name, spec in FAULTS.items()
        if spec.kind is not FaultKind.PROTOCOL and (not spec.brokers or "mt5" in spec.brokers)
    }
    assert {row.name for row in ROWS} | NOT_MET.keys() == theirs


@pytest.mark.parametrize("row", [row for row in HARMFUL if row.name.startswith("gateway-")], ids=name_of)
def test_what_a_row_expects_is_the_faults_finding_or_the_row_says_why_not(row: Row) -> None:
    assert row.code == FAULTS[row.name].finding or row.looks


def test_a_gateway_whose_terminal_has_lost_its_broker_is_never_called_healthy_although_every_status_is_200() -> (
    None
):
    async def watch() -> None:
        async with course("mt5", "gateway-broker-down", at=None) as one:
            await asyncio.sleep(600.0)
            assert SessionState.STREAMING not in one.states
            assert one.snapshot().condition.state is SessionState.STALLED
            assert (one.snapshot().score.value or 0.0) == 0.0
            assert [(each.cause, each.code) for each in one.incidents] == [
                (Cause.STALLED, "data.stale-ticks")
            ]
            assert "stream_stalled" in one.alerts

    run(watch())


def test_a_gateway_that_answers_nobody_is_named_before_the_session_ends() -> None:
    async def watch() -> None:
        async with course("mt5", at=None) as one:
            await asyncio.sleep(SETTLED)
            await one.simulator.board.switch_on("gateway-ipc-timeout:seconds=60s")
            await asyncio.sleep(90.0)
            codes = [each.condition.code for each in one.of(StateChanged) if each.condition.code]
            assert list(dict.fromkeys(codes))[:2] == ["mt5.bridge-hang", "http.open-timeout"]

    run(watch())


# -- nothing is wrong --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Day:
    name: str
    begins_utc: float
    symbols: tuple[str, ...] = ("EURUSD",)
    seconds: float = 480.0


DAYS = (
    Day(name="weekday", begins_utc=WEDNESDAY_NOON, seconds=1800.0),
    Day(name="weekend", begins_utc=SATURDAY, symbols=("EURUSD", "BTCUSD")),
    Day(name="weekend of a coin alone", begins_utc=SATURDAY + STANDS, symbols=("BTCUSD",)),
    Day(name="closed all the time", begins_utc=SATURDAY, seconds=HOUR),
    Day(name="over a closing", begins_utc=FRIDAY_CLOSING - 240),
    Day(name="over an opening", begins_utc=SUNDAY_OPENING - 60, seconds=540.0),
)


async def watch_calmly(day: Day) -> float:
    """So long prices were missed."""
    async with course("mt5", at=None, utc=day.begins_utc, symbols=day.symbols) as one:
        await asyncio.sleep(LATER)
        connected = one.snapshot()
        await asyncio.sleep(day.seconds - LATER)
        end = one.snapshot()
        assert (one.incidents, one.of(Alert)) == ([], [])
        assert (end.condition.state, end.reconnects, end.failures) == (SessionState.STREAMING, 0, 0)
        assert sum(end.bad_seconds.values()) < FIRST_PRICE
        assert end.bad_seconds == connected.bad_seconds
        assert end.blind_seconds == connected.blind_seconds
        assert {each.code for each in one.of(Notice)} <= {"http.origin-or-ua", "data.stale-ticks"}
        return end.blind_seconds


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_a_healthy_gateway_raises_nothing(day: Day) -> None:
    run(watch_calmly(day))


@pytest.mark.long
def test_from_fridays_closing_to_sundays_opening_nothing_is_raised() -> None:
    """Not the hours between: a gateway is asked 27 times a minute, and its token does not live for two days."""
    run(watch_calmly(Day(name="", begins_utc=FRIDAY_CLOSING - 1800, seconds=2 * HOUR)))
    run(watch_calmly(Day(name="", begins_utc=SUNDAY_OPENING - HOUR, seconds=2 * HOUR)))


@pytest.mark.long
@pytest.mark.parametrize("hours", range(6, 48, 6))
def test_in_the_hours_between_nothing_is_raised_either(hours: int) -> None:
    begins_utc = FRIDAY_CLOSING + hours * HOUR
    assert run(watch_calmly(Day(name="", begins_utc=begins_utc, seconds=HOUR / 3))) == 0.0
    run(watch_calmly(Day(name="", begins_utc=begins_utc, symbols=("BTCUSD",), seconds=HOUR / 3)))


def test_a_feed_that_stays_frozen_after_the_opening_is_found() -> None:
    async def watch() -> None:
        async with course(
            "mt5", "gateway-frozen-feed", at=None, utc=SUNDAY_OPENING - 300, symbols=("EURUSD",)
        ) as one:
            await asyncio.sleep(300.0)
            assert (one.incidents, one.alerts) == ([], set())
            assert await one.until(lambda: one.incidents, 400.0)
            assert one.snapshot().condition.state is SessionState.STALLED
            assert await one.until(lambda: one.incidents[0].code == "data.stale-ticks", 1200.0)
            assert await one.until(lambda: "stream_stalled" in one.alerts, 120.0)

    run(watch())
