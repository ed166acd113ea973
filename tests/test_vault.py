"""References to secrets, and answers to questions, at real terminals and without one."""

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from probe.model.credentials import Secret
from probe.model.errors import ConfigError, CredentialMissing
from probe.vault import Found, ask, is_reference, only_one_reads_standard_input, read_secret

if sys.platform != "win32":
    import termios

ROOT = Path(__file__).parents[1]
PATIENCE = 10.0
SECRET = Secret("correct-horse")


class OneEntry(KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if username == "locked":
            raise KeyringLocked
        return SECRET.reveal() if (service, username) == ("tradeprobe", "quotex") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture
def _keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(OneEntry())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


# -- references --------------------------------------------------------------------------------------------------------


def test_a_reference_leads_to_its_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text("correct-horse\r\n")
    monkeypatch.setenv("PO_SESSION", "correct-horse")
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct-horse\n"))
    found = [read_secret(reference) for reference in ("env:PO_SESSION", f"file:{file}", "-")]
    sources = ("the environment variable 'PO_SESSION'", f"the file {str(file)!r}", "standard input")
    assert found == [Found(secret=SECRET, source=source) for source in sources]


@pytest.mark.usefixtures("_keyring")
def test_the_keyring_is_a_place_of_secrets() -> None:
    assert is_reference("keyring:quotex")
    found = read_secret("keyring:quotex")
    assert found == Found(secret=SECRET, source="the system's keyring, under 'quotex' of tradeprobe")


@pytest.mark.usefixtures("_keyring")
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NOT_SET", "the environment variable 'NOT_SET'. Set it: export NOT_SET='…'"),
        (
            "keyring:other",
            "the system's keyring, under 'other' of tradeprobe. Put it there: keyring set tradeprobe other",
        ),
        (
            "file:/none",
            "the file '/none' (No such file or directory). Check the path and that it may be read.",
        ),
    ],
)
def test_an_empty_place_is_named_with_what_to_do(reference: str, said: str) -> None:
    with pytest.raises(CredentialMissing) as caught:
        read_secret(reference)
    assert str(caught.value) == f"no credential found in {said}"


@pytest.mark.usefixtures("_keyring")
def test_a_keyring_that_refuses_is_told() -> None:
    with pytest.raises(ConfigError, match=r"refused \(KeyringLocked\)\. Unlock it"):
        read_secret("keyring:locked")
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(ConfigError, match=r"no keyring service.*file:PATH"):
        read_secret("keyring:quotex")


def test_a_missing_keyring_package_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'tradeprobe\[keyring\]'"):
        read_secret("keyring:quotex")


def test_a_value_is_taken_with_a_warning_that_does_not_repeat_it() -> None:
    found = read_secret(SECRET.reveal())
    assert found.secret == SECRET
    (warning,) = found.warnings
    assert "keyring:NAME" in warning
    assert SECRET.reveal() not in f"{found!r}"


# -- answers without a terminal ----------------------------------------------------------------------------------------


def test_one_line_of_standard_input_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" 123456 \n654321\n\n"))
    assert [ask("PIN", "-"), ask("PIN", "-"), ask("PIN", "-")] == [Secret("123456"), Secret("654321"), None]
    with pytest.raises(ConfigError) as caught:
        ask("PIN", "-")
    assert str(caught.value) == (
        "standard input (-) has ended: what it held was read before, perhaps as the credential. "
        "Give one of the two as env:NAME or file:PATH."
    )


def test_standard_input_is_for_one_thing_only() -> None:
    only_one_reads_standard_input("-", "env:PIN", None)
    with pytest.raises(ConfigError, match="can be read only once"):
        only_one_reads_standard_input("-", None, "-")


def test_an_answer_may_stand_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIN", "123456\n")
    assert ask("PIN", "env:PIN") == Secret("123456")
    with pytest.raises(CredentialMissing):
        ask("PIN", "env:NOT_SET")


def test_an_answer_is_not_taken_from_the_command_line() -> None:
    with pytest.raises(ConfigError) as caught:
        ask("PIN", "123456")
    assert "123456" not in str(caught.value)


