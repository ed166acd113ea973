import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.drivers import tail
from probe.drivers.tail import Tail
from probe.model.failures import Failure
from probe.simulator.terminal import JournalLine, write_journal
from probe.wire.calls import NewLines, ReadLines

MIDNIGHT = 1_795_219_200.0  # of 21 November 2026
TODAY, TOMORROW = "20261121.log", "20261122.log"
Read = Callable[[], Any]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    each = Tail()
    return lambda: asyncio.run(each.read(ReadLines(folder=str(tmp_path))))


def write(path: Path, text: str) -> None:
    with path.open("ab") as file:
        file.write(text.encode("utf-16-le"))


def test_a_journal_is_read_as_the_terminal_writes_it(tmp_path: Path, read: Read) -> None:
    write_journal(
        tmp_path, [JournalLine(at=MIDNIGHT + 59_253.764, text="'1001': connection to Fake-Demo lost")]
    )
    first = read()
    assert first == NewLines(
        file=TODAY,
        lines=("PE\t0\t16:27:33.764\tNetwork\t'1001': connection to Fake-Demo lost",),
        is_first=True,
    )
    assert (tmp_path / TODAY).read_bytes().startswith(b"\xff\xfe")


def test_only_what_was_added_is_told(tmp_path: Path, read: Read) -> None:
    write(tmp_path / TODAY, "\ufeffone\r\n")
    assert (read().lines, read().lines) == (("one",), ())
    write(tmp_path / TODAY, "two\r\nthree\r\n")
    assert read() == NewLines(file=TODAY, lines=("two", "three"), is_first=False)


def test_a_line_is_told_once_and_whole_however_it_is_written(tmp_path: Path, read: Read) -> None:
    """Byte by byte, and U+0A0A and a pair of surrogates are no ends of lines."""
    text = "\ufeff\u0a0a one\r\ntwo \U0001f4c8\u000a\u0a00three\r\n"
    told: list[str] = []
    (tmp_path / TODAY).touch()
    for byte in text.encode("utf-16-le"):
        with (tmp_path / TODAY).open("ab") as file:
            file.write(bytes([byte]))
        told += read().lines
    assert told == ["\u0a0a one", "two \U0001f4c8", "\u0a00three"]


def test_the_rest_of_the_old_day_comes_before_the_new_one(tmp_path: Path, read: Read) -> None:
    write(tmp_path / TODAY, "\ufeffone\r\n")
    read()
    write(tmp_path / TODAY, "two\r\nthree, which nobody ended")
    assert read().lines == ("two",)
    write(tmp_path / TOMORROW, "\ufefffour\r\n")
    assert read() == NewLines(file=TODAY, lines=("three, which nobody ended",), is_first=False)
    assert read() == NewLines(file=TOMORROW, lines=("four",), is_first=False)
    assert read().lines == ()


def test_days_that_passed_unread_are_read_in_their_order(tmp_path: Path, read: Read) -> None:
    write(tmp_path / TODAY, "\ufeffone\r\n")
    read()
    write(tmp_path / "20261123.log", "\ufeffthree\r\n")
    write(tmp_path / TOMORROW, "\ufefftwo\r\n")
    assert [read().lines for _ in range(3)] == [("two",), ("three",), ()]


def test_the_newest_file_is_opened_first(tmp_path: Path, read: Read) -> None:
    write(tmp_path / TODAY, "\ufeffold\r\n")
    write(tmp_path / TOMORROW, "\ufeffnew\r\n")
    write(tmp_path / "metaeditor.log", "\ufeffother\r\n")
    assert (read().file, read().lines) == (TOMORROW, ())


def test_a_file_that_was_cut_starts_anew(tmp_path: Path, read: Read) -> None:
    write(tmp_path / TODAY, "\ufeffone\r\ntwo\r\n")
    read()
    (tmp_path / TODAY).write_bytes("\ufeffthree\r\n".encode("utf-16-le"))
    assert read().lines == ("three",)


@pytest.mark.parametrize("below", ["logs", "Logs"])
def test_the_data_folder_will_do(tmp_path: Path, read: Read, below: str) -> None:
    (tmp_path / below).mkdir()
    write(tmp_path / below / TODAY, "\ufeffone\r\n")
    assert read().lines == ("one",)


def test_what_is_too_much_is_counted_and_the_newest_is_told(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_AT_ONCE", 40)  # bytes: 20 characters
    write(tmp_path / TODAY, "\ufeffone\r\n")
    read()
    write(tmp_path / TODAY, "".join(f"line {number}\r\n" for number in range(10)))
    assert read() == NewLines(file=TODAY, lines=("line 8", "line 9"), is_first=False, skipped=8)
    assert read() == NewLines(file=TODAY, lines=(), is_first=False)


def test_of_a_file_opened_late_the_newest_lines_are_told_and_none_is_missed(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_AT_ONCE", 40)
    write(tmp_path / TODAY, "\ufeff" + "".join(f"line {number}\r\n" for number in range(10)))
    assert read() == NewLines(file=TODAY, lines=("line 8", "line 9"), is_first=True)


def test_a_line_without_an_end_does_not_hold_up_what_follows(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_AT_ONCE", 40)
    write(tmp_path / TODAY, "\ufeff" + 19 * "x")
    assert (read().lines, read().skipped) == ((), 0)
    write(tmp_path / TODAY, 50 * "x")
    read()
    write(tmp_path / TODAY, "\r\nnext\r\n")
    assert read().lines[-1] == "next"


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_a_folder_without_a_journal_is_told_with_what_to_do(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    folder = tmp_path / "terminal"
    make(folder)
    told = asyncio.run(Tail().read(ReadLines(folder=str(folder))))
    assert isinstance(told, Failure)
    assert (told.kind, str(folder) in told.detail, "data folder" in told.detail) == (
        "host.unreadable-file",
        True,
        True,
    )


def test_a_file_that_may_not_be_read_is_told_and_opened_later(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root may read everything, the system's answer is made here."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(tmp_path / TODAY, "\ufeffone\r\n")
    with monkeypatch.context() as refusing:
        refusing.setattr(Path, "open", refuse)
        refused: object = read()
    assert isinstance(refused, Failure)
    assert "Permission denied" in refused.detail
    assert read() == NewLines(file=TODAY, lines=("one",), is_first=True)
