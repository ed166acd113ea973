"""What is in the distributions: all of the packages, and what systems and type checkers look for."""

import tarfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest

from probe.cli.main import COMMANDS
from tests.packaging.built import ROOT, built, contents

PACKAGES = ("probe", "exporters", "loadtests", "reports")
DATA = "tradeprobe-{0}.data/data/share"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(built("wheel", tmp_path_factory.mktemp("dist") / "wheel"))


def about(wheel: dict[str, bytes], name: str) -> bytes:
    (found,) = (data for path, data in wheel.items() if path.endswith(f".dist-info/{name}"))
    return found


def test_every_file_of_the_packages_is_in_it_and_no_other(wheel: dict[str, bytes]) -> None:
    ours = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(ours) > 600
    assert {path: data for path, data in wheel.items() if path.partition("/")[0] in PACKAGES} == ours
    others = {path.partition("/")[0].rpartition(".")[2] for path in wheel if path not in ours}
    assert others == {"dist-info", "data"}


def test_type_checkers_are_told_that_all_of_it_is_typed(wheel: dict[str, bytes]) -> None:
    assert [package for package in PACKAGES if f"{package}/py.typed" not in wheel] == []


def test_the_command_the_pytest_plugin_and_the_licence_are_named(wheel: dict[str, bytes]) -> None:
    entries = about(wheel, "entry_points.txt").decode()
    assert "[console_scripts]\nprobe = probe.cli.main:main" in entries
    assert "[pytest11]\ntradeprobe = probe.api.pytest_plugin" in entries
    said = message_from_bytes(about(wheel, "METADATA"))
    assert (said["Version"], said["Requires-Python"]) == (version("tradeprobe"), ">=3.11")
    assert (said["License-Expression"], said.get_all("License-File")) == ("MIT", ["LICENSE"])
    assert about(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert said.get_all("Provides-Extra") == ["indicators", "keyring", "otlp", "parquet"]


def test_no_development_tool_is_asked_for(wheel: dict[str, bytes]) -> None:
    asked = message_from_bytes(about(wheel, "METADATA")).get_all("Requires-Dist") or []
    names = {each.partition(">")[0].partition("=")[0].strip() for each in asked}
    assert {"click", "locust", "websockets"} <= names
    assert names & {"hatchling", "mypy", "pytest", "ruff", "hypothesis"} == set()


def test_manual_pages_and_units_lie_where_systems_look_for_them(wheel: dict[str, bytes]) -> None:
    share = DATA.format(version("tradeprobe"))
    pages = {path.rpartition("/")[2] for path in wheel if path.startswith(f"{share}/man/man1/")}
    assert pages == {"probe.1", *(f"probe-{name}.1" for name in COMMANDS)}
    units = {path.rpartition("/")[2] for path in wheel if path.startswith(f"{share}/tradeprobe/systemd/")}
    assert units == {"tradeprobe-exporter.service", "tradeprobe-monitor.service"}


@pytest.mark.long
def test_the_source_distribution_builds_the_same_wheel_again(wheel: dict[str, bytes], tmp_path: Path) -> None:
    with tarfile.open(built("sdist", tmp_path / "sdist")) as packed:
        packed.extractall(tmp_path, filter="data")
    again = contents(built("wheel", tmp_path / "again", tmp_path / f"tradeprobe-{version('tradeprobe')}"))
    assert [path for path in wheel.keys() | again.keys() if wheel.get(path) != again.get(path)] == []
