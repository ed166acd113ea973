"""The page of a diagnostics report: what it says, in which order, and that nothing of a server's becomes part of it."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.logs import forget, remember
from probe.measure.records import Cause
from probe.model.credentials import Secret
from probe.session.transcript import Line
from reports.diagnostics.facts import Report
from reports.diagnostics.html import page
from reports.diagnostics.telling import arithmetic
from reports.diagnostics.views import write_html
from reports.export.tables import TABLES
from tests.reports.diagnostics import pretend
from tests.reports.reading import Read

MOST_BYTES = 2_000_000
DAY = pretend.report(pretend.bad_day())
_EMPTY = replace(pretend.nothing().timeline[0], seconds=0.0)
LONG_MESSAGE = '[["EURUSD_otc",1793498400.123,1.08412],["GBPUSD_otc",1793498400.371,1.26123]]'.ljust(256, '"')


def words(text: str) -> str:
    return " ".join(Read(text).words.split())


def blocks(text: str) -> list[dict[str, list[float | None]]]:
    found = re.findall(r'<script type="application/json" id="slots-\d+">(.*?)</script>', text)
    return [json.loads(each) for each in found]


def test_the_verdict_comes_first_then_what_to_do_and_then_what_speaks_for_it() -> None:
    told = words(page(DAY))
    parts = (
        DAY.verdict,
        "error budget left",
        "What to do, in order",
        "Log in again with your browser",
        "Good, bad and not watched",
        "login refused or not answered",
        "100 = ",
        "Incidents",
        "22:24:00, and it goes on",
        "likely the credential",
        "The last 4 messages before it",
        "Round trips",
        "this machine p50",
        "How latencies are spread",
        "Regions compared",
        "demo-asia",
        "Prices by symbol",
        "GBPUSD_otc",
        "Connecting",
        "3 failed; 9 disconnects, 2 of them planned",
        "authenticating",
        "Alerts",
        "How far to trust this",
        "All times are UTC",
    )
    assert [part for part in parts if part not in told] == []
    places = [told.index(part) for part in parts[:5]]
    assert places == sorted(places)
    assert told.count(DAY.verdict) == 1


def test_several_targets_begin_with_an_overview_the_worst_first() -> None:
    made = pretend.report(
        pretend.target("calm"), pretend.nothing("asleep"), pretend.bad_day("worst", since=pretend.NOVEMBER)
    )
    text = page(made)
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["worst", "asleep", "calm"]
    links = re.findall(r'<th scope="row"><a href="#(.*?)">(.*?)</a>', text)
    assert links == [("target-1", "worst"), ("target-2", "asleep"), ("target-3", "calm")]
    assert re.findall(r'<article id="(.*?)"', text) == ["target-1", "target-2", "target-3"]
    assert words(text).index("All targets, worst first") < words(text).index("Good, bad and not watched")


def test_what_to_do_is_said_once_for_all_targets_it_is_for() -> None:
    advice = ("Use another region.", "Log in again.")
    made = pretend.report(
        *(pretend.target(f"t{number}", advice=advice[number == 6 :]) for number in range(7))
    )
    told = words(page(made))
    assert told.count("Use another region.") == 1
    assert "Use another region. t0 , t1 , t2 , t3 , t4 and 1 more" in told
    assert "Log in again. all targets" in told
    assert told.index("Use another region.") < told.index("Log in again.")


def test_the_arithmetic_adds_up_as_it_is_shown() -> None:
    for seed in range(20):
        health = pretend.target(seconds=pretend.DAY, seed=seed).health
        lost = {"availability": 100 - (health.mean or 0) - 0.07, "freshness": 0.04, "cap": 0.03}
        made = pretend.target(seconds=pretend.DAY, seed=seed, health=replace(health, lost=lost))
        mean, *rest = re.findall(r"[\d.]+(?= \(the mean| lost by)", arithmetic(made))
        assert round(float(mean) + sum(map(float, rest)), 6) == 100
        assert arithmetic(made).startswith("100 = ")


def test_every_picture_says_in_words_what_it_shows() -> None:
    text = page(pretend.month(3))
    pictures = re.findall(r'<svg class="picture".*?</svg>', text, re.DOTALL)
    assert len(pictures) == 3 * 5
    assert [each for each in pictures if not re.search(r"<title id=.*<desc id=[^<]{20,}</desc>", each)] == []
    assert text.count(">UTC</text>") == 3 * 2
    ids = re.findall(r'\bid="([\w-]+)"', text)
    assert len(ids) == len(set(ids))
    assert len(re.findall(r'<svg class="strip" [^>]*aria-label="[^"]{20,}"', text)) == 3


def test_the_script_finds_every_slot_as_it_was() -> None:
    (slots,) = blocks(page(DAY))
    timeline = DAY.targets[0].timeline
    assert slots["began"] == [each.began_utc for each in timeline]
    assert slots["watched"] == [each.observed for each in timeline]
    assert sum(each or 0 for each in slots["disconnected"]) == pytest.approx(1272.5)
    assert slots["ping"].count(None) == 30  # two and a half hours in which nobody watched


def test_a_month_of_ten_targets_is_smaller_than_2_mb() -> None:
    made = pretend.month(10)
    full = tuple(
        replace(
            each,
            incidents=tuple(
                replace(one, evidence=tuple(Line(one.began_utc, "<", LONG_MESSAGE, True) for _ in range(30)))
                for one in each.incidents
            ),
        )
        for each in made.targets
    )
    text = page(replace(made, targets=full))
    assert len(text.encode()) < MOST_BYTES
    assert len(blocks(text)) == 10


def test_thousands_of_incidents_are_counted_and_the_gravest_shown() -> None:
    wrong = [
        pretend.incident(Cause.STALLED, pretend.NOVEMBER + 600.0 * n, 1.0 + n % 100) for n in range(3000)
    ]
    wrong.append(pretend.incident(Cause.AUTH, pretend.NOVEMBER + 29 * pretend.DAY, None))
    text = page(pretend.report(pretend.target(seconds=pretend.DAY, incidents=wrong)))
    told = words(text)
    assert text.count('<li class="stalled">') == 24
    assert "and it goes on: login refused" in told
    assert "for 1 min 40 s" in told
    assert "for 1.0 s" not in told
    assert (
        "These are the gravest. And 2,976 more: probe export --what incidents --csv DIR has them all." in told
    )
    assert "And 2,976 more: probe export --jsonl FILE has them all." in told
    assert set(re.findall(r"--what (\w+)", told)) <= set(TABLES)


@pytest.mark.parametrize(
    "made",
    [
        pretend.report(),
        pretend.report(pretend.nothing()),
        pretend.report(pretend.nothing(slots=False)),
        pretend.report(pretend.target(seconds=60.0, step=60.0)),
        pretend.report(replace(pretend.nothing(), timeline=(_EMPTY,))),
        pretend.report(pretend.nothing("one"), pretend.nothing("two", slots=False)),
    ],
    ids=["no target", "nothing", "no slot", "one slot", "a slot without length", "two without anything"],
)
def test_what_was_not_measured_is_never_a_zero(made: Report) -> None:
    told = words(page(made))
    assert made.verdict in told
    assert not re.search(r"\b(nan|inf|None|Undefined)\b", told)


def test_names_in_any_script_stay_apart_and_turn_nothing_around() -> None:
    names = [f"חשבון {'ארוך ' * 20}{number}" for number in range(40)]
    text = page(
        pretend.report(*(pretend.target(each, seconds=pretend.DAY, step=pretend.DAY) for each in names))
    )
    assert len(set(re.findall(r"<h2>(.*?)</h2>", text))) == 40
    assert text.count("\u2068") == text.count("\u2069") >= 80
    assert len(text.encode()) < MOST_BYTES


def test_what_a_server_said_stays_text() -> None:
    plain, text = Read(page(pretend.said_by_a_server("plain"))), page(pretend.said_by_a_server())
    read = Read(text)
    assert set(read.tags) == set(plain.tags)
    assert {name for name, _ in read.attributes} == {name for name, _ in plain.attributes}
    assert not {"\x1b", "\u202e"} & set(text)
    assert read.words.count("<img src=http://elsewhere.example/x onerror=alert(1)></script>") > 40


@settings(max_examples=12, deadline=None)
@given(
    st.text(max_size=40),
    st.sampled_from(["", "</script>", "<svg onload=x>", "' x='", '" x="', "{{ 7*7 }}", "]]>"]),
)
def test_no_text_becomes_an_element_or_an_attribute(text: str, spice: str) -> None:
    read, plain = Read(page(pretend.said_by_a_server(text + spice + text))), _PLAIN
    assert set(read.tags) <= set(plain.tags)
    assert {name for name, _ in read.attributes} <= {name for name, _ in plain.attributes}


_PLAIN = Read(page(pretend.said_by_a_server("plain")))


def test_100_kb_of_evidence_are_cut() -> None:
    made = pretend.incident(Cause.STALLED, pretend.NOVEMBER, 60.0)
    long = replace(made, sentence="s" * 100_000, evidence=(Line(0.0, "<", "w" * 100_000, False),) * 1000)
    text = page(pretend.report(pretend.target(seconds=pretend.DAY, incidents=[long])))
    assert text.count("w" * 500 + "…") == 8
    assert len(text.encode()) < 200_000


def test_no_secret_is_in_it() -> None:
    secret = Secret("planted-secret-word")
    remember(secret)
    try:
        assert "planted-secret" not in page(pretend.said_by_a_server("a planted-secret-word b"))
    finally:
        forget(secret)


def test_it_names_no_address_and_allows_no_script_but_its_own() -> None:
    text = page(pretend.month(2))
    links = [
        value for name, value in Read(text).attributes if name in {"src", "href", "xlink:href", "action"}
    ]
    assert [each for each in links if each != "data:," and not str(each).startswith("#")] == []
    outside = re.sub(r"http://www\.w3\.org/2000/svg", "", text)
    assert not re.search(r"https?://|@import|url\(", outside)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = unescape(re.findall(r'Content-Security-Policy" content="(.*?)"', text)[0])
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_html(DAY, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == page(DAY)
    with pytest.raises(FileNotFoundError):
        write_html(DAY, tmp_path / "nowhere" / "report.html")
