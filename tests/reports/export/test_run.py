import json
import re
import sqlite3
import subprocess
import sys
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from probe.api.export import COLUMNS, SEEDS, Rows, write_csv
from probe.measure.plain import iso
from probe.measure.records import Metric, Record, Sample, Tick
from probe.model.errors import ConfigError
from probe.store.pages import StorePages
from probe.store.place import StoreError
from reports.export.formats import CSV, Format, parquet, time_cell
from reports.export.run import Asked, export_lines, jobs
from reports.export.tables import DAY, TABLES
from tests.reports.export.exporting import LATER, Exporting
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
)

ALL = (
    STATE,
    ATTEMPT,
    SUCCESS,
    DISCONNECT,
    NOTICE,
    INCIDENT,
    ALERT,
    OWN_ALERT,
    SAMPLE,
    SAMPLE_OF_NO_ENDPOINT,
    TICK,
    MINUTE,
)
OF_THE_DAY = "demo-2023-11-15.csv"


def sample(at_utc: float, value: float = 0.5) -> Sample:
    return Sample(at_utc, "demo", "eu", Metric.WS_RTT, value, False)


def test_every_record_is_a_row_of_its_table(exporting: Exporting) -> None:
    exporting.keep(*ALL)
    exporting.run()
    assert exporting.rows("samples") == [
        {"timestamp": "2023-11-15T12:00:07.000Z", "target": "demo", "region": "eu",
         "metric": "ws_ping_rtt_seconds", "value": "0.0625", "tainted": "true"},
        {"timestamp": "2023-11-15T12:00:07.000Z", "target": "demo", "region": "",
         "metric": "event_loop_lag_seconds", "value": "0.001", "tainted": "false"},
    ]  # fmt: skip
    assert exporting.rows("ticks") == [
        {"timestamp": "2023-11-15T12:00:08.000Z", "target": "demo", "symbol": "EURUSD_otc", "price": "1.08642",
         "broker_time_seconds": str(NOON + 7.5)},
    ]  # fmt: skip
    told = [
        (each["target"], each["event"], each["code"], each["sentence"]) for each in exporting.rows("events")
    ]
    assert told == [
        ("", "notice", "loop.late", "we were late"),
        ("demo", "state", "auth.rejected-41", "the credential was refused"),
        ("demo", "attempt", "http.429", ""),
        ("demo", "attempt", "", ""),
        ("demo", "disconnect", "", ""),
    ]
    durations = [each["duration_seconds"] for each in exporting.rows("events")]
    assert durations == ["", "", "0.75", "0.0", "60.0"]
    (incident,) = exporting.rows("incidents")
    assert (incident["timestamp"], incident["ended"], incident["cause"]) == (
        "2023-11-15T12:00:05.000Z", "", "stalled",
    )  # fmt: skip
    assert len(json.loads(incident["details"])["evidence"]) == 2
    assert incident["verdicts"] == "session.silent-stall host.cpu-starved"
    alerts = [
        (each["timestamp"], each["target"], each["alert"], each["severity"], each["value"], each["message"])
        for each in exporting.rows("alerts")
    ]
    assert alerts == [
        ("2023-11-15T12:00:06.500Z", "", "high_memory", "info", "2.0", "much"),
        ("2023-11-15T12:00:06.000Z", "demo", "connection_lost", "page", "1.0", "lost"),
    ]


def test_connections_are_the_rows_of_the_python_api(exporting: Exporting, tmp_path: Path) -> None:
    exporting.keep(*ALL)
    exporting.run("connections")
    rows = Rows()
    seen = [rows.of(each) for each in (STATE, ATTEMPT, DISCONNECT, MINUTE)]
    write_csv(tmp_path / "api.csv", [each for each in seen if each])
    assert (exporting.folder / "connections" / OF_THE_DAY).read_bytes() == (tmp_path / "api.csv").read_bytes()
    assert COLUMNS[:7] == SEEDS == tuple(TABLES["connections"])[:7]


def test_a_minute_has_the_region_of_the_days_before(exporting: Exporting) -> None:
    exporting.keep(STATE, replace(MINUTE, began_utc=NOON + DAY))
    exporting.run("connections", now_utc=LATER + DAY)
    assert [each["region"] for each in exporting.rows("connections")] == ["eu"]


def test_each_day_is_a_file_and_days_of_nothing_have_none(exporting: Exporting) -> None:
    exporting.keep(sample(NOON), sample(NOON + 3 * DAY), sample(NOON + 20_000 * DAY))
    exporting.run("samples")
    assert exporting.files == {
        f"samples/demo-{day}.csv" for day in ("2023-11-15", "2023-11-18", "2078-08-18")
    }


def test_a_time_that_is_none_is_passed_over(exporting: Exporting) -> None:
    exporting.keep(sample(NOON), sample(1e300), sample(-1e300), sample(float("inf")))
    exporting.run("samples")
    assert exporting.files == {f"samples/{OF_THE_DAY}"}


