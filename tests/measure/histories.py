"""Histories of a target that never was: their level wanders, bursts come, days have a shape, connections drop now and then."""

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from probe.measure.compared import Comparison, compare
from probe.measure.histogram import Histogram
from probe.measure.periods import MINUTE
from probe.measure.pieces import DAY, HOUR, cut_for, length, pieces
from probe.measure.records import Cause, Metric, Period

MIDNIGHT = 1_700_006_400.0
USUAL = {Metric.WS_RTT: 0.03, Metric.APP_RTT: 0.05, Metric.TCP_RTT: 0.025, Metric.TICK_GAP: 0.5}


def history(
    rng: Random,
    *,
    count: int = 666,
    step: float = MINUTE,
    values: int = 3,
    spread: float = 0.35,
    alike: float = 0.0,
    wander: float = 0.0,
    bursts: float = 0.0,
    daily: float = 0.0,
    drops: float = 0.003,
    added: float = 0.0,
) -> list[Period]:
    """
    Args:
        count: Periods, of `step` seconds each.
        values: Of each round trip in each of them.
        alike, wander: How much of a period's level the next one keeps, and how far levels go.
        bursts: The share of periods in which something begins that makes round trips up to four times as long.
        daily: By how much afternoons are slower, of the value itself.
        drops: The share of periods in which the connection begins to drop.
        added: To every round trip, of itself.
    """
    level, busy, down, made = rng.gauss(0, wander), 0, 0, []
    for place in range(count):
        at = MIDNIGHT + place * step
        level = alike * level + math.sqrt(1 - alike**2) * rng.gauss(0, wander)
        busy = busy - 1 if busy else rng.choice((2, 5, 15)) if rng.random() < bursts else 0
        down = down - 1 if down else rng.choice((1, 1, 3, 10)) if rng.random() < drops else 0
        slower = math.exp(level + daily * math.sin(math.tau * at / DAY)) * (1 + added)
        of_each = {
            metric: Histogram.of(
                usual
                * math.exp(rng.gauss(0, spread))
                * (slower * (1 + 3 * rng.random() * (busy > 0)) if metric is not Metric.TICK_GAP else 1)
                for _ in range(values)
            )
            for metric, usual in USUAL.items()
        }
        if down:
            of_each[Metric.CONNECT] = Histogram.of([math.exp(rng.gauss(0, 0.4))])
        made.append(
            Period(
                began_utc=at,
                seconds=step,
                target="main",
                observed_seconds=step,
                bad_seconds={Cause.DISCONNECTED: rng.random() * step} if down else {},
                open_seconds=step,
                blind_seconds=rng.random() * step if down else 0.0,
                connects=int(down > 0),
                connect_failures=int(down > 0 and rng.random() < 0.2),
                disconnects=int(down > 0),
                beats_sent=4,
                beats_missed=int(rng.random() < 0.003),
                histograms=of_each,
            )
        )
    return made


def compared(before: Sequence[Period], after: Sequence[Period]) -> Comparison:
    sides = [[(each[0].began_utc, each[-1].at_utc)] if each else [] for each in (before, after)]
    cut = cut_for(*map(length, sides))
    one, other = (list(pieces(each, side, cut)) for each, side in zip((before, after), sides, strict=True))
    return compare(one, other, rng=Random(1))


def split(rng: Random, whole: Sequence[Period]) -> tuple[Sequence[Period], Sequence[Period]]:
    place = round(len(whole) * rng.uniform(0.3, 0.7))
    return whole[:place], whole[place:]


def changed(period: Period, **fields: object) -> Period:
    return replace(period, **fields)  # type: ignore[arg-type]


HOURLY: dict[str, Any] = {"step": HOUR, "values": 40}
