"""docs/coverage.md says of each feature in features.toml what became of it, and what it shows can be seen."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import structlog

from probe.cli.main import cli, run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text("utf-8")
FEATURES: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).parent / "features.toml").read_text("utf-8")
)
STATES = {"done", "simulated only", "not observable", "not done"}
TEST = r"`(tests/[\w/]+\.py)::(test_\w+)`"
QUICK = re.compile(r"probe (?:explain|check sim:(?!mt5))")  # whatever else takes seconds


class Row(NamedTuple):
    section: str
    id: str
    what: str
    state: str
    where: str


def _rows() -> list[Row]:
    section, rows = "", []
    for line in PAGE.splitlines():
        section = line[3:] if line.startswith("## ") else section
        if re.match(r"\| [A-Z]\d", line):
            rows.append(Row(section, *(cell.strip() for cell in line.strip("|").split(" | "))))
    return rows


def _shown() -> dict[str, list[str]]:
    """By command, or by what the commands above wrote: what to look for."""
    found: dict[str, list[str]] = {}
    for row in ROWS:
        for place, texts in re.findall(r"`([^`]+)` → (`[^`]+`(?:, `[^`]+`)*)", row.where):
            found.setdefault(place, []).extend(re.findall(r"`([^`]+)`", texts))
    return found


ROWS = _rows()
SHOWN = _shown()
WRITERS = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)).splitlines()
COMMANDS = [place for place in SHOWN if place.startswith("probe ")]
SPOKEN_OF = dict.fromkeys(re.findall(r"`(probe [^`]+)`", PAGE))


def _marked(command: str) -> object:
    return pytest.param(
        command, marks=() if QUICK.match(command) else (pytest.mark.long, pytest.mark.patient)
    )


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration of this machine, and nothing left in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRADEPROBE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    yield
    structlog.reset_defaults()


def test_every_feature_has_its_row_under_its_heading() -> None:
    told: dict[str, dict[str, str]] = {}
    for row in ROWS:
        told.setdefault(row.section, {})[row.id] = row.what
    assert told == FEATURES
    assert len(ROWS) == sum(map(len, FEATURES.values()))


def test_what_is_done_can_be_seen_and_what_is_not_has_its_reason() -> None:
    assert {row.state for row in ROWS} <= STATES
    assert [row.id for row in ROWS if row.state == "done" and not re.search(rf"→|{TEST}", row.where)] == []
    reasons = {row.id: re.sub(r"`[^`]*`", "", row.where) for row in ROWS if row.state != "done"}
    assert [name for name, reason in reasons.items() if len(reason) < 20] == []


def test_every_test_it_names_is_there() -> None:
    named = sorted(set(re.findall(TEST, PAGE)))
    assert [place for place in named if f"def {place[1]}(" not in (ROOT / place[0]).read_text("utf-8")] == []


@pytest.mark.parametrize("command", [*WRITERS, *SPOKEN_OF])
def test_every_command_is_understood(command: str, tmp_path: Path) -> None:
    program, verb, *arguments = shlex.split(command)
    for name in re.findall(r"\S+\.json\b", command):
        (tmp_path / name).write_text("{}", "utf-8")
    assert program == "probe"
    with click.Context(cli) as context:
        found = cli.get_command(context, verb)
        assert found is not None
        if arguments:
            found.make_context(verb, arguments)


@pytest.mark.parametrize("command", [_marked(each) for each in COMMANDS])
def test_a_command_shows_what_the_page_says(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(command)[1:]) != 70
    said = "".join(capsys.readouterr())
    assert [text for text in SHOWN[command] if text not in said] == [], said


@pytest.mark.long
@pytest.mark.patient
def test_what_is_written_holds_what_the_page_says(tmp_path: Path) -> None:
    (scenario,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "trade.toml").write_text(scenario, "utf-8")
    for command in WRITERS:
        assert run(shlex.split(command)[1:]) not in (2, 70), command
    for place, texts in SHOWN.items():
        if not place.startswith("probe "):
            path = tmp_path / place
            files = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
            held = "".join(each.read_text("utf-8") for each in files)
            assert [text for text in texts if text not in held] == [], place
