"""The wheel where nothing else is: in an environment of its own, with what it asks for and no tool of development."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from probe import __version__
from probe.cli.main import COMMANDS
from tests.packaging.built import EXAMPLE, built

pytestmark = [pytest.mark.long, pytest.mark.patient]

# What it needs is an extra's.
NOT_ALONE = {"exporters.otlp"}
IMPORT_ALL = """
import importlib, pkgutil, sys
for package in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if module.name not in %r and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print("all of them")
"""
SMOKE: tuple[tuple[str, str], ...] = (
    ("--version", f"tradeprobe {__version__}"),
    ("--help", "probe check sim:pocketoption"),
    *((f"{command} --help", "Usage: probe") for command in COMMANDS),
    ("sim --list-faults", "silent-stall"),
    ("check sim:pocketoption", "HEALTHY"),
    ("monitor sim:quotex --until healthy --for 30s --store kept.db", "STREAMING"),
    ("report --store kept.db --html report.html --since 1h", "report.html"),
    ("exporter sim:pocketoption --for 5s --listen 127.0.0.1:0", "STREAMING"),
    ("explain session.half-open", "session.half-open"),
)


class Environment:
    """A virtual environment that sees nothing of ours but what is installed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=True)
        self._bin = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "TRADEPROBE", "PYTEST"))
        }
        self._variables = {
            **inherited,
            "TRADEPROBE_HOME": str(folder / "home"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._bin / program, *arguments],
            cwd=self.folder,
            env=self._variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def said(self, program: str, *arguments: str | Path) -> str:
        ran = self.run(program, *arguments)
        assert ran.returncode == 0, f"{program} {arguments}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr

    def pip(self, *arguments: str | Path) -> str:
        return self.said("python", "-m", "pip", *arguments)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("fresh"))
    wheel = built("wheel", environment.folder / "dist")
    asked = ("download", "--quiet", "--no-deps", "--dest", environment.folder / "look", "click")
    if environment.run("python", "-m", "pip", *asked).returncode:
        pytest.skip("no package index can be reached")
    environment.pip("install", "--quiet", wheel)
    return environment


def imported(environment: Environment, packages: Sequence[str]) -> str:
    return environment.said("python", "-W", "ignore", "-c", IMPORT_ALL % sorted(NOT_ALONE), *packages)


def test_the_wheel_works_with_its_own_dependencies_alone(fresh: Environment) -> None:
    assert "No broken requirements found" in fresh.pip("check")
    installed = {each["name"].lower() for each in json.loads(fresh.pip("list", "--format", "json"))}
    assert installed & {"hatchling", "hypothesis", "mypy", "pyarrow", "ruff"} == set()
    for line, wanted in SMOKE:
        assert wanted in fresh.said("probe", *line.split()), line
    load = fresh.run("probe", "load", "sim:pocketoption", "--users", "5", "--duration", "5s")
    assert load.returncode in (0, 4), (
        load.stderr
    )  # 4: the machine was too busy for its figures to be believed
    assert "sessions    5 at most, none lost" in load.stdout
    assert "all of them" in imported(fresh, ("probe", "exporters", "reports"))
    assert "all of them" in imported(fresh, ("loadtests",))
    share = fresh.folder / "venv" / "share"
    assert (share / "man" / "man1" / "probe.1").is_file()
    assert (share / "tradeprobe" / "systemd" / "tradeprobe-exporter.service").is_file()


def test_an_outside_broker_is_installed_beside_it(fresh: Environment, tmp_path: Path) -> None:
    fresh.pip("install", "--quiet", "--no-deps", built("wheel", tmp_path / "dist", EXAMPLE))
    assert "HEALTHY" in fresh.said("probe", "check", "sim:kestrel")
    fresh.pip("uninstall", "--quiet", "--yes", "kestrel-probe")
    refused = fresh.run("probe", "check", "sim:kestrel")
    assert (refused.returncode, "'kestrel' cannot be simulated" in refused.stderr) == (2, True)
