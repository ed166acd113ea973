"""The Markdown of a diagnostics report, read by a parser of Markdown."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reports.diagnostics.facts import Report
from reports.diagnostics.markdown import markdown
from tests.reports.diagnostics import pretend

HEADINGS = (
    "Bad time by cause",
    "Health",
    "Incidents",
    "Latency by side",
    "Regions compared",
    "Prices by symbol",
    "Steps of connecting",
    "Alerts",
)
OURS = {
    "heading",
    "paragraph",
    "bullet_list",
    "ordered_list",
    "list_item",
    "strong",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
BETWEEN = "\u200b"


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def kinds(tokens: list[Token]) -> set[str]:
    inner = [child for each in tokens for child in each.children or ()]
    return {re.sub(r"_(open|close)$", "", each.type) for each in (*tokens, *inner)} - {
        "inline",
        "text",
        "softbreak",
    }


def test_it_says_what_the_page_says() -> None:
    made = pretend.report(pretend.bad_day())
    text = markdown(made)
    assert text.startswith(f"# {made.verdict}\n")
    assert [each for each in HEADINGS if f"### {each}\n" not in text] == []
    assert "## What to do, in order\n\n1. " in text
    assert "| 3 Nov 2026 22:24:00 | goes on | auth.session-expired | login refused or not answered |" in text
    assert kinds(parsed(text)) == OURS
    assert text.count(made.verdict) == 1


def test_several_targets_begin_with_an_overview() -> None:
    text = markdown(pretend.month(3))
    assert text.index("## All targets, worst first") < text.index("## account-02")
    assert "And 15 more: probe export --what incidents --csv DIR has them all." in text


@pytest.mark.parametrize(
    "made", [pretend.report(), pretend.report(pretend.nothing(slots=False))], ids=["no target", "nothing"]
)
def test_what_was_not_measured_is_never_a_zero(made: Report) -> None:
    text = markdown(made)
    assert made.verdict in text
    assert not re.search(r"\b(nan|inf|None)\b", text)


SPICE = (
    "",
    "http://a.example",
    "www.a.example",
    "@all",
    "[a](b)",
    "![a](b)",
    "| a |",
    "`a`",
    "*a*",
    "_a_",
    "~~a~~",
    "<b>",
    "&lt;",
    "# a",
    "    a",
    "1. a",
    "- a",
    "---",
    "$a$",
)


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=30), st.sampled_from(SPICE), st.booleans())
def test_nothing_that_a_server_said_is_markup(text: str, spice: str, first: bool) -> None:
    said = spice + text if first else text + spice + text
    tokens = parsed(markdown(pretend.said_by_a_server(said)))
    assert kinds(tokens) <= OURS
    assert _columns(tokens) == PLAIN


def _columns(tokens: list[Token]) -> list[int]:
    """Of each row of each table."""
    rows: list[int] = []
    for each in tokens:
        if each.type == "tr_open":
            rows.append(0)
        elif each.type in {"td_open", "th_open"}:
            rows[-1] += 1
    return rows


PLAIN = _columns(parsed(markdown(pretend.said_by_a_server("plain"))))


@pytest.mark.parametrize(
    "said", ["@all", "see #12", "http://a.example", "www.a.example", "nobody@in-markdown.example", ":tada: x"]
)
def test_nobody_is_called_and_nothing_linked(said: str) -> None:
    text = markdown(pretend.said_by_a_server(said))
    assert said not in text
    assert said in text.replace(BETWEEN, "")
