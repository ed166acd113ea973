"""docs/check.md tells programs every key they get, and docs/ci.md shows workflows that work."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.api.checking import Cause, Plan, check_target
from probe.cli.check import WORST_FIRST, check
from probe.cli.check_report import checked_data
from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PIPELINES = (
    (DOCS / "check.md").read_text(encoding="utf-8"),
    (DOCS / "ci.md").read_text(encoding="utf-8"),
)
WORKFLOWS = re.findall(r"^## ([^\n]+)\n\n```yaml\n(.*?)^```", PIPELINES, re.MULTILINE | re.DOTALL)


def test_every_key_of_the_json_has_its_line() -> None:
    (target,) = resolve("sim:pocketoption", TargetOptions())
    checked = asyncio.run(check_target(target, Chosen(), None, lambda _: None, Plan(timeout=5)))
    table = PAGE.split("| key | what |")[1]
    first_column = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert re.findall(r"`(\w+)`", first_column) == list(checked_data(checked, 0))


def commands(node: Any) -> list[str]:
    """Every line of a shell in a workflow."""
    if isinstance(node, dict):
        return [line for each in node.values() for line in commands(each)]
    if isinstance(node, list):
        return [line for each in node for line in commands(each)]
    return [node] if isinstance(node, str) and node.startswith("probe ") else []


@pytest.mark.parametrize(("title", "text"), WORKFLOWS, ids=[title for title, _ in WORKFLOWS])
def test_a_workflow_calls_the_command_as_it_is(title: str, text: str) -> None:
    (line,) = commands(yaml.safe_load(text))
    words = shlex.split(line.partition("||")[0])
    assert words[:2] == ["probe", "check"]
    with check.make_context("check", words[2:]) as context:
        assert context.params["junit_path"] == "probe.xml"
    assert "probe.xml" in text.partition("junit probe.xml")[2]


def test_there_is_a_workflow_for_both() -> None:
    assert [title for title, _ in WORKFLOWS] == ["GitHub Actions", "GitLab CI"]


def test_every_option_of_the_page_is_one_and_the_exit_codes_are_told_worst_first() -> None:
    known = {name for option in check.params for name in option.opts}
    assert set(re.findall(r"`(--[a-z-]+)", PIPELINES)) <= known
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", PIPELINES, re.MULTILINE)
    told = [int(by_cause) for _, by_cause in rows]
    assert told == [2, *(code for code in WORST_FIRST if code != 1)]
    assert [cause.exit_code for cause in Cause] == [10, 11, 12, 13]
