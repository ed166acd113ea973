"""A credential given as an argument leaves the list of processes, and what the process is stays."""

import subprocess
import sys

import pytest

from probe.model.credentials import Secret
from probe.title import hide_arguments
from tests.pretending import POCKETOPTION

PROGRAM = """
import sys
from probe.model.credentials import Secret
from probe.title import hide_arguments
print(hide_arguments([Secret(text) for text in sys.argv[2:3]]))
for name in ("cmdline", "comm"):
    print(open(f"/proc/self/{name}").read().rstrip("\\0\\n").replace("\\0", " "))
"""


def shown(*arguments: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process to itself in /proc")
def test_the_credential_is_gone_and_the_command_is_still_told() -> None:
    said, cmdline, comm = shown(
        "monitor", POCKETOPTION.ssid, "--ssid", "env:PO", f"--ssid={POCKETOPTION.ssid}"
    )
    assert said == "It is hidden from the list of processes now, but could be seen there for a moment."
    assert cmdline == "probe monitor *** --ssid env:PO --ssid=***"
    assert cmdline.startswith(comm)
    assert comm.startswith("probe")


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "setproctitle", None)
    said = hide_arguments([Secret("planted")], ["check", "planted"])
    assert (
        said == "The package setproctitle, which could hide it from the list of processes, is not installed."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process to itself in /proc")
def test_where_it_does_not_work_it_says_so() -> None:
    without_effect = PROGRAM.replace(
        "print(hide", "sys.modules['setproctitle'].setproctitle = print\nprint(hide", 1
    )
    code = "import setproctitle" + without_effect
    command = [sys.executable, "-c", code, "check", POCKETOPTION.ssid]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[:2]
    assert said == ["probe check ***", "This system did not let it be hidden from the list of processes."]


def test_on_windows_it_says_that_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    said = hide_arguments([Secret("planted")], ["check"])
    assert said == "On this system it cannot be hidden from the list of processes."
