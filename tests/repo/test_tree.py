"""What may stand in the tree, and that its parts name each other truly."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.brokers import all_brokers

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_TOOLS = re.compile(r"\.git|\.venv.*|\..*_cache|\.hypothesis|__pycache__|dist|.*\.egg-info")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VERBS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))


def texts(folder: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Path and text of every file that is ours."""
    for path in sorted(folder.iterdir()):
        if MADE_BY_TOOLS.fullmatch(path.name):
            continue
        if path.is_dir():
            yield from texts(path)
        else:
            yield path.relative_to(ROOT).as_posix(), path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize(
    "forbidden",
    [
        r"p[y]pi\.org|python[h]osted|/simple/[\w-]*[\"'\s]",  # a package index: which one is the reader's choice
        r"/(roo[t]|hom[e]/\w+|User[s]/\w+)/",  # a path of somebody's machine
        r"BEGIN [A-Z ]*PRIVATE KE[Y]",
        r"^(<{7}|>{7}) ",  # a merge that was not finished
    ],
)
def test_no_file_holds_what_must_not_be_published(forbidden: str) -> None:
    assert [path for path, text in texts() if re.search(forbidden, text, re.MULTILINE)] == []


def test_every_ignored_lint_rule_gives_its_reason() -> None:
    section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.ruff.lint]")[2]
    rules = re.findall(r'^  "[A-Z]+[0-9]*",.*$', section, re.MULTILINE)
    assert rules
    assert [rule for rule in rules if not re.search(r"# \w+", rule)] == []


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_every_make_verb_that_is_told_exists(file: str) -> None:
    told = set(re.findall(r"(?:`|^|timeout \d+ )make ([a-z-]+)", (ROOT / file).read_text(), re.MULTILINE))
    assert told
    assert told - VERBS == set()


def test_every_make_verb_is_declared_phony() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == VERBS


def test_every_make_verb_is_explained() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [verb for verb in sorted(VERBS) if not re.search(rf"`make {verb}[` ]", told)] == []


def test_every_package_ships_and_says_what_it_is() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["probe", "loadtests", "exporters", "reports"]
    assert [
        name for name in wheel["packages"] if not (ROOT / name / "__init__.py").read_text().startswith('"""')
    ] == []


ABOUT_NO_BROKER = ("model", "wire", "session", "drivers", "measure", "diagnose", "monitor", "store")


def test_what_all_brokers_share_names_none() -> None:
    """A broker is one folder. What another part needs to know of it is data in its descriptor."""
    # "crypto" is also what brokers call a kind of asset, and what a library is called.
    names = {word for broker in all_brokers() for word in (broker.name, broker.title)} - {"crypto"}
    words = "|".join(rf"\b{re.escape(name)}\b" for name in sorted(names))
    shared = [path for part in ABOUT_NO_BROKER for path in texts(ROOT / "probe" / part)]
    shared += [
        (path, text) for path, text in texts(ROOT / "probe" / "simulator") if "/simulator/web/" not in path
    ]
    assert len(shared) > 50
    assert [path for path, text in shared if re.search(words, text, re.IGNORECASE)] == []
