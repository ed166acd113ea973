import math
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import monotonic

import pytest

from probe.measure.histogram import Histogram
from probe.measure.records import (
    Attempt,
    Disconnected,
    Metric,
    Notice,
    Period,
    Record,
    Sample,
    StateChanged,
    Tick,
)
from probe.store.opened import OpenStore
from probe.store.reader import StoreReader
from probe.store.retention import DAY, ROWS, Keep
from probe.store.rows import PERIOD_COLUMNS
from tests.store.making import (
    ALERT,
    ATTEMPT,
    DISCONNECT,
    INCIDENT,
    NOON,
    NOTICE,
    STATE,
    SUCCESS,
    TICK,
    Kept,
    comparable,
    minute,
)

FOREVER = 0, 1e12
NOW = NOON + 1000 * DAY


def tidied(path: Path, records: list[Record], *, keep: Keep | None = None, now_utc: float = NOW) -> int:
    """In how many steps."""
    store = OpenStore(path, now_utc)
    try:
        assert store.save(records) == []
        return sum(1 for _ in store.tidying(keep or Keep(), now_utc, monotonic))
    finally:
        store.close()


def aged(days: float) -> float:
    return NOW - days * DAY


def test_everything_is_kept_for_its_time_and_no_longer(kept: Kept) -> None:
    ages = (0.5, 1.5, 13, 15, 29, 31, 89, 91, 364, 366)
    tidied(
        kept.path,
        [
            record
            for at in map(aged, ages)
            for record in (
                TICK._replace(at_utc=at),
                Sample(at, "demo", "eu", Metric.WS_RTT, 0.1, False),
                minute(at),
                replace(STATE, at_utc=at),
                replace(SUCCESS, at_utc=at),
                replace(ATTEMPT, at_utc=at),
                replace(DISCONNECT, at_utc=at),
                replace(NOTICE, at_utc=at),
                replace(INCIDENT, id=str(at), began_utc=at, ended_utc=at),
                replace(ALERT, fired_utc=at, resolved_utc=at),
            )
        ],
    )
    with closing(StoreReader(kept.path)) as reader:
        attempts = reader.events(Attempt, *FOREVER)
        lefts = {
            "ticks": [each.at_utc for each in reader.ticks("demo", *FOREVER)],
            "samples": [each.at_utc for each in reader.samples("demo", *FOREVER)],
            "minutes": [each.began_utc for each in reader.periods("demo", *FOREVER, "minute")],
            "hours": [each.at_utc - 60 for each in reader.periods("demo", *FOREVER, "hour")],
            "states": [each.at_utc for each in reader.events(StateChanged, *FOREVER)],
            "successes": [each.at_utc for each in attempts if not each.failure],
            "failures": [each.at_utc for each in attempts if each.failure],
            "disconnects": [each.at_utc for each in reader.events(Disconnected, *FOREVER)],
            "notices": [each.at_utc for each in reader.events(Notice, *FOREVER)],
            "incidents": [each.at_utc for each in reader.incidents(*FOREVER)],
            "alerts": [each.at_utc for each in reader.alerts(*FOREVER)],
        }
    days = {name: sorted(round((NOW - at) / DAY, 3) for at in left) for name, left in lefts.items()}
    year = [0.5, 1.5, 13, 15, 29, 31, 89, 91, 364]
    assert days == {
        "ticks": [0.5],
        "samples": [0.5, 1.5, 13],
        "minutes": [0.5, 1.5, 13, 15, 29, 31, 89],
        "hours": [*year, 366],
        "states": [0.5, 1.5, 13, 15, 29],
        "successes": [0.5, 1.5, 13, 15, 29],
        "failures": year,
        "disconnects": year,
        "notices": year,
        "incidents": year,
        "alerts": year,
    }


