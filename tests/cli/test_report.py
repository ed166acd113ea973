"""`probe report`, and what its page says."""

import json
import re
import shlex
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
import pytest

from probe.cli.main import run
from probe.cli.report import report
from probe.store.opened import OpenStore
from tests.store.making import DISCONNECT, INCIDENT, MINUTE, TICK

PAGE = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
SECRET = '42["auth",{"session":"PLANTED-SECRET","isDemo":1}]'
NAME = "pocketoption"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the store that the page names: something of five minutes ago."""
    monkeypatch.chdir(tmp_path)
    at = time.time() // 60 * 60 - 300
    with closing(OpenStore(tmp_path / "demo.db", at)) as store:
        store.save(
            [
                TICK._replace(target=NAME, at_utc=at),
                replace(DISCONNECT, target=NAME, at_utc=at),
                replace(INCIDENT, target=NAME, began_utc=at, ended_utc=at + 5),
                replace(MINUTE, target=NAME, began_utc=at),
            ]
        )
    return tmp_path


def test_what_the_page_shows_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [commands] = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in commands.splitlines():
        _, verb, *arguments = shlex.split(line)
        if verb == "report":
            assert run([verb, *arguments]) == 0
    out, err = capsys.readouterr()
    assert out.count("The session was usable for 79.09 % of the 55 s that were watched") == 3
    assert err.count("written: ") == 4
    assert json.loads((here / "report.json").read_text())["kind"] == "diagnostics_report"
    assert (here / "report.html").read_text().startswith("<!doctype html>")
    assert (here / "report.md").read_text().startswith("# The session was usable")
    assert "target 1" in (here / "for-the-broker.html").read_text()
    for name in ("report.html", "report.json", "report.md", "for-the-broker.html"):
        assert (here / name).stat().st_mode & 0o777 == 0o600


def test_every_option_is_told() -> None:
    table = PAGE.partition("| option | meaning |")[2].partition("**Exit codes.**")[0]
    told = set(
        re.findall(r"`(--[a-z]+)", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    )
    assert told == {name for each in report.params if isinstance(each, click.Option) for name in each.opts}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--since", "2020-01-01", "--until", "2020-01-02"], 4, "nothing was kept in this period; there is something from"),
        (["--since", "soon"], 2, "'soon' is not a moment"),
        (["--since", "1d", "--until", "2d"], 2, "is not before --until"),
        (["--since", "2999-01-01"], 2, "is not before --until, or lies ahead"),
        (["pocketoptoin"], 2, "did you mean 'pocketoption'?"),
        ([SECRET], 2, "a credential is not the name of a target"),
        (["--share", "all.pdf"], 2, "Let the name end with .html, .json, .md"),
        (["--html", "nowhere/report.html"], 2, "nowhere/report.html cannot be written"),
        (["--html", "."], 2, "it is a folder"),
        (["--store", "missing.db"], 2, "missing.db'. Let `probe monitor` make one"),
        (["--store", "none"], 2, "Name a file with --store"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_told(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    assert run(["report", "--store", "demo.db", *arguments]) == code
    out, err = capsys.readouterr()
    assert told in err
    assert "PLANTED-SECRET" not in out + err
    assert {each.name for each in here.iterdir()} <= {"demo.db", "demo.db-wal", "demo.db-shm"}


def test_a_store_in_which_nothing_is_kept_yet_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    OpenStore(tmp_path / "new.db", 0.0).close()
    assert run(["report", "--store", str(tmp_path / "new.db")]) == 4
    assert "nothing was kept yet: let `probe monitor TARGET` run" in capsys.readouterr().err


def test_the_objectives_are_those_of_the_configuration(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = here / "probe.toml"
    settings.write_text(f'[targets.{NAME}]\ntarget = "sim:pocketoption"\nobjective = 0.75\n')
    assert run(["report", "--store", "demo.db", "--config", str(settings)]) == 0
    assert "as the objective of 75 % allows" in capsys.readouterr().out


def test_what_was_there_stays_if_a_file_cannot_be_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "report.html").write_text("of yesterday")
    assert run(["report", "--store", "demo.db", "--html", "/dev/full", "--json", "report.json"]) == 2
    err = capsys.readouterr().err
    assert "--html: /dev/full was not written: No space left on device" in err
    assert json.loads((here / "report.json").read_text())["kind"] == "diagnostics_report"
    assert (here / "report.html").read_text() == "of yesterday"
