"""The report of a load run: what it says, and how a browser shows it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from probe.load.capacity import CapacitySearch, Judged
from probe.load.figures import Requests, Ticks
from probe.load.plain import to_plain
from probe.load.plan import SearchBy, SearchPlan
from probe.load.record import RunRecord
from probe.logs import forget, remember
from probe.model.credentials import PasswordLogin, Secret
from probe.model.endpoint import Account
from reports.load.html import WATERMARK, page, write_html
from tests.exporters.browser import Page, browser, needs_chromium
from tests.exporters.browser import page as tab
from tests.load.made import STAGES, THRESHOLDS, plan, record
from tests.reports.reading import Read

HOSTILE = "<img src=http://elsewhere.example/x onerror=alert(1)>\x1b[2J\u202e\"'&]]>"
PICTURES = 10


def hostile() -> RunRecord:
    scenario = plan().scenario
    stages = tuple(replace(stage, name=HOSTILE) for stage in scenario.stages)
    made = record(
        replace(
            plan(), broker=HOSTILE, scenario=replace(scenario, name=HOSTILE, title=HOSTILE, stages=stages)
        )
    )
    total = made.total
    total.requests[HOSTILE] = replace(total.requests["balance"], failed={HOSTILE: 3})
    total.ticks[HOSTILE] = total.ticks["EURUSD_otc"]
    total.sessions.lost[HOSTILE] = total.connects.failed[HOSTILE] = 1
    total.generators[HOSTILE] = total.generators["worker-1"]
    total.connects.phases[HOSTILE] = total.connects.whole
    made.lost_workers[HOSTILE] = HOSTILE
    made.notes.append(HOSTILE)
    made.ended = HOSTILE
    return made


@pytest.fixture(scope="module")
def valid() -> str:
    return page(record(plan(), "stall"))


@pytest.fixture(scope="module")
def invalid() -> str:
    return page(record(plan(), "busy-generator", lost_worker=45))


def test_the_verdict_comes_first_and_then_what_was_found(valid: str) -> None:
    words = " ".join(Read(valid).words.split())
    parts = (
        "VALID, and 1 of 2 thresholds broken.",
        "response p99 < 250ms",
        "It was likely the server, where it answers.",
        "Heartbeats grew with them",
        "What to do next",
        "Time to an answer",
        "response, from due",
        "service, from sent",
        "own lateness p99",
        "By operation",
        "Gap between two ticks",
        "Staleness",
        "Skew",
        "From due to live, by phase",
        "securing",
        "Lag and lateness, p99",
        *(stage.name for stage in STAGES),
    )
    assert [part for part in parts if part not in words] == []
    places = [words.index(part) for part in parts[:6]]
    assert places == sorted(places)
    assert WATERMARK not in valid


def test_a_threshold_that_was_not_measured_is_none_that_held() -> None:
    scenario = plan().scenario
    wanted = replace(THRESHOLDS[0], of="no such operation", text="response:other p99 < 1s")
    text = page(record(replace(plan(), scenario=replace(scenario, thresholds=(wanted, THRESHOLDS[1])))))
    assert "VALID, and 1 of 2 thresholds not measured." in Read(text).words
    assert 'data-answer="unsure"' in text


def test_an_invalid_run_says_so_in_every_picture_and_why(invalid: str) -> None:
    words = " ".join(Read(invalid).words.split())
    assert words.index("INVALID: these figures are not the server's") < words.index("silent since second 45")
    pictures = re.findall(r'<svg class="picture".*?</svg>', invalid, re.DOTALL)
    assert len(pictures) == PICTURES
    assert [each for each in pictures if 'class="watermark"' not in each] == []
    assert "of a core" in words


def test_what_a_run_shows_besides_is_named_with_its_evidence_and_the_next_step() -> None:
    words = " ".join(Read(page(record(plan(), "herd"))).words.split())
    shown = words[words.index("What it shows besides") :]
    assert "100 clients that had lost the server together came back together" in shown
    assert "(certain, load.reconnect-herd)" in shown
    assert "Next: Let each client wait a random time" in shown
    assert "VALID" in words[: words.index("What it shows besides")]


def test_a_reason_has_the_name_that_explain_knows(invalid: str) -> None:
    words = Read(invalid).words
    assert "[load.generator-saturated]" in words
    assert "What it shows besides" not in words


def test_every_picture_says_in_words_what_it_shows(valid: str) -> None:
    pictures = re.findall(r'<svg class="picture".*?</svg>', valid, re.DOTALL)
    assert len(pictures) == PICTURES
    for each in pictures:
        title, description = re.search(r'aria-labelledby="(\w+) (\w+)"', each).groups()  # type: ignore[union-attr]
        assert re.search(
            rf'<title id="{title}">[^<]+</title><desc id="{description}">[^<]{{20,}}</desc>', each
        )
    ids = re.findall(r'\bid="(\w+)"', valid)
    assert len(ids) == len(set(ids))


def test_the_stages_are_marked_in_every_picture_over_time(valid: str) -> None:
    pictures = re.findall(r'<svg class="picture".*?</svg>', valid, re.DOTALL)
    marked = [each.count('class="stage"') for each in pictures if ">0:00<" in each]
    assert marked == [len(STAGES)] * (PICTURES - 2)


def test_what_others_said_is_escaped_everywhere() -> None:
    text = page(hostile())
    read = Read(text)
    assert {"img", "script", "iframe", "object"}.isdisjoint(read.tags)
    assert [name for name, _ in read.attributes if name.startswith("on")] == []
    assert not {"\x1b", "\u202e"} & set(text)
    assert read.words.count("<img src=http://elsewhere.example/x onerror=alert(1)>") > 15


def test_no_secret_is_in_it() -> None:
    credentials = PasswordLogin(
        broker="quotex",
        account=Account.DEMO,
        user=Secret("planted-secret-user"),
        password=Secret("planted-secret-word"),
    )
    made = record()
    made.total.requests["balance"].failed["planted-secret-word"] = 1
    made.total.connects.phases["planted-secret-user"] = made.total.connects.whole
    remember(credentials)
    try:
        assert "planted-secret" not in page(made)
    finally:
        forget(credentials)


def test_it_asks_nobody_for_anything(valid: str, invalid: str) -> None:
    for text in (valid, invalid):
        links = [
            value for name, value in Read(text).attributes if name in {"src", "href", "xlink:href", "action"}
        ]
        assert links == ["data:,"]
        assert not re.search(r"@import|url\(", text)
        assert "Content-Security-Policy" in text


def test_nothing_measured_is_never_a_zero() -> None:
    text = page(RunRecord(plan()))
    words = Read(text).words
    assert "INVALID" in words
    assert "Nothing was measured." in words
    assert not re.search(r"\b(nan|inf|None)\b", words)


def test_runs_of_few_figures_have_pages_too() -> None:
    for made in (record(seconds=1), record(seconds=2), record(plan(rate=None))):
        assert "</html>" in page(made)
    one = record()
    one.total.requests["only failures"] = Requests(due=3, sent=3, failed={"expired": 3})
    one.total.ticks |= {f"S{number}": Ticks(arrived=number) for number in range(30)}
    assert "And 12 more." in page(one)


def test_a_search_tells_what_held_and_every_level() -> None:
    made = record(seconds=5)
    search = CapacitySearch(SearchPlan(by=SearchBy.USERS, begin=10, most=40))
    for held in (True, False, False, True, True):
        broken = () if held else ("response p99 < 250ms",)
        search.judged(Judged(held=held, broken=broken, evidence=(HOSTILE,)))
    made.search = to_plain(search.result)
    words = " ".join(Read(page(made)).words.split())
    assert f"{search.result.highest_held:g} users held" in words
    assert f"At {search.result.lowest_broken:g} this broke: response p99 < 250ms." in words
    assert words.count("onerror=alert(1)") == 5


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    made = record(seconds=5)
    write_html(made, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8") == page(made)
    with pytest.raises(FileNotFoundError):
        write_html(made, tmp_path / "nowhere" / "report.html")


@pytest.fixture(scope="module")
def devtools() -> Iterator[str]:
    with browser() as address:
        yield address


@asynccontextmanager
async def opened(devtools: str, file: Path, *, width: int, dark: bool) -> AsyncIterator[Page]:
    async with tab(devtools) as one:
        await one.look(width=width, height=900, dark=dark)
        await one.go(file.as_uri())
        yield one
        assert one.console == []
        assert one.requests == [file.as_uri()]


OUTSIDE = """[...document.querySelectorAll('svg.picture')].flatMap(picture => {
  const frame = picture.getBoundingClientRect();
  return [...picture.querySelectorAll('text:not(.watermark)')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1;
  }).map(text => text.textContent);
})"""


CUT = """[...document.querySelectorAll('.wide')].filter(each => each.scrollWidth > each.clientWidth + 1)
  .map(each => each.getAttribute('aria-label'))"""
A4 = 703  # of the page in CSS pixels, without its margins


@needs_chromium
def test_a_browser_shows_it_wide_on_a_phone_by_night_and_on_paper(
    devtools: str, valid: str, invalid: str, tmp_path: Path
) -> None:
    async def look() -> None:
        lightness = {}
        for text, width, dark in ((valid, 1280, False), (invalid, 400, True), (page(hostile()), 400, False)):
            file = tmp_path / "report.html"
            await asyncio.to_thread(file.write_text, text, "utf-8")
            async with opened(devtools, file, width=width, dark=dark) as one:
                assert await one.evaluate("document.documentElement.scrollWidth") <= width
                assert await one.evaluate("document.scripts.length + document.images.length") == 0
                assert await one.evaluate(OUTSIDE) == []
                paper = await one.evaluate("getComputedStyle(document.body).backgroundColor")
                lightness[dark] = max(map(int, re.findall(r"\d+", paper)[:3]))
                if text is valid:
                    await one.look(width=A4, height=1000)
                    await one.do("Emulation.setEmulatedMedia", media="print")
                    assert await one.evaluate(CUT) == []
        assert (lightness[True] < 60, lightness[False] > 200) == (True, True)

    asyncio.run(look())
