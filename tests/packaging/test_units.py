"""The units of deploy/systemd/: systemd understands them, their commands are ours, and what they forbid is not needed."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from probe.cli.exporter import exporter
from probe.cli.monitor import monitor
from tests.packaging.built import ROOT

UNITS = {
    command.name or "": ROOT / f"deploy/systemd/tradeprobe-{command.name}.service"
    for command in (exporter, monitor)
}
PROGRAM = "/opt/tradeprobe/bin/probe"
MOST_EXPOSED = 20  # of 100, as systemd counts; below 40 it says OK

# What MemoryDenyWriteExecute= does, as systemd does it where the kernel can.
FORBIDDING = """
import ctypes
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
refused = ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
assert refused == 0, "this kernel cannot"
from probe.cli.main import main
main()
"""


def said_by(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def analysed(*arguments: str | Path) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    ran = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stderr


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_unit(name: str, tmp_path: Path) -> None:
    unit = tmp_path / UNITS[name].name
    text = UNITS[name].read_text(encoding="utf-8")
    unit.write_text(text.replace(PROGRAM, sys.executable), encoding="utf-8")
    assert str(unit.name) not in analysed("verify", "--man=no", unit)


@pytest.mark.parametrize("name", UNITS)
def test_little_is_left_to_a_service_that_is_taken_over(name: str) -> None:
    analysed("security", "--offline=true", f"--threshold={MOST_EXPOSED}", UNITS[name])


@pytest.mark.parametrize("command", [exporter, monitor], ids=list(UNITS))
def test_the_command_is_understood_and_is_the_unit_s_own(command: click.Command) -> None:
    (line,) = said_by(UNITS[command.name or ""], "ExecStart")
    program, verb, *arguments = shlex.split(line)
    assert (program, verb) == (PROGRAM, command.name)
    command.make_context(verb, arguments)


def test_the_two_differ_in_their_commands_only() -> None:
    texts = [UNITS[name].read_text(encoding="utf-8") for name in UNITS]
    lines = [set(text.splitlines()) for text in texts]
    keys = {line.partition("=")[0] for line in lines[0] ^ lines[1]}
    assert keys == {"Description", "Documentation", "Conflicts", "ExecStart", "# Of probe.toml: credentials "}


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has services like these")
def test_a_session_needs_no_memory_that_is_written_and_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORBIDDING, "check", "sim:pocketoption"]
    environment = {"PYTHONPATH": str(ROOT), "TRADEPROBE_HOME": str(tmp_path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "this kernel cannot" in ran.stderr:
        pytest.skip("before Linux 6.3 no process can ask for it")
    assert ran.returncode == 0, ran.stdout + ran.stderr
