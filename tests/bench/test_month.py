"""What is measured on: a store such as a monitor keeps."""

from contextlib import closing
from math import isclose
from pathlib import Path

from probe.measure.periods import merged
from probe.measure.records import Disconnected
from probe.store.reader import StoreReader
from probe.store.rows import HOUR
from tests.bench.month import BEGAN, Source, Upset, make

SOURCE = Source(broker="pocketoption", hours=1, targets=2, upsets=(Upset(2, ("drop:at=0s", "refuse")),))
QUARTER = 0.25  # of a day


def test_a_small_month_holds_what_a_monitor_kept_as_often_as_it_was_told(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    make(store, (SOURCE,), days=QUARTER)
    with closing(StoreReader(store)) as reader:
        assert reader.targets() == SOURCE.names()
        for name in SOURCE.names():
            hours = reader.periods(name, BEGAN, 2 * BEGAN, "hour")
            assert [each.began_utc for each in hours] == [BEGAN + HOUR * number for number in range(6)]
            for hour in hours:
                minutes = reader.periods(name, hour.began_utc, hour.at_utc, "minute")
                whole = merged(minutes)
                assert len(minutes) == 60
                assert whole.ticks == hour.ticks > 0
                assert isclose(whole.blind_seconds, hour.blind_seconds)
                assert whole.bad_seconds.keys() == hour.bad_seconds.keys()
                assert {metric: each.to_bytes() for metric, each in whole.histograms.items()} == {
                    metric: each.to_bytes() for metric, each in hour.histograms.items()
                }
            incidents = reader.incidents(BEGAN, 2 * BEGAN, name)
            assert len(incidents) == 6
            assert max(abs(each.evidence[-1].at - each.began_utc) for each in incidents) < 60
            ends = reader.events(Disconnected, BEGAN, 2 * BEGAN, name)
            ticks = reader.ticks(name, BEGAN, 2 * BEGAN)
            assert len(ends) % 6 == len(ticks) % 6 == 0
            assert len(reader.samples(name, BEGAN, 2 * BEGAN)) > 6 * 200
