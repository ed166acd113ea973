"""docs/packaging.md and docs/add-a-broker.md are true: commands, files, versions, and what the example is made of."""

import re
import shlex
import tomllib

import click
import pytest

from probe.cli.main import cli
from tests.cli.test_completion import LOAD
from tests.docs.pages import DOCS
from tests.packaging.built import EXAMPLE, ROOT

PAGE, BROKER = ((DOCS / name).read_text(encoding="utf-8") for name in ("packaging.md", "add-a-broker.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(page: str) -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def of_ours(page: str) -> list[list[str]]:
    """What follows `probe`, or the image's name, whose entry point it is."""
    ours = [words[1:] for words in commands(page) if words[0] == "probe"]
    runs = [words for words in commands(page) if words[:2] == ["docker", "run"]]
    return ours + [words[len(words) - words[::-1].index("tradeprobe") :] for words in runs]


@pytest.mark.parametrize("page", [PAGE, BROKER], ids=["packaging", "add-a-broker"])
def test_every_command_is_understood(page: str) -> None:
    ran = [words for words in of_ours(page) if words]
    assert len(ran) >= 3
    for verb, *arguments in ran:
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        command.make_context(verb, arguments)


def test_every_extra_is_named() -> None:
    named = set(re.findall(r"`(\w+)` \(to ", PAGE.partition("\n## ")[0]))
    assert named == set(PROJECT["optional-dependencies"])


def test_the_wheel_is_of_this_version() -> None:
    assert f"tradeprobe-{PROJECT['version']}-py3-none-any.whl" in PAGE


@pytest.mark.parametrize("shell", LOAD)
def test_completion_is_set_up_as_it_is_tested(shell: str) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| {shell}"))
    line = row.split(" | ")[2].removesuffix(" |").strip("`").replace("\\|", "|")
    assert LOAD[shell].endswith(line)


def test_the_entry_point_stands_as_in_the_example() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", BROKER, re.MULTILINE | re.DOTALL)
    example = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tomllib.loads(text)["project"]["entry-points"] == example["entry-points"]
    assert f"`{example['dependencies'][0]}`" in BROKER


def test_every_file_of_the_example_has_its_row() -> None:
    told = set(re.findall(r"^\| `(kestrel_probe/\w+\.py)` \|", BROKER, re.MULTILINE))
    assert told == {path.relative_to(EXAMPLE).as_posix() for path in (EXAMPLE / "kestrel_probe").glob("*.py")}


@pytest.mark.parametrize("page", [PAGE, BROKER], ids=["packaging", "add-a-broker"])
def test_what_is_pointed_at_is_there(page: str) -> None:
    links = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", page) if "://" not in target}
    named = set(re.findall(r"`((?:deploy|examples|grafana|probe|requirements)/[\w./-]+)`", page))
    assert links
    assert [each for each in links if not (DOCS / each).exists()] == []
    assert [each for each in named if not (ROOT / each).exists()] == []
