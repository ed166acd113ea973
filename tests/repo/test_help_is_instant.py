"""`probe --help` feels instant because nothing heavy is imported before it is needed."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELP = [
    sys.executable,
    "-c",
    "from probe.cli.main import main; main()",
    "--help",
]  # what the installed script does
BARE = [sys.executable, "-I", "-c", "pass"]
MOST = 8
# Without the caller's settings: one of them keeps Python from storing compiled modules, which every user's run has.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
HEAVY = {
    "asyncio",
    "cryptography",
    "fastapi",
    "httpx",
    "locust",
    "pandas",
    "rich",
    "structlog",
    "uvicorn",
    "websockets",
}


def cpu_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def modules_after(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    command = [sys.executable, "-c", code]
    return set(subprocess.check_output(command, cwd=ROOT, env=ENVIRONMENT, text=True).split())


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell what a child process cost")
def test_help_costs_at_most_eight_bare_interpreter_starts(capsys: pytest.CaptureFixture[str]) -> None:
    cpu_seconds(HELP)  # compiles what was never run here
    pairs = [(cpu_seconds(HELP), cpu_seconds(BARE)) for _ in range(7)]
    of_help, of_bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    with capsys.disabled():
        print(
            f"\nprobe --help: {of_help * 1000:.0f} ms of CPU, {of_help / of_bare:.1f} bare starts (most: {MOST})"
        )
    assert of_help / of_bare <= MOST


def test_the_command_group_imports_nothing_heavy() -> None:
    assert modules_after("import probe.cli.main") & HEAVY == set()


def test_importing_the_package_imports_nothing_else() -> None:
    assert modules_after("import probe") == {"probe"}
