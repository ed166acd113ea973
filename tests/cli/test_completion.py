"""What Tab completes: asked of the command as a shell's script does, and typed into real shells."""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from probe.cli.main import COMMANDS, run

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
LOAD = {
    "bash": 'eval "$(_PROBE_COMPLETE=bash_source probe)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(_PROBE_COMPLETE=zsh_source probe)"',
    "fish": "_PROBE_COMPLETE=fish_source probe | source",
}
BARE = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}

Completed = Callable[[str], list[str]]


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Completed:
    """The types and values of what may stand at the end of the line."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_PROBE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        assert run([]) == 0
        out, err = capfdbinary.readouterr()
        assert err == b""
        return out.decode().splitlines()

    return ask


def test_the_first_word_is_a_command(completed: Completed) -> None:
    assert completed("probe ") == [f"plain,{name}" for name in COMMANDS]
    assert completed("probe exp") == ["plain,exporter", "plain,export", "plain,explain"]
    assert completed("probe --v") == ["plain,--version"]


def test_a_command_has_its_options_and_they_their_words(completed: Completed) -> None:
    assert completed("probe monitor --unt") == ["plain,--until"]
    assert completed("probe monitor --until ") == ["plain,healthy", "plain,first-incident"]
    assert completed("probe check sim:mt5 --tls-min ") == ["plain,1.2", "plain,1.3"]


def test_where_nothing_is_known_it_is_a_file(completed: Completed) -> None:
    assert completed("probe check --config pro") == ["file,pro"]
    assert completed("probe check ./ssi") == ["file,./ssi"]


def test_a_wrong_word_before_it_completes_nothing_and_says_nothing(completed: Completed) -> None:
    assert completed("probe chekc --verb") == ["file,--verb"]


def test_an_unknown_shell_is_told_which_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_PROBE_COMPLETE", "tcsh_source")
    assert run([]) == 2
    assert "_PROBE_COMPLETE is bash_source, zsh_source or fish_source" in capsys.readouterr().err


def test_completing_commands_imports_none_of_them(tmp_path: Path) -> None:
    asks = {"_PROBE_COMPLETE": "bash_complete", "COMP_WORDS": "probe mon", "COMP_CWORD": "1"}
    code = "import sys; from probe.cli.main import run; run([]); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **asks}, capture_output=True, text=True, check=True
    )
    first, _, modules = ran.stdout.partition("\n")
    assert first == "plain,monitor"
    assert "probe.cli.monitor" not in modules.split()


@pytest.mark.parametrize("shell", LOAD)
def test_a_real_shell_completes_what_is_typed(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    program = tmp_path / "probe"
    program.write_text(f"#!{sys.executable}\nfrom probe.cli.main import main\nmain()\n")
    program.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "PS1": "ready> ",
    }
    ours, theirs = os.openpty()
    command = ["setsid", "--ctty", shell, *BARE[shell], "-i"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            _type(ours, f"{LOAD[shell]}; echo loa''ded\r")
            _read_until(ours, "loaded")
            _type(ours, "probe expla\t session.half-op''en\r")
            _read_until(ours, "session.half-open")
        finally:
            process.kill()
            os.close(ours)


def _type(terminal: int, keys: str) -> None:
    os.write(terminal, keys.encode())


def _read_until(terminal: int, wanted: str) -> None:
    """What is typed is echoed with quotes in it, so that only an answer is the whole word."""
    seen, deadline = "", time.monotonic() + PATIENCE
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"not within {PATIENCE:g} s: {wanted}; seen: {seen!r}"
        seen += os.read(terminal, 65536).decode(errors="replace")
