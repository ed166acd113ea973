import asyncio
import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from probe.api.export import COLUMNS, SEEDS, row_of, write_csv
from probe.api.monitor import Monitor
from probe.measure.health import Grade
from probe.measure.records import Attempt, Period, Record, StateChanged
from probe.model.errors import ConfigError
from probe.store.reader import StoreReader
from tests.api.served import SYMBOL, Served, serving, until
from tests.monitor.linked import regions
from tests.pretending import POCKETOPTION, Known


def monitor(at: Served, **more: Any) -> Monitor:
    return Monitor(at.ssid, **(at.options | {"symbols": [SYMBOL]} | more))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_monitor_sees_and_reports(known: Known, tmp_path: Path) -> None:
    async def what(at: Served) -> None:
        heard: list[Record] = []
        async with monitor(at) as watching:
            watching.on_record(heard.append)
            records = watching.records(size=100_000)
            await asyncio.sleep(400)
            (now,) = watching.snapshot()
            assert now.condition.state.value == "streaming"
        (last,) = watching.snapshot()
        assert last.at_utc >= now.at_utc
        assert [record async for record in records] == heard
        assert {StateChanged, Attempt, Period} <= {type(record) for record in heard}
        report = json.loads(json.dumps(watching.report()))
        assert next(iter(report)) == "schema_version"
        assert report["health_status"] == "EXCELLENT"
        # Before it was live there were seconds without prices.
        assert {issue.split(": ")[1] for issue in report["health_issues"]} <= {"availability"}
        assert report["health_score"] > 90
        assert report["recommendations"] == ["Nothing to do: all that was watched is well."]
        (figures,) = report["real_time_stats"].values()
        assert figures["is_connected"] is True
        assert figures["connection_success_rate"] == 1
        assert (figures["total_errors"], figures["error_rate"]) == (0, 0)
        assert figures["median_ping_time"] == pytest.approx(0.02, abs=0.005)
        summary = report["connection_summary"]
        assert summary["total_attempts"] == summary["successful_connections"] == at.connections
        assert (summary["disconnects"], summary["reconnects"]) == (0, 0)
        assert report["historical_metrics"]["performance_snapshots_count"] >= 5
        rows = rows_of(watching.export_csv(tmp_path / "m.csv"))
        assert rows[0]["status"] == "CONNECTED"
        assert float(rows[0]["connection_time"]) > 0
        assert {row["status"] for row in rows[1:]} >= {"HEALTHY"}
        assert all(row["timestamp"].endswith("Z") for row in rows)
        assert at.token not in (tmp_path / "m.csv").read_text() + json.dumps(report) + repr(vars(watching))

    serving(known.broker, what, at=regions("near", latency=0.01))


def test_one_that_never_connected_is_never_well() -> None:
    async def what(at: Served) -> None:
        async with monitor(at) as watching:
            await asyncio.sleep(60)
            report = watching.report()
        assert (report["health_score"], report["health_status"]) == (0, "POOR")
        assert report["health_issues"]
        advice = report["recommendations"]
        assert isinstance(advice, list)
        assert advice
        assert not any("Nothing to do" in each for each in advice)
        path = watching.export_csv("never.csv")
        assert {row["status"] for row in rows_of(path)} >= {"FAILED"}

    serving(POCKETOPTION.broker, what, "auth-refused")


def test_before_anything_was_seen_nothing_is_claimed() -> None:
    report = Monitor("sim:pocketoption").report()
    assert (report["health_score"], report["health_status"]) == (None, Grade.UNKNOWN.value)
    assert report["recommendations"] == []


def test_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    path = Monitor("sim:pocketoption").export_csv(tmp_path / "empty.csv")
    assert path.read_text().splitlines() == [",".join(COLUMNS)]
    assert COLUMNS[:7] == SEEDS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("region", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1"])
def test_no_text_is_a_formula(tmp_path: Path, region: str) -> None:
    row = row_of(Attempt(at_utc=0.0, target="one", endpoint=region, purpose="hold"), None)
    assert row is not None
    write_csv(tmp_path / "f.csv", [row])
    assert rows_of(tmp_path / "f.csv")[0]["region"] == f"'{region}"


def test_what_was_not_measured_is_empty_and_never_zero() -> None:
    row = row_of(Period(began_utc=0.0, seconds=60.0, target="one"), "near")
    assert row is not None
    assert (row["ping_time"], row["status"]) == (None, "UNKNOWN")


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        Monitor("sim:pocketoption").export_csv(tmp_path / "none" / "m.csv")


def test_the_history_goes_where_it_should(tmp_path: Path) -> None:
    path = tmp_path / "store" / "history.db"
    path.parent.mkdir(mode=0o700)

    async def what(at: Served) -> None:
        async with monitor(at, store=path) as watching:
            await until(lambda: watching.snapshot()[0].condition.state.value == "streaming")

    serving(POCKETOPTION.broker, what)
    reader = StoreReader(path)
    assert reader.targets() == ["pocketoption-demo"]
    reader.close()


def test_a_callback_that_fails_ends_alone() -> None:
    async def what(at: Served) -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def fail(record: Record) -> None:
            raise RuntimeError("mine")

        async with monitor(at) as watching:
            watching.on_record(fail)
            await until(lambda: watching.snapshot()[0].condition.state.value == "streaming")
        assert [str(each["exception"]) for each in told] == ["mine"]

    serving(POCKETOPTION.broker, what)


def test_a_callback_that_leaves_and_then_fails_ends_nothing_else() -> None:
    async def what(at: Served) -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def fail(record: Record) -> None:
            leave()
            raise RuntimeError("mine")

        async with monitor(at) as watching:
            leave = watching.on_record(fail)
            await until(lambda: watching.snapshot()[0].condition.state.value == "streaming")
        assert [str(each["exception"]) for each in told] == ["mine"]

    serving(POCKETOPTION.broker, what)


def test_a_knock_elsewhere_does_not_change_the_region_that_is_in_use() -> None:
    watching = Monitor("sim:quotex")
    for purpose, endpoint in (("hold", "eu"), ("knock", "us"), ("race", "asia")):
        watching._note(Attempt(at_utc=0.0, target="demo", endpoint=endpoint, purpose=purpose))
    watching._note(Period(began_utc=0.0, seconds=60.0, target="demo"))
    assert watching._rows[-1]["region"] == "eu"


def test_targets_of_the_configuration_are_watched(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[targets.one]\ntarget = "sim:pocketoption"\n[targets.two]\ntarget = "sim:quotex"\n')

    async def what(at: Served) -> None:
        async with Monitor(config=config) as watching:
            await until(lambda: all(e.condition.state.value == "streaming" for e in watching.snapshot()))
            assert [each.target for each in watching.snapshot()] == ["one", "two"]
            with pytest.raises(ConfigError, match="started before"):
                await watching.start()
        assert [record async for record in watching.records()] == []

    serving(POCKETOPTION.broker, what)
