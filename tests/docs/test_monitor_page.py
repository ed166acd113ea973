"""docs/monitor.md is true: its commands are understood, and its table and states are complete."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from probe.cli.monitor import monitor
from probe.cli.options import Typed
from probe.config import load_settings
from probe.measure.records import Cause, SessionState

PAGE = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text(encoding="utf-8")
MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


def test_the_demo_is_the_first_command() -> None:
    assert f"\t.venv/bin/{blocks('sh')[0].strip()} --store" in MAKEFILE


def test_every_option_of_its_own_is_explained() -> None:
    own = {
        option
        for each in monitor.params
        if isinstance(each, click.Option) and each.name not in Typed.__dataclass_fields__
        for option in each.opts
    }
    table = PAGE.partition("| option | meaning |")[2].partition("**Exit codes.**")[0]
    assert (
        set(
            re.findall(
                r"`(--[a-z-]+)",
                "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")),
            )
        )
        == own
    )


def test_every_state_and_every_cause_is_named() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE.partition("## States")[2].partition("**Not observed**")[0]))
    assert named == {each.value for each in (*SessionState, *Cause)}


def test_the_configuration_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = blocks("toml")
    path = tmp_path / "probe.toml"
    path.write_text(text)
    settings = load_settings(path, environ={})
    assert list(settings.targets) == list(tomllib.loads(text)["targets"])
