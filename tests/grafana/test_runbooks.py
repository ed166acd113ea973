import re
import shlex
from collections.abc import Iterator

import click
import pytest

from grafana.rules.runbooks import END, FOLDER, head, page
from probe.catalogue import entries
from probe.cli.main import COMMANDS, cli
from probe.measure.metrics import FAMILIES
from tests.grafana.names import EXPOSED, SCRAPED
from tests.grafana.promtool import ALERTS, RECORDINGS

PAGES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
HEADINGS = ["What it means", "The first three things", "When it is a false alarm", "How to silence it"]
BASES = {family.full_name for family in FAMILIES}  # of histograms, in a sentence
each_page = pytest.mark.parametrize("name", PAGES)


def by_hand(name: str) -> str:
    return PAGES[name].partition(END)[2]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert sorted(PAGES) == sorted({alert["alert"] for alert in ALERTS})


@each_page
def test_a_head_is_what_the_tables_say(name: str) -> None:
    assert PAGES[name].startswith(head(name)), "run `python -m grafana.rules.runbooks`"
    assert page(name, PAGES[name]) == PAGES[name]


@each_page
def test_a_page_says_what_one_needs_at_night(name: str) -> None:
    text = by_hand(name)
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == HEADINGS
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == ["1", "2", "3"]
    if name != "TradeprobeWatchdog":
        assert f"amtool silence add alertname={name} " in text


def _commands(text: str) -> Iterator[list[str]]:
    for found in re.findall(r"`(probe [^`]*)`|^(probe .*)", text, re.MULTILINE):
        yield shlex.split("".join(found))[1:]


def wrong(words: list[str]) -> str | None:
    """What a command line names that our program has not."""
    command: click.Command | None = cli
    if not words[0].startswith("--"):
        if words[0] not in COMMANDS:
            return words[0]
        command = cli.get_command(click.Context(cli), words[0])
    assert command
    known = {"--help"} | {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    return next((word for word in words if word.startswith("--") and word not in known), None)


def test_every_command_on_the_pages_exists() -> None:
    commands = [(name, command) for name in PAGES for command in _commands(by_hand(name))]
    assert len(commands) > len(PAGES)
    assert [each for each in commands if wrong(each[1])] == []


@pytest.mark.parametrize(
    ("command", "expected"), [("cure NAME", "cure"), ("check NAME --loud", "--loud"), ("--loud", "--loud")]
)
def test_a_command_that_we_have_not_is_found(command: str, expected: str) -> None:
    assert wrong(command.split()) == expected


def _unknown_metrics(text: str) -> set[str]:
    named = set(re.findall(r"(?<![:\w])(?:tradeprobe|process)_\w+", text))
    recorded = set(re.findall(r"\b[a-z_]+:tradeprobe_\w+:\w+", text))
    return (named - set(EXPOSED) - BASES - set(SCRAPED)) | (recorded - set(RECORDINGS))


def test_every_metric_on_the_pages_exists() -> None:
    assert {name: unknown for name in PAGES if (unknown := _unknown_metrics(by_hand(name)))} == {}


def test_a_metric_that_we_have_not_is_found() -> None:
    assert _unknown_metrics("`tradeprobe_mood`, target:tradeprobe_mood:max") == {
        "tradeprobe_mood",
        "target:tradeprobe_mood:max",
    }


@each_page
def test_every_code_on_a_page_is_in_the_catalogue(name: str) -> None:
    families = "|".join(sorted({code.partition(".")[0] for code in entries()}))
    codes = set(re.findall(rf"\b(?:{families})\.[a-z0-9][\w-]*", by_hand(name)))
    assert codes - set(entries()) == set()


@each_page
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    linked = re.findall(r"\]\(([^)#]+)\)", PAGES[name])
    assert [each for each in linked if not (FOLDER / each).exists()] == []
