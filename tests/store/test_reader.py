import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest

from probe.measure.histogram import Histogram
from probe.measure.records import (
    Attempt,
    Cause,
    Disconnected,
    Metric,
    Notice,
    Period,
    StateChanged,
    Tick,
)
from probe.store.place import StoreError, make_private_file
from probe.store.reader import StoreReader
from probe.store.rows import SUMS
from probe.store.schema import MIGRATIONS
from tests.store.making import (
    ALERT,
    ATTEMPT,
    DISCONNECT,
    INCIDENT,
    MINUTE,
    NOON,
    NOTICE,
    OWN_ALERT,
    SAMPLE,
    SAMPLE_OF_NO_ENDPOINT,
    STATE,
    SUCCESS,
    TICK,
    Kept,
    comparable,
    minute,
)

DAY = NOON, NOON + 86_400


@pytest.fixture
def full(kept: Kept) -> Iterator[StoreReader]:
    kept.keep(STATE, ATTEMPT, SUCCESS, DISCONNECT, NOTICE, INCIDENT, ALERT, OWN_ALERT)
    kept.keep(SAMPLE, SAMPLE_OF_NO_ENDPOINT, TICK, MINUTE)
    with closing(StoreReader(kept.path)) as reader:
        yield reader


def test_what_was_written_is_what_is_read(full: StoreReader) -> None:
    assert full.targets() == ["demo"]
    assert full.events(StateChanged, *DAY) == [STATE]
    assert full.events(Attempt, *DAY) == [ATTEMPT, SUCCESS]
    assert full.events(Disconnected, *DAY) == [DISCONNECT]
    assert full.events(Notice, *DAY) == [NOTICE]
    assert full.incidents(*DAY) == [INCIDENT]
    assert full.alerts(*DAY) == [ALERT, OWN_ALERT]
    assert full.samples("demo", *DAY) == [SAMPLE, SAMPLE_OF_NO_ENDPOINT]
    assert full.ticks("demo", *DAY) == [TICK]
    assert type(full.ticks("demo", *DAY)[0]) is Tick
    assert [comparable(each) for each in full.periods("demo", *DAY, "minute")] == [comparable(MINUTE)]
    assert [comparable(each) for each in full.periods("demo", *DAY, "hour")] == [comparable(MINUTE)]


def test_every_field_of_a_period_has_its_column() -> None:
    elsewhere = {"target", "began_utc", "bad_seconds", "lost", "histograms"}
    assert {each.name for each in fields(Period)} == {*SUMS} | elsewhere


def test_only_what_was_asked_for_is_read(full: StoreReader) -> None:
    assert full.samples("demo", *DAY, Metric.WS_RTT) == [SAMPLE]
    assert full.samples("demo", *DAY, Metric.HEALTH) == []
    assert full.ticks("demo", *DAY, "GBPUSD") == []
    assert full.ticks("other", *DAY) == []
    assert full.events(StateChanged, *DAY, target="other") == []
    assert full.events(StateChanged, *DAY, target="demo") == [STATE]
    assert full.incidents(*DAY, target="other") == []
    assert full.alerts(*DAY, target="demo") == [ALERT]


def test_the_beginning_of_a_span_is_in_it_and_its_end_is_not(full: StoreReader) -> None:
    assert full.ticks("demo", TICK.at_utc, TICK.at_utc + 1) == [TICK]
    assert full.ticks("demo", NOON, TICK.at_utc) == []
    assert full.events(StateChanged, NOON, STATE.at_utc) == []
    assert full.events(StateChanged, STATE.at_utc, NOON + 60) == [STATE]
    assert len(full.periods("demo", NOON, NOON + 1, "minute")) == 1
    assert full.periods("demo", NOON - 60, NOON, "minute") == []


def test_an_incident_told_again_is_the_same_one(kept: Kept) -> None:
    ended = replace(INCIDENT, ended_utc=NOON + 50, blind_seconds=45.0)
    kept.keep(INCIDENT, ended)
    with closing(StoreReader(kept.path)) as reader:
        assert reader.incidents(*DAY) == [ended]
        assert reader.incidents(NOON + 40, NOON + 41) == [ended]
        assert reader.incidents(NOON + 51, NOON + 52) == []


def test_an_incident_of_a_time_without_verdicts_is_read_as_it_was(kept: Kept) -> None:
    kept.keep(INCIDENT)
    with closing(sqlite3.connect(kept.path)) as store, store:
        store.execute("UPDATE incidents SET data = json_remove(data, '$.verdicts')")
    with closing(StoreReader(kept.path)) as reader:
        assert reader.incidents(*DAY) == [replace(INCIDENT, verdicts=())]


def test_an_alert_told_again_is_the_same_one(kept: Kept) -> None:
    over = [replace(each, repeated=2, resolved_utc=NOON + 50) for each in (ALERT, OWN_ALERT)]
    kept.keep(ALERT, OWN_ALERT, *over)
    with closing(StoreReader(kept.path)) as reader:
        assert reader.alerts(*DAY) == over
        assert reader.alerts(NOON + 51, NOON + 52) == []


def test_ticks_of_the_same_moment_are_all_kept(kept: Kept) -> None:
    kept.keep(TICK, TICK, TICK)
    with closing(StoreReader(kept.path)) as reader:
        assert reader.ticks("demo", *DAY) == [TICK] * 3


