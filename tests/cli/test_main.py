"""Every ending of a command becomes a sentence and an exit code."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from probe.cli import main
from probe.model.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
THERE_ARE = ", ".join(main.COMMANDS)
SECRET = '42["auth",{"session":"PLANTED-SECRET","isDemo":1}]'

Ending = Callable[[Callable[[], int | None]], tuple[int, str]]


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ending:
    """Run a command with this body; give the exit code and what standard error says."""

    def run(body: Callable[[], int | None]) -> tuple[int, str]:
        monkeypatch.setattr(sys.modules[__name__], "planted", click.command()(body), raising=False)
        monkeypatch.setitem(main.COMMANDS, "planted", (f"{__name__}:planted", "Planted by a test."))
        code = main.run(["planted"])
        return code, capsys.readouterr().err

    return run


def raising(error: BaseException) -> Callable[[], int | None]:
    def body() -> int | None:
        raise error

    return body


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    output = capsys.readouterr()
    return code, output.out, output.err


def test_help_lists_the_commands_in_the_order_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "--help")
    listed = [
        line.split()[0] for line in out.partition("Commands:\n")[2].splitlines() if line.startswith("  ")
    ]
    assert (code, err) == (0, "")
    assert listed[: len(main.COMMANDS)] == list(main.COMMANDS)


def test_help_shows_an_example_against_the_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\n    probe check sim:pocketoption\n" in said(capsys, "--help")[1].replace(
        "      probe", "    probe"
    )


def test_a_command_that_returns_nothing_ends_with_0(ending: Ending) -> None:
    assert ending(lambda: None) == (0, "")


def test_a_command_ends_with_the_code_it_returns(ending: Ending) -> None:
    assert ending(lambda: 3) == (3, "")


def test_a_command_may_leave_through_its_context(ending: Ending) -> None:
    assert ending(lambda: click.get_current_context().exit(4)) == (4, "")


def test_an_error_of_ours_is_one_line_and_its_own_exit_code(ending: Ending) -> None:
    error = ConfigError("no such key 'interval'", where="probe.toml", suggestion="intervals")
    assert ending(raising(error)) == (2, f"error: {error}\n")


def test_an_error_that_comes_out_of_a_task_group_is_told_the_same(ending: Ending) -> None:
    group = ExceptionGroup("unhandled errors in a TaskGroup", [ConfigError("no such key")])
    assert ending(raising(group)) == (2, "error: no such key\n")


def test_an_interrupt_ends_with_130_and_no_words(ending: Ending) -> None:
    assert ending(raising(KeyboardInterrupt())) == (130, "")


def test_a_bug_says_that_it_is_ours_and_where_it_is(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "OURS", {*main.OURS, __name__.partition(".")[0]})
    code, err = ending(raising(LookupError(SECRET)))
    assert code == 70
    assert err.startswith("error: this is a bug of ours, not of your set-up: LookupError in ")
    assert f"{__name__}, line {raising.__code__.co_firstlineno + 2}." in err


def test_a_bug_shows_neither_a_traceback_nor_the_text_of_the_exception(ending: Ending) -> None:
    _, err = ending(raising(LookupError(SECRET)))
    assert ("Traceback" in err, "PLANTED" in err, err.count("\n")) == (False, False, 1)


def test_the_traceback_of_a_bug_is_shown_to_who_asks(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPROBE_DEBUG", "1")
    code, err = ending(raising(LookupError("details")))
    assert (code, "LookupError: details\n" in err) == (70, True)


def test_a_broken_pipe_of_a_socket_is_a_bug(ending: Ending) -> None:
    assert ending(raising(BrokenPipeError()))[0] == 70


def test_a_reader_who_went_away_is_no_reason_to_complain() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "probe", "--help"]
    result = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["chekc"],
            f"error: there is no command 'chekc'. Did you mean 'check'? The commands are: {THERE_ARE}.\n",
        ),
        (["frobnicate"], f"error: there is no command 'frobnicate'. The commands are: {THERE_ARE}.\n"),
        (["sim:pocketoption"], "error: the first word must be a command, as in `probe check TARGET`.\n"),
        (["--verbos"], "error: No such option '--verbos'. Did you mean '--version'?\n"),
    ],
)
def test_a_wrong_word_ends_with_2_and_what_to_type_instead(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert said(capsys, *arguments) == (2, "", sentence + "Try `probe --help`.\n")


def test_no_word_at_all_ends_with_2_and_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: probe ")


@pytest.mark.parametrize(
    "arguments",
    [
        [SECRET],
        ["planted", SECRET],
        ["planted", "--number", SECRET],
        ["planted", f"--number={SECRET}"],
        ["planted", f"--nunber={SECRET}"],
        ["planted", "--number", SECRET + "'"],
        ["planted", "PLANTED=SECRET=SECRET=SECRET"],
        ["planted", "--number=1", SECRET],
        [SECRET, "planted"],
        [f"--ssid={SECRET}"],
    ],
)
def test_a_credential_in_the_wrong_place_is_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    @click.command()
    @click.option("--number", type=int)
    def planted(number: int) -> int:
        return number

    monkeypatch.setattr(sys.modules[__name__], "planted", planted, raising=False)
    monkeypatch.setitem(main.COMMANDS, "planted", (f"{__name__}:planted", "Planted by a test."))
    code, out, err = said(capsys, *arguments)
    assert (code, out, "PLANTED" in err, "error: " in err) == (2, "", False, True)
