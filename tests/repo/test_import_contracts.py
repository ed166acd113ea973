"""The import contracts hold on the tree they describe, and each of them catches what it forbids."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in RULES["contracts"]}
LAYERS = re.findall(r"\w+", " ".join(CONTRACTS["inside probe, imports point down"]["layers"]))
# architecture: these read no clock and touch no socket.
PURE = {"model", "wire", "session", "brokers", "faults", "measure", "diagnose"}
PACKAGES = ["", *LAYERS, "brokers/one", "brokers/two"]


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The tree as the contracts name it, empty."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for package in ["exporters", "loadtests", "reports", *(f"probe/{name}" for name in PACKAGES)]:
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "probe" / "__main__.py").touch()
    return tmp_path


def broken(tree: Path) -> set[str]:
    """The names of the broken contracts."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    result = subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True, check=False
    )
    judged = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", result.stdout, re.MULTILINE))
    assert judged.keys() == CONTRACTS.keys(), result.stdout + result.stderr
    return {name for name, judgement in judged.items() if judgement == "BROKEN"}


def test_an_empty_tree_keeps_every_contract(skeleton: Path) -> None:
    assert broken(skeleton) == set()


@pytest.mark.parametrize(
    ("file", "planted", "contract"),
    [
        ("reports/html.py", "import exporters", "views stand on probe and do not know each other"),
        ("probe/model/events.py", "import probe.session", "inside probe, imports point down"),
        ("probe/newcomer/__init__.py", "", "inside probe, imports point down"),
        ("probe/brokers/one/codec.py", "import probe.brokers.two", "brokers do not know each other"),
        (
            "probe/session/client.py",
            "from time import monotonic",
            "the pure packages touch neither world nor clock",
        ),
        ("probe/cli/load.py", "import locust", "gevent and Locust stay in loadtests"),
        (
            "probe/store/draw.py",
            "import rich",
            "Rich stays in the live view, Apprise in the channels of alerts",
        ),
        (
            "loadtests/merge.py",
            "import pandas",
            "pandas and pyarrow stay in reports, prometheus_client in exporters",
        ),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    skeleton: Path, file: str, planted: str, contract: str
) -> None:
    (skeleton / file).parent.mkdir(exist_ok=True)
    (skeleton / file).write_text(planted + "\n")
    assert broken(skeleton) == {contract}


def test_every_pure_package_that_exists_is_under_contract() -> None:
    existing = {package for package in PURE if list((ROOT / "probe" / package).rglob("*.py"))}
    named = CONTRACTS["the pure packages touch neither world nor clock"]["source_modules"]
    assert existing - {name.removeprefix("probe.") for name in named} == set()
