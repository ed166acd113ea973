import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from probe.measure.records import Metric, Tick
from probe.store.pages import StorePages
from reports.diagnostics.plain import report_data
from reports.diagnostics.report import report_of
from reports.diagnostics.schema import report_schema
from tests.reports.diagnostics.histories import Lived, histories
from tests.reports.diagnostics.made import DAY, MIDNIGHT, incident, kept, minutes
from tests.store.making import ALERT, ATTEMPT, DISCONNECT, MINUTE, NOTICE, SAMPLE, STATE

SCHEMA = Draft202012Validator(report_schema())
# Of the tool before us.
SEEDS = {
    "": {
        "timestamp", "health_score", "health_status", "health_issues", "recommendations", "real_time_stats",
        "historical_metrics", "connection_summary",
    },
    "connection_summary": {
        "total_attempts", "successful_connections", "disconnects", "reconnects", "current_status", "uptime",
    },
    "historical_metrics": {
        "period_hours", "connection_metrics_count", "connection_metrics", "performance_snapshots_count",
        "performance_snapshots", "error_count", "errors",
    },
}  # fmt: skip


def told(path: Path) -> dict[str, object]:
    records = [
        *minutes(MIDNIGHT, 5),
        replace(MINUTE, target="one", began_utc=MIDNIGHT + 300),
        incident(MIDNIGHT, None),
        *(replace(each, target="one", at_utc=MIDNIGHT + 1) for each in (STATE, ATTEMPT, DISCONNECT)),
        replace(NOTICE, at_utc=MIDNIGHT + 1),
        replace(ALERT, target="one", fired_utc=MIDNIGHT + 1),
        replace(ALERT, target=None, fired_utc=MIDNIGHT + 1),
        SAMPLE._replace(target="one", at_utc=MIDNIGHT + 1, metric=Metric.WS_RTT),
        Tick(MIDNIGHT + 1, "one", "EURUSD", MIDNIGHT, 1.5),
        Tick(MIDNIGHT + 2, "one", "EURUSD", MIDNIGHT, 1.5),
    ]
    data: dict[str, object] = json.loads(
        json.dumps(report_data(kept(path, records, MIDNIGHT, MIDNIGHT + DAY)), allow_nan=False)
    )
    return data


def test_the_names_of_before_are_there(tmp_path: Path) -> None:
    data = told(tmp_path / "store.db")
    for place, names in SEEDS.items():
        part = data[place] if place else data
        assert isinstance(part, dict)
        assert set(part) >= names


def test_the_first_keys_are_those_of_every_object_of_ours(tmp_path: Path) -> None:
    assert list(told(tmp_path / "store.db"))[:3] == ["schema_version", "kind", "at"]


def test_a_report_with_everything_in_it_is_as_the_schema_says(tmp_path: Path) -> None:
    data = told(tmp_path / "store.db")
    SCHEMA.validate(data)
    for name in ("targets", "own_alerts", "notices"):
        assert data[name], f"nothing of {name} was tried"


def test_what_failed_is_told_as_a_count_and_as_a_share_of_the_questions(tmp_path: Path) -> None:
    asked = replace(
        MINUTE,
        target="one",
        began_utc=MIDNIGHT,
        connect_failures=1,
        beats_missed=2,
        requests_sent=8,
        requests_expired=2,
        surprises=3,
    )
    silent = replace(asked, target="two", requests_sent=0, requests_expired=0)
    data = report_data(kept(tmp_path / "store.db", [asked, silent], MIDNIGHT, MIDNIGHT + DAY))
    stats = data["real_time_stats"]
    assert isinstance(stats, dict)
    told = {name: (each["total_errors"], each["error_rate"]) for name, each in stats.items()}
    assert told == {"one": (8, 0.25), "two": (6, None)}


@pytest.mark.parametrize("missing", ["verdict", "targets", "health_score"])
def test_the_schema_asks_for_what_is_promised(tmp_path: Path, missing: str) -> None:
    data = told(tmp_path / "store.db")
    del data[missing]
    assert not SCHEMA.is_valid(data)
    assert not SCHEMA.is_valid(data | {missing: object, "more": 1})


@settings(max_examples=10)
@given(histories())
def test_any_history_is_as_the_schema_says(tmp_path_factory: pytest.TempPathFactory, lived: Lived) -> None:
    path = tmp_path_factory.mktemp("lived") / "store.db"
    lived.keep(path)
    pages = StorePages(path)
    report = report_of(
        pages, pages.targets(), lived.since_utc, lived.until_utc, now_utc=lived.until_utc, objectives={}
    )
    pages.close()
    SCHEMA.validate(json.loads(json.dumps(report_data(report), allow_nan=False)))