@pytest.mark.parametrize("stream", [None, "closed", "pipe"])
def test_without_a_terminal_nobody_is_asked(stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe stays open and empty: whoever read from it would wait for ever."""
    reading, writing = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True))
    with reading, writing:
        if stream == "closed":
            reading.close()
        monkeypatch.setattr(sys, "stdin", reading if stream else None)
        assert ask("PIN", None) is None


# -- answers at a terminal ---------------------------------------------------------------------------------------------

if sys.platform == "win32":
    pytest.skip("these terminals are of Unix", allow_module_level=True)

AT_TERMINAL = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from probe.vault import ask\n"
)
ASK = "print(repr(answer and answer.reveal()))"


class Terminal:
    """One of its own for a program, which prints to a pipe beside it."""

    def __init__(self, code: str, *, errors_too: bool = True) -> None:
        self._screen, inside = os.openpty()
        command = [sys.executable, "-W", "error", "-c", AT_TERMINAL + code]
        self.program = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=inside,
            stdout=subprocess.PIPE,
            stderr=inside if errors_too else subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        os.close(inside)
        self.shown = ""

    def wait_for(self, words: str) -> None:
        while words not in self.shown:
            assert select.select([self._screen], [], [], PATIENCE)[0], f"only {self.shown!r} was shown"
            self.shown += os.read(self._screen, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._screen)[3] & termios.ECHO)

    def printed(self) -> str:
        said, _ = self.program.communicate(timeout=PATIENCE)
        try:
            while more := os.read(self._screen, 4096):
                self.shown += more.decode()
        except OSError:  # the program has left it
            pass
        return str(said).strip()

    def close(self) -> None:
        os.close(self._screen)


@pytest.fixture
def open_terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.program.kill()
        terminal.program.communicate()
        terminal.close()


@pytest.mark.parametrize("reference", [None, "-"])
def test_a_person_is_asked_and_what_is_typed_stays_hidden(
    open_terminals: list[Terminal], reference: str | None
) -> None:
    terminal = Terminal(f"answer = ask('PIN from the mail', {reference!r}); {ASK}")
    open_terminals.append(terminal)
    terminal.wait_for("PIN from the mail: ")
    assert not terminal.echoes
    terminal.type("123456\n")
    assert terminal.printed() == "'123456'"
    assert "123456" not in terminal.shown
    assert terminal.echoes


@pytest.mark.parametrize("typed", ["\n", "\x04"])
def test_nothing_typed_is_no_answer(open_terminals: list[Terminal], typed: str) -> None:
    terminal = Terminal(f"answer = ask('PIN', None); {ASK}")
    open_terminals.append(terminal)
    terminal.wait_for("PIN: ")
    terminal.type(typed)
    assert terminal.printed() == "None"


def test_a_prompt_cannot_steer_the_terminal(open_terminals: list[Terminal]) -> None:
    terminal = Terminal(f"answer = ask('\\x1b[2J\\x9b\\rPIN' + 'x' * 5000, None); {ASK}")
    open_terminals.append(terminal)
    terminal.wait_for("xxx: ")
    terminal.type("1\n")
    terminal.printed()
    assert terminal.shown.startswith("[2JPINxxx")
    assert "\x1b" not in terminal.shown
    assert len(terminal.shown) < 300


@pytest.mark.parametrize("hidden", ["errors", "background"])
def test_a_prompt_that_nobody_sees_is_not_made(open_terminals: list[Terminal], hidden: str) -> None:
    code = f"answer = ask('PIN', None); {ASK}"
    if hidden == "background":
        child = f"from probe.vault import ask; {code}"
        code = (
            f"import subprocess as s; s.run([sys.executable, '-c', {child!r}], process_group=0, check=True)"
        )
    terminal = Terminal(code, errors_too=hidden != "errors")
    open_terminals.append(terminal)
    assert terminal.printed() == "None"
    assert terminal.shown == ""


def test_the_terminal_shows_again_what_is_typed_if_the_program_ends_while_it_asks(
    open_terminals: list[Terminal],
) -> None:
    code = """
import threading
try:
    threading.Thread(target=ask, args=("PIN", None), daemon=True).start()
    threading.Event().wait()
except KeyboardInterrupt:
    print("interrupted")
"""
    terminal = Terminal(code)
    open_terminals.append(terminal)
    terminal.wait_for("PIN: ")
    assert not terminal.echoes
    terminal.program.send_signal(signal.SIGINT)
    assert terminal.printed() == "interrupted"
    assert terminal.echoes
