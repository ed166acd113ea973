"""The page of a diagnostics report in a real browser, opened from a file."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reports.diagnostics.html import page
from tests.clients.inside import INSTALLED
from tests.exporters.browser import Page, browser, needs_chromium
from tests.exporters.browser import page as tab
from tests.reports.diagnostics import pretend

pytestmark = needs_chromium
AXE = INSTALLED / "node" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESKTOP, A4 = 390, 1180, 703  # CSS pixels; of paper without its margins
SEVERAL = pretend.report(
    pretend.bad_day("worst", since=pretend.NOVEMBER),
    pretend.target("calm", seconds=pretend.DAY),
    pretend.nothing("asleep"),
)
LONG_NAMES = pretend.report(
    *(pretend.target(f"חשבון {'ארוך' * 30}{n}", seconds=pretend.DAY, step=7200.0) for n in range(3))
)
NAMES = "[...document.querySelectorAll('#all ~ .wide tbody th')].map(each => each.textContent)"
SORTED = "[...document.querySelectorAll('#all ~ .wide thead th')].map(each => each.ariaSort)"
VIOLATIONS = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(
  each => [each.id, each.nodes.slice(0, 3).map(node => node.html.slice(0, 150))]))"""
CUT = """[...document.querySelectorAll('.wide')].filter(each => each.scrollWidth > each.clientWidth + 1)
  .map(each => each.getAttribute('aria-label'))"""
OUTSIDE = """[...document.querySelectorAll('svg.picture')].flatMap(picture => {
  const frame = picture.getBoundingClientRect();
  return [...picture.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1;
  }).map(text => text.textContent);
})"""


@pytest.fixture(scope="module")
def devtools() -> Iterator[str]:
    with browser() as address:
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages")
    for name, report in (
        ("day", pretend.report(pretend.bad_day())),
        ("several", SEVERAL),
        ("hostile", pretend.said_by_a_server()),
        ("names", LONG_NAMES),
        ("nothing", pretend.report(pretend.nothing())),
    ):
        (made / f"{name}.html").write_text(page(report), "utf-8")
    return made


@asynccontextmanager
async def opened(
    devtools: str, file: Path, *, width: int = DESKTOP, dark: bool = False, script: bool = True
) -> AsyncIterator[Page]:
    async with tab(devtools) as one:
        await one.look(width=width, height=900, dark=dark, script=script)
        await one.go(file.as_uri())
        yield one
        assert one.console == []
        assert one.requests == [file.as_uri()]


async def click(one: Page, head: int) -> None:
    await one.evaluate(f"document.querySelectorAll('#all ~ .wide th button')[{head}].click()")


def test_tables_sort_by_their_heads(devtools: str, folder: Path) -> None:
    async def look() -> None:
        async with opened(devtools, folder / "several.html") as one:
            assert await one.evaluate(NAMES) == ["worst", "asleep", "calm"]
            await click(one, 2)  # availability; what has none comes last, whichever way
            assert await one.evaluate(NAMES) == ["calm", "worst", "asleep"]
            assert (await one.evaluate(SORTED))[:3] == [None, None, "descending"]
            await click(one, 2)
            assert await one.evaluate(NAMES) == ["worst", "calm", "asleep"]
            await click(one, 0)
            assert await one.evaluate(NAMES) == ["asleep", "calm", "worst"]
            assert (await one.evaluate(SORTED))[:3] == ["ascending", None, None]

    asyncio.run(look())


def test_a_picture_answers_to_the_mouse_and_to_keys(devtools: str, folder: Path) -> None:
    async def at(one: Page, selector: str, share: float) -> str:
        frame = await one.evaluate(
            f"(() => {{ const it = document.querySelector('{selector}'); it.scrollIntoView(); const box = it.getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height]; })()"
        )
        left, top, width, height = frame
        await one.do(
            "Input.dispatchMouseEvent", type="mouseMoved", x=left + share * width, y=top + height / 2
        )
        return str(await one.evaluate(f"document.querySelector('{selector}').closest('.timed').textContent"))

    async def press(one: Page, key: str) -> None:
        await one.do("Input.dispatchKeyEvent", type="keyDown", key=key)

    async def look() -> None:
        async with opened(devtools, folder / "day.html") as one:
            told = await at(one, "svg.strip", 11.2 / 24)
            assert "2026-11-03 11:10 UTC · watched 5 min · no connection 5 min · blind 5 min" in told
            assert "2026-11-03 08:00 UTC · not watched" in await at(one, "svg.strip", 8.01 / 24)
            told = await at(one, "svg.picture", 0.5)
            assert "UTC · ping p50 " in told
            assert " · answer p95 " in told
            await one.evaluate("document.querySelector('svg.strip').focus()")
            await press(one, "End")
            told = await one.evaluate("document.querySelector('.long + .readout').textContent")
            assert told.startswith("2026-11-03 23:55 UTC")
            await press(one, "ArrowLeft")
            told = await one.evaluate("document.querySelector('.long + .readout').textContent")
            assert told.startswith(
                "2026-11-03 23:50 UTC · watched 5 min · login refused or not answered 5 min"
            )

    asyncio.run(look())


def test_without_scripts_everything_can_be_read_and_nothing_pretends_to_answer(
    devtools: str, folder: Path
) -> None:
    async def look() -> None:
        async with opened(devtools, folder / "several.html", script=False) as one:
            # The protocol reads what scripts may not.
            text = await one.text()
            assert "All targets, worst first" in text
            assert "Point at it" not in text
            assert await one.evaluate("document.querySelectorAll('button').length") == 0

    asyncio.run(look())


@pytest.mark.parametrize("name", ["day", "several", "hostile", "names"])
def test_it_fits_a_phone_and_a_sheet_of_paper(devtools: str, folder: Path, name: str) -> None:
    async def look() -> None:
        async with opened(devtools, folder / f"{name}.html", width=PHONE, dark=True) as one:
            assert await one.evaluate("document.documentElement.scrollWidth") == PHONE
            assert await one.evaluate(OUTSIDE) == []
            await one.look(width=A4, height=1000)
            await one.do("Emulation.setEmulatedMedia", media="print")
            assert await one.evaluate(CUT) == []
            if name == "day":
                assert (await one.text()).count("it said") > 4

    asyncio.run(look())


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make clients")
@pytest.mark.parametrize("dark", [False, True], ids=["by day", "by night"])
def test_axe_finds_nothing_that_keeps_people_out(devtools: str, folder: Path, dark: bool) -> None:
    async def look() -> None:
        for name in ("several", "nothing"):
            async with opened(devtools, folder / f"{name}.html", dark=dark) as one:
                await one.evaluate(AXE.read_text("utf-8") + "; true")
                assert await one.evaluate(VIOLATIONS) == []

    asyncio.run(look())