def test_much_is_taken_away_in_small_steps(kept: Kept) -> None:
    """On a clock of its own, so that a busy machine is no long transaction."""
    store = OpenStore(kept.path, NOW)
    old = [TICK._replace(at_utc=aged(2) + number) for number in range(50 * ROWS)]
    assert store.save(old) == []
    asked = iter(range(10**9))
    steps = [
        store._connection.execute("SELECT count(*) FROM ticks").fetchone()[0]
        for _ in store.tidying(Keep(), NOW, lambda: next(asked) * 0.005)
    ]
    store.close()
    taken = [before - after for before, after in zip([len(old), *steps], steps, strict=False)]
    assert steps[-1] == 0
    assert max(taken) <= 3 * ROWS  # 0.01 s of 0.005 s each


def test_room_is_given_back_when_less_is_kept(kept: Kept) -> None:
    tidied(kept.path, [TICK._replace(at_utc=NOW - number) for number in range(40_000)])
    large = kept.path.stat().st_size
    assert tidied(kept.path, [], keep=Keep(ticks_seconds=60)) < 100  # many pages in each step
    assert large > 1_000_000
    assert kept.path.stat().st_size < large / 2


def test_a_running_writer_tidies_by_itself(kept: Kept) -> None:
    with kept.running() as writer:
        writer.write(TICK._replace(at_utc=NOON - 2 * DAY))
        writer.write(TICK)
        assert writer.flush(10)
        assert writer.flush(10)  # between the two comes what else there is to do
    with closing(StoreReader(kept.path)) as reader:
        assert reader.ticks("demo", *FOREVER) == [TICK]


# -- a year ------------------------------------------------------------------------------------------------------------


def round_trips(chance: random.Random, many: int) -> Histogram:
    return Histogram.of(math.exp(chance.gauss(-3, 0.4)) for _ in range(many))


def sums(chance: random.Random, began_utc: float, minutes: int) -> Period:
    counts = {
        Metric.WS_RTT: 3,
        Metric.BEAT_RTT: 3,
        Metric.TCP_RTT: 3,
        Metric.APP_RTT: 1,
        Metric.LOOP_LAG: 60,
        Metric.TICK_GAP: 240,
    }
    return replace(
        minute(began_utc),
        seconds=60.0 * minutes,
        ticks=240 * minutes,
        messages=260 * minutes,
        histograms={metric: round_trips(chance, min(many * minutes, 600)) for metric, many in counts.items()},
    )


def year(chance: random.Random, share: float) -> Iterator[Record]:
    """What is left of one target's year, but for its periods: the last `share` of every time that something is kept."""
    for number in reversed(range(int(86_400 * 2 * share))):
        for symbol in ("EURUSD_otc", "GBPUSD_otc"):
            at = NOW - number / 2 - chance.random() / 4
            yield Tick(at, "demo", symbol, round(at, 3), round(chance.uniform(1, 2), 5))
    for number in reversed(range(int(14 * 4320 * share))):
        at = NOW - 20 * number - chance.random()
        for metric in (Metric.WS_RTT, Metric.BEAT_RTT, Metric.TCP_RTT):
            yield Sample(at, "demo", "eu", metric, chance.random(), False)
        if number % 3 == 0:
            yield Sample(at, "demo", "eu", Metric.APP_RTT, chance.random(), False)
    for number in reversed(range(int(365 * share))):
        for part in range(20):
            at = NOW - number * DAY - part * 4000
            attempt = replace(ATTEMPT, at_utc=at, failure=ATTEMPT.failure if part % 4 == 0 else None)
            yield from (attempt, replace(STATE, at_utc=at), replace(STATE, at_utc=at + 1))
            if part % 4 == 0:
                line = replace(INCIDENT, id=f"demo/{at}", began_utc=at, ended_utc=at + 60)
                lines = tuple(each._replace(text="x" * 200) for each in INCIDENT.evidence * 16)
                yield replace(line, evidence=lines)
                yield from (replace(DISCONNECT, at_utc=at), replace(ALERT, fired_utc=at))