def test_a_name_of_a_target_cannot_leave_the_folder(exporting: Exporting) -> None:
    exporting.keep(SAMPLE._replace(target="../../sim:x"))
    exporting.run("samples")
    assert exporting.files == {"samples/..%2F..%2Fsim%3Ax-2023-11-15.csv"}


def test_a_day_that_is_over_is_kept_and_one_that_is_not_is_written_anew(exporting: Exporting) -> None:
    exporting.keep(sample(NOON), sample(NOON + DAY))
    exporting.run("samples", now_utc=NOON + DAY + 1)
    exporting.keep(sample(NOON + 1), sample(NOON + DAY + 2))
    done = exporting.run("samples", now_utc=NOON + DAY + 3)
    assert (done.kept, done.files) == (1, 1)
    assert [each["timestamp"][8:19] for each in exporting.rows("samples")] == [
        "15T12:00:00", "16T12:00:00", "16T12:00:02",
    ]  # fmt: skip
    assert [each.whole for each in exporting.manifest.files.values()] == [True, False]


@pytest.mark.parametrize(
    ("table", "begun", "over"),
    [
        ("incidents", INCIDENT, replace(INCIDENT, ended_utc=NOON + 65)),
        ("alerts", ALERT, replace(ALERT, resolved_utc=NOON + 66)),
    ],
)
def test_what_goes_on_is_looked_at_again(
    exporting: Exporting, table: str, begun: Record, over: Record
) -> None:
    exporting.keep(begun)
    exporting.run(table)
    exporting.keep(over)
    exporting.run(table)
    assert [each["duration_seconds"] for each in exporting.rows(table)] == ["60.0"]
    assert exporting.run(table).kept == 1


def test_a_shorter_period_takes_nothing_from_a_file(exporting: Exporting) -> None:
    exporting.keep(sample(NOON), sample(NOON + 10))
    exporting.run("samples", now_utc=NOON + 20)
    exporting.run("samples", now_utc=NOON + 20, since_utc=NOON + 5)
    assert len(exporting.rows("samples")) == 2


@pytest.mark.parametrize("form", [CSV, parquet()], ids=lambda each: each.suffix)
def test_what_the_store_has_lost_meanwhile_stays_in_its_file(exporting: Exporting, form: Format) -> None:
    exporting.keep(sample(NOON, 1.0), sample(NOON + 1, 2.0))
    exporting.run("samples", form=form, now_utc=NOON + 2)
    exporting.keep(sample(NOON + 3, 3.0))
    with closing(sqlite3.connect(exporting.store, isolation_level=None)) as store:
        store.execute("DELETE FROM samples WHERE at_utc < ?", (NOON + 1,))
    exporting.run("samples", form=form)
    assert [float(each["value"]) for each in _rows(exporting, form)] == [1.0, 2.0, 3.0]
    assert exporting.run("samples", form=form).kept == 1


def test_no_file_is_replaced_by_one_with_fewer_rows(exporting: Exporting) -> None:
    exporting.keep(ATTEMPT, SUCCESS)
    exporting.run("events", now_utc=NOON + 60)
    with closing(sqlite3.connect(exporting.store, isolation_level=None)) as store:
        store.execute("DELETE FROM events WHERE routine = 1")
    exporting.run("events")
    assert len(exporting.rows("events")) == 2


def test_a_file_that_somebody_changed_or_took_away_is_written_again(exporting: Exporting) -> None:
    exporting.keep(sample(NOON), sample(NOON + DAY))
    exporting.run("samples", now_utc=LATER + DAY)
    files = sorted((exporting.folder / "samples").iterdir())
    files[0].unlink()
    files[1].write_text("cut")
    assert exporting.run("samples", now_utc=LATER + DAY).files == 2
    assert len(exporting.rows("samples")) == 2


def test_all_of_it_is_of_one_moment_beside_a_writer(exporting: Exporting) -> None:
    exporting.keep(sample(NOON), TICK)
    with closing(StorePages(exporting.store)) as pages:
        exporting.keep(sample(NOON + 1), Tick(NOON + 9, "demo", "NEW", NOON, 1.0))
        asked = Asked(tables=["samples", "ticks"], targets=["demo"], since_utc=0, until_utc=LATER)
        path = exporting.store.with_suffix(".jsonl")
        done = export_lines(pages, jobs(pages, asked), path, step=lambda: None)
    assert done.rows == {"samples": 1, "ticks": 1}
    first, _ = map(json.loads, path.read_text().splitlines())
    assert list(first)[:3] == ["schema_version", "kind", "at"]
    assert (first["at"], first["value"]) == ("2023-11-15T12:00:00.000Z", 0.5)


def test_half_a_character_of_a_server_stops_no_export(exporting: Exporting) -> None:
    exporting.keep(replace(NOTICE, sentence="\ud800!"), replace(INCIDENT, sentence="\ud800"))
    for form in (CSV, parquet()):
        exporting.run("events", "incidents", form=form)
    assert [each["sentence"] for each in exporting.rows("events")] == ["?!"]


