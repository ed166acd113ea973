"""The runs of third-party clients: each once, however many workers ask for what it found."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.clients.isolated import Outcome, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, Any]]:
    """Run one of this folder's modules in a namespace of its own: what it said, and the JSON of its last line."""
    if not (ROOT / ".venv-clients" / ".ready").exists():
        pytest.skip("the clients are not installed; `make clients` does it")
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def run_once(module: str, *arguments: str, most_seconds: float) -> tuple[str, Any]:
        import fcntl  # not on Windows, where nothing can be isolated either

        name = "-".join((module, *arguments))
        kept = shared / f"{name}.json"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                command = [sys.executable, "-m", f"tests.clients.{module}", *arguments]
                home = tmp_path_factory.mktemp("home")
                kept.write_text(
                    json.dumps(asdict(run(command, home=home, cwd=ROOT, most_seconds=most_seconds)))
                )
        outcome = Outcome(**json.loads(kept.read_text()))
        assert (outcome.status, outcome.cut_short) == (0, ""), outcome.output
        *said, found = outcome.output.splitlines()
        return "\n".join(said), json.loads(found)

    return run_once


@pytest.fixture(scope="session")
def results(run_once: Callable[..., tuple[str, Any]]) -> Any:
    """Of all that try a simulated broker."""
    said, found = run_once("inside", most_seconds=60)
    return {name: {**each, "said": said} for name, each in found.items()}


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
