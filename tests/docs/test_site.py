"""Every page can be reached, every link leads somewhere, and whatever can be typed, set or read has its paragraph."""

import re
import runpy
from collections import Counter
from typing import Any

import click
import pytest

from probe.catalogue import entries
from probe.cli.main import COMMANDS
from probe.config.keys import KEYS, SECTIONS, variables
from probe.config.walk import heading
from probe.faults.catalogue import FAULTS
from probe.measure.metrics import FAMILIES
from probe.model.failures import Blame
from tests.docs.commands import SHARED, command_of
from tests.docs.examples import PAGES, ROOT
from tests.docs.markdown import anchors, links, slug

SITE: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "conf.py"))
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def reached(name: str) -> list[str]:
    """The pages that stand below one in the navigation."""
    written = [
        line.partition("<")[2].rstrip(">") or line
        for line in SITE["tables_of_contents"](name).splitlines()
        if line.endswith(">") or line.startswith("/")
    ]
    found = []
    for place in written:
        pattern = f"{place.lstrip('/')}.md"
        found += [str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.glob(pattern)]
        assert list(ROOT.glob(pattern)), f"{pattern} is not there"
    return [each for each in found if each != name]


def test_every_page_is_reached_from_the_navigation_once() -> None:
    seen: Counter[str] = Counter()
    waiting = [SITE["root_doc"]]
    while waiting:
        below = reached(waiting.pop())
        seen.update(below)
        waiting += below
    assert {*seen, SITE["root_doc"]} == {name.removesuffix(".md") for name in PAGES} | {"CHANGELOG"}
    assert [each for each, times in seen.items() if times > 1] == []


def test_there_are_four_parts() -> None:
    assert list(SITE["NAVIGATION"]) == ["Tutorial", "How to", "Reference", "Explanation"]


@pytest.mark.parametrize("name", PAGES)
def test_no_link_is_dead(name: str) -> None:
    dead = []
    for link in links(PAGES[name]):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        there = (ROOT / name).parent / place if place else ROOT / name
        if not there.is_file() or (anchor and anchor not in anchors(there.read_text("utf-8"))):
            dead.append(link)
    assert dead == []


def test_no_picture_comes_from_elsewhere() -> None:
    assert {link for text in PAGES.values() for link in links(text) if link.endswith((".png", ".svg", ".css", ".js"))
            and ":" in link} == set()  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_has_its_paragraph(name: str) -> None:
    own, *shared = [
        page("commands.md").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        for title in (f"`probe {name}`", *SHARED)
    ]
    told = own + "".join(text for title, text in zip(SHARED, shared, strict=True) if f"#{slug(title)}" in own)
    options = [
        each for param in command_of(name).params if isinstance(param, click.Option) for each in param.opts
    ]
    assert [each for each in options if not re.search(rf"`{each}[` ]", told)] == []


def test_every_setting_has_its_row() -> None:
    text = page("configuration.md")
    sections = {section.path: text.partition(f"### `{heading(section.path)}`\n")[2].partition("\n### ")[0]
                for section in SECTIONS}  # fmt: skip
    assert [
        key.path for key in KEYS if key.section and f"| `{key.name}` |" not in sections[key.section]
    ] == []


def test_every_environment_variable_that_the_code_reads_has_its_row() -> None:
    text = page("configuration.md")
    written = {
        name
        for folder in ("probe", "exporters", "loadtests", "reports")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"\bTRADEPROBE_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    assert written <= set(variables())
    assert [name for name in variables() if f"| `{name}` |" not in text] == []


def test_every_metric_has_its_row() -> None:
    assert [each.full_name for each in FAMILIES if f"| `{each.full_name}` |" not in page("metrics.md")] == []


def test_every_verdict_has_its_paragraph() -> None:
    text = page("failures.md")
    assert [code for code in entries() if f"\n### `{code}` " not in text] == []


def test_every_fault_and_each_of_its_parameters_has_its_paragraph() -> None:
    text = page("faults.md")
    for name, spec in FAULTS.items():
        told = text.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
        assert spec.summary[1:] in told
        assert [each.name for each in spec.parameters if f"| `{each.name}` |" not in told] == []


def test_everybody_who_can_be_blamed_is_told() -> None:
    told = re.findall(
        r"^\| ([a-z' ]+) \|",
        page("blame.md").partition("| whose | when |")[2].partition("\n\n")[0],
        re.MULTILINE,
    )
    assert told == [each.value for each in Blame]
