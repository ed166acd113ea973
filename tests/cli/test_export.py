"""`probe export`, and what its page says."""

import re
import shlex
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
import pytest

from probe.cli.export import TABLES, export
from probe.cli.main import run
from probe.model.units import parse_moment
from probe.store.opened import OpenStore
from reports.export import tables
from tests.store.making import DISCONNECT, INCIDENT, MINUTE, SAMPLE, TICK

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
SECRET = '42["auth",{"session":"PLANTED-SECRET","isDemo":1}]'
NAME = "pocketoption"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the store that the page names: something of November 2026, and of now."""
    monkeypatch.chdir(tmp_path)
    now, november = time.time(), parse_moment("2026-11-15T12:00", 0)
    with closing(OpenStore(tmp_path / "demo.db", now)) as store:
        for at in (november, now // 60 * 60 - 300):
            store.save(
                [
                    SAMPLE._replace(target=NAME, at_utc=at, tainted=False),
                    TICK._replace(target=NAME, at_utc=at),
                    replace(DISCONNECT, target=NAME, at_utc=at),
                    replace(INCIDENT, target=NAME, id=f"{at}", began_utc=at, ended_utc=at + 5),
                    replace(MINUTE, target=NAME, began_utc=at),
                ]
            )
    return tmp_path


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


def test_what_the_page_shows_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (commands,) = blocks("sh")
    for line in commands.splitlines():
        _, verb, *arguments = shlex.split(line)
        if verb == "export":
            assert run([verb, *arguments]) == 0
    assert capsys.readouterr().err.count("rows\n") == 5  # of the lines, which may be standard output's
    shown = []
    for block in blocks("python"):
        exec(block, {})
        shown.append(capsys.readouterr().out)
    assert NAME in shown[0]
    assert "DISCONNECTED    1" in shown[1]
    assert re.search(r"stalled\W+10\.0\b", shown[2])


def test_every_option_is_told() -> None:
    table = PAGE.partition("| option | meaning |")[2].partition("**Exit codes.**")[0]
    own = {name for each in export.params if isinstance(each, click.Option) for name in each.opts}
    assert (
        set(re.findall(r"`(--[a-z]+)", "".join(line.split("|")[1] for line in table.splitlines() if line)))
        == own
    )


def test_the_tables_are_those_that_are_exported() -> None:
    assert tuple(tables.TABLES) == TABLES


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "Say once where to"),
        (["--csv", "a", "--jsonl", "b"], 2, "Say once where to"),
        (["pocketoptoin", "--csv", "a"], 2, "did you mean 'pocketoption'?"),
        ([SECRET, "--csv", "a"], 2, "a credential is not the name of a target"),
        (["--csv", "a", "--what", "samples,tick"], 2, "there is no table 'tick' (did you mean 'ticks'?)"),
        (["--csv", "a", "--since", "yesterday"], 2, "'yesterday' is not a moment"),
        (["--csv", "a", "--since", "1d", "--until", "2d"], 2, "that is not before --until"),
        (["--csv", "a", "--since", "2100-01-01"], 4, "nothing was kept in this period"),
        (["--csv", "demo.db"], 2, "demo.db: it cannot be written (File exists)"),
        (["--jsonl", "none/a.jsonl"], 2, "it cannot be written (No such file or directory)"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    assert run(["export", "--store", "demo.db", *arguments]) == code
    output = capsys.readouterr()
    assert told in output.err
    assert "PLANTED-SECRET" not in output.err
    assert [each.name for each in here.iterdir() if not each.name.startswith("demo.db")] == []


def test_a_store_that_cannot_be_read_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (here / "demo.db").read_bytes()
    (here / "bad.db").write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    (here / "text.db").write_text("no database")
    for name, told in (
        ("bad.db", "cannot be read"),
        ("text.db", "file is not a database"),
        ("nowhere.db", "there is no store"),
        ("none", "no history is kept"),
    ):
        assert run(["export", "--store", name, "--csv", "a"]) == 2
        assert told in capsys.readouterr().err
    assert not (here / "a").exists()


def test_without_what_writes_parquet_it_is_told_how_to_get_it(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(["export", "--store", "demo.db", "--parquet", "a"]) == 2
    assert (
        "--parquet: what writes Parquet is not installed. Install it: pip install" in capsys.readouterr().err
    )
    assert not (here / "a").exists()
