"""Reads what is added to the daily logs of a folder, as a terminal writes them: UTF-16 with a byte order mark, one file a day.

What is there is read only to its last whole line; a program that writes may be in the middle of one, or of a character.
"""

import asyncio
import os
import re
from pathlib import Path
from typing import BinaryIO

from probe.model.failures import Failure
from probe.wire.calls import NewLines, ReadLines

DAILY = re.compile(r"\d{8}\.log", re.IGNORECASE)
BELOW = ("", "logs", "Logs")  # a terminal's data folder has its logs one step down
MOST_AT_ONCE = 1024 * 1024  # bytes; about five thousand lines
LINE_END = "\n".encode("utf-16-le")
MARK = "\ufeff"


class Tail:
    """Remembers how far it came, in one folder."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._place = 0

    async def read(self, asked: ReadLines) -> NewLines | Failure:
        return await asyncio.to_thread(self._read, Path(asked.folder))

    def _read(self, folder: Path) -> NewLines | Failure:
        try:
            logs = _logs(folder)
            if self._path is None or self._path not in logs:
                return self._more(logs[-1], from_the_end=True)
            following = logs[logs.index(self._path) + 1 :]
            rest = self._more(self._path, to_the_end=bool(following))
            return self._more(following[0]) if following and not rest.lines and not rest.skipped else rest
        except OSError as problem:
            return Failure(
                kind="host.unreadable-file",
                detail=f"journal {folder}: {problem.strerror or problem}; it should be the terminal's data folder, or the "
                "logs folder in it",
            )

    def _more(self, path: Path, *, from_the_end: bool = False, to_the_end: bool = False) -> NewLines:
        """
        Args:
            from_the_end: It was not read before, and what is too much of it is no loss.
            to_the_end: Nobody writes there any more, so what is left is a line too.
        """
        skipped = 0
        with path.open("rb") as file:
            if path != self._path:
                self._path, self._place = path, 0
            size = file.seek(0, os.SEEK_END)
            newest = (size - MOST_AT_ONCE) // 2 * 2
            if from_the_end:
                self._place = max(0, newest)
            elif size < self._place:  # it was cut, and is written anew
                self._place = 0
            if self._place < newest or (from_the_end and self._place):
                skipped = self._skip(file, newest)
            file.seek(self._place)
            data = file.read(MOST_AT_ONCE)
        end = len(data) if to_the_end else _whole_lines(data)
        if end == 0 and len(data) == MOST_AT_ONCE:  # one line, longer than any is
            end, skipped, data = len(data), skipped + 1, b""
        self._place += end
        lines = data[:end].decode("utf-16-le", "replace").removeprefix(MARK).split("\n")
        return NewLines(
            file=path.name,
            lines=tuple(line.rstrip("\r") for line in lines if line.rstrip("\r")),
            is_first=from_the_end,
            skipped=0 if from_the_end else skipped,
        )

    def _skip(self, file: BinaryIO, newest: int) -> int:
        """To the first line that begins after `newest`; the number of lines that were passed."""
        passed = 0
        file.seek(self._place)
        while piece := file.read(min(MOST_AT_ONCE, max(newest - self._place, len(LINE_END)))):
            self._place += len(piece)
            passed += piece.decode("utf-16-le", "replace").count("\n")
            if self._place > newest and piece == LINE_END:
                break
        return passed


def _logs(folder: Path) -> list[Path]:
    """Oldest first."""
    for below in BELOW:
        place = folder / below
        if not below or place.is_dir():
            found = sorted(path for path in place.iterdir() if DAILY.fullmatch(path.name))
            if found:
                return found
    raise OSError("no file there is named by a date, as in 20260131.log")


def _whole_lines(data: bytes) -> int:
    """The length of what ends with the last end of a line."""
    end = len(data)
    while (at := data.rfind(LINE_END, 0, end)) % 2:
        if at < 0:
            return 0
        end = at + 1
    return at + 2