def fill(path: Path, share: float) -> int:
    """The size of the file, in bytes. Of the periods one day is written, and the others are its copies."""
    chance, records = random.Random(4), year(random.Random(5), share)
    for kept_days, days, minutes in ((365, 275, 60), (90, 90, 1)):
        began = aged(kept_days)
        times = (began + 60 * number for number in range(0, 1440, minutes))
        tidied(path, [sums(chance, at, minutes) for at in times])
        with closing(sqlite3.connect(path)) as store, store:
            for table in ("hours",) if minutes == 60 else ("minutes", "hours"):
                for day in range(1, int(days * share)):
                    store.execute(
                        f"INSERT INTO {table} ({PERIOD_COLUMNS})"
                        f" SELECT {PERIOD_COLUMNS.replace('began_utc', f'began_utc + {day * DAY}')} FROM {table}"
                        " WHERE began_utc >= ? AND began_utc < ?",
                        (began, began + DAY),
                    )
    while batch := list(islice(records, 50_000)):
        tidied(path, batch)
    return path.stat().st_size


def tell(path: Path, size: int) -> None:
    print(f"\n{size / 1e6:.1f} MB")
    with closing(sqlite3.connect(path)) as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            [(rows,)] = store.execute(f"SELECT count(*) FROM {table}")
            print(f"{table:12} {rows:9,} rows")


def test_a_fiftieth_of_a_year_fits_in_a_fiftieth_of_the_room(kept: Kept) -> None:
    size = fill(kept.path, 0.02)
    tell(kept.path, size)
    assert 1_000_000 < size < 4_000_000


@pytest.mark.long
def test_a_year_of_one_target_fits_in_200_megabytes(kept: Kept) -> None:
    size = fill(kept.path, 1.0)
    tell(kept.path, size)
    assert 50_000_000 < size < 200_000_000


def test_a_clock_that_leaps_ahead_takes_no_history_away_for_a_day(kept: Kept) -> None:
    kept.keep(minute(NOON))
    utc = NOON + 60
    writer = kept.writer(clock_utc=lambda: utc)
    store = OpenStore(kept.path, utc)
    try:
        assert writer._believed_utc(store, 0.0) == utc
        utc += 60 + 730 * DAY
        assert writer._believed_utc(store, 60.0) == NOON + 120
        utc -= 730 * DAY  # somebody has set it right
        assert writer._believed_utc(store, 60.0) == NOON + 120
        utc += 730 * DAY
        assert writer._believed_utc(store, 60.0 + 0.0) == NOON + 120
        utc += DAY
        assert writer._believed_utc(store, 60.0 + DAY) == utc
    finally:
        store.close()


def test_a_clock_that_is_far_ahead_of_the_newest_record_at_the_start_has_to_stand_too(kept: Kept) -> None:
    kept.keep(minute(NOON), TICK)
    with kept.running(clock_utc=lambda: NOON + 730 * DAY) as writer:
        writer.write(TICK._replace(at_utc=NOON + 730 * DAY))
        assert writer.flush(10)
    with closing(StoreReader(kept.path)) as reader:
        assert len(reader.ticks("demo", *FOREVER)) == 2


def test_an_hour_is_merged_alike_from_memory_and_from_its_row(kept: Kept) -> None:
    minutes = [minute(NOON + 60 * at, values=(0.1 * (at + 1),)) for at in range(4)]
    kept.keep(*minutes)
    with closing(StoreReader(kept.path)) as reader:
        [at_once] = reader.periods("demo", *FOREVER, step="hour")
    kept.path = kept.path.with_name("other.db")
    for each in minutes:  # every one by a writer that does not know the hour yet
        kept.keep(each)
    with closing(StoreReader(kept.path)) as reader:
        [one_by_one] = reader.periods("demo", *FOREVER, step="hour")
    assert comparable(at_once) == comparable(one_by_one)
    assert at_once.observed_seconds == 4 * 55.0
