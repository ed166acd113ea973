"""The tables of a load run."""

import csv
import re
from pathlib import Path

from probe.load.record import RunRecord
from reports.load.csv import tables, write_csv
from tests.load.made import STAGES, plan, record

PAGE = (Path(__file__).parents[3] / "docs" / "load-report.md").read_text(encoding="utf-8")


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_says_what_the_record_does(tmp_path: Path) -> None:
    made = record(plan(), "stall")
    write_csv(made, tmp_path / "new" / "folder")
    found = {name: read(tmp_path / "new" / "folder", name) for name in tables(made)}
    balance = next(each for each in found["operations"] if each["operation"] == "balance")
    requests = made.total.requests["balance"]
    assert (int(balance["due"]), int(balance["answered"])) == (requests.due, requests.answered)
    assert float(balance["response_p99_seconds"]) == round(requests.response.quantile(0.99) or 0.0, 9)
    assert [each["name"] for each in found["stages"]] == [each.name for each in STAGES]
    assert [int(each["second"]) for each in found["timeline"]] == list(range(60))
    assert sum(int(each["answered"]) for each in found["timeline"]) == made.total.all_requests().answered
    assert [each["symbol"] for each in found["ticks"]] == sorted(made.total.ticks)
    assert {each["process"] for each in found["generators"]} == {"worker-1", "worker-2"}
    assert [each["result"] for each in found["thresholds"]] == ["broken", "held"]
    assert [each["phase"] for each in found["connects"]][:2] == ["whole", "resolving"]


def test_what_was_not_measured_is_an_empty_cell(tmp_path: Path) -> None:
    made = record(seconds=3)
    made.total.requests["balance"].response = type(made.total.requests["balance"].response)()
    write_csv(made, tmp_path)
    (balance,) = (each for each in read(tmp_path, "operations") if each["operation"] == "balance")
    assert balance["response_p50_seconds"] == ""
    write_csv(RunRecord(plan()), tmp_path)
    assert (tmp_path / "operations.csv").read_text() == ""


def test_no_cell_makes_a_spreadsheet_reckon(tmp_path: Path) -> None:
    made = record(seconds=3)
    made.total.requests["=HYPERLINK(1)\x1b\n"] = made.total.requests["balance"]
    write_csv(made, tmp_path)
    names = [each["operation"] for each in read(tmp_path, "operations")]
    assert [each for each in names if "HYPERLINK" in each and each.startswith("'=") and each.isprintable()]


def test_every_column_is_documented() -> None:
    told = set(re.findall(r"`([a-z0-9_]+)`", PAGE))
    for name, rows in tables(record(seconds=3)).items():
        assert name in told
        for column in next(iter(rows)):
            general = re.sub(r"_(p50|p90|p99|max)_seconds$", "_p50_seconds", column)
            assert general in told, f"{name}.{column}"
