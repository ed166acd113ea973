"""docs/man/ is what the commands say of themselves, in a form that no reader of manual pages complains about."""

import re
import shutil
import subprocess

import click
import pytest

from probe.cli.main import COMMANDS, cli
from tests.docs.man import man_pages
from tests.docs.pages import DOCS

PAGES = man_pages()
# It would have to change with every build, or be wrong.
MEANT = "missing date"


def test_no_page_is_there_that_no_command_has() -> None:
    assert {f"man/{path.name}" for path in (DOCS / "man").iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_page(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    page = PAGES[f"man/probe-{name}.1"]().replace("\\", "")
    options = {word for each in command.params if isinstance(each, click.Option) for word in each.opts}
    assert sorted(word for word in options if not re.search(rf"^\.B .*{word}\b", page, re.MULTILINE)) == []


def test_the_first_page_names_every_command() -> None:
    page = PAGES["man/probe.1"]().replace("\\", "")
    assert [name for name in COMMANDS if f".B probe {name}\n" not in page] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_well_formed(page: str) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    command = ["mandoc", "-T", "lint", "-W", "warning", str(DOCS / page)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert [line for line in said.splitlines() if MEANT not in line] == []