def test_an_hour_is_the_sum_of_its_minutes_and_its_histogram_is_exact(kept: Kept) -> None:
    values = [tuple(0.001 * (number + part) for part in range(20)) for number in range(60)]
    minutes = [minute(NOON + 60 * number, values=each) for number, each in enumerate(values)]
    kept.keep(*minutes[:30])
    kept.keep(*minutes[30:], minute(NOON + 3600))  # of the next hour
    with closing(StoreReader(kept.path)) as reader:
        hour, after = reader.periods("demo", *DAY, "hour")
    assert (hour.began_utc, hour.seconds, after.began_utc, after.seconds) == (NOON, 3600, NOON + 3600, 60)
    assert (hour.observed_seconds, hour.surprises, hour.score) == (60 * 55.0, 600, 87.5)
    assert hour.bad_seconds == {Cause.STALLED: 600.0, Cause.DEGRADED: 90.0}
    exact = Histogram.of(())
    for each in values:
        exact.merge(Histogram.of(each))
    assert hour.histograms[Metric.WS_RTT].to_bytes() == exact.to_bytes()


def test_a_minute_told_in_two_parts_is_their_sum(kept: Kept) -> None:
    """A monitor that was started anew within it."""
    kept.keep(replace(MINUTE, seconds=20.0))
    kept.keep(MINUTE)
    with closing(StoreReader(kept.path)) as reader:
        [total] = reader.periods("demo", *DAY, "minute")
    assert (total.seconds, total.ticks, total.observed_seconds) == (60.0, 8, 110.0)


def test_without_a_step_no_stretch_is_told_twice(kept: Kept) -> None:
    minutes = [minute(NOON + 60 * number) for number in range(180)]
    kept.keep(*minutes)
    with closing(StoreReader(kept.path)) as reader:
        assert [each.seconds for each in reader.periods("demo", *DAY)] == [60.0] * 180
        with closing(sqlite3.connect(kept.path)) as other, other:
            other.execute("DELETE FROM minutes WHERE began_utc < ?", (NOON + 3600 + 600,))
        periods = reader.periods("demo", *DAY)
    assert [each.seconds for each in periods] == [3600.0, 3600.0] + [60.0] * 60
    assert sum(each.ticks for each in periods) == 4 * 180


def test_what_was_learned_last_is_known(kept: Kept) -> None:
    with kept.running() as writer:
        for value in (b"old", b"new"):
            writer.learn("winners", value)
        assert writer.flush(10)
        with closing(StoreReader(kept.path)) as reader:  # beside the writer
            assert reader.learned("winners") == b"new"
            assert reader.learned("quiet") is None


def test_a_reader_sees_what_is_written_after_it_came(kept: Kept) -> None:
    with kept.running() as writer:
        assert writer.flush(10)
        with closing(StoreReader(kept.path)) as reader:
            assert reader.ticks("demo", *DAY) == []
            writer.write(TICK)
            assert writer.flush(10)
            assert reader.ticks("demo", *DAY) == [TICK]


def test_a_copy_of_both_files_is_whole(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with kept.running() as writer:
        writer.write(TICK)
        assert writer.flush(10)
        shutil.copy(kept.path, copy)
        shutil.copy(f"{kept.path}-wal", f"{copy}-wal")
    with closing(StoreReader(copy)) as reader:
        assert reader.ticks("demo", *DAY) == [TICK]


def test_no_store_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        StoreReader(tmp_path / "none.db")
    assert str(caught.value) == (
        f"there is no store {str(tmp_path / 'none.db')!r}. Let `probe monitor` make one, or name it with --store."
    )
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="is empty"):
        StoreReader(tmp_path / "empty.db")


def test_a_store_of_the_first_version_is_read_and_brought_up_to_date_when_it_is_written(kept: Kept) -> None:
    make_private_file(kept.path)
    columns = "target, began_utc, seconds, observed_seconds, bad_stalled, score, histograms"
    with closing(sqlite3.connect(kept.path)) as other, other:
        for statement in (*MIGRATIONS[0], "PRAGMA user_version = 1"):
            other.execute(statement)
        others = [name for _, name, _, _, default, _ in other.execute("PRAGMA table_info(minutes)")]
        zeros = [name for name in others if name in SUMS and name not in columns]
        for table in ("minutes", "hours"):
            other.execute(
                f"INSERT INTO {table} ({columns}, {', '.join(zeros)}) VALUES (1, ?, 60, 55, 5, 80, x''{', 0' * len(zeros)})",
                (NOON,),
            )
        other.execute("INSERT INTO targets VALUES (1, 'demo')")
    with closing(StoreReader(kept.path)) as reader:
        [old] = reader.periods("demo", *DAY)
    kept.keep(minute(NOON + 60))
    with closing(StoreReader(kept.path)) as reader:
        before, after = reader.periods("demo", *DAY, "minute")
        [hour] = reader.periods("demo", *DAY, "hour")
    assert old == before
    assert (old.observed_seconds, old.bad_seconds, old.score) == (55.0, {Cause.STALLED: 5.0}, 80.0)
    assert (old.judged_seconds, old.lost, old.longest_blind_seconds) == (0.0, {}, 0.0)
    assert after.lost == hour.lost == minute(NOON).lost


def test_a_newer_store_is_refused_by_readers(kept: Kept) -> None:
    kept.keep(TICK)
    with closing(sqlite3.connect(kept.path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"written by a newer tradeprobe \(schema 99, .* Update tradeprobe"):
        StoreReader(kept.path)


def test_a_row_that_makes_no_sense_is_told(kept: Kept) -> None:
    kept.keep(STATE)
    with closing(sqlite3.connect(kept.path)) as other, other:
        other.execute('UPDATE events SET data = \'{"before": "unheard of"}\'')
    with (
        closing(StoreReader(kept.path)) as reader,
        pytest.raises(StoreError, match=r"cannot be read .*\.recover"),
    ):
        reader.events(StateChanged, *DAY)
