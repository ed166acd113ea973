"""The workflows, as far as they can be judged without running them: closed, bounded, and of commands and files that are there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.built import ROOT

Json = dict[Any, Any]
WORKFLOWS: dict[str, Json] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
JOBS = [(f"{name}: {job}", told) for name, flow in WORKFLOWS.items() for job, told in flow["jobs"].items()]
NEWEST = "3.14"  # that was out when this was written
PYTHONS = ["3.11", "3.12", "3.13", NEWEST]


def lines(job: Json) -> list[str]:
    """What it runs."""
    return [line for step in job["steps"] if "run" in step for line in step["run"].splitlines()]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_and_nothing_else(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    assert [said for said, job in JOBS if "permissions" in job] == []


@pytest.mark.parametrize(("said", "job"), JOBS, ids=[said for said, _ in JOBS])
def test_a_job_ends_and_keeps_no_token(said: str, job: Json) -> None:
    assert 0 < job["timeout-minutes"] <= 90
    steps = [step for step in job["steps"] if "uses" in step]
    assert [
        step["uses"] for step in steps if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
    ] == []
    checkouts = [step for step in steps if step["uses"].startswith("actions/checkout@")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}]


@pytest.mark.parametrize(("said", "job"), JOBS, ids=[said for said, _ in JOBS])
def test_what_a_job_runs_is_there(said: str, job: Json) -> None:
    verbs = set(
        re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    asked = {verb for line in lines(job) if line.startswith("make ") for verb in line.split()[1:]}
    assert asked <= verbs
    files = re.findall(r"(?<![\w/.])((?:tests|requirements|\.ci)/[\w./-]+)", "\n".join(lines(job)))
    assert [path for path in files if not (ROOT / path).exists()] == []


def test_three_systems_and_four_pythons_are_tried() -> None:
    jobs = WORKFLOWS["ci"]["jobs"]
    assert [jobs[name]["strategy"]["matrix"]["python"] for name in ("test", "other-systems")] == [PYTHONS] * 2
    assert jobs["other-systems"]["strategy"]["matrix"]["system"] == ["windows-latest", "macos-latest"]
    assert jobs["test"]["runs-on"] == "ubuntu-latest"


def test_what_becomes_known_against_a_dependency_is_looked_for_each_week() -> None:
    flow = WORKFLOWS["audit"]
    assert "schedule" in flow[True]  # which is what YAML makes of `on`
    assert lines(flow["jobs"]["audit"]) == ["make audit"]


def test_the_image_is_tried_as_the_documentation_says_it_is_run() -> None:
    page = Path(ROOT / "docs" / "packaging.md").read_text(encoding="utf-8")
    closed = "--read-only --cap-drop ALL --security-opt no-new-privileges"
    assert closed in page
    ran = [line for line in lines(WORKFLOWS["ci"]["jobs"]["image"]) if "docker run" in line]
    assert [line for line in ran if closed not in line] == []
