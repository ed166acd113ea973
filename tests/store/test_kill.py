"""What was acknowledged is there after kill -9 at any moment."""

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from probe.measure.records import Disconnected
from probe.store.reader import StoreReader
from tests.store.making import NOON, TICK, Kept

ROOT = Path(__file__).parents[2]
FOREVER = 0, 1e12


def kill_and_look(kept: Kept, first: int, seconds: float, *, begun: bool) -> int:
    """Killed so many seconds after it was started, or after the first acknowledgement."""
    command = [sys.executable, "-m", "tests.store.killed", str(kept.path), str(first)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        lines = [child.stdout.readline()] if begun else []
        time.sleep(seconds)
        child.kill()
        lines += child.stdout.readlines()
    acknowledged = int(
        next((line for line in reversed(lines) if line.endswith("\n") and line.strip()), first)
    )
    if not kept.path.exists():
        return acknowledged
    with closing(sqlite3.connect(kept.path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    is_empty = (
        kept.path.stat().st_size == 0
    )  # killed before it was made: that is told, and nothing was acknowledged yet
    assert not (is_empty and acknowledged)
    told = len(kept.codes)
    writer = kept.writer()
    writer.start()
    assert writer.flush(20)
    assert writer.close(20)
    with closing(StoreReader(kept.path)) as reader:
        ticks = [int(tick.at_utc - NOON) for tick in reader.ticks("demo", *FOREVER)]
        tens = list(range(10, acknowledged + 1, 10))
        count = len(tens)
        assert ticks[:acknowledged] == list(range(1, acknowledged + 1))
        assert [each.at_utc - NOON for each in reader.events(Disconnected, *FOREVER)][:count] == tens
        assert {each.id for each in reader.incidents(*FOREVER)} >= {f"demo/{number}" for number in tens}
        minutes = reader.periods("demo", *FOREVER, "minute")
        assert [each.began_utc for each in minutes][:count] == [NOON + 60 * number for number in tens]
        hours = reader.periods("demo", *FOREVER, "hour")
        assert sum(each.ticks for each in hours) == sum(each.ticks for each in minutes)
    assert kept.codes[told:] == (["store.empty"] if is_empty else [])
    return len(ticks)


def kill_at(points: int, kept: Kept, chance: random.Random) -> None:
    """One store outlives many of them; now and then a new one, killed while it is being made."""
    held = 0
    for point in range(points):
        if point % 5 == 4 or held > 20_000:
            kept, held = Kept(kept.path.with_name(f"store{point}.db")), 0
        begun = chance.random() < 0.7
        held = kill_and_look(kept, held, chance.random() * (0.1 if begun else 0.4), begun=begun)


def test_nothing_acknowledged_is_lost_at_ten_moments(kept: Kept) -> None:
    kill_at(10, kept, random.Random())


@pytest.mark.long
def test_nothing_acknowledged_is_lost_at_two_hundred_moments(kept: Kept) -> None:
    kill_at(200, kept, random.Random())


def test_the_look_would_see_a_loss(kept: Kept) -> None:
    kept.keep(*[TICK._replace(at_utc=NOON + number) for number in (1, 2, 4)])
    with pytest.raises(AssertionError):
        kill_and_look(kept, 4, 0.0, begun=False)
