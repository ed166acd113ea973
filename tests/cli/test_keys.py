"""Keys from a terminal made for the test."""

import asyncio
import os
import termios
from collections.abc import Iterator

import pytest

from probe.cli import keys
from probe.cli.keys import Keyboard, pressed_keys


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Our end of a terminal, and the end that the program has."""
    ours, theirs = os.openpty()
    monkeypatch.setattr(keys, "_terminal", lambda: os.dup(theirs))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("q", ["q"]),
        ("jk?", ["j", "k", "?"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOA\x1bOB", ["up", "down"]),
        ("\x1b[1;5Aj", ["j"]),
        ("\x1b[15~q", ["q"]),
        ("\x1b", []),
        ("\x1b[", []),
        ("", []),
    ],
)
def test_escape_sequences_are_never_taken_for_letters(sent: str, expected: list[str]) -> None:
    assert pressed_keys(sent) == expected


def test_keys_arrive_one_by_one_and_the_terminal_is_given_back(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    pressed: list[str] = []

    async def press() -> None:
        enough = asyncio.Event()

        def note(key: str) -> None:
            pressed.append(key)
            if key == "q":
                enough.set()

        keyboard = Keyboard(note, enough.set)
        keyboard.start()
        during = termios.tcgetattr(theirs)
        assert not during[3] & (termios.ICANON | termios.ECHO)
        assert during[3] & termios.ISIG  # Ctrl-C is a signal still
        os.write(ours, b"j\x1b[Aq")
        await asyncio.wait_for(enough.wait(), 10)
        keyboard.close()

    asyncio.run(press())
    assert pressed == ["j", "up", "q"]
    assert termios.tcgetattr(theirs) == before


def test_a_terminal_that_hangs_up_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setattr(keys, "_terminal", lambda: theirs)

    async def hang_up() -> None:
        gone = asyncio.Event()
        keyboard = Keyboard(lambda _: None, gone.set)
        keyboard.start()
        os.close(ours)
        await asyncio.wait_for(gone.wait(), 10)
        keyboard.close()

    asyncio.run(hang_up())


def test_without_a_terminal_there_are_no_keys_and_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_terminal", lambda: None)

    async def nothing() -> None:
        keyboard = Keyboard(lambda _: None, lambda: None)
        keyboard.start()
        assert keyboard.in_foreground()
        keyboard.resume_output()
        keyboard.close()

    asyncio.run(nothing())
