"""`probe compare`: two load runs, for people and for programs."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from probe.cli.compare import compare
from probe.cli.main import run as probe_command
from tests.load.made import plan, record

PAGE = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
RUNS: dict[str, dict[str, Any]] = {
    "before": {"seed": 1},
    "same": {"seed": 2},
    "again": {"seed": 4},
    "slower": {"seed": 3, "added": 0.01},
    "short": {"seed": 1, "seconds": 5},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, drawn in RUNS.items():
        (folder / name).write_text(json.dumps(record(**drawn).to_json()), encoding="utf-8")
    (folder / "invalid").write_text(json.dumps(record(plan(users=100), "busy-generator").to_json()))
    (folder / "other").write_text('{"kind": "check", "schema_version": 1}')
    (folder / "broken").write_text('{"kind": "load", ')
    return folder


def said(
    capsys: pytest.CaptureFixture[str], files: Path, *names: str, json: bool = False
) -> tuple[int, str, str]:
    arguments = [name if name.startswith("--") else str(files / name) for name in names]
    code = probe_command(["compare", *arguments, *(["--json"] if json else [])])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_two_runs_of_the_same_are_the_same(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, err = said(capsys, files, "before", "same")
    assert (code, err, out.splitlines()[0]) == (0, "", "SAME: 16 figures lie within the noise")
    assert "What differs from run to run is not in it; --baseline FILE" in out


def test_ten_milliseconds_more_are_an_alarm_with_each_figure_and_its_noise(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    code, out, _ = said(capsys, files, "before", "slower")
    assert code == 1
    assert out.startswith("SLOWER: ")
    (median,) = re.findall(r"response of balance\n +(p50 .*)", out)
    assert re.fullmatch(r"p50 +3\.\d+ ms +1\d\.\d ms +\+9\.\d+ ms +±\d\.\d+ ms  slower", median)
    assert re.search(r"response of balance: \d+\.\d % of A's values are no longer than ", out)


def test_the_other_way_round_it_is_faster(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, _ = said(capsys, files, "slower", "before")
    assert (code, out.partition(":")[0]) == (0, "FASTER")


def test_baselines_are_part_of_the_noise(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, _ = said(capsys, files, "before", "slower", "--baseline", "same", "--baseline", "again")
    assert code == 1
    assert "and from how far 3 runs of A's kind lie apart" in out
    code, _, err = said(capsys, files, "before", "slower", "--baseline", "same")
    assert (code, "two or more" in err) == (2, True)


def test_what_cannot_be_judged_says_why(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, _ = said(capsys, files, "before", "invalid")
    assert (code, out.splitlines()[0]) == (4, "COULD NOT JUDGE")
    assert "B is INVALID, so its figures are not the server's" in out
    assert "users was 200, and 100 in B" in out
    code, out, _ = said(capsys, files, "short", "short")
    assert (code, "too short or too noisy" in out, "not enough data (" in out) == (4, True, True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("24h", "A is a file, and B is none"),
        ("other", "not the JSON of a load run, but of kind 'check'"),
        ("broken", "it is empty, cut short or no JSON"),
        (".", "A is a file, and B is none"),
        pytest.param(
            "/dev/zero",
            "it is larger than 128 MiB",
            marks=pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device"),
        ),
    ],
)
def test_what_is_no_load_run_is_refused(
    capsys: pytest.CaptureFixture[str], files: Path, name: str, says: str
) -> None:
    code, out, err = said(capsys, files, "before", name)
    assert (code, out) == (2, "")
    assert says in err


def test_programs_get_the_same(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, _ = said(capsys, files, "before", "slower", json=True)
    told = json.loads(out)
    assert (code, list(told)[:4], told["verdict"], told["obstacles"]) == (
        1,
        ["schema_version", "kind", "at", "verdict"],
        "slower",
        [],
    )
    assert told["shifts"][0]["change"] == "slower"
    assert set(told["shifts"][0]) == {"name", "quantile", "before", "after", "noise", "samples", "change"}
    code, out, _ = said(capsys, files, "before", "invalid", json=True)
    told = json.loads(out)
    assert (code, told["verdict"], told["shifts"], len(told["obstacles"])) == (4, "could not judge", [], 2)


def test_the_page_is_true() -> None:
    commands = re.findall(r"^probe compare (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 8
    for each in commands:
        compare.make_context("compare", shlex.split(each, comments=True))
    options = {option for each in compare.params if isinstance(each, click.Option) for option in each.opts}
    assert set(re.findall(r"`(--[a-z]+)", PAGE)) == options
