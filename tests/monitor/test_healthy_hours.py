"""Hours in which nothing is wrong: nothing may be said."""

import asyncio
from dataclasses import dataclass

import pytest

from probe.measure.records import SessionState
from tests.monitor.linked import regions
from tests.monitor.matrix import BROKERS, WEDNESDAY_NOON, course
from tests.virtual.travelling import run

HOUR = 3600.0
SHORT = 720.0
LONG = 6 * HOUR
SUNDAY_OPENING = WEDNESDAY_NOON + 4 * 86400 + 10 * HOUR  # of the currency markets, 22:00 UTC in winter
FRIDAY_CLOSING = WEDNESDAY_NOON + 2 * 86400 + 10 * HOUR
SATURDAY = WEDNESDAY_NOON + 3 * 86400
OTC, REGULAR = ("EURUSD_otc",), ("EURUSD", "EURUSD_otc")
LATER = 60.0  # the first connection is behind


@dataclass(frozen=True)
class Day:
    name: str
    middle_utc: float
    symbols: tuple[str, ...] = OTC
    faults: tuple[str, ...] = ("jitter:seconds=40ms",)
    long: float = 2 * HOUR


DAYS = (
    Day("weekday", WEDNESDAY_NOON, long=LONG),
    Day("weekend", SATURDAY),
    Day("over an opening", SUNDAY_OPENING, REGULAR, long=LONG),
    Day("over a closing", FRIDAY_CLOSING, REGULAR),
    Day("closed all the time", SATURDAY, ("EURUSD",)),
)


async def watch(broker: str, day: Day, seconds: float) -> None:
    far = regions("near", "far", latency=0.06)
    async with course(
        broker, *day.faults, at=far, utc=day.middle_utc - seconds / 2, symbols=day.symbols
    ) as one:
        await asyncio.sleep(LATER)
        connected = one.snapshot()
        await asyncio.sleep(seconds - LATER)
        end = one.snapshot()
        assert (one.incidents, one.alerts) == ([], set())
        assert (end.condition.state, end.reconnects, end.failures) == (SessionState.STREAMING, 0, 0)
        assert end.bad_seconds == connected.bad_seconds
        assert sum(end.bad_seconds.values()) < 5.0
        assert end.observed_seconds == pytest.approx(seconds, abs=1.0)
        assert (end.unobserved_seconds, end.tainted_samples) == (0.0, 0)
        assert end.blind_seconds == connected.blind_seconds
        assert end.score.value is not None
        assert end.score.value > 90


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_a_healthy_hour_in_five_parts_raises_nothing(day: Day) -> None:
    broker = BROKERS[DAYS.index(day) % len(BROKERS)]
    run(watch(broker, day, SHORT))


@pytest.mark.long
@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
@pytest.mark.parametrize("broker", BROKERS)
def test_healthy_hours_raise_nothing(broker: str, day: Day) -> None:
    run(watch(broker, day, day.long))
