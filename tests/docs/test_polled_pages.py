"""What the pages of MT5, its gateway, the crypto backend and BingX say to type is understood, and what they list is complete."""

import re
from importlib import import_module
from pathlib import Path

import click
import pytest

from probe.brokers import find_broker
from probe.cli.gateway import gateway
from probe.cli.main import COMMANDS
from probe.config import load_settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("mt5", "gateway", "crypto-backend", "bingx")
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def command(verb: str) -> click.Command:
    module, _, name = COMMANDS[verb][0].partition(":")
    found: click.Command = getattr(import_module(module), name)
    return found


@pytest.mark.parametrize("name", ["mt5", "crypto-backend"])
def test_every_configuration_is_valid(name: str, tmp_path: Path) -> None:
    (text,) = blocks(PAGES[name], "toml")
    (tmp_path / "probe.toml").write_text(text)
    assert list(load_settings(tmp_path / "probe.toml", environ={}).targets) == re.findall(
        r"^\[targets\.(\w+)\]$", text, re.MULTILINE
    )


def test_every_choice_of_the_backend_is_told_with_its_default() -> None:
    told = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| [^|]+ \|$", PAGES["crypto-backend"], re.MULTILINE)
    assert told == [(each.name, each.default) for each in find_broker("crypto").choices]


def test_every_option_of_the_gateway_is_told() -> None:
    table = PAGES["gateway"].partition("| option | meaning |")[2].partition("## Routes")[0]
    options = {name for each in gateway.params for name in each.opts if name.startswith("--")}
    assert set(re.findall(r"`(--[a-z-]+)", table)) == options
