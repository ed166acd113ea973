"""Where results go: tried before the work begins, written at its end, each file for itself."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from xml.etree import ElementTree as ET

from probe.disk import write_result
from probe.model.errors import ConfigError

TRIED_WITH = bytes(64 * 1024)  # a small record is of this size

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Generic[Result]):
    """One place that an option named."""

    option: str
    path: str
    write: Callable[[Result, Path], object]
    is_folder: bool = False


Written = tuple[Wanted[Result], OSError | None]  # and what kept it from being written


def try_all(wanted: Sequence[Wanted[Result]]) -> None:
    """
    Raises:
        ConfigError: one of them could not be written at the end.
    """
    for each in wanted:
        path = Path(each.path)
        folder = path if each.is_folder else path.parent
        try:
            if each.is_folder:
                path.mkdir(parents=True, exist_ok=True)
            elif path.is_dir():
                raise IsADirectoryError(None, "it is a folder, and a file is written")
            if path.exists() and not path.is_dir() and not os.access(path, os.W_OK):
                raise PermissionError(None, "it may not be written")
            with tempfile.NamedTemporaryFile(dir=folder) as tried:
                tried.write(TRIED_WITH)
        except OSError as problem:
            raise ConfigError(
                f"{path} cannot be written: {problem.strerror}",
                where=each.option,
                next_step="Nothing was run. Name another place, or make room there.",
            ) from None


def write_all(result: Result, wanted: Sequence[Wanted[Result]]) -> Iterator[Written[Result]]:
    """Each for itself: what keeps one of them from being written does not lose the others."""
    for each in wanted:
        try:
            each.write(result, Path(each.path))
        except OSError as problem:
            yield each, problem
        except Exception as bug:  # noqa: BLE001 - what it has measured is worth more than this one file
            yield each, OSError(None, f"a bug of ours, {type(bug).__name__}")
        else:
            yield each, None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case of JUnit's."""

    suite: str
    name: str
    failure: str = ""  # what is wrong; empty: nothing is
    kind: str = ""  # of the failure, in one word
    skipped: str = ""  # why it was not judged
    note: str = ""  # what else is worth knowing
    seconds: float | None = None


def write_junit(path: Path, name: str, cases: Iterable[Case], *, seconds: float) -> None:
    cases = list(cases)
    suite = ET.Element(
        "testsuite",
        name=_written(name),
        tests=f"{len(cases)}",
        failures=f"{sum(bool(each.failure) for each in cases)}",
        skipped=f"{sum(bool(each.skipped) for each in cases)}",
        time=f"{seconds}",
    )
    for each in cases:
        named = {"classname": _written(each.suite), "name": _written(each.name)}
        if each.seconds is not None:
            named["time"] = f"{each.seconds}"
        case = ET.SubElement(suite, "testcase", named)
        if each.failure:
            said = {"message": _written(each.failure)} | ({"type": each.kind} if each.kind else {})
            ET.SubElement(case, "failure", said)
        elif each.skipped:
            ET.SubElement(case, "skipped", message=_written(each.skipped))
        if each.note:
            ET.SubElement(case, "system-out").text = "\n".join(map(_written, each.note.splitlines()))
    write_result(path, ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def _written(text: str) -> str:
    """XML has no control characters."""
    return "".join(each if each.isprintable() else "�" for each in text)
