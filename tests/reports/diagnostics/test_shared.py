"""What is planted in a report is in none of the forms that strangers may see."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from probe.measure.records import Attempt, Recognised, Record
from probe.model.findings import Certainty
from probe.session.transcript import Line
from reports.diagnostics.facts import Report
from reports.diagnostics.shared import mapped, shared
from reports.diagnostics.views import FORMS, write_shared
from tests.reports.diagnostics.made import MIDNIGHT, incident, kept, minute
from tests.store.making import ALERT

CANARIES = (
    "someone@example.net",
    "203.0.113.77",
    "192.168.7.9",
    "2001:db8::77",
    "4857291034",
    "10432.55",
    "n8Jq3vXw0bRz5tYk2LmP7sD4",
    "my-secret-strategy",
)
TEXTS = (
    'mail someone@example.net from 203.0.113.77 or 192.168.7.9 or [2001:db8::77], "uid":4857291034',
    "a balance of 10432.55 USD, uid=4857291034, token n8Jq3vXw0bRz5tYk2LmP7sD4",
    "https://x.example/?key=n8Jq3vXw0bRz5tYk2LmP7sD4 by my-secret-strategy",
)
EVIDENCE = (
    '451-["successupdateBalance",{"_placeholder":true,"num":0}]',
    '{"uid":4857291034,"balance":10432.55,"isDemo":1}',
    '[["wallet",10432.55]]',
    'a profile of "someone" with 10432.55',
)


@pytest.fixture
def planted(tmp_path: Path) -> Report:
    lines = tuple(Line(MIDNIGHT, "<", text, False) for text in EVIDENCE)
    records: list[Record] = [
        minute(MIDNIGHT, target="my-secret-strategy"),
        *(
            incident(
                MIDNIGHT + place,
                None,
                id=f"my-secret-strategy-{place}",
                target="my-secret-strategy",
                sentence=text,
                advice=text,
                endpoint="203.0.113.77:9001",
                evidence=lines,
                pattern=text,
                verdicts=(
                    Recognised(
                        code="session.tcp-reset",
                        certainty=Certainty.LIKELY,
                        says=text,
                        at_utc=MIDNIGHT,
                        evidence=(text, text),
                    ),
                ),
            )
            for place, text in enumerate(TEXTS)
        ),
        replace(ALERT, target="my-secret-strategy", message=TEXTS[0], fired_utc=MIDNIGHT),
        replace(ALERT, target=None, name="other", message=TEXTS[1], fired_utc=MIDNIGHT),
        Attempt(
            at_utc=MIDNIGHT + 1, target="my-secret-strategy", endpoint="203.0.113.77:9001", purpose="hold"
        ),
    ]
    return kept(tmp_path / "store.db", records, MIDNIGHT, MIDNIGHT + 60)


@pytest.mark.parametrize("form", FORMS)
def test_no_canary_is_in_what_is_shared(form: str, planted: Report, tmp_path: Path) -> None:
    whole, shown = FORMS[form](planted), tmp_path / f"shared{form}"
    write_shared(planted, shown)
    text = shown.read_text(encoding="utf-8")
    plain = text.replace("\\", "")
    assert [each for each in CANARIES if each in plain] == []
    assert "target 1" in plain
    assert "server 1" in plain
    assert "my-secret-strategy" in whole.replace("\\", "")


def test_what_is_said_in_every_single_text_is_cleaned(planted: Report) -> None:
    told: list[str] = []

    def noted(text: str) -> str:
        told.append(text)
        return text

    mapped(shared(mapped(planted, lambda text: f"{text} 203.0.113.77")), noted)
    assert len(told) > 40
    assert [each for each in told if "203.0.113.77" in each] == []


def test_figures_stay_as_they_are(planted: Report) -> None:
    before, after = (json.loads(FORMS[".json"](each)) for each in (planted, shared(planted)))
    assert after["targets"][0]["sums"] == before["targets"][0]["sums"]
    assert after["verdict"] == before["verdict"]
    assert after["historical_metrics"]["errors"][0]["code"] == "session.silent-stall"