def test_a_time_is_written_as_everywhere() -> None:
    times = [NOON + Random(each).random() * 1e8 for each in range(1000)] + [
        NOON + each / 1000 for each in range(1000)
    ]
    assert [*map(time_cell, times)] == [*map(iso, times)]


def test_numbers_that_json_lacks_are_null(exporting: Exporting) -> None:
    exporting.keep(TICK._replace(price=float("inf")))
    with closing(StorePages(exporting.store)) as pages:
        asked = Asked(tables=["ticks"], targets=["demo"], since_utc=0, until_utc=LATER)
        export_lines(pages, jobs(pages, asked), exporting.folder, step=lambda: None)
    assert json.loads(exporting.folder.read_text())["price"] is None


def test_nothing_reckons_in_a_spreadsheet_or_moves_a_cursor(exporting: Exporting) -> None:
    exporting.keep(TICK._replace(symbol="=1+1"), TICK._replace(symbol="\x1b[2J"), TICK._replace(symbol="@x"))
    exporting.run("ticks")
    assert [each["symbol"] for each in exporting.rows("ticks")] == ["'=1+1", "�[2J", "'@x"]


def test_memory_does_not_grow_with_what_is_exported(exporting: Exporting) -> None:
    exporting.keep(*(sample(NOON + at / 100, at / 7) for at in range(5_000)))
    exporting.keep(*(sample(NOON + DAY + at / 100, at / 7) for at in range(50_000)))
    exporting.run("events")  # loads what has to be loaded
    peaks = []
    for since in (NOON, NOON + DAY):
        tracemalloc.start()
        exporting.run("samples", since_utc=since, until_utc=since + DAY / 2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("form", [CSV, parquet()], ids=lambda each: each.suffix)
def test_a_full_disk_leaves_whole_files_and_what_stood_there(exporting: Exporting, form: Format) -> None:
    exporting.keep(*(sample(NOON - DAY + at, at / 7) for at in range(10)))
    exporting.run("samples", form=form)
    before = exporting.files
    exporting.keep(*(sample(NOON + at / 10, at / 7) for at in range(20_000)))
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from probe.cli.main import run\n"
        f"sys.exit(run(['export', '--store', {str(exporting.store)!r}, '--{form.suffix}', {str(exporting.folder)!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "it cannot be written (File too large). Make room, or name another place." in ended.stderr
    assert exporting.files == before
    assert exporting.run("samples", form=form).kept == 1
    assert len(_rows(exporting, form)) == 20_010


def test_a_damaged_row_is_told_and_no_file_is_left_of_it(exporting: Exporting) -> None:
    exporting.keep(STATE, sample(NOON))
    with closing(sqlite3.connect(exporting.store, isolation_level=None)) as store:
        store.execute("UPDATE events SET data = '{'")
    with pytest.raises(StoreError, match="cannot be read"):
        exporting.run("samples", "events")
    assert exporting.files == {f"samples/{OF_THE_DAY}"}
    assert list(exporting.manifest.files) == [f"samples/{OF_THE_DAY}"]


def test_a_folder_of_another_store_is_left_alone(exporting: Exporting, tmp_path: Path) -> None:
    exporting.keep(SAMPLE)
    exporting.run("samples")
    other = Exporting(tmp_path / "other.db", exporting.folder)
    other.keep(TICK)
    with pytest.raises(ConfigError, match="it is of another store"):
        other.run()


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 2, "kind": "export", "files": {}}'])
def test_a_manifest_that_is_not_ours_is_told(exporting: Exporting, text: str) -> None:
    exporting.keep(SAMPLE)
    exporting.folder.mkdir()
    (exporting.folder / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match="damaged, or another version's"):
        exporting.run()


def test_parquet_says_what_csv_does(exporting: Exporting, tmp_path: Path) -> None:
    exporting.keep(*ALL)
    exporting.run()
    columnar = Exporting(exporting.store, tmp_path / "parquet")
    columnar.run(form=parquet())
    for table in TABLES:
        as_csv, as_parquet = exporting.rows(table), _rows(columnar, parquet(), table)
        assert [list(each) for each in as_csv] == [list(each) for each in as_parquet]
        assert [[*map(_filled, each.values())] for each in as_csv] == [
            [*map(_filled, each.values())] for each in as_parquet
        ]


def _filled(value: object) -> bool:
    return value not in (None, "")


def _rows(exporting: Exporting, form: Format, table: str = "samples") -> list[dict[str, str]]:
    if form is CSV:
        return exporting.rows(table)
    import pyarrow.parquet as pq

    paths = sorted((exporting.folder / table).glob("*.parquet"))
    rows: list[dict[str, str]] = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return rows


def test_every_column_is_told() -> None:
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    for table, columns in TABLES.items():
        lines = page.partition(f"### {table}\n")[2].partition("\n#")[0].splitlines()
        told = [
            name
            for line in lines
            if line.startswith("| `")
            for name in re.findall(r"`(\w+)`", line.split("|")[1])
        ]
        assert sorted(told) == sorted(columns), table
