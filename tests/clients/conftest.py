"""The one run of all third-party clients."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.isolated import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not (ROOT / ".venv-clients" / ".ready").exists():
        pytest.skip("the clients are not installed; `make clients` does it")
    command = [sys.executable, "-m", "tests.clients.inside"]
    outcome = run(command, home=tmp_path_factory.mktemp("home"), cwd=ROOT, most_seconds=60)
    assert (outcome.status, outcome.cut_short) == (0, ""), outcome.output
    *said, found = outcome.output.splitlines()
    return {name: {**each, "said": "\n".join(said)} for name, each in json.loads(found).items()}


@pytest.fixture(scope="session")
def result(results: Any) -> Callable[[str], Any]:
    """What the session of that name led to."""

    def result(name: str) -> Any:
        found = results[name]
        if "missing" in found:
            pytest.skip(f"{name} needs {found['missing']}")
        if "problem" in found:
            pytest.fail(f"{found['problem']}\n{found['said']}", pytrace=False)
        return found

    return result
